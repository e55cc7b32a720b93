// Package v1alpha1 contains the API of Towpath, group platform.towpath.dev, version v1alpha1.
//
// Four kinds are written by people: a platform engineer writes EnvironmentClass and
// ServiceTemplate, a developer writes Environment and Component. Two are records that the
// controllers write: ServiceTemplateRevision and Release, both immutable.
//
// Conventions: conditions instead of phases (conditions.go lists every type and reason),
// durations in seconds, references end in Ref and stay inside their namespace, every string,
// list and map is bounded.
//
// +kubebuilder:object:generate=true
// +groupName=platform.towpath.dev
package v1alpha1
