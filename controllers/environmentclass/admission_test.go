package environmentclass_test

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/controllers/environmentclass"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestValidator_WarnsOfDeliveryThatWillBeRefusedOrRead(t *testing.T) {
	argo := func(project string) *platformv1alpha1.GitReconciler {
		return &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: "argocd", Project: project}
	}
	for name, tc := range map[string]struct {
		url        string
		reconciler *platformv1alpha1.GitReconciler
		want       []string
	}{
		"followed by people":     {"https://git.example/deploy", nil, nil},
		"a project of its own":   {"https://git.example/deploy", argo("deliveries"), nil},
		"no project":             {"https://git.example/deploy", argo(""), []string{"reconciler.project"}},
		"the project for all":    {"ssh://git@git.example/deploy", argo("default"), []string{"reconciler.project"}},
		"Flux, which has none":   {"https://git.example/deploy", &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerFlux, Namespace: "flux-system"}, nil},
		"over plain HTTP":        {"http://git.example/deploy", nil, []string{"git.url"}},
		"both, which are likely": {"http://git.example/deploy", argo(""), []string{"git.url", "reconciler.project"}},
	} {
		t.Run(name, func(t *testing.T) {
			class := &platformv1alpha1.EnvironmentClass{Spec: platformv1alpha1.EnvironmentClassSpec{Delivery: &platformv1alpha1.Delivery{
				Mode: platformv1alpha1.DeliveryGit, Git: &platformv1alpha1.GitDelivery{URL: tc.url, Path: "{team}/{environment}/{component}", Reconciler: tc.reconciler},
			}}}
			v := &environmentclass.Validator{}
			created, err := v.ValidateCreate(t.Context(), class)
			if err != nil {
				t.Fatal(err)
			}
			updated, err := v.ValidateUpdate(t.Context(), class, class)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range [][]string{created, updated} {
				if len(got) != len(tc.want) {
					t.Fatalf("it warns %q, want of %q", got, tc.want)
				}
				for i, of := range tc.want {
					if !strings.HasPrefix(got[i], "spec.delivery.git") || !strings.Contains(got[i], of) {
						t.Errorf("it warns %q, want of %q", got[i], of)
					}
				}
			}
		})
	}
}
