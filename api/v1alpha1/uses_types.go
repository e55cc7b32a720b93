package v1alpha1

import "k8s.io/apimachinery/pkg/util/intstr"

// Use is one Component that another one uses.
type Use struct {
	// component is the name of a Component in the same namespace. In each environment of the path it is the one
	// that runs there: its outputs are taken over, calls to it are allowed, and the first Release waits until it
	// was Ready there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Component string `json:"component,omitempty"`
	// as is the name under which templates and variables know it: the output host of db is the variable DB_HOST.
	// Default: the Component's name in camel case, such as ordersDb for orders-db.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9]*$`
	As string `json:"as,omitempty"`
}

// TemplateOutput is one thing that a golden path's Components tell those who use them.
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.secretKeyRef)",message="must have either value or secretKeyRef"
type TemplateOutput struct {
	// name of the output. Who uses the Component as db finds it as ${uses.db.<name>} and in the environment
	// variable DB_<NAME>.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9]*$`
	Name string `json:"name,omitempty"`
	// value may hold expressions as ${…}, with the variables of resources and their objects as resources.<id>.
	// It must give a string, number or bool; optional.none() leaves the output out. Not for secrets.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
	// secretKeyRef names a key of a Secret in the workload namespace, for what nobody but the pods may see. The
	// environment variable takes its value from there; Towpath never reads it.
	// +optional
	SecretKeyRef *TemplateSecretKey `json:"secretKeyRef,omitempty"`
}

// TemplateSecretKey names a key of a Secret, by text that may hold expressions as ${…}.
type TemplateSecretKey struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Name string `json:"name,omitempty"`
	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Key string `json:"key,omitempty"`
}

// TemplateEndpoint is where those who use a Component connect.
type TemplateEndpoint struct {
	// podLabels select the pods in the workload namespace; values may hold expressions as ${…}.
	// Default: Towpath's labels of the Component and its environment, which its pods bear.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	PodLabels map[string]string `json:"podLabels,omitempty"`
	// ports of the pods that are called, by TCP: numbers, or one whole ${…} that gives a number.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Ports []intstr.IntOrString `json:"ports,omitempty"`
}

// ReleaseOutput is one output as it is in one environment.
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.secretKeyRef)",message="must have either value or secretKeyRef"
type ReleaseOutput struct {
	// name of the output.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// value of the output.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value *string `json:"value,omitempty"`
	// secretKeyRef is where the value stands, in the workload namespace.
	// +optional
	SecretKeyRef *SecretKeyReference `json:"secretKeyRef,omitempty"`
}

// ReleaseEndpoint is where those who use a Component connect, as it is in one environment.
type ReleaseEndpoint struct {
	// podLabels select the pods in the workload namespace.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	PodLabels map[string]string `json:"podLabels,omitempty"`
	// ports of the pods that are called, by TCP.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=65535
	Ports []int32 `json:"ports,omitempty"`
}

// ReleaseUse is one Component that a Release uses, with what it gave when the Release was made.
type ReleaseUse struct {
	// component is the name of the Component that is used.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Component string `json:"component,omitempty"`
	// as is the name under which templates and variables know it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	As string `json:"as,omitempty"`
	// outputs of the Component in the environment.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Outputs []ReleaseOutput `json:"outputs,omitempty"`
	// endpoint of the Component in the environment. Default: none, nothing is called there.
	// +optional
	Endpoint *ReleaseEndpoint `json:"endpoint,omitempty"`
}
