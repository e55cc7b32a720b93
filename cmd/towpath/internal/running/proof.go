package running

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/label"
)

// fieldOwner is the manager's, so that the dry run has the conflicts that the takeover has.
const fieldOwner = "towpath-release"

// Proof is the outcome of a dry run on one object.
type Proof struct {
	Object *unstructured.Unstructured
	// Before and After are metadata.generation, which counts the changes of what is wanted: equal, no pod restarts.
	Before, After int64
	// Unchanged says that the generation and everything but metadata stay as they are.
	Unchanged bool
	// WithoutLabels says that an admission policy keeps the caller from setting Towpath's labels, so that the dry run went without.
	WithoutLabels bool
	// Err says why there is no proof.
	Err error
}

// Prove has the API server do on an object what the takeover does, without keeping it.
func Prove(ctx context.Context, writer client.Writer, object *unstructured.Unstructured, labels map[string]string) Proof {
	proof := Proof{Object: object, Before: object.GetGeneration()}
	labels = label.Own(labels)
	labels[platformv1alpha1.LabelAsFound] = "true"
	after, err := dryRun(ctx, writer, object, labels)
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'towpath-") {
		proof.WithoutLabels = true
		after, err = dryRun(ctx, writer, object, nil)
	}
	if err != nil {
		proof.Err = err
		return proof
	}
	proof.After = after.GetGeneration()
	proof.Unchanged = reflect.DeepEqual(wanted(object), wanted(after)) && proof.Before == proof.After
	return proof
}

// wanted is all of an object but metadata and status.
func wanted(object *unstructured.Unstructured) map[string]any {
	copied := object.DeepCopy().Object
	delete(copied, "metadata")
	delete(copied, "status")
	return copied
}

func dryRun(ctx context.Context, writer client.Writer, object *unstructured.Unstructured, labels map[string]string) (*unstructured.Unstructured, error) {
	bare := &unstructured.Unstructured{}
	bare.SetGroupVersionKind(object.GroupVersionKind())
	bare.SetName(object.GetName())
	bare.SetNamespace(object.GetNamespace())
	bare.SetLabels(labels)
	body, err := json.Marshal(bare.Object)
	if err != nil {
		return nil, err
	}
	err = writer.Patch(ctx, bare, client.RawPatch(types.ApplyPatchType, body), client.DryRunAll, client.ForceOwnership, client.FieldOwner(fieldOwner))
	return bare, err
}
