package tree_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

// now is what ages in the goldens count to.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// reader is a cluster with the objects of testdata/<name>.yaml.
func reader(t *testing.T, name string) client.WithWatch {
	t.Helper()
	builder := fake.NewClientBuilder().WithScheme(cluster.Scheme())
	data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(data), "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		object, err := cluster.Scheme().New(kind.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		builder.WithObjects(object.(client.Object))
	}
	return builder.Build()
}

func show(t *testing.T, from client.Reader, options tree.Options, style tree.Style) string {
	t.Helper()
	snapshot, err := tree.Load(t.Context(), from, options.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	options.Kubectl, options.Status = "kubectl", "towpath status"
	report, err := tree.Build(snapshot, options)
	if err != nil {
		t.Fatal(err)
	}
	style.Now = now
	var text strings.Builder
	if err := tree.Print(&text, report, style); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestAReadyComponentShowsHowToCallIt(t *testing.T) {
	expect(t, show(t, reader(t, "ready"), tree.Options{Namespace: "team-shop"}, tree.Style{}), `
team shop, cost centre cc-4711, namespace team-shop
├─ ✔ checkout  web-service@2…3  Ready, promoted
│  ├─ ✔ dev  Development, class development, namespace shop-dev
│  │  └─ ✔ release 2  registry.example/shop/checkout:1.4.2  ImageChange, 120m ago  Ready
│  │     ├─ ✔ ServiceAccount/checkout  Ready
│  │     ├─ ✔ Deployment/checkout      Ready
│  │     └─ ✔ Service/checkout         Ready
│  └─ ✔ prod  Production, class production, namespace shop-prod
│     └─ ✔ release 1  registry.example/shop/checkout:1.4.2  Promotion, 90m ago  Ready
│        └─ ✔ Service/checkout  Ready
└─ ✔ environment qa  Staging, class staging, namespace shop-qa  no Component runs here

next: kubectl -n shop-dev port-forward deployment/checkout 8080:8080
      # call checkout in dev
`)
}

func TestBriefLeavesOutReadyObjects(t *testing.T) {
	expect(t, show(t, reader(t, "ready"), tree.Options{Namespace: "team-shop", Component: "checkout"}, tree.Style{Brief: true}), `
team shop, cost centre cc-4711, namespace team-shop
└─ ✔ checkout  web-service@2…3  Ready, promoted
   ├─ ✔ dev  Development, class development, namespace shop-dev
   │  └─ ✔ release 2  registry.example/shop/checkout:1.4.2  ImageChange, 120m ago  Ready
   └─ ✔ prod  Production, class production, namespace shop-prod
      └─ ✔ release 1  registry.example/shop/checkout:1.4.2  Promotion, 90m ago  Ready

next: kubectl -n shop-dev port-forward deployment/checkout 8080:8080
      # call checkout in dev
`)
}

// A workflow that is behind is no trouble of what runs, and shows all the same.
func TestAWorkflowThatIsBehindShows(t *testing.T) {
	from := reader(t, "ready")
	var component platformv1alpha1.Component
	if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "checkout"}, &component); err != nil {
		t.Fatal(err)
	}
	component.Status.Conditions = append(component.Status.Conditions, metav1.Condition{
		Type: platformv1alpha1.ConditionPipelineInStep, Status: metav1.ConditionFalse, Reason: platformv1alpha1.ReasonPipelineBehind,
		Message: "Commit 3f2c81d09a4b of branch main is not in step: run towpath pipeline sync.",
	})
	if err := from.Update(t.Context(), &component); err != nil {
		t.Fatal(err)
	}
	shown := show(t, from, tree.Options{Namespace: "team-shop", Component: "checkout"}, tree.Style{Brief: true})
	if want := "Ready, promoted\n   ├─ ! PipelineBehind: Commit 3f2c81d09a4b of branch main is not in step: run towpath pipeline sync.\n"; !strings.Contains(shown, want) {
		t.Errorf("got:\n%s\nwant in it:\n%s", shown, want)
	}
}

func TestAReleaseShowsItsCommitAndHowLongItTook(t *testing.T) {
	from := reader(t, "ready")
	for name, author := range map[string]string{"checkout-dev-2": "Ada <ada@shop.example>\x1b[2J\n", "checkout-prod-1": ""} {
		var release platformv1alpha1.Release
		if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: name}, &release); err != nil {
			t.Fatal(err)
		}
		committed, ready := metav1.NewTime(now.Add(-3*time.Hour)), metav1.NewTime(now.Add(-2*time.Hour))
		release.Spec.Commit = &platformv1alpha1.Commit{SHA: "3f2c81d09a4bb8a1f0c2", Author: author}
		release.Status.ReadyAt = &ready
		if author != "" {
			oldest := metav1.NewTime(now.Add(-50 * time.Hour))
			release.Spec.Commit.CommittedAt = &committed
			release.Spec.Commits = &platformv1alpha1.CommitRange{Count: ptr.To(int32(3)), OldestCommittedAt: &oldest}
		}
		if err := from.Update(t.Context(), &release); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, show(t, from, tree.Options{Namespace: "team-shop", Component: "checkout"}, tree.Style{Brief: true}), `
team shop, cost centre cc-4711, namespace team-shop
└─ ✔ checkout  web-service@2…3  Ready, promoted
   ├─ ✔ dev  Development, class development, namespace shop-dev
   │  └─ ✔ release 2  registry.example/shop/checkout:1.4.2  ImageChange, 120m ago  Ready
   │     └─ commit 3f2c81d09a4b by Ada <ada@shop.example>[2J  lead time 60m, of the oldest of 3 new commits 2d
   └─ ✔ prod  Production, class production, namespace shop-prod
      └─ ✔ release 1  registry.example/shop/checkout:1.4.2  Promotion, 90m ago  Ready
         └─ commit 3f2c81d09a4b

next: kubectl -n shop-dev port-forward deployment/checkout 8080:8080
      # call checkout in dev
`)
}

// Costs stand beside what they are of, and prices that nobody configured are marked.
func TestWhatItCostsShows(t *testing.T) {
	from := reader(t, "ready")
	amounts := platformv1alpha1.AmountRange{Min: "52.3381", Expected: "104.6762", Max: "261.6904"}
	var release platformv1alpha1.Release
	if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "checkout-prod-1"}, &release); err != nil {
		t.Fatal(err)
	}
	release.Spec.EstimatedCost = &platformv1alpha1.ReleaseCost{EstimatedCost: platformv1alpha1.EstimatedCost{
		Currency: "USD", Monthly: amounts, PricesFrom: platformv1alpha1.PricesOfDefaultList,
	}}
	if err := from.Update(t.Context(), &release); err != nil {
		t.Fatal(err)
	}
	var component platformv1alpha1.Component
	if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "checkout"}, &component); err != nil {
		t.Fatal(err)
	}
	component.Status.EstimatedCost = &platformv1alpha1.CostSum{
		EstimatedCost: platformv1alpha1.EstimatedCost{Currency: "USD", Monthly: amounts, PricesFrom: platformv1alpha1.PricesOfDefaultList}, Releases: 1, Unknown: 1,
	}
	if err := from.Update(t.Context(), &component); err != nil {
		t.Fatal(err)
	}
	shown := show(t, from, tree.Options{Namespace: "team-shop", Component: "checkout"}, tree.Style{Brief: true})
	for _, want := range []string{
		"checkout  web-service@2…3  Ready, promoted  104.68* USD a month, and 1 without an estimate\n",
		"Promotion, 90m ago  104.68* USD a month  Ready\n", "ImageChange, 120m ago  Ready\n", "OpenCost",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("got:\n%s\nwant in it:\n%s", shown, want)
		}
	}
}

// An override that expires is no trouble yet, and shows all the same: which one, when, and what happens then.
func TestAnOverrideThatExpiresShows(t *testing.T) {
	from := reader(t, "ready")
	var component platformv1alpha1.Component
	if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "checkout"}, &component); err != nil {
		t.Fatal(err)
	}
	component.Status.Conditions = append(component.Status.Conditions, metav1.Condition{
		Type: platformv1alpha1.ConditionOverridesExpiring, Status: metav1.ConditionTrue, Reason: platformv1alpha1.ReasonOverrideExpiring,
		Message: "spec.overrides[0] of resource deployment expires on 2026-11-30, and then is dropped.",
	})
	if err := from.Update(t.Context(), &component); err != nil {
		t.Fatal(err)
	}
	expect(t, show(t, from, tree.Options{Namespace: "team-shop", Component: "checkout"}, tree.Style{Brief: true}), `
team shop, cost centre cc-4711, namespace team-shop
└─ ✔ checkout  web-service@2…3  Ready, promoted
   ├─ ! OverrideExpiring: spec.overrides[0] of resource deployment expires on 2026-11-30, and then is dropped.
   ├─ ✔ dev  Development, class development, namespace shop-dev
   │  └─ ✔ release 2  registry.example/shop/checkout:1.4.2  ImageChange, 120m ago  Ready
   └─ ✔ prod  Production, class production, namespace shop-prod
      └─ ✔ release 1  registry.example/shop/checkout:1.4.2  Promotion, 90m ago  Ready

next: kubectl -n team-shop edit component checkout
      # component checkout: take the override out of spec.overrides, or set a later date in expires
`)
}

func TestTroubleShowsItsCauseAndWhatHelps(t *testing.T) {
	expect(t, show(t, reader(t, "trouble"), tree.Options{Namespace: "team-shop"}, tree.Style{}), `
team shop, cost centre cc-4711, namespace team-shop
├─ … catalogue  web-service@3  Progressing: ReleaseFailed: environment dev: Deployment/catalogue: 0 of 2 pods are ready, not promoted: WaitingForPrevious: prod waits for dev
│  ├─ … dev  Development, class development, namespace shop-dev
│  │  └─ ✘ release 4  registry.example/shop/catalogue:0.9.7  ParameterChange, 5m ago  Failed: RolloutFailed: Deployment/catalogue exceeded its deadline
│  │     ├─ ✘ Deployment/catalogue     Failed: 0 of 2 pods are ready
│  │     ├─ ✔ Service/catalogue        Ready
│  │     └─ ? NetworkPolicy/catalogue  Unknown
│  └─ ✘ prod  does not exist
├─ ✘ checkout  web-service  Failed: ParametersInvalid: spec.parameters.port: 99999: must be at most 65535
│  └─ … dev  Development, class development, namespace shop-dev  no release yet
└─ ? storefront  web-service  Unknown
   └─ … dev  Development, class development, namespace shop-dev  no release yet

next: kubectl -n shop-dev describe deployment catalogue
      # release catalogue-dev-4: RolloutFailed
next: kubectl -n shop-dev get pods -l platform.towpath.dev/component=catalogue
      # its pods
next: kubectl -n shop-dev logs -l platform.towpath.dev/component=catalogue --all-containers --tail=20
      # what they said last
next: kubectl -n team-shop get environments
      # component catalogue waits for environment prod, which does not exist; these do
next: kubectl -n team-shop edit component checkout
      # component checkout: ParametersInvalid; correct it
next: kubectl get servicetemplate web-service -o jsonpath={.spec.parameters}
      # the parameters that the template takes
next: kubectl -n towpath-system get pods
      # component storefront was not looked at yet: is the manager running?
`)
}

func TestColoursPaintHealthsAlone(t *testing.T) {
	coloured := show(t, reader(t, "ready"), tree.Options{Namespace: "team-shop"}, tree.Style{Colour: true})
	if !strings.Contains(coloured, "\x1b[32m✔\x1b[0m Deployment/checkout      \x1b[32mReady\x1b[0m\n") {
		t.Errorf("no green Ready in:\n%q", coloured)
	}
}

func TestATeamWithoutComponentsIsToldHowToBegin(t *testing.T) {
	expect(t, show(t, reader(t, "empty"), tree.Options{}, tree.Style{}), `
team shop, cost centre cc-4711, namespace team-shop
└─ no Component

next: kubectl get servicetemplates
      # what a Component may be made from
next: kubectl -n team-shop apply -f component.yaml
      # make the first Component
`)
}

func TestANamespaceThatIsNoHomeLeadsToThoseThatAre(t *testing.T) {
	expect(t, show(t, reader(t, "empty"), tree.Options{Namespace: "default"}, tree.Style{}), `
no Component, and no home of a team

next: towpath status -A
      # namespace default is not the home of a team; look at every team
next: kubectl label namespace default platform.towpath.dev/team=TEAM platform.towpath.dev/cost-center=COST-CENTER
      # or, as the platform team, make it one
`)
}

func TestWhoMayNotReadNamespacesStillSeesTheTeam(t *testing.T) {
	blind := interceptor.NewClient(reader(t, "ready"), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, name client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, name.Name, errors.New("no"))
		},
	})
	got := show(t, blind, tree.Options{Namespace: "team-shop"}, tree.Style{Brief: true})
	if !strings.HasPrefix(got, "team shop, cost centre cc-4711, namespace team-shop\n") {
		t.Errorf("got:\n%s", got)
	}
}

func TestWhatDoesNotExistIsNamedWithWhatDoes(t *testing.T) {
	snapshot, err := tree.Load(t.Context(), reader(t, "trouble"), "team-shop")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tree.Build(snapshot, tree.Options{Namespace: "team-shop", Component: "chekout"})
	if err == nil || err.Error() != `component "chekout" does not exist in namespace team-shop, which has catalogue, checkout, storefront` {
		t.Errorf("got %v", err)
	}
	if _, err = tree.Load(t.Context(), reader(t, "trouble"), "team-shp"); err == nil || err.Error() != "namespace team-shp does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestEveryReasonThatNeedsSomebodyHasAStep(t *testing.T) {
	reasons := []string{
		platformv1alpha1.ReasonTemplateNotFound, platformv1alpha1.ReasonRevisionNotFound, platformv1alpha1.ReasonParametersInvalid,
		platformv1alpha1.ReasonRenderFailed, platformv1alpha1.ReasonRefused, platformv1alpha1.ReasonNotTeamNamespace, "SomethingNew",
	}
	for _, reason := range reasons {
		component := platformv1alpha1.Component{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout"},
			Status: platformv1alpha1.ComponentStatus{Conditions: []metav1.Condition{
				{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: "x"},
			}},
		}
		report, err := tree.Build(&tree.Snapshot{Components: []platformv1alpha1.Component{component}}, tree.Options{Kubectl: "kubectl"})
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Next) == 0 {
			t.Errorf("reason %s has no next step", reason)
		}
	}
}
