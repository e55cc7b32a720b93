package environment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/binding"
	"github.com/towpath-dev/towpath/internal/capacity"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/label"
	"github.com/towpath-dev/towpath/internal/lifetime"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/team"
)

// applierRoles are the ClusterRoles that an applier is bound to in its namespace.
var applierRoles = []string{platformv1alpha1.ApplierClusterRole, platformv1alpha1.ApplierExtraClusterRole}

// scope is what one pass over an Environment gathers.
type scope struct {
	environment *platformv1alpha1.Environment
	before      *platformv1alpha1.Environment
	class       *platformv1alpha1.EnvironmentClass

	// life is when the environment ends, and how near that is; nil where the pass did not come to that.
	life *lifetime.Verdict
	// frozen is the freeze that keeps it beyond that; nil for none.
	frozen *freeze.Active
	// outside says that the environment was made, and that its class is for the team no more; empty where it is.
	outside string
	// beyond says that the environment was let in, and would not be today, or does not get all that it asks for.
	beyond *capacity.Refusal

	// aliases are the further labels of the manager's configuration.
	aliases map[string]string
	// done says that everything is there.
	done         bool
	problem      *problem
	requeueAfter time.Duration
}

// problem is why an Environment is not Ready.
type problem struct {
	reason, message string
	stalled         bool
}

// run finds out what the Environment should be, and brings it about.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	if err := r.resolve(ctx, s); err != nil {
		return err
	}
	s.live(r.Clock.Now())
	if err := r.keepThroughFreeze(ctx, s); err != nil {
		return err
	}
	if s.problem != nil || s.expired() {
		return nil
	}
	for _, phase := range []func(context.Context, *scope) error{r.enter, r.keepNamespace, r.keepGuardrails, r.keepApplier, r.keepMembers} {
		if err := phase(ctx, s); err != nil || s.problem != nil {
			return err
		}
	}
	s.done = true
	return nil
}

// lookAgain asks for another pass after a time, or earlier where somebody asked for that; zero asks for none.
func (s *scope) lookAgain(after time.Duration) {
	if after > 0 && (s.requeueAfter == 0 || after < s.requeueAfter) {
		s.requeueAfter = after
	}
}

// resolve finds the class and the team.
func (r *Reconciler) resolve(ctx context.Context, s *scope) error {
	status := &s.environment.Status
	var home corev1.Namespace
	if err := r.Get(ctx, types.NamespacedName{Name: s.environment.Namespace}, &home); err != nil {
		return fmt.Errorf("reading namespace %s: %w", s.environment.Namespace, err)
	}
	name, costCenter := home.Labels[platformv1alpha1.LabelTeam], home.Labels[platformv1alpha1.LabelCostCenter]
	if name == "" || costCenter == "" || home.Labels[platformv1alpha1.LabelEnvironment] != "" {
		s.problem = &problem{platformv1alpha1.ReasonNotTeamNamespace, fmt.Sprintf(
			"Namespace %s is no team namespace: it must bear the labels %s and %s. Ask the platform team to label it.",
			home.Name, platformv1alpha1.LabelTeam, platformv1alpha1.LabelCostCenter), true}
		return nil
	}
	if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
		s.problem = &problem{platformv1alpha1.ReasonNotTeamNamespace, fmt.Sprintf(
			"Namespace %s bears %s=%s, which cannot be part of a namespace's name: it must be a DNS-1123 label, such as shop. Ask the platform team to label it so.",
			home.Name, platformv1alpha1.LabelTeam, name), true}
		return nil
	}
	if status.Team != "" && status.Team != name {
		s.problem = &problem{platformv1alpha1.ReasonNotTeamNamespace, fmt.Sprintf(
			"Namespace %s now bears team %s, but the environment was made for team %s. Put the label back, or make the environment anew.",
			home.Name, name, status.Team), true}
		return nil
	}
	var class platformv1alpha1.EnvironmentClass
	err := r.Get(ctx, types.NamespacedName{Name: s.environment.Spec.ClassRef.Name}, &class)
	if apierrors.IsNotFound(err) {
		s.problem = &problem{platformv1alpha1.ReasonClassNotFound, fmt.Sprintf(
			"EnvironmentClass %s does not exist. `kubectl get environmentclasses` lists what there is.", s.environment.Spec.ClassRef.Name), false}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading EnvironmentClass %s: %w", s.environment.Spec.ClassRef.Name, err)
	}
	status.Team, status.CostCenter = name, costCenter
	s.class = &class
	return nil
}

// enter lets the environment in, where class and team allow it, and takes what the class says into the status.
func (r *Reconciler) enter(ctx context.Context, s *scope) error {
	var err error
	for _, ask := range []func(context.Context, *scope) (*problem, error){r.mayUse, r.mayHave} {
		if s.problem, err = ask(ctx, s); err != nil || s.problem != nil {
			return err
		}
	}
	status, class := &s.environment.Status, s.class
	status.ObservedClass = &platformv1alpha1.ObservedClass{UID: class.UID, Generation: class.Generation}
	status.Tier, status.PodSecurity = class.Spec.Tier, class.Spec.PodSecurity
	status.ServiceAccountTokens, status.AllowedKinds = class.Spec.ServiceAccountTokens, slices.Clone(class.Spec.AllowedKinds)
	status.DropExpiredOverrides, status.Gate = class.Spec.DropExpiredOverrides, class.Spec.Gate.DeepCopy()
	status.Rollback, status.Freezes = class.Spec.Rollback.DeepCopy(), class.DeepCopy().Spec.Freezes
	if status.Namespace == "" {
		status.Namespace = workloadOf(s.environment, status.Team)
	}
	return nil
}

// workloadOf is the name of the workload namespace of an Environment of a team.
func workloadOf(e *platformv1alpha1.Environment, team string) string {
	if e.Spec.AdoptNamespace != "" {
		return e.Spec.AdoptNamespace
	}
	return environment.NamespaceName(team, e.Name)
}

// labels are what every object of the Environment bears.
func (s *scope) labels() map[string]string {
	status := &s.environment.Status
	labels := map[string]string{
		"app.kubernetes.io/name":          s.environment.Name,
		"app.kubernetes.io/instance":      status.Namespace,
		"app.kubernetes.io/managed-by":    platformv1alpha1.ManagedBy,
		"app.kubernetes.io/part-of":       label.Value(status.Team),
		platformv1alpha1.LabelTeam:        status.Team,
		platformv1alpha1.LabelEnvironment: s.environment.Name,
		platformv1alpha1.LabelTier:        string(status.Tier),
		platformv1alpha1.LabelCostCenter:  status.CostCenter,
		platformv1alpha1.LabelOwnerUID:    string(s.environment.UID),
	}
	render.AddAliases(labels, s.aliases)
	return labels
}

// namespaceLabels are those of the namespace: with its pod security, and what the class gives it.
func (s *scope) namespaceLabels() map[string]string {
	labels := s.labels()
	class := s.class
	if class == nil { // it is gone, and the environment is being deleted
		class = &platformv1alpha1.EnvironmentClass{}
	}
	guardrails.AddLabels(labels, &class.Spec, s.environment.Status.PodSecurity)
	return labels
}

func (s *scope) annotations() map[string]string {
	return map[string]string{platformv1alpha1.AnnotationHome: s.environment.Namespace + "/" + s.environment.Name}
}

// keepNamespace makes the namespace, and keeps its labels. It never takes over a namespace that
// exists: creating fails where there is one, and applying names the UID of our own.
func (r *Reconciler) keepNamespace(ctx context.Context, s *scope) error {
	name := s.environment.Status.Namespace
	labels := s.namespaceLabels()
	var live corev1.Namespace
	err := r.Get(ctx, types.NamespacedName{Name: name}, &live)
	if s.environment.Spec.AdoptNamespace != "" {
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading namespace %s: %w", name, err)
		}
		if s.problem = s.mayAdopt(&live, err == nil); s.problem != nil {
			return nil
		}
	} else if apierrors.IsNotFound(err) {
		annotations := s.annotations()
		guardrails.AddAnnotations(annotations, &s.class.Spec)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations}}
		err = r.Create(ctx, namespace, fieldOwner)
		if err == nil {
			return nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating namespace %s: %w", name, err)
		}
		// Ours from the pass before, or another's; the cache does not know yet.
		err = r.Live.Get(ctx, types.NamespacedName{Name: name}, &live)
	}
	foreign := live.Labels[platformv1alpha1.LabelOwnerUID] != string(s.environment.UID)
	switch {
	case err != nil:
		return fmt.Errorf("reading namespace %s: %w", name, err)
	case foreign && s.environment.Spec.AdoptNamespace == "":
		s.problem = &problem{platformv1alpha1.ReasonNamespaceTaken, fmt.Sprintf(
			"Namespace %s exists and does not belong to this environment; Towpath does not take it over. Give the environment another name, or ask the platform team whose it is.%s", name, s.offer(&live)), true}
		s.lookAgain(retryTaken)
		return nil
	case !live.DeletionTimestamp.IsZero():
		s.problem = &problem{platformv1alpha1.ReasonNamespaceTerminating, fmt.Sprintf("Namespace %s is being deleted, and will be made anew.", name), false}
		return nil
	}
	annotations, err := s.namespaceAnnotations(&live, foreign)
	if err != nil {
		return err
	}
	if !label.Contains(live.Labels, labels) || !label.Contains(live.Annotations, annotations) {
		intent := corev1ac.Namespace(name).WithUID(live.UID).WithLabels(labels).WithAnnotations(annotations)
		if foreign {
			intent.WithResourceVersion(live.ResourceVersion) // what is kept as found must be what this write changes
		}
		if err := r.Apply(ctx, intent, fieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("labelling namespace %s: %w", name, err)
		}
	}
	return r.dropStale(ctx, &live, labels, annotations)
}

// dropStale takes away what the class gave the namespace and gives it no more.
func (r *Reconciler) dropStale(ctx context.Context, live *corev1.Namespace, labels, annotations map[string]string) error {
	patch, err := environment.Stale(live, labels, annotations)
	if err != nil || patch == nil {
		return err
	}
	if err := r.Patch(ctx, live, client.RawPatch(types.MergePatchType, patch), fieldOwner); err != nil {
		return fmt.Errorf("unlabelling namespace %s: %w", live.Name, err)
	}
	return nil
}

// keepApplier makes the service account that Towpath writes as in the namespace, and its bindings. It
// does not take over an account that exists: the policy towpath-accounts refuses that.
func (r *Reconciler) keepApplier(ctx context.Context, s *scope) error {
	account := environment.Applier(s.environment.Status.Namespace)
	var live corev1.ServiceAccount
	err := r.Get(ctx, account, &live)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading service account %s: %w", account, err)
	}
	if err == nil && live.Labels[platformv1alpha1.LabelOwnerUID] != string(s.environment.UID) {
		s.problem = &problem{platformv1alpha1.ReasonObjectTaken, fmt.Sprintf(
			"ServiceAccount %s in namespace %s exists and does not belong to this environment; Towpath does not take it over. Ask the platform team to delete it.",
			account.Name, account.Namespace), true}
		s.lookAgain(retryTaken)
		return nil
	}
	if err != nil || !label.Contains(live.Labels, s.labels()) || !label.Contains(live.Annotations, s.annotations()) ||
		!ptr.Equal(live.AutomountServiceAccountToken, new(bool)) {
		intent := corev1ac.ServiceAccount(account.Name, account.Namespace).
			WithLabels(s.labels()).WithAnnotations(s.annotations()).WithAutomountServiceAccountToken(false)
		if err := r.Apply(ctx, intent, fieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying service account %s: %w", account, err)
		}
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account.Name, Namespace: account.Namespace}}
	for _, role := range applierRoles {
		if err := r.bindings().Keep(ctx, s.binding(role, subjects)); err != nil {
			return err
		}
	}
	return nil
}

// keepMembers gives the members of the team their rights in the workload namespace, where the home is that of a
// Team: a namespace that merely bears the name of one gives them none.
func (r *Reconciler) keepMembers(ctx context.Context, s *scope) error {
	owner, err := r.owner(ctx, s)
	if err != nil {
		return err
	}
	subjects := team.Subjects(owner)
	for _, role := range team.ClusterRoles {
		if err := r.bindings().Keep(ctx, s.binding(role, subjects[role])); err != nil {
			return err
		}
	}
	return nil
}

// owner is the Team whose home the Environment is in; an empty one where there is none.
func (r *Reconciler) owner(ctx context.Context, s *scope) (*platformv1alpha1.Team, error) {
	owner := &platformv1alpha1.Team{}
	if err := client.IgnoreNotFound(r.Get(ctx, types.NamespacedName{Name: s.environment.Status.Team}, owner)); err != nil {
		return nil, fmt.Errorf("reading Team %s: %w", s.environment.Status.Team, err)
	}
	if !team.Owns(owner, s.environment.Namespace) {
		return &platformv1alpha1.Team{}, nil
	}
	return owner, nil
}

func (r *Reconciler) bindings() *binding.Keeper {
	return &binding.Keeper{Client: r.Client, Live: r.Live, Owner: fieldOwner}
}

// binding is one in the workload namespace.
func (s *scope) binding(role string, subjects []rbacv1.Subject) binding.Binding {
	return binding.Binding{
		Namespace: s.environment.Status.Namespace, Role: role, Subjects: subjects, Labels: s.labels(), Annotations: s.annotations(),
	}
}

func cut(home string) (namespace, name string, ok bool) { return strings.Cut(home, "/") }
