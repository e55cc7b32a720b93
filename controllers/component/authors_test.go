package component

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
)

func TestTheAuthorOfACommitIsAMember(t *testing.T) {
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	team.Spec.Members = []platformv1alpha1.TeamMember{
		{Kind: platformv1alpha1.MemberUser, Name: "ada", Emails: []string{"ada@shop.example", "ada@home.example"}},
		{Kind: platformv1alpha1.MemberUser, Name: "oidc:ada", Emails: []string{"ada@shop.example"}},
		{Kind: platformv1alpha1.MemberUser, Name: "bob"},
		{Kind: platformv1alpha1.MemberGroup, Name: "crowd", Emails: []string{"eve@shop.example"}},
	}
	for name, tc := range map[string]struct {
		team       *platformv1alpha1.Team
		by, author string
		want       []string
		says       string
	}{
		"as every user with that e-mail":         {team, "bob", "ada@shop.example", []string{"ada", "bob", "oidc:ada"}, ""},
		"by another of the e-mails":              {team, "bob", "ada@home.example", []string{"ada", "bob"}, ""},
		"in any case of the letters":             {team, "bob", "Ada@Shop.Example", []string{"ada", "bob", "oidc:ada"}, ""},
		"with a name before it":                  {team, "bob", "Ada L. <ada@home.example>", []string{"ada", "bob"}, ""},
		"as the one who asks already":            {team, "ada", "ada@home.example", []string{"ada"}, ""},
		"and nobody counts where it is unknown":  {team, "bob", "mallory@evil.example", nil, "no User of Team shop has the e-mail of the author of a commit, mallory@evil.example"},
		"and a group has no e-mails":             {team, "bob", "eve@shop.example", nil, "no User of Team shop"},
		"and does not stand in for who asks":     {team, "", "ada@home.example", nil, ""},
		"only where there is a Team":             {nil, "bob", "mallory@evil.example", []string{"bob"}, ""},
		"and nobody is added where none is said": {team, "bob", "", []string{"bob"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			pending := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: ago(time.Minute)}}
			pending.Spec.RequestedBy, pending.Spec.Commit = tc.by, &platformv1alpha1.Commit{SHA: "3f2c9d1", Author: tc.author}
			s := &scope{team: tc.team, stops: []stop{{unopened: []*platformv1alpha1.Release{pending}}}}
			users, unknown := s.authors(&s.stops[0], pending)
			if !slices.Equal(users, tc.want) || !strings.Contains(unknown, tc.says) || tc.says == "" && unknown != "" {
				t.Errorf("they are %v, %q, want %v, %q", users, unknown, tc.want, tc.says)
			}
		})
	}
}

// A rollback, or a Release that brings what runs once more, must not have those forgotten whose change waits.
func TestAuthors_AreThoseSinceWhatRunsCameFirst(t *testing.T) {
	made := func(minute int, name, image, by string, cause platformv1alpha1.Cause, to string) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Date(2026, 11, 29, 10, minute, 0, 0, time.UTC))}}
		r.Spec.Image, r.Spec.Version, r.Spec.RequestedBy, r.Spec.Cause, r.Spec.Number = image, image, by, cause, int64(minute)
		if to != "" {
			r.Spec.Rollback = &platformv1alpha1.ReleaseRollback{To: to}
		}
		return r
	}
	const promotes, rollsBack = platformv1alpha1.CausePromotion, platformv1alpha1.CauseRollback
	first := made(1, "r1", "shop:1", "ada", promotes, "")
	second := made(2, "r2", "shop:2", "bob", promotes, "")
	waits := made(3, "r3", "shop:3", "eve", promotes, "")
	back := made(4, "r4", "shop:1", "ops", rollsBack, "r1")
	again := made(5, "r5", "shop:1", "ops", rollsBack, "r4")
	rolled := made(6, "r6", "shop:1", "ops", platformv1alpha1.CauseTemplateRollout, "")
	pending := made(7, "r7", "shop:3", "ops", promotes, "")
	for name, tc := range map[string]struct {
		entered []*platformv1alpha1.Release
		want    []string
	}{
		"nothing runs":                  {nil, []string{"eve", "ops"}},
		"the version before":            {[]*platformv1alpha1.Release{first, second}, []string{"eve", "ops"}},
		"after a rollback":              {[]*platformv1alpha1.Release{first, second, back}, []string{"bob", "eve", "ops"}},
		"after two":                     {[]*platformv1alpha1.Release{first, second, back, again}, []string{"bob", "eve", "ops"}},
		"and a revision":                {[]*platformv1alpha1.Release{first, second, back, rolled}, []string{"bob", "eve", "ops"}},
		"where one in between is gone":  {[]*platformv1alpha1.Release{first, second, rolled}, []string{"bob", "eve", "ops"}},
		"to one that is gone meanwhile": {[]*platformv1alpha1.Release{second, back}, []string{"bob", "eve", "ops"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{stops: []stop{{releases: tc.entered, unopened: []*platformv1alpha1.Release{waits, pending}}}}
			users, unknown := s.authors(&s.stops[0], pending)
			if !slices.Equal(users, tc.want) || unknown != "" {
				t.Errorf("the authors are %v (%s), want %v", users, unknown, tc.want)
			}
		})
	}
}

// sameSecond are copies of Releases that were made when another one was.
func sameSecond(releases []*platformv1alpha1.Release, as *platformv1alpha1.Release) iter.Seq[*platformv1alpha1.Release] {
	return func(yield func(*platformv1alpha1.Release) bool) {
		for _, release := range releases {
			release = release.DeepCopy()
			release.CreationTimestamp = as.CreationTimestamp
			if !yield(release) {
				return
			}
		}
	}
}

// Neither a revision of the template nor a rollback in the environment before makes who made what runs an author once more.
// A part whose version came to no Release is remembered where what it became a part of entered and was rolled back.
func TestAuthors_CountWhoAskedForAPartOfWhatWasRolledBack(t *testing.T) {
	made := func(minute int, version string, cause platformv1alpha1.Cause) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: version, CreationTimestamp: metav1.NewTime(time.Date(2026, 11, 29, 10, minute, 0, 0, time.UTC))}}
		r.Spec.Image, r.Spec.Version, r.Spec.Cause, r.Spec.Number = version, version, cause, int64(minute)
		return r
	}
	st := stop{name: "prod", requested: &platformv1alpha1.RequestedVersion{Version: "v2", Requester: "bob", By: []string{"ada", "bob"}}}
	first, second, pending := made(1, "v1", platformv1alpha1.CausePromotion), made(2, "v2", platformv1alpha1.CausePromotion), made(4, "v3", platformv1alpha1.CausePromotion)
	second.Spec.RequestedBy, pending.Spec.RequestedBy = "bob", "eve"
	second.Spec.Requesters = st.requesters("bob")
	back := made(3, "v1", platformv1alpha1.CauseRollback)
	st.requested, st.unopened = nil, []*platformv1alpha1.Release{pending}
	st.releases = []*platformv1alpha1.Release{first, second, back}
	s := &scope{stops: []stop{st}}
	if users, unknown := s.authors(&s.stops[0], pending); !slices.Equal(users, []string{"ada", "bob", "eve"}) {
		t.Errorf("the authors are %v (%s): ada's part is in what would enter", users, unknown)
	}
	s.stops[0].releases = []*platformv1alpha1.Release{first, second} // and it ran well: what runs there is approved
	if users, unknown := s.authors(&s.stops[0], pending); !slices.Equal(users, []string{"eve"}) {
		t.Errorf("the authors are %v (%s), of what runs already", users, unknown)
	}
}

func TestAuthors_AreNotThoseWhoseVersionIsMadeAnew(t *testing.T) {
	made := func(minute int, name, image, by string, cause platformv1alpha1.Cause) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Date(2026, 11, 29, 10, minute, 0, 0, time.UTC))}}
		r.Spec.Image, r.Spec.Version, r.Spec.RequestedBy, r.Spec.Cause, r.Spec.Number = image, image, by, cause, int64(minute)
		return r
	}
	first := made(1, "dev-1", "shop:1", "ann", platformv1alpha1.CauseImageChange)
	before := []*platformv1alpha1.Release{
		first,
		made(3, "dev-3", "shop:1", "ann", platformv1alpha1.CauseTemplateRollout),
		made(4, "dev-4", "shop:2", "bob", platformv1alpha1.CauseImageChange),
		made(5, "dev-5", "shop:1", "ann", platformv1alpha1.CauseRollback),
		made(6, "dev-6", "shop:3", "dev", platformv1alpha1.CauseImageChange),
		made(7, "dev-7", "shop:3", "dev", platformv1alpha1.CauseTemplateRollout),
	}
	runs := []*platformv1alpha1.Release{made(2, "prod-2", "shop:1", "ann", platformv1alpha1.CausePromotion), made(8, "prod-8", "shop:1", "ann", platformv1alpha1.CauseTemplateRollout)}
	pending := made(9, "prod-9", "shop:3", "dev", platformv1alpha1.CausePromotion)
	s := &scope{stops: []stop{{releases: before}, {releases: runs, unopened: []*platformv1alpha1.Release{pending}}}}
	for name, tc := range map[string]struct {
		before []*platformv1alpha1.Release
		want   []string
	}{
		"as it was":                           {before, []string{"bob", "dev"}},
		"where nothing says whose it was":     {before[1:], []string{"bob", "dev"}},
		"where all came in one second":        {slices.Collect(sameSecond(before, runs[0])), []string{"bob", "dev"}},
		"where nothing but the last is there": {before[4:], []string{"dev"}},
	} {
		s.stops[0].releases = tc.before
		if users, unknown := s.authors(&s.stops[1], pending); !slices.Equal(users, tc.want) || unknown != "" {
			t.Errorf("%s, the authors are %v (%s), want %v", name, users, unknown, tc.want)
		}
	}
}

func TestRequested_IsWhoAskedWhereNoReleaseSaysSo(t *testing.T) {
	made := func(number int64, version string, cause platformv1alpha1.Cause) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{}
		r.Spec.Number, r.Spec.Version, r.Spec.Cause = number, version, cause
		return r
	}
	asked := func(version string, by ...string) *platformv1alpha1.RequestedVersion {
		return &platformv1alpha1.RequestedVersion{Version: version, Requester: by[0], By: by}
	}
	daves := made(2, "v2", platformv1alpha1.CauseImageChange)
	daves.Spec.RequestedBy = "dave"
	one := made(1, "v1", platformv1alpha1.CauseImageChange)
	waits := made(2, "v2", platformv1alpha1.CauseImageChange)
	waits.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1}
	for name, tc := range map[string]struct {
		before   *platformv1alpha1.RequestedVersion
		by       string
		version  string
		releases []*platformv1alpha1.Release
		unopened []*platformv1alpha1.Release
		want     *platformv1alpha1.RequestedVersion
	}{
		"nobody, where it runs": {asked("v1", "ann"), "bob", "v1", []*platformv1alpha1.Release{one}, nil, nil},
		"who asks":              {nil, "ann", "v2", []*platformv1alpha1.Release{one}, nil, asked("v2", "ann")},
		"who asks for the first, and who asked elsewhere": {nil, "ann", "v1", nil, nil, &platformv1alpha1.RequestedVersion{Version: "v1", Requester: "ann", By: []string{"ann", "zoe"}}},
		"those before too":                                 {asked("v2", "bob"), "ann", "v3", []*platformv1alpha1.Release{one}, nil, asked("v3", "ann", "bob")},
		"each once":                                        {asked("v2", "ann"), "ann", "v3", []*platformv1alpha1.Release{one}, nil, asked("v3", "ann")},
		"not who promotes":                                 {asked("v2", "ann"), "eve", "v2", []*platformv1alpha1.Release{one}, nil, asked("v2", "ann")},
		"nobody of whom nothing is known":                  {asked("v2", "ann"), "", "v3", []*platformv1alpha1.Release{one}, nil, &platformv1alpha1.RequestedVersion{Version: "v3", By: []string{"ann"}, Authors: platformv1alpha1.AuthorsUnknown}},
		"still nobody of all, after who gives a name":      {&platformv1alpha1.RequestedVersion{Version: "v2", Authors: platformv1alpha1.AuthorsUnknown}, "dave", "v3", []*platformv1alpha1.Release{one}, nil, &platformv1alpha1.RequestedVersion{Version: "v3", Requester: "dave", By: []string{"dave"}, Authors: platformv1alpha1.AuthorsUnknown}},
		"nobody, once what runs is asked for again":        {&platformv1alpha1.RequestedVersion{Version: "v2", Authors: platformv1alpha1.AuthorsUnknown}, "dave", "v1", []*platformv1alpha1.Release{one}, nil, nil},
		"who gives a name where nothing runs yet":          {&platformv1alpha1.RequestedVersion{Version: "v1"}, "dave", "v2", nil, nil, asked("v2", "dave")},
		"nobody where what waits says it":                  {nil, "eve", "v2", []*platformv1alpha1.Release{one}, []*platformv1alpha1.Release{waits}, &platformv1alpha1.RequestedVersion{Version: "v2", Authors: platformv1alpha1.AuthorsUnknown}},
		"whom what waits names, not who holds it":          {nil, "eve", "v2", []*platformv1alpha1.Release{one}, []*platformv1alpha1.Release{daves}, asked("v2", "dave")},
		"whom what was taken back names":                   {nil, "eve", "v2", []*platformv1alpha1.Release{one, daves, made(3, "v1", platformv1alpha1.CauseRollback)}, nil, asked("v2", "dave")},
		"who asks again, though what waited names another": {asked("v3", "ann"), "eve", "v2", []*platformv1alpha1.Release{one}, []*platformv1alpha1.Release{daves}, &platformv1alpha1.RequestedVersion{Version: "v2", Requester: "eve", By: []string{"ann", "eve"}}},
		"nobody where what was taken back says it":         {nil, "eve", "v2", []*platformv1alpha1.Release{one, made(2, "v2", platformv1alpha1.CauseImageChange), made(3, "v1", platformv1alpha1.CauseRollback)}, nil, &platformv1alpha1.RequestedVersion{Version: "v2"}},
		"not who writes next, where nobody gave a name":    {&platformv1alpha1.RequestedVersion{Version: "v2"}, "bob", "v2", []*platformv1alpha1.Release{one}, nil, &platformv1alpha1.RequestedVersion{Version: "v2"}},
		"who wrote what came with something to take over":  {nil, "ann", "v1", []*platformv1alpha1.Release{made(1, "v1", platformv1alpha1.CauseAdoption)}, nil, asked("v1", "ann")},
		"who asks again for what ran long ago": {nil, "ann", "v2",
			[]*platformv1alpha1.Release{made(1, "v2", platformv1alpha1.CauseImageChange), made(2, "v3", platformv1alpha1.CauseImageChange)}, nil, asked("v2", "ann")},
	} {
		before := &platformv1alpha1.Component{}
		before.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "dev", Requested: asked("v9", "zoe")}, {Name: "prod", Requested: tc.before}}
		component := &platformv1alpha1.Component{}
		component.Spec.RequestedBy = tc.by
		s := &scope{before: before, component: component}
		got, err := s.requested(&stop{name: "prod", version: tc.version, releases: tc.releases, unopened: tc.unopened})
		if err != nil || !equality.Semantic.DeepEqual(got, tc.want) {
			t.Errorf("%s: it is %v (%v), want %v", name, got, err, tc.want)
		}
	}
}

// A pin is somebody's too: of whom the Component named when it came, not of whom it names when a Release is made for it.
func TestRequested_IsWhoPinned(t *testing.T) {
	t.Parallel()
	runs := &platformv1alpha1.Release{}
	runs.Spec.Number, runs.Spec.Version, runs.Spec.RequestedBy, runs.Spec.Revision.Number, runs.Spec.Cause = 1, "v1", "ann", 1, platformv1alpha1.CauseImageChange
	followed := runs.DeepCopy()
	followed.Spec.Number, followed.Spec.Cause = 2, platformv1alpha1.CauseTemplateRollout
	waits := runs.DeepCopy()
	waits.Spec.Number, waits.Spec.RequestedBy, waits.Spec.Revision.Number, waits.Spec.Cause = 3, "ada", 2, platformv1alpha1.CauseTemplateRollout
	pinned := func(by string) *platformv1alpha1.RequestedVersion {
		return &platformv1alpha1.RequestedVersion{Version: "v1", Revision: 2, Requester: by, By: []string{by}}
	}
	for name, tc := range map[string]struct {
		pin      int64
		by       string
		before   *platformv1alpha1.RequestedVersion
		unopened []*platformv1alpha1.Release
		want     *platformv1alpha1.RequestedVersion
	}{
		"nobody without":                    {0, "bob", nil, nil, nil},
		"nobody of what runs":               {1, "bob", nil, nil, nil},
		"who pins":                          {2, "ada", nil, nil, pinned("ada")},
		"not who writes next":               {2, "bob", pinned("ada"), nil, pinned("ada")},
		"whom the Release that waits names": {2, "bob", nil, []*platformv1alpha1.Release{waits}, pinned("ada")},
		"nobody, once it is taken out":      {0, "bob", pinned("ada"), nil, nil},
	} {
		component, before := &platformv1alpha1.Component{}, &platformv1alpha1.Component{}
		component.Spec.RequestedBy = tc.by
		if tc.pin != 0 {
			component.Spec.TemplateRef.Revision = &tc.pin
		}
		before.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "prod", Requested: tc.before}}
		s := &scope{before: before, component: component}
		st := &stop{name: "prod", version: "v1", releases: []*platformv1alpha1.Release{runs, followed}, unopened: tc.unopened}
		var err error
		if st.requested, err = s.requested(st); err != nil || !equality.Semantic.DeepEqual(st.requested, tc.want) {
			t.Errorf("%s: it is %v (%v), want %v", name, st.requested, err, tc.want)
		}
		if tc.want != nil && s.requester(st) != "ada" {
			t.Errorf("%s: the Release would be %s's", name, s.requester(st))
		}
	}
}

// What was taken over ran nothing of the version that came with it, so whoever wrote that is an author of the next.
func TestAuthors_CountThoseOfWhatCameWithAnAdoption(t *testing.T) {
	t.Parallel()
	made := func(minute int, version, by string, cause platformv1alpha1.Cause) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{}
		r.CreationTimestamp = metav1.NewTime(time.Date(2026, 11, 29, 10, minute, 0, 0, time.UTC))
		r.Spec.Image, r.Spec.Version, r.Spec.RequestedBy, r.Spec.Cause, r.Spec.Number = version, version, by, cause, int64(minute)
		return r
	}
	pending := made(4, "v2", "bob", platformv1alpha1.CausePromotion)
	s := &scope{stops: []stop{
		{releases: []*platformv1alpha1.Release{made(1, "v1", "ada", platformv1alpha1.CauseImageChange), made(3, "v2", "bob", platformv1alpha1.CauseImageChange)}},
		{releases: []*platformv1alpha1.Release{made(2, "v1", "ada", platformv1alpha1.CauseAdoption)}, unopened: []*platformv1alpha1.Release{pending}},
	}}
	if users, _ := s.authors(&s.stops[1], pending); !slices.Equal(users, []string{"ada", "bob"}) {
		t.Errorf("the authors are %v", users)
	}
}

// What goes on for the sake of its revision uses what runs uses, and is not out of date because the next version uses more.
func TestPlannedPending_ComparesWithWhatGoesOn(t *testing.T) {
	t.Parallel()
	db := []platformv1alpha1.ReleaseUse{{Component: "db", As: "db"}}
	waits := &platformv1alpha1.Release{}
	waits.Spec.Version, waits.Spec.Cause, waits.Spec.Number = "v1", platformv1alpha1.CauseTemplateRollout, 2
	st := &stop{version: "v2", uses: db, unopened: []*platformv1alpha1.Release{waits}}
	if pending := (&scope{}).plannedPending(st); pending[0].Stale {
		t.Error("it would be made again and again")
	}
	st.version = "v1"
	if pending := (&scope{}).plannedPending(st); !pending[0].Stale {
		t.Error("it brings what is no more asked for")
	}
}

// The checks of a Component come with a version, so whoever changes them is an author of the next, and nobody is where they came.
func TestRequested_IsWhoChangedTheChecks(t *testing.T) {
	t.Parallel()
	checks := func(image string) []platformv1alpha1.Check {
		spec := &apiextensionsv1.JSON{Raw: []byte(`{"template": {"spec": {"containers": [{"name": "c", "image": "` + image + `"}]}}}`)}
		return []platformv1alpha1.Check{{Name: "smoke", Job: &platformv1alpha1.JobCheck{Spec: spec}}}
	}
	made := func(number int64, version string, cause platformv1alpha1.Cause, with ...platformv1alpha1.Check) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{}
		r.Spec.Number, r.Spec.Version, r.Spec.Cause, r.Spec.Image, r.Spec.Revision.Number = number, version, cause, "shop:"+version, number
		resolved, err := check.Resolve(r, platformv1alpha1.CheckOfComponent, with)
		if err != nil {
			t.Fatal(err)
		}
		r.Spec.Checks = slices.Concat(resolved, []platformv1alpha1.ReleaseCheck{{Origin: platformv1alpha1.CheckOfClass}})
		return r
	}
	const brings, back, follows = platformv1alpha1.CauseImageChange, platformv1alpha1.CauseRollback, platformv1alpha1.CauseTemplateRollout
	own, other := checks("${release.image}"), checks("evil:1")
	hash := func(of []platformv1alpha1.Check) string {
		sum, err := hashOf(of)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	alices := &platformv1alpha1.RequestedVersion{Version: "v1", Checks: hash(other), Requester: "alice", By: []string{"alice"}}
	both := &platformv1alpha1.RequestedVersion{Version: "v2", Checks: hash(other), Requester: "dave", By: []string{"alice", "dave"}}
	for name, tc := range map[string]struct {
		before   *platformv1alpha1.RequestedVersion
		by       string
		version  string
		checks   []platformv1alpha1.Check
		releases []*platformv1alpha1.Release
		want     *platformv1alpha1.RequestedVersion
	}{
		"nobody, where they came":              {alices, "bob", "v1", own, []*platformv1alpha1.Release{made(1, "v1", brings, own...)}, nil},
		"nobody, where they came long ago":     {nil, "bob", "v1", own, []*platformv1alpha1.Release{made(1, "v1", brings, own...), made(2, "v1", follows, own...)}, nil},
		"nobody after a rollback":              {nil, "bob", "v1", own, []*platformv1alpha1.Release{made(1, "v1", brings), made(2, "v2", brings, own...), made(3, "v1", back)}, nil},
		"nor who asks for all of before that":  {alices, "bob", "v1", nil, []*platformv1alpha1.Release{made(1, "v1", brings), made(2, "v2", brings, other...), made(3, "v1", back)}, nil},
		"who changes them after a rollback":    {nil, "alice", "v1", other, []*platformv1alpha1.Release{made(1, "v1", brings), made(2, "v2", brings, own...), made(3, "v1", back)}, alices},
		"who changes them":                     {nil, "alice", "v1", other, []*platformv1alpha1.Release{made(1, "v1", brings, own...)}, alices},
		"who adds the first":                   {nil, "alice", "v1", other, []*platformv1alpha1.Release{made(1, "v1", brings)}, alices},
		"who takes them out":                   {nil, "ann", "v1", nil, []*platformv1alpha1.Release{made(1, "v1", brings, own...)}, &platformv1alpha1.RequestedVersion{Version: "v1", Requester: "ann", By: []string{"ann"}}},
		"not who writes next":                  {alices, "bob", "v1", other, []*platformv1alpha1.Release{made(1, "v1", brings, own...)}, alices},
		"and who brings the next version":      {alices, "dave", "v2", other, []*platformv1alpha1.Release{made(1, "v1", brings, own...)}, both},
		"who changes them, beside who asked":   {&platformv1alpha1.RequestedVersion{Version: "v2", Requester: "dave", By: []string{"dave"}}, "alice", "v2", other, []*platformv1alpha1.Release{made(1, "v1", brings)}, both},
		"still, though the version came alone": {both, "bob", "v2", other, []*platformv1alpha1.Release{made(1, "v2", brings, own...)}, both},
	} {
		component, before := &platformv1alpha1.Component{}, &platformv1alpha1.Component{}
		component.Spec.RequestedBy = tc.by
		before.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "prod", Requested: tc.before}}
		s := &scope{before: before, component: component}
		got, err := s.requested(&stop{name: "prod", version: tc.version, checks: tc.checks, releases: tc.releases})
		if err != nil || !equality.Semantic.DeepEqual(got, tc.want) {
			t.Errorf("%s: it is %v (%v), want %v", name, got, err, tc.want)
		}
	}
}

// An environment that comes into the path again, or that is made anew, has what was asked for in the others, whoever changed the path.
func TestRequested_IsInheritedWhereTheStatusSaysNothing(t *testing.T) {
	t.Parallel()
	asked := func(version, by string, all ...string) *platformv1alpha1.RequestedVersion {
		return &platformv1alpha1.RequestedVersion{Version: version, Requester: by, By: all}
	}
	for name, tc := range map[string]struct {
		others  []*platformv1alpha1.RequestedVersion
		version string
		want    *platformv1alpha1.RequestedVersion
	}{
		"nobody's where there is nothing":          {nil, "v2", asked("v2", "bob", "bob")},
		"all of it":                                {[]*platformv1alpha1.RequestedVersion{asked("v2", "dave", "alice", "dave")}, "v2", asked("v2", "dave", "alice", "dave")},
		"that it was nobody":                       {[]*platformv1alpha1.RequestedVersion{asked("v2", "")}, "v2", asked("v2", "")},
		"that of all others":                       {[]*platformv1alpha1.RequestedVersion{nil, asked("v3", "eve", "eve"), asked("v2", "dave", "alice", "dave")}, "v2", asked("v2", "dave", "alice", "dave", "eve")},
		"though it is called otherwise":            {[]*platformv1alpha1.RequestedVersion{asked("v2", "dave", "alice", "dave")}, "v2-of-prod", asked("v2-of-prod", "bob", "alice", "bob", "dave")},
		"and is nobody's, though called otherwise": {[]*platformv1alpha1.RequestedVersion{asked("v1", "dave", "dave"), asked("v2", "", "alice")}, "v2-of-prod", asked("v2-of-prod", "", "alice", "bob", "dave")},
	} {
		component, before := &platformv1alpha1.Component{}, &platformv1alpha1.Component{}
		component.Spec.RequestedBy = "bob"
		for _, requested := range tc.others {
			before.Status.Environments = append(before.Status.Environments, platformv1alpha1.ComponentEnvironmentStatus{Name: "ghost", Requested: requested})
		}
		s := &scope{before: before, component: component}
		if got, err := s.requested(&stop{name: "prod", version: tc.version}); err != nil || !equality.Semantic.DeepEqual(got, tc.want) {
			t.Errorf("%s: it is %v (%v), want %v", name, got, err, tc.want)
		}
	}
}

// A change that named nobody is a part of what enters, whoever brings the next: nobody's approval counts then.
func TestAuthors_AreUnknownAfterAChangeThatNamedNobody(t *testing.T) {
	t.Parallel()
	pending := &platformv1alpha1.Release{}
	pending.Spec.RequestedBy = "dave"
	s := &scope{stops: []stop{{name: "prod", unopened: []*platformv1alpha1.Release{pending}, requested: &platformv1alpha1.RequestedVersion{
		Requester: "dave", By: []string{"dave"}, Authors: platformv1alpha1.AuthorsUnknown,
	}}}}
	if users, unknown := s.authors(&s.stops[0], pending); users != nil || !strings.Contains(unknown, "a change since what runs in prod came left spec.requestedBy") {
		t.Errorf("the authors are %v (%s)", users, unknown)
	}
}

// Of more users than the status keeps somebody would be forgotten, who could then approve.
func TestAuthors_AreUnknownWhereThereAreMoreThanAreKept(t *testing.T) {
	t.Parallel()
	pending := &platformv1alpha1.Release{}
	pending.Spec.RequestedBy = "bob"
	component, before := &platformv1alpha1.Component{}, &platformv1alpha1.Component{}
	before.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "prod"}}
	s := &scope{before: before, component: component, stops: []stop{{name: "prod", unopened: []*platformv1alpha1.Release{pending}}}}
	st := &s.stops[0]
	for i := range 130 {
		st.version, component.Spec.RequestedBy = fmt.Sprintf("v%d", i), fmt.Sprintf("user-%03d", i)
		var err error
		if st.requested, err = s.requested(st); err != nil {
			t.Fatal(err)
		}
		before.Status.Environments[0].Requested = st.requested
		users, unknown := s.authors(st, pending)
		switch {
		case i < 127 && (len(users) != i+2 || unknown != ""):
			t.Fatalf("of %d users, %d are authors (%s)", i+1, len(users), unknown)
		case i >= 127 && (len(users) != 0 || !strings.Contains(unknown, "128 users or more asked for changes since what runs in prod came")):
			t.Fatalf("of %d users, %d are authors (%s)", i+1, len(users), unknown)
		}
	}
}

// Where an environment has parameters of its own, its versions are called otherwise: what came to it in the same second as to the one
// before is what runs all the same, and who made that is no author of the next.
func TestAuthors_AreNotThoseOfWhatCameInTheSameSecond(t *testing.T) {
	t.Parallel()
	made := func(minute int, version, image, by string) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{}
		r.CreationTimestamp = metav1.NewTime(time.Date(2026, 11, 29, 10, minute, 0, 0, time.UTC))
		r.Spec.Image, r.Spec.Version, r.Spec.RequestedBy, r.Spec.Cause, r.Spec.Number = image, version, by, platformv1alpha1.CausePromotion, int64(minute)
		return r
	}
	env := made(1, "dev-v1a", "shop:1", "bob")
	env.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "debug"}}
	pending := made(9, "prod-v2", "shop:2", "dave")
	for name, tc := range map[string]struct {
		dev  *platformv1alpha1.Release
		want []string
	}{
		"what runs":                     {made(1, "dev-v1", "shop:1", "bob"), []string{"dave"}},
		"another image":                 {made(1, "dev-v0", "shop:0", "bob"), []string{"bob", "dave"}},
		"another's change":              {made(1, "dev-v1a", "shop:1", "ann"), []string{"ann", "dave"}},
		"other variables":               {env, []string{"bob", "dave"}},
		"what came later, and is alike": {made(2, "dev-v1a", "shop:1", "bob"), []string{"bob", "dave"}},
	} {
		s := &scope{stops: []stop{
			{releases: []*platformv1alpha1.Release{tc.dev, made(8, "dev-v2", "shop:2", "dave")}},
			{releases: []*platformv1alpha1.Release{made(1, "prod-v1", "shop:1", "bob")}, unopened: []*platformv1alpha1.Release{pending}},
		}}
		if users, unknown := s.authors(&s.stops[1], pending); !slices.Equal(users, tc.want) || unknown != "" {
			t.Errorf("%s: the authors are %v (%s), want %v", name, users, unknown, tc.want)
		}
	}
}
