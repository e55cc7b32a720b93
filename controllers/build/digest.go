package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/supplychain/fetch"
)

const (
	// tries is how often a registry is asked of one image, and pause how long after the first try comes the second; the third comes after twice that.
	tries, pause = 3, 2 * time.Second
	// maxAsking is how many questions are asked at once, and maxAskingOfOne how many of the Builds of one namespace: who names a registry that
	// takes its time keeps nobody else from asking.
	maxAsking, maxAskingOfOne = 32, 2
	// patience is how long a Build waits until it may ask.
	patience = time.Minute
	// askAgain is how long after one look whether there is an answer comes the next, where no event of it comes.
	askAgain = 5 * time.Second
	// maxImage is how long the image of a Build may be.
	maxImage = 512
)

// errCrowded says that a Build could not ask.
var errCrowded = errors.New("its namespace has asked about so many images at once that the turn of this one did not come")

// digests asks registries beside the workers, so that none of these waits for the network. What it knows is lost with the process: then it is
// asked again.
type digests struct {
	resolver *registry.Resolver
	source   *fetch.Source
	// answered gets the Builds that have an answer.
	answered chan event.GenericEvent

	mu        sync.Mutex
	questions map[asked]*question
	asking    map[string]int
	all       int
}

// asked is a Build with what is asked of its image: which digest it has, or what there is beside it.
type asked struct {
	types.NamespacedName
	evidence bool
}

// question is what is asked of the image of a Build.
type question struct {
	build  types.UID
	image  string
	since  time.Time
	begun  bool
	answer *answer
}

// answer is the image by its digest, or what is beside it, or why that is not known.
type answer struct {
	image string
	// beside are the artifacts that say something of the image, by their digests.
	beside map[string]platformv1alpha1.ProofType
	err    error
}

func newDigests(resolver *registry.Resolver) *digests {
	return &digests{
		resolver: resolver, source: fetch.New(resolver), answered: make(chan event.GenericEvent, maxAsking), questions: map[asked]*question{}, asking: map[string]int{},
	}
}

// ask returns the answer for the image of a Build: which digest it has, or, of evidence, what there is beside it; nil where there is none
// yet.
func (d *digests) ask(ctx context.Context, b *platformv1alpha1.Build, image string, evidence bool, now time.Time) *answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := asked{client.ObjectKeyFromObject(b), evidence}
	q := d.questions[key]
	if q == nil || q.build != b.UID || q.image != image {
		q = &question{build: b.UID, image: image, since: now}
		d.questions[key] = q
	}
	switch {
	case q.answer != nil || q.begun:
	case d.all < maxAsking && d.asking[key.Namespace] < maxAskingOfOne:
		q.begun = true
		d.all++
		d.asking[key.Namespace]++
		go d.find(context.WithoutCancel(ctx), b.DeepCopy(), q, evidence)
	case now.Sub(q.since) >= patience:
		q.answer = &answer{err: errCrowded}
	}
	return q.answer
}

// find asks a registry, until it answers or has been asked often enough.
func (d *digests) find(ctx context.Context, b *platformv1alpha1.Build, q *question, evidence bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	found := &answer{}
	wait := pause
	for try := 1; ; try++ {
		if evidence {
			found.beside, found.err = d.beside(ctx, q.image)
		} else {
			found.image, found.err = d.resolver.Resolve(ctx, q.image)
		}
		if found.err == nil || registry.Final(found.err) || try == tries {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait *= 2
	}
	d.mu.Lock()
	q.answer = found
	d.all--
	if d.asking[b.Namespace]--; d.asking[b.Namespace] == 0 {
		delete(d.asking, b.Namespace)
	}
	woken := []client.Object{b}
	for key, other := range d.questions { // somebody else of the namespace has a turn now
		if key.Namespace == b.Namespace && !other.begun && other.answer == nil {
			woken = append(woken, &platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
			break
		}
	}
	d.mu.Unlock()
	for _, o := range woken {
		select {
		case d.answered <- event.GenericEvent{Object: o}:
		default: // the Build looks again by itself
		}
	}
}

// forget drops what is known of a Build that needs no answer any more.
func (d *digests) forget(key types.NamespacedName) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.questions, asked{key, false})
	delete(d.questions, asked{key, true})
}

// settle gives the image of a Build that has succeeded by its digest, where a registry tells that, and else as it is. False while a registry is
// asked: the Build has not ended then, so that the Component does not run a tag first, and its digest a moment later.
func (r *Reconciler) settle(ctx context.Context, s *scope, image string) (string, bool) {
	if r.digests == nil || strings.Contains(image, "@") {
		return image, true
	}
	known := func(status metav1.ConditionStatus, reason, message string) {
		condition.Set(&s.build.Status.Conditions, s.build.Generation, platformv1alpha1.ConditionDigestKnown, status, reason, message)
	}
	found := r.digests.ask(ctx, s.build, image, false, s.now)
	if found == nil {
		s.progressing(platformv1alpha1.ReasonResolvingDigest, fmt.Sprintf("It has succeeded. Its registry is asked which digest %s has.", image))
		s.lookAgain(askAgain)
		return "", false
	}
	err := found.err
	if err == nil && len(found.image) > maxImage {
		err = fmt.Errorf("image %s is too long to have its digest behind it: it may have %d characters with that", image, maxImage)
	}
	if err != nil {
		known(metav1.ConditionFalse, platformv1alpha1.ReasonDigestUnknown, fmt.Sprintf(
			"Releases name the image by its tag, which may come to mean another one: %v. Have the last stage write the digest to TOWPATH_RESULT, or record the image with it.", err))
		return image, true
	}
	known(metav1.ConditionTrue, platformv1alpha1.ReasonDigestResolved, fmt.Sprintf("The registry was asked once which digest %s has; Releases name the image by that.", image))
	return found.image, true
}
