// Package running finds a workload that runs already, with what belongs to it, and proves by a dry run what taking
// it over changes. It reads with the caller's own rights, and writes nothing.
package running

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
)

// Found is a workload with what belongs to it.
type Found struct {
	Workload *unstructured.Unstructured
	Others   []*unstructured.Unstructured
	// Notes say what could not be looked at.
	Notes []string
}

// surveyor is the state of one Find.
type surveyor struct {
	reader    client.Reader
	namespace string
	found     Found
	podLabels labels.Set
	services  map[string]bool
}

// Find reads a workload, and what selects its pods, scales it, protects it or leads to it.
func Find(ctx context.Context, reader client.Reader, namespace string, kind schema.GroupVersionKind, name string) (*Found, error) {
	s := &surveyor{reader: reader, namespace: namespace, services: map[string]bool{}}
	s.found.Workload = &unstructured.Unstructured{}
	s.found.Workload.SetGroupVersionKind(kind)
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s.found.Workload); err != nil {
		return nil, err
	}
	template, _ := adopt.PodTemplate(s.found.Workload)
	set, _, err := unstructured.NestedStringMap(template, "metadata", "labels")
	if err != nil {
		return nil, err
	}
	s.podLabels = set
	if err := s.account(ctx, template); err != nil {
		return nil, err
	}
	for _, look := range []struct {
		kind    schema.GroupVersionKind
		belongs func(map[string]any, string) bool
	}{
		{schema.GroupVersionKind{Version: "v1", Kind: "Service"}, s.service},
		{schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}, s.scales},
		{schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, func(spec map[string]any, _ string) bool { return s.selects(spec["selector"]) }},
		{schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, s.policy},
		{schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, s.leads},
		{schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}, s.leads},
	} {
		if err := s.list(ctx, look.kind, look.belongs); err != nil {
			return nil, err
		}
	}
	return &s.found, nil
}

// account reads the workload's own service account.
func (s *surveyor) account(ctx context.Context, template map[string]any) error {
	name, _, err := unstructured.NestedString(template, "spec", "serviceAccountName")
	if err != nil || name == "" || name == "default" {
		return err
	}
	account := &unstructured.Unstructured{}
	account.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"})
	err = s.reader.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, account)
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		s.note("ServiceAccount %s was not looked at: %v", name, err)
		return nil
	}
	if err == nil {
		s.found.Others = append(s.found.Others, account)
	}
	return err
}

func (s *surveyor) note(format string, args ...any) {
	s.found.Notes = append(s.found.Notes, fmt.Sprintf(format, args...))
}

// list takes those objects of a kind that belong to the workload.
func (s *surveyor) list(ctx context.Context, kind schema.GroupVersionKind, belongs func(spec map[string]any, name string) bool) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := s.reader.List(ctx, list, client.InNamespace(s.namespace))
	switch {
	case apierrors.IsForbidden(err):
		s.note("%s: you may not list them, so none was looked at: %v", kind.Kind, err)
		return nil
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || runtime.IsNotRegisteredError(err):
		s.note("%s: the cluster does not serve %s", kind.Kind, kind.GroupVersion())
		return nil
	case err != nil:
		return err
	}
	for i := range list.Items {
		object := &list.Items[i]
		spec, _ := object.Object["spec"].(map[string]any)
		if belongs(spec, object.GetName()) {
			object.SetGroupVersionKind(kind) // lists leave it out of their items
			s.found.Others = append(s.found.Others, object)
		}
	}
	return nil
}

func (s *surveyor) service(spec map[string]any, name string) bool {
	selector, _ := spec["selector"].(map[string]any)
	wanted := labels.Set{}
	for key, value := range selector {
		wanted[key] = fmt.Sprint(value)
	}
	if len(wanted) == 0 || !wanted.AsSelector().Matches(s.podLabels) {
		return false
	}
	s.services[name] = true
	return true
}

func (s *surveyor) scales(spec map[string]any, _ string) bool {
	target, _ := spec["scaleTargetRef"].(map[string]any)
	return target["kind"] == s.found.Workload.GetKind() && target["name"] == s.found.Workload.GetName()
}

// selects says whether a label selector that is not empty matches the pods.
func (s *surveyor) selects(value any) bool {
	object, _ := value.(map[string]any)
	var selector metav1.LabelSelector
	if len(object) == 0 || runtime.DefaultUnstructuredConverter.FromUnstructured(object, &selector) != nil {
		return false
	}
	parsed, err := metav1.LabelSelectorAsSelector(&selector)
	return err == nil && parsed.Matches(s.podLabels)
}

func (s *surveyor) policy(spec map[string]any, name string) bool {
	if selector, _ := spec["podSelector"].(map[string]any); len(selector) == 0 {
		s.note("NetworkPolicy %s holds for every pod of the namespace, and goes on to", name)
		return false
	}
	return s.selects(spec["podSelector"])
}

// leads says whether an Ingress or HTTPRoute leads to one of the Services.
func (s *surveyor) leads(spec map[string]any, _ string) bool {
	return slices.ContainsFunc(adopt.Backends(&unstructured.Unstructured{Object: map[string]any{"spec": spec}}), func(b adopt.Backend) bool {
		return s.services[b.Service]
	})
}
