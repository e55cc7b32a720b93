package upgrade_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// elsewhere stands for the folder of the site in testdata and fixtures, which is another one each time.
const elsewhere = "/site"

// knowsCosts says whether a release has the kinds of testdata/costs.
func knowsCosts(r release) bool {
	return slices.ContainsFunc(r.manifests.CRDs(), func(crd *unstructured.Unstructured) bool {
		return strings.HasPrefix(crd.GetName(), "costsources.")
	})
}

// spend makes everything in testdata/costs, and the bill that it is about.
func (s *site) spend(ctx context.Context) {
	GinkgoHelper()
	s.bill()
	text, err := os.ReadFile(filepath.Join("testdata", "costs", "costs.yaml"))
	Expect(err).NotTo(HaveOccurred())
	for _, o := range parsed(strings.ReplaceAll(string(text), elsewhere, s.dir)) {
		Expect(s.admin.Create(ctx, o, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), "%s %s", o.GetKind(), o.GetName())
	}
}

// bill writes a bill in FOCUS of the last six weeks, 10 USD each day: the last was three days ago, so that all are final.
func (s *site) bill() {
	GinkgoHelper()
	const date = "2006-01-02"
	text := "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ChargePeriodStart,BillingPeriodStart,ServiceProviderName,Tags\n"
	for back := 42; back >= 3; back-- {
		day := time.Now().UTC().AddDate(0, 0, -back)
		text += fmt.Sprintf("12,10,USD,Usage,Databases,%sT00:00:00Z,%s-01T00:00:00Z,Cloud,%s\n", day.Format(date), day.Format("2006-01"),
			`"{""team"":""upgrade"",""component"":""checkout""}"`)
	}
	folder := filepath.Join(s.dir, "bills")
	Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(folder, "bill.csv"), []byte(text), 0o600)).To(Succeed())
}

// awaitFigures waits until the bill is in the Budget and in reports. A manager that starts writes these at once, and else after a minute.
func (s *site) awaitFigures(ctx context.Context) {
	GinkgoHelper()
	budget := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "yearly"}}
	Eventually(ctx, framework.Read(s.admin, budget)).WithTimeout(patience).Should(HaveField("Status.Source", platformv1alpha1.CostFromBills))
	s.run(ctx, s.runs)
	Eventually(ctx, func(ctx context.Context) ([]platformv1alpha1.CostReport, error) {
		var list platformv1alpha1.CostReportList
		err := s.admin.List(ctx, &list, client.InNamespace(home))
		return list.Items, err
	}).WithTimeout(patience).ShouldNot(BeEmpty())
	s.awaitReady(ctx)
}
