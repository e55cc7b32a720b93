package fairness_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
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
	queue := fairness.NewQueue(100)("test", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
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
	queue := fairness.NewQueue(100)("test", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	queue.AddRateLimited(request("late", 0))
	queue.AddAfter(request("late", 1), time.Millisecond)
	first, _ := queue.Get()
	second, _ := queue.Get()
	if first.Namespace != "late" || second.Namespace != "late" || first == second {
		t.Errorf("got %s and %s after their delays", first, second)
	}
}

// A worker is left for whoever comes.
func TestOneNamespaceKeepsNotEveryWorkerBusy(t *testing.T) {
	queue := fairness.NewQueue(2)("test", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	for i := range 4 {
		queue.Add(request("busy", i))
	}
	for range 2 {
		queue.Get()
	}
	got := make(chan reconcile.Request)
	go func() { // a third worker
		for range 2 {
			item, _ := queue.Get()
			got <- item
		}
	}()
	if n := queue.Len(); n != 0 {
		t.Errorf("%d could be handed out while busy has as much as it may", n)
	}
	queue.Add(request("quiet", 0))
	if item := <-got; item != request("quiet", 0) {
		t.Errorf("the third worker got %s", item)
	}
	queue.Done(request("busy", 0))
	queue.Add(request("quiet", 1)) // wakes the worker
	if item := <-got; item.Namespace == "quiet" && item.Name == "0" {
		t.Errorf("%s was handed out twice", item)
	}
}

func TestAShareLeavesHalfOfTheWorkers(t *testing.T) {
	for workers, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 8: 4, 16: 8} {
		if got := fairness.Share(workers); got != want {
			t.Errorf("of %d workers %d, want %d", workers, got, want)
		}
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
	if _, err := slots.Acquire(over, "busy"); !errors.Is(err, context.Canceled) {
		t.Fatalf("without a free slot and with a context that ended: %v", err)
	}
	lent, err := slots.Acquire(t.Context(), "new")
	if err != nil {
		t.Fatal(err)
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
		t.Fatalf("%s got a slot though the only one is held, and as many again were lent", party)
	default:
	}
	lent()
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

// What a party asks for is bounded, and nothing else is.
func TestATransportBoundsTheRequestsOfParties(t *testing.T) {
	var underWay, most atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/free" {
			return
		}
		now := underWay.Add(1)
		defer underWay.Add(-1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		entered <- struct{}{}
		<-leave
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: fairness.NewSlots(2).Wrap(http.DefaultTransport)}
	get := func(ctx context.Context, path string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(req)
		if err == nil {
			err = answer.Body.Close()
		}
		return err
	}
	busy := fairness.For(t.Context(), "busy")
	results := make(chan error)
	for range 6 {
		go func() { results <- get(busy, "/") }()
	}
	<-entered
	<-entered
	if err := get(t.Context(), "/free"); err != nil {
		t.Errorf("a request of no party: %v", err)
	}
	over, cancel := context.WithCancel(busy)
	cancel()
	if err := get(over, "/free"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
	go func() {
		for range 4 {
			leave <- struct{}{}
			<-entered
		}
		close(leave)
	}()
	for range 6 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got := most.Load(); got != 2 {
		t.Errorf("%d were under way at once, want 2", got)
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
	for i := range 3 {
		if _, err := slots.Acquire(t.Context(), fmt.Sprint("last", i)); err != nil {
			t.Fatal(err)
		}
	}
}
