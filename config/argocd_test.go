package config_test

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// Whoever takes the component keeps the settings of Argo CD that there are.
func TestHealthChecksJoinTheSettingsOfArgoCD(t *testing.T) {
	script, err := os.ReadFile("argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	settings := one[corev1.ConfigMap](t, built(t, "testdata/argocd"), "ConfigMap", "argocd-cm")
	if settings.Namespace != "argocd" || settings.Data["url"] != "https://argocd.example" ||
		settings.Data["resource.customizations.health.platform.towpath.dev_Component"] != string(script) {
		t.Errorf("got %s %v", settings.Namespace, settings.Data)
	}
}
