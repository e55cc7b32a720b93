package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MemberKind is what a member of a Team is.
// +kubebuilder:validation:Enum=User;Group
type MemberKind string

// The kinds of members.
const (
	MemberUser  MemberKind = "User"
	MemberGroup MemberKind = "Group"
)

// TeamRole is what a member may do in the namespaces of the team. Each role is the ClusterRole of its name.
// +kubebuilder:validation:Enum=Owner;Developer;Viewer
type TeamRole string

// The roles, from most to least.
const (
	// TeamOwner may do what TeamDeveloper may, and approve Releases that wait at a gate.
	TeamOwner TeamRole = "Owner"
	// TeamDeveloper writes Components and Environments.
	TeamDeveloper TeamRole = "Developer"
	// TeamViewer reads.
	TeamViewer TeamRole = "Viewer"
)

// TeamMember is a user or a group, as the API server knows it.
// +kubebuilder:validation:XValidation:rule="self.kind == 'User' || !has(self.emails)",fieldPath=".emails",message="emails must be those of a User: a Group is the author of nothing"
// +kubebuilder:validation:XValidation:rule="!self.name.startsWith('system:') || (self.kind == 'User' && self.name.matches('^system:serviceaccount:[a-z0-9]([-a-z0-9]*[a-z0-9])?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?$') && !self.name.matches('^system:serviceaccount:(kube|towpath)-'))",fieldPath=".name",messageExpression="'a member must not be ' + self.name + ': names that begin with system: are Kubernetes\\' own, and of these only a User system:serviceaccount:<namespace>:<name> may be one'",message="a member must not be one of Kubernetes' own users and groups, but for a User system:serviceaccount:<namespace>:<name>"
type TeamMember struct {
	// kind of the member: User or Group.
	// +required
	Kind MemberKind `json:"kind,omitempty"`
	// name of the user or group, exactly as the API server's authentication gives it, with its prefix if it sets
	// one. A service account is the User system:serviceaccount:<namespace>:<name>, of a namespace that does not begin
	// with kube- or towpath-; nothing else that begins with system: may be a member. It must not begin or end with white space.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^\S(.*\S)?$`
	Name string `json:"name,omitempty"`
	// role of the member, in the home namespace and in the workload namespace of each Environment of the team. Who
	// is a member more than once, such as by two groups, has all the rights of these roles together.
	// +required
	Role TeamRole `json:"role,omitempty"`
	// emails by which commits name the user as their author, in any case of their letters. They give no rights: where a
	// gate forbids authors to approve, the approval of this user does not count for a change with a commit of theirs.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:items:Pattern=`^[^@\s]+@[^@\s]+$`
	Emails []string `json:"emails,omitempty"`
}

// AlertTarget is where alerts go. What is secret of it stands in keys of Secrets, never in the target itself: who has the URL may send
// there.
// +kubebuilder:validation:XValidation:rule="(has(self.type) && self.type == 'Webhook') == has(self.signingKeysRef)",message="signingKeysRef must be set where type is Webhook, and nowhere else"
// +kubebuilder:validation:XValidation:rule="!has(self.tokenRef) || (has(self.type) && self.type != 'Slack')",message="tokenRef must not be set where type is Slack: its URL is what proves who sends"
type AlertTarget struct {
	// name of the target, unique in its list.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// type is the form in which the target takes alerts: Slack, Alertmanager or Webhook. Default: Slack.
	// +optional
	// +kubebuilder:default=Slack
	Type AlertTargetType `json:"type,omitempty"`
	// secretRef names the key of a Secret that holds the URL to send to: an incoming webhook of Slack, the base of an Alertmanager, or
	// the address of a webhook. The manager may read the Secret towpath-alerts alone; another one needs a Role that lets it.
	// +required
	SecretRef SecretKeyReference `json:"secretRef,omitzero"`
	// signingKeysRef names the key of a Secret that holds what a Webhook is signed with: one to three lines of whsec_ and 24 to
	// 64 bytes in base64. It is signed with each, so that one can be replaced.
	// +optional
	SigningKeysRef *SecretKeyReference `json:"signingKeysRef,omitempty"`
	// tokenRef names the key of a Secret that holds a bearer token for an Alertmanager or Webhook. Default: none.
	// +optional
	TokenRef *SecretKeyReference `json:"tokenRef,omitempty"`
	// caRef names the key of a Secret that holds certificate authorities in PEM, beside those of the system. Default: none.
	// +optional
	CARef *SecretKeyReference `json:"caRef,omitempty"`
}

// TeamContact is how people reach a team.
type TeamContact struct {
	// name of the contact, such as on-call. Unique in the Team.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// address is a URL, an e-mail address, a channel or a telephone number, for people to read. Towpath does nothing
	// with it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Address string `json:"address,omitempty"`
}

// TeamSpec is who a team is, and who pays.
// +kubebuilder:validation:XValidation:rule="has(self.adoptNamespace) == has(oldSelf.adoptNamespace) && (!has(self.adoptNamespace) || self.adoptNamespace == oldSelf.adoptNamespace)",message="adoptNamespace must not change: make another Team"
type TeamSpec struct {
	// costCenter that pays for what the team runs: the label platform.towpath.dev/cost-center of its namespaces, and
	// of every object in new Releases. It must be a valid label value.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	CostCenter string `json:"costCenter,omitempty"`
	// members of the team, each with one role. Towpath binds them to the ClusterRoles towpath-owner, towpath-developer and
	// towpath-viewer, and to nothing else. Default: nobody; rights that were given otherwise stay as they are.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Members []TeamMember `json:"members,omitempty"`
	// adoptNamespace is the name of a namespace that exists already, and becomes the home namespace in place of
	// team-<name>. It must bear the annotation platform.towpath.dev/adopt-by with the name of the Team, so that nobody
	// takes what is another's; so must a namespace team-<name> that exists before its Team does, also where it bears
	// the label of the team. Whoever sets the annotation must be allowed to update the Team: who has rights in the
	// namespace keeps them. A namespace that was adopted is never deleted with its Team. Default: a new namespace team-<name>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	AdoptNamespace string `json:"adoptNamespace,omitempty"`
	// deletionPolicy says what becomes of a home namespace that Towpath made when the Team is deleted. Orphan: it is
	// let go, and stays with all that is in it. Delete: it is deleted with all that is in it: Components, Secrets,
	// everything. Neither happens while the team has Environments. Default: Orphan.
	// +optional
	// +kubebuilder:default=Orphan
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// alerts are where alerts of the team go: those of spec.spending, and of its Budgets that have no targets of their own. Their
	// Secrets are in the home namespace.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Alerts []AlertTarget `json:"alerts,omitempty"`
	// spending is what the platform allows the team to spend. Default: no limits.
	// +optional
	Spending *TeamSpending `json:"spending,omitempty"`
	// contacts are how people reach the team. Everybody who may read Teams reads them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Contacts []TeamContact `json:"contacts,omitempty"`
}

// TeamStatus is what the controller made.
type TeamStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, and Stalled when somebody must act first.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// namespace is the home namespace. Absent until the Team owns it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// environments is how many Environments there are in the home namespace.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Environments int32 `json:"environments,omitempty"`
	// estimatedCost is what all Environments of the team are estimated to cost a month. Absent while nothing runs in any.
	// +optional
	EstimatedCost *CostSum `json:"estimatedCost,omitempty"`
	// spending is how the team stands to the limits of spec.spending. Absent where it has none.
	// +optional
	Spending *TeamSpendingStatus `json:"spending,omitempty"`
}

// Team is a team of people: who they are, who pays, and the home namespace of their Environments and
// Components. The Team makes and keeps that namespace and the rights of its members there and in the workload
// namespaces of its Environments. Teams are optional: a namespace that bears the labels platform.towpath.dev/team
// and platform.towpath.dev/cost-center is a home without one.
//
// The name must be a DNS-1123 label of at most 58 characters. team, kube and towpath, and what begins with one of
// them and a hyphen, are reserved: a workload namespace <team>-<environment> would look like a home, or like one of
// Kubernetes' or Towpath's own.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=towpath,shortName=tm
// +kubebuilder:printcolumn:name="Cost Center",type=string,JSONPath=`.spec.costCenter`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Environments",type=integer,JSONPath=`.status.environments`
// +kubebuilder:printcolumn:name="Monthly Cost",type=string,JSONPath=`.status.estimatedCost.monthly.expected`,priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,56}[a-z0-9])?$')",message="metadata.name must be a DNS-1123 label of at most 58 characters"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.matches('^(team|kube|towpath)(-|$)')",message="metadata.name must not be team, kube or towpath, nor begin with one of them and a hyphen: namespaces of such a team would look like a home, or like Kubernetes' or Towpath's own"
type Team struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is who the team is, and who pays.
	// +required
	Spec TeamSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status TeamStatus `json:"status,omitzero"`
}

// TeamList is a list of Teams.
//
// +kubebuilder:object:root=true
type TeamList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Team `json:"items"`
}
