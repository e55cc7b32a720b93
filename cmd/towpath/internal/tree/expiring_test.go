package tree_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

func TestAnEnvironmentThatEndsShows(t *testing.T) {
	from := reader(t, "gate")
	var prod platformv1alpha1.Environment
	if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "prod"}, &prod); err != nil {
		t.Fatal(err)
	}
	prod.Status.ExpiresAt = &metav1.Time{Time: now.Add(90 * time.Minute)}
	prod.Status.Conditions = append(prod.Status.Conditions, metav1.Condition{
		Type: "Expiring", Status: "True", Reason: "Expiring", Message: "The environment ends at noon.",
	})
	if err := from.Update(t.Context(), &prod); err != nil {
		t.Fatal(err)
	}
	got := show(t, from, tree.Options{Namespace: "team-shop", Approve: "towpath approve", Extend: "towpath env extend"}, tree.Style{Now: now})
	for _, want := range []string{
		"namespace shop-prod, ends in 90m", "! Expiring: The environment ends at noon.\n",
		"next: towpath env extend -n team-shop prod --for 24h\n      # environment prod ends soon, with everything in it; put that off\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
}
