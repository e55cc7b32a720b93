package main

import (
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestBesideImage(t *testing.T) {
	const at = "registry.example/shop/checkout@sha256:a"
	b := &platformv1alpha1.Build{Status: platformv1alpha1.BuildStatus{Evidence: []platformv1alpha1.Evidence{{Type: platformv1alpha1.EvidenceSignature, Location: at}}}}
	for location, want := range map[string]string{
		"": "", at: ", Signature at " + at, at + "b": ", says that it put " + at + "b beside the image",
	} {
		if got := besideImage(b, &platformv1alpha1.BuildStage{Name: "sign", Evidence: location}); got != want {
			t.Errorf("of %q it says %q, want %q", location, got, want)
		}
	}
}
