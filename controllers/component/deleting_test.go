package component

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestADeletionNamesWhatKeepsIt(t *testing.T) {
	release := func(name, reason, message string) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name}}
		r.Status.Conditions = []metav1.Condition{{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
		return r
	}
	refused := release("shop-dev-2", platformv1alpha1.ReasonDeleting, "Deleting the objects of the Release failed, and is tried again: no.")
	going := release("shop-dev-1", platformv1alpha1.ReasonDeleting, "Deleting the objects of the Release.")
	for want, left := range map[string][]*platformv1alpha1.Release{
		"Waiting until the objects of 1 Release are gone.": {going},
		"Waiting until the objects of 2 Releases are gone. shop-dev-2: Deleting the objects of the Release failed, and is tried again: no.": {going, refused},
	} {
		if got := awaitsReleases(left); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
