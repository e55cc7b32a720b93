package release

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestASuspendedFlux_FailsWhatIsNotAppliedYetAlone(t *testing.T) {
	delivered, now := metav1.NewTime(noon.Add(-time.Hour)), metav1.NewTime(noon)
	before := metav1.NewTime(noon.Add(-time.Minute))
	for name, tc := range map[string]struct {
		suspended          bool
		uid                string
		delivery           platformv1alpha1.ReleaseDelivery
		failure            string
		suspendedAt, since *metav1.Time
	}{
		"it is not applied yet":      {true, "older", platformv1alpha1.ReleaseDelivery{}, "is suspended", &now, nil},
		"it has been so for a while": {true, "older", platformv1alpha1.ReleaseDelivery{SuspendedAt: &before}, "is suspended", &before, nil},
		"it is so again":             {true, "older", platformv1alpha1.ReleaseDelivery{SuspendedAt: &delivered, ResumedAt: &before}, "is suspended", &now, nil},
		"it is applied":              {true, "this", platformv1alpha1.ReleaseDelivery{}, "", nil, nil},
		"somebody has resumed it":    {false, "older", platformv1alpha1.ReleaseDelivery{SuspendedAt: &before}, "", &before, &now},
		"nobody has ever":            {false, "older", platformv1alpha1.ReleaseDelivery{}, "", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			live := &unstructured.Unstructured{Object: map[string]any{}}
			live.SetAnnotations(map[string]string{platformv1alpha1.AnnotationDelivered: tc.uid})
			release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{UID: "this"}}
			release.Status.Delivery = &tc.delivery
			tc.delivery.Commit, tc.delivery.DeliveredAt = "abc", &delivered
			s := &scope{release: release, children: []child{{live: live, known: true}},
				git: &platformv1alpha1.GitDelivery{Reconciler: &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerFlux}}}
			kustomization := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"suspend": tc.suspended}}}
			s.hearOf([]*unstructured.Unstructured{{Object: map[string]any{}}, kustomization}, &now)
			if failed := s.problem != nil; failed != (tc.failure != "") || failed && !strings.Contains(s.problem.message, tc.failure) {
				t.Errorf("it says %+v", s.problem)
			}
			if d := release.Status.Delivery; !d.SuspendedAt.Equal(tc.suspendedAt) || !d.ResumedAt.Equal(tc.since) {
				t.Errorf("it is suspended since %v and resumed since %v", d.SuspendedAt, d.ResumedAt)
			}
		})
	}
}
