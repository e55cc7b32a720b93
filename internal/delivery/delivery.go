// Package delivery is what becomes of a Release in an Environment whose class delivers by Git: which files, where in the
// repository, with which text. A tool that follows the repository, such as Argo CD or Flux, applies them. Package remote writes
// them; this one only says what to write: values in, values out.
package delivery

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Component is the one that a Release is of.
type Component struct {
	// Namespace is the team namespace.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Environment is where a Release runs.
type Environment struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
	// Namespace is the workload namespace, Class the name of the class, and Tier that of the class.
	Namespace string `json:"-"`
	Class     string `json:"-"`
	Tier      string `json:"-"`
}

// Target is a Component in an Environment: what has a directory of its own.
type Target struct {
	// Team is the value of the team label.
	Team        string
	Component   Component
	Environment Environment
}

func (t Target) String() string {
	return fmt.Sprintf("Component %s/%s in Environment %s", t.Component.Namespace, t.Component.Name, t.Environment.Name)
}

// Release is one to deliver.
type Release struct {
	Target
	Name string
	UID  string
	// Number counts the Releases of the Target upwards; a lower one never takes the place of a higher one.
	Number int64
	// Objects are what the Release renders to. They are read, never changed.
	Objects []*unstructured.Unstructured
	// LastDelivered is when the branch that is followed was last seen to hold the Release; zero for never. What was proposed before
	// then is part of that branch by now: should it not hold the Release any more, only a commit made since could be merged.
	LastDelivered time.Time

	// What follows is told to people, in the commit's message, and decides nothing.

	// Cause says why the Release was made.
	Cause string
	Image string
	// Commit is the one of the service that the image was built from, and Summary what its author said of it.
	Commit, Summary string
	// Authors wrote or asked for the version; Approvers let it in.
	Authors, Approvers []string
}
