package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeliveryMode says who applies the objects of Releases.
// +kubebuilder:validation:Enum=Direct;Git
type DeliveryMode string

// The modes.
const (
	// DeliveryDirect has Towpath apply them.
	DeliveryDirect DeliveryMode = "Direct"
	// DeliveryGit has Towpath commit them, and a tool that follows the repository apply them.
	DeliveryGit DeliveryMode = "Git"
)

// GitChange says how a Release gets to the branch that is followed.
// +kubebuilder:validation:Enum=Push;PullRequest
type GitChange string

// The ways.
const (
	// GitPush commits to the branch.
	GitPush GitChange = "Push"
	// GitPullRequest commits to a branch of the Release's own, from which people open a pull request.
	GitPullRequest GitChange = "PullRequest"
)

// GitReconcilerType is a tool that follows a repository.
// +kubebuilder:validation:Enum=ArgoCD;Flux
type GitReconcilerType string

// The tools.
const (
	// ReconcilerArgoCD is Argo CD, by an Application for each Component in each Environment.
	ReconcilerArgoCD GitReconcilerType = "ArgoCD"
	// ReconcilerFlux is Flux, by one GitRepository, and a Kustomization for each Component in each Environment.
	ReconcilerFlux GitReconcilerType = "Flux"
)

// AnnotationDeliveredBy names, on a workload namespace, the user who applies there what Towpath commits. The policies
// towpath-labels and towpath-templates let that one set Towpath's labels there; towpath-namespaces lets the manager alone set it.
const AnnotationDeliveredBy = LabelPrefix + "delivered-by"

// AnnotationDelivered is, on each object that Towpath commits, the UID of the Release: it shows when the object was applied from it.
const AnnotationDelivered = LabelPrefix + "delivered"

// DeliverySecret is the Secret in the manager's namespace with the credentials of repositories that Releases are delivered to.
const DeliverySecret = "towpath-delivery" //nolint:gosec // the name of one

// Delivery is who applies the objects of Releases.
// +kubebuilder:validation:XValidation:rule="(has(self.mode) && self.mode == 'Git') == has(self.git)",message="git must be set with mode Git, and with no other"
type Delivery struct {
	// mode Direct: Towpath applies the objects itself, as the account of the Environment. Git: it commits them to a repository, and
	// a tool that follows that applies them. It must not change: make another class. Default: Direct.
	// +optional
	// +kubebuilder:default=Direct
	Mode DeliveryMode `json:"mode,omitempty"`
	// git is where and how Releases are committed. A change counts at once, also for Releases that run: they are committed to the
	// new place too, and what was committed before stays where it was, for people to remove.
	// +optional
	Git *GitDelivery `json:"git,omitempty"`
}

// GitDelivery is a repository, and who applies what stands in it.
// +kubebuilder:validation:XValidation:rule="!has(self.reconciler) || self.reconciler.type != 'Flux' || self.reconciler.__namespace__ == self.appliedBy.__namespace__",message="appliedBy.namespace must be reconciler.namespace: Flux acts as an account beside its Kustomization"
type GitDelivery struct {
	// url of the repository, such as https://git.example/platform/deploy or ssh://git@git.example/platform/deploy. It must have no
	// password, query or fragment. Addresses that are not public must be in delivery.allowedHosts of the manager's configuration.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(https?://[^?#@\s]+|ssh://[A-Za-z0-9_][A-Za-z0-9._-]*@[^?#@\s]+)$`
	URL string `json:"url,omitempty"`
	// branch that the tool follows. It must exist, unless the repository is empty. Default: main.
	// +optional
	// +kubebuilder:default=main
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`
	Branch string `json:"branch,omitempty"`
	// path is a pattern of the directory in which the objects of a Component in an Environment stand, one file each. Its variables
	// are {team}, {component}, {environment}, {namespace}, {class} and {tier}, at most one between two slashes; {component} must be
	// among them, and {namespace} or both {team} and {environment}. Default: {team}/{environment}/{component}.
	// +optional
	// +kubebuilder:default="{team}/{environment}/{component}"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path,omitempty"`
	// change says how a Release gets to the branch. Push: as a commit. PullRequest: on a branch towpath/<team>/<environment>/<release>,
	// from which people or a rule of the forge open a pull request; the Release waits until it is merged, and so does the end of a
	// Component, whose files go the same way. Default: Push.
	// +optional
	// +kubebuilder:default=Push
	Change GitChange `json:"change,omitempty"`
	// credentialsKey is the key in the Secret towpath-delivery of towpath-system that holds credentials for the repository, in YAML:
	// repository, an address that url must begin with; username and password, or identity, passphrase and knownHosts; and ca.
	// Default: none, and the repository is asked without.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	CredentialsKey string `json:"credentialsKey,omitempty"`
	// appliedBy is the account that the tool applies as. In the workload namespaces of this class it may set Towpath's labels, as
	// they stand in the files, and no owner of an object that is there already.
	// +required
	AppliedBy DeliveryAccount `json:"appliedBy,omitzero"`
	// reconciler has Towpath make what Argo CD or Flux follow the repository by, and report what they say of it. Default: none, and
	// the platform team has them follow it.
	// +optional
	Reconciler *GitReconciler `json:"reconciler,omitempty"`
}

// DeliveryAccount is a service account.
type DeliveryAccount struct {
	// namespace of the account, such as argocd.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
	// name of the account, such as argocd-application-controller.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// User is the name by which the API server knows the account.
func (a DeliveryAccount) User() string {
	return "system:serviceaccount:" + a.Namespace + ":" + a.Name
}

// GitReconciler is what Towpath makes for Argo CD or Flux. It needs the overlay argocd or flux of config/overlays, whose Roles let
// the manager write these kinds in one namespace.
// +kubebuilder:validation:XValidation:rule="self.type == 'ArgoCD' || !has(self.project)",message="project must be set for ArgoCD alone"
// +kubebuilder:validation:XValidation:rule="self.type == 'Flux' || !has(self.secretName)",message="secretName must be set for Flux alone: Argo CD knows repositories by itself"
type GitReconciler struct {
	// type of the tool.
	// +required
	Type GitReconcilerType `json:"type,omitempty"`
	// namespace in which the objects are made: that of Argo CD, or one that Flux looks into.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
	// project is the AppProject of the Applications. It must allow the repository, and the workload namespaces as destinations.
	// The policy of the overlay argocd must name it too. Default: default, which lets everything be applied everywhere: name another.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Project string `json:"project,omitempty"`
	// secretName is the Secret in the same namespace with which Flux reads the repository. Towpath does not read it. Default: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	SecretName string `json:"secretName,omitempty"`
}

// ByGit is how Releases are delivered by Git; nil where Towpath applies them itself.
func (c *EnvironmentClass) ByGit() *GitDelivery {
	if c.Spec.Delivery == nil || c.Spec.Delivery.Mode != DeliveryGit {
		return nil
	}
	return c.Spec.Delivery.Git
}

// ReleaseDelivery is where a Release is in Git.
type ReleaseDelivery struct {
	// repository that it was committed to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Repository string `json:"repository,omitempty"`
	// branch that holds it: the one that is followed, or one of its own that waits to be merged.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Branch string `json:"branch,omitempty"`
	// path of the directory.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Path string `json:"path,omitempty"`
	// commit that brought it; or, where a manager ended before it took note of that, a later one that holds it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Commit string `json:"commit,omitempty"`
	// deliveredAt is when the branch that is followed was seen to hold it for the first time. Absent while it waits to be merged.
	// +optional
	DeliveredAt *metav1.Time `json:"deliveredAt,omitempty"`
	// lastDeliveredAt is when it was so seen, where somebody has taken it out of the branch since, as by reverting a merge, and it waits
	// to be merged again. Absent otherwise.
	// +optional
	LastDeliveredAt *metav1.Time `json:"lastDeliveredAt,omitempty"`
	// syncedRevision is the revision that Argo CD or Flux last said to have applied, where Towpath made what they follow.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	SyncedRevision string `json:"syncedRevision,omitempty"`
	// suspendedAt is when what has Argo CD or Flux follow the branch was seen to be suspended, before everything was applied. The deadline of the
	// class does not run until resumedAt.
	// +optional
	SuspendedAt *metav1.Time `json:"suspendedAt,omitempty"`
	// resumedAt is when that was seen to be over: the deadline of the class begins anew. Absent while it is suspended.
	// +optional
	ResumedAt *metav1.Time `json:"resumedAt,omitempty"`
	// removedAt is when the branch was seen to hold it no more, as it is deleted.
	// +optional
	RemovedAt *metav1.Time `json:"removedAt,omitempty"`
}

// Suspended says that Argo CD or Flux may not apply the Release, since somebody has suspended it.
func (d *ReleaseDelivery) Suspended() bool {
	return d != nil && d.SuspendedAt != nil && d.ResumedAt == nil
}

// Undelivered says that the Release is to be delivered by Git, and that the branch which is followed does not hold it yet.
func (r *Release) Undelivered() bool {
	return meta.IsStatusConditionFalse(r.Status.Conditions, ConditionDelivered)
}
