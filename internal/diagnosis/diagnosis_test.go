package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/diagnosis"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// pod is one of Deployment checkout, as the scheduler has placed it and before anything else happened.
func pod(change ...func(*corev1.Pod)) corev1.Pod {
	secret := func(key string, optional *bool) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "payments"}, Key: key, Optional: optional,
		}}
	}
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop-dev", Name: "checkout-5f9-abc", Labels: map[string]string{"pod-template-hash": "5f9"}, CreationTimestamp: metav1.NewTime(noon),
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "checkout-5f9", Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/shop/checkout:1.4.2",
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
			},
			Env: []corev1.EnvVar{
				{Name: "A", ValueFrom: secret("user", nil)}, {Name: "B", ValueFrom: secret("api-key", nil)},
				{Name: "C", ValueFrom: secret("user", nil)}, {Name: "D", ValueFrom: secret("maybe", ptr.To(true))}, {Name: "E", Value: "plain"},
			},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http")}}},
		}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodPending,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionFalse}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}},
		},
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func waiting(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
}

// ended is a container that ended some times and waits to be started again.
func ended(code int32, reason string, restarts int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		status := &p.Status.ContainerStatuses[0]
		status.RestartCount = restarts
		status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container"}}
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: "password=hunter2"}
	}
}

func running(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	p.Status.ContainerStatuses[0].Started = ptr.To(true)
}

func ready(p *corev1.Pod) {
	running(p)
	p.Status.ContainerStatuses[0].Ready = true
	p.Status.Conditions[1].Status = corev1.ConditionTrue
}

func unscheduled(message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions[0] = corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: message}
		p.Status.ContainerStatuses = nil
	}
}

func event(kind, name, reason, message string, after time.Duration) corev1.Event {
	return corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name}, Reason: reason, Message: message, Type: "Warning",
		LastTimestamp: metav1.NewTime(noon.Add(after)),
	}
}

func of(pods ...corev1.Pod) diagnosis.Evidence {
	return diagnosis.Evidence{Kind: "Deployment", Namespace: "shop-dev", Name: "checkout", Pods: pods}
}

func with(e diagnosis.Evidence, events ...corev1.Event) diagnosis.Evidence {
	e.Events = events
	return e
}

func refused(message string) diagnosis.Evidence {
	e := of()
	e.NotCreated = message
	return e
}

// found is what is wanted of a cause.
type found struct {
	reason, message, next string
	final                 bool
}

func TestFind(t *testing.T) {
	image := func(reason, said, what string, final bool) (diagnosis.Evidence, found) {
		return of(pod(waiting(reason, said))), found{platformv1alpha1.ReasonImagePullFailed, "Image registry.example/shop/checkout:1.4.2 cannot be pulled: " + what, "", final}
	}
	cases := map[string]struct {
		evidence diagnosis.Evidence
		want     found
	}{
		"nothing":                      {},
		"pods that are being started":  {evidence: of(pod())},
		"pods that are ready":          {evidence: of(pod(ready))},
		"a pod that is being deleted":  {evidence: of(pod(waiting("ImagePullBackOff", ""), func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.NewTime(noon)) }))},
		"a pod of another workload":    {evidence: of(pod(waiting("ImagePullBackOff", ""), func(p *corev1.Pod) { p.OwnerReferences[0].Name = "checkout-worker-5f9" }))},
		"a job's pod that is complete": {evidence: of(pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }))},
		"an older version's pod": {evidence: of(
			pod(ended(1, "Error", 9), func(p *corev1.Pod) {
				p.Name, p.Labels["pod-template-hash"] = "old", "4a1"
				p.OwnerReferences[0].Name = "checkout-4a1"
			}),
			pod(func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(noon.Add(time.Minute)) }),
		)},

		"a Secret that is missing": {of(pod(waiting("CreateContainerConfigError", `secret "payments" not found`))), found{
			platformv1alpha1.ReasonConfigurationMissing, "Secret payments does not exist in namespace shop-dev",
			"Make it: kubectl -n shop-dev create secret generic payments --from-literal=api-key=… --from-literal=user=…", false,
		}},
		"a key that is missing": {of(pod(waiting("CreateContainerConfigError", `couldn't find key api-key in Secret shop-dev/payments`))), found{
			platformv1alpha1.ReasonConfigurationMissing, "Secret payments in namespace shop-dev has no key api-key",
			`Add it: kubectl -n shop-dev patch secret payments --type merge -p '{"stringData":{"api-key":"…"}}'`, false,
		}},
		"other configuration": {of(pod(waiting("CreateContainerConfigError", `configmap "x" not found`))), found{
			platformv1alpha1.ReasonConfigurationMissing, `Container app cannot be configured: configmap "x" not found`, "Make what is missing", false,
		}},
		"a Secret to mount": {
			with(of(pod()), event("Pod", "checkout-5f9-abc", "FailedMount", `MountVolume.SetUp failed for volume "tls" : secret "tls" not found`, 0)), found{
				platformv1alpha1.ReasonConfigurationMissing, "Secret tls does not exist in namespace shop-dev, and pod checkout-5f9-abc mounts it", "", false,
			},
		},
		"a volume": {
			with(of(pod()), event("Pod", "checkout-5f9-abc", "FailedAttachVolume", "Multi-Attach error for volume \"pvc-1\"", 0)), found{
				platformv1alpha1.ReasonVolumeUnavailable, `A volume of pod checkout-5f9-abc cannot be mounted: Multi-Attach error for volume "pvc-1"`, "kubectl -n shop-dev describe pvc", false,
			},
		},

		"no such program": {of(pod(waiting("RunContainerError", `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/srv": stat /srv: no such file or directory: unknown`))), found{
			platformv1alpha1.ReasonContainerStartFailed, `Container app cannot be started: error during container init: exec: "/srv": stat /srv: no such file or directory`, "has no such program", true,
		}},
		"a runtime that refuses": {of(pod(func(p *corev1.Pod) {
			ended(128, "StartError", 2)(p)
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated.Message = "cannot do that"
		})), found{platformv1alpha1.ReasonContainerStartFailed, "Container app cannot be started: cannot do that", "", true}},

		"a crash": {of(pod(ended(3, "Error", 1))), found{
			platformv1alpha1.ReasonCrashLoop, "Container app ended with exit code 3, and was started again 1 times", "kubectl -n shop-dev logs checkout-5f9-abc -c app --previous", false,
		}},
		"a crash again and again": {of(pod(ended(127, "Error", 4))), found{
			platformv1alpha1.ReasonCrashLoop, "Container app ended with exit code 127 (the command was not found), and was started again 4 times", "", true,
		}},
		"a service that ends": {of(pod(ended(0, "Completed", 3))), found{
			platformv1alpha1.ReasonCrashLoop, "Container app ended with exit code 0 (it ended by itself, and a service must go on running), and was started again 3 times", "", true,
		}},
		"a job that fails": {of(pod(func(p *corev1.Pod) {
			p.Spec.RestartPolicy, p.Status.Phase = corev1.RestartPolicyNever, corev1.PodFailed
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}}
		})), found{platformv1alpha1.ReasonCrashLoop, "Container app ended with exit code 2", "kubectl -n shop-dev logs checkout-5f9-abc -c app", true}},
		"a command that cannot be executed":       {of(pod(ended(126, "Error", 4))), found{platformv1alpha1.ReasonCrashLoop, "exit code 126 (the command cannot be executed)", "", true}},
		"an image for another processor":          {of(pod(ended(132, "Error", 4))), found{platformv1alpha1.ReasonCrashLoop, "exit code 132 (SIGILL: the image may be for another processor)", "", true}},
		"a process that gives up":                 {of(pod(ended(134, "Error", 4))), found{platformv1alpha1.ReasonCrashLoop, "exit code 134 (SIGABRT: it gave up)", "", true}},
		"a process that was killed":               {of(pod(ended(137, "Error", 4))), found{platformv1alpha1.ReasonCrashLoop, "exit code 137 (SIGKILL: it did not end in time after a failed liveness probe", "", true}},
		"a process that touches what it must not": {of(pod(ended(139, "Error", 4))), found{platformv1alpha1.ReasonCrashLoop, "exit code 139 (SIGSEGV: it touched memory that is not its own)", "", true}},
		"a process that was told to end":          {of(pod(ended(143, "Error", 4))), found{platformv1alpha1.ReasonCrashLoop, "exit code 143 (SIGTERM: it was told to end, as after a failed liveness probe)", "", true}},
		"a process whose hook failed before": {of(pod(ended(137, "Error", 4), func(p *corev1.Pod) {
			p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{}}}
		})), found{platformv1alpha1.ReasonCrashLoop, "or the node ran out of memory; or after its postStart hook failed)", "", true}},
		"too little memory": {of(pod(ended(137, "OOMKilled", 5))), found{
			platformv1alpha1.ReasonOutOfMemory, "Container app needed more memory than its limit of 256Mi, and was killed, and was started again 5 times", "Give it more memory", true,
		}},
		"an init container": {of(pod(func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "migrate"}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
				Name: "migrate", RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
			}}
			p.Status.ContainerStatuses[0].State.Waiting.Reason = "PodInitializing"
		})), found{platformv1alpha1.ReasonCrashLoop, "Container migrate ended with exit code 1", "", true}},
		"an init container that is done": {evidence: of(pod(func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "migrate", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
		}))},

		"no room": {of(pod(unscheduled("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."))), found{
			platformv1alpha1.ReasonUnschedulable, "No node takes pod checkout-5f9-abc, which asks for 100m CPU and 128Mi memory: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s)",
			"Ask for less", false,
		}},
		"a claim that is not bound": {of(pod(unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."))), found{
			platformv1alpha1.ReasonVolumeUnavailable, "Pod checkout-5f9-abc has no volume: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims", "describe pvc", false,
		}},
		"a queue": {of(pod(unscheduled(""), func(p *corev1.Pod) {
			p.Status.Conditions[0].Reason = "SchedulingGated"
			p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "kueue.x-k8s.io/admission"}}
		})), found{platformv1alpha1.ReasonUnschedulable, "Pod checkout-5f9-abc waits for its turn: gate kueue.x-k8s.io/admission", "", false}},
		"a scheduler that says nothing": {evidence: of(pod(unscheduled("")))},
		"an eviction": {of(pod(func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory. "
		})), found{platformv1alpha1.ReasonEvicted, "Pod checkout-5f9-abc was evicted from its node: The node was low on resource: memory", "", false}},

		"a probe, without its event": {of(pod(running)), found{
			platformv1alpha1.ReasonProbeFailed, "Container app runs, and its readiness probe (GET /readyz on port http) does not pass", "logs checkout-5f9-abc -c app", false,
		}},
		"a probe": {with(
			of(pod(running)), event("Pod", "checkout-5f9-abc", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500", 0),
			event("Pod", "checkout-5f9-abc", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", time.Minute), event("Pod", "other", "Unhealthy", "Readiness probe failed: Get x", time.Hour),
		), found{
			platformv1alpha1.ReasonProbeFailed, "does not pass: HTTP probe failed with statuscode: 404", "", false,
		}},
		"a startup probe": {of(pod(running, func(p *corev1.Pod) {
			p.Spec.Containers[0].StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}}
			p.Status.ContainerStatuses[0].Started = ptr.To(false)
		})), found{platformv1alpha1.ReasonProbeFailed, "Container app runs, and its startup probe (a connection to port 8080) does not pass", "", false}},

		"a quota": {refused(`pods "checkout-5f9-x" is forbidden: exceeded quota: compute, requested: limits.cpu=1,pods=1, used: limits.cpu=4,pods=8, limited: limits.cpu=4,pods=10`), found{
			platformv1alpha1.ReasonQuotaExceeded, "Quota compute of namespace shop-dev is used up: 4 of 4 limits.cpu used, 1 more is asked for; 8 of 10 pods used, 1 more is asked for", "the quota raised", false,
		}},
		"pod security": {refused(`pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod must set it)`), found{
			platformv1alpha1.ReasonPodsRefused, `Namespace shop-dev refuses the pods by pod security "restricted:latest": runAsNonRoot != true (pod must set it)`, "", true,
		}},
		"a webhook of others": {refused(`admission webhook "validate.kyverno.svc" denied the request: images must be signed`), found{
			platformv1alpha1.ReasonPodsRefused, "Webhook validate.kyverno.svc, which is not Towpath's, refuses the pods: images must be signed", "", true,
		}},
		"a webhook that is down": {refused(`Internal error occurred: failed calling webhook "sidecar.istio.io": failed to call webhook: Post "https://x": dial tcp: connection refused`), found{
			platformv1alpha1.ReasonPodsRefused, "Webhook sidecar.istio.io, which is not Towpath's, must be asked about pods, and does not answer", "", false,
		}},
		"a policy": {refused(`pods "x" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'all' denied request: no tag latest`), found{
			platformv1alpha1.ReasonPodsRefused, "Admission policy no-latest refuses the pods: no tag latest", "", true,
		}},
		"a LimitRange": {refused(`pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi`), found{
			platformv1alpha1.ReasonPodsRefused, "A LimitRange of namespace shop-dev refuses the pods: maximum memory usage per Container is 1Gi, but limit is 2Gi", "", true,
		}},
		"a quota of what is not said": {refused(`pods "x" is forbidden: failed quota: compute: must specify limits.cpu for: app; limits.memory for: app`), found{
			platformv1alpha1.ReasonPodsRefused, "Quota compute of namespace shop-dev refuses the pods, which do not say how much they need: limits.cpu for: app; limits.memory for: app is missing", "parameters of the golden path", true,
		}},
		"a priority that nobody made": {refused(`pods "x" is forbidden: no PriorityClass with name urgent was found`), found{
			platformv1alpha1.ReasonPodsRefused, "PriorityClass urgent, which the pods ask for, does not exist", "kubectl get priorityclasses", false,
		}},
		"a runtime that nobody made": {refused(`pods "x" is forbidden: pod rejected: RuntimeClass "gvisor" not found`), found{
			platformv1alpha1.ReasonPodsRefused, "RuntimeClass gvisor, which the pods ask for, does not exist", "kubectl get runtimeclasses", false,
		}},
		"an account that is missing": {refused(`pods "x" is forbidden: error looking up service account shop-dev/checkout: serviceaccount "checkout" not found`), found{
			platformv1alpha1.ReasonPodsRefused, "ServiceAccount checkout does not exist in namespace shop-dev", "", false,
		}},
		"something that nobody knows": {refused("no\n way"), found{platformv1alpha1.ReasonPodsRefused, "The API server refuses the pods: no way", "get events", false}},
		"a StatefulSet's event": {with(
			diagnosis.Evidence{Kind: "StatefulSet", Namespace: "shop-dev", Name: "db"}, event("StatefulSet", "db", "FailedCreate", `create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1`, 0),
		), found{platformv1alpha1.ReasonQuotaExceeded, "Quota q of namespace shop-dev is used up: 1 of 1 pods used, 1 more is asked for", "", false}},
	}
	type pull struct {
		reason, said, what string
		final              bool
	}
	for name, c := range map[string]pull{
		"an image that is not there":                   {"ImagePullBackOff", `Back-off pulling image "registry.example/shop/checkout:1.4.2": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/shop/checkout:1.4.2": not found`, "the registry does not have it", true},
		"the same at the first try":                    {"ErrImagePull", "not found", "the registry does not have it", false},
		"a registry that refuses":                      {"ImagePullBackOff", "pull access denied, repository does not exist or may require authorization", "the registry refuses access, or has no such repository", true},
		"a registry that is away":                      {"ImagePullBackOff", `dial tcp: lookup registry.example: no such host`, "the registry cannot be reached", false},
		"a registry with a limit":                      {"ImagePullBackOff", "toomanyrequests: You have reached your pull rate limit", "the registry refuses so many requests", false},
		"an image for other processors":                {"ImagePullBackOff", "no match for platform in manifest: not found", "the image is not built for the processor of the node", true},
		"no image name":                                {"InvalidImageName", "couldn't parse image name", "this is no name of an image", true},
		"an image that must be there":                  {"ErrImageNeverPull", "Container image is not present with pull policy of Never", "the node does not have it, and may not pull it", true},
		"a signature that is refused":                  {"SignatureValidationFailed", "image pull failed because the signature validation failed", "its signature is refused", true},
		"a node without room":                          {"ImagePullBackOff", `failed to extract layer: write /var/lib/containerd/blob: no space left on device`, "the disk of the node is full", false},
		"a registry that the kubelet knows to be away": {"RegistryUnavailable", "image pull failed", "the registry cannot be reached", false},
		"a status alone":                               {"ImagePullBackOff", `unexpected status code [manifests 1.4.2]: 403`, "the registry refuses access, or has no such repository", true},
		"a status after an address":                    {"ImagePullBackOff", `unexpected status from HEAD request to https://registry.example/v2/shop/checkout/manifests/1.4.2: 500 Oops`, "the registry cannot be reached", false},
	} {
		evidence, want := image(c.reason, c.said, c.what, c.final)
		cases[name] = struct {
			evidence diagnosis.Evidence
			want     found
		}{evidence, want}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := diagnosis.Find(c.evidence)
			if got == nil {
				if c.want.reason != "" {
					t.Fatalf("found nothing, want %+v", c.want)
				}
				return
			}
			if got.Reason != c.want.reason || got.Final != c.want.final || !strings.Contains(got.Message, c.want.message) || c.want.message == "" || !strings.Contains(got.Next, c.want.next) {
				t.Errorf("got %+v\nwant %+v", *got, c.want)
			}
			if got.Next == "" || strings.HasSuffix(got.Message, ".") || strings.HasSuffix(got.Next, ".") {
				t.Errorf("%+v is no sentence with a next step", *got)
			}
			if strings.Contains(got.Message+got.Next, "hunter2") {
				t.Errorf("%q has what the process logged", got.Message)
			}
		})
	}
}

// Names, tags, digests and addresses hold anything, and mean nothing.
// Of several pods with several causes the one that concerns the version goes first.
func TestFind_TheDeepestCause(t *testing.T) {
	full := pod(unscheduled("0/1 nodes are available: 1 Insufficient cpu."), func(p *corev1.Pod) { p.Name = "checkout-5f9-aaa" })
	crash := pod(ended(1, "Error", 3))
	for range 2 {
		got := diagnosis.Find(of(full, crash))
		if got == nil || got.Reason != platformv1alpha1.ReasonCrashLoop || got.Pod != "checkout-5f9-abc" || got.Container != "app" || !got.Ended {
			t.Errorf("got %+v", got)
		}
		full, crash = crash, full
	}
}

// Times are of whole seconds.
func TestFind_OfTwoVersionsOfOneSecond(t *testing.T) {
	works := pod(ready, func(p *corev1.Pod) {
		p.Name, p.Labels["pod-template-hash"], p.OwnerReferences[0].Name = "old", "4a1", "checkout-4a1"
	})
	crash := pod(ended(1, "Error", 3))
	for range 2 {
		if got := diagnosis.Find(of(works, crash)); got == nil || got.Reason != platformv1alpha1.ReasonCrashLoop {
			t.Errorf("got %+v", got)
		}
		works, crash = crash, works
	}
}

// Pods are read in pages, by name: those of the version before may fill the first ones.
// The kubelet expands variables in commands, and the runtime repeats the command.
// What a container that ended did before says nothing once it has got further, or has run for long.
// The kubelet puts a hook's command, and all that it printed, into the message.
// What a probe's command printed, and what a server sent, may be anything.
// The kubelet expands variables in paths of mounts too, and repeats one that is wrong.
func TestRefusal(t *testing.T) {
	for message, want := range map[string]struct {
		message string
		final   bool
	}{
		`jobs.batch "a-b" is forbidden: User "system:serviceaccount:towpath-appliers:shop-dev" cannot patch resource "jobs" in API group "batch" in the namespace "shop-dev"`: {
			"User system:serviceaccount:towpath-appliers:shop-dev may not patch jobs in namespace shop-dev, so that Job a-b cannot be made", false},
		`admission webhook "validate.kyverno.svc" denied the request: images must be signed`: {
			"Webhook validate.kyverno.svc, which is not Towpath's, refuses Job a-b: images must be signed", true},
		`services "a-b" is forbidden: exceeded quota: objects, requested: count/services=1, used: count/services=3, limited: count/services=3`: {
			"Quota objects of namespace shop-dev is used up: 3 of 3 count/services used, 1 more is asked for", false},
		`persistentvolumeclaims "a" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 10Gi`: {
			"A LimitRange of namespace shop-dev refuses Job a-b: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 10Gi", true},
	} {
		cause := diagnosis.Refusal("shop-dev", "Job a-b", message)
		if cause.Message != want.message || cause.Final != want.final || cause.Next == "" {
			t.Errorf("of %s it is %+v", message, cause)
		}
	}
	if cause := diagnosis.Refusal("shop-dev", "Job a-b", "no way"); cause.Message != "The API server refuses Job a-b: no way" || cause.Next != "" || cause.Final {
		t.Errorf("of what nobody knows it is %+v", cause)
	}
}
