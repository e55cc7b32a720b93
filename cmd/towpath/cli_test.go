package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// call is one command line and what came of it.
type call struct {
	code     int
	out, err string
}

// towpath runs a command line against a cluster with the given objects.
func towpath(t *testing.T, objects []client.Object, args ...string) call {
	t.Helper()
	return with(t, func(flags cluster.Flags) (*cluster.Cluster, error) {
		namespace := flags.Namespace
		if namespace == "" {
			namespace = "team-shop"
		}
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).Build()
		return &cluster.Cluster{Client: fakes, Namespace: namespace}, nil
	}, "", append([]string{"towpath"}, args...)...)
}

func with(t *testing.T, connect cluster.Connector, stdin string, args ...string) call {
	t.Helper()
	var out, err strings.Builder
	code := run(t.Context(), args, connect, streams{in: strings.NewReader(stdin), out: &out, err: &err})
	return call{code: code, out: out.String(), err: err.String()}
}

// expect compares a call with its exit code and literal output.
func expect(t *testing.T, got call, code int, out, err string) {
	t.Helper()
	if got.code != code {
		t.Errorf("exit code %d, want %d", got.code, code)
	}
	if want := strings.TrimPrefix(out, "\n"); got.out != want {
		t.Errorf("stdout:\n%s\nwant:\n%s", got.out, want)
	}
	if want := strings.TrimPrefix(err, "\n"); got.err != want {
		t.Errorf("stderr:\n%s\nwant:\n%s", got.err, want)
	}
}

func home() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-shop", Labels: map[string]string{
		platformv1alpha1.LabelTeam: "shop", platformv1alpha1.LabelCostCenter: "cc-4711",
	}}}
}

func component(name string) *platformv1alpha1.Component {
	return &platformv1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "team-shop"},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef:  platformv1alpha1.TemplateReference{Name: "web-service"},
			Image:        "registry.example/shop/" + name + ":1",
			Environments: []platformv1alpha1.PathEnvironment{{Name: "dev"}},
		},
	}
}

func TestTheNameInUsageFollowsHowItWasCalled(t *testing.T) {
	for arg0, want := range map[string]string{
		"/usr/bin/towpath":         "towpath",
		"/usr/bin/kubectl-towpath": "kubectl towpath",
		"kubectl-towpath.exe":      "kubectl towpath",
		"cli.test":                 "towpath",
	} {
		if got := programName(arg0); got != want {
			t.Errorf("programName(%q) = %q, want %q", arg0, got, want)
		}
	}
	got := with(t, nil, "", "kubectl-towpath", "status", "--nonsense")
	expect(t, got, exitTrouble, "", `
kubectl towpath: unknown flag: --nonsense
next: kubectl towpath status --help
`)
	if help := with(t, nil, "", "kubectl-towpath", "--help"); !strings.Contains(help.out, "\n  kubectl towpath [command]\n") {
		t.Errorf("usage does not say kubectl towpath:\n%s", help.out)
	}
}

// TestAWordThatIsNoCommandIsAnError asks each command that has others below it for one that it has not.
func TestAWordThatIsNoCommandIsAnError(t *testing.T) {
	var ask func(cmd *cobra.Command, path []string)
	ask = func(cmd *cobra.Command, path []string) {
		if !cmd.HasSubCommands() {
			return
		}
		got := with(t, nil, "", append(slices.Clone(path), "abrot", "web")...)
		if got.code != exitTrouble || !strings.Contains(got.err, `unknown command "abrot"`) || got.out != "" {
			t.Errorf("%s abrot web: %+v", strings.Join(path, " "), got)
		}
		for _, sub := range cmd.Commands() {
			ask(sub, append(slices.Clone(path), sub.Name()))
		}
	}
	root := newRoot("towpath", nil, streams{})
	root.InitDefaultCompletionCmd()
	ask(root, []string{"towpath"})
}

func TestStatusPrintsTheTree(t *testing.T) {
	expect(t, towpath(t, []client.Object{home(), component("checkout")}, "status"), exitOK, `
team shop, cost centre cc-4711, namespace team-shop
└─ ? checkout  web-service  Unknown
   └─ ✘ dev  does not exist

next: kubectl -n towpath-system get pods
      # component checkout was not looked at yet: is the manager running?
`, "")
}

func TestStatusAsYAMLIsAStableStructure(t *testing.T) {
	expect(t, towpath(t, []client.Object{home(), component("checkout")}, "status", "checkout", "-o", "yaml"), exitOK, `
apiVersion: cli.platform.towpath.dev/v1alpha1
kind: Status
next:
- command: kubectl -n towpath-system get pods
  why: 'component checkout was not looked at yet: is the manager running?'
teams:
- components:
  - environments:
    - health: Missing
      name: dev
      ready:
        status: Unknown
    health: Unknown
    image: registry.example/shop/checkout:1
    name: checkout
    promoted:
      status: Unknown
    ready:
      status: Unknown
    template: web-service
  costCenter: cc-4711
  name: shop
  namespace: team-shop
`, "")
}

func TestStatusOfWhatIsNotThereEndsWithFindings(t *testing.T) {
	expect(t, towpath(t, []client.Object{home(), component("checkout")}, "status", "chekout"), exitFindings, "", `
towpath: component "chekout" does not exist in namespace team-shop, which has checkout
next: towpath status -n team-shop
`)
	expect(t, towpath(t, nil, "status", "-n", "nowhere"), exitFindings, "", `
towpath: namespace nowhere does not exist
next: kubectl get namespaces -l platform.towpath.dev/team
`)
}

func TestStatusWithoutTowpathInTheClusterSaysSo(t *testing.T) {
	missing := &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "platform.towpath.dev", Kind: "Component"}}
	connect := func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := interceptor.NewClient(fake.NewClientBuilder().WithScheme(cluster.Scheme()).Build(), interceptor.Funcs{
			List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return missing },
		})
		return &cluster.Cluster{Client: fakes, Namespace: "team-shop"}, nil
	}
	expect(t, with(t, connect, "", "towpath", "status"), exitTrouble, "", `
towpath: cannot list components in namespace team-shop: the cluster does not serve platform.towpath.dev/v1alpha1: Towpath is not installed in it
next: install Towpath, or choose another cluster: kubectl config get-contexts
`)
}

func TestStatusWithoutAClusterSaysWhatToDo(t *testing.T) {
	t.Setenv("KUBECONFIG", os.DevNull)
	t.Setenv("HOME", t.TempDir())
	expect(t, with(t, cluster.Connect, "", "towpath", "status"), exitTrouble, "", `
towpath: no cluster is configured
next: set KUBECONFIG or --kubeconfig, or start a local cluster with make demo
`)
	path := t.TempDir() + "/config"
	config := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
 clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: u, user: {}}]}`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	got := with(t, cluster.Connect, "", "towpath", "status", "--kubeconfig", path)
	if got.code != exitTrouble || !strings.Contains(got.err, "the cluster does not answer") ||
		!strings.HasSuffix(got.err, "next: kubectl --kubeconfig "+path+" cluster-info\n") {
		t.Errorf("got %+v", got)
	}
	got = with(t, cluster.Connect, "", "towpath", "status", "--kubeconfig", path, "--context", "other")
	if got.code != exitTrouble || !strings.HasSuffix(got.err, "next: kubectl config get-contexts\n") {
		t.Errorf("got %+v", got)
	}
}

func TestUnknownOutputFormatIsAUsageError(t *testing.T) {
	expect(t, towpath(t, nil, "status", "-o", "xml"), exitTrouble, "", `
towpath: -o "xml": must be one of json, yaml
next: towpath status --help
`)
}

func TestCompletionOffersComponents(t *testing.T) {
	got := towpath(t, []client.Object{home(), component("checkout"), component("catalogue")}, "__complete", "status", "")
	if want := "catalogue\ncheckout\n:4\n"; got.out != want {
		t.Errorf("got %q, want %q", got.out, want)
	}
}

func TestVersionShowsTheManagerWhereItIsVisible(t *testing.T) {
	manager := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "towpath-manager", Namespace: platformv1alpha1.SystemNamespace},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "manager", Image: "registry.example:5000/towpath/manager:v0.3.1"},
		}}}},
	}
	got := towpath(t, []client.Object{manager}, "version", "-o", "yaml")
	if !strings.Contains(got.out, "server:\n  image: registry.example:5000/towpath/manager:v0.3.1\n  version: v0.3.1\n") {
		t.Errorf("got:\n%s", got.out)
	}
	got = towpath(t, nil, "version")
	if got.code != exitOK || !strings.HasPrefix(got.out, "client: dev (commit unknown, unknown, go1.") ||
		!strings.HasSuffix(got.out, "server: not visible: no Deployment in namespace towpath-system has a container named manager\n") {
		t.Errorf("got %+v", got)
	}
	failing := func(cluster.Flags) (*cluster.Cluster, error) { return nil, errors.New("broken kubeconfig") }
	got = with(t, failing, "", "towpath", "version")
	if got.code != exitOK || !strings.HasSuffix(got.out, "server: not visible: cannot read the kubeconfig: broken kubeconfig\n") {
		t.Errorf("got %+v", got)
	}
	if got = with(t, failing, "", "towpath", "version", "--client"); strings.Contains(got.out, "server") {
		t.Errorf("got %+v", got)
	}
}

func TestImageVersion(t *testing.T) {
	for image, want := range map[string]string{
		"registry.example:5000/towpath":        "latest",
		"registry.example:5000/towpath:v1":     "v1",
		"towpath@sha256:abc":                   "sha256:abc",
		"registry.example/towpath:v2@sha256:a": "v2",
	} {
		if got := imageVersion(image); got != want {
			t.Errorf("imageVersion(%q) = %q, want %q", image, got, want)
		}
	}
}

// Whatever is wrong with a call, there is a line that helps.
func TestEveryErrorNamesWhatHelps(t *testing.T) {
	for line, want := range map[string]string{
		"adopt":                               "next: towpath adopt --help",
		"adopt deployment/checkout -n legacy": "next: towpath adopt --help",
		"eject checkout":                      "next: towpath eject --help",
		"convert":                             "next: towpath convert --help",
		"convert nowhere.yaml":                "towpath convert --help",
		"convert -":                           "next: change the workload as that says",
		"nothing":                             "next: towpath --help",
		"adopt deployment/checkout -n legacy --template web-service --home nope -e prod --class production": "towpath: namespace nope, which --home names, does not exist\n" +
			"next: kubectl get namespaces -l platform.towpath.dev/team, and choose one with --home",
	} {
		got := adoptCall(t, legacyObjects(t), strings.Fields(line)...)
		if got.code != exitTrouble || !strings.Contains(got.err, want) || strings.Count(got.err, "next: ") != 1 {
			t.Errorf("%s: got %d, %s", line, got.code, got.err)
		}
	}
}
