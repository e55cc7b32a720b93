// Package definitions compares the kinds that a cluster serves with those that the manager was built with. They differ while
// an upgrade is under way, and for good where it stopped half-way: the API server then drops what it does not know, and the
// manager does not see what it does not know, and neither shows anywhere else.
package definitions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/config"
)

// Log takes a message with keys and values.
type Log func(message string, keysAndValues ...any)

// Report logs where the definitions in the cluster differ from those of config/crd. A difference does not keep the manager from
// starting: what runs goes on by what both know.
func Report(ctx context.Context, reader client.Reader, log Log) error {
	for _, shipped := range config.TypedCRDs() {
		served, err := read(ctx, reader, shipped.Name)
		if apierrors.IsNotFound(err) {
			continue // controllers say that their kind is not there
		}
		if err != nil {
			return fmt.Errorf("reading CustomResourceDefinition %s: %w", shipped.Name, err)
		}
		if missing := Beyond(shipped, served); len(missing) > 0 {
			log("The cluster's definition is of an older version, and drops fields that this manager knows: apply config/crd of this version",
				"definition", shipped.Name, "fields", short(missing))
		}
		if unknown := Beyond(served, shipped); len(unknown) > 0 {
			log("The cluster's definition is of a newer version, and has fields that are without effect with this manager: run the manager of that version",
				"definition", shipped.Name, "fields", short(unknown))
		}
	}
	return nil
}

// read reads a definition. The manager's scheme does not have them.
func read(ctx context.Context, reader client.Reader, name string) (*apiextensionsv1.CustomResourceDefinition, error) {
	live, crd := &unstructured.Unstructured{}, &apiextensionsv1.CustomResourceDefinition{}
	live.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, live); err != nil {
		return nil, err
	}
	return crd, runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, crd)
}

// short is a list of fields that fits into a line.
func short(fields []string) string {
	const most = 12
	text := strings.Join(fields[:min(most, len(fields))], ", ")
	if more := len(fields) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Beyond are the fields that one definition has and another has not, in versions that both have, and the versions that the other
// has not: each as version:path, sorted. Of a field that is missing, those in it are not named.
func Beyond(one, other *apiextensionsv1.CustomResourceDefinition) []string {
	versions := map[string]*apiextensionsv1.JSONSchemaProps{}
	for i := range other.Spec.Versions {
		if v := &other.Spec.Versions[i]; v.Schema != nil {
			versions[v.Name] = v.Schema.OpenAPIV3Schema
		}
	}
	var all []string
	for i := range one.Spec.Versions {
		v := &one.Spec.Versions[i]
		schema, ok := versions[v.Name]
		switch {
		case !ok:
			all = append(all, v.Name)
		case v.Schema != nil:
			for _, path := range beyond(v.Schema.OpenAPIV3Schema, schema, "") {
				all = append(all, v.Name+":"+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

func beyond(one, other *apiextensionsv1.JSONSchemaProps, path string) []string {
	if one == nil || other == nil || other.XPreserveUnknownFields != nil && *other.XPreserveUnknownFields {
		return nil // everything is kept
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(one.Properties)) {
		field := strings.TrimPrefix(path+"."+name, ".")
		there, ok := other.Properties[name]
		if !ok {
			all = append(all, field)
			continue
		}
		here := one.Properties[name]
		all = append(all, beyond(&here, &there, field)...)
	}
	if one.Items != nil && other.Items != nil {
		all = append(all, beyond(one.Items.Schema, other.Items.Schema, path+"[*]")...)
	}
	if one.AdditionalProperties != nil && other.AdditionalProperties != nil {
		all = append(all, beyond(one.AdditionalProperties.Schema, other.AdditionalProperties.Schema, path+".*")...)
	}
	return all
}
