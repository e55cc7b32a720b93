package release

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

func carried(name string) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, UID: types.UID("uid-of-" + name)}}
}

// withCourier runs a test with a courier that carries, in time that passes when nothing else happens.
func withCourier(t *testing.T, test func(t *testing.T, c *courier)) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourier(clock.RealClock{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Start(ctx) }()
		test(t, c)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCourier_GoesToABranchOnceAtATime(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		var at, most, all atomic.Int32
		for i := range 20 {
			c.ask(carried(fmt.Sprint(i)), errandCommit, destination{branch: "one place"}, func(context.Context) (remote.Result, error) {
				most.Store(max(most.Load(), at.Add(1)))
				time.Sleep(time.Second)
				at.Add(-1)
				all.Add(1)
				return remote.Result{State: remote.Delivered}, nil
			})
		}
		time.Sleep(21 * time.Second)
		synctest.Wait()
		if most.Load() != 1 || all.Load() != 20 {
			t.Errorf("%d at once, %d in all: want 1 and 20", most.Load(), all.Load())
		}
		for i := range 20 {
			if a := c.ask(carried(fmt.Sprint(i)), errandCommit, destination{branch: "one place"}, nil); !a.known || a.err != nil {
				t.Errorf("of %d it knows %+v", i, a)
			}
		}
		if len(c.places) != 0 {
			t.Errorf("it keeps %d places that nothing waits for", len(c.places))
		}
	})
}

func TestCourier_IsHeldUpByOneThatHangsNoLongerThanItMay(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		hang := func(ctx context.Context) (remote.Result, error) {
			<-ctx.Done()
			return remote.Result{}, ctx.Err()
		}
		for i := range couriers - 1 {
			c.ask(carried(fmt.Sprint("hung", i)), errandCommit, destination{branch: fmt.Sprint("hung", i)}, hang)
		}
		synctest.Wait()
		c.ask(carried("well"), errandCommit, destination{branch: "well"}, func(context.Context) (remote.Result, error) { return remote.Result{State: remote.Delivered}, nil })
		synctest.Wait()
		if a := c.ask(carried("well"), errandCommit, destination{branch: "well"}, nil); !a.known {
			t.Error("one waits for a place that hangs")
		}
		time.Sleep(errandTimeout)
		synctest.Wait()
		if a := c.ask(carried("hung0"), errandCommit, destination{branch: "hung0"}, hang); !errors.Is(a.err, context.DeadlineExceeded) || a.wait <= 0 || a.wait > retryErrandFirst {
			t.Errorf("of what hung it knows %+v", a)
		}
	})
}

func TestCourier_FailsAllThatWaitForARepositoryThatFails(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		var asked atomic.Int32
		refused := &remote.Problem{Reason: remote.ReasonCredentials, Message: "expired"}
		fail := func(context.Context) (remote.Result, error) {
			asked.Add(1)
			time.Sleep(time.Second)
			return remote.Result{}, refused
		}
		for i := range 10 {
			c.ask(carried(fmt.Sprint(i)), errandCommit, destination{branch: "one place"}, fail)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if asked.Load() != 1 {
			t.Errorf("it was asked %d times: all meet the same", asked.Load())
		}
		if a := c.ask(carried("9"), errandCommit, destination{branch: "one place"}, fail); !errors.Is(a.err, refused) || a.wait == 0 {
			t.Errorf("of the last it knows %+v", a)
		}
		time.Sleep(retryErrandFirst)
		a := c.ask(carried("9"), errandCommit, destination{branch: "one place"}, func(context.Context) (remote.Result, error) { return remote.Result{State: remote.Delivered}, nil })
		if !errors.Is(a.err, refused) {
			t.Error("what was known does not stand until there is another answer")
		}
		synctest.Wait()
		if a := c.ask(carried("9"), errandCommit, destination{branch: "one place"}, nil); a.err != nil || !a.known {
			t.Errorf("after the token was changed it knows %+v", a)
		}
	})
}

func TestCourier_DoesNotFailOthersForWhatIsAboutOne(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		var second atomic.Bool
		c.ask(carried("a"), errandCommit, destination{branch: "one place"}, func(context.Context) (remote.Result, error) {
			time.Sleep(time.Second)
			return remote.Result{}, &remote.Problem{Reason: remote.ReasonOccupied, Message: "taken"}
		})
		c.ask(carried("b"), errandCommit, destination{branch: "one place"}, func(context.Context) (remote.Result, error) {
			second.Store(true)
			return remote.Result{State: remote.Delivered}, nil
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !second.Load() {
			t.Error("the other was not carried")
		}
	})
}

// Two classes may deliver to one branch with credentials of their own, of which one pair has expired.
func TestCourier_FailsNobodyForTheCredentialsOfOthers(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		expired, good := destination{branch: "one place", credentials: "old"}, destination{branch: "one place", credentials: "new"}
		refused := &remote.Problem{Reason: remote.ReasonCredentials, Message: "expired"}
		var atOnce, most atomic.Int32
		carry := func(err error) func(context.Context) (remote.Result, error) {
			return func(context.Context) (remote.Result, error) {
				most.Store(max(most.Load(), atOnce.Add(1)))
				time.Sleep(time.Second)
				atOnce.Add(-1)
				return remote.Result{State: remote.Delivered}, err
			}
		}
		for i := range 3 {
			c.ask(carried(fmt.Sprint("expired", i)), errandCommit, expired, carry(refused))
			c.ask(carried(fmt.Sprint("good", i)), errandCommit, good, carry(nil))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for i := range 3 {
			if a := c.ask(carried(fmt.Sprint("good", i)), errandCommit, good, nil); !a.known || a.err != nil {
				t.Errorf("of a Release with good credentials it knows %+v", a)
			}
		}
		if a := c.ask(carried("expired2"), errandCommit, expired, carry(refused)); !errors.Is(a.err, refused) {
			t.Errorf("of the last with expired credentials it knows %+v: it meets the same", a)
		}
		if most.Load() != 1 {
			t.Errorf("%d pushes to one branch were under way at once", most.Load())
		}
	})
}

// What does an errand holds the objects of its Release, which may be large. It is let go once it is done, or has failed with another one.
func TestCourier_KeepsNothingOfWhatItHasCarried(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		to := destination{branch: "one place"}
		for i := range 3 {
			c.ask(carried(fmt.Sprint(i)), errandCommit, to, func(context.Context) (remote.Result, error) {
				time.Sleep(time.Second)
				return remote.Result{}, errors.New("away")
			})
		}
		c.ask(carried("well"), errandCommit, destination{branch: "another place"}, func(context.Context) (remote.Result, error) { return remote.Result{}, nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		for uid, errands := range c.errands {
			for what, e := range errands {
				if e.run != nil {
					t.Errorf("errand %s of %s, which is done, is kept with all that it carried", what, uid)
				}
			}
		}
		if len(c.errands) != 4 || len(c.places) != 0 {
			t.Errorf("it knows %d Releases and %d places", len(c.errands), len(c.places))
		}
	})
}

// An answer that comes for a Release which was delivered long ago, as that somebody reverted it, is not to be missed.
func TestCourier_IsOutstandingUntilItsAnswerIsHeard(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		release, to := carried("a"), destination{branch: "one place"}
		var fails atomic.Bool
		run := func(context.Context) (remote.Result, error) {
			if fails.Load() {
				return remote.Result{}, errors.New("away")
			}
			return remote.Result{State: remote.Delivered}, nil
		}
		if c.outstanding(release.UID, errandCommit) {
			t.Error("nothing was asked for")
		}
		c.ask(release, errandCommit, to, run)
		synctest.Wait()
		if !c.outstanding(release.UID, errandCommit) {
			t.Error("nobody has heard the answer")
		}
		c.ask(release, errandCommit, to, run)
		if c.outstanding(release.UID, errandCommit) {
			t.Error("the answer was heard")
		}
		c.recheck(release, errandCommit, time.Minute)
		if c.outstanding(release.UID, errandCommit) {
			t.Error("the answer is younger than a minute")
		}
		time.Sleep(time.Minute)
		fails.Store(true)
		c.recheck(release, errandCommit, time.Minute)
		c.ask(release, errandCommit, to, run)
		synctest.Wait()
		for range 3 {
			time.Sleep(time.Second)
			c.recheck(release, errandCommit, 0)
			if a := c.ask(release, errandCommit, to, run); a.err == nil || a.wait == 0 || !c.outstanding(release.UID, errandCommit) {
				t.Errorf("of one that failed it knows %+v: it is tried again, in its time", a)
			}
		}
	})
}

func TestCourier_ForgetsAReleaseThatIsGone(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		release := carried("a")
		for _, what := range []string{errandCommit, errandRemove} {
			c.ask(release, what, destination{branch: "one place"}, func(context.Context) (remote.Result, error) { return remote.Result{}, nil })
		}
		synctest.Wait()
		c.forget(release.UID)
		if len(c.errands) != 0 {
			t.Errorf("it still knows %v", c.errands)
		}
	})
}

func TestCourier_DoesAnErrandOnceMoreThatIsDropped(t *testing.T) {
	withCourier(t, func(t *testing.T, c *courier) {
		release, to := carried("a"), destination{branch: "one place"}
		var done atomic.Int32
		run := func(context.Context) (remote.Result, error) {
			done.Add(1)
			return remote.Result{}, nil
		}
		for _, what := range []string{errandCommit, errandWithdraw} {
			c.ask(release, what, to, run)
		}
		synctest.Wait()
		c.drop(release.UID, errandWithdraw)
		c.drop("nobody's", errandWithdraw)
		if a := c.ask(release, errandWithdraw, to, run); a.known {
			t.Error("what was taken back before is taken for what was proposed since")
		}
		synctest.Wait()
		if a := c.ask(release, errandCommit, to, run); !a.known || done.Load() != 3 {
			t.Errorf("of another errand it knows %+v, and has done %d", a, done.Load())
		}
	})
}

func TestRetryErrand_GrowsAndIsBounded(t *testing.T) {
	last := time.Duration(0)
	for failures := 1; failures < 40; failures++ {
		wait := retryErrand(failures)
		if wait < retryErrandFirst*3/4 || wait > retryErrandLast || failures < 6 && wait <= last {
			t.Errorf("after %d failures it waits %s, after %s before", failures, wait, last)
		}
		last = wait
	}
}
