// Package tekton_test shows how Builds are run by the real controller of Tekton, as a process beside the control plane, under its own
// account, rights, definitions and admission. There are no nodes: the suite plays the kubelet, and nothing else. What a step leaves behind when it ends
// is written by Tekton's own code. make test-tekton-controller builds all of it; where that is not there, the suite is skipped.
package tekton_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	// required makes the absence of the controller a failure.
	required   = "TOWPATH_TEKTON_REQUIRED"
	controller = "tekton-controller"
	webhook    = "tekton-webhook"
	// termination writes what a step leaves behind: see hack/tekton/termination.
	termination = "tekton-termination"

	namespace = "tekton-pipelines"
	// The accounts of Tekton; the Service of its webhook has the name of that.
	controllerAccount, webhookAccount = "tekton-pipelines-controller", "tekton-pipelines-webhook"
	// class is that of every environment; its pods are held to the restricted level.
	class = "suite-development"
)

var (
	cluster *framework.Cluster
	admin   client.Client
)

func TestTekton(t *testing.T) {
	for _, name := range []string{controller, webhook, termination} {
		if _, err := process.Built(name); err != nil && os.Getenv(required) == "" {
			t.Skipf("%v (make test-tekton-controller does)", err)
		}
	}
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Tekton")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	cluster.Configure = func(c *manager.Configuration) {
		c.Pipeline.Images = manager.PipelineImages{Clone: "registry.example/git:1", Image: "registry.example/buildctl:1", Scan: "registry.example/grype:1"}
		c.Pipeline.Buildkitd = "tcp://buildkitd.build-system.svc:1234"
	}
	admin = cluster.Client
	installTekton(ctx)
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.Class(class, platformv1alpha1.TierDevelopment))).To(Succeed())
})

// installTekton makes what Tekton's own module installs, without its Deployments, and runs its controller and its admission. What pods at
// the restricted level need is set as docs/guides/pipelines.md says.
func installTekton(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tektoncd/pipeline")
	list.Dir = filepath.FromSlash("../../../hack/tekton")
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	Expect(err).NotTo(HaveOccurred())
	for _, pattern := range []string{"300-crds/*.yaml", "200-*.yaml", "201-*.yaml", "config-*.yaml"} {
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "config", pattern))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty(), pattern)
		for _, file := range files {
			create(ctx, file, func(o *unstructured.Unstructured) bool {
				unstructured.RemoveNestedField(o.Object, "spec", "conversion") // of which the webhook here has none
				return true
			})
		}
	}
	setFlag(ctx, "set-security-context", "true")
	for _, kind := range []string{"PipelineRun", "TaskRun"} {
		o := &unstructured.Unstructured{}
		o.SetAPIVersion("tekton.dev/v1")
		o.SetKind(kind)
		Eventually(ctx, func(ctx context.Context) error {
			return admin.Get(ctx, types.NamespacedName{Namespace: namespace, Name: "none"}, o)
		}).Should(Satisfy(apierrors.IsNotFound), "the kind is served")
	}

	// The frame of Knative that the controller has listens there, and cannot be told otherwise.
	listener, err := net.Listen("tcp", ":8080") //nolint:gosec // as the controller will
	Expect(err).NotTo(HaveOccurred(), "Tekton's controller listens on port 8080: end what has it")
	Expect(listener.Close()).To(Succeed())
	var ready int
	Expect(framework.FreePorts(&ready)).To(Succeed())
	runTool(ctx, controllerAccount, &process.Tool{
		Name: controller, Ready: "http://127.0.0.1:" + strconv.Itoa(ready) + "/readiness",
		Arguments: []string{"-entrypoint-image", "registry.example/tekton/entrypoint:1", "-nop-image", "registry.example/tekton/nop:1",
			"-sidecarlogresults-image", "registry.example/tekton/results:1", "-workingdirinit-image", "registry.example/tekton/workingdirinit:1",
			"-shell-image", "registry.example/tekton/shell:1", "-shell-image-win", "registry.example/tekton/powershell:1"},
		Environment: []string{"CONFIG_LEADERELECTION_NAME=config-leader-election-controller", "PROBES_PORT=" + strconv.Itoa(ready)},
	})
	installWebhook(ctx, filepath.Join(strings.TrimSpace(string(out)), "config", "500-webhooks.yaml"))
}

// installWebhook runs Tekton's admission, and has the API server reach it by a Service that leads to this machine.
func installWebhook(ctx context.Context, file string) {
	GinkgoHelper()
	var port int
	Expect(framework.FreePorts(&port)).To(Succeed())
	Expect(admin.Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: webhookAccount}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	})).To(Succeed())
	create(ctx, file, func(o *unstructured.Unstructured) bool {
		hooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
		for _, hook := range hooks {
			Expect(unstructured.SetNestedField(hook.(map[string]any), int64(port), "clientConfig", "service", "port")).To(Succeed())
		}
		if len(hooks) > 0 {
			Expect(unstructured.SetNestedSlice(o.Object, hooks, "webhooks")).To(Succeed())
		}
		return o.GetName() != "config.webhook.pipeline.tekton.dev"
	})
	runTool(ctx, webhookAccount, &process.Tool{
		Name: webhook, Environment: []string{"CONFIG_LEADERELECTION_NAME=config-leader-election-webhook", "WEBHOOK_PORT=" + strconv.Itoa(port)},
	})
	wrong := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "tekton.dev/v1", "kind": "TaskRun",
		"metadata": map[string]any{"namespace": namespace, "name": "wrong"}, "spec": map[string]any{}}}
	Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, wrong.DeepCopy(), client.DryRunAll) }).WithTimeout(slow).Should(
		MatchError(ContainSubstring("denied the request: validation failed")), "Tekton judges")
}

// runTool runs a program of Tekton with the rights of an account of it.
func runTool(ctx context.Context, account string, tool *process.Tool) {
	GinkgoHelper()
	tool.Dir = GinkgoT().TempDir()
	cfg, err := cluster.Plane.ServiceAccountConfig(ctx, namespace, account)
	Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(tool.Dir, "kubeconfig")
	Expect(controlplane.WriteKubeconfig(kubeconfig, cfg)).To(Succeed())
	var metrics, profiling int
	Expect(framework.FreePorts(&metrics, &profiling)).To(Succeed())
	tool.Arguments = append([]string{"-kubeconfig", kubeconfig}, tool.Arguments...)
	tool.Environment = append(tool.Environment, "SYSTEM_NAMESPACE="+namespace, "METRICS_DOMAIN=tekton.dev/pipeline", "CONFIG_DEFAULTS_NAME=config-defaults",
		"CONFIG_LOGGING_NAME=config-logging", "CONFIG_OBSERVABILITY_NAME=config-observability", "CONFIG_FEATURE_FLAGS_NAME=feature-flags", "CONFIG_SPIRE=config-spire",
		"KUBERNETES_MIN_VERSION=v1.28.0", "METRICS_PROMETHEUS_PORT="+strconv.Itoa(metrics), "PROFILING_PORT="+strconv.Itoa(profiling))
	Expect(tool.Start(ctx)).To(Succeed())
	DeferCleanup(func() {
		tool.Stop()
		log, err := os.ReadFile(tool.Log())
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry(tool.Name, string(log), ReportEntryVisibilityNever)
		if kept := os.Getenv("TOWPATH_LOGS"); kept != "" {
			Expect(os.WriteFile(filepath.Join(kept, tool.Name+".log"), log, 0o600)).To(Succeed())
		}
	})
}

// setFlag sets one of Tekton's feature flags.
func setFlag(ctx context.Context, name, value string) {
	GinkgoHelper()
	flags := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "feature-flags"}}
	Expect(admin.Patch(ctx, flags, client.RawPatch(types.MergePatchType, []byte(`{"data":{"`+name+`":"`+value+`"}}`)))).To(Succeed())
}

// create makes all objects of a file that a function wants, as it changed them.
func create(ctx context.Context, file string, wanted func(*unstructured.Unstructured) bool) {
	GinkgoHelper()
	text, err := os.Open(file) //nolint:gosec // of a module
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = text.Close() }()
	objects, err := install.Read(text)
	Expect(err).NotTo(HaveOccurred(), file)
	for _, o := range objects {
		if wanted(o) {
			Expect(client.IgnoreAlreadyExists(admin.Create(ctx, o))).To(Succeed(), file)
		}
	}
}

// message is what the entry point of Tekton leaves behind when a step ends with these results.
func message(results ...string) string {
	GinkgoHelper()
	program, err := process.Built(termination)
	Expect(err).NotTo(HaveOccurred())
	write := exec.Command(program, results...) //nolint:gosec // of hack/tekton
	var failure bytes.Buffer
	write.Stderr = &failure
	out, err := write.Output()
	Expect(err).NotTo(HaveOccurred(), failure.String())
	return string(out)
}
