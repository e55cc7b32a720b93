package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func inWaves(state platformv1alpha1.RolloutState) *platformv1alpha1.ServiceTemplate {
	st := &platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web-service"}}
	st.Spec.Rollout = &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{
		{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment}, Percent: 100, SoakSeconds: 60}, {Percent: 10},
	}}
	st.Status.Rollout = &platformv1alpha1.TemplateRolloutStatus{
		Revision: 7, State: state, Wave: 2, Members: 12, Ready: 10, Failed: 1, Attempt: 1, Message: "Wave 2: 10 of 12 are Ready at revision 7.",
		Failures: []platformv1alpha1.RolloutFailure{{Namespace: "team-shop", Component: "checkout", Environment: "prod", Message: "it broke"}},
	}
	return st
}

func TestRollout_Status(t *testing.T) {
	expect(t, towpath(t, []client.Object{inWaves(platformv1alpha1.RolloutHalted)}, "rollout", "status", "web-service"), exitOK, `
template web-service: revision 7 is Halted
  Wave 2: 10 of 12 are Ready at revision 7.
  wave 1: 100 % of Development, soaks 60 s
> wave 2: 10 % of all tiers
10 of 12 are Ready at it, 1 failed
  team-shop/checkout in prod: it broke
next: mend the template, or towpath rollout resume web-service, or towpath rollout abort web-service
`, "")
}

func TestRollout_NamesWhatWasBrokenBefore(t *testing.T) {
	st := inWaves(platformv1alpha1.RolloutComplete)
	st.Status.Rollout.Failed, st.Status.Rollout.Failures = 0, nil
	st.Status.Rollout.Broken = 2
	st.Status.Rollout.BrokenEnvironments = []platformv1alpha1.RolloutFailure{{Namespace: "team-shop", Component: "mailer", Environment: "dev", Message: "no such image"}}
	got := towpath(t, []client.Object{st}, "rollout", "status", "web-service")
	if want := "10 of 12 are Ready at it, 0 failed\n2 were broken without it, and are not waited for\n  team-shop/mailer in dev: no such image\n"; !strings.Contains(got.out, want) {
		t.Errorf("%q is missing in\n%s%s", want, got.out, got.err)
	}
}

func TestRollout_NamesWhoIsPinned(t *testing.T) {
	objects := []client.Object{inWaves(platformv1alpha1.RolloutComplete), component("follows")}
	pin := func(name string, revision int64) {
		c := component(name)
		c.Spec.TemplateRef.Revision = &revision
		objects = append(objects, c)
	}
	pin("checkout", 6)
	pin("basket", 5)
	other := component("other")
	other.Spec.TemplateRef = platformv1alpha1.TemplateReference{Name: "worker", Revision: new(int64)}
	got := towpath(t, append(objects, other), "rollout", "status", "web-service")
	if want := "\npinned, and stay as they are\n  team-shop/basket at 5\n  team-shop/checkout at 6\n"; got.code != exitOK || !strings.HasSuffix(got.out, want) {
		t.Errorf("%q is missing in\n%s%s", want, got.out, got.err)
	}
	for i := range 60 {
		pin(fmt.Sprintf("c%02d", i), 6)
	}
	if got := towpath(t, objects, "rollout", "status", "web-service"); !strings.HasSuffix(got.out, "team-shop/c48 at 6\n  and 12 more\n") || strings.Contains(got.out, "c49") {
		t.Errorf("with many:\n%s", got.out)
	}

	refuse := interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return apierrors.NewForbidden(platformv1alpha1.GroupVersion.WithResource("components").GroupResource(), "", errors.New("no rights"))
	}}
	fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).WithInterceptorFuncs(refuse).Build()
	got = with(t, func(cluster.Flags) (*cluster.Cluster, error) { return &cluster.Cluster{Client: fakes}, nil }, "", "towpath", "rollout", "status", "web-service")
	if got.code != exitOK || !strings.Contains(got.out, "\nwho is pinned is not known: ") || !strings.Contains(got.out, "list components in all namespaces") {
		t.Errorf("without rights: %+v", got)
	}
}

func TestRollout_TellsWhatChanges(t *testing.T) {
	st := inWaves(platformv1alpha1.RolloutProgressing)
	st.Status.Rollout.Failures = nil
	const begins = `
template web-service: revision 7 is Progressing
  Wave 2: 10 of 12 are Ready at revision 7.
  wave 1: 100 % of Development, soaks 60 s
> wave 2: 10 % of all tiers
10 of 12 are Ready at it, 1 failed
`
	const planned = `as planned: 12 of 14 environments change, pods restart in 10, 1 cannot get it; 2 pinned Components stay
  Development: 4 of 4 environments change, pods restart in 4, 0 cannot get it
  Production: 8 of 10 environments change, pods restart in 6, 1 cannot get it
  ConfigMap (resource config): 12 added
  Deployment (resource deployment): 10 changed, 2 removed, pods of 10 restart: spec.replicas, spec.template.spec.containers[name=app].image
  cannot: team-shop/checkout in prod: parameters.port: must be at most 100
`
	expect(t, towpath(t, []client.Object{st}, "rollout", "status", "web-service"), exitOK, begins+"what it changes is not counted yet\n", "")
	st.Status.Rollout.Impact = &platformv1alpha1.RolloutImpact{
		ImpactCount: platformv1alpha1.ImpactCount{Following: 14, Changed: 12, Restarting: 10, Cannot: 1}, Pinned: 2,
		Tiers: []platformv1alpha1.TierImpact{
			{Tier: platformv1alpha1.TierDevelopment, ImpactCount: platformv1alpha1.ImpactCount{Following: 4, Changed: 4, Restarting: 4}},
			{Tier: platformv1alpha1.TierProduction, ImpactCount: platformv1alpha1.ImpactCount{Following: 10, Changed: 8, Restarting: 6, Cannot: 1}},
		},
		Resources: []platformv1alpha1.ResourceImpact{
			{Resource: "config", Kind: "ConfigMap", Added: 12},
			{Resource: "deployment", Kind: "Deployment", Changed: 10, Removed: 2, Restarting: 10, Fields: []string{"spec.replicas", "spec.template.spec.containers[name=app].image"}},
		},
		Blocked: []platformv1alpha1.RolloutFailure{{Namespace: "team-shop", Component: "checkout", Environment: "prod", Message: "parameters.port: must be at most 100"}},
	}
	expect(t, towpath(t, []client.Object{st}, "rollout", "status", "web-service"), exitOK, begins+planned, "")

	// Without waves everybody gets it at once, and what that does is told all the same.
	st.Spec.Rollout, st.Status.Impact = nil, &platformv1alpha1.RevisionImpact{Revision: 7, RolloutImpact: *st.Status.Rollout.Impact}
	st.Status.Rollout, st.Status.LatestRevision = nil, &platformv1alpha1.RevisionReference{Name: "web-service-7", Number: 7}
	const atOnce = "\ntemplate web-service: revision %d reaches everybody who follows it at once, since it has no spec.rollout.waves\n"
	status := func() call { return towpath(t, []client.Object{st}, "rollout", "status", "web-service") }
	expect(t, status(), exitOK, fmt.Sprintf(atOnce, 7)+planned, "")
	st.Status.LatestRevision.Number = 8
	expect(t, status(), exitOK, fmt.Sprintf(atOnce, 8)+"what it changes is not counted yet\n", "")
	st.Status.LatestRevision.Number = 1
	expect(t, status(), exitOK, fmt.Sprintf(atOnce, 1), "")
	st.Status.LatestRevision = nil
	expect(t, status(), exitOK, "\ntemplate web-service: no revision of it has compiled\n", "")
}

func TestRollout_Steers(t *testing.T) {
	for _, c := range []struct {
		verb  string
		state platformv1alpha1.RolloutState
		want  *platformv1alpha1.RolloutControl // nil where it is refused
	}{
		{"resume", platformv1alpha1.RolloutHalted, &platformv1alpha1.RolloutControl{Revision: 7, Action: platformv1alpha1.RolloutResume, Attempt: 2}},
		{"resume", platformv1alpha1.RolloutProgressing, nil},
		{"skip", platformv1alpha1.RolloutProgressing, &platformv1alpha1.RolloutControl{Revision: 7, Action: platformv1alpha1.RolloutSkip, Wave: 2}},
		{"skip", platformv1alpha1.RolloutHalted, nil},
		{"abort", platformv1alpha1.RolloutHalted, &platformv1alpha1.RolloutControl{Revision: 7, Action: platformv1alpha1.RolloutAbort}},
		{"abort", platformv1alpha1.RolloutComplete, nil},
	} {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(inWaves(c.state)).Build()
		got := with(t, func(cluster.Flags) (*cluster.Cluster, error) { return &cluster.Cluster{Client: fakes}, nil }, "", "towpath", "rollout", c.verb, "web-service")
		var st platformv1alpha1.ServiceTemplate
		if err := fakes.Get(t.Context(), client.ObjectKey{Name: "web-service"}, &st); err != nil {
			t.Fatal(err)
		}
		control := st.Spec.Rollout.Control
		switch {
		case c.want == nil:
			if got.code != exitFindings || control != nil || !strings.Contains(got.err, "the roll-out of revision 7 is "+string(c.state)) {
				t.Errorf("%s while %s: %+v, %+v", c.verb, c.state, got, control)
			}
		case got.code != exitOK || control == nil || *control != *c.want:
			t.Errorf("%s while %s: %+v, %+v", c.verb, c.state, got, control)
		}
	}
}

func TestRollout_WhereThereIsNone(t *testing.T) {
	none := inWaves(platformv1alpha1.RolloutHalted)
	none.Spec.Rollout = nil
	if got := towpath(t, []client.Object{none}, "rollout", "skip", "web-service"); got.code != exitFindings || !strings.Contains(got.err, "has no waves") {
		t.Errorf("got %+v", got)
	}
	if got := towpath(t, nil, "rollout", "abort", "nobody"); got.code != exitFindings || !strings.Contains(got.err, "ServiceTemplate nobody does not exist") {
		t.Errorf("got %+v", got)
	}
}
