package adopt_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
)

// owner records that a manager owns fields.
func owner(object *unstructured.Unstructured, manager, subresource, fields string) {
	object.SetManagedFields(append(object.GetManagedFields(), metav1.ManagedFieldsEntry{
		Manager: manager, Operation: "Update", Subresource: subresource, APIVersion: object.GetAPIVersion(), FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}))
}

// The guide has people consent first. Who annotates owns the annotation alone, and says nothing of what is wanted.
func TestFitIsTheSameAfterConsent(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := input(t, templateOf(string(text)), string(text))
			for _, object := range append(in.Others, in.Workload) {
				owner(object, "kubectl-annotate", "", `{"f:metadata":{"f:annotations":{".":{},"f:platform.towpath.dev/adopt-by":{}}}}`)
				owner(object, "kube-controller-manager", "status", `{"f:status":{"f:replicas":{}}}`)
			}
			proposal, err := adopt.Fit(in)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".golden")
			if got := show(t, proposal); err != nil || got != string(want) {
				t.Errorf("%v; the consent changes the proposal: got\n%s", err, got)
			}
		})
	}
}

// After eject nobody owns what was let go of, and whoever changes one field then owns that alone.
func TestFitReadsWhatNobodyOwns(t *testing.T) {
	text, err := os.ReadFile("testdata/handwritten.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, "web-service", string(text))
	owner(in.Workload, "kubectl-set", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}}`)
	owner(in.Workload, "kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`)
	proposal, err := adopt.Fit(in)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/handwritten.golden")
	if got := show(t, proposal); err != nil || got != string(want) {
		t.Errorf("%v; got\n%s", err, got)
	}
}

func TestManagersAreThoseWhoSayWhatIsWanted(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	owner(object, "helm", "", `{"f:spec":{"f:replicas":{}}}`)
	owner(object, "kubectl-annotate", "", `{"f:metadata":{"f:annotations":{}}}`)
	owner(object, "kubectl-edit", "", `{"f:spec":{"f:paused":{}}}`)
	owner(object, "kube-controller-manager", "", `{"f:spec":{"f:replicas":{}}}`)
	if got := strings.Join(adopt.Managers(object), " "); got != "helm kubectl-edit" {
		t.Errorf("got %s", got)
	}
}
