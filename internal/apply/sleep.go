package apply

import (
	"context"
	"encoding/json"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Asleep says whether an object is as our last apply put it to sleep: whether that says what it goes back to. Nobody
// else can make it so, since what counts is who owns the annotation.
func Asleep(entries []metav1.ManagedFieldsEntry) bool {
	for i := range entries {
		e := &entries[i]
		if !ours(e) {
			continue
		}
		var fields struct {
			Metadata struct {
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) != nil {
			return false
		}
		_, owned := fields.Metadata.Annotations["f:"+platformv1alpha1.AnnotationAwake]
		return owned
	}
	return false
}

// Wake gives an object back what it had before it was put to sleep, without the template that it was rendered from: for
// one that is about to be let go. One of which it is not known how many pods it had gets one. live is its metadata as it was
// just read; one that changed since is a conflict. The error is an *ObjectError.
func (w *Writer) Wake(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live *metav1.PartialObjectMetadata) error {
	_, err := w.patchJSON(ctx, user, namespace, object, "waking", append(
		[]operation{{Op: "replace", Path: "/metadata/resourceVersion", Value: live.ResourceVersion}}, waking(object.Kind, live)...))
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// waking is what changes of an object when it wakes; nothing of one that is awake.
func waking(kind string, live *metav1.PartialObjectMetadata) []operation {
	awake, said := live.Annotations[platformv1alpha1.AnnotationAwake]
	if !said || !Asleep(live.ManagedFields) {
		return nil
	}
	patch := []operation{{Op: "remove", Path: "/metadata/annotations/" + pointer.Replace(platformv1alpha1.AnnotationAwake)}}
	switch kind {
	case "CronJob":
		return append(patch, operation{Op: "replace", Path: "/spec/suspend", Value: awake == "true"})
	case "ScaledObject":
		if awake == "running" {
			patch = append(patch, operation{Op: "remove", Path: "/metadata/annotations/" + pointer.Replace("autoscaling.keda.sh/paused-replicas")})
		}
		return patch
	}
	replicas, err := strconv.ParseInt(awake, 10, 32)
	if err != nil {
		replicas = 1
	}
	return append(patch, operation{Op: "replace", Path: "/spec/replicas", Value: replicas})
}
