// Package sleep decides whether an environment sleeps: by the windows of its class, by its own, and by whether somebody
// woke it. It also counts what that saves. It is pure: the time comes in. How windows go by clocks says package window.
//
// What cannot be read, or makes no sense, puts nothing to sleep: that a night is paid for harms less than a service that
// is away.
package sleep

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/window"
)

const (
	// Always is the name of what has an environment sleep whose mode says so.
	Always = "Always"
	// DefaultMaxWake is for how long somebody may be kept awake where the class says nothing of sleep.
	DefaultMaxWake = 8 * time.Hour
	// DefaultSpread is over how long what many do is spread there.
	DefaultSpread = 5 * time.Minute

	// mostOften is how often a window may begin within its duration and a day: each time is looked at.
	mostOften = 100
	// mostStarts is how many starts in a row are looked at for one that never closes: tenants write windows too.
	mostStarts = 1000
)

// Plan is what decides about the sleep of one environment.
type Plan struct {
	// UID of the Environment: by it, what many do at the same minute is spread.
	UID types.UID
	// Tier of the class.
	Tier platformv1alpha1.Tier
	// Class is what the class says, Own what the Environment does; nil for nothing.
	Class *platformv1alpha1.ClassSleep
	Own   *platformv1alpha1.EnvironmentSleep
	// WakeUntil is until when somebody wants it awake, and SeenAt when that was first seen; zero for nobody.
	WakeUntil, SeenAt time.Time
}

// State is whether an environment sleeps.
type State struct {
	Asleep bool
	// Until is when that changes by itself; zero for never.
	Until time.Time
	// Window is what has it sleep: the name of the window that closes last, or Always.
	Window string
	// Woken says that it is awake since somebody wants that.
	Woken bool
	// Wrong says what of the Environment's own sleep does nothing, and why; nil where all counts.
	Wrong error
}

// May says whether anything may have the environment sleep.
func (p *Plan) May() bool {
	return p.Class != nil && len(p.Class.Windows) > 0 || p.Own != nil && (p.Own.Mode == platformv1alpha1.SleepAlways || len(p.Own.Windows) > 0)
}

// At decides for a time.
func At(p Plan, now time.Time) State {
	windows, wrong := p.windows(now)
	base := func(t time.Time) State {
		if p.Own != nil && p.Own.Mode == platformv1alpha1.SleepAlways && p.allowsOwn() {
			return State{Asleep: true, Window: Always}
		}
		return windows.at(t, p.UID, p.spread())
	}
	state := base(now)
	if wakes := p.wakes(); now.Before(wakes) {
		state = State{Until: wakes, Woken: true}
		if then := base(wakes); !then.Asleep {
			state.Until = then.Until
		}
	}
	state.Wrong = wrong
	return state
}

// wakes is until when the wish to be awake counts; zero where there is none.
func (p *Plan) wakes() time.Time {
	longest := DefaultMaxWake
	if p.Class != nil && p.Class.MaxWakeSeconds > 0 {
		longest = time.Duration(p.Class.MaxWakeSeconds) * time.Second
	}
	if bound := p.SeenAt.Add(longest); p.WakeUntil.After(bound) {
		return bound
	}
	return p.WakeUntil
}

func (p *Plan) spread() time.Duration {
	if p.Class != nil && p.Class.SpreadSeconds != nil {
		return time.Duration(*p.Class.SpreadSeconds) * time.Second
	}
	return DefaultSpread
}

// allowsOwn says whether the Environment's own sleep counts.
func (p *Plan) allowsOwn() bool {
	var said platformv1alpha1.OwnSleep
	if p.Class != nil {
		said = p.Class.OwnSleep
	}
	otherwise := platformv1alpha1.OwnSleepAllowed
	if p.Tier == platformv1alpha1.TierProduction {
		otherwise = platformv1alpha1.OwnSleepForbidden
	}
	return cmp.Or(said, otherwise) == platformv1alpha1.OwnSleepAllowed
}

// windows are those that count, and what is wrong with the Environment's own.
func (p *Plan) windows(now time.Time) (set, error) {
	var class set
	if p.Class != nil {
		class, _ = read(p.Class.Windows) // what is wrong with them, the class says itself
	}
	if !class.closes(now) {
		class = nil
	}
	if p.Own == nil || p.Own.Mode != platformv1alpha1.SleepAlways && len(p.Own.Windows) == 0 {
		return class, nil
	}
	if !p.allowsOwn() {
		return class, fmt.Errorf("spec.sleep does nothing: the class does not let its environments sleep more than it says itself (ownSleep)")
	}
	own, err := read(p.Own.Windows)
	all := slices.Concat(class, own)
	if err == nil && !all.closes(now) {
		return class, fmt.Errorf("spec.sleep.windows do nothing: together with those of the class they never close; set spec.sleep.mode to Always where that is what you want")
	}
	if !all.closes(now) {
		all = class
	}
	if err != nil {
		return all, fmt.Errorf("spec.sleep.windows%w; it does nothing", err)
	}
	return all, nil
}

// Check says what is wrong with the windows of a class; nil where all are well.
func Check(class *platformv1alpha1.ClassSleep) error {
	if class == nil {
		return nil
	}
	all, err := read(class.Windows)
	if err != nil {
		return err
	}
	if endless := all.endless(); endless != nil {
		return fmt.Errorf("[%s]: %s", endless.name, window.NeverCloses)
	}
	return nil
}

// Validate says of each window, by its field, what keeps it from counting: of a class, or of an Environment alone.
func Validate(windows []platformv1alpha1.SleepWindow, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	var all set
	for i := range windows {
		w, err := readOne(&windows[i])
		if err == nil {
			all = append(all, w)
			continue
		}
		of := at.Key(windows[i].Name)
		if invalid, ok := errors.AsType[*window.Error](err); ok {
			of = of.Child(invalid.Field)
		}
		errs = append(errs, field.Invalid(of, field.OmitValueType{}, err.Error()))
	}
	if endless := all.endless(); endless != nil {
		errs = append(errs, field.Invalid(at.Key(endless.name), field.OmitValueType{}, window.NeverCloses))
	}
	return errs
}

// endless is the first window that never closes together with the others; nil where each does.
func (s set) endless() *named {
	if i := window.Endless(s.times()); i >= 0 {
		return &s[i]
	}
	return nil
}

// named is a window that was read.
type named struct {
	name  string
	times *window.Times
}

// set are windows in any of which an environment sleeps.
type set []named

// read reads windows, and says what is wrong with the first that does not count.
func read(list []platformv1alpha1.SleepWindow) (set, error) {
	var all set
	var wrong error
	for i := range list {
		w, err := readOne(&list[i])
		if err == nil {
			all = append(all, w)
		} else if wrong == nil {
			wrong = fmt.Errorf("[%s]: %w", list[i].Name, err)
		}
	}
	return all, wrong
}

// readOne reads a window, or says as a window.Error why it does not count.
func readOne(w *platformv1alpha1.SleepWindow) (named, error) {
	times, err := window.Read(window.Window{
		TimeZone: w.TimeZone, Schedule: w.Schedule, Duration: time.Duration(w.DurationSeconds) * time.Second, From: w.From, Until: w.Until,
	})
	if err != nil {
		return named{}, err
	}
	if times.Often(mostOften) {
		return named{}, &window.Error{Field: "schedule", Message: fmt.Sprintf(
			"schedule %q comes too often: a window may begin at most %d times within its duration and a day", w.Schedule, mostOften)}
	}
	return named{w.Name, times}, times.Check(mostStarts)
}

// span is a stretch of time in which one window or another is open.
type span struct {
	from, until time.Time
	// name is that of the window that closes last.
	name string
	// endless says that no end was found.
	endless bool
}

// times of the windows, in their order.
func (s set) times() []*window.Times {
	all := make([]*window.Times, len(s))
	for i := range s {
		all[i] = s[i].times
	}
	return all
}

// around is the stretch around a time, nil where no window is open.
func (s set) around(now time.Time) *span {
	last, until := window.Last(s.times(), now)
	if last < 0 {
		return nil
	}
	around := &span{from: s.earliest(now), until: until, name: s[last].name, endless: until.IsZero()}
	for range window.MostMeets {
		before := s.earliest(around.from.Add(-time.Nanosecond))
		if before.IsZero() {
			break
		}
		around.from = before
	}
	return around
}

// earliest is since when a window has been open that is at a time; zero for none.
func (s set) earliest(at time.Time) time.Time {
	var first time.Time
	for _, w := range s {
		if from, _, open := w.times.Span(at); open && (first.IsZero() || from.Before(first)) {
			first = from
		}
	}
	return first
}

// closes says whether the stretch around a time has an end.
func (s set) closes(now time.Time) bool {
	around := s.around(now)
	return around == nil || !around.endless
}

// at is whether an environment of a UID sleeps by the windows.
func (s set) at(now time.Time, uid types.UID, spread time.Duration) State {
	around := s.around(now)
	if around != nil {
		begins, ends := around.sleeps(uid, spread)
		switch {
		case now.Before(begins):
			return State{Until: begins}
		case now.Before(ends):
			return State{Asleep: true, Until: ends, Window: around.name}
		}
		now = around.until
	}
	var next time.Time
	for _, w := range s {
		if begins := w.times.Next(now); !begins.IsZero() && (next.IsZero() || begins.Before(next)) {
			next = begins
		}
	}
	if next.IsZero() {
		return State{}
	}
	coming := s.around(next)
	if coming == nil || coming.endless {
		return State{Until: next} // it is looked at again then
	}
	begins, _ := coming.sleeps(uid, spread)
	return State{Until: begins}
}

// sleeps is when within the stretch an environment sleeps: it begins later and ends earlier, by as much.
func (s *span) sleeps(uid types.UID, spread time.Duration) (begins, ends time.Time) {
	delay := Delay(uid, min(spread, s.until.Sub(s.from)/4))
	return s.from.Add(delay), s.until.Add(-delay)
}

// Delay is an environment's share of a spread, in whole seconds: always the same for one, and evenly spread over many.
func Delay(uid types.UID, spread time.Duration) time.Duration {
	if spread <= 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(uid))
	share, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:8]), uint64(spread))
	return time.Duration(share).Truncate(time.Second)
}
