package diagnosis_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/towpath-dev/towpath/internal/diagnosis"
)

func waiting(reason, message string) corev1.Pod {
	secret := func(key string, optional *bool) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "payments"}, Key: key, Optional: optional,
		}}
	}
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "checkout-1"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Env: []corev1.EnvVar{
			{Name: "A", ValueFrom: secret("user", nil)}, {Name: "B", ValueFrom: secret("api-key", nil)},
			{Name: "C", ValueFrom: secret("user", nil)}, {Name: "D", ValueFrom: secret("maybe", ptr.To(true))}, {Name: "E", Value: "plain"},
		}}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}},
	}
}

func TestPods(t *testing.T) {
	going := waiting("CreateContainerConfigError", `secret "payments" not found`)
	going.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	initial := waiting("", "")
	initial.Status.InitContainerStatuses, initial.Status.ContainerStatuses = waiting("CreateContainerConfigError", `configmap "x" not found`).Status.ContainerStatuses, nil
	for name, c := range map[string]struct {
		pods []corev1.Pod
		want string
	}{
		"none": {},
		"a Secret that is missing": {
			[]corev1.Pod{waiting("ContainerCreating", ""), waiting("CreateContainerConfigError", `secret "payments" not found`)},
			"Secret payments does not exist in namespace shop-dev. Make it: kubectl -n shop-dev create secret generic payments --from-literal=api-key=… --from-literal=user=…",
		},
		"a key that is missing": {
			[]corev1.Pod{waiting("CreateContainerConfigError", `couldn't find key api-key in Secret shop-dev/payments`)},
			`Secret payments in namespace shop-dev has no key api-key. Add it: kubectl -n shop-dev patch secret payments --type merge -p '{"stringData":{"api-key":"…"}}'`,
		},
		"something else in an init container": {[]corev1.Pod{initial}, `Container app cannot start: configmap "x" not found`},
		"a pod that goes":                     {[]corev1.Pod{going}, ""},
		"another reason":                      {[]corev1.Pod{waiting("ImagePullBackOff", `secret "payments" not found`)}, ""},
	} {
		if got := diagnosis.Pods(c.pods); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
