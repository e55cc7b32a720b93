package capacity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func amounts(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

// place is one that was made that many seconds after the others' time.
func place(name string, second int64, in bool, ceiling corev1.ResourceList) Place {
	return Place{Name: name, UID: types.UID(name), CreatedAt: time.Unix(second, 0), In: in, Ceiling: ceiling}
}

func TestEnter(t *testing.T) {
	three := &platformv1alpha1.TeamLimits{MaxPerTeam: 3}
	ten := &platformv1alpha1.TeamLimits{TeamQuota: amounts("requests.cpu", "10", "pods", "50")}
	small := amounts("requests.cpu", "4", "pods", "10")
	for name, tc := range map[string]struct {
		limits *platformv1alpha1.TeamLimits
		me     Place
		others []Place
		reason string
		texts  []string
	}{
		"without limits":      {&platformv1alpha1.TeamLimits{}, place("me", 9, false, nil), []Place{place("a", 1, true, nil)}, "", nil},
		"where there is room": {three, place("me", 9, false, nil), []Place{place("a", 1, true, nil), place("b", 2, true, nil)}, "", nil},
		"where all places are taken": {
			three, place("me", 0, false, nil), []Place{place("c", 3, true, nil), place("a", 1, true, nil), place("b", 2, true, nil)},
			"TeamLimitReached", []string{"maxPerTeam is 3, and there are 3: a, b, c"},
		},
		"where an older one takes the last place": {
			three, place("me", 9, false, nil), []Place{place("a", 1, true, nil), place("b", 2, true, nil), place("c", 3, false, nil)}, "TeamLimitReached", []string{"a, b, c"},
		},
		"where a younger one waits too": {three, place("me", 3, false, nil), []Place{place("a", 1, true, nil), place("b", 2, true, nil), place("z", 4, false, nil)}, "", nil},
		"by UID, of two that are as old": {
			&platformv1alpha1.TeamLimits{MaxPerTeam: 1}, place("me", 1, false, nil), []Place{place("a", 1, false, nil)}, "TeamLimitReached", nil,
		},
		"where it fits":   {ten, place("me", 9, false, small), []Place{place("a", 1, true, small)}, "", nil},
		"to the last bit": {ten, place("me", 9, false, amounts("requests.cpu", "6", "pods", "40")), []Place{place("a", 1, true, small)}, "", nil},
		"where it does not": {
			ten, place("me", 9, false, small), []Place{place("a", 1, true, small), place("b", 2, true, amounts("requests.cpu", "3500m", "pods", "1"))},
			"TeamQuotaExceeded", []string{"requests.cpu: 4 asked for; 2500m of 10 left (a has 4, b has 3500m)"},
		},
		"past an older one that does not fit itself": {
			ten, place("me", 9, false, small), []Place{place("a", 1, true, small), place("big", 2, false, amounts("requests.cpu", "7", "pods", "1"))}, "", nil,
		},
		"without a ceiling": {
			ten, place("me", 9, false, amounts("pods", "1")), nil, "CeilingMissing", []string{"teamQuota bounds requests.cpu, of which the environment has no ceiling"},
		},
		"where another has no ceiling": {
			ten, place("me", 9, false, small), []Place{place("a", 1, true, amounts("pods", "1"))},
			"TeamQuotaExceeded", []string{"requests.cpu: 4 asked for; none of 10 can be given, since there is no ceiling in a"},
		},
		"beside one that asks for less than nothing": {
			ten, place("me", 9, false, amounts("requests.cpu", "11", "pods", "1")), []Place{place("a", 1, true, amounts("requests.cpu", "-5", "pods", "1"))},
			"TeamQuotaExceeded", []string{"10 of 10 left"},
		},
		"where more is taken than there may be": {
			ten, place("me", 9, false, small), []Place{place("a", 1, true, amounts("requests.cpu", "12", "pods", "1"))}, "TeamQuotaExceeded", []string{"0 of 10 left"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, Enter(tc.limits, tc.me, tc.others), tc.reason, tc.texts...)
		})
	}
}

func expect(t *testing.T, got *Refusal, reason string, texts ...string) {
	t.Helper()
	if got == nil {
		got = &Refusal{}
	}
	if got.Reason != reason {
		t.Errorf("got %+v, want %q", got, reason)
	}
	for _, text := range texts {
		if !strings.Contains(got.Message, text) {
			t.Errorf("the message lacks %q: %s", text, got.Message)
		}
	}
}

func TestBeyond(t *testing.T) {
	limits := &platformv1alpha1.TeamLimits{MaxPerTeam: 2, TeamQuota: amounts("pods", "10")}
	a, b, c := place("a", 1, true, amounts("pods", "5")), place("b", 2, true, amounts("pods", "6")), place("c", 3, true, amounts("pods", "1"))
	expect(t, Beyond(limits, a, []Place{b, c}), "")
	expect(t, Beyond(limits, b, []Place{a, c}), "TeamQuotaExceeded", "pods: 6 asked for; 5 of 10 left (a has 5)")
	expect(t, Beyond(limits, c, []Place{a, b}), "TeamLimitReached", "a, b")
	expect(t, Beyond(limits, place("a", 1, true, nil), nil), "CeilingMissing", "pods")
}

func TestGrant(t *testing.T) {
	limits := &platformv1alpha1.TeamLimits{TeamQuota: amounts("pods", "10")}
	other := place("b", 2, true, amounts("pods", "4"))
	for name, tc := range map[string]struct {
		asked, had, want corev1.ResourceList
		others           []Place
		held             string
	}{
		"as it was":                          {amounts("pods", "5"), amounts("pods", "5"), amounts("pods", "5"), []Place{other}, ""},
		"less":                               {amounts("pods", "1"), amounts("pods", "5"), amounts("pods", "1"), []Place{other}, ""},
		"more, and there is":                 {amounts("pods", "6"), amounts("pods", "5"), amounts("pods", "6"), []Place{other}, ""},
		"more than there is":                 {amounts("pods", "9"), amounts("pods", "5"), amounts("pods", "6"), []Place{other}, "pods: 9 asked for, 6 given; 6 of 10 left (b has 4)"},
		"more, and it has too much already":  {amounts("pods", "9"), amounts("pods", "8"), amounts("pods", "8"), []Place{other}, "pods: 9 asked for, 8 given"},
		"what is bounded for nobody":         {amounts("pods", "1", "services", "9"), amounts("pods", "1"), amounts("pods", "1", "services", "9"), []Place{other}, ""},
		"no ceiling any more":                {amounts(), amounts("pods", "5"), amounts("pods", "5"), []Place{other}, "pods: must have a ceiling, and keeps 5"},
		"what was there before the limit":    {amounts("pods", "20"), nil, amounts("pods", "20"), []Place{other}, ""},
		"more beside one without a ceiling":  {amounts("pods", "6"), amounts("pods", "5"), amounts("pods", "5"), []Place{place("b", 2, true, nil)}, "no ceiling in b"},
		"more, and who waits takes nothing":  {amounts("pods", "10"), amounts("pods", "5"), amounts("pods", "10"), []Place{place("b", 2, false, amounts("pods", "4"))}, ""},
		"more, and its own place is nothing": {amounts("pods", "10"), amounts("pods", "5"), amounts("pods", "10"), []Place{place("me", 1, true, amounts("pods", "5"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, held := Grant(limits, tc.asked, tc.had, "me", tc.others)
			if !equality.Semantic.DeepEqual(got, tc.want) || !strings.Contains(strings.Join(held, "; "), tc.held) || (tc.held == "") != (len(held) == 0) {
				t.Errorf("got %v, held %q, want %v, held %q", got, held, tc.want, tc.held)
			}
		})
	}
}

// Names are many, a message is not.
func TestMessagesAreBounded(t *testing.T) {
	var others []Place
	for i := range 1000 {
		others = append(others, place(fmt.Sprintf("pr-%04d", i), int64(i), true, amounts("pods", "1")))
	}
	limits := &platformv1alpha1.TeamLimits{MaxPerTeam: 1000}
	expect(t, Enter(limits, place("me", 1001, false, nil), others), "TeamLimitReached", "pr-0009 and 990 more")
}

// Environments come, go and ask for more or less, and are looked at in any order. There are never more than there may
// be, they never have more than there is, who is in stays in with no less than it asks for or had, and once all were
// looked at, nobody waits who would fit.
func TestNobodyEverPassesTheLimits(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		limits := &platformv1alpha1.TeamLimits{MaxPerTeam: 1 + random.Int32N(5), TeamQuota: corev1.ResourceList{"pods": *resource.NewQuantity(5+random.Int64N(20), resource.DecimalSI)}}
		var all []Place
		asks := map[types.UID]corev1.ResourceList{}
		pods := func() corev1.ResourceList {
			return corev1.ResourceList{"pods": *resource.NewQuantity(1+random.Int64N(10), resource.DecimalSI)}
		}
		look := func(i int) {
			p := &all[i]
			if p.In {
				p.Ceiling, _ = Grant(limits, asks[p.UID], p.Ceiling, p.UID, all)
				return
			}
			p.Ceiling = asks[p.UID]
			p.In = Enter(limits, *p, all) == nil
		}
		for step := range 60 {
			switch {
			case len(all) == 0 || random.IntN(4) == 0:
				p := place(strconv.Itoa(step), int64(random.IntN(20)), false, pods()) // clocks of API servers differ
				asks[p.UID] = p.Ceiling
				all = append(all, p)
			case random.IntN(6) == 0:
				i := random.IntN(len(all))
				all = slices.Delete(all, i, i+1)
			case random.IntN(3) == 0:
				p := all[random.IntN(len(all))]
				asks[p.UID] = pods()
			default:
				look(random.IntN(len(all)))
			}
			in, sum := 0, int64(0)
			for _, p := range all {
				if p.In {
					in++
					q := p.Ceiling["pods"]
					sum += q.Value()
				}
			}
			most := limits.TeamQuota["pods"]
			if in > int(limits.MaxPerTeam) || sum > most.Value() {
				t.Fatalf("seed %d step %d: %d of %d, with %d of %s pods: %+v", seed, step, in, limits.MaxPerTeam, sum, most.String(), all)
			}
		}
		for range 2 * (len(all) + 1) { // each look may make room for another
			for i := range all {
				look(i)
			}
		}
		for i := range all {
			if !all[i].In && Enter(limits, all[i], all) == nil {
				t.Fatalf("seed %d: %+v waits and would fit beside %+v", seed, all[i], all)
			}
			if all[i].In && Beyond(limits, all[i], all) != nil {
				t.Fatalf("seed %d: %+v was let in and is beyond: %+v", seed, all[i], all)
			}
		}
	}
}

// From nothing, the order in which new ones are looked at does not matter.
func TestTheOldestComeIn(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		limits := &platformv1alpha1.TeamLimits{MaxPerTeam: 1 + random.Int32N(4), TeamQuota: amounts("pods", "12")}
		var all []Place
		for i := range 8 {
			all = append(all, place(strconv.Itoa(i), int64(random.IntN(4)), false, corev1.ResourceList{"pods": *resource.NewQuantity(1+random.Int64N(8), resource.DecimalSI)}))
		}
		admitted := func(order []int) string {
			now := slices.Clone(all)
			for _, i := range order {
				now[i].In = Enter(limits, now[i], now) == nil
			}
			var in []string
			for _, p := range now {
				if p.In {
					in = append(in, p.Name)
				}
			}
			return strings.Join(in, ",")
		}
		first := admitted(random.Perm(len(all)))
		for range 5 {
			if again := admitted(random.Perm(len(all))); again != first {
				t.Fatalf("seed %d: %s come in, and in another order %s, of %+v", seed, first, again, all)
			}
		}
	}
}
