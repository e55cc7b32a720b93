package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/fetch"
)

// Evidence reads what stands in the repositories of images. All controllers share it, so that tenants have no more registries asked at once by many
// kinds of objects than by one.
type Evidence interface {
	// Turn has somebody ask for a namespace once it is its turn.
	Turn(namespace string, ask func(ctx context.Context))
	// Named reads artifacts in the repository of an image by their digests: with no content where the registry does not have one.
	Named(ctx context.Context, image string, digests []string, look func(digest string, content []byte, err error)) error
}

// beside is what an artifact says of an image; empty for nothing that is known. An error says why that cannot be told.
type beside struct {
	kind platformv1alpha1.ProofType
	err  error
}

// look reads what is asked for of the image of a Build. What cannot be told is asked again later, in a turn of its own.
func (d *digests) look(ctx context.Context, of types.NamespacedName, q *question, try int) {
	d.mu.Lock()
	late := q.answer != nil || d.questions[asked{of, true}] != q
	d.mu.Unlock()
	if late {
		return
	}
	found := &answer{beside: map[string]beside{}}
	digest := supplychain.Digest(q.image)
	again := false
	found.err = d.evidence.Named(ctx, q.image, q.wanted, func(artifact string, content []byte, err error) {
		one := beside{err: err}
		if kind, ok := supplychain.Stated(content, digest); ok {
			one.kind = kind
		}
		found.beside[artifact] = one
		again = again || err != nil && !registry.Final(err) && !errors.Is(err, fetch.ErrLarge)
	})
	if again && try < tries {
		time.AfterFunc(pause<<(try-1), func() {
			d.evidence.Turn(of.Namespace, func(ctx context.Context) { d.look(ctx, of, q, try+1) })
		})
		return
	}
	d.mu.Lock()
	q.answer = found
	d.mu.Unlock()
	d.wake(&platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: of.Namespace, Name: of.Name}})
}

// vouch takes over from what was said to be beside the image what its registry has there, and what names the digest of the image. False
// while the registry is asked. Where it cannot be told, the Build has succeeded all the same.
func (r *Reconciler) vouch(ctx context.Context, s *scope, image string, said []platformv1alpha1.Evidence) bool {
	// What stands elsewhere, as somebody may record it, is not of the registry.
	said = slices.DeleteFunc(slices.Clone(said), func(one platformv1alpha1.Evidence) bool { return supplychain.Digest(one.Location) == "" })
	if r.digests == nil || len(said) == 0 {
		return true
	}
	s.build.Status.Evidence = nil
	known := func(status metav1.ConditionStatus, reason, message string) {
		condition.Set(&s.build.Status.Conditions, s.build.Generation, platformv1alpha1.ConditionEvidenceKnown, status, reason, condition.Clip(message, maxMessage))
	}
	digest := supplychain.Digest(image)
	if digest == "" {
		known(metav1.ConditionFalse, platformv1alpha1.ReasonEvidenceUnknown, fmt.Sprintf(
			"What is said to be beside image %s cannot be held against it: its digest is not known. Have the stage that pushes it write the digest to TOWPATH_RESULT.", image))
		return true
	}
	wanted := make([]string, len(said))
	for i := range said {
		wanted[i] = supplychain.Digest(said[i].Location)
	}
	found := r.digests.ask(ctx, s.build, image, wanted, s.now)
	if found == nil {
		s.progressing(platformv1alpha1.ReasonResolvingDigest, fmt.Sprintf("It has succeeded. Its registry is asked what there is beside %s.", image))
		s.lookAgain(askAgain)
		return false
	}
	repository, _, _ := strings.Cut(image, "@")
	var wrong []string
	for _, one := range said {
		where, of, _ := strings.Cut(one.Location, "@")
		there := found.beside[of]
		switch err := cmp.Or(found.err, there.err); {
		case untagged(where) != untagged(repository):
			wrong = append(wrong, fmt.Sprintf("%s %s is not in the repository of the image", one.Type, one.Location))
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("whether it has %s %s cannot be told: %v", one.Type, of, err))
		case string(there.kind) != string(one.Type):
			wrong = append(wrong, fmt.Sprintf("it has no %s %s that names the digest of the image", one.Type, of))
		default:
			s.build.Status.Evidence = append(s.build.Status.Evidence, one)
		}
	}
	if len(wrong) > 0 {
		known(metav1.ConditionFalse, platformv1alpha1.ReasonEvidenceUnknown, fmt.Sprintf("The registry was asked what there is beside image %s: %s.", image, strings.Join(wrong, "; ")))
		return true
	}
	known(metav1.ConditionTrue, platformv1alpha1.ReasonEvidenceFound, fmt.Sprintf("The registry has all that is said to be beside image %s, and each names the digest of that.", image))
	return true
}

// untagged is a repository without a tag.
func untagged(repository string) string {
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		return repository[:i]
	}
	return repository
}
