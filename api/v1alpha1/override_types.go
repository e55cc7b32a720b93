package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// TemplateOverrides says where Components may leave the golden path.
type TemplateOverrides struct {
	// allow are the field paths that Component.spec.overrides may set. Default: none, so that nothing may be
	// overridden.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Allow []OpenPath `json:"allow,omitempty"`
}

// OpenPath opens one field of one resource, with all that is below it.
type OpenPath struct {
	// resource is the id of the resource in spec.resources.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Resource string `json:"resource,omitempty"`
	// path of the field in the object: names joined by dots, ["…"] around a name that is not a plain one, and
	// [name=app] for the element of a list with that key, [name=*] for any, such as
	// spec.template.spec.containers[name=app].resources. A path that ends at an element, or above it, lets
	// Components add such elements; one that goes into an element lets them change those that are there.
	// Never open, whatever the path: the name, the namespace, labels and annotations of Towpath, selectors,
	// the status, and what the guard refuses.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path,omitempty"`
}

// Override sets fields of an object of the golden path to values of the Component's own.
type Override struct {
	// resource is the id of the resource in the template. One that is left out in an environment is not
	// overridden there; of one with forEach, every object is.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Resource string `json:"resource,omitempty"`
	// patch is a part of the object, merged into it as server-side apply does: by the keys of lists as the
	// schema of the kind has them. It can set and add, not remove: null is refused, and so are keys that begin
	// with $, such as $patch. Expressions are not evaluated. Every field that it sets must be below a path that
	// the template opens in spec.overrides.allow. Limits: 16 KiB, 32 levels.
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Patch apiextensionsv1.JSON `json:"patch,omitzero"`
	// reason says why the Component leaves the golden path, for those who read it later. It is no part of the
	// version: to change it makes no Release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`
	// expires is the date, as in 2027-03-01, from whose beginning in UTC the override counts as expired. The
	// condition OverridesExpiring says so from 14 days before. An expired override stays in force, except in
	// environments whose class says dropExpiredOverrides. It is no part of the version: to change it makes no
	// Release. Default: it never expires.
	// +optional
	// +kubebuilder:validation:Format=date
	// +kubebuilder:validation:MaxLength=10
	Expires string `json:"expires,omitempty"`
}

// MergeStrategy says how a list or map of a patch goes into that of the object.
// +kubebuilder:validation:Enum=Keyed;Set;Atomic
type MergeStrategy string

// The strategies.
const (
	// MergeKeyed: a list whose elements are told apart by keys, and merged one by one.
	MergeKeyed MergeStrategy = "Keyed"
	// MergeSet: a list of different values, to which those of the patch are added.
	MergeSet MergeStrategy = "Set"
	// MergeAtomic: a map that is replaced as a whole.
	MergeAtomic MergeStrategy = "Atomic"
)

// MergeKey is one of the fields by which the elements of a list are told apart.
type MergeKey struct {
	// name of the field.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`
	// default is the value of an element that does not have the field. Default: every element must have it.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Default string `json:"default,omitempty"`
}

// MergeRule says how one list or map that a patch holds is merged. Lists without a rule are replaced as a
// whole, and maps are merged field by field.
type MergeRule struct {
	// path of the list or map in the object, with [*] for the elements of lists.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path,omitempty"`
	// strategy is how it is merged.
	// +required
	Strategy MergeStrategy `json:"strategy,omitempty"`
	// keys of a Keyed list.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Keys []MergeKey `json:"keys,omitempty"`
}

// ReleaseOverride is an override as it was when the Release was made, with what its merging needs to know of
// the kind's schema: the schema may change later, and the Release must not.
type ReleaseOverride struct {
	Override `json:",inline"`
	// merge are the rules by which lists and maps of the patch are merged. Default: lists are replaced.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=128
	Merge []MergeRule `json:"merge,omitempty"`
}
