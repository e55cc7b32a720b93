package readiness_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/readiness"
)

// object parses YAML as the cache would hold it: whole numbers are int64.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u
}

type want struct {
	health  platformv1alpha1.ObjectHealth
	message string
}

const (
	isReady       = platformv1alpha1.ObjectReady
	isProgressing = platformv1alpha1.ObjectProgressing
	isFailed      = platformv1alpha1.ObjectFailed
)

const (
	available = `{type: Available, status: "True"}`
	complete  = `{type: Progressing, status: "True", reason: NewReplicaSetAvailable}`
	rolling   = `{type: Progressing, status: "True", reason: ReplicaSetUpdated}`
)

// check runs the cases of one kind. Each case is the object without apiVersion, kind and name.
func check(t *testing.T, apiVersion, kind string, cases map[string]struct {
	object string
	want
}) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			live := object(t, "{apiVersion: "+apiVersion+", kind: "+kind+", "+strings.Replace(c.object, "$M", "metadata: {name: a, generation: 2}", 1)+"}")
			health, message := readiness.Of(live, nil)
			if health != c.health || message != c.message {
				t.Errorf("got %s, %q; want %s, %q", health, message, c.health, c.message)
			}
		})
	}
}

type cases = map[string]struct {
	object string
	want
}

func TestDeployment(t *testing.T) {
	check(t, "apps/v1", "Deployment", cases{
		"not seen": {`$M, spec: {replicas: 3}`, want{isProgressing, "its controller has not seen it yet"}},
		"newest spec not seen": {`$M, spec: {replicas: 3}, status: {observedGeneration: 1, replicas: 3, updatedReplicas: 3, availableReplicas: 3, conditions: [` + available + `, ` + complete + `]}`,
			want{isProgressing, "its controller has not seen the newest spec yet"}},
		"updating": {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 1, availableReplicas: 3, conditions: [` + available + `, ` + rolling + `]}`,
			want{isProgressing, "1 of 3 replicas updated"}},
		"old ones left": {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 3, availableReplicas: 4, conditions: [` + available + `, ` + rolling + `]}`,
			want{isProgressing, "3 of 3 replicas updated, 1 old to go"}},
		"not available": {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 2, conditions: [` + rolling + `]}`,
			want{isProgressing, "2 of 3 replicas available"}},
		"ready": {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3, conditions: [` + available + `, ` + complete + `]}`,
			want{isReady, "3 of 3 replicas available"}},
		"one lost within what the roll-out tolerates": {`$M, spec: {replicas: 4}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 4, availableReplicas: 3, conditions: [` + available + `, ` + complete + `]}`,
			want{isReady, "3 of 4 replicas available"}},
		"too many lost": {`$M, spec: {replicas: 4}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 4, availableReplicas: 1, conditions: [{type: Available, status: "False"}, ` + complete + `]}`,
			want{isProgressing, "1 of 4 replicas available"}},
		"default of one replica": {`$M, spec: {}, status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1, conditions: [` + available + `, ` + complete + `]}`,
			want{isReady, "1 of 1 replicas available"}},
		"scaled to zero": {`$M, spec: {replicas: 0}, status: {observedGeneration: 2, conditions: [` + available + `, ` + complete + `]}`,
			want{isReady, "0 of 0 replicas available"}},
		"paused, up to date": {`$M, spec: {replicas: 2, paused: true}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2, conditions: [` + available + `, {type: Progressing, status: Unknown, reason: DeploymentPaused}]}`,
			want{isReady, "2 of 2 replicas available"}},
		"paused in the middle": {`$M, spec: {replicas: 2, paused: true}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 1, availableReplicas: 2, conditions: [` + available + `, {type: Progressing, status: Unknown, reason: DeploymentPaused}]}`,
			want{isProgressing, "paused with 1 of 2 replicas updated; resume it to go on"}},
		"deadline exceeded": {`$M, spec: {replicas: 3, progressDeadlineSeconds: 600}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 1, availableReplicas: 3, conditions: [` + available + `, {type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}`,
			want{isFailed, "the roll-out exceeded its deadline of 600 seconds: 1 of 3 replicas updated, 3 available"}},
		"pods refused": {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, conditions: [` + rolling + `, {type: ReplicaFailure, status: "True", message: exceeded quota}]}`,
			want{isProgressing, "0 of 3 replicas updated: exceeded quota"}},
		"being deleted": {`metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z"}`, want{isProgressing, "the object is being deleted"}},
	})
}

func TestStatefulSet(t *testing.T) {
	check(t, "apps/v1", "StatefulSet", cases{
		"not seen":      {`$M, spec: {replicas: 3}`, want{isProgressing, "its controller has not seen it yet"}},
		"updating":      {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 1, availableReplicas: 3}`, want{isProgressing, "1 of 3 replicas updated, 3 available"}},
		"not available": {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 2}`, want{isProgressing, "2 of 3 replicas available"}},
		"too many":      {`$M, spec: {replicas: 1}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}`, want{isProgressing, "1 replicas wanted, 2 more to go"}},
		"ready":         {`$M, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3}`, want{isReady, "3 of 3 replicas available"}},
		"a partition":   {`$M, spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 1, availableReplicas: 3}`, want{isReady, "3 of 3 replicas available"}},
		"on delete, not available": {`$M, spec: {replicas: 3, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 2, replicas: 3, availableReplicas: 1}`,
			want{isProgressing, "1 of 3 replicas available"}},
		"on delete, old": {`$M, spec: {replicas: 3, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 2, replicas: 3, availableReplicas: 3}`,
			want{isReady, "3 of 3 replicas available"}},
	})
}

func TestDaemonSet(t *testing.T) {
	check(t, "apps/v1", "DaemonSet", cases{
		"not seen":      {`$M`, want{isProgressing, "its controller has not seen it yet"}},
		"updating":      {`$M, status: {observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 1, numberAvailable: 3}`, want{isProgressing, "1 of 3 pods updated, 3 available"}},
		"not available": {`$M, status: {observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 2}`, want{isProgressing, "2 of 3 pods available"}},
		"on delete":     {`$M, spec: {updateStrategy: {type: OnDelete}}, status: {observedGeneration: 2, desiredNumberScheduled: 3, numberAvailable: 3}`, want{isReady, "3 of 3 pods available"}},
		"no nodes":      {`$M, status: {observedGeneration: 2}`, want{isReady, "0 of 0 pods available"}},
	})
}

func TestReplicaSet(t *testing.T) {
	check(t, "apps/v1", "ReplicaSet", cases{
		"not available": {`$M, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, availableReplicas: 1}`, want{isProgressing, "1 of 2 replicas available"}},
		"ready":         {`$M, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, availableReplicas: 2}`, want{isReady, "2 of 2 replicas available"}},
	})
	check(t, "v1", "ReplicationController", cases{
		"not available": {`$M, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, availableReplicas: 1}`, want{isProgressing, "1 of 2 replicas available"}},
	})
}

func TestJob(t *testing.T) {
	check(t, "batch/v1", "Job", cases{
		"not started": {`$M, spec: {completions: 2}`, want{isProgressing, "0 of 2 completions, 0 pods running, 0 failed"}},
		"running":     {`$M, spec: {parallelism: 3}, status: {active: 2, succeeded: 1, failed: 1}`, want{isProgressing, "1 of 3 completions, 2 pods running, 1 failed"}},
		"suspended":   {`$M, spec: {suspend: true}`, want{isProgressing, "suspended, until a person or a queue lets it run"}},
		"complete":    {`$M, spec: {completions: 1}, status: {succeeded: 1, conditions: [{type: Complete, status: "True"}]}`, want{isReady, "completed"}},
		"failed": {`$M, status: {failed: 7, conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}`,
			want{isFailed, "the job failed: BackoffLimitExceeded: Job has reached the specified backoff limit"}},
	})
}

func TestCronJobAndPlainKindsAreReadyAtOnce(t *testing.T) {
	check(t, "batch/v1", "CronJob", cases{
		"scheduled": {`$M, status: {active: [{name: a}]}`, want{isReady, "scheduled"}},
		"suspended": {`$M, spec: {suspend: true}`, want{isReady, "suspended"}},
	})
	for _, kind := range []string{"v1, kind: ConfigMap", "v1, kind: ServiceAccount", "networking.k8s.io/v1, kind: NetworkPolicy", "networking.k8s.io/v1, kind: Ingress", "example.com/v1, kind: Widget"} {
		health, message := readiness.Of(object(t, "{apiVersion: "+kind+", metadata: {name: a}}"), nil)
		if health != isReady || message != "" {
			t.Errorf("%s is %s, %q", kind, health, message)
		}
	}
}

func TestService(t *testing.T) {
	check(t, "v1", "Service", cases{
		"ClusterIP":  {`$M, spec: {type: ClusterIP}`, want{isReady, ""}},
		"no address": {`$M, spec: {type: LoadBalancer, clusterIP: 10.0.0.1}, status: {loadBalancer: {}}`, want{isProgressing, "the load balancer has no address yet"}},
		"an address": {`$M, spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}`, want{isReady, ""}},
	})
}

func TestPersistentVolumeClaim(t *testing.T) {
	check(t, "v1", "PersistentVolumeClaim", cases{
		"not seen":              {`metadata: {name: a}`, want{isProgressing, "the claim has not been looked at yet"}},
		"waits for a first pod": {`metadata: {name: a}, status: {phase: Pending}`, want{isReady, "not bound: waits for the first pod that uses it"}},
		"being provisioned": {`metadata: {name: a, annotations: {volume.kubernetes.io/storage-provisioner: csi.example.com}}, status: {phase: Pending}`,
			want{isProgressing, "csi.example.com is provisioning the volume"}},
		"bound": {`metadata: {name: a, annotations: {volume.kubernetes.io/storage-provisioner: csi.example.com}}, status: {phase: Bound}`, want{isReady, "bound"}},
		"lost":  {`metadata: {name: a}, spec: {volumeName: pv-1}, status: {phase: Lost}`, want{isFailed, `the volume "pv-1" of the claim is lost`}},
	})
}

func TestHorizontalPodAutoscaler(t *testing.T) {
	check(t, "autoscaling/v2", "HorizontalPodAutoscaler", cases{
		"not seen": {`$M`, want{isReady, ""}},
		"active":   {`$M, status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingActive, status: "True"}]}`, want{isReady, ""}},
		"no metrics": {`$M, status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingActive, status: "False", reason: FailedGetResourceMetric, message: varies}]}`,
			want{isReady, "not scaling: FailedGetResourceMetric"}},
		"target at zero": {`$M, status: {conditions: [{type: ScalingActive, status: "False", reason: ScalingDisabled}]}`, want{isReady, ""}},
		"no target": {`$M, status: {conditions: [{type: AbleToScale, status: "False", reason: FailedGetScale, message: not found}]}`,
			want{isProgressing, "cannot scale its target: FailedGetScale: not found"}},
	})
}

func TestPodDisruptionBudget(t *testing.T) {
	check(t, "policy/v1", "PodDisruptionBudget", cases{
		"not seen":     {`$M`, want{isReady, ""}},
		"allows none":  {`$M, status: {observedGeneration: 2, conditions: [{type: DisruptionAllowed, status: "False", reason: InsufficientPods}]}`, want{isReady, ""}},
		"not computed": {`$M, status: {observedGeneration: 2, conditions: [{type: DisruptionAllowed, status: "False", reason: SyncFailed, message: no scale}]}`, want{isProgressing, "the budget cannot be computed: no scale"}},
	})
}

func TestHTTPRoute(t *testing.T) {
	parent := func(conditions string) string {
		return `{parentRef: {name: shared}, conditions: [` + conditions + `]}`
	}
	const (
		accepted = `{type: Accepted, status: "True", observedGeneration: 2}`
		resolved = `{type: ResolvedRefs, status: "True", observedGeneration: 2}`
	)
	check(t, "gateway.networking.k8s.io/v1", "HTTPRoute", cases{
		"not seen":       {`$M, spec: {parentRefs: [{name: shared}]}`, want{isProgressing, "accepted by 0 of 1 gateways"}},
		"accepted":       {`$M, spec: {parentRefs: [{name: shared}]}, status: {parents: [` + parent(accepted+", "+resolved) + `]}`, want{isReady, "accepted by 1 of 1 gateways"}},
		"one of two":     {`$M, spec: {parentRefs: [{name: shared}, {name: other}]}, status: {parents: [` + parent(accepted) + `]}`, want{isProgressing, "accepted by 1 of 2 gateways"}},
		"of an old spec": {`$M, spec: {parentRefs: [{name: shared}]}, status: {parents: [` + parent(`{type: Accepted, status: "True", observedGeneration: 1}`) + `]}`, want{isProgressing, "accepted by 0 of 1 gateways"}},
		"refused": {`$M, spec: {parentRefs: [{name: shared}]}, status: {parents: [` + parent(`{type: Accepted, status: "False", reason: NotAllowedByListeners, message: no listener, observedGeneration: 2}`) + `]}`,
			want{isFailed, "gateway shared does not accept the route: NotAllowedByListeners: no listener"}},
		"pending": {`$M, spec: {parentRefs: [{name: shared}]}, status: {parents: [` + parent(`{type: Accepted, status: Unknown, reason: Pending, message: waiting}`) + `]}`,
			want{isProgressing, "gateway shared does not accept the route: Pending: waiting"}},
		"backend missing": {`$M, spec: {parentRefs: [{name: shared}]}, status: {parents: [` + parent(accepted+`, {type: ResolvedRefs, status: "False", reason: BackendNotFound, message: Service a}`) + `]}`,
			want{isProgressing, "gateway shared does not find what the route leads to: BackendNotFound: Service a"}},
	})
}

func TestKindsThatReportReady(t *testing.T) {
	check(t, "keda.sh/v1alpha1", "ScaledObject", cases{
		"not seen":  {`$M`, want{isProgressing, "its controller has not reported Ready yet"}},
		"not ready": {`$M, status: {conditions: [{type: Ready, status: "False", reason: X, message: no trigger}]}`, want{isProgressing, "no trigger"}},
		"ready":     {`$M, status: {conditions: [{type: Ready, status: "True"}]}`, want{isReady, ""}},
	})
	check(t, "example.com/v1", "Widget", cases{
		"stalled": {`$M, status: {conditions: [{type: Stalled, status: "True", message: no such zone}]}`, want{isFailed, "no such zone"}},
		"old":     {`$M, status: {observedGeneration: 1}`, want{isProgressing, "its controller has not seen the newest spec yet"}},
	})
}

func TestMissing(t *testing.T) {
	for _, live := range []*unstructured.Unstructured{nil, {}} {
		if health, message := readiness.Of(live, nil); health != platformv1alpha1.ObjectMissing || message == "" {
			t.Errorf("got %s, %q", health, message)
		}
	}
}

func TestReadyWhenTakesThePlaceOfTheKindsOwnReadiness(t *testing.T) {
	answer := func(ready bool, err error) *readiness.ReadyWhen {
		return &readiness.ReadyWhen{Expression: "${self.ok}", Eval: func(self map[string]any) (bool, error) {
			if self["kind"] == nil {
				t.Error("the rule does not see the object")
			}
			return ready, err
		}}
	}
	const failedJob = `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "True", reason: R, message: M}]}}`
	for name, c := range map[string]struct {
		object string
		rule   *readiness.ReadyWhen
		want
	}{
		"true on an unready object":          {`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}}`, answer(true, nil), want{isReady, "readyWhen is true"}},
		"false on a ready object":            {`{apiVersion: v1, kind: ConfigMap}`, answer(false, nil), want{isProgressing, "the template's rule of readiness, ${self.ok}, is false; look at the object's status"}},
		"an error":                           {`{apiVersion: v1, kind: ConfigMap}`, answer(false, errors.New("no such key: status")), want{isProgressing, "the template's rule of readiness, ${self.ok}, cannot be evaluated yet: no such key: status"}},
		"false on a failed object":           {failedJob, answer(false, nil), want{isFailed, "the job failed: R: M"}},
		"true on a failed object":            {failedJob, answer(true, nil), want{isReady, "readyWhen is true"}},
		"true on one that is being deleted":  {`{apiVersion: v1, kind: ConfigMap, metadata: {deletionTimestamp: "2026-01-01T00:00:00Z"}}`, answer(true, nil), want{isProgressing, "the object is being deleted"}},
		"true on one whose spec is not seen": {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, status: {observedGeneration: 1}}`, answer(true, nil), want{isProgressing, "its controller has not seen the newest spec yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			if health, message := readiness.Of(object(t, c.object), c.rule); health != c.health || message != c.message {
				t.Errorf("got %s, %q; want %s, %q", health, message, c.health, c.message)
			}
		})
	}
}

func TestMessagesAreBounded(t *testing.T) {
	live := object(t, `{apiVersion: v1, kind: ConfigMap}`)
	_, message := readiness.Of(live, &readiness.ReadyWhen{Eval: func(map[string]any) (bool, error) { return false, errors.New(strings.Repeat("ä", 5000)) }})
	if got := utf8.RuneCountInString(message); got != 1024 {
		t.Errorf("%d characters, want 1024", got)
	}
}

func FuzzOf(f *testing.F) {
	for _, kind := range []string{"apps/v1 Deployment", "apps/v1 StatefulSet", "batch/v1 Job", "v1 PersistentVolumeClaim", "gateway.networking.k8s.io/v1 HTTPRoute", "x.y/v1 Z", "keda.sh/v1alpha1 ScaledObject"} {
		apiVersion, name, _ := strings.Cut(kind, " ")
		f.Add(apiVersion, name, `{"metadata":{"generation":1,"deletionTimestamp":1},"spec":{"replicas":"x","parentRefs":[1]},"status":{"conditions":[1,{"type":1}],"parents":[1,{"parentRef":[]}],"observedGeneration":1.5}}`)
	}
	f.Fuzz(func(t *testing.T, apiVersion, kind, text string) {
		var content map[string]any
		if json.Unmarshal([]byte(text), &content) != nil || content == nil || kind == "Pod" {
			t.Skip() // a Pod is judged by kstatus with a clock; the guard refuses it
		}
		content["apiVersion"], content["kind"] = apiVersion, kind
		live := &unstructured.Unstructured{Object: content}
		before := live.DeepCopy()
		health, message := readiness.Of(live, nil)
		if health == "" || utf8.RuneCountInString(message) > 1024 {
			t.Errorf("got %s, %q", health, message)
		}
		if !reflect.DeepEqual(before.Object, live.Object) {
			t.Error("the object was changed")
		}
	})
}
