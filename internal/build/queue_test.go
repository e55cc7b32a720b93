package build_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
)

// queued is the n-th Build that was made, of a branch.
func queued(n int, branch string, how ...func(*v1alpha1.Build)) v1alpha1.Build {
	b := v1alpha1.Build{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("b%02d", n), UID: types.UID(fmt.Sprint(n)), CreationTimestamp: metav1.NewTime(time.Unix(int64(n/2), 0)),
	}, Spec: v1alpha1.BuildSpec{Component: "checkout", Branch: branch}}
	for _, do := range how {
		do(&b)
	}
	return b
}

func begun(b *v1alpha1.Build)    { b.Status.Place = &v1alpha1.BuildPlace{} }
func ended(b *v1alpha1.Build)    { b.Status.Result = v1alpha1.BuildFailed }
func recorded(b *v1alpha1.Build) { b.Spec.Result = v1alpha1.BuildSucceeded }
func deleted(b *v1alpha1.Build)  { b.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func of(number int64) func(*v1alpha1.Build) {
	return func(b *v1alpha1.Build) { b.Spec.PullRequest = &v1alpha1.BuildPullRequest{Number: number} }
}

func tagged(name string) func(*v1alpha1.Build) { return func(b *v1alpha1.Build) { b.Spec.Tag = name } }

func TestTurnOf(t *testing.T) {
	const newest, queue = v1alpha1.ConcurrencyNewestWins, v1alpha1.ConcurrencyQueue
	for _, c := range []struct {
		name        string
		of          int
		all         []v1alpha1.Build
		concurrency v1alpha1.PipelineConcurrency
		want        build.Turn
	}{
		{"alone", 0, []v1alpha1.Build{queued(1, "main")}, newest, build.Turn{}},
		{"older of the same branch", 0, []v1alpha1.Build{queued(1, "main"), queued(5, "main")}, newest, build.Turn{Overtaken: "b05"}},
		{"older that runs", 0, []v1alpha1.Build{queued(1, "main", begun), queued(5, "main")}, newest, build.Turn{Overtaken: "b05"}},
		{"newer waits till the older is cancelled", 1, []v1alpha1.Build{queued(1, "main", begun), queued(5, "main")}, newest, build.Turn{Behind: "b01"}},
		{"made in the same second", 0, []v1alpha1.Build{queued(2, "main"), queued(3, "main")}, newest, build.Turn{Overtaken: "b03"}},
		{"other branch", 0, []v1alpha1.Build{queued(1, "main"), queued(5, "x")}, newest, build.Turn{}},
		{"behind another branch", 1, []v1alpha1.Build{queued(1, "main"), queued(5, "x")}, newest, build.Turn{Behind: "b01"}},
		{"behind a younger one that runs", 0, []v1alpha1.Build{queued(1, "main"), queued(5, "x", begun)}, newest, build.Turn{Behind: "b05"}},
		{"queue, first", 0, []v1alpha1.Build{queued(1, "main"), queued(5, "main")}, queue, build.Turn{}},
		{"queue, second", 1, []v1alpha1.Build{queued(1, "main"), queued(5, "main")}, queue, build.Turn{Behind: "b01"}},
		{"ended, recorded and deleted ones do not count", 0, []v1alpha1.Build{queued(9, "main"), queued(1, "main", ended), queued(10, "main", recorded), queued(2, "main", deleted)}, newest, build.Turn{}},
		{"of requests that were merged into the branch", 0, []v1alpha1.Build{queued(1, "main", of(12), begun), queued(5, "main", of(13))}, newest, build.Turn{Overtaken: "b05"}},
		{"of none and of a merged one", 0, []v1alpha1.Build{queued(1, "main"), queued(5, "main", of(13))}, newest, build.Turn{Overtaken: "b05"}},
		{"of requests that are open", 1, []v1alpha1.Build{queued(1, "fork", of(12)), queued(5, "fork", of(13))}, newest, build.Turn{Behind: "b01"}},
		{"of the same open request", 0, []v1alpha1.Build{queued(1, "fork", of(12)), queued(5, "fork", of(12))}, newest, build.Turn{Overtaken: "b05"}},
		{"what is deployed does not wait for open requests", 1, []v1alpha1.Build{queued(1, "fix", of(12), begun), queued(5, "main")}, newest, build.Turn{}},
		{"nor an open request for what is deployed", 1, []v1alpha1.Build{queued(1, "main", begun), queued(5, "fix", of(12))}, queue, build.Turn{}},
		{"of the same open request, with a queue", 0, []v1alpha1.Build{queued(1, "fix", of(12), begun), queued(5, "fix", of(12))}, queue, build.Turn{Overtaken: "b05"}},
		{"of the same open request, whose branch was renamed", 0, []v1alpha1.Build{queued(1, "fix", of(12)), queued(5, "fixed", of(12))}, newest, build.Turn{Overtaken: "b05"}},
		{"a tag waits for the branch", 1, []v1alpha1.Build{queued(1, "main", begun), queued(5, "", tagged("v1"))}, newest, build.Turn{Behind: "b01"}},
		{"a tag takes no place of the branch's, nor of another tag's", 0, []v1alpha1.Build{queued(1, "", tagged("v1")), queued(5, "main"), queued(7, "", tagged("v2"))}, newest, build.Turn{}},
		{"one that runs waits for nobody", 1, []v1alpha1.Build{queued(1, "x"), queued(5, "main", begun)}, newest, build.Turn{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := build.TurnOf(&c.all[c.of], c.all, "main", c.concurrency); got != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestSuperfluous(t *testing.T) {
	var all []v1alpha1.Build
	for n := range build.Kept + 3 {
		all = append(all, queued(2*n, "main", ended))
	}
	count := func(named ...string) (names []string) {
		for i := range all {
			if build.Superfluous(&all[i], all, "main", sets.New(named...)) {
				names = append(names, all[i].Name)
			}
		}
		return names
	}
	if got := fmt.Sprint(count()); got != "[b00 b02 b04]" {
		t.Errorf("%s", got)
	}
	branch := len(all)
	for n := range build.Kept + 1 {
		all = append(all, queued(60+2*n, "fix", ended, of(int64(n+1))))
	}
	if got := fmt.Sprint(count()); got != "[b00 b02 b04 b60]" {
		t.Errorf("%s: open requests count by themselves", got)
	}
	all = all[:branch]
	if got := fmt.Sprint(count("b00", "b02")); got != "[b04]" {
		t.Errorf("%s: what something names stays", got)
	}
	all[0].Status.Result = ""
	if got := fmt.Sprint(count()); got != "[b02 b04]" {
		t.Errorf("%s: what has not ended stays", got)
	}
}
