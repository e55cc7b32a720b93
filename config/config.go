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
//go:embed catalog/*/template.yaml catalog/*/component.yaml catalog/classes/*.yaml
var files embed.FS

// Manifests are the manifests of one version of Towpath. The zero value is those of this one.
type Manifests struct{ files fs.FS }

// ManifestsIn are those of a folder config of another version, as an upgrade is tested from.
func ManifestsIn(folder fs.FS) Manifests { return Manifests{files: folder} }

// CRDs are the CustomResourceDefinitions of every kind of Towpath.
func (m Manifests) CRDs() []*unstructured.Unstructured { return m.read("crd/bases/*.yaml") }

// TypedCRDs are the same as CRDs, as envtest and internal/openapi want them.
func (m Manifests) TypedCRDs() []*apiextensionsv1.CustomResourceDefinition {
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, object := range m.CRDs() {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
			panic(fmt.Sprintf("definition %s: %v", object.GetName(), err))
		}
		crds = append(crds, crd)
	}
	return crds
}

// Namespaces are those of the installation: the manager's and the appliers'.
func (m Manifests) Namespaces() []*unstructured.Unstructured { return m.read("namespaces/*.yaml") }

// RBAC is the manager's service account, its roles, the appliers' and those of people. It needs
// Namespaces.
func (m Manifests) RBAC() []*unstructured.Unstructured { return m.read("rbac/*.yaml") }

// Policies are the ValidatingAdmissionPolicies and the MutatingAdmissionPolicy, each with a binding of the
// same name. The API server takes a moment until it enforces them.
func (m Manifests) Policies() []*unstructured.Unstructured { return m.read("policy/*.yaml") }

// WebhookConfiguration is the ValidatingWebhookConfiguration, first, the Secret that the manager
// keeps its certificate in, and the Service. It needs Namespaces.
func (m Manifests) WebhookConfiguration() []*unstructured.Unstructured {
	return m.read("webhook/*.yaml")
}

// Catalog are the golden paths that ship with Towpath.
func (m Manifests) Catalog() []*unstructured.Unstructured { return m.read("catalog/*/template.yaml") }

// Classes are the EnvironmentClasses that ship with Towpath.
func (m Manifests) Classes() []*unstructured.Unstructured { return m.read("catalog/classes/*.yaml") }

// CRDs are those of this version.
func CRDs() []*unstructured.Unstructured { return Manifests{}.CRDs() }

// Namespaces are those of this version.
func Namespaces() []*unstructured.Unstructured { return Manifests{}.Namespaces() }

// RBAC is that of this version.
func RBAC() []*unstructured.Unstructured { return Manifests{}.RBAC() }

// Policies are those of this version.
func Policies() []*unstructured.Unstructured { return Manifests{}.Policies() }

// WebhookConfiguration is that of this version.
func WebhookConfiguration() []*unstructured.Unstructured { return Manifests{}.WebhookConfiguration() }

// Manager is the Deployment of the manager. It needs all of the others.
func Manager() []*unstructured.Unstructured { return Manifests{}.read("manager/*.yaml") }

// Catalog are the golden paths of this version.
func Catalog() []*unstructured.Unstructured { return Manifests{}.Catalog() }

// Examples are a Component of each golden path of this version, as its README shows one.
func Examples() []*unstructured.Unstructured { return Manifests{}.read("catalog/*/component.yaml") }

// Classes are the EnvironmentClasses of this version.
func Classes() []*unstructured.Unstructured { return Manifests{}.Classes() }

// TypedCRDs are those of this version.
func TypedCRDs() []*apiextensionsv1.CustomResourceDefinition { return Manifests{}.TypedCRDs() }

// read decodes the objects of the files that a pattern names, in the order of the files' names and
// of the documents in them. Each call decodes anew, so that the caller may change the objects. A
// failure means that the program was built from a broken tree.
func (m Manifests) read(pattern string) []*unstructured.Unstructured {
	folder := m.files
	if folder == nil {
		folder = files
	}
	names, err := fs.Glob(folder, pattern)
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("no manifests for %s: %v", pattern, err))
	}
	slices.Sort(names)
	var objects []*unstructured.Unstructured
	for _, name := range names {
		if path.Base(name) == "kustomization.yaml" {
			continue
		}
		decoded, err := decode(folder, name)
		if err != nil {
			panic(fmt.Sprintf("manifest %s: %v", name, err))
		}
		objects = append(objects, decoded...)
	}
	return objects
}

func decode(folder fs.FS, name string) ([]*unstructured.Unstructured, error) {
	data, err := fs.ReadFile(folder, name)
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
