package argocd_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/test/framework"
)

// startArgoCD runs a store, the repository server and the application controller: this one as its account, with the rights that Argo CD's own
// manifests give it. Its intervals are those that it has by itself.
func startArgoCD(ctx context.Context) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	account, err := cluster.Plane.ServiceAccountConfig(ctx, deliverer.Namespace, deliverer.Name)
	Expect(err).NotTo(HaveOccurred())
	Expect(controlplane.WriteKubeconfig(kubeconfig, account)).To(Succeed())
	binary, err := process.Built(program)
	Expect(err).NotTo(HaveOccurred())

	var store, repositories, repositoryMetrics, controllerMetrics int
	Expect(framework.FreePorts(&store, &repositories, &repositoryMetrics, &controllerMetrics)).To(Succeed())
	for _, part := range []struct {
		name, ready string
		arguments   []string
	}{
		{"redis", "", []string{"--address", at(store)}},
		{"argocd-repo-server", "http://" + at(repositoryMetrics) + "/healthz", []string{
			"--address=127.0.0.1", "--port=" + strconv.Itoa(repositories), "--metrics-address=127.0.0.1", "--metrics-port=" + strconv.Itoa(repositoryMetrics),
			"--disable-tls", "--redis=" + at(store)}},
		{"argocd-application-controller", "http://" + at(controllerMetrics) + "/healthz", []string{
			"--repo-server=" + at(repositories), "--repo-server-plaintext", "--metrics-port=" + strconv.Itoa(controllerMetrics), "--redis=" + at(store),
			"--kubeconfig=" + kubeconfig, "--namespace=" + namespace}},
	} {
		folder := filepath.Join(dir, part.name)
		for _, name := range []string{"", "tls", "ssh", "gpg", "plugins"} {
			Expect(os.Mkdir(filepath.Join(folder, name), 0o750)).To(Succeed())
		}
		tool := &process.Tool{Name: program, Arguments: part.arguments, Dir: folder, Ready: part.ready, Environment: []string{
			"ARGOCD_BINARY_NAME=" + part.name, "KUBECONFIG=" + kubeconfig, "ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_GPG_ENABLED=false",
			"ARGOCD_TLS_DATA_PATH=" + filepath.Join(folder, "tls"), "ARGOCD_SSH_DATA_PATH=" + filepath.Join(folder, "ssh"),
			"ARGOCD_GNUPGHOME=" + filepath.Join(folder, "gpg"), "ARGOCD_PLUGINSOCKFILEPATH=" + filepath.Join(folder, "plugins"),
			"ARGOCD_ASK_PASS_SOCK=" + filepath.Join(folder, "ask"),
			"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"), // Git finds there what it asks for a password
		}}
		Expect(tool.Start(ctx)).To(Succeed(), part.name)
		DeferCleanup(keepLog, tool, part.name)
		DeferCleanup(func() { // Argo CD keeps everybody from looking into its checkouts
			_ = filepath.WalkDir(folder, func(path string, entry os.DirEntry, _ error) error {
				if entry != nil && entry.IsDir() {
					_ = os.Chmod(path, 0o700) //nolint:gosec // a folder of this test
				}
				return nil
			})
		})
		DeferCleanup(tool.Stop)
	}
}

// keepLog has the log of a program in the report of a run, and in the folder that TOWPATH_LOGS names.
func keepLog(tool *process.Tool, name string) {
	log, err := os.ReadFile(tool.Log())
	Expect(err).NotTo(HaveOccurred())
	AddReportEntry(name, string(log), ReportEntryVisibilityNever)
	if kept := os.Getenv("TOWPATH_LOGS"); kept != "" {
		Expect(os.WriteFile(filepath.Join(kept, name+".log"), log, 0o600)).To(Succeed())
	}
}

func at(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
