// Package servicetemplate_test shows on a real cluster how golden paths are admitted, become revisions,
// and how long those stay.
package servicetemplate_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client
)

func TestServiceTemplate(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "ServiceTemplate")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
})

// configMap is a template of one ConfigMap, whose content is one value.
func configMap(value string) *platformv1alpha1.ServiceTemplate {
	return framework.Template(framework.Name("t-"), content(value))
}

func content(value string) platformv1alpha1.ResourceTemplate {
	return framework.Resource("config", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}"}
data: {value: "`+value+`"}
`)
}

// created makes a template and waits until its revision is there.
func created(ctx context.Context, st *platformv1alpha1.ServiceTemplate) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	Expect(admin.Create(ctx, st)).To(Succeed())
	awaitRevision(ctx, st, 1)
	return st
}

// change changes a template.
func change(ctx context.Context, st *platformv1alpha1.ServiceTemplate, edit func(*platformv1alpha1.ServiceTemplate)) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error { // with the controller's write of the status
		live := read(ctx, st)
		edit(live)
		return admin.Update(ctx, live)
	})).To(Succeed())
}

// setContent makes a template of one ConfigMap with this value.
func setContent(ctx context.Context, st *platformv1alpha1.ServiceTemplate, value string) {
	GinkgoHelper()
	change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
		st.Spec.Resources = []platformv1alpha1.ResourceTemplate{content(value)}
	})
}

// awaitRevision waits until a template is Ready, with this revision as its newest.
func awaitRevision(ctx context.Context, st *platformv1alpha1.ServiceTemplate, number int64) {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, st)).Should(And(framework.BeReady(), HaveField("Status.LatestRevision", HaveValue(Equal(
		platformv1alpha1.RevisionReference{Name: fmt.Sprintf("%s-%d", st.Name, number), Number: number})))))
}

// read reads an object that must be there.
func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	live, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// revision names a revision of a template.
func revision(st *platformv1alpha1.ServiceTemplate, number int64) *platformv1alpha1.ServiceTemplateRevision {
	return framework.Revision(st.Name, number)
}

// numbers returns a function that lists the numbers of the revisions that a template has, in order.
func numbers(st *platformv1alpha1.ServiceTemplate) func(context.Context) ([]int64, error) {
	return func(ctx context.Context) ([]int64, error) {
		var list platformv1alpha1.ServiceTemplateRevisionList
		if err := admin.List(ctx, &list); err != nil {
			return nil, err
		}
		var found []int64
		for i := range list.Items {
			if list.Items[i].Spec.TemplateName == st.Name {
				found = append(found, list.Items[i].Spec.Number)
			}
		}
		slices.Sort(found)
		return found, nil
	}
}

// merge is a patch of literals.
func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
