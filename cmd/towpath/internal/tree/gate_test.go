package tree_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

func TestStatusShowsWhatWaitsAtAGateBesideWhatRuns(t *testing.T) {
	got := show(t, reader(t, "gate"), tree.Options{Namespace: "team-shop", Approve: "towpath approve"}, tree.Style{Now: now})
	const want = `team shop, cost centre cc-1, namespace team-shop
└─ ✔ shop  web-service@1  Ready, not promoted: WaitingForApproval: Release shop-prod-2 needs 2 approvals.
   └─ … prod  Production, class production, namespace shop-prod  WaitingForApproval: Release shop-prod-2 needs 2 approvals.
      ├─ ✔ release 1  r/shop:1  Promotion, 120m ago  Ready
      │  └─ ✔ ConfigMap/shop  Ready
      └─ … release 2  r/shop:2  waits to enter, made 30m ago, approved by bob

next: towpath approve -n team-shop shop-prod-2
      # component shop in prod: WaitingForApproval
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// What was committed and runs nowhere yet shows beside what waits.
func TestAPendingReleaseShowsSinceWhenItsOldestCommitWaits(t *testing.T) {
	for want, commits := range map[string]platformv1alpha1.CommitRange{
		"made 30m ago, the oldest of 3 new commits waits for 2d2h, approved by bob\n": {Count: ptr.To(int32(3)), OldestCommittedAt: ptr.To(metav1.NewTime(now.Add(-50 * time.Hour)))},
		"made 30m ago, its commit waits for 3h, approved by bob\n":                    {Count: ptr.To(int32(1)), OldestCommittedAt: ptr.To(metav1.NewTime(now.Add(-3 * time.Hour)))},
		"made 30m ago, approved by bob\n":                                             {Count: ptr.To(int32(1))},
	} {
		from := reader(t, "gate")
		var release platformv1alpha1.Release
		if err := from.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "shop-prod-2"}, &release); err != nil {
			t.Fatal(err)
		}
		release.Spec.Commit, release.Spec.Commits = &platformv1alpha1.Commit{SHA: "3f2c81d09a4bb8a1f0c2"}, &commits
		if err := from.Update(t.Context(), &release); err != nil {
			t.Fatal(err)
		}
		if got := show(t, from, tree.Options{Namespace: "team-shop"}, tree.Style{}); !strings.Contains(got, want) {
			t.Errorf("got:\n%s\nwant in it %q", got, want)
		}
	}
}
