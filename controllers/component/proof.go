package component

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/evidence"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/supplychain"
)

// Evidence knows what registries have beside images.
type Evidence interface {
	// Look is what is known of an image; nil where nothing is yet.
	Look(image string, by supplychain.Signers) *evidence.Answer
	// Ask has its registry asked, and says after which time to look again where nobody is asked now. news is when something last happened
	// by which the registry may have more.
	Ask(image string, by supplychain.Signers, who types.NamespacedName, news time.Time) time.Duration
}

// proven is what is known of the images of a Release.
type proven struct {
	// wait says what they lack; nil where they may enter by proofs.
	wait   *promotion.Wait
	proofs []platformv1alpha1.ReleaseProof
}

// prove holds the images of a Release against what the class of its environment asks for. What has run here before, and what
// the platform's own golden path brings over it, need not be scanned again.
func (r *Reconciler) prove(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) (proven, error) {
	demand := st.supplyChain
	if demand == nil || release.Spec.Cause == platformv1alpha1.CauseAdoption {
		return proven{}, nil
	}
	images, err := r.images(ctx, release)
	if err != nil {
		return proven{}, err
	}
	var all proven
	var tags, lacks, unknown []string
	by := supplychain.SignersOf(demand, r.TrustedRoot)
	again := release.Spec.Gate == nil // it brings nothing that was not let in: no version, or one that ran here
	var ran map[string]bool
	if again {
		ran = r.ran(ctx, st, release)
	}
	for _, image := range images {
		switch {
		case supplychain.Exempt(image, demand.ExemptImages), ran[image], again && supplychain.Digest(image) != "" && st.ranWith(image):
			continue
		case supplychain.Digest(image) == "":
			tags = append(tags, image)
			continue
		}
		known := r.Evidence.Look(image, by)
		if known != nil {
			proofs, missing := supplychain.Judge(demand, &known.Evidence, s.now, again)
			if len(missing) == 0 {
				all.proofs = append(all.proofs, recordedProofs(image, proofs)...)
				continue
			}
			if known.Err == nil {
				lacks = append(lacks, supplychain.Ask(image, missing))
			} else {
				unknown = append(unknown, fmt.Sprintf("What is proven of image %s cannot be told, and is asked again: %v.", image, known.Err))
			}
		} else {
			unknown = append(unknown, fmt.Sprintf("Registry is being asked what is proven of image %s.", image))
		}
		news, err := r.built(ctx, s, image)
		if err != nil {
			return proven{}, err
		}
		s.lookAgain(r.Evidence.Ask(image, by, client.ObjectKeyFromObject(s.component), news))
	}
	all.wait = unprovenWait(st, tags, lacks, unknown)
	return all, nil
}

// built is when the newest Build of an image ended, after which it may have been signed; the zero time for never. Times that Builds of
// elsewhere give are not gone by: when one was recorded is.
func (r *Reconciler) built(ctx context.Context, s *scope, image string) (time.Time, error) {
	builds := s.builds
	if !awaitsBuild(s.component) && s.build == nil {
		var list platformv1alpha1.BuildList
		if err := r.List(ctx, &list, client.InNamespace(s.component.Namespace),
			client.MatchingFields{index.BuildComponent: s.component.Name}, client.UnsafeDisableDeepCopy); err != nil {
			return time.Time{}, fmt.Errorf("listing Builds: %w", err)
		}
		builds = list.Items
	}
	var newest time.Time
	for i := range builds {
		b := &builds[i]
		if b.Status.CompletedAt == nil || supplychain.Digest(b.Status.Image) != supplychain.Digest(image) {
			continue
		}
		if ended := b.Status.CompletedAt.Time; ended.After(newest) {
			newest = ended
		}
	}
	return newest, nil
}

// unprovenWait says what images lack, what somebody must do first; nil for nothing.
func unprovenWait(st *stop, tags, lacks, unknown []string) *promotion.Wait {
	intro := fmt.Sprintf("Class %s lets only proven images into %s. ", st.environment.Spec.ClassRef.Name, st.name)
	switch {
	case len(tags) > 0:
		for i, image := range tags {
			tags[i] = fmt.Sprintf("Image %s needs a digest: name it as %s@sha256:….", image, image)
		}
		return &promotion.Wait{Reason: platformv1alpha1.ReasonDigestMissing, Message: intro + supplychain.Sentences(append(tags, lacks...))}
	case len(lacks) > 0:
		return &promotion.Wait{Reason: platformv1alpha1.ReasonProofMissing, Message: intro + supplychain.Sentences(append(lacks, unknown...))}
	case len(unknown) > 0:
		return &promotion.Wait{Reason: platformv1alpha1.ReasonProofUnknown, Message: intro + supplychain.Sentences(unknown)}
	}
	return nil
}

// images are those that a Release runs: its own, those of its objects, and of the Jobs that the Component checks it by.
func (r *Reconciler) images(ctx context.Context, release *platformv1alpha1.Release) ([]string, error) {
	compiled, err := r.Revisions.Get(ctx, release.Spec.Revision.Name)
	if err != nil {
		return nil, fmt.Errorf("reading ServiceTemplateRevision %s: %w", release.Spec.Revision.Name, err)
	}
	rendered, err := render.Release(compiled, release)
	if err != nil {
		return nil, err
	}
	objects := make([]map[string]any, len(rendered))
	for i := range rendered {
		objects[i] = rendered[i].Object.Object
	}
	for i := range release.Spec.Checks {
		c := &release.Spec.Checks[i]
		if c.Job == nil || c.Job.Spec == nil || c.Origin != platformv1alpha1.CheckOfComponent {
			continue
		}
		spec, err := supplychain.Object(c.Job.Spec.Raw)
		if err != nil {
			return nil, fmt.Errorf("check %s of Release %s: %w", c.Name, release.Name, err)
		}
		objects = append(objects, spec)
	}
	// A custom resource may name its own image where nobody else looks.
	objects = append(objects, map[string]any{"containers": []any{map[string]any{"image": release.Spec.Image}}})
	return supplychain.Images(objects...), nil
}

// ran are the images of what runs here, and of what a rollback goes back to, which may have entered before the class asked for proofs. The
// Component's own image is among the latter only by its digest: a tag that ran once may be somebody's other image by now.
func (r *Reconciler) ran(ctx context.Context, st *stop, release *platformv1alpha1.Release) map[string]bool {
	now := st.current()
	if now == nil {
		now = st.lost
	}
	olds := []*platformv1alpha1.Release{now}
	if back := release.Spec.Rollback; back != nil {
		olds = append(olds, st.named(back.To))
	}
	ran := map[string]bool{}
	for _, old := range olds {
		if old == nil || old.Spec.Cause == platformv1alpha1.CauseAdoption {
			continue
		}
		images, err := r.images(ctx, old)
		if err != nil {
			continue // then they must be proven
		}
		for _, image := range images {
			if old == now || image != old.Spec.Image || supplychain.Digest(image) != "" {
				ran[image] = true
			}
		}
	}
	return ran
}

// ranWith says that an image came with a version that was let in here before, or was proven then. What was only found was not let in.
func (s *stop) ranWith(image string) bool {
	ran := s.releases
	if s.lost != nil {
		ran = append(slices.Clip(ran), s.lost)
	}
	return slices.ContainsFunc(ran, func(release *platformv1alpha1.Release) bool {
		return release.Spec.Image == image && release.Spec.Cause != platformv1alpha1.CauseAdoption ||
			slices.ContainsFunc(release.Status.Proofs, func(p platformv1alpha1.ReleaseProof) bool { return p.Image == image })
	})
}

// recordedProofs are proofs as the status of a Release has them.
func recordedProofs(image string, proofs []supplychain.Proof) []platformv1alpha1.ReleaseProof {
	all := make([]platformv1alpha1.ReleaseProof, len(proofs))
	for i, p := range proofs {
		all[i] = platformv1alpha1.ReleaseProof{Image: image, Type: p.Type, Artifact: p.Artifact}
		if len(p.Keys) > 0 {
			all[i].Key = p.Keys[0]
		} else {
			all[i].Identity = p.Identities[0]
		}
		if !p.At.IsZero() {
			all[i].MadeAt = &metav1.Time{Time: p.At.UTC().Truncate(time.Second)}
		}
	}
	return all
}

// demanded has a Release that is about to be made wait where its images are yet to be proven. A new version waits as a Release, so
// that people can decide on it meanwhile, and that it says by what it entered; anything else is not made at all.
func (r *Reconciler) demanded(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) (made bool, err error) {
	if st.supplyChain == nil {
		return true, nil
	}
	if st.decision.Guarded || st.decision.Gated {
		st.decision.Gated, release.Spec.Gate = true, st.gate.DeepCopy()
	}
	found, err := r.prove(ctx, s, st, release)
	switch {
	case err != nil:
		return false, err
	case release.Spec.Gate != nil:
		if found.wait == nil && st.decision.Wait == nil {
			found.wait = &promotion.Wait{Reason: platformv1alpha1.ReasonProgressing, Message: fmt.Sprintf("The version is about to enter %s.", st.name)}
		}
		if found.wait != nil {
			st.awaits(found.wait)
		}
		return true, nil
	case found.wait != nil:
		st.decision = promotion.Decision{Wait: found.wait}
		return false, nil
	}
	return true, nil
}

// settleProofs has the Release that waits go on waiting where its images are not proven, and says so also while it waits for something
// else; where it enters it writes down by which proofs.
func (r *Reconciler) settleProofs(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) error {
	if st.supplyChain == nil || !st.decision.Open && st.decision.Wait == nil || st.decision.Retire {
		return nil
	}
	found, err := r.prove(ctx, s, st, release)
	if err != nil {
		return err
	}
	if found.wait != nil {
		st.decision.Open = false
		st.awaits(found.wait)
	} else if st.decision.Open {
		st.proofs = found.proofs
	}
	return nil
}

// awaits adds something to wait for. What there is already comes first: the reason tells of that.
func (s *stop) awaits(wait *promotion.Wait) {
	if s.decision.Wait == nil {
		s.decision.Wait = wait
		return
	}
	s.decision.Wait = &promotion.Wait{Reason: s.decision.Wait.Reason, Message: s.decision.Wait.Message + " " + wait.Message}
}

// maxWoken is how many Components may wait to be woken by answers of registries.
const maxWoken = 1024

// Woken are the Components of which a registry has said something.
type Woken chan event.GenericEvent

// NewWoken makes one.
func NewWoken() Woken { return make(Woken, maxWoken) }

// Wake has a Component looked at again.
func (w Woken) Wake(ctx context.Context, who types.NamespacedName) {
	component := &platformv1alpha1.Component{}
	component.Namespace, component.Name = who.Namespace, who.Name
	select {
	case w <- event.GenericEvent{Object: component}:
	case <-ctx.Done():
	}
}

// woken enqueues them.
func woken() handler.EventHandler {
	return handler.Funcs{GenericFunc: func(_ context.Context, e event.GenericEvent, queue requestQueue) {
		queue.Add(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)})
	}}
}
