package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
)

// On a kind cluster pods run. So what is pushed there is cloned, tested, built, pushed to a registry and signed by the pipeline of the
// catalogue's web-service, and the kubelet fetches what was built. The Git server, the registry and what has the place of the tools of
// the stages are those of the kind suite (test/kind/forge), and so are the settings of the manager (test/kind/config).

const (
	kindOverlay          = "../../test/kind/config"
	forgeName, forgeHost = "forge", "forge.forge.svc"
	forgePassword        = "demo" // as in kind/forge.yaml
	// kindTimeout is how long one step may take where images are loaded and pods run.
	kindTimeout = 6 * time.Minute
)

// kindParameters are those of the Component: small, tested by the image that stands for the tools, and signed.
const kindParameters = `{"replicas": {"min": 1, "max": 1}, "resources": {"cpu": "10m", "memory": "32Mi"},
  "build": {"testImage": "app.test/towpath/forge:1", "testCommand": "test -s version.txt && test \"$(git rev-parse HEAD)\" = \"$TOWPATH_COMMIT\"", "signingSecret": "cosign"}}`

// onKind shows a push on the kind cluster of a kubeconfig, which has an image of the manager in its node. Each call pushes once more.
func (d *demo) onKind(ctx context.Context, manager string) error {
	config, err := clientcmd.BuildConfigFromFlags("", d.kubeconfig)
	if err != nil {
		return err
	}
	if d.client, err = newClient(config); err != nil {
		return err
	}
	d.patience = kindTimeout
	fmt.Println("Towpath demo on kind: a push becomes a Build in pods that run, and a Release in dev")
	for _, s := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"install: Towpath and its catalogue, with test/kind/config", func(ctx context.Context) error { return d.deploy(ctx, manager) }},
		{"a Git server and a registry in the cluster, as in hack/demo/kind", d.startForge},
		{"team dock and its Environment dev, as in hack/demo/push", d.applyDock},
		{"a git push, of a Component of web-service from the catalogue", d.pushToForge},
		{"its Build, in pods, and its Release in dev", d.awaitOnKind},
	} {
		if err := step(s.what, func() error { return s.do(ctx) }); err != nil {
			return err
		}
	}
	return d.showOnKind(ctx)
}

// runFor runs a command for the cluster, in the root of the repository.
func (d *demo) runFor(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Env = d.root, append(os.Environ(), "KUBECONFIG="+d.kubeconfig)
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (d *demo) kubectl(ctx context.Context, args ...string) (string, error) {
	return d.runFor(ctx, filepath.Join(d.root, "bin", "kube", "current", "kubectl"), args...)
}

// deploy installs by the targets that users have for it. The kinds are served a moment before the manager's webhooks answer.
func (d *demo) deploy(ctx context.Context, manager string) error {
	for _, target := range []string{"deploy", "catalog"} {
		var last error
		err := wait.PollUntilContextTimeout(ctx, 2*time.Second, kindTimeout, true, func(ctx context.Context) (bool, error) {
			_, last = d.runFor(ctx, "make", "--no-print-directory", target, "OVERLAY="+kindOverlay, "IMG="+manager,
				"KUBECTL="+filepath.Join(d.root, "bin", "kube", "current", "kubectl"))
			return last == nil, nil
		})
		if err != nil {
			return errors.Join(last, err)
		}
	}
	return d.await(ctx, func(ctx context.Context) []string {
		var template platformv1alpha1.ServiceTemplate
		if err := d.client.Get(ctx, client.ObjectKey{Name: "web-service"}, &template); err != nil {
			return []string{err.Error()}
		}
		if template.Status.LatestRevision == nil {
			return []string{fmt.Sprintf("ServiceTemplate web-service has no revision: %+v", template.Status.Conditions)}
		}
		return nil
	})
}

// startForge starts the Git server and the registry, and has the node fetch images from the latter: it knows no names of Services, and asks
// registries by HTTPS unless it is told otherwise.
func (d *demo) startForge(ctx context.Context) error {
	if _, err := install.Files(ctx, d.client, filepath.Join(d.root, "hack", "demo", "kind")); err != nil {
		return err
	}
	err := d.await(ctx, func(ctx context.Context) []string {
		var forge appsv1.Deployment
		if err := d.client.Get(ctx, client.ObjectKey{Namespace: forgeName, Name: forgeName}, &forge); err != nil {
			return []string{err.Error()}
		}
		if forge.Status.ObservedGeneration != forge.Generation || forge.Status.ReadyReplicas == 0 {
			return []string{"Deployment forge is not ready"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var service corev1.Service
	if err := d.client.Get(ctx, client.ObjectKey{Namespace: forgeName, Name: forgeName}, &service); err != nil {
		return err
	}
	// The only node has the name of the container that is it.
	var nodes corev1.NodeList
	if err := d.client.List(ctx, &nodes); err != nil {
		return err
	}
	if len(nodes.Items) != 1 {
		return fmt.Errorf("the cluster of %s has %d nodes, and a kind cluster of make kind-up has one", d.kubeconfig, len(nodes.Items))
	}
	const script = `mkdir -p "$1" && printf 'server = "%s"\n[host."%s"]\n' "$2" "$2" >"$1/hosts.toml"`
	_, err = d.runFor(ctx, "docker", "exec", nodes.Items[0].Name, "sh", "-c", script, "sh", "/etc/containerd/certs.d/"+forgeHost+":5000", "http://"+service.Spec.ClusterIP+":5000")
	return err
}

// applyDock makes the team, and in the namespace of dev the Secrets by which Builds read the repository, and sign.
func (d *demo) applyDock(ctx context.Context) error {
	if _, err := install.Files(ctx, d.client, filepath.Join(d.root, "hack", "demo", "push")); err != nil {
		return err
	}
	var environment platformv1alpha1.Environment
	err := d.await(ctx, func(ctx context.Context) []string {
		if err := d.client.Get(ctx, client.ObjectKey{Namespace: pusherNamespace, Name: "dev"}, &environment); err != nil {
			return []string{err.Error()}
		}
		if environment.Status.Namespace == "" {
			return []string{"Environment dev has no namespace yet"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	authority, err := d.kubectl(ctx, "-n", forgeName, "exec", "deployment/"+forgeName, "--", "cat", "/data/ca.pem")
	if err != nil {
		return err
	}
	for name, data := range map[string]map[string]string{
		"towpath-git": {"username": "reader", "password": forgePassword, "repository": "https://" + forgeHost + ":8443/", "ca": authority + "\n"},
		// What stands for cosign wants a key, and signs nothing with it.
		"cosign": {"COSIGN_PRIVATE_KEY": "no key", "COSIGN_PASSWORD": ""},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: environment.Status.Namespace, Name: name}, StringData: data}
		err := d.await(ctx, func(ctx context.Context) []string { // the namespace may be a moment behind its name
			err := d.client.Create(ctx, secret.DeepCopy())
			if apierrors.IsAlreadyExists(err) {
				err = d.client.Update(ctx, secret.DeepCopy())
			}
			if err != nil {
				return []string{err.Error()}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pushToForge pushes a commit to the Git server, and has a Component built from its repository.
func (d *demo) pushToForge(ctx context.Context) error {
	out, err := d.kubectl(ctx, "-n", forgeName, "exec", "deployment/"+forgeName, "--", "forge", "commit", pushedName, "Greet in Welsh",
		"version.txt=ahoi-"+time.Now().UTC().Format("150405"), "Dockerfile=FROM scratch")
	if err != nil {
		return err
	}
	d.pushed = out
	component := &platformv1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Namespace: pusherNamespace, Name: pushedName},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef: platformv1alpha1.TemplateReference{Name: "web-service"}, Parameters: &apiextensionsv1.JSON{Raw: []byte(kindParameters)},
			Source: &platformv1alpha1.Source{
				Repository: "https://" + forgeHost + ":8443/" + pushedName + ".git", SecretRef: &platformv1alpha1.SourceSecretReference{Name: "towpath-git"},
				IntervalSeconds: 30, Image: forgeHost + ":5000/dock/" + pushedName,
			},
			Environments: []platformv1alpha1.PathEnvironment{{Name: "dev"}},
		},
	}
	if err := d.client.Create(ctx, component); !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// awaitOnKind waits until what was pushed runs. A Build that has failed will not be another one.
func (d *demo) awaitOnKind(ctx context.Context) error {
	failed := false
	err := d.await(ctx, func(ctx context.Context) []string {
		build, why := d.delivered(ctx)
		if failed = build != nil && build.Status.Result == platformv1alpha1.BuildFailed; failed {
			return nil
		}
		return all(why, d.waitsFor(ctx, client.ObjectKey{Namespace: pusherNamespace, Name: pushedName}))
	})
	if err != nil || !failed {
		return err
	}
	_, why := d.delivered(ctx)
	return fmt.Errorf("%s: bin/towpath build logs -n %s says more", why, pusherNamespace)
}

// showOnKind prints what became of the push.
func (d *demo) showOnKind(ctx context.Context) error {
	build, why := d.delivered(ctx)
	if why != "" {
		return errors.New(why)
	}
	text, err := d.describe(ctx, build, `  Each stage ran in a pod: the commit was cloned from a Git server and tested, an image was pushed to a registry, listed, read and sealed,
  and the kubelet fetched it by its digest. Git, registry, network and volume are real. No image of a tool can be pulled here, so that all
  stages run in one of our own (test/kind/forge): its buildctl, syft, grype and cosign do the least of what theirs do, its grype knows no
  vulnerability, and its cosign signs nothing.
`)
	if err != nil {
		return err
	}
	logs, err := d.towpath(ctx, "build", "logs", "-n", pusherNamespace, build.Name)
	if err != nil {
		return err
	}
	pod, err := d.podOf(ctx, build)
	if err != nil {
		return err
	}
	said, err := d.kubectl(ctx, "-n", pod.Namespace, "logs", pod.Name, "--tail=3")
	if err != nil {
		return err
	}
	fmt.Printf("%s\n  $ bin/towpath build logs -n %s %s\n%s\n  $ kubectl -n %s logs %s\n%s\n", text, pusherNamespace, build.Name, indented(logs),
		pod.Namespace, pod.Name, indented(said))
	fmt.Printf(`
The cluster stays up. Try:
  export KUBECONFIG=$PWD/%s
  bin/towpath status -n %s %s
  make demo-kind    # pushes once more
  make kind-down    # ends it
`, d.relative(d.kubeconfig), pusherNamespace, pushedName)
	return nil
}

// podOf is the pod that runs what was built: one of the version before may not have ended.
func (d *demo) podOf(ctx context.Context, build *platformv1alpha1.Build) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := d.client.List(ctx, &pods, client.InNamespace(build.Status.Place.Namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: pushedName})
	for i := range pods.Items {
		if pods.Items[i].Spec.Containers[0].Image == build.Status.Image {
			return &pods.Items[i], nil
		}
	}
	return nil, errors.Join(err, fmt.Errorf("no pod runs %s", build.Status.Image))
}

// indented puts lines below what shows them.
func indented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		out.WriteString("    " + line)
	}
	return out.String()
}
