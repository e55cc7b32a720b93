package team

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/binding"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/label"
	"github.com/towpath-dev/towpath/internal/team"
)

// scope is what one pass over a Team gathers.
type scope struct {
	team   *platformv1alpha1.Team
	before *platformv1alpha1.Team

	problem *problem
}

// problem is why a Team is not Ready.
type problem struct {
	reason, message string
	stalled         bool
}

// run brings about what the Team asks for.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	for _, phase := range []func(context.Context, *scope) error{r.keepHome, r.keepMembers, r.count} {
		if err := phase(ctx, s); err != nil || s.problem != nil {
			return err
		}
	}
	return nil
}

// labels are what every object of the Team bears.
func (s *scope) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":         s.team.Name,
		"app.kubernetes.io/managed-by":   platformv1alpha1.ManagedBy,
		"app.kubernetes.io/part-of":      s.team.Name,
		platformv1alpha1.LabelTeam:       s.team.Name,
		platformv1alpha1.LabelCostCenter: s.team.Spec.CostCenter,
		platformv1alpha1.LabelOwnerUID:   string(s.team.UID),
	}
}

// keepHome makes the home namespace, and keeps its labels. It takes over one that exists only where that was given to
// the Team: creating fails where there is one, and applying names the UID of what was looked at.
func (r *Reconciler) keepHome(ctx context.Context, s *scope) error {
	name := team.Home(s.team)
	var live corev1.Namespace
	err := r.Get(ctx, types.NamespacedName{Name: name}, &live)
	if apierrors.IsNotFound(err) {
		var made bool
		if made, err = r.makeHome(ctx, s, name, &live); err != nil || made || s.problem != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("reading namespace %s: %w", name, err)
	}
	if s.problem = s.mayKeep(&live); s.problem != nil {
		return nil
	}
	labels, taking := s.labels(), !s.owns(&live)
	if taking || !label.Contains(live.Labels, labels) {
		intent := corev1ac.Namespace(name).WithUID(live.UID).WithLabels(labels)
		if err := s.annotate(intent, &live, taking); err != nil {
			return err
		}
		if err := r.Apply(ctx, intent, fieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("labelling namespace %s: %w", name, err)
		}
	}
	s.team.Status.Namespace = name
	return nil
}

// makeHome creates the home where it does not exist, and says whether it did; where it is there all the same, it
// reads it past the cache. One that is to be adopted is not made.
func (r *Reconciler) makeHome(ctx context.Context, s *scope, name string, live *corev1.Namespace) (bool, error) {
	if s.team.Spec.AdoptNamespace != "" {
		s.problem = &problem{platformv1alpha1.ReasonNamespaceNotFound, fmt.Sprintf(
			"Namespace %s, which spec.adoptNamespace names, does not exist. Whoever may make namespaces must make it, then allow to take it over: %s",
			name, s.consent(name)), false}
		return false, nil
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: s.labels()}}
	err := r.Create(ctx, namespace, fieldOwner)
	if err == nil {
		s.team.Status.Namespace = name
		return true, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return false, fmt.Errorf("creating namespace %s: %w", name, err)
	}
	return false, r.Live.Get(ctx, types.NamespacedName{Name: name}, live)
}

// consent is the command that gives a namespace to the Team.
func (s *scope) consent(name string) string {
	return fmt.Sprintf("kubectl annotate namespace %s %s=%s", name, platformv1alpha1.AnnotationAdoptBy, s.team.Name)
}

func (s *scope) owns(live *corev1.Namespace) bool {
	return live.Labels[platformv1alpha1.LabelOwnerUID] == string(s.team.UID)
}

// mayKeep says what keeps the Team from having a namespace that exists; nil for nothing. The policy
// towpath-namespaces refuses the same.
func (s *scope) mayKeep(live *corev1.Namespace) *problem {
	name, bears := live.Name, live.Labels[platformv1alpha1.LabelTeam]
	switch {
	case s.owns(live) && !live.DeletionTimestamp.IsZero():
		return &problem{platformv1alpha1.ReasonNamespaceTerminating, fmt.Sprintf("Namespace %s is being deleted, and will be made anew.", name), false}
	case s.owns(live):
		return nil
	case environment.Reserved(name):
		return &problem{platformv1alpha1.ReasonNamespaceTaken, fmt.Sprintf(
			"Namespace %s belongs to Kubernetes or to Towpath, and is never a home. Make the Team anew with another namespace.", name), true}
	case live.Labels[platformv1alpha1.LabelOwnerUID] != "" || live.Labels[platformv1alpha1.LabelEnvironment] != "" ||
		live.Labels["app.kubernetes.io/managed-by"] == platformv1alpha1.ManagedBy:
		return &problem{platformv1alpha1.ReasonNamespaceTaken, fmt.Sprintf(
			"Namespace %s belongs to an Environment or to another Team, also where that is gone; Towpath does not take it over. "+
				"Give the Team another name, or another namespace by spec.adoptNamespace.", name), true}
	case bears != "" && bears != s.team.Name:
		return &problem{platformv1alpha1.ReasonNamespaceTaken, fmt.Sprintf(
			"Namespace %s is the home of team %s by its label %s; Towpath does not take it over. Give the Team another name, or another namespace by spec.adoptNamespace.",
			name, bears, platformv1alpha1.LabelTeam), true}
	case live.Annotations[platformv1alpha1.AnnotationAdoptBy] != s.team.Name:
		return &problem{platformv1alpha1.ReasonConsentMissing, fmt.Sprintf(
			"Namespace %s exists, and nobody who may update the Team has given it to that. If it is to be the home: %s", name, s.consent(name)), true}
	case !live.DeletionTimestamp.IsZero():
		return &problem{platformv1alpha1.ReasonNamespaceTerminating, fmt.Sprintf("Namespace %s is being deleted; the Team waits until it is gone.", name), false}
	}
	return nil
}

// annotate keeps which labels a namespace bore that was taken over, from the write that takes it.
func (s *scope) annotate(intent *corev1ac.NamespaceApplyConfiguration, live *corev1.Namespace, taking bool) error {
	found := live.Annotations[platformv1alpha1.AnnotationFound]
	if taking {
		var err error
		if found, err = environment.Found(live.Labels); err != nil {
			return err
		}
		intent.WithResourceVersion(live.ResourceVersion) // what is kept as found must be what this write changes
	}
	if found != "" {
		intent.WithAnnotations(map[string]string{platformv1alpha1.AnnotationFound: found})
	}
	return nil
}

// keepMembers gives the members their rights in the home.
func (r *Reconciler) keepMembers(ctx context.Context, s *scope) error {
	subjects := team.Subjects(s.team)
	for _, role := range team.ClusterRoles {
		b := binding.Binding{Namespace: s.team.Status.Namespace, Role: role, Subjects: subjects[role], Labels: s.labels()}
		if err := r.bindings().Keep(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) bindings() *binding.Keeper {
	return &binding.Keeper{Client: r.Client, Live: r.Live, Owner: fieldOwner}
}

// count says in the status how many Environments the team has, and what they cost.
func (r *Reconciler) count(ctx context.Context, s *scope) error {
	list, err := environments(ctx, r, s.team)
	if err != nil {
		return err
	}
	s.team.Status.Environments = int32(len(list)) //nolint:gosec // etcd holds fewer
	sum := estimate.NewSum(r.Currency)
	for i := range list {
		sum.AddSum(list[i].Status.EstimatedCost)
	}
	s.team.Status.EstimatedCost = sum.Status()
	return nil
}

// environments are those in the home of a Team.
func environments(ctx context.Context, reader client.Reader, t *platformv1alpha1.Team) ([]platformv1alpha1.Environment, error) {
	if t.Status.Namespace == "" {
		return nil, nil
	}
	var list platformv1alpha1.EnvironmentList
	if err := reader.List(ctx, &list, client.InNamespace(t.Status.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Environments: %w", err)
	}
	return list.Items, nil
}

// named are the names of Environments, in order: the cache gives them in any, and a message that changes is written each time.
func named(environments []platformv1alpha1.Environment) []string {
	names := make([]string, 0, len(environments))
	for i := range environments {
		names = append(names, environments[i].Name)
	}
	slices.Sort(names)
	return names
}

// shown is at most ten names, and how many more there are.
func shown(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
