package fairness

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Share is how many of a controller's workers one namespace may keep busy: half of them are left for others.
func Share(workers int) int { return max(workers/2, 1) }

// NewQueue returns what makes the queue of a controller whose workers the namespaces of its objects share, as controller.Options
// ask for it. It is client-go's, with its limits, its delays and its metrics, but for the order in which items that are due are
// handed out. One namespace has at most so many of them under way at once; with fewer than there are workers, one is left for
// whoever comes.
func NewQueue(atMost int) func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		due := &order{atMost: atMost}
		return &queue{order: due, TypedRateLimitingInterface: workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{
			Name: name,
			DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{
				Name:  name,
				Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: name, Queue: due}),
			}),
		})}
	}
}

// queue tells the order which items are no longer under way.
type queue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	order *order
}

// Done implements workqueue.TypedInterface.
func (q *queue) Done(item reconcile.Request) {
	q.order.done(item)
	q.TypedRateLimitingInterface.Done(item)
}

// order is the order of items that are due.
type order struct {
	// mu is for done: the queue calls the rest under a lock of its own.
	mu     sync.Mutex
	turns  turns[reconcile.Request]
	atMost int
}

var _ workqueue.Queue[reconcile.Request] = (*order)(nil)

// Touch implements workqueue.Queue: what is added again keeps its place.
func (*order) Touch(reconcile.Request) {}

// Push implements workqueue.Queue.
func (o *order) Push(item reconcile.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turns.push(item.Namespace, item)
}

// Len implements workqueue.Queue: it is 0, for which a worker waits, also where nobody who has something to do may have more under
// way. A worker that is done with something asks again, so that no other need be woken.
func (o *order) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.turns.len() > 0 && o.turns.underWay() >= o.atMost {
		return 0
	}
	return o.turns.len()
}

// Pop implements workqueue.Queue.
func (o *order) Pop() reconcile.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, item := o.turns.pop()
	return item
}

func (o *order) done(item reconcile.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turns.done(item.Namespace)
}
