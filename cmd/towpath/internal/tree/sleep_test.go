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

func TestAnEnvironmentThatSleepsSaysUntilWhenAndHowToWakeIt(t *testing.T) {
	from := reader(t, "ready")
	var list platformv1alpha1.EnvironmentList
	if err := from.List(t.Context(), &list); err != nil || len(list.Items) == 0 {
		t.Fatal(len(list.Items), err)
	}
	environment := &list.Items[0]
	environment.Status.Sleep = &platformv1alpha1.EnvironmentSleepStatus{
		State: platformv1alpha1.StateAsleep, Since: new(metav1.NewTime(now)), Until: new(metav1.NewTime(now.Add(8 * time.Hour))),
	}
	if err := from.Update(t.Context(), environment); err != nil {
		if err = from.Status().Update(t.Context(), environment); err != nil {
			t.Fatal(err)
		}
	}
	got := show(t, client.Reader(from), tree.Options{Namespace: environment.Namespace, Wake: "towpath env wake"}, tree.Style{})
	for _, want := range []string{"asleep until 2026-11-20T20:00:00Z", "next: towpath env wake -n " + environment.Namespace + " " + environment.Name, "# environment " + environment.Name + " is asleep until"} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
}
