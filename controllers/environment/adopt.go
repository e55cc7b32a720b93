package environment

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/team"
)

// mayAdopt says what keeps the Environment from having a namespace that exists already; nil for nothing.
func (s *scope) mayAdopt(live *corev1.Namespace, exists bool) *problem {
	name := s.environment.Spec.AdoptNamespace
	home := s.annotations()[platformv1alpha1.AnnotationHome]
	allow := fmt.Sprintf("kubectl annotate namespace %s %s=%s", name, platformv1alpha1.AnnotationAdoptBy, home)
	owner := live.Labels[platformv1alpha1.LabelOwnerUID]
	switch {
	case environment.Reserved(name):
		return &problem{platformv1alpha1.ReasonNamespaceTaken, fmt.Sprintf(
			"spec.adoptNamespace is %s, which belongs to Kubernetes or to Towpath and is never taken over. Make the environment anew with another namespace.", name), true}
	case !exists:
		return &problem{platformv1alpha1.ReasonNamespaceNotFound, fmt.Sprintf(
			"Namespace %s, which spec.adoptNamespace names, does not exist. Whoever may make namespaces must make it, then allow to take it over: %s", name, allow), false}
	case owner == string(s.environment.UID):
		return nil
	case owner != "" || live.Labels[platformv1alpha1.LabelTeam] != "":
		return &problem{platformv1alpha1.ReasonNamespaceTaken, fmt.Sprintf(
			"Namespace %s, which spec.adoptNamespace names, is the home of a team, or belongs to another environment; Towpath does not take it over. Make the environment anew with another namespace.", name), true}
	case live.Annotations[platformv1alpha1.AnnotationAdoptBy] != home:
		return &problem{platformv1alpha1.ReasonConsentMissing, fmt.Sprintf(
			"Namespace %s is to be taken over, and nobody who may change namespaces has allowed it. Ask for it: %s", name, allow), true}
	}
	return nil
}

// offer says how an Environment may have a namespace that exists; nothing where it may not.
func (s *scope) offer(live *corev1.Namespace) string {
	if live.Labels[platformv1alpha1.LabelOwnerUID] != "" || live.Labels[platformv1alpha1.LabelTeam] != "" || environment.Reserved(live.Name) {
		return ""
	}
	return fmt.Sprintf(" Where that was kept, or is to be taken over: make the environment anew with spec.adoptNamespace: %s.", live.Name)
}

// keeps says whether a namespace outlives its Environment.
func (s *scope) keeps(namespace *corev1.Namespace) bool {
	return namespace.Annotations[platformv1alpha1.AnnotationKeep] == "true" || namespace.Name == s.environment.Spec.AdoptNamespace
}

// namespaceAnnotations are those of the namespace: the way home, what the class gives it, and, of one that is taken
// over, what it bore.
func (s *scope) namespaceAnnotations(live *corev1.Namespace, taking bool) (map[string]string, error) {
	annotations := s.annotations()
	guardrails.AddAnnotations(annotations, &s.class.Spec)
	if s.environment.Spec.AdoptNamespace == "" {
		return annotations, nil
	}
	if !taking {
		for _, key := range []string{platformv1alpha1.AnnotationFound, platformv1alpha1.AnnotationFoundAnnotations} {
			if found := live.Annotations[key]; found != "" {
				annotations[key] = found
			}
		}
		return annotations, nil
	}
	var err error
	if annotations[platformv1alpha1.AnnotationFound], err = environment.Found(live.Labels); err != nil {
		return nil, err
	}
	bore := map[string]string{}
	for key := range s.class.Spec.NamespaceAnnotations {
		if value, ok := live.Annotations[key]; ok {
			bore[key] = value
		}
	}
	if len(bore) > 0 {
		annotations[platformv1alpha1.AnnotationFoundAnnotations], err = environment.Found(bore)
	}
	return annotations, err
}

// letGo takes the rights of the applier and of the team's members, and the labels of Towpath off a namespace, gives one that was taken over back
// the labels that it bore, and leaves everything else in it as it is.
func (r *Reconciler) letGo(ctx context.Context, s *scope, namespace *corev1.Namespace) error {
	for _, role := range slices.Concat(applierRoles, team.ClusterRoles, []string{platformv1alpha1.GitReaderClusterRole}) {
		if err := r.bindings().Delete(ctx, namespace.Name, role); err != nil {
			return err
		}
	}
	if err := r.dropGuardrails(ctx, namespace.Name); err != nil {
		return err
	}
	patch, err := environment.LettingGo(namespace.UID, namespace, s.namespaceLabels())
	if err != nil {
		return err
	}
	if err := client.IgnoreNotFound(r.Patch(ctx, namespace, client.RawPatch(types.MergePatchType, patch), fieldOwner)); err != nil {
		return fmt.Errorf("letting go of namespace %s: %w", namespace.Name, err)
	}
	return nil
}
