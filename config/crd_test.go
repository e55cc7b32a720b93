package config_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// definition is one of our kinds as the API server has it.
func definition(t *testing.T, file string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var written apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &written); err != nil {
		t.Fatal(err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&written)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&written.Spec)
	made := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&written, made, nil); err != nil {
		t.Fatal(err)
	}
	made.Status.StoredVersions = []string{written.Spec.Versions[0].Name}
	return made
}

// TestDefinitionsAreTaken says without an API server what that would refuse, such as a rule that could cost too much.
func TestDefinitionsAreTaken(t *testing.T) {
	files, err := filepath.Glob("crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for _, wrong := range validation.ValidateCustomResourceDefinition(context.Background(), definition(t, file)) {
			t.Errorf("%s: %v", file, wrong)
		}
	}
}

// TestAQuotaHasNoExponent has amounts that Kubernetes' parser would not end with: they must be refused before any webhook is asked.
func TestAQuotaHasNoExponent(t *testing.T) {
	made := definition(t, "crd/bases/platform.towpath.dev_environments.yaml")
	whole := made.Spec.Validation
	if whole == nil {
		whole = made.Spec.Versions[0].Schema
	}
	structural, err := schema.NewStructural(whole.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	for amount, fits := range map[any]bool{
		"1e-999999999": false, "1E+100": false, "1E9999": false, "1e3": false, "1e1.5": false, "1E1.5": false, "1e999999999.": false, "1E9.": false, "1e.5": false, "-1E.5": false,
		"5Ei": true, "5E": true, "2.5Gi": true, "100m": true, int64(5): true,
	} {
		environment := map[string]any{
			"apiVersion": "platform.towpath.dev/v1alpha1", "kind": "Environment", "metadata": map[string]any{"name": "a"},
			"spec": map[string]any{"classRef": map[string]any{"name": "x"}, "quota": map[string]any{"pods": amount}},
		}
		wrong, _ := rules.Validate(t.Context(), nil, structural, environment, nil, celconfig.RuntimeCELCostBudget)
		if fits != (len(wrong) == 0) {
			t.Errorf("%v: %v", amount, wrong)
		}
	}
}
