package component

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
)

// Whoever takes an environment out of the path in the moment of a rejection, before a pass has written that down, must not be rid of it.
func TestDropStrays_KeepsWhatWasRejectedAMomentAgo(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path     []stop
		decision platformv1alpha1.Decision
		opened   bool
		kept     bool
	}{
		"rejected":                       {nil, platformv1alpha1.DecisionReject, false, true},
		"approved":                       {nil, platformv1alpha1.DecisionApprove, false, false},
		"rejected after it had entered":  {nil, platformv1alpha1.DecisionReject, true, false},
		"of an environment that is anew": {[]stop{{name: "prod"}}, platformv1alpha1.DecisionReject, false, false},
	} {
		release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "shop-prod-1", UID: types.UID("r1")}}
		release.Spec.Environment.Name, release.Spec.Gate = "prod", &platformv1alpha1.Gate{Approvals: 1}
		if tc.opened {
			release.Status.OpenedAt = &metav1.Time{}
			release.Spec.Gate = nil
		}
		approval := &platformv1alpha1.Approval{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "a"}}
		approval.Spec = platformv1alpha1.ApprovalSpec{ReleaseRef: platformv1alpha1.ReleaseReference{Name: release.Name, UID: release.UID}, Approver: "bob", Decision: tc.decision}
		c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(release, approval).WithStatusSubresource(release).
			WithIndex(approval, index.ApprovalRelease, func(o client.Object) []string {
				return []string{string(o.(*platformv1alpha1.Approval).Spec.ReleaseRef.UID)} //nolint:forcetypeassert // of a test
			}).Build()
		live := &platformv1alpha1.Release{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(release), live); err != nil {
			t.Fatal(err)
		}
		if err := (&Reconciler{Client: c}).dropStrays(t.Context(), &scope{stops: tc.path, strays: []*platformv1alpha1.Release{live}}); err != nil {
			t.Fatal(err)
		}
		err := c.Get(t.Context(), client.ObjectKeyFromObject(release), live)
		if (err == nil) != tc.kept || tc.kept && !wasRejected(live) {
			t.Errorf("%s: it has %+v (%v)", name, live.Status.Decisions, err)
		}
	}
}
