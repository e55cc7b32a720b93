package apply

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/transport"

	"github.com/towpath-dev/towpath/internal/brief"
	"github.com/towpath-dev/towpath/internal/render"
)

// handOverOwner owns the replicas of a workload from when a Release leaves them to an autoscaler until that
// first changes them. A field that nobody owns any more falls back to its default, which is one pod.
const handOverOwner = "towpath-handover"

// OwnsReplicas says whether spec.replicas is among the fields that Towpath owns of an object.
func OwnsReplicas(entries []metav1.ManagedFieldsEntry) bool {
	for i := range entries {
		e := &entries[i]
		if !ours(e) {
			continue
		}
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) != nil {
			return false
		}
		_, owned := fields.Spec["f:replicas"]
		return owned
	}
	return false
}

// ours says whether an entry is that of our applies.
func ours(e *metav1.ManagedFieldsEntry) bool {
	return e.Manager == FieldOwner && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.FieldsV1 != nil
}

// handOver makes the number of replicas that run another owner's, so that the apply which no longer names it
// leaves it as it is.
func (w *Writer) handOver(ctx context.Context, user, namespace string, o render.Object, replicas int64) error {
	path, err := w.path(o.Object.GroupVersionKind(), namespace, o.Object.GetName())
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": o.Object.GetAPIVersion(), "kind": o.Object.GetKind(),
		"metadata": map[string]any{"name": o.Object.GetName(), "namespace": namespace},
		"spec":     map[string]any{"replicas": replicas},
	})
	if err != nil {
		return err
	}
	return w.patch(ctx, user, handOverOwner, path, body, nil)
}

// patch applies bytes as a user for a field owner, and reads the metadata of the answer into out, if given. It has the API
// server not look for fields that stand there twice, for which it would parse each body a second time, as YAML: ours are
// marshalled from maps. A field that the kind does not have is an error of server-side apply all the same.
func (w *Writer) patch(ctx context.Context, user, owner string, path []string, body []byte, out *metav1.PartialObjectMetadata) error {
	answer, err := w.client.Patch(types.ApplyPatchType).
		AbsPath(path...).
		Param("fieldManager", owner).
		Param("force", "true").
		Param("fieldValidation", metav1.FieldValidationIgnore).
		SetHeader("Accept", brief.Accept).
		SetHeader(transport.ImpersonateUserHeader, user).
		Body(body).
		Do(ctx).Raw()
	return brief.Read(answer, err, out)
}
