// Package config embeds the manifests of this folder, so that the demo, the suites and the CLI use
// the very files that an installation applies.
package config

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed crd/bases/*.yaml namespaces/*.yaml rbac/*.yaml policy/*.yaml webhook/*.yaml manager/*.yaml
//go:embed catalog/*/template.yaml catalog/classes/*.yaml
var files embed.FS

// CRDs are the CustomResourceDefinitions of every kind of Towpath.
func CRDs() []*unstructured.Unstructured { return read("crd/bases/*.yaml") }

// Namespaces are those of the installation: the manager's and the appliers'.
func Namespaces() []*unstructured.Unstructured { return read("namespaces/*.yaml") }

// RBAC is the manager's service account, its roles, the appliers' and those of people. It needs
// Namespaces.
func RBAC() []*unstructured.Unstructured { return read("rbac/*.yaml") }

// Policies are the ValidatingAdmissionPolicies and the MutatingAdmissionPolicy, each with a binding of the
// same name. The API server takes a moment until it enforces them.
func Policies() []*unstructured.Unstructured { return read("policy/*.yaml") }

// WebhookConfiguration is the ValidatingWebhookConfiguration, first, the Secret that the manager
// keeps its certificate in, and the Service. It needs Namespaces.
func WebhookConfiguration() []*unstructured.Unstructured { return read("webhook/*.yaml") }

// Manager is the Deployment of the manager. It needs all of the others.
func Manager() []*unstructured.Unstructured { return read("manager/*.yaml") }

// Catalog are the golden paths that ship with Towpath.
func Catalog() []*unstructured.Unstructured { return read("catalog/*/template.yaml") }

// Classes are the EnvironmentClasses that ship with Towpath.
func Classes() []*unstructured.Unstructured { return read("catalog/classes/*.yaml") }

// TypedCRDs are the same as CRDs, as envtest and internal/openapi want them.
func TypedCRDs() []*apiextensionsv1.CustomResourceDefinition {
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, object := range CRDs() {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
			panic(fmt.Sprintf("embedded definition %s: %v", object.GetName(), err))
		}
		crds = append(crds, crd)
	}
	return crds
}

// read decodes the objects of the files that a pattern names, in the order of the files' names and
// of the documents in them. Each call decodes anew, so that the caller may change the objects. A
// failure means that the program was built from a broken tree.
func read(pattern string) []*unstructured.Unstructured {
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("no embedded files for %s: %v", pattern, err))
	}
	slices.Sort(names)
	var objects []*unstructured.Unstructured
	for _, name := range names {
		if path.Base(name) == "kustomization.yaml" {
			continue
		}
		decoded, err := decode(name)
		if err != nil {
			panic(fmt.Sprintf("embedded %s: %v", name, err))
		}
		objects = append(objects, decoded...)
	}
	return objects
}

func decode(name string) ([]*unstructured.Unstructured, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
