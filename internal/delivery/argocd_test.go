package delivery_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/delivery"
)

func TestRead_WhatArgoCDSays(t *testing.T) {
	const (
		says = "Application argocd/shop says: "
		off  = "Application argocd/shop is suspended, since "
	)
	asked := `metadata: {annotations: {"` + delivery.AnnotationAsked + `": "` + delivery.FetchRequest("abc", delivered) + `"}}, `
	for name, tc := range map[string]struct{ rest, status, revision, failure string }{
		"it has applied":               {"", `{operationState: {phase: Succeeded, syncResult: {revision: abc}}, sync: {revision: def, status: OutOfSync}}`, "abc", ""},
		"it has not begun":             {"", `{}`, "", ""},
		"it has compared, and no more": {"", `{sync: {revision: abc, status: OutOfSync}}`, "", ""},
		"it does not know":             {"", `{sync: {revision: abc, status: Unknown}}`, "", ""},
		"it was there already":         {"", `{sync: {revision: abc, status: Synced}}`, "abc", ""},
		"it is refused": {"", `{operationState: {phase: Failed, message: "refused (retried 2 times).", startedAt: "2026-11-30T12:00:01Z", finishedAt: "2026-11-30T12:00:16Z",
			syncResult: {revision: abc}}, sync: {revision: abc, status: OutOfSync}}`, "", says + "refused"},
		"it is refused, and will be tried again": {"", `{operation: {}, operationState: {phase: Running, message: "refused. Retrying attempt #1 at 12:00PM.", startedAt: "2026-11-30T12:00:01Z",
			finishedAt: "2026-11-30T12:00:02Z", syncResult: {revision: abc}}}`, "", says + "refused"},
		"it is at it": {"", `{operationState: {phase: Running, message: "waiting for healthy state", startedAt: "2026-11-30T12:00:01Z", syncResult: {revision: abc}}}`, "", ""},
		"it is refused object by object": {"", `{operationState: {phase: Failed, message: "one or more tasks are not valid", startedAt: "2026-11-30T12:00:01Z", syncResult: {revision: abc, resources: [
			{kind: Service, name: shop, status: Synced, message: applied}, {kind: Role, name: shop, status: SyncFailed, message: not permitted}]}}}`, "", says + "one or more tasks are not valid; Role shop: not permitted"},
		"it is refused, and says of what": {"", `{operationState: {phase: Failed, message: "reason: no such field", startedAt: "2026-11-30T12:00:01Z", syncResult: {resources: [
			{kind: Service, name: shop, status: SyncFailed, message: no such field}]}}}`, "", says + "reason: no such field"},
		"it ended without a word": {"", `{operationState: {phase: Error, startedAt: "2026-11-30T12:00:01Z"}}`, "", says + "the operation ended as Error"},
		"the commit before is refused, and will be tried again": {"", `{operationState: {phase: Running, message: "refused. Retrying attempt #1 at 12:00PM.", startedAt: "2026-11-30T11:59:50Z",
			finishedAt: "2026-11-30T12:00:02Z", syncResult: {revision: old}}}`, "", ""},
		"the commit before was refused": {"", `{operationState: {phase: Failed, message: refused, startedAt: "2026-11-30T11:59:00Z", finishedAt: "2026-11-30T12:00:30Z", syncResult: {revision: old}},
			conditions: [{type: SyncError, message: "Failed last sync attempt to old: refused"}]}`, "", ""},
		"the commit was refused before it was known to be delivered": {"", `{operationState: {phase: Failed, message: refused, startedAt: "2026-11-30T11:59:59Z", syncResult: {revision: abc}}}`, "", says + "refused"},
		"a commit after it is refused":                               {"", `{operationState: {phase: Failed, message: refused, startedAt: "2026-11-30T12:00:30Z", syncResult: {revision: def}}}`, "", says + "refused"},
		"it cannot read":                                             {"", `{reconciledAt: "2026-11-30T12:00:01Z", conditions: [{type: ComparisonError, message: no such path}]}`, "", says + "ComparisonError: no such path"},
		"it cannot read, as it was asked to":                         {asked, `{reconciledAt: "2026-11-30T12:00:00Z", conditions: [{type: ComparisonError, message: no such path}]}`, "", says + "ComparisonError: no such path"},
		"it could not read what was there before":                    {"", `{reconciledAt: "2026-11-30T11:59:00Z", conditions: [{type: ComparisonError, message: no such path}]}`, "", ""},
		"it has still to look": {strings.Replace(asked, "annotations: {", `annotations: {"argocd.argoproj.io/refresh": normal, `, 1), `{reconciledAt: "2026-11-30T11:59:00Z",
			conditions: [{type: ComparisonError, message: no such path}]}`, "", ""},
		"the commit before was refused, and the path is gone": {"", `{reconciledAt: "2026-11-30T12:00:01Z", operationState: {phase: Failed, message: refused, startedAt: "2026-11-30T11:59:00Z", syncResult: {revision: old}},
			conditions: [{type: SyncError, message: refused}, {type: ComparisonError, message: no such path}]}`, "", says + "ComparisonError: no such path"},
		"it would wipe all out":      {"", `{sync: {revision: abc, status: OutOfSync}, conditions: [{type: SyncError, message: auto-sync will wipe out all resources}]}`, "", says + "SyncError: auto-sync will wipe out all resources"},
		"its project refuses it":     {"", `{conditions: [{type: OrphanedResourceWarning, message: two}, {type: InvalidSpecError, message: not permitted}]}`, "", says + "InvalidSpecError: not permitted"},
		"it is off":                  {`spec: {syncPolicy: {automated: {enabled: false}}}, `, `{}`, "", off + "its spec.syncPolicy.automated.enabled is false, so nothing new is applied; resume it when it may be"},
		"it is on, in so many words": {`spec: {syncPolicy: {automated: {enabled: true}}}, `, `{}`, "", ""},
		"it is left alone":           {`metadata: {annotations: {argocd.argoproj.io/skip-reconcile: "true"}}, `, `{}`, "", off + "its annotation argocd.argoproj.io/skip-reconcile is true, so nothing new is applied; resume it when it may be"},
	} {
		o := read(t, "{kind: Application, "+tc.rest+"status: "+tc.status+"}")
		o.SetNamespace("argocd")
		o.SetName("shop")
		got := delivery.ReadApplication(o, "abc", delivered)
		if got.Revision != tc.revision || got.Failure != tc.failure || got.Suspended != strings.HasPrefix(tc.failure, off) {
			t.Errorf("%s: it is %+v", name, got)
		}
	}
}

func TestApplication_ComparesByTheServerWhereItAppliesAsItself(t *testing.T) {
	for account, want := range map[string]string{"": "ServerSideDiff=true", "argocd-application-controller": "ServerSideDiff=true", "deliverer": ""} {
		if got := (delivery.Follower{Account: account}).Application().GetAnnotations()["argocd.argoproj.io/compare-options"]; got != want {
			t.Errorf("as %q: %q", account, got)
		}
	}
}

func TestAskApplication_OnceForEachDelivery(t *testing.T) {
	request, before := delivery.FetchRequest("abc", delivered), delivery.FetchRequest("old", delivered)
	asked := func(request string) map[string]string { return map[string]string{delivery.AnnotationAsked: request} }
	both := func(request string) map[string]string {
		return map[string]string{delivery.AnnotationAsked: request, delivery.AnnotationRefresh: "normal"}
	}
	for name, tc := range map[string]struct {
		live     map[string]string
		revision string
		want     map[string]string
	}{
		"one that was made by a manager before": {nil, "old", both(request)},
		"asked for another":                     {asked(before), "old", both(request)},
		"asked for another, and not heard":      {both(before), "old", both(before)},
		"asked for this one":                    {asked(request), "old", asked(request)},
		"asked for this one, and not heard":     {both(request), "old", both(request)},
		"it has looked by itself":               {asked(before), "abc", asked(before)},
	} {
		o := read(t, "{kind: Application, status: {sync: {revision: "+tc.revision+"}}}")
		o.SetAnnotations(tc.live)
		if got := delivery.AskApplication(o, "abc", delivered); !maps.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if got := delivery.AskApplication(nil, "abc", delivered); !maps.Equal(got, asked(request)) {
		t.Errorf("a new one: %v", got)
	}
}

func TestGivenUp_OnlyWhereNothingGoesOn(t *testing.T) {
	const failed = `operationState: {phase: Failed, finishedAt: "2026-11-30T12:00:16Z"}`
	at := time.Date(2026, 11, 30, 12, 0, 16, 0, time.UTC)
	for name, tc := range map[string]struct {
		application string
		want        time.Time
	}{
		"it has":                 {`{status: {` + failed + `, sync: {status: OutOfSync}}}`, at},
		"it has, in error":       {`{status: {` + strings.Replace(failed, "Failed", "Error", 1) + `, sync: {status: OutOfSync}}}`, at},
		"it tries something":     {`{operation: {sync: {}}, status: {` + failed + `, sync: {status: OutOfSync}}}`, time.Time{}},
		"it cannot compare":      {`{status: {` + failed + `, sync: {status: Unknown}}}`, time.Time{}},
		"there is nothing to do": {`{status: {` + failed + `, sync: {status: Synced}}}`, time.Time{}},
		"it has applied":         {`{status: {operationState: {phase: Succeeded, finishedAt: "2026-11-30T12:00:16Z"}, sync: {status: OutOfSync}}}`, time.Time{}},
		"it is new":              {`{}`, time.Time{}},
	} {
		if got := delivery.GivenUp(read(t, tc.application)); !got.Equal(tc.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
