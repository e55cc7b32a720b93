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
)

// fieldOwner is the manager's, so that the dry run has the conflicts that the takeover has.
const fieldOwner = "towpath-release"

// Proof is the outcome of a dry run on one object.
type Proof struct {
	Object *unstructured.Unstructured
	// Before and After are metadata.generation, which counts the changes of what is wanted: equal, no pod restarts.
	Before, After int64
	// Annotated is the generation with the annotation too, where only that makes the API server count on.
	Annotated int64
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
	after, err := dryRun(ctx, writer, object, labels, map[string]string{platformv1alpha1.AnnotationAsFound: "true"})
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'towpath-") {
		proof.WithoutLabels = true
		after, err = dryRun(ctx, writer, object, nil, nil)
	}
	if err != nil {
		proof.Err = err
		return proof
	}
	proof.After = after.GetGeneration()
	same := reflect.DeepEqual(wanted(object), wanted(after))
	if same && proof.After != proof.Before && object.GetKind() == "Deployment" && !proof.WithoutLabels {
		// The API server counts a change of a Deployment's annotations as one of what is wanted. Whether
		// anything else was counted shows without them.
		bare, err := dryRun(ctx, writer, object, labels, nil)
		if err != nil {
			proof.Err = err
			return proof
		}
		proof.Annotated, proof.After = proof.After, bare.GetGeneration()
	}
	proof.Unchanged = same && proof.Before == proof.After
	return proof
}

// wanted is all of an object but metadata and status.
func wanted(object *unstructured.Unstructured) map[string]any {
	copied := object.DeepCopy().Object
	delete(copied, "metadata")
	delete(copied, "status")
	return copied
}

func dryRun(ctx context.Context, writer client.Writer, object *unstructured.Unstructured, labels, annotations map[string]string) (*unstructured.Unstructured, error) {
	bare := &unstructured.Unstructured{}
	bare.SetGroupVersionKind(object.GroupVersionKind())
	bare.SetName(object.GetName())
	bare.SetNamespace(object.GetNamespace())
	bare.SetLabels(labels)
	bare.SetAnnotations(annotations)
	body, err := json.Marshal(bare.Object)
	if err != nil {
		return nil, err
	}
	err = writer.Patch(ctx, bare, client.RawPatch(types.ApplyPatchType, body), client.DryRunAll, client.ForceOwnership, client.FieldOwner(fieldOwner))
	return bare, err
}
