package component

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/team"
)

// findTeam finds the Team whose members the authors of commits are looked for among, where a gate asks who they are.
func (r *Reconciler) findTeam(ctx context.Context, s *scope) error {
	for i := range s.stops {
		st := &s.stops[i]
		if st.environment == nil || st.environment.Status.Team == "" || st.gate.AuthorApproval != platformv1alpha1.AuthorApprovalForbidden {
			continue
		}
		var found platformv1alpha1.Team
		err := r.Get(ctx, types.NamespacedName{Name: st.environment.Status.Team}, &found)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Team %s: %w", st.environment.Status.Team, err)
		}
		if err == nil && team.Owns(&found, s.component.Namespace) {
			s.team = &found
		}
		return nil
	}
	return nil
}

// maxRequesters is how many users the status keeps of an environment. Where it has as many, others may have been left out.
const maxRequesters = 128

// requested is who asked for what the Component asks for in an environment, the version, the revision that it is pinned to and the
// checks that come with these, and for those before it since what runs there: a version may have come to no Release, since something
// was in the way, or its Release may have gone with its environment. What the Component asks for otherwise, such as a promotion,
// makes nobody an author.
func (s *scope) requested(st *stop) (*platformv1alpha1.RequestedVersion, error) {
	checks, err := hashOf(st.checks)
	if err != nil {
		return nil, err
	}
	pin := int64(0)
	if ref := s.component.Spec.TemplateRef.Revision; ref != nil {
		pin = *ref
	}
	if st.runsAsAsked(pin) {
		return nil, nil
	}
	before, inherited := s.askedBefore(st)
	if before != nil && before.Version == st.version && before.Revision == pin && before.Checks == checks {
		return before.DeepCopy(), nil
	}
	by, asked := s.component.Spec.RequestedBy, askers(s.edits, st.name)
	asked = append(s.builtBy(st), asked...)
	if len(asked) > 0 {
		by = asked[len(asked)-1] // whoever wrote last may have brought nothing
	}
	unnamed := by == "" && !awaitsBuild(s.component) || slices.Contains(asked, "") // what is yet to be built brings nothing
	if release := st.brought(pin); release != nil && (before == nil || inherited) {
		// It was asked for before there was a status, or before it was rolled back or taken back. Whoever asks for it again without a
		// name is not known by that.
		by = release.Spec.RequestedBy
		unnamed = by == "" && !release.Opened() || slices.Contains(asked, "")
	}
	now := &platformv1alpha1.RequestedVersion{Version: st.version, Revision: pin, Checks: checks, Requester: by}
	if before != nil {
		now.By = slices.Clone(before.By)
		switch {
		case before.Version == st.version && before.Revision == pin:
			now.Requester = before.Requester // other checks make the version nobody else's
		case inherited && before.Requester == "":
			now.Requester = "" // nor does another path what nobody asked for
		}
	}
	if st.entered() && (unnamed || before != nil && before.Authors == platformv1alpha1.AuthorsUnknown) {
		now.Authors = platformv1alpha1.AuthorsUnknown
	}
	now.By = distinct(slices.DeleteFunc(append(append(now.By, asked...), by), func(user string) bool { return user == "" }))
	return now, nil
}

// entered says whether a version entered the environment, which the Component can ask for once more. What came with something that
// was taken over did not.
func (s *stop) entered() bool {
	return s.lost != nil || slices.ContainsFunc(s.releases, func(release *platformv1alpha1.Release) bool {
		return release.Spec.Cause != platformv1alpha1.CauseAdoption
	})
}

// askedBefore is what the status says of who asked for what is to come into an environment; nil for nothing. Of one that was not in
// the path before, or that was made anew, it says nothing: there it is what was asked for anywhere in the path, or whoever leaves
// an environment out for a moment would be rid of it.
func (s *scope) askedBefore(st *stop) (before *platformv1alpha1.RequestedVersion, inherited bool) {
	known := false
	for i := range s.before.Status.Environments {
		if e := &s.before.Status.Environments[i]; e.Name == st.name {
			before, known = e.Requested, true
		}
	}
	if before != nil || known && st.current() != nil {
		return before, false
	}
	return s.askedAnywhere(st.version), true
}

// askedAnywhere is what the status says was asked for in all environments, nil for nothing: for the version, where one of them has
// it. Versions of environments with parameters of their own are called otherwise; of these one that nobody asked for goes first.
func (s *scope) askedAnywhere(version string) *platformv1alpha1.RequestedVersion {
	var all *platformv1alpha1.RequestedVersion
	for i := range s.before.Status.Environments {
		requested := s.before.Status.Environments[i].Requested
		if requested == nil {
			continue
		}
		if all == nil {
			all = requested.DeepCopy()
			continue
		}
		by := slices.Concat(all.By, requested.By)
		if all.Version != version && (requested.Version == version || requested.Requester == "") {
			all = requested.DeepCopy()
		}
		all.By = by
	}
	if all != nil {
		all.By = distinct(all.By)
	}
	return all
}

// distinct are as many of the users as the status keeps, each once.
func distinct(users []string) []string {
	slices.Sort(users)
	users = slices.Compact(users)
	return users[:min(len(users), maxRequesters)]
}

// checksCame says whether the checks that the Component asks for are those that came with the last Release here which passed the
// gate with what it asked for. A rollback has none, and a revision of the template those of what ran before. Where something was
// rolled back, they may also be those that came with what runs again: whoever takes all back that failed asks for these.
func (s *stop) checksCame() bool {
	current := s.current()
	brought := current
	for _, release := range slices.Backward(s.releases) {
		cause := release.Spec.Cause
		if changes(cause) || release.Spec.Gate != nil && cause != platformv1alpha1.CauseRollback && cause != platformv1alpha1.CauseAdoption {
			brought = release
			break
		}
	}
	if s.cameWithChecks(brought) {
		return true
	}
	origin := s.origin(current)
	return current.Spec.Cause == platformv1alpha1.CauseRollback && origin != nil && s.cameWithChecks(origin)
}

// cameWithChecks says whether the checks that the Component asks for came with a Release.
func (s *stop) cameWithChecks(brought *platformv1alpha1.Release) bool {
	var came []platformv1alpha1.ReleaseCheck
	for i := range brought.Spec.Checks {
		if c := &brought.Spec.Checks[i]; c.Origin == platformv1alpha1.CheckOfComponent {
			came = append(came, *c)
		}
	}
	if len(came) != len(s.checks) {
		return false
	}
	asked, err := check.Resolve(brought, platformv1alpha1.CheckOfComponent, s.checks)
	if err != nil {
		return false // they cannot have come
	}
	a, errCame := hashOf(came)
	b, errAsked := hashOf(asked)
	return errCame == nil && errAsked == nil && a == b
}

// hashOf is a hash of checks, in hexadecimal, whatever the order of the keys in their Jobs; empty for none.
func hashOf[T any](checks []T) (string, error) {
	if len(checks) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(checks)
	if err != nil {
		return "", fmt.Errorf("hashing checks: %w", err)
	}
	var content any
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return "", fmt.Errorf("hashing checks: %w", err)
	}
	if raw, err = json.Marshal(content); err != nil {
		return "", fmt.Errorf("hashing checks: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// runs says whether a version runs in an environment. One that came with what was taken over does not: nothing of it was written.
func (s *stop) runs(version string) bool {
	current := s.current()
	return current != nil && current.Spec.Cause != platformv1alpha1.CauseAdoption && current.Spec.Version == version
}

// runsAsAsked says whether all that the Component asks for runs here: the version, the revision that it is pinned to, and the checks.
func (s *stop) runsAsAsked(pin int64) bool {
	return s.runs(s.version) && (pin == 0 || s.current().Spec.Revision.Number == pin) && s.checksCame()
}

// brought is the first Release that brought the version of the spec since what runs here came, or that waits with the revision
// that it is pinned to where the version runs; nil for none. Of those before, nobody is counted.
func (s *stop) brought(pin int64) *platformv1alpha1.Release {
	came, list := int64(0), slices.Concat(s.releases, s.unopened)
	if origin := s.origin(s.current()); origin != nil {
		came = origin.Spec.Number
	}
	pins := s.runs(s.version)
	if pins {
		list = s.unopened
	}
	var first *platformv1alpha1.Release
	for _, release := range list {
		brings := release.Spec.Version == s.version && release.Spec.Number > came && release.Spec.Cause != platformv1alpha1.CauseAdoption
		if pins && release.Spec.Revision.Number != pin || !brings {
			continue
		}
		if first == nil || release.Spec.Number < first.Spec.Number {
			first = release
		}
	}
	return first
}

// requester is who asked for the version of the spec in an environment, or for the revision that it is pinned to: whoever changed
// the Component last may have changed something else. Empty where whoever did gave no name.
func (s *scope) requester(st *stop) string {
	if asked := st.requested; asked != nil && asked.Version == st.version {
		return asked.Requester
	}
	if s.build != nil {
		return s.build.Spec.RequestedBy
	}
	return s.component.Spec.RequestedBy
}

// requesters are those beside one user who asked for what may be part of a version that is to come into an environment. The status
// forgets them as the version enters: its Release says it from then on.
func (s *stop) requesters(beside string) []string {
	if s.requested == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.requested.By), func(user string) bool { return user == beside })
}

// authors are the users who asked for a Release that waits, or for any that was made for the Component since what runs
// in the environment: each of these may be part of what would enter. So may what those asked for of whom no Release is
// there. The author of a commit is one more, as the members of the Team with that e-mail. None are known where the Release,
// or one with the same code, does not say who asked for it, or where a commit is of somebody whom the Team does not know,
// which unknown says.
func (s *scope) authors(st *stop, pending *platformv1alpha1.Release) (users []string, unknown string) {
	for _, release := range s.since(st) {
		users = append(users, release.Spec.Requesters...)
		switch {
		case release.Spec.RequestedBy != "":
			users = append(users, release.Spec.RequestedBy)
		case release.Spec.Build != "":
			return nil, fmt.Sprintf("Build %s names nobody in spec.requestedBy, as one of a commit that was pushed does not: who pushed is not verified. "+
				"Where authors may not approve, have those who release record their Builds (towpath build record)", release.Spec.Build)
		case sameCode(release, pending):
			return nil, ""
		}
		author := ""
		if release.Spec.Commit != nil {
			author = release.Spec.Commit.Author
		}
		if s.team == nil || author == "" {
			continue
		}
		members := membersOf(s.team, author)
		if len(members) == 0 {
			return nil, fmt.Sprintf("no User of Team %s has the e-mail of the author of a commit, %s: have it put to spec.members[].emails of the Team", s.team.Name, author)
		}
		users = append(users, members...)
	}
	if st.requested != nil {
		if st.requested.Authors == platformv1alpha1.AuthorsUnknown {
			return nil, fmt.Sprintf("a change since what runs in %s came left spec.requestedBy of the Component out: have the Component ask for what runs there, "+
				"its checks too, then bring a version with another image or commit, and spec.requestedBy set to who changes it", st.name)
		}
		if len(st.requested.By) >= maxRequesters {
			return nil, fmt.Sprintf("%d users or more asked for changes since what runs in %s came, more than are kept: have the Component ask for what runs there, then for the change anew", maxRequesters, st.name)
		}
		users = append(users, st.requested.By...)
	}
	slices.Sort(users)
	return slices.Compact(users), ""
}

// since are the Releases that brought something for the Component since what runs in an environment came into it, anywhere
// in the path: since the Release that brought it, not since one that brought it back or made it anew. What was brought in
// between may be in what would enter. What makes something anew that ran before, with another revision of the template or
// as a rollback, brings nothing: its origin counts, by when that was. Nor does the version that runs, wherever it was made:
// times are whole seconds, so that it may seem to have come with, or after, itself.
func (s *scope) since(st *stop) []*platformv1alpha1.Release {
	since := st.cameAt()
	var made []*platformv1alpha1.Release
	for i := range s.stops {
		other := &s.stops[i]
		for _, release := range other.releases {
			came := st.runs(release.Spec.Version) || st.cameWith(release)
			if !came && !release.CreationTimestamp.Time.Before(since) && !other.repeats(release) {
				made = append(made, release)
			}
		}
		for _, release := range other.unopened {
			if !release.CreationTimestamp.Time.Before(since) {
				made = append(made, release)
			}
		}
	}
	return made
}

// cameWith says that what runs here came in the same second as a Release of another environment, and brought the same change of the
// same user, as far as environments do not differ in it: with parameters of its own it is called otherwise here. What that user
// changes of these in the rest of the second is counted by what the environment asked for.
func (s *stop) cameWith(release *platformv1alpha1.Release) bool {
	origin := s.origin(s.current())
	if origin == nil || !origin.CreationTimestamp.Time.Equal(release.CreationTimestamp.Time) {
		return false
	}
	a, b := &origin.Spec, &release.Spec
	return sameCode(origin, release) && a.RequestedBy == b.RequestedBy &&
		equality.Semantic.DeepEqual(a.Env, b.Env) && equality.Semantic.DeepEqual(a.SecretEnv, b.SecretEnv)
}

// cameAt is when the Release was made that brought what runs here; zero where nothing runs, or where it is gone.
func (s *stop) cameAt() time.Time {
	if origin := s.origin(s.current()); origin != nil {
		return origin.CreationTimestamp.Time
	}
	return time.Time{}
}

// repeats says that a Release makes anew what another one brought, which is there still.
func (s *stop) repeats(release *platformv1alpha1.Release) bool {
	origin := s.origin(release)
	return origin != nil && origin != release
}

// origin is the Release that brought the version of another one here, which may be that itself: the last one up to it, so
// that it does not matter which of those in between are gone. It is nil for none, and for what took over what was found, which
// brought nothing.
func (s *stop) origin(of *platformv1alpha1.Release) *platformv1alpha1.Release {
	var origin *platformv1alpha1.Release
	for _, release := range s.releases {
		if of != nil && changes(release.Spec.Cause) && release.Spec.Version == of.Spec.Version && release.Spec.Number <= of.Spec.Number {
			origin = release
		}
	}
	return origin
}

func sameCode(a, b *platformv1alpha1.Release) bool {
	return a.Spec.Image == b.Spec.Image && sha(a.Spec.Commit) == sha(b.Spec.Commit)
}

// membersOf are the users of a Team that have the e-mail of an author, in any case of its letters. Groups have none: who
// is in them is not known here.
func membersOf(t *platformv1alpha1.Team, author string) []string {
	if address, err := mail.ParseAddress(author); err == nil {
		author = address.Address
	}
	var users []string
	for _, member := range t.Spec.Members {
		has := slices.ContainsFunc(member.Emails, func(email string) bool { return strings.EqualFold(email, author) })
		if member.Kind == platformv1alpha1.MemberUser && has {
			users = append(users, member.Name)
		}
	}
	return users
}

// ofTeam maps a Team to the Components of its home: it may know an author by now.
func (r *Reconciler) ofTeam(ctx context.Context, o client.Object) []ctrl.Request {
	t, ok := o.(*platformv1alpha1.Team)
	if !ok {
		return nil
	}
	return r.requests(ctx, client.InNamespace(team.Home(t)))
}
