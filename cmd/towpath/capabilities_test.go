package main

import (
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestCapabilitiesSaysWhatIsThereAndWhatItWouldChange(t *testing.T) {
	path, _ := webService(t)
	running := func(name string, capabilities ...string) *platformv1alpha1.Release {
		return &platformv1alpha1.Release{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name},
			Spec:       platformv1alpha1.ReleaseSpec{Template: "web-service", Capabilities: capabilities},
		}
	}
	superseded := running("storefront-prod-1", "gateway.networking.k8s.io/v1/HTTPRoute")
	now := metav1.Now()
	superseded.Status.SupersededAt = &now
	objects := []client.Object{path, running("checkout-prod-1"), running("storefront-prod-2", "gateway.networking.k8s.io/v1/HTTPRoute"), superseded}
	expect(t, towpath(t, objects, "capabilities"), exitOK, `
CAPABILITY                              SERVED  ENABLES            BEHIND
gateway.networking.k8s.io/v1/HTTPRoute  no      web-service/route  team-shop/storefront-prod-2
`, "")
	got := towpath(t, objects, "capabilities", "-o", "json")
	for _, want := range []string{`"kind": "Capabilities"`, `"served": false`, `"web-service/route"`, `"team-shop/storefront-prod-2"`} {
		if got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("want %s, got %+v", want, got)
		}
	}
	expect(t, towpath(t, nil, "capabilities"), exitOK, "no golden path asks for an optional API\n", "")
}

// A service that makes nothing of an optional API is not behind for it.
func TestCapabilitiesNamesThoseWhoseNextReleaseDiffers(t *testing.T) {
	for parameters, want := range map[string]string{`{}`: "-", `{"route": {"hosts": ["shop.example.com"]}}`: "team-shop/checkout-dev-1"} {
		for _, cause := range []platformv1alpha1.Cause{platformv1alpha1.CauseImageChange, platformv1alpha1.CauseAdoption} {
			path, _ := webService(t)
			objects := append(ejectable(t, cause), path)
			for _, object := range objects {
				if release, ok := object.(*platformv1alpha1.Release); ok {
					release.Spec.Capabilities = []string{"gateway.networking.k8s.io/v1/HTTPRoute"}
					release.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(parameters)}
				}
			}
			expect(t, towpath(t, objects, "capabilities"), exitOK, fmt.Sprintf(`
CAPABILITY                              SERVED  ENABLES            BEHIND
gateway.networking.k8s.io/v1/HTTPRoute  no      web-service/route  %s
`, want), "")
		}
	}
}

func TestConvertPrintsTheComponentAndNamesTheRest(t *testing.T) {
	workload := "apiVersion: score.dev/v1b1\nmetadata: {name: mailer}\ncontainers:\n  app: {image: registry.example/mailer:1, command: [/run]}\n"
	expect(t, offlineCall(t, workload, "convert", "-", "-n", "team-shop", "-e", "dev,prod"), exitFindings, `
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata:
  name: mailer
  namespace: team-shop
spec:
  environments:
  - name: dev
  - name: prod
  image: registry.example/mailer:1
  templateRef:
    name: worker
`, `
note: golden path worker: it has no service port
not mapped: containers.app.command: golden paths run the image's own entry point; put the command into the image, or its arguments into args
`)
	got := offlineCall(t, "apiVersion: v1\n", "convert", "-")
	if got.code != exitTrouble || !strings.Contains(got.err, "towpath: -: not a Score workload of score.dev/v1b1") {
		t.Errorf("got %+v", got)
	}
}
