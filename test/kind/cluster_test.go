package kind

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// cluster is the kind cluster as its administrator sees it.
type cluster struct {
	client.Client
	config     *rest.Config
	clientset  *kubernetes.Clientset
	root       string
	kubeconfig string
	// node is the name of the only node, and Docker's of the container that is it. It begins with the cluster's.
	node string
}

func connect(ctx context.Context) *cluster {
	GinkgoHelper()
	log.SetLogger(GinkgoLogr)
	c := &cluster{kubeconfig: os.Getenv(kubeconfigVariable)}
	var err error
	c.root, err = filepath.Abs(filepath.Join("..", ".."))
	Expect(err).NotTo(HaveOccurred())
	c.config, err = clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	c.config.QPS = -1 // a spec that looks often must not wait for itself
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, platformv1alpha1.AddToScheme} {
		Expect(add(scheme)).To(Succeed())
	}
	c.Client, err = client.New(c.config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	c.clientset, err = kubernetes.NewForConfig(c.config)
	Expect(err).NotTo(HaveOccurred())
	var nodes corev1.NodeList
	Expect(c.List(ctx, &nodes)).To(Succeed())
	Expect(nodes.Items).To(HaveLen(1))
	c.node = nodes.Items[0].Name
	return c
}

// install puts Towpath and its catalogue into the cluster by the targets that users have for it, with the settings of this suite.
func (c *cluster) install(ctx context.Context) {
	GinkgoHelper()
	for _, target := range []string{"deploy", "catalog"} {
		// The kinds are served a moment before the manager's webhooks answer at their Service.
		Eventually(func() error {
			out, err := c.run(ctx, "make", "--no-print-directory", target, "OVERLAY=../../test/kind/config", "IMG="+os.Getenv(managerVariable), "KUBECTL="+c.kubectlPath())
			if err != nil {
				GinkgoWriter.Println(out)
			}
			return err
		}).WithContext(ctx).WithTimeout(6*time.Minute).WithPolling(2*time.Second).Should(Succeed(), "make %s", target)
	}
	Eventually(func(g Gomega) {
		var templates platformv1alpha1.ServiceTemplateList
		g.Expect(c.List(ctx, &templates)).To(Succeed())
		g.Expect(templates.Items).NotTo(BeEmpty())
		for i := range templates.Items {
			g.Expect(&templates.Items[i]).To(framework.BeReady())
		}
	}).WithContext(ctx).Should(Succeed(), "golden paths compile")
}

func (c *cluster) kubectlPath() string {
	return filepath.Join(c.root, "bin", "kube", "current", "kubectl")
}

// run runs a command in the repository, for the cluster, and returns all that it printed.
func (c *cluster) run(ctx context.Context, name string, args ...string) (string, error) {
	return c.runAs(ctx, c.kubeconfig, name, args...)
}

func (c *cluster) runAs(ctx context.Context, kubeconfig, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// must runs a command that has to succeed.
func (c *cluster) must(ctx context.Context, name string, args ...string) string {
	GinkgoHelper()
	out, err := c.run(ctx, name, args...)
	Expect(err).NotTo(HaveOccurred(), "%s %s printed:\n%s", name, strings.Join(args, " "), out)
	return out
}

func (c *cluster) kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return c.must(ctx, c.kubectlPath(), args...)
}

// towpath runs the CLI, which has to succeed.
func (c *cluster) towpath(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return c.must(ctx, c.towpathPath(), args...)
}

// towpathOutput is what the CLI writes to standard output alone, for what is applied.
func (c *cluster) towpathOutput(ctx context.Context, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, c.towpathPath(), args...)
	cmd.Dir, cmd.Stderr = c.root, GinkgoWriter
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig)
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred())
	return string(out)
}

// write makes a file of a spec.
func write(path, content string) {
	GinkgoHelper()
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
}

func (c *cluster) towpathPath() string { return filepath.Join(c.root, "bin", "towpath") }

// docker runs Docker's client, which has to succeed.
func (c *cluster) docker(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return c.must(ctx, "docker", args...)
}

// needsNetworkPolicies skips a spec where nothing enforces them: the node image that is built without a registry says why. Kind's own
// image says nothing, and enforces them.
func (c *cluster) needsNetworkPolicies(ctx context.Context) {
	GinkgoHelper()
	var network corev1.ConfigMap
	err := c.Get(ctx, client.ObjectKey{Namespace: "kube-system", Name: "pod-network"}, &network)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	if network.Data["enforcesNetworkPolicies"] == "false" {
		Skip("nothing enforces network policies here: " + network.Data["reason"])
	}
}

var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// collect writes what one wants to see of a failed spec below build/kind.
func (c *cluster) collect(ctx context.Context, spec string) {
	dir := filepath.Join(c.root, "build", "kind", strings.Trim(notInFileNames.ReplaceAllString(spec, "-"), "-"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		GinkgoWriter.Println(err)
		return
	}
	for file, args := range map[string][]string{
		"towpath.yaml":   {"get", "towpath", "-A", "-o", "yaml"},
		"workloads.yaml": {"get", "deployments,replicasets,statefulsets,cronjobs,jobs,pods,services,endpointslices,networkpolicies", "-A", "-o", "yaml"},
		"events.txt":     {"get", "events", "-A", "--sort-by=.metadata.creationTimestamp"},
		"pods.txt":       {"get", "pods", "-A", "-o", "wide"},
		"manager.log":    {"logs", "-n", platformv1alpha1.SystemNamespace, "-l", "app.kubernetes.io/name=towpath-manager", "--tail=-1", "--prefix"},
	} {
		out, err := c.run(ctx, c.kubectlPath(), args...)
		if err != nil {
			out += "\n" + err.Error()
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(out), 0o600); err != nil {
			GinkgoWriter.Println(err)
		}
	}
	c.collectLogs(ctx, filepath.Join(dir, "logs"))
	AddReportEntry("artifacts", dir)
}

// collectLogs writes the log of every container of a Component.
func (c *cluster) collectLogs(ctx context.Context, dir string) {
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.HasLabels{platformv1alpha1.LabelComponent}); err != nil || os.MkdirAll(dir, 0o755) != nil {
		GinkgoWriter.Println(err)
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		for _, previous := range []string{"false", "true"} {
			out, err := c.run(ctx, c.kubectlPath(), "logs", "-n", pod.Namespace, pod.Name, "--all-containers", "--previous="+previous)
			if err != nil && previous == "true" {
				continue // most did not start twice
			}
			name := pod.Namespace + "-" + pod.Name
			if previous == "true" {
				name += "-previous"
			}
			if err := os.WriteFile(filepath.Join(dir, name+".log"), []byte(out), 0o600); err != nil {
				GinkgoWriter.Println(err)
			}
		}
	}
}
