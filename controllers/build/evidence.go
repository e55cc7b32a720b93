package build

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/supplychain"
)

// beside are the artifacts in the registry that say something of an image, by their digests.
func (d *digests) beside(ctx context.Context, image string) (map[string]platformv1alpha1.ProofType, error) {
	found := map[string]platformv1alpha1.ProofType{}
	digest := supplychain.Digest(image)
	_, err := d.source.Fetch(ctx, image, func(a *supplychain.Artifact) {
		if kind, ok := supplychain.Stated(a, digest); ok {
			found[a.Digest] = kind
		}
	})
	return found, err
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
	found := r.digests.ask(ctx, s.build, image, true, s.now)
	if found == nil {
		s.progressing(platformv1alpha1.ReasonResolvingDigest, fmt.Sprintf("It has succeeded. Its registry is asked what there is beside %s.", image))
		s.lookAgain(askAgain)
		return false
	}
	repository, _, _ := strings.Cut(image, "@")
	var wrong []string
	for _, one := range said {
		where, of, _ := strings.Cut(one.Location, "@")
		switch kind, ok := found.beside[of]; {
		case untagged(where) != untagged(repository):
			wrong = append(wrong, fmt.Sprintf("%s %s is not in the repository of the image", one.Type, one.Location))
		case !ok && found.err != nil:
			wrong = append(wrong, fmt.Sprintf("whether it has %s %s cannot be told: %v", one.Type, of, found.err))
		case !ok, string(kind) != string(one.Type):
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
