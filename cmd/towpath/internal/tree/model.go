// Package tree shows what runs: team, component, environment, release, object. It reads the cluster
// once, builds a Report from what it read, and prints it.
package tree

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Version and kind of a Report. Fields are only ever added within a version.
const (
	ReportAPIVersion = "cli.platform.towpath.dev/v1alpha1"
	ReportKind       = "Status"
)

// Health sums up conditions in the way of kstatus.
type Health string

// The healths, from best to worst.
const (
	// Ready: it does what its spec asks for.
	Ready Health = "Ready"
	// Progressing: it is on its way.
	Progressing Health = "Progressing"
	// Unknown: the controller has not looked at it yet.
	Unknown Health = "Unknown"
	// Missing: it is not there.
	Missing Health = "Missing"
	// Failed: it will not get there until somebody changes something.
	Failed Health = "Failed"
)

// Report is what `towpath status -o json` prints.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Teams, ordered by home namespace.
	Teams []Team `json:"teams"`
	// Next are the commands that help, most urgent first.
	Next []Step `json:"next"`
}

// Step is a command that helps, and why.
type Step struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

// Team is one home namespace.
type Team struct {
	// Name and CostCenter are empty where the namespace lacks the label.
	Name       string `json:"name"`
	CostCenter string `json:"costCenter"`
	Namespace  string `json:"namespace"`
	// Components, ordered by name.
	Components []Component `json:"components"`
	// Unused are environments in no Component's path.
	Unused []Environment `json:"unusedEnvironments,omitempty"`
}

// Condition is one condition, without its times.
type Condition struct {
	Status  metav1.ConditionStatus `json:"status"`
	Reason  string                 `json:"reason,omitempty"`
	Message string                 `json:"message,omitempty"`
}

// Component is one service and its path.
type Component struct {
	Name     string `json:"name"`
	Template string `json:"template"`
	// PinnedRevision is 0 where the Component follows the newest revision.
	PinnedRevision int64     `json:"pinnedRevision,omitempty"`
	Image          string    `json:"image"`
	Health         Health    `json:"health"`
	Ready          Condition `json:"ready"`
	Promoted       Condition `json:"promoted"`
	// OverridesExpiring says which overrides expire soon, or have expired, and what happens then; nil where none does.
	OverridesExpiring *Condition `json:"overridesExpiring,omitempty"`
	// PipelineBehind says that the workflow in the repository is not the one of the golden path; nil where nobody says so.
	PipelineBehind *Condition `json:"pipelineBehind,omitempty"`
	// EstimatedCost is what it is estimated to cost a month in all environments; nil where nothing runs.
	EstimatedCost *platformv1alpha1.CostSum `json:"estimatedCost,omitempty"`
	// Environments, in the order of the path.
	Environments []Environment `json:"environments"`
}

// Environment is one step of a path.
type Environment struct {
	Name      string                `json:"name"`
	Class     string                `json:"class,omitempty"`
	Tier      platformv1alpha1.Tier `json:"tier,omitempty"`
	Namespace string                `json:"namespace,omitempty"`
	// Health of the Environment itself: Missing where it does not exist.
	Health Health    `json:"health"`
	Ready  Condition `json:"ready"`
	// ExpiresAt is when the environment ends, with everything in it; absent for never.
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// Expiring says that this is near; nil where it is not.
	Expiring *Condition `json:"expiring,omitempty"`
	// Sleep says that the environment sleeps; nil where it is awake.
	Sleep *Sleep `json:"sleep,omitempty"`
	// Waiting is what the Component waits for here: a reason and a message.
	Waiting *Condition `json:"waiting,omitempty"`
	// RollbackTo is the number of the Release that somebody brought back and holds the environment at; 0 for none.
	RollbackTo int64 `json:"rollbackTo,omitempty"`
	// Release that is assigned here; nil before the first.
	Release *Release `json:"release,omitempty"`
	// Pending is the Release that waits to enter; nil for none.
	Pending *Pending `json:"pending,omitempty"`
}

// Sleep is that of an environment.
type Sleep struct {
	// Since and Until are since when, and until when; nil where it does not wake by itself.
	Since *metav1.Time `json:"since"`
	Until *metav1.Time `json:"until,omitempty"`
}

// Pending is a Release that waits for the gate of an environment.
type Pending struct {
	Name      string      `json:"name"`
	Number    int64       `json:"number"`
	Image     string      `json:"image"`
	CreatedAt metav1.Time `json:"createdAt"`
	// Commit that the image was built from; nil where nobody said.
	Commit *Commit `json:"commit,omitempty"`
	// ApprovedBy are those who approved it so far.
	ApprovedBy []string `json:"approvedBy,omitempty"`
}

// Release is the version that is assigned to an environment.
type Release struct {
	Name      string                 `json:"name"`
	Number    int64                  `json:"number"`
	Revision  int64                  `json:"revision"`
	Image     string                 `json:"image"`
	Cause     platformv1alpha1.Cause `json:"cause"`
	CreatedAt metav1.Time            `json:"createdAt"`
	// Commit that the image was built from; nil where nobody said.
	Commit *Commit   `json:"commit,omitempty"`
	Health Health    `json:"health"`
	Ready  Condition `json:"ready"`
	// Ports of the pods that others call, where the golden path names any.
	Ports []int32 `json:"ports,omitempty"`
	// Objects, in the order of the inventory.
	Objects []Object `json:"objects"`
	// Checks, where the Release has any.
	Checks []Check `json:"checks,omitempty"`
	// EstimatedCost is what it was estimated to cost a month; nil where that is not known.
	EstimatedCost *platformv1alpha1.EstimatedCost `json:"estimatedCost,omitempty"`
}

// Commit is what a Release was built from, as whoever committed wrote it.
type Commit struct {
	SHA         string       `json:"sha"`
	Author      string       `json:"author,omitempty"`
	CommittedAt *metav1.Time `json:"committedAt,omitempty"`
	// LeadTimeSeconds is how long it took from the commit until the Release was Ready for the first time; nil where that is not
	// known, or the Release brings no new commit.
	LeadTimeSeconds *int64 `json:"leadTimeSeconds,omitempty"`
	// New is how many commits it brings to its environment, as Builds say it, and OldestCommittedAt when the oldest of them was made;
	// nil where that is not known.
	New               *int32       `json:"new,omitempty"`
	OldestCommittedAt *metav1.Time `json:"oldestCommittedAt,omitempty"`
	// LongestLeadTimeSeconds is the lead time of the oldest of them.
	LongestLeadTimeSeconds *int64 `json:"longestLeadTimeSeconds,omitempty"`
}

// Check is one check of a Release.
type Check struct {
	Name   string                       `json:"name"`
	Origin platformv1alpha1.CheckOrigin `json:"origin"`
	// Health is Ready where it has passed.
	Health    Health `json:"health"`
	Succeeded int32  `json:"succeeded"`
	Count     int32  `json:"count"`
	Failed    int32  `json:"failed"`
	Message   string `json:"message,omitempty"`
	// Job that it ran last, in the namespace of the environment.
	Job string `json:"job,omitempty"`
}

// Object is one object of a Release.
type Object struct {
	Resource   string `json:"resource"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Health     Health `json:"health"`
	Message    string `json:"message,omitempty"`
}
