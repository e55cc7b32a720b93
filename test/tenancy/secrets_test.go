package tenancy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Secret that a Component names", func() {
	const secret, open = "s3cr3t-canary", "0pen-canary"

	It("is nowhere in records, status, events, logs or metrics, where what is no secret is found", func(ctx context.Context) {
		name := framework.Name("c")
		Expect(mallory.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: evil.work, Name: name}, StringData: map[string]string{"password": secret},
		})).To(Succeed())
		good := framework.Component(evil.home, name, lax, "dev")
		good.Spec.Parameters = framework.JSON("name: " + name)
		good.Spec.Env = []platformv1alpha1.EnvVar{{Name: "OPEN", Value: open}}
		good.Spec.SecretEnv = []platformv1alpha1.SecretEnvVar{{
			Name: "PASSWORD", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: name, Key: "password"},
		}}
		// One that goes wrong: errors are where things leak.
		bad := framework.Component(evil.home, framework.Name("c"), lax, "dev")
		bad.Spec = *good.Spec.DeepCopy()
		bad.Spec.Parameters = framework.JSON("name: foreign")
		for _, c := range []*platformv1alpha1.Component{good, bad} {
			Expect(mallory.Create(ctx, c)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, c)).To(Succeed()) })
		}
		Eventually(ctx, framework.Read(admin, good)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, bad)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonReleaseFailed))

		isNowhere(ctx, secret, map[string]string{
			"records and status": open, "rendered objects": open, "events": name, "the manager's log": name, "the manager's metrics": `controller="release"`, "the audit log": name,
		})
		Expect(everything(ctx, "v1", "Secret")).To(ContainSubstring("czNjcjN0LWNhbmFyeQ=="), "the control: it is there, in base64")
		Expect(everything(ctx, "platform.towpath.dev/v1alpha1", "Component", "Release")).NotTo(ContainSubstring("czNjcjN0LWNhbmFyeQ=="))
	})
})

var _ = Describe("What a process prints", func() {
	const printed = "pr1nted-canary"

	// printers are the places of a pod where a kubelet puts it.
	printers := map[string]struct {
		status corev1.ContainerStatus
		reason string
	}{
		"a postStart hook": {corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "PostStartHookError", Message: `Exec lifecycle hook ([sh -c env]) for Container "app" in Pod "x" failed - error: command 'sh -c env' exited with 1: , message: "` + printed + `"`,
		}}}, platformv1alpha1.ReasonContainerStartFailed},
		"a container that ended": {corev1.ContainerStatus{
			RestartCount: 4, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 1m20s"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", Message: printed}},
		}, platformv1alpha1.ReasonCrashLoop},
	}
	for what, printer := range printers {
		It("is nowhere but in its pod: "+what, func(ctx context.Context) {
			component := framework.Component(evil.home, framework.Name("c"), lax, "dev")
			component.Spec.Parameters = framework.JSON(podWith(container(""), "") + "\nname: " + component.Name)
			Expect(mallory.Create(ctx, component)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
			var pods corev1.PodList
			Eventually(ctx, func(ctx context.Context) ([]corev1.Pod, error) {
				err := admin.List(ctx, &pods, client.InNamespace(evil.work), client.MatchingLabels{platformv1alpha1.LabelComponent: component.Name})
				return pods.Items, err
			}).Should(HaveLen(1))
			pod := &pods.Items[0]
			before := pod.DeepCopy()
			printer.status.Name, printer.status.Image = "app", "app:1"
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{printer.status}
			Expect(admin.Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())

			release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: evil.home, Name: component.Name + "-dev-1"}}
			Eventually(ctx, framework.Read(admin, release)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", printer.reason))
			isNowhere(ctx, printed, map[string]string{
				"records and status": printer.reason, "rendered objects": component.Name, "events": component.Name, "the manager's log": component.Name,
				"the manager's metrics": `controller="release"`, "the audit log": component.Name,
			})
			Expect(everything(ctx, "v1", "Pod")).To(ContainSubstring(printed), "the control: it is there")
		})
	}
})

// places are where something secret might get to.
var places = map[string]func(context.Context) string{
	"records and status": func(ctx context.Context) string {
		return everything(ctx, "platform.towpath.dev/v1alpha1", "Component", "Release", "Environment", "EnvironmentClass")
	},
	"rendered objects":      func(ctx context.Context) string { return everything(ctx, "v1", "ConfigMap") },
	"events":                func(ctx context.Context) string { return everything(ctx, "events.k8s.io/v1", "Event") },
	"the manager's log":     func(context.Context) string { return logged.String() },
	"the manager's metrics": metrics,
	"the audit log": func(context.Context) string {
		log, err := os.ReadFile(filepath.Join(cluster.Dir, "audit.log"))
		Expect(err).NotTo(HaveOccurred())
		return string(log)
	},
}

// isNowhere looks for something secret in all places. What is found in each shows that it was looked at.
func isNowhere(ctx context.Context, secret string, found map[string]string) {
	GinkgoHelper()
	for place, read := range places {
		Expect(found).To(HaveKey(place))
		Eventually(ctx, read).Should(ContainSubstring(found[place]), place)
		Expect(read(ctx)).NotTo(ContainSubstring(secret), place)
	}
}

// everything is every object of some kinds, as JSON.
func everything(ctx context.Context, apiVersion string, kinds ...string) string {
	GinkgoHelper()
	var all bytes.Buffer
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.FromAPIVersionAndKind(apiVersion, kind+"List"))
		Expect(admin.List(ctx, list)).To(Succeed())
		Expect(json.NewEncoder(&all).Encode(list)).To(Succeed())
	}
	return all.String()
}

// metrics are what the manager serves to whoever may read it.
func metrics(ctx context.Context) string {
	GinkgoHelper()
	const name = "scraper"
	reader := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, reader))).To(Succeed())
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: name}},
	}))).To(Succeed())
	cfg, err := cluster.Plane.ServiceAccountConfig(ctx, "default", name)
	Expect(err).NotTo(HaveOccurred())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+cluster.MetricsAddress()+"/metrics", nil)
	Expect(err).NotTo(HaveOccurred())
	req.Header.Set("Authorization", "Bearer "+cfg.BearerToken)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // whom it serves is not the question here
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return string(body)
}
