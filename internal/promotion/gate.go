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

// pending returns the Release that waits at the gate, nil for none. Of several, only the newest waits.
func (s *Step) pending() *Pending {
	if n := len(s.Pending); n > 0 && !s.Pending[n-1].Superseded {
		return &s.Pending[n-1]
	}
	return nil
}

// enter has what was decided pass the gate. What goes through it is a new version. It is made as soon as nothing
// else is in the way, and waits as a Release, so that people have something to decide on.
func (s *Step) enter(d Decision, before *Step, now time.Time) Decision {
	pending := s.pending()
	if d.Next == nil || !s.guards(d.Next) {
		d = s.frozen(d, now)
		current := s.current()
		// Nobody asks for what waits any more: what is asked for runs, or has not come as far yet.
		d.Retire = d.Next == nil && pending != nil && (pending.Version != s.Version || current != nil && current.Version == s.Version)
		return d
	}
	if s.Barred != nil {
		return Decision{Wait: s.Barred}
	}
	if wait := s.rejected(); wait != nil {
		return Decision{Wait: wait}
	}
	if pending != nil && !pending.is(d.Next) {
		pending = nil // another one takes its place, and is decided on anew
	}
	wait, again := s.awaitGate(pending, before, now)
	switch {
	case wait == nil && pending != nil:
		return Decision{Open: true}
	case wait == nil:
		return d
	case pending != nil:
		return Decision{Wait: wait, Again: again}
	}
	return Decision{Next: d.Next, Gated: true, Wait: wait, Again: again}
}

// guards says whether the gate is for a Release: whether it brings a version that does not run here. A version that
// ran until its Release was deleted was let in before, and what was found runs already.
func (s *Step) guards(next *Next) bool {
	current := s.current()
	return next.Version == s.Version && next.Cause != platformv1alpha1.CauseAdoption &&
		(current == nil || current.Version != s.Version) && (s.Lost == nil || s.Lost.Version != s.Version)
}

// is says whether a Release that waits is what should be made. It keeps its revision when a later one may come: that
// one follows by itself. A revision that should not be reached any more is another matter.
func (p *Pending) is(next *Next) bool {
	return p.Version == next.Version && p.Revision <= next.Revision && !p.Stale
}

// rejected says that somebody rejected the version here, whatever Release it came with.
func (s *Step) rejected() *Wait {
	for i := range s.Pending {
		p := &s.Pending[i]
		for _, vote := range p.Votes {
			if p.Version != s.Version || vote.Decision != platformv1alpha1.DecisionReject {
				continue
			}
			why := "without a reason"
			if vote.Reason != "" {
				why = "since: " + strings.TrimSuffix(vote.Reason, ".")
			}
			return &Wait{Reason: platformv1alpha1.ReasonRejected, Message: fmt.Sprintf(
				"%s rejected the version for %s (Release %s), %s. It does not enter; change the Component to bring another.", vote.Approver, s.Name, p.Name, why)}
		}
	}
	return nil
}

// awaitGate says what keeps the gate shut, if anything, and after which time to look again though nothing happened.
// What a person must do comes first: the rest passes by itself.
func (s *Step) awaitGate(pending *Pending, before *Step, now time.Time) (*Wait, time.Duration) {
	var waits []Wait
	add := func(wait *Wait) {
		if wait != nil {
			waits = append(waits, *wait)
		}
	}
	add(s.awaitApprovals(pending))
	add(s.awaitPromotion(pending))
	frozen, thaws := s.awaitFreeze(pending, now)
	add(frozen)
	soak, again := s.awaitSoak(before, now)
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

func (s *Step) awaitApprovals(pending *Pending) *Wait {
	need := int(s.Gate.Approvals)
	if need == 0 {
		return nil
	}
	if pending == nil {
		return &Wait{Reason: platformv1alpha1.ReasonWaitingForApproval, Message: fmt.Sprintf("The version needs %s to enter %s.", count(need, "approval"), s.Name)}
	}
	distinct := s.Gate.AuthorApproval == platformv1alpha1.AuthorApprovalForbidden
	if distinct && len(pending.Authors) == 0 {
		return &Wait{Reason: platformv1alpha1.ReasonAuthorUnknown, Message: fmt.Sprintf(
			"Release %s needs %s to enter %s, by others than who made the change, and it is not known who that is: %s.",
			pending.Name, count(need, "approval"), s.Name, cmp.Or(pending.AuthorUnknown, "bring another version, with spec.requestedBy of the Component set to who changes it"))}
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

func (s *Step) awaitPromotion(pending *Pending) *Wait {
	switch {
	case s.Gate.Promotion != platformv1alpha1.PromotionManual, pending != nil && s.Promote == pending.Name:
		return nil
	case pending == nil:
		return &Wait{Reason: platformv1alpha1.ReasonWaitingForPromotion, Message: fmt.Sprintf("The version enters %s when somebody promotes it.", s.Name)}
	}
	return &Wait{Reason: platformv1alpha1.ReasonWaitingForPromotion, Message: fmt.Sprintf(
		"Release %s enters %s when somebody who may change the Component promotes it: towpath promote -n %s %s.", pending.Name, s.Name, pending.Namespace, pending.Name)}
}

// awaitSoak looks for how long what runs in the environment before has been Ready.
func (s *Step) awaitSoak(before *Step, now time.Time) (*Wait, time.Duration) {
	need := time.Duration(s.Gate.SoakSeconds) * time.Second
	if need == 0 || before == nil {
		return nil, 0
	}
	current := before.current()
	if current == nil || !current.Ready {
		return &Wait{Reason: platformv1alpha1.ReasonSoaking, Message: fmt.Sprintf("The version must have been Ready in %s for %s, and is not Ready there now.", before.Name, need)}, 0
	}
	if current.Asleep {
		return before.soakAsleep(need), 0
	}
	until := current.ReadySince.Add(need)
	if !now.Before(until) {
		return nil, 0
	}
	return &Wait{Reason: platformv1alpha1.ReasonSoaking, Message: fmt.Sprintf(
		"The version must have been Ready in %s for %s: that is so at %s.", before.Name, need, until.UTC().Format(time.RFC3339))}, until.Sub(now)
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
