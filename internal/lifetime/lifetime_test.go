package lifetime

import (
	"math/rand/v2"
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var born = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

const (
	hour = int32(3600)
	day  = 24 * hour
)

func after(d time.Duration) time.Time { return born.Add(d) }

func TestJudge(t *testing.T) {
	class := &platformv1alpha1.Lifetime{DefaultSeconds: day, MaxSeconds: 7 * day}
	for name, tc := range map[string]struct {
		in   Input
		want Verdict
	}{
		"no end without a lifetime":                        {Input{Now: after(time.Hour)}, Verdict{}},
		"no end where it was taken away":                   {Input{Announced: after(time.Hour), Now: after(2 * time.Hour)}, Verdict{}},
		"the default of the class":                         {Input{Class: class, Now: born}, Verdict{End: after(24 * time.Hour), Max: 168 * time.Hour, Again: 18 * time.Hour}},
		"its maximum where there is no default":            {Input{Class: &platformv1alpha1.Lifetime{MaxSeconds: day}, Now: born}, Verdict{End: after(24 * time.Hour), Max: 24 * time.Hour, Again: 18 * time.Hour}},
		"what the Environment says":                        {Input{Class: class, Seconds: 2 * day, Now: born}, Verdict{End: after(48 * time.Hour), Max: 168 * time.Hour, Again: 36 * time.Hour}},
		"what it says without a class that says anything":  {Input{Seconds: hour, Now: born}, Verdict{End: after(time.Hour), Again: 45 * time.Minute}},
		"what it says where the class has no maximum":      {Input{Class: &platformv1alpha1.Lifetime{DefaultSeconds: hour}, Seconds: day, Now: born}, Verdict{End: after(24 * time.Hour), Again: 18 * time.Hour}},
		"no more than the maximum":                         {Input{Class: class, Seconds: 8 * day, Now: born}, Verdict{End: after(168 * time.Hour), Above: true, Max: 168 * time.Hour, Again: 144 * time.Hour}},
		"a default above the maximum is not asked for":     {Input{Class: &platformv1alpha1.Lifetime{DefaultSeconds: 2 * hour, MaxSeconds: hour}, Now: born}, Verdict{End: after(time.Hour), Max: time.Hour, Again: 45 * time.Minute}},
		"a warning a quarter before":                       {Input{Class: class, Announced: after(24 * time.Hour), Now: after(18 * time.Hour)}, Verdict{End: after(24 * time.Hour), Max: 168 * time.Hour, Expiring: true, Again: 6 * time.Hour}},
		"a warning of a day at most":                       {Input{Seconds: 30 * day, Announced: after(720 * time.Hour), Now: after(695 * time.Hour)}, Verdict{End: after(720 * time.Hour), Again: time.Hour}},
		"the end":                                          {Input{Class: class, Announced: after(24 * time.Hour), Now: after(24 * time.Hour)}, Verdict{End: after(24 * time.Hour), Max: 168 * time.Hour, Expiring: true, Expired: true}},
		"put off at the last moment":                       {Input{Class: class, Seconds: 2 * day, Announced: after(24 * time.Hour), Now: after(24 * time.Hour)}, Verdict{End: after(48 * time.Hour), Max: 168 * time.Hour, Again: 12 * time.Hour}},
		"put off, and over all the same":                   {Input{Class: class, Seconds: 2 * day, Announced: after(24 * time.Hour), Now: after(50 * time.Hour)}, Verdict{End: after(48 * time.Hour), Max: 168 * time.Hour, Expiring: true, Expired: true}},
		"a class that is lowered leaves the notice":        {Input{Class: &platformv1alpha1.Lifetime{MaxSeconds: day}, Announced: after(168 * time.Hour), Now: after(72 * time.Hour)}, Verdict{End: after(90 * time.Hour), Max: 24 * time.Hour, Expiring: true, Again: 18 * time.Hour}},
		"and counts from then on":                          {Input{Class: &platformv1alpha1.Lifetime{MaxSeconds: day}, Announced: after(90 * time.Hour), Now: after(89 * time.Hour)}, Verdict{End: after(90 * time.Hour), Max: 24 * time.Hour, Expiring: true, Again: time.Hour}},
		"a class that gains a lifetime leaves it too":      {Input{Class: class, Now: after(1000 * time.Hour)}, Verdict{End: after(1024 * time.Hour), Max: 168 * time.Hour, Expiring: true, Again: 24 * time.Hour}},
		"what ends sooner than the notice stays":           {Input{Class: &platformv1alpha1.Lifetime{MaxSeconds: day}, Announced: after(73 * time.Hour), Now: after(72 * time.Hour)}, Verdict{End: after(73 * time.Hour), Max: 24 * time.Hour, Expiring: true, Again: time.Hour}},
		"an end that is still far goes nearer at once":     {Input{Class: class, Seconds: day, Announced: after(168 * time.Hour), Now: after(time.Hour)}, Verdict{End: after(24 * time.Hour), Max: 168 * time.Hour, Again: 17 * time.Hour}},
		"a class that is gone leaves the end as announced": {Input{ClassUnknown: true, Seconds: 9 * day, Announced: after(24 * time.Hour), Now: after(24 * time.Hour)}, Verdict{End: after(24 * time.Hour), Expiring: true, Expired: true}},
		"and none where none was":                          {Input{ClassUnknown: true, Seconds: hour, Now: after(24 * time.Hour)}, Verdict{}},
		"a slip leaves a day where it is old":              {Input{Seconds: 60, Now: after(1000 * time.Hour)}, Verdict{End: after(1024 * time.Hour), Expiring: true, Again: 24 * time.Hour}},
		"an end is a whole second":                         {Input{Seconds: hour, Now: after(10*time.Hour + time.Millisecond)}, Verdict{End: after(12*time.Hour + 30*time.Minute + time.Second), Expiring: true, Again: 150*time.Minute + 999*time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.CreatedAt = born
			if got := Judge(tc.in); got != tc.want {
				t.Errorf("got %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

// Whatever happens to class, Environment and clock, and however seldom anybody looks: an end that comes nearer is
// announced a notice before, nothing expires that was not announced, looking twice changes nothing, and nobody lives
// longer than the class allows but for a notice.
func TestJudge_NothingEndsUnannounced(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 1))
		lengths := []int32{60, 100, hour, 5 * hour, day, 9 * day, 365 * day}
		pick := func() int32 { return lengths[random.IntN(len(lengths))] }
		in := Input{CreatedAt: born, Now: born.Add(time.Duration(random.Int64N(int64(time.Minute))))}
		for step := range 40 {
			switch random.IntN(6) {
			case 0:
				in.Seconds = 0
			case 1:
				in.Seconds = pick()
			case 2:
				in.Class = nil
			case 3:
				in.Class = &platformv1alpha1.Lifetime{MaxSeconds: pick()}
			case 4:
				in.Class = &platformv1alpha1.Lifetime{DefaultSeconds: pick()}
			}
			in.ClassUnknown = random.IntN(8) == 0
			got := Judge(in)
			length, _, most := lengthOf(in.Seconds, in.Class)
			notice := Notice(max(length, in.Now.Sub(born)))
			nearer := !got.End.IsZero() && (in.Announced.IsZero() || got.End.Before(in.Announced))
			if nearer && got.End.Sub(in.Now) < notice {
				t.Fatalf("seed %d step %d: %+v ends in %s without a notice: %+v", seed, step, in, got.End.Sub(in.Now), got)
			}
			if got.Expired && (in.Announced.IsZero() || in.Now.Before(in.Announced) || in.Now.Before(got.End)) {
				t.Fatalf("seed %d step %d: %+v expires unannounced: %+v", seed, step, in, got)
			}
			if !in.ClassUnknown && most > 0 && got.End.After(born.Add(most)) && got.End.Sub(in.Now) > notice+time.Second {
				t.Fatalf("seed %d step %d: %+v lives longer than its class allows: %+v", seed, step, in, got)
			}
			again := in
			again.Announced = got.End
			if second := Judge(again); second != got {
				t.Fatalf("seed %d step %d: looking twice gives %+v and %+v", seed, step, got, second)
			}
			if got.Expired {
				break
			}
			if (got.Again == 0) != got.End.IsZero() {
				t.Fatalf("seed %d step %d: %+v is never looked at again: %+v", seed, step, in, got)
			}
			in.Announced = got.End
			switch random.IntN(3) {
			case 0:
				in.Now = in.Now.Add(got.Again)
			case 1:
				in.Now = in.Now.Add(time.Duration(random.Int64N(int64(time.Hour))))
			case 2:
				in.Now = in.Now.Add(time.Duration(random.Int64N(int64(20 * 24 * time.Hour))))
			}
		}
	}
}
