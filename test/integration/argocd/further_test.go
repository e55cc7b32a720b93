package argocd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What ships, as Argo CD delivers it", func() {
	It("is in step once it is applied, and stays so without another write", func(ctx context.Context) {
		Expect(install.Catalog(ctx, admin, config.Manifests{})).To(Succeed())
		p := newPlace(ctx)
		samples, err := filepath.Glob("../../../config/catalog/*/component.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(samples).NotTo(BeEmpty())
		for _, sample := range samples {
			text, err := os.ReadFile(sample) //nolint:gosec // of this repository
			Expect(err).NotTo(HaveOccurred())
			p.Component = &platformv1alpha1.Component{}
			Expect(yaml.Unmarshal(text, p.Component)).To(Succeed())
			p.Component.Namespace = p.Home
			p.Component.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}}
			Expect(admin.Create(ctx, p.Component)).To(Succeed())
			Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(soon).Should(synced("Synced"), sample)
		}
		applied := func() int {
			audit, err := cluster.Audit()
			Expect(err).NotTo(HaveOccurred())
			count := 0
			for _, r := range audit.By(deliverer.User()).Succeeded() {
				if r.Namespace == p.Namespace && !r.DryRun {
					count++
				}
			}
			return count
		}
		before := applied()
		Consistently(ctx, applied, "15s", "1s").Should(Equal(before), "nothing looks changed to Argo CD that is as it should be")
	})

	It("waits at its gate: what is not approved is in no branch, and Argo CD has nothing to apply", func(ctx context.Context) {
		p := newPlace(ctx)
		production := p.ByGit(framework.Name("class-"), platformv1alpha1.TierProduction)
		production.Spec.Gate = &platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}
		Expect(admin.Create(ctx, production)).To(Succeed())
		p.Environment(ctx, "prod", production.Name)
		template := framework.Template(framework.Name("template-"), framework.ConfigMap("config"))
		Expect(admin.Create(ctx, template)).To(Succeed())
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
		p.Component = framework.Component(p.Home, "shop", template.Name, "dev", "prod")
		Expect(admin.Create(ctx, p.Component)).To(Succeed())

		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		waits := p.ReleaseIn("prod", 1)
		Eventually(ctx, framework.Read(admin, waits)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForApproval))
		Expect(p.Git(ctx, "ls-tree", "-r", "--name-only", "main")).NotTo(ContainSubstring("/prod/"))
		live, err := framework.Read(admin, waits)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.Home, Name: "lin"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-approver"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "lin"}},
		})).To(Succeed())
		lin, err := cluster.UserClient("lin")
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, func(ctx context.Context) error { // the right takes a moment
			return lin.Create(ctx, &platformv1alpha1.Approval{
				ObjectMeta: metav1.ObjectMeta{Namespace: p.Home, GenerateName: live.Name + "-"},
				Spec: platformv1alpha1.ApprovalSpec{
					ReleaseRef: platformv1alpha1.ReleaseReference{Name: live.Name, UID: live.UID}, Approver: "lin", Decision: platformv1alpha1.DecisionApprove,
				},
			})
		}).Should(Succeed())
		Eventually(ctx, framework.Read(admin, waits)).WithTimeout(soon).Should(framework.BeReady())
		Expect(p.Git(ctx, "log", "-1", "--format=%(trailers:key=Approved-by,valueonly)", "main")).To(Equal("lin"))
	})
})

var _ = Describe("Components that Argo CD applies from Git", func() {
	It("are in step with their files, and have the health that config/argocd teaches it", func(ctx context.Context) {
		p := newPlace(ctx)
		template := framework.Template(framework.Name("template-"), framework.ConfigMap("config"))
		template.Spec.Parameters = framework.JSON(`{type: object, properties: {name: {type: string, default: config}}}`)
		template.Spec.Resources[0].Object = *framework.JSON(`{apiVersion: v1, kind: ConfigMap, metadata: {name: "${params.name}"}}`)
		Expect(admin.Create(ctx, template)).To(Succeed())
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
		direct := framework.Class(framework.Name("class-"), platformv1alpha1.TierDevelopment)
		Expect(admin.Create(ctx, direct)).To(Succeed())
		files := map[string]string{
			"team/environments/test.yaml": "{apiVersion: platform.towpath.dev/v1alpha1, kind: Environment, metadata: {name: test}, spec: {classRef: {name: " + direct.Name + "}}}\n",
			"team/components/good.yaml":   componentFile("good", template.Name, "good"),
			"team/components/taken.yaml":  componentFile("taken", template.Name, "kube-root-ca.crt"),
		}
		_, err := p.Repository.Push(ctx, "main", gittest.Change{Files: files, Message: "Add what the team has"})
		Expect(err).NotTo(HaveOccurred())
		application := object("Application")
		application.SetNamespace(namespace)
		application.SetName(p.Home)
		application.Object["spec"] = map[string]any{ // as docs/guides/gitops.md has it
			"project":     "teams",
			"source":      map[string]any{"repoURL": server.URL(p.Name), "targetRevision": "main", "path": "team", "directory": map[string]any{"recurse": true}},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": p.Home},
			"syncPolicy":  map[string]any{"automated": map[string]any{"prune": true, "selfHeal": true}, "syncOptions": []any{"ServerSideApply=true"}},
		}
		teams := object("AppProject")
		teams.SetNamespace(namespace)
		teams.SetName("teams")
		teams.Object["spec"] = map[string]any{"sourceRepos": []any{"*"}, "destinations": []any{map[string]any{"server": "*", "namespace": "team-*"}}}
		Expect(client.IgnoreAlreadyExists(admin.Create(ctx, teams))).To(Succeed())
		Expect(admin.Create(ctx, application)).To(Succeed())

		live := framework.Read(admin, application)
		Eventually(ctx, live).WithTimeout(retried).Should(And(synced("Synced"), healthy("Degraded")), "one Component is stalled")
		good, taken := framework.Component(p.Home, "good", template.Name), framework.Component(p.Home, "taken", template.Name)
		Eventually(ctx, framework.Read(admin, good)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, taken)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonReleaseFailed, "kube-root-ca.crt"))

		By("and are healthy once the file is mended")
		_, err = p.Repository.Push(ctx, "main", gittest.Change{Files: map[string]string{"team/components/taken.yaml": componentFile("taken", template.Name, "free")}, Message: "Rename it"})
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Patch(ctx, application, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)))).To(Succeed())
		Eventually(ctx, live).WithTimeout(retried).Should(And(synced("Synced"), healthy("Healthy")))
		generation, err := framework.Read(admin, good)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Consistently(ctx, framework.Read(admin, good), "10s", "1s").Should(HaveField("ResourceVersion", generation.ResourceVersion), "Argo CD does not write again what is there")
	})
})

func componentFile(name, template, configMap string) string {
	return "{apiVersion: platform.towpath.dev/v1alpha1, kind: Component, metadata: {name: " + name + "}, spec: {templateRef: {name: " + template +
		"}, image: \"registry.example/shop:1.0.0\", parameters: {name: " + configMap + "}, environments: [{name: test}]}}\n"
}

// teach has Argo CD know the health of Towpath's kinds, as the component of kustomize in config/argocd does.
func teach(ctx context.Context) {
	GinkgoHelper()
	text, err := os.ReadFile("../../../config/argocd/kustomization.yaml")
	Expect(err).NotTo(HaveOccurred())
	var kustomization struct {
		ConfigMapGenerator []struct {
			Name, Namespace string
			Files           []string
		}
	}
	Expect(yaml.Unmarshal(text, &kustomization)).To(Succeed())
	generated := kustomization.ConfigMapGenerator[0]
	data := map[string]any{}
	for _, file := range generated.Files {
		key, name, _ := strings.Cut(file, "=")
		script, err := os.ReadFile("../../../config/argocd/" + name) //nolint:gosec // of this repository
		Expect(err).NotTo(HaveOccurred())
		data[key] = string(script)
	}
	settings := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": data}}
	settings.SetNamespace(generated.Namespace)
	settings.SetName(generated.Name)
	Expect(admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(settings), client.FieldOwner("kustomize"))).To(Succeed())
}

var _ = Describe("The manager", func() {
	It("may write nothing of an Application that Argo CD would go on with", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		evil := `{"sync":{"manifests":["{apiVersion: v1, kind: ConfigMap, metadata: {name: evil}}"]}}`
		for text, says := range map[string]string{
			`{"operation":` + evil + `}`: "applies what the Application says, and nothing else",
			`{"operation":{"sync":{}},"status":{"operationState":{"phase":"Running","startedAt":"` + time.Now().UTC().Format(time.RFC3339) + `","operation":` + evil + `}}}`: "is Argo CD's",
			`{"metadata":{"annotations":{"argocd.argoproj.io/hydrate":"normal"}}}`:                                                                                           "the annotations that Towpath writes, and no other",
		} {
			Expect(cluster.ManagerClient.Patch(ctx, p.application(ctx), client.RawPatch(types.MergePatchType, []byte(text)))).To(MatchError(ContainSubstring(says)))
		}
		Consistently(ctx, framework.Gone(admin, p.ConfigMap("evil"))).Should(BeTrue())
	})
})

var _ = Describe("A Release that Argo CD delivers as another account", func() {
	It("is applied by impersonation, with the rights of that account alone", func(ctx context.Context) {
		account := platformv1alpha1.DeliveryAccount{Namespace: namespace, Name: "deliverer"}
		Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}})).To(Succeed())
		settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "argocd-cm"}}
		deliveries := object("AppProject")
		deliveries.SetNamespace(namespace)
		deliveries.SetName(project)
		impersonate := func(ctx context.Context, enabled, accounts string) {
			Expect(admin.Patch(ctx, deliveries, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"destinationServiceAccounts":`+accounts+`}}`)))).To(Succeed())
			Expect(admin.Patch(ctx, settings, client.RawPatch(types.MergePatchType, []byte(`{"data":{"application.sync.impersonation.enabled":`+enabled+`}}`)))).To(Succeed())
		}
		impersonate(ctx, `"true"`, `[{"server":"https://kubernetes.default.svc","namespace":"t*","defaultServiceAccount":"`+account.Namespace+":"+account.Name+`"}]`)
		DeferCleanup(impersonate, "null", "null")

		p := newPlace(ctx, account)
		for _, role := range []string{"towpath-applier", "view"} {
			Expect(admin.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "deliverer-" + role},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
			})).To(Succeed())
		}
		p.Deploy(ctx, "shop", framework.Deployment("web", 1), framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())
		Expect(p.Writes("shop-config")).To(HaveEach(HaveField("As", account.User())))
		Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(soon).Should(synced("Synced"))
	})
})
