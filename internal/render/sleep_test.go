package render_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/render"
)

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil { // numbers become int64, as in what is rendered
		t.Fatal(err)
	}
	return u
}

func TestSleep(t *testing.T) {
	for name, tc := range map[string]struct {
		object, asleep string
		running        int64 // -1 for not known
		awake          string
	}{
		"a Deployment": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 3, template: {spec: {containers: [{name: app}]}}}}",
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 0, template: {spec: {containers: [{name: app}]}}}}", 7, "3",
		},
		"one that an autoscaler scales": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {paused: false}}",
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {paused: false, replicas: 0}}", 7, "7",
		},
		"one of which nobody knows": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {paused: false}}",
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {paused: false, replicas: 0}}", -1, "",
		},
		"one that has no pods anyway": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 0}}",
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 0}}", 7, "0",
		},
		"a StatefulSet": {
			"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 3}}",
			"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 0}}", -1, "3",
		},
		"one that deletes claims when it is scaled down": {
			"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 3, persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}}}",
			"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 0, persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}}}", -1, "3",
		},
		"a CronJob": {
			"{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {schedule: '@daily'}}",
			"{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {schedule: '@daily', suspend: true}}", -1, "false",
		},
		"one that is suspended": {
			"{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {suspend: true}}",
			"{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {suspend: true}}", -1, "true",
		},
		"a ScaledObject": {
			"{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a}, spec: {minReplicaCount: 2}}",
			"{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a, annotations: {autoscaling.keda.sh/paused-replicas: '0'}}, spec: {minReplicaCount: 2}}", -1, "running",
		},
		"one that is paused": {
			"{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a, annotations: {autoscaling.keda.sh/paused-replicas: '4'}}}",
			"{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a, annotations: {autoscaling.keda.sh/paused-replicas: '4'}}}", -1, "paused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []render.Object{{Object: parsed(t, tc.object)}}
			render.Sleep(objects, func(render.Object) (int64, bool) { return tc.running, tc.running >= 0 })
			if diff := cmp.Diff(parsed(t, tc.asleep).Object, objects[0].Object.Object); diff != "" {
				t.Error(diff)
			}
			if objects[0].Awake == nil || *objects[0].Awake != tc.awake {
				t.Errorf("it goes back to %v, not %q", objects[0].Awake, tc.awake)
			}
		})
	}
}

func TestSleep_LeavesEverythingElse(t *testing.T) {
	for _, text := range []string{
		"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}",
		"{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {minReplicas: 2}}",
		"{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {parallelism: 2}}",
		"{apiVersion: example.com/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 2}}",
	} {
		objects := []render.Object{{Object: parsed(t, text)}}
		render.Sleep(objects, func(render.Object) (int64, bool) { return 5, true })
		if diff := cmp.Diff(parsed(t, text).Object, objects[0].Object.Object); diff != "" || objects[0].Awake != nil {
			t.Errorf("%s: %v %s", text, objects[0].Awake, diff)
		}
	}
}
