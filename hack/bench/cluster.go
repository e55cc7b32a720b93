package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/process"
)

const (
	setUpTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
)

// cluster is one fresh control plane. All of its processes end with this one.
type cluster struct {
	dir   string
	plane *controlplane.ControlPlane
	// config is the administrator's; what is asked for with it counts as the bench's own.
	config *rest.Config
	client client.Client
	own    own
	// manager is nil where there is no Towpath.
	manager *process.Manager
}

// startCluster brings up a control plane with nothing in it.
func startCluster(ctx context.Context, o *options) (*cluster, error) {
	dir, err := os.MkdirTemp(o.work, "run-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir}
	planeOptions := controlplane.Options{Dir: dir, Bare: !o.ready}
	if o.ready {
		planeOptions.Nodes = o.instances/podsOfNode + 1
	}
	if c.plane, err = controlplane.Start(ctx, planeOptions); err != nil {
		return c, err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, platformv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return c, err
		}
	}
	c.config = c.plane.AdminConfig()
	c.config.Wrap(c.own.wrap)
	c.client, err = client.New(c.config, client.Options{Scheme: scheme})
	return c, err
}

// podsOfNode is how many pods are planned for on a simulated node, which takes 110: during a start the
// scheduler does not fill each to the last.
const podsOfNode = 100

// stop ends all processes. The folder is removed, unless its logs are still needed.
func (c *cluster) stop(keep bool) error {
	// The caller's context may be over already.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	if c.manager != nil {
		errs = append(errs, c.manager.Stop(ctx))
	}
	if c.plane != nil {
		errs = append(errs, c.plane.Stop(ctx))
	}
	if err := errors.Join(errs...); err != nil || keep {
		return err
	}
	return os.RemoveAll(c.dir)
}

// logs says where to look when something went wrong.
func (c *cluster) logs() string {
	logs := filepath.Join(c.dir, "logs")
	if c.manager != nil {
		return c.manager.Log() + " and " + logs
	}
	return logs
}

// installTowpath starts Towpath, and makes the template and the teams. It returns when all is Ready and the manager has
// come to rest.
func (c *cluster) installTowpath(ctx context.Context, o *options) error {
	ctx, cancel := context.WithTimeout(ctx, setUpTimeout)
	defer cancel()
	if err := c.startTowpath(ctx, o); err != nil {
		return err
	}
	if err := c.makeTeams(ctx); err != nil {
		return err
	}
	_, err := c.settle(ctx)
	return err
}

// startTowpath installs Towpath as the demo does, and starts the manager.
func (c *cluster) startTowpath(ctx context.Context, o *options) error {
	c.manager = &process.Manager{Dir: filepath.Join(c.dir, "manager"), Binary: o.manager(), Attached: true}
	if o.managerWorkers > 0 {
		c.manager.Arguments = append(c.manager.Arguments, "--workers", strconv.Itoa(o.managerWorkers))
	}
	if o.profile {
		port, err := c.manager.Port("pprof")
		if err != nil {
			return err
		}
		c.manager.Arguments = append(c.manager.Arguments, "--pprof-bind-address", "127.0.0.1:"+strconv.Itoa(port))
	}
	if err := install.Towpath(ctx, c.client, install.Options{WebhookURL: c.manager.WebhookURL()}); err != nil {
		return err
	}
	for _, flow := range flowSchemas() {
		if err := c.client.Create(ctx, flow); err != nil {
			return fmt.Errorf("creating flow schema %s: %w", flow.Name, err)
		}
	}
	return c.manager.Start(ctx, c.plane)
}

// makeTeams makes the template, the class and the teams, and waits until they are Ready.
func (c *cluster) makeTeams(ctx context.Context) error {
	t, err := serviceTemplate()
	if err != nil {
		return err
	}
	for _, object := range []client.Object{environmentClass(), t} {
		if err := c.client.Create(ctx, object); err != nil {
			return err
		}
	}
	if err := c.awaitReady(ctx, t, func() []metav1.Condition { return t.Status.Conditions }); err != nil {
		return err
	}
	for i := range teams {
		home, env := team(i)
		if err := c.client.Create(ctx, home); err != nil {
			return err
		}
		if err := c.client.Create(ctx, env); err != nil {
			return err
		}
		if err := c.awaitReady(ctx, env, func() []metav1.Condition { return env.Status.Conditions }); err != nil {
			return err
		}
	}
	return nil
}

// awaitReady waits until an object is Ready.
func (c *cluster) awaitReady(ctx context.Context, object client.Object, conditions func() []metav1.Condition) error {
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := c.client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return false, err
		}
		return meta.IsStatusConditionTrue(conditions(), platformv1alpha1.ConditionReady), nil
	})
	if err != nil {
		return fmt.Errorf("%T %s did not become Ready: %w; its conditions: %+v", object, object.GetName(), err, conditions())
	}
	return nil
}

// metrics reads those of the API server.
func (c *cluster) metrics(ctx context.Context) ([]byte, error) {
	kube, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return nil, err
	}
	// Not packed: that would cost the API server, which is what is measured, as much again.
	text, err := kube.Discovery().RESTClient().Get().AbsPath("/metrics").SetHeader("Accept-Encoding", "identity").Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	return text, nil
}

// counters reads those of the API server.
func (c *cluster) counters(ctx context.Context) (counters, error) {
	text, err := c.metrics(ctx)
	if err != nil {
		return counters{}, err
	}
	return parseCounters(text), nil
}
