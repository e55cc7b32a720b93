package v1alpha1

// Annotations of adopting and leaving, and one label.
const (
	// LabelAsFound stands on an object that was taken over and is still as it was found: only labels of Towpath
	// were added. It goes with the first Release that writes the object in full. It is a label since a Deployment
	// counts a change of its annotations as a new generation.
	LabelAsFound = LabelPrefix + "as-found"
	// AnnotationAdoptBy is the consent to be taken over. On an object of a workload namespace, its value is the
	// name of the Component that may take it over; on a namespace, the Environment as namespace/name, or the Team
	// whose home it may become. Whoever
	// may change the object may give it; without it Towpath touches nothing that it did not make.
	AnnotationAdoptBy = LabelPrefix + "adopt-by"
	// AnnotationKeep set to "true" on a workload namespace, by somebody who may change namespaces, keeps the
	// namespace and all that is in it when its Environment is deleted.
	AnnotationKeep = LabelPrefix + "keep"
	// AnnotationFound keeps, on a namespace that was taken over, which labels it bore before, as a JSON object. They
	// come back when it is let go.
	AnnotationFound = LabelPrefix + "found"
	// AnnotationFoundAnnotations keeps the annotations that it bore under the keys that its class sets.
	AnnotationFoundAnnotations = LabelPrefix + "found-annotations"
	// AnnotationHome names, on what an Environment makes, the Environment as namespace/name.
	AnnotationHome = LabelPrefix + "home"
)

// AdoptedObject names an object that ran before Towpath came.
type AdoptedObject struct {
	// resource is the id of the resource of the template in whose place the object stands. The resource must
	// make exactly one object, of the same kind.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Resource string `json:"resource,omitempty"`
	// name of the object in the workload namespace. It keeps that name; what refers to it follows.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// Adoption names what runs in an environment already, and is taken over as it was found.
type Adoption struct {
	// objects to take over. Each must bear the annotation platform.towpath.dev/adopt-by with the name of the
	// Component.
	// +required
	// +listType=map
	// +listMapKey=resource
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Objects []AdoptedObject `json:"objects,omitempty"`
	// podSelector are the labels by which the workload that is taken over finds its pods. A selector cannot
	// change: the workload keeps it, its pods go on bearing these labels, and Services and PodDisruptionBudgets
	// of the template select by them. Default: the selector of the template, which fits only what a golden path
	// made once.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63)",message="podSelector must hold label keys of at most 317 characters and values of at most 63"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('platform.towpath.dev/'))",message="podSelector must not hold labels of the prefix platform.towpath.dev/: they are Towpath's own; leave podSelector out where the workload selects by them"
	PodSelector map[string]string `json:"podSelector,omitempty"`
}

// DeletionPolicy says what becomes of what runs when the Component that made it is deleted.
// +kubebuilder:validation:Enum=Delete;Orphan
type DeletionPolicy string

// The policies.
const (
	// DeletionDelete: what runs is deleted.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionOrphan: what runs is let go: it runs on, and is nobody's.
	DeletionOrphan DeletionPolicy = "Orphan"
)
