package definitions_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/definitions"
)

// environments is the definition of Environments, after a change.
func environments(t *testing.T, change func(spec map[string]apiextensionsv1.JSONSchemaProps)) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	for _, crd := range config.TypedCRDs() {
		if crd.Name == "environments.platform.towpath.dev" {
			change(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties)
			return crd
		}
	}
	t.Fatal("there is no such definition")
	return nil
}

func same(map[string]apiextensionsv1.JSONSchemaProps) {}

func TestBeyondNamesTheFieldsThatOneHasAndTheOtherHasNot(t *testing.T) {
	older := environments(t, func(spec map[string]apiextensionsv1.JSONSchemaProps) {
		delete(spec, "sleep")
		delete(spec["classRef"].Properties, "name")
	})
	if got, want := definitions.Beyond(environments(t, same), older), []string{"v1alpha1:spec.classRef.name", "v1alpha1:spec.sleep"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := definitions.Beyond(older, environments(t, same)); len(got) > 0 {
		t.Errorf("the older one has nothing that the newer has not, but got %v", got)
	}
}

func TestBeyondLooksIntoListsAndMaps(t *testing.T) {
	text, object := apiextensionsv1.JSONSchemaProps{Type: "string"}, func(p map[string]apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
		return &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: p}
	}
	crd := func(element map[string]apiextensionsv1.JSONSchemaProps) *apiextensionsv1.CustomResourceDefinition {
		return &apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Schema: &apiextensionsv1.CustomResourceValidation{
				OpenAPIV3Schema: object(map[string]apiextensionsv1.JSONSchemaProps{
					"list": {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: object(element)}},
					"map":  {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: object(element)}},
				}),
			}}},
		}}
	}
	newer := crd(map[string]apiextensionsv1.JSONSchemaProps{"a": text, "b": text})
	older := crd(map[string]apiextensionsv1.JSONSchemaProps{"a": text})
	if got, want := definitions.Beyond(newer, older), []string{"v1:list[*].b", "v1:map.*.b"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	keep := true
	older.Spec.Versions[0].Schema.OpenAPIV3Schema.XPreserveUnknownFields = &keep
	if got := definitions.Beyond(newer, older); len(got) > 0 {
		t.Errorf("where everything is kept, nothing is dropped, but got %v", got)
	}
	older.Spec.Versions[0].Name = "v0"
	if got, want := definitions.Beyond(newer, older), []string{"v1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// report is what Report logs in a cluster with these definitions.
func report(t *testing.T, crds ...client.Object) string {
	t.Helper()
	var log strings.Builder
	if err := definitions.Report(t.Context(), cluster(t, crds...).Build(), func(message string, values ...any) {
		_, _ = fmt.Fprintln(&log, message, values)
	}); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func cluster(t *testing.T, crds ...client.Object) *fake.ClientBuilder {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(crds...)
}

func TestReportSaysWhatTheClusterLacksAndWhatTheManagerDoesNotKnow(t *testing.T) {
	older := environments(t, func(spec map[string]apiextensionsv1.JSONSchemaProps) { delete(spec, "sleep") })
	if got := report(t, older); !strings.Contains(got, "environments.platform.towpath.dev") || !strings.Contains(got, "v1alpha1:spec.sleep") ||
		!strings.Contains(got, "older") || strings.Contains(got, "newer") {
		t.Errorf("got %s", got)
	}
	newer := environments(t, func(spec map[string]apiextensionsv1.JSONSchemaProps) {
		spec["dream"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
	})
	if got := report(t, newer); !strings.Contains(got, "v1alpha1:spec.dream") || !strings.Contains(got, "newer") || strings.Contains(got, "older") {
		t.Errorf("got %s", got)
	}
	if got := report(t, environments(t, same)); got != "" {
		t.Errorf("nothing differs, but got %s", got)
	}
}

func TestReportReturnsWhatKeepsItFromReading(t *testing.T) {
	broken := cluster(t).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewInternalError(errors.New("no"))
		},
	}).Build()
	if err := definitions.Report(t.Context(), broken, func(string, ...any) {}); err == nil {
		t.Error("the error is lost")
	}
}
