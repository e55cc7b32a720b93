package fairness_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/towpath-dev/towpath/internal/fairness"
)

func request(namespace string, i int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(i)}}
}

func TestTheQueueHandsOutInTurnsAndEachItemOnce(t *testing.T) {
	queue := fairness.NewQueue("test", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	for i := range 4 {
		queue.Add(request("busy", i))
		queue.Add(request("busy", i)) // is there already
	}
	get := func() string {
		item, _ := queue.Get()
		return item.String()
	}
	got := []string{get(), get()} // two workers
	queue.Add(request("quiet", 0))
	queue.Done(request("busy", 0))
	got = append(got, get())
	queue.Done(request("quiet", 0))
	queue.Add(request("quiet", 0))
	got = append(got, get(), get(), get())
	if want := []string{"busy/0", "busy/1", "quiet/0", "quiet/0", "busy/2", "busy/3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if queue.Len() != 0 {
		t.Errorf("%d are left", queue.Len())
	}
}

func TestTheQueueTakesItemsThatAreDueLater(t *testing.T) {
	queue := fairness.NewQueue("test", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	queue.AddRateLimited(request("late", 0))
	queue.AddAfter(request("late", 1), time.Millisecond)
	first, _ := queue.Get()
	second, _ := queue.Get()
	if first.Namespace != "late" || second.Namespace != "late" || first == second {
		t.Errorf("got %s and %s after their delays", first, second)
	}
}

func TestASlotIsHeldUntilItIsReleased(t *testing.T) {
	slots := fairness.NewSlots(1)
	release, err := slots.Acquire(t.Context(), "busy")
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := slots.Acquire(over, "gone"); !errors.Is(err, context.Canceled) {
		t.Fatalf("without a free slot and with a context that ended: %v", err)
	}
	granted := make(chan string)
	for _, party := range []string{"a", "b"} {
		go func() {
			release, err := slots.Acquire(t.Context(), party)
			if err != nil {
				t.Error(err)
				return
			}
			granted <- party
			release()
		}()
	}
	select {
	case party := <-granted:
		t.Fatalf("%s got the slot that busy holds", party)
	default:
	}
	release()
	got := []string{<-granted, <-granted}
	slices.Sort(got)
	if want := []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("slots went to %v, want %v: what nobody waits for any more must not keep one", got, want)
	}
	if release, err := slots.Acquire(t.Context(), "c"); err != nil {
		t.Error(err)
	} else {
		release()
	}
}

// A context that ends while the slot is granted must not lose it.
func TestNoSlotIsLost(t *testing.T) {
	slots := fairness.NewSlots(3)
	done := make(chan struct{})
	for i := range 500 {
		go func() {
			defer func() { done <- struct{}{} }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*100*time.Microsecond)
			defer cancel()
			if release, err := slots.Acquire(ctx, fmt.Sprint(i%5)); err == nil {
				release()
			}
		}()
	}
	for range 500 {
		<-done
	}
	for range 3 {
		if _, err := slots.Acquire(t.Context(), "last"); err != nil {
			t.Fatal(err)
		}
	}
}
