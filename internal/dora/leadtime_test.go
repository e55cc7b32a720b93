package dora_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/dora"
)

func TestLeadTime(t *testing.T) {
	committed := metav1.NewTime(time.Date(2026, 11, 20, 9, 14, 0, 0, time.UTC))
	after := func(d time.Duration) *metav1.Time { at := metav1.NewTime(committed.Add(d)); return &at }
	dated := &platformv1alpha1.Commit{SHA: "3f2c81d", CommittedAt: &committed}
	for _, test := range []struct {
		name   string
		cause  platformv1alpha1.Cause
		commit *platformv1alpha1.Commit
		ready  *metav1.Time
		want   time.Duration
		known  bool
	}{
		{"from the commit until it ran", platformv1alpha1.CauseImageChange, dated, after(34 * time.Second), 34 * time.Second, true},
		{"also where it was promoted", platformv1alpha1.CausePromotion, dated, after(26 * time.Hour), 26 * time.Hour, true},
		{"none at all counts", platformv1alpha1.CauseImageChange, dated, after(0), 0, true},
		{"not ready yet", platformv1alpha1.CauseImageChange, dated, nil, 0, false},
		{"no commit is known", platformv1alpha1.CauseImageChange, nil, after(time.Hour), 0, false},
		{"the time of the commit is not known", platformv1alpha1.CauseImageChange, &platformv1alpha1.Commit{SHA: "3f2c81d"}, after(time.Hour), 0, false},
		{"a commit that was made after it ran", platformv1alpha1.CauseImageChange, dated, after(-time.Second), 0, false},
		{"a commit of 1970", platformv1alpha1.CauseImageChange, &platformv1alpha1.Commit{SHA: "3f2c81d", CommittedAt: &metav1.Time{Time: time.Unix(0, 0)}}, after(time.Hour), 0, false},
		{"a rollback delivers nothing new", platformv1alpha1.CauseRollback, dated, after(time.Hour), 0, false},
		{"nor does another revision of the template", platformv1alpha1.CauseTemplateRollout, dated, after(time.Hour), 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			release := &platformv1alpha1.Release{
				Spec:   platformv1alpha1.ReleaseSpec{Cause: test.cause, Commit: test.commit},
				Status: platformv1alpha1.ReleaseStatus{ReadyAt: test.ready},
			}
			got, known := dora.LeadTime(release)
			if known != test.known || known && got != test.want {
				t.Errorf("got %s, %t; want %s, %t", got, known, test.want, test.known)
			}
		})
	}
}

func TestLongestLeadTime(t *testing.T) {
	committed := metav1.NewTime(time.Date(2026, 11, 20, 9, 14, 0, 0, time.UTC))
	at := func(d time.Duration) *metav1.Time { at := metav1.NewTime(committed.Add(d)); return &at }
	since := func(oldest *metav1.Time) *platformv1alpha1.CommitRange {
		return &platformv1alpha1.CommitRange{OldestCommittedAt: oldest}
	}
	for _, test := range []struct {
		name    string
		cause   platformv1alpha1.Cause
		commits *platformv1alpha1.CommitRange
		ready   *metav1.Time
		want    time.Duration
		known   bool
	}{
		{"from the oldest commit until it ran", platformv1alpha1.CauseImageChange, since(at(-48 * time.Hour)), at(time.Hour), 49 * time.Hour, true},
		{"also where it was promoted", platformv1alpha1.CausePromotion, since(at(-time.Hour)), at(time.Hour), 2 * time.Hour, true},
		{"of one commit, that of it", platformv1alpha1.CauseImageChange, since(at(0)), at(time.Hour), time.Hour, true},
		{"a clock that says the oldest is newer than the newest", platformv1alpha1.CauseImageChange, since(at(time.Minute)), at(time.Hour), time.Hour, true},
		{"not ready yet", platformv1alpha1.CauseImageChange, since(at(-time.Hour)), nil, 0, false},
		{"nobody says what is new", platformv1alpha1.CauseImageChange, nil, at(time.Hour), 0, false},
		{"nobody says when it was made", platformv1alpha1.CauseImageChange, since(nil), at(time.Hour), 0, false},
		{"a rollback delivers nothing new", platformv1alpha1.CauseRollback, since(at(-time.Hour)), at(time.Hour), 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, known := dora.LongestLeadTime(&platformv1alpha1.Release{
				Spec:   platformv1alpha1.ReleaseSpec{Cause: test.cause, Commit: &platformv1alpha1.Commit{CommittedAt: &committed}, Commits: test.commits},
				Status: platformv1alpha1.ReleaseStatus{ReadyAt: test.ready},
			})
			if known != test.known || known && got != test.want {
				t.Errorf("got %s, %t; want %s, %t", got, known, test.want, test.known)
			}
		})
	}
}
