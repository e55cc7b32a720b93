package promotion

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Pending is a Release that waits at the gate of an environment, or did and never entered.
type Pending struct {
	Namespace, Name string
	Version         string
	Revision        int64
	// Stale says that what it uses gives something else by now.
	Stale bool
	// Superseded says that it waits no more.
	Superseded bool
	// Pins says that it brings no version, but the revision that the Component is pinned to.
	Pins bool
	// Authors are the users who made the change; empty where they are not known. AuthorUnknown says what helps then, where it
	// is not to say who asks.
	Authors       []string
	AuthorUnknown string
	// Votes are what people decided on it.
	Votes []Vote
}

// Vote is what one person decided.
type Vote struct {
	Approver string
	Decision platformv1alpha1.Decision
	Reason   string
}

// Stricter is what a class and a Component ask of a version together: field by field the stricter of the two. What asks
// for nothing is left out, so that gates which ask for the same are equal.
func Stricter(class *platformv1alpha1.ClassGate, component *platformv1alpha1.Gate) platformv1alpha1.Gate {
	var gate platformv1alpha1.Gate
	add := func(other platformv1alpha1.Gate) {
		gate.SoakSeconds = max(gate.SoakSeconds, other.SoakSeconds)
		gate.Approvals = max(gate.Approvals, other.Approvals)
		if other.AuthorApproval == platformv1alpha1.AuthorApprovalForbidden {
			gate.AuthorApproval = other.AuthorApproval
		}
		if other.Promotion == platformv1alpha1.PromotionManual {
			gate.Promotion = other.Promotion
		}
	}
	if class != nil {
		add(class.Gate)
	}
	if component != nil {
		add(*component)
	}
	return gate
}

// Beyond is what a class asks of a version that the gate of a Component does not, as the fields of a gate with their values;
// nothing where the Component asks for as much.
func Beyond(class *platformv1alpha1.ClassGate, component *platformv1alpha1.Gate) []string {
	both, own := Stricter(class, component), Stricter(nil, component)
	var more []string
	if both.SoakSeconds != own.SoakSeconds {
		more = append(more, fmt.Sprintf("soakSeconds: %d", both.SoakSeconds))
	}
	if both.Approvals != own.Approvals {
		more = append(more, fmt.Sprintf("approvals: %d", both.Approvals))
	}
	if both.AuthorApproval != own.AuthorApproval {
		more = append(more, fmt.Sprintf("authorApproval: %s", both.AuthorApproval))
	}
	if both.Promotion != own.Promotion {
		more = append(more, fmt.Sprintf("promotion: %s", both.Promotion))
	}
	return more
}

// pending returns the Release that waits at the gate, nil for none. Of several, only the newest waits.
func (s *Step) pending() *Pending {
	if n := len(s.Pending); n > 0 && !s.Pending[n-1].Superseded {
		return &s.Pending[n-1]
	}
	return nil
}

// enter has what was decided pass the gate. What goes through it is a new version, or a revision that the Component is
// pinned to: both are what whoever changes the Component wants. It is made as soon as nothing else is in the way, and
// waits as a Release, so that people have something to decide on.
func (s *Step) enter(d Decision, earlier []*Step, now time.Time) Decision {
	pending := s.pending()
	if d.Next == nil || !s.guards(d.Next) {
		d = s.frozen(d, now)
		d.Retire = d.Next == nil && pending != nil && !s.wants(pending)
		return d
	}
	return s.meanwhile(s.pass(d, pending, earlier, now), now)
}

// pass opens the gate for what was decided, or says what it waits for there.
func (s *Step) pass(d Decision, pending *Pending, earlier []*Step, now time.Time) Decision {
	if s.Barred != nil {
		return Decision{Wait: s.Barred}
	}
	if wait := s.rejected(d.Next); wait != nil {
		return Decision{Wait: wait}
	}
	if pending != nil && !s.is(pending, d.Next) {
		pending = nil // another one takes its place, and is decided on anew
	}
	wait, again := s.awaitGate(pending, d.Next, earlier, now)
	switch {
	case wait == nil && pending != nil:
		return Decision{Open: true}
	case wait == nil:
		d.Guarded = true
		return d
	case pending != nil:
		return Decision{Wait: wait, Again: again}
	}
	return Decision{Next: d.Next, Gated: true, Wait: wait, Again: again}
}

// meanwhile has what runs follow those whom it uses while the gate is shut. What waits follows too: as another Release,
// to be decided on anew.
func (s *Step) meanwhile(d Decision, now time.Time) Decision {
	current := s.current()
	if d.Wait == nil || current == nil || current.AsFound || !s.Stale {
		return d
	}
	if follows := s.frozen(Decision{Next: refresh(s, current)}, now); follows.Next != nil {
		return follows
	}
	return d
}

// wants says whether what waits is still asked for though nothing is to be made now: it has not come as far yet. What runs
// already, and what the Component does not ask for any more, is not.
func (s *Step) wants(pending *Pending) bool {
	if pending.Pins {
		return s.Pinned && cmp.Or(s.Blocked, s.Lacks, s.Lags) != nil
	}
	current := s.current()
	return pending.Version == s.Version && (current == nil || current.Version != s.Version)
}

// guards says whether the gate is for a Release: whether it brings a version that does not run here, or a revision that
// does not, for the sake of a pin. What ran here, until its Release was deleted or something else took its place, was let
// in before. What was found runs already, and taking it over brings nothing; the version that the Release of that bears has
// yet to be let in.
func (s *Step) guards(next *Next) bool {
	switch next.Cause {
	case platformv1alpha1.CauseAdoption, platformv1alpha1.CauseProviderChange, platformv1alpha1.CauseRollback:
		return false
	}
	ran := s.current()
	if ran == nil {
		ran = s.Lost
	}
	if ran == nil || ran.AsFound || ran.Version != next.Version {
		return true
	}
	return s.Pinned && ran.Revision != next.Revision
}

// pins says whether what should be made brings no version, but the revision that the Component is pinned to.
func (s *Step) pins(next *Next) bool {
	return s.Pinned && next.Cause == platformv1alpha1.CauseTemplateRollout
}

// is says whether a Release that waits is what should be made. With a new version it keeps its revision when a later one
// may come: that one follows by itself. A revision that should not be reached any more is another matter.
func (s *Step) is(p *Pending, next *Next) bool {
	if p.Stale || p.Version != next.Version || p.Pins != s.pins(next) {
		return false
	}
	return p.Revision == next.Revision || !p.Pins && p.Revision < next.Revision
}

// rejected says that somebody rejected here what should be made: the version, whatever Release it came with, or the
// revision that the Component is pinned to.
func (s *Step) rejected(next *Next) *Wait {
	pins := s.pins(next)
	what, instead := "the version", "change the Component to bring another"
	if pins {
		what = fmt.Sprintf("revision %d of the template", next.Revision)
		instead = "set spec.templateRef.revision of the Component to another, or take it out"
	}
	for i := range s.Pending {
		p := &s.Pending[i]
		if p.Version != next.Version || p.Pins != pins || pins && p.Revision != next.Revision {
			continue
		}
		for _, vote := range p.Votes {
			if vote.Decision != platformv1alpha1.DecisionReject {
				continue
			}
			why := "without a reason"
			if vote.Reason != "" {
				why = "since: " + strings.TrimSuffix(vote.Reason, ".")
			}
			return &Wait{Reason: platformv1alpha1.ReasonRejected, Message: fmt.Sprintf(
				"%s rejected %s for %s (Release %s), %s. It does not enter; %s.", vote.Approver, what, s.Name, p.Name, why, instead)}
		}
	}
	return nil
}

// awaitGate says what keeps the gate shut, if anything, and after which time to look again though nothing happened.
// What a person must do comes first: the rest passes by itself.
func (s *Step) awaitGate(pending *Pending, next *Next, earlier []*Step, now time.Time) (*Wait, time.Duration) {
	var waits []Wait
	add := func(wait *Wait) {
		if wait != nil {
			waits = append(waits, *wait)
		}
	}
	what := "The version"
	if s.pins(next) {
		what = fmt.Sprintf("Revision %d of the template, to which the Component is pinned,", next.Revision)
	}
	add(s.awaitApprovals(pending, what))
	add(s.awaitPromotion(pending, what))
	frozen, thaws := s.awaitFreeze(pending, now)
	add(frozen)
	soak, again := s.awaitSoak(next, earlier, now)
	add(soak)
	if again == 0 || thaws > 0 && thaws < again {
		again = thaws
	}
	if len(waits) == 0 {
		return nil, 0
	}
	messages := make([]string, len(waits))
	for i := range waits {
		messages[i] = waits[i].Message
	}
	return &Wait{Reason: waits[0].Reason, Message: strings.Join(messages, " ")}, again
}

func (s *Step) awaitApprovals(pending *Pending, what string) *Wait {
	need := int(s.Gate.Approvals)
	if need == 0 {
		return nil
	}
	if pending == nil {
		return &Wait{Reason: platformv1alpha1.ReasonWaitingForApproval, Message: fmt.Sprintf("%s needs %s to enter %s.", what, count(need, "approval"), s.Name)}
	}
	distinct := s.Gate.AuthorApproval == platformv1alpha1.AuthorApprovalForbidden
	if distinct && len(pending.Authors) == 0 {
		return &Wait{Reason: platformv1alpha1.ReasonAuthorUnknown, Message: fmt.Sprintf(
			"Release %s needs %s to enter %s, by others than who made the change, and it is not known who that is: %s.",
			pending.Name, count(need, "approval"), s.Name, cmp.Or(pending.AuthorUnknown, "bring a version with another image or commit, and spec.requestedBy of the Component set to who changes it"))}
	}
	var approvers []string
	for _, vote := range pending.Votes {
		if vote.Decision == platformv1alpha1.DecisionApprove && (!distinct || !slices.Contains(pending.Authors, vote.Approver)) {
			approvers = append(approvers, vote.Approver)
		}
	}
	slices.Sort(approvers)
	if approvers = slices.Compact(approvers); len(approvers) >= need {
		return nil
	}
	message := fmt.Sprintf("Release %s needs %s to enter %s", pending.Name, count(need, "approval"), s.Name)
	if len(approvers) > 0 {
		message += fmt.Sprintf(", and has %d, of %s", len(approvers), strings.Join(approvers, ", "))
	}
	if distinct {
		message += fmt.Sprintf("; %s made the change, and cannot approve it", strings.Join(pending.Authors, ", "))
	}
	message += fmt.Sprintf(". Whoever may approve releases in namespace %s gives one: towpath approve -n %s %s.", pending.Namespace, pending.Namespace, pending.Name)
	return &Wait{Reason: platformv1alpha1.ReasonWaitingForApproval, Message: message}
}

func (s *Step) awaitPromotion(pending *Pending, what string) *Wait {
	switch {
	case s.Gate.Promotion != platformv1alpha1.PromotionManual, pending != nil && s.Promote == pending.Name:
		return nil
	case pending == nil:
		return &Wait{Reason: platformv1alpha1.ReasonWaitingForPromotion, Message: fmt.Sprintf("%s enters %s when somebody promotes it.", what, s.Name)}
	}
	return &Wait{Reason: platformv1alpha1.ReasonWaitingForPromotion, Message: fmt.Sprintf(
		"Release %s enters %s when somebody who may change the Component promotes it: towpath promote -n %s %s.", pending.Name, s.Name, pending.Namespace, pending.Name)}
}

// awaitSoak looks for how long what is to enter has been Ready where that must be shown.
func (s *Step) awaitSoak(next *Next, earlier []*Step, now time.Time) (*Wait, time.Duration) {
	if s.Gate.SoakSeconds == 0 {
		return nil, 0
	}
	for _, before := range earlier {
		if wait, again := s.soaked(next, before, now); wait != nil {
			return wait, again
		}
	}
	return nil, 0
}

// soaked looks for how long what runs in an earlier environment has been Ready. For a pin that is the revision.
func (s *Step) soaked(next *Next, in *Step, now time.Time) (*Wait, time.Duration) {
	need := time.Duration(s.Gate.SoakSeconds) * time.Second
	what := "The version"
	current := in.current()
	runs := current != nil && current.Ready
	if s.pins(next) {
		what = fmt.Sprintf("Revision %d of the template", next.Revision)
		runs = runs && current.Revision == next.Revision
	} else {
		runs = runs && current.Version == in.Version && !current.AsFound
	}
	if !runs {
		return &Wait{Reason: platformv1alpha1.ReasonSoaking, Message: fmt.Sprintf("%s must have been Ready in %s for %s, and is not Ready there now.", what, in.Name, need)}, 0
	}
	if current.Asleep {
		return in.soakAsleep(need), 0
	}
	until := current.ReadySince.Add(need)
	if !now.Before(until) {
		return nil, 0
	}
	return &Wait{Reason: platformv1alpha1.ReasonSoaking, Message: fmt.Sprintf(
		"%s must have been Ready in %s for %s: that is so at %s.", what, in.Name, need, until.UTC().Format(time.RFC3339))}, until.Sub(now)
}

// MissingTier says that the path lacks a tier that a class requires before an environment of it; nil where it does not.
func MissingTier(environment, class string, required platformv1alpha1.Tier, before []platformv1alpha1.Tier) *Wait {
	if required == "" || slices.Contains(before, required) {
		return nil
	}
	return &Wait{Reason: platformv1alpha1.ReasonTierMissing, Message: fmt.Sprintf(
		"%s is of class %s, which takes versions only from paths that have an environment of tier %s before: add one to spec.environments, before %s.",
		environment, class, required, environment)}
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
