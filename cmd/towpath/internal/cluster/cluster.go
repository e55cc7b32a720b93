// Package cluster connects the CLI to the cluster of the caller's kubeconfig, and turns what can go
// wrong there into errors that name the next step.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Flags choose a cluster and a namespace, as kubectl's do.
type Flags struct {
	Kubeconfig, Context, Namespace string
	AllNamespaces                  bool
	Timeout                        time.Duration
}

// Bind gives a command the flags that choose a cluster.
func (f *Flags) Bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Kubeconfig, "kubeconfig", "", "file to use in place of KUBECONFIG and ~/.kube/config")
	cmd.Flags().StringVar(&f.Context, "context", "", "context of the kubeconfig to use (default: its current one)")
	cmd.Flags().DurationVar(&f.Timeout, "request-timeout", 20*time.Second, "how long one request to the cluster may take")
}

// BindNamespace gives a command the flags that choose a namespace.
func (f *Flags) BindNamespace(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	cmd.Flags().BoolVarP(&f.AllNamespaces, "all-namespaces", "A", false, "look at every team")
}

// Kubectl is how the caller would call kubectl to reach the same cluster.
func (f *Flags) Kubectl() string { return f.Reach("kubectl") }

// Reach adds to a command the flags that lead it to the same cluster.
func (f *Flags) Reach(command string) string {
	if f.Kubeconfig != "" {
		command += " --kubeconfig " + f.Kubeconfig
	}
	if f.Context != "" {
		command += " --context " + f.Context
	}
	return command
}

// Cluster is a connection.
type Cluster struct {
	client.Client
	// Namespace that the caller chose, or the context's.
	Namespace string
	// Logs returns the last lines that a container logged, or with previous, the one before it was started again.
	// Nil where there are none to read.
	Logs func(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error)
}

// Connector opens the connection that flags ask for. Tests put a fake in its place.
type Connector func(Flags) (*Cluster, error)

// Connect reads the kubeconfig. It sends nothing: the first request does.
func Connect(flags Flags) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = flags.Kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: flags.Context})
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, err
	}
	rest.Timeout = flags.Timeout
	rest.UserAgent = "towpath-cli"
	rest.QPS, rest.Burst = 50, 100
	rest.WarningHandlerWithContext = warnings{}
	namespace := flags.Namespace
	if namespace == "" {
		if namespace, _, err = config.Namespace(); err != nil {
			return nil, err
		}
	}
	reader, err := client.New(rest, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, err
	}
	logs := func(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error) {
		options := &corev1.PodLogOptions{Container: container, Previous: previous, TailLines: &lines}
		text, err := clientset.CoreV1().Pods(namespace).GetLogs(pod, options).DoRaw(ctx)
		return string(text), err
	}
	return &Cluster{Client: reader, Namespace: namespace, Logs: logs}, nil
}

// pageSize bounds one answer of the API server: records such as Releases add up.
const pageSize = 500

// Pages lists page by page, and hands over each page.
func Pages[L client.ObjectList](ctx context.Context, reader client.Reader, list L, page func(L), options ...client.ListOption) error {
	next := ""
	for {
		if err := reader.List(ctx, list, append(options[:len(options):len(options)], client.Limit(pageSize), client.Continue(next))...); err != nil {
			return err
		}
		page(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// Scheme holds Kubernetes' kinds and ours.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), platformv1alpha1.AddToScheme(scheme)); err != nil {
		panic(err) // the kinds are compiled in: only a programming error gets here
	}
	return scheme
}

// ExplainConfig says why Connect failed, and what to do next.
func ExplainConfig(err error) (next string, explained error) {
	if clientcmd.IsEmptyConfig(err) {
		return "set KUBECONFIG or --kubeconfig, or start a local cluster with make demo",
			errors.New("no cluster is configured")
	}
	return "kubectl config get-contexts", fmt.Errorf("cannot read the kubeconfig: %w", err)
}

// Explain says in the caller's words why a request failed, and what to do next. doing completes
// "cannot …", such as "list components in namespace team-shop".
func Explain(err error, flags Flags, doing string) (next string, explained error) {
	var network *net.OpError
	var address *url.Error
	switch {
	case meta.IsNoMatchError(err) || isMissingGroup(err):
		return "install Towpath, or choose another cluster: kubectl config get-contexts",
			fmt.Errorf("cannot %s: the cluster does not serve %s: Towpath is not installed in it",
				doing, platformv1alpha1.GroupVersion)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), isRefused(err):
		return "correct what the message names, and try again", fmt.Errorf("cannot %s: %w", doing, err)
	case apierrors.IsForbidden(err):
		return flags.Kubectl() + " auth can-i --list, then ask the platform team for the missing right",
			fmt.Errorf("cannot %s: %w", doing, err)
	case apierrors.IsUnauthorized(err):
		return "log in again, then " + flags.Kubectl() + " auth whoami",
			fmt.Errorf("cannot %s: the cluster does not accept your credentials", doing)
	case errors.As(err, &network), errors.As(err, &address):
		return flags.Kubectl() + " cluster-info",
			fmt.Errorf("cannot %s: the cluster does not answer: %w", doing, err)
	}
	return flags.Kubectl() + " cluster-info", fmt.Errorf("cannot %s: %w", doing, err)
}

// isRefused recognises what a webhook or a policy did not let in, which is no matter of rights. The API server has no other
// word for it than in its text.
func isRefused(err error) bool {
	text := err.Error()
	return apierrors.IsForbidden(err) && (strings.Contains(text, "admission webhook") || strings.Contains(text, "ValidatingAdmissionPolicy"))
}

// isMissingGroup recognises the answers of a cluster that lost our CRDs after discovery.
func isMissingGroup(err error) bool {
	var status apierrors.APIStatus
	return runtime.IsNotRegisteredError(err) ||
		apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Name == ""
}
