package component

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// early is who gave no name before anything had entered: that is known as the next one's, which is a limit that is written down.
const early = "?"

// authorship is a Component with dev and prod, people who change it, and passes now and then.
type authorship struct {
	t      *testing.T
	random *rand.Rand
	noted  edits
	live   *platformv1alpha1.Component
	// wrote is who wrote the image and the variable as they are.
	wrote [2]string
	// seen is what the last pass saw, and who had written that: what comes back to it before the next pass is nobody else's.
	seen   [2]string
	seenOf [2]string
	// writers are who had written these as each Release was made.
	writers map[string][2]string
	// differs says that prod has parameters of its own, so that its versions are called otherwise.
	differs bool
	now     time.Time
	dev     []*platformv1alpha1.Release
	prod    stop
	// known says that it was known at last who wrote what waits: nobody approves it else.
	known bool
	// approved is the Release that people let in, failed the version that went back.
	approved, failed string
	log              string
}

func newAuthorship(t *testing.T, seed uint64) *authorship {
	w := &authorship{t: t, random: rand.New(rand.NewPCG(seed, 3)), now: time.Unix(1e9, 0)}
	w.differs, w.live, w.prod.name, w.writers = w.random.IntN(2) == 0, &platformv1alpha1.Component{}, "prod", map[string][2]string{}
	by := w.somebody()
	w.live.UID, w.live.Generation = "c", 1
	w.live.Spec.Image, w.live.Spec.Env, w.live.Spec.RequestedBy = "i0", []platformv1alpha1.EnvVar{{Name: "E", Value: "0"}}, by
	w.live.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}, {Name: "prod"}}
	w.wrote = [2]string{cmp.Or(by, early), cmp.Or(by, early)}
	w.noted.watched().Create(event.CreateEvent{Object: w.live.DeepCopy()})
	w.say("%q makes it", by)
	return w
}

func (w *authorship) say(format string, args ...any) { w.log += fmt.Sprintf("\n  "+format, args...) }

func (w *authorship) somebody() string {
	return []string{"alice", "bob", "carol", "dave", "eve", ""}[min(w.random.IntN(11)/2, 5)]
}

// update has the API server take a change, and the manager see the event of it.
func (w *authorship) update(how func(*platformv1alpha1.Component)) {
	was := w.live.DeepCopy()
	how(w.live)
	w.noted.watched().Update(event.UpdateEvent{ObjectOld: was, ObjectNew: w.live.DeepCopy()})
}

func (w *authorship) edit() {
	by, field, value := w.somebody(), w.random.IntN(3), fmt.Sprint(w.random.IntN(3))
	wrote := by
	if by == "" && len(w.prod.releases) == 0 {
		wrote = early
	}
	w.update(func(c *platformv1alpha1.Component) {
		switch {
		case field == 0 && c.Spec.Image != "i"+value:
			c.Spec.Image, w.wrote[0] = "i"+value, wrote
		case field == 1 && c.Spec.Env[0].Value != value:
			c.Spec.Env, w.wrote[1] = []platformv1alpha1.EnvVar{{Name: "E", Value: value}}, wrote
		case c.Spec.RequestedBy == by:
			return
		}
		c.Spec.RequestedBy = by
		c.Generation++
		w.say("%q asks for %s, %s", by, c.Spec.Image, c.Spec.Env[0].Value)
	})
}

func (w *authorship) version(environment string) string {
	name := w.live.Spec.Image + "/" + w.live.Spec.Env[0].Value
	if w.differs {
		name = environment + "/" + name
	}
	return name
}

func (w *authorship) make(s *scope, st *stop, cause platformv1alpha1.Cause, number int64) *platformv1alpha1.Release {
	r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("shop-%s-%d", st.name, number), CreationTimestamp: metav1.NewTime(w.now)}}
	r.Spec.Number, r.Spec.Version, r.Spec.Cause, r.Spec.Image, r.Spec.Env = number, st.version, cause, w.live.Spec.Image, w.live.Spec.Env
	r.Spec.RequestedBy = s.requester(st)
	r.Spec.Requesters = st.requesters(r.Spec.RequestedBy)
	r.Spec.Environment.Name = st.name
	w.writers[r.Name] = w.wrote
	w.say("%s is made for %q: %s (%s)", r.Name, r.Spec.RequestedBy, r.Spec.Version, cause)
	return r
}

// pass is one of the controller, as far as authors go.
func (w *authorship) pass() {
	w.t.Helper()
	component := w.live.DeepCopy()
	for i, value := range []string{component.Spec.Image, component.Spec.Env[0].Value} {
		if w.seen[i] == value {
			w.wrote[i] = w.seenOf[i]
		}
		w.seen[i], w.seenOf[i] = value, w.wrote[i]
	}
	s := &scope{component: component, before: component.DeepCopy(), edits: w.noted.since(component), stops: []stop{{name: "dev", releases: w.dev}, w.prod}}
	for i := range s.stops {
		st := &s.stops[i]
		st.version = w.version(st.name)
		var err error
		if st.requested, err = s.requested(st); err != nil {
			w.t.Fatal(err)
		}
	}
	dev, prod := &s.stops[0], &s.stops[1]
	if !dev.runs(dev.version) {
		dev.made(w.make(s, dev, platformv1alpha1.CauseImageChange, int64(len(dev.releases)+1)))
	}
	next := int64(len(prod.releases) + len(prod.unopened) + 1)
	switch pending := prod.pending(); {
	case w.failed == prod.version:
	case prod.runs(prod.version):
		if origin := prod.origin(prod.current()); origin != nil {
			w.wrote = w.writers[origin.Name] // who asks for what runs wrote nothing of it
			w.seenOf = w.wrote
		}
		if pending != nil {
			pending.Status.SupersededAt = &metav1.Time{Time: w.now}
		}
	case pending != nil && pending.Spec.Version == prod.version:
		w.check(s, prod, pending)
		if w.approved == pending.Name {
			w.say("%s enters", pending.Name)
			pending.Status.OpenedAt = &metav1.Time{Time: w.now}
			prod.unopened = prod.unopened[:len(prod.unopened)-1]
			prod.made(pending)
			w.failed = ""
		}
	default:
		release := w.make(s, prod, platformv1alpha1.CausePromotion, next)
		release.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1}
		prod.made(release)
		w.check(s, prod, release)
	}
	w.dev, w.prod = dev.releases, *prod
	w.update(func(c *platformv1alpha1.Component) {
		c.Status.ObservedGeneration = component.Generation
		c.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "dev", Requested: dev.requested}, {Name: "prod", Requested: prod.requested}}
	})
}

// check holds who counts as an author to who wrote what of that which would enter is not what runs.
func (w *authorship) check(s *scope, st *stop, pending *platformv1alpha1.Release) {
	w.t.Helper()
	var wrote []string
	ran := st.current()
	if ran == nil || ran.Spec.Image != pending.Spec.Image {
		wrote = append(wrote, w.writers[pending.Name][0])
	}
	if ran == nil || ran.Spec.Env[0].Value != pending.Spec.Env[0].Value {
		wrote = append(wrote, w.writers[pending.Name][1])
	}
	users, _ := s.authors(st, pending)
	w.known = len(users) > 0
	for _, user := range wrote {
		if len(users) > 0 && user != "" && user != early && !slices.Contains(users, user) {
			w.t.Fatalf("%s may be approved by %s, who wrote a part of it; authors are %v:%s", pending.Name, user, users, w.log)
		}
		if user == "" && ran != nil && len(users) > 0 {
			w.t.Fatalf("%s may be approved though nobody knows who wrote a part of it; authors are %v:%s", pending.Name, users, w.log)
		}
	}
}

// goBack takes back what entered last.
func (w *authorship) goBack() {
	st := &w.prod
	ran := st.current()
	if len(st.releases) < 2 || ran.Spec.Cause == platformv1alpha1.CauseRollback {
		return
	}
	to := st.releases[len(st.releases)-2]
	back := to.DeepCopy()
	back.Name, back.Spec.Number = fmt.Sprintf("shop-prod-%d", len(st.releases)+len(st.unopened)+1), int64(len(st.releases)+len(st.unopened)+1)
	back.Spec.Cause, back.Spec.Gate, back.CreationTimestamp = platformv1alpha1.CauseRollback, nil, metav1.NewTime(w.now)
	w.failed = ran.Spec.Version
	w.say("%s fails, and %s brings %s back", ran.Name, back.Name, to.Name)
	st.made(back)
}

// TestAuthors_AreAllWhoWroteAPartOfWhatWouldEnter plays random changes, passes, approvals and rollbacks.
func TestAuthors_AreAllWhoWroteAPartOfWhatWouldEnter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newAuthorship(t, seed)
			for range 60 {
				switch w.random.IntN(10) {
				case 0, 1, 2, 3:
					w.edit()
				case 4:
					w.now = w.now.Add(time.Second)
				case 5:
					if pending := w.prod.pending(); pending != nil && w.known {
						w.approved = pending.Name
					}
				case 6:
					if w.random.IntN(3) == 0 {
						w.goBack()
					}
				default:
					w.pass()
				}
			}
		})
	}
}
