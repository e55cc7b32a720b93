package tree_test

import (
	"testing"

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
