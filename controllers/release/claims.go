package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
)

// claimsAnnotation carries, on a cached StatefulSet, the names of its claim templates with a comma between.
const claimsAnnotation = "towpath.cache/claims"

// claimTemplates are the names of the claim templates of a StatefulSet, as its annotation has them.
func claimTemplates(claims []corev1.PersistentVolumeClaim) string {
	names := make([]string, len(claims))
	for i := range claims {
		names[i] = claims[i].Name
	}
	return strings.Join(names, ",")
}

// claims remembers, for each StatefulSet, how it was when its claims were last labelled. While it is the same there are no
// others, so that a steady state reads nothing. What a restart forgets costs one list for each.
type claims struct {
	mu   sync.Mutex
	seen map[childKey]claimsSeen
}

// claimsSeen is a state of a StatefulSet, and when to try again where labels were refused in it; else zero.
type claimsSeen struct {
	state string
	again time.Time
}

// done says whether there is nothing to do in a state, and for how long; zero for ever.
func (c *claims) done(key childKey, state string, now time.Time) (wait time.Duration, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen[key]
	if seen.state != state {
		return 0, false
	}
	wait = seen.again.Sub(now)
	return max(wait, 0), seen.again.IsZero() || wait > 0
}

func (c *claims) remember(key childKey, seen claimsSeen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[childKey]claimsSeen{}
	}
	c.seen[key] = seen
}

func (c *claims) forget(key childKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, key)
}

// labelClaims keeps the labels of the live claims of StatefulSets right. Their templates cannot change, so that claims are
// made with few labels, or none of ours where the StatefulSet was found; and claims outlive Releases. It looks when pods
// were made or became ready, since their claims are made before them, and when the labels are others.
//
// Labels do not decide about what runs, so that one which is refused is told by an event, and keeps no Release
// from being Ready.
func (r *Reconciler) labelClaims(ctx context.Context, s *scope) error {
	labels := render.ClaimLabels(s.release)
	for i, o := range s.release.Spec.Inventory {
		live := s.children[i].live
		if live == nil || !s.children[i].known || !live.GetDeletionTimestamp().IsZero() || live.GetAnnotations()[claimsAnnotation] == "" {
			continue
		}
		key, seen := inventoryKey(s.release, o), claimsSeen{state: claimsState(live, labels)}
		if wait, done := r.claims.done(key, seen.state, r.Clock.Now()); done {
			if wait > 0 {
				s.lookAgain(wait)
			}
			continue
		}
		found, err := r.claimsOf(ctx, key.Namespace, o.Name, strings.Split(live.GetAnnotations()[claimsAnnotation], ","))
		if err != nil {
			return err
		}
		for j := range found {
			if !mayLabel(&found[j], labels) {
				continue
			}
			err := r.Writer.LabelClaim(ctx, environment.ApplierUser(key.Namespace), &found[j], labels)
			switch {
			case s.unguarded(err):
				return nil
			case apply.Final(err) || apierrors.IsForbidden(err):
				seen.again = r.Clock.Now().Add(retryRefused)
				s.lookAgain(retryRefused)
				r.tellOfClaim(ctx, s, err)
			case err != nil:
				return err
			}
		}
		r.claims.remember(key, seen)
	}
	return nil
}

// claimsState is all that claims and their labels follow from, of a cached StatefulSet.
func claimsState(live *unstructured.Unstructured, labels map[string]string) string {
	replicas, _, _ := unstructured.NestedInt64(live.Object, "status", "replicas")
	ready, _, _ := unstructured.NestedInt64(live.Object, "status", "readyReplicas")
	raw, _ := json.Marshal(labels) // strings are always JSON, in the order of their keys
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("%s %d %d %s", live.GetUID(), replicas, ready, hex.EncodeToString(sum[:8]))
}

// mayLabel says whether a claim may be given labels: not where it is an object of a Release, or bears the labels of
// another Component. Names of claims can be read in two ways: data-a of b, and data of a-b.
func mayLabel(claim *metav1.PartialObjectMetadata, labels map[string]string) bool {
	if claim.Labels[platformv1alpha1.LabelOwnerUID] != "" || !claim.DeletionTimestamp.IsZero() {
		return false
	}
	for _, key := range []string{platformv1alpha1.LabelComponent, platformv1alpha1.LabelEnvironment} {
		if has, ok := claim.Labels[key]; ok && has != labels[key] {
			return false
		}
	}
	return true
}

// tellOfClaim sends an event about a claim whose labels were refused.
func (r *Reconciler) tellOfClaim(ctx context.Context, s *scope, err error) {
	ctrl.LoggerFrom(ctx).Error(err, "Labels of a claim were refused")
	message := fmt.Sprintf("Cost tools do not find a claim, which is tried again: %v. What runs goes on.", err)
	r.Recorder.Eventf(s.release, nil, corev1.EventTypeWarning, platformv1alpha1.ReasonApplyFailed, "LabelClaim", "%s", condition.Clip(message, 1000))
}

// claimsOf lists the metadata of the claims of a StatefulSet: those of its pods, and those that a smaller number of
// replicas left behind. They are known by name, which is all that Kubernetes goes by too.
func (r *Reconciler) claimsOf(ctx context.Context, namespace, name string, templates []string) ([]metav1.PartialObjectMetadata, error) {
	all, err := r.listClaims(ctx, namespace)
	if err != nil {
		return nil, err
	}
	quoted := make([]string, len(templates))
	for i, t := range templates {
		quoted[i] = regexp.QuoteMeta(t)
	}
	pattern, err := regexp.Compile("^(" + strings.Join(quoted, "|") + ")-" + regexp.QuoteMeta(name) + "-[0-9]+$")
	if err != nil {
		return nil, fmt.Errorf("naming the claims of StatefulSet %s: %w", name, err)
	}
	return slices.DeleteFunc(all, func(claim metav1.PartialObjectMetadata) bool { return !pattern.MatchString(claim.Name) }), nil
}

// listClaims lists claims of a namespace past the cache, which does not have those that bear no owner-uid.
func (r *Reconciler) listClaims(ctx context.Context, namespace string, options ...client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(apply.ClaimKind)
	if err := r.Live.List(ctx, list, append(options, client.InNamespace(namespace))...); err != nil {
		return nil, fmt.Errorf("listing the claims of namespace %s: %w", namespace, err)
	}
	return list.Items, nil
}

// letClaimsGo takes the labels of Towpath off the live claims of a Component in an environment. All goes by the
// labels, so that those are found too whose StatefulSet is gone.
func (r *Reconciler) letClaimsGo(ctx context.Context, release *platformv1alpha1.Release) error {
	labels := render.ClaimLabels(release)
	found, err := r.listClaims(ctx, release.Spec.Environment.Namespace, client.MatchingLabels{
		platformv1alpha1.LabelComponent: labels[platformv1alpha1.LabelComponent], platformv1alpha1.LabelEnvironment: labels[platformv1alpha1.LabelEnvironment],
	})
	if err != nil {
		return err
	}
	for i := range found {
		claim := &found[i]
		if !mayLabel(claim, labels) {
			continue
		}
		if err := r.Writer.LetGo(ctx, environment.ApplierUser(claim.Namespace), claim.Namespace, apply.Claim(claim.Name), claim, labels); err != nil {
			return err
		}
	}
	return nil
}
