package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/process"
)

// readyTimeout is how long the sample may take to become Ready.
const readyTimeout = 90 * time.Second

// labelAliases are the labels that OpenCost reads by default.
var labelAliases = []string{
	"--label-alias", "team=team", "--label-alias", "env=environment", "--label-alias", "app=component",
	"--label-alias", "owner=team", "--label-alias", "cost-center=cost-center",
}

// demo is one demo cluster, in a folder of its own.
type demo struct {
	root, dir string
	plane     *controlplane.ControlPlane
	client    client.Client
	// kubeconfig is that of a kind cluster; empty where a control plane of its own has one.
	kubeconfig string
	// patience is how long a step may wait.
	patience time.Duration
	manager  *process.Manager
	git      *gitServer
	// pushed is the commit that this call pushed; empty where an earlier one did.
	pushed string
	// components are those of the sample. A second call must not wait for what a user has added.
	components []client.ObjectKey
	// warned is what the API server answered as a warning.
	warned warnings
}

func newDemo(root, dir string) *demo {
	return &demo{root: root, dir: dir, patience: readyTimeout, git: &gitServer{dir: filepath.Join(dir, "git")}, manager: &process.Manager{
		Dir: filepath.Join(dir, "manager"), Binary: filepath.Join(root, "bin", "manager"),
		Arguments: append([]string{"--config", filepath.Join(dir, "manager.yaml")}, labelAliases...),
	}}
}

// up brings everything about that is not there yet.
func (d *demo) up(ctx context.Context) error {
	start := time.Now()
	fmt.Println("Towpath demo: a golden path becomes running, labelled services")
	for _, s := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"control plane: etcd, API server, controllers, scheduler, kwok", d.startPlane},
		{"install: kinds, rights, admission policies, webhooks", d.install},
		{"manager: as its own service account", d.startManager},
		{"golden paths: environment classes and the catalogue", d.applyCatalog},
		{"sample: team shop, dev and prod, as in config/samples", d.applySamples},
		{"change: team bank, as in hack/demo/change", d.applyChange},
		{"push: a Git server, and team dock, as in hack/demo/push", d.applyPush},
		{"waiting until every Component of shop is Ready", d.awaitReady},
		{"a git push, once what was pushed before is built and runs", d.pushChange},
		{"a preview of a pull request: made, Ready, deleted", d.runPreview},
		{"an approval, a release that fails and rolls back, a freeze", d.awaitChange},
		{"a bill, a budget, an alert, and a limit that stops", d.runMoney},
		{"what was pushed: its Build, and its Release in dev", d.awaitPush},
	} {
		if err := step(s.what, func() error { return s.do(ctx) }); err != nil {
			return fmt.Errorf("%w\nlogs: %s and %s", err, d.manager.Log(), filepath.Join(d.dir, "logs"))
		}
	}
	fmt.Printf("  all there after %.1fs\n\n", time.Since(start).Seconds())
	return d.show(ctx)
}

// down ends everything and removes the folder.
func (d *demo) down(ctx context.Context) error {
	if err := d.git.stop(ctx); err != nil {
		return err
	}
	if err := d.manager.Stop(ctx); err != nil {
		return err
	}
	if err := controlplane.Stop(ctx, d.dir); err != nil {
		return err
	}
	return os.RemoveAll(d.dir)
}

func (d *demo) startPlane(ctx context.Context) error {
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Dir: d.dir, Nodes: 3, Detach: true, AuditLog: filepath.Join(d.dir, "audit.log"),
		Stages: []string{filepath.Join(d.root, "hack", "demo", "pod-crash.yaml")},
	})
	if err != nil {
		return err
	}
	d.plane = plane
	cfg := plane.AdminConfig()
	cfg.WarningHandlerWithContext = &d.warned
	if d.client, err = newClient(cfg); err != nil {
		return err
	}
	return d.makeVolumes(ctx)
}

func newClient(cfg *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return client.New(cfg, client.Options{Scheme: scheme})
}

func (d *demo) install(ctx context.Context) error {
	return install.Towpath(ctx, d.client, install.Options{WebhookURL: d.manager.WebhookURL()})
}

func (d *demo) startManager(ctx context.Context) error {
	if err := d.writeConfiguration(); err != nil {
		return err
	}
	return d.manager.Start(ctx, d.plane)
}

func (d *demo) applyCatalog(ctx context.Context) error {
	return install.Catalog(ctx, d.client, config.Manifests{})
}

func (d *demo) applySamples(ctx context.Context) error {
	objects, err := install.Files(ctx, d.client, filepath.Join(d.root, "config", "samples"))
	for _, object := range objects {
		if object.GetKind() == "Component" {
			d.components = append(d.components, client.ObjectKeyFromObject(object))
		}
	}
	return err
}

// awaitReady waits for the sample's Components.
func (d *demo) awaitReady(ctx context.Context) error {
	return d.await(ctx, func(ctx context.Context) []string {
		var waiting []string
		for _, key := range d.components {
			waiting = append(waiting, d.waitsFor(ctx, key))
		}
		return all(waiting...)
	})
}

// await waits until nothing is waited for any more, and says what it is when it gives up.
func (d *demo) await(ctx context.Context, what func(context.Context) []string) error {
	var waiting []string
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, d.patience, true, func(ctx context.Context) (bool, error) {
		now := what(ctx)
		if ctx.Err() == nil { // else what was seen before the time ran out says more
			waiting = now
		}
		return len(now) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("not there after %s: %s", d.patience, strings.Join(waiting, "; "))
	}
	return nil
}

// waitsFor says why a Component is not Ready everywhere; nothing where it is.
func (d *demo) waitsFor(ctx context.Context, key client.ObjectKey) string {
	var component platformv1alpha1.Component
	if err := d.client.Get(ctx, key, &component); err != nil {
		return err.Error()
	}
	for _, kind := range []string{platformv1alpha1.ConditionReady, platformv1alpha1.ConditionPromoted} {
		switch c := meta.FindStatusCondition(component.Status.Conditions, kind); {
		case c == nil || component.Status.ObservedGeneration != component.Generation:
			return fmt.Sprintf("Component %s was not looked at yet", key)
		case c.Status != metav1.ConditionTrue:
			return fmt.Sprintf("Component %s is not %s: %s: %s", key, kind, c.Reason, c.Message)
		}
	}
	return ""
}

// show prints the tree as a user would ask for it, and what to try next.
func (d *demo) show(ctx context.Context) error {
	towpath := exec.CommandContext(ctx, filepath.Join(d.root, "bin", "towpath"), "status", "-n", "team-shop", "--kubeconfig", d.plane.AdminKubeconfig())
	towpath.Stdout, towpath.Stderr = os.Stdout, os.Stderr
	if err := towpath.Run(); err != nil {
		return fmt.Errorf("towpath status: %w", err)
	}
	if err := d.showPush(); err != nil {
		return err
	}
	if err := d.showChange(ctx); err != nil {
		return err
	}
	if err := d.showPreview(); err != nil {
		return err
	}
	if err := d.showMoney(); err != nil {
		return err
	}
	fmt.Printf(`
The cluster is up. Its pods are simulated: there is nothing behind port-forward and logs. Try:
  export KUBECONFIG=$PWD/%[1]s
  kubectl get towpath -A
  kubectl -n team-shop patch component checkout --type merge -p '{"spec":{"image":"registry.example/shop/checkout:2.0.0"}}'
  bin/towpath status -n team-shop checkout
  git -C %[2]s commit --allow-empty -m "Sail on" && git -C %[2]s push origin main    # a Build within half a minute
  bin/towpath status -n team-bank
  kubectl -n team-mint get budgets; bin/towpath cost report --team mint --hints
  make demo-down    # ends it
`, d.relative(d.plane.AdminKubeconfig()), d.relative(d.work()))
	return nil
}

// relative is a path as it is from the root of the repository.
func (d *demo) relative(path string) string {
	if short, err := filepath.Rel(d.root, path); err == nil {
		return short
	}
	return path
}
