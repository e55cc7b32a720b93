package diagnosis_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/diagnosis"
)

func TestFind_SaysNothingOfACommandWithSecrets(t *testing.T) {
	e := of(pod(waiting("RunContainerError", `exec: "--password=hunter2": executable file not found in $PATH`), func(p *corev1.Pod) {
		p.Spec.Containers[0].Command = []string{"--password=$(A)"}
	}))
	got := diagnosis.Find(e)
	if got == nil || got.Reason != platformv1alpha1.ReasonContainerStartFailed || strings.Contains(got.Message+got.Next, "hunter2") || !strings.Contains(got.Message, "is not shown") {
		t.Errorf("got %+v", got)
	}
}

func TestFind_SaysNothingThatAHookPrinted(t *testing.T) {
	const printed = `Exec lifecycle hook ([sh -c env]) for Container "app" in Pod "checkout-5f9-abc_shop-dev(1)" failed - error: command 'sh -c env' exited with 1: , message: "PASSWORD=hunter2"`
	for reason, c := range map[string]struct {
		restarts int32
		message  string
		final    bool
		ended    bool
	}{
		"PostStartHookError":                      {0, "The postStart hook of container app failed, so that the container was ended", false, true},
		"PostStartHookError, and again and again": {3, "so that the container was ended, and was started again 3 times", true, true},
		"PreStartHookError":                       {5, "Container app cannot be started: its node could not prepare it", false, false},
	} {
		short, _, _ := strings.Cut(reason, ",")
		got := diagnosis.Find(of(pod(waiting(short, printed), func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount = c.restarts })))
		if got == nil {
			t.Errorf("%s: found nothing", reason)
			continue
		}
		if got.Reason != platformv1alpha1.ReasonContainerStartFailed || !strings.Contains(got.Message, c.message) || got.Final != c.final || got.Ended != c.ended {
			t.Errorf("%s: got %+v", reason, *got)
		}
		if strings.Contains(got.Message+got.Next, "hunter2") || !strings.Contains(got.Next, "kubectl -n shop-dev describe pod checkout-5f9-abc") {
			t.Errorf("%s: says %q, %q", reason, got.Message, got.Next)
		}
	}
}

func TestFind_SaysOfAProbeWhatTheKubeletKnows(t *testing.T) {
	exec := corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}}
	grpc := corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 80}}
	for said, c := range map[string]struct {
		probe corev1.ProbeHandler
		want  string
	}{
		"Readiness probe failed: password=hunter2":                                                                                   {exec, "(a command) does not pass"},
		"Readiness probe failed: timeout hunter2":                                                                                    {exec, "(a command) does not pass"},
		"Readiness probe failed: Get hunter2: connection refused":                                                                    {exec, "(a command) does not pass"},
		"Liveness probe failed: hunter2: connection refused":                                                                         {want: "on port http) does not pass"},
		`Readiness probe failed: Get "http://10.0.0.1/hunter2": dial tcp 10.0.0.1:80: connect: connection refused`:                   {want: "does not pass: connection refused"},
		`Readiness probe failed: Get "http://10.0.0.1/": net/http: HTTP/1.x transport connection broken: malformed status "hunter2"`: {want: "on port http) does not pass"},
		`Readiness probe failed: Get "http://10.0.0.1/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`: {want: "does not pass: context deadline exceeded"},
		"Readiness probe failed: HTTP probe failed with statuscode: 503":                                                             {want: "does not pass: HTTP probe failed with statuscode: 503"},
		`Readiness probe failed: service unhealthy (responded with "NOT_SERVING")`:                                                   {grpc, `does not pass: service unhealthy (responded with "NOT_SERVING")`},
	} {
		e := with(of(pod(running, func(p *corev1.Pod) {
			if c.probe != (corev1.ProbeHandler{}) {
				p.Spec.Containers[0].ReadinessProbe.ProbeHandler = c.probe
			}
		})), event("Pod", "checkout-5f9-abc", "Unhealthy", said, 0))
		if got := diagnosis.Find(e); got == nil || strings.Contains(got.Message, "hunter2") || !strings.HasSuffix(got.Message, c.want) {
			t.Errorf("%s: got %+v", said, got)
		}
	}
	other := event("Pod", "checkout-5f9-abc", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", 0)
	other.InvolvedObject.FieldPath = "spec.containers{proxy}"
	if got := diagnosis.Find(with(of(pod(running)), other)); got == nil || strings.Contains(got.Message, "503") {
		t.Errorf("of another container: got %+v", got)
	}
}

func TestFind_SaysNothingOfAPathWithSecrets(t *testing.T) {
	e := of(pod(waiting("CreateContainerConfigError", "error SubPath `/hunter2` must not be an absolute path"), func(p *corev1.Pod) {
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPathExpr: "$(A)"}}
	}))
	if got := diagnosis.Find(e); got == nil || got.Reason != platformv1alpha1.ReasonConfigurationMissing || strings.Contains(got.Message, "hunter2") {
		t.Errorf("got %+v", got)
	}
}
