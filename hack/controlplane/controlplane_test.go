package controlplane_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"github.com/towpath-dev/towpath/hack/controlplane"
)

// components are the processes of a full cluster.
var components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}

func TestFullCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx := t.Context()
	dir := t.TempDir()
	audit := filepath.Join(dir, "audit.log")

	began := time.Now()
	cp, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, Nodes: 3, AuditLog: audit})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if stopped {
			return
		}
		if err := cp.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("started in %s", time.Since(began).Round(10*time.Millisecond))

	admin := clientFor(t, cp.AdminConfig())

	t.Run("a Deployment becomes available", func(t *testing.T) {
		if _, err := admin.AppsV1().Deployments("default").Create(ctx, deployment("web", 2), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) (bool, error) {
			got, err := admin.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
			return err == nil && got.Status.ReadyReplicas == 2, err
		})
	})

	t.Run("owned objects are garbage collected", func(t *testing.T) {
		foreground := metav1.DeletePropagationForeground
		if err := admin.AppsV1().Deployments("default").Delete(ctx, "web", metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) (bool, error) {
			pods, err := admin.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
			return err == nil && len(pods.Items) == 0, err
		})
	})

	t.Run("nodes are kept alive by leases", func(t *testing.T) {
		eventually(t, func(ctx context.Context) (bool, error) {
			leases, err := admin.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
			return err == nil && len(leases.Items) == 3, err
		})
	})

	t.Run("a service account's token is its identity", func(t *testing.T) {
		cfg, err := cp.ServiceAccountConfig(ctx, "default", "default")
		if err != nil {
			t.Fatal(err)
		}
		wantUser(t, cfg, "system:serviceaccount:default:default", "system:serviceaccounts:default")
	})

	t.Run("a user's certificate is their identity", func(t *testing.T) {
		cfg, err := cp.UserConfig("ada", "storefront")
		if err != nil {
			t.Fatal(err)
		}
		wantUser(t, cfg, "ada", "storefront")

		_, err = clientFor(t, cfg).CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("a user without a role listed Secrets: got error %v, want Forbidden", err)
		}
	})

	t.Run("an aggregated role grants what its parts grant", func(t *testing.T) {
		part := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "part", Labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"example.com"}, Resources: []string{"things"}, Verbs: []string{"get"}}},
		}
		if _, err := admin.RbacV1().ClusterRoles().Create(ctx, part, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) (bool, error) {
			view, err := admin.RbacV1().ClusterRoles().Get(ctx, "view", metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			for _, rule := range view.Rules {
				if rule.APIGroups[0] == "example.com" {
					return true, nil
				}
			}
			return false, nil
		})
	})

	t.Run("the audit log names user, impersonated user and object", func(t *testing.T) {
		cfg := cp.AdminConfig()
		cfg.Impersonate.UserName = "system:serviceaccount:kube-system:namespace-controller"
		err := clientFor(t, cfg).CoreV1().Pods("default").Delete(ctx, "audited", metav1.DeleteOptions{})
		if !apierrors.IsNotFound(err) {
			t.Fatalf("deleting a pod that does not exist: got error %v, want NotFound", err)
		}
		event := findAuditEvent(t, audit, "audited")
		if event.Verb != "delete" || event.User.Username != "kubernetes-admin" || event.ObjectRef.Resource != "pods" {
			t.Errorf("audited %s of %s by %s, want delete of pods by kubernetes-admin", event.Verb, event.ObjectRef.Resource, event.User.Username)
		}
		if event.ImpersonatedUser == nil || event.ImpersonatedUser.Username != cfg.Impersonate.UserName {
			t.Errorf("audited impersonated user %v, want %s", event.ImpersonatedUser, cfg.Impersonate.UserName)
		}
	})

	t.Run("a second start attaches", func(t *testing.T) {
		again, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, Nodes: 3, AuditLog: audit})
		if err != nil {
			t.Fatal(err)
		}
		if !again.Attached() {
			t.Error("the second start did not attach to the running cluster")
		}
		if got, want := again.AdminConfig().Host, cp.AdminConfig().Host; got != want {
			t.Errorf("attached to %s, want %s", got, want)
		}
	})

	began = time.Now()
	if err := cp.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	stopped = true
	t.Logf("stopped in %s", time.Since(began).Round(10*time.Millisecond))
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// A detached cluster is what "make demo" leaves up: it is stopped by its folder
// alone, and finds its objects, tokens and address again.
func TestRestartKeepsObjectsAndIdentities(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane twice")
	}
	ctx := t.Context()
	opts := controlplane.Options{Dir: t.TempDir(), Bare: true, Detach: true}
	t.Cleanup(func() {
		if err := controlplane.Stop(context.Background(), opts.Dir); err != nil {
			t.Error(err)
		}
	})

	first, err := controlplane.Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := clientFor(t, first.AdminConfig()).CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := controlplane.Stop(ctx, opts.Dir); err != nil {
		t.Fatal(err)
	}
	if left := processesOf(t, opts.Dir); len(left) > 0 {
		t.Fatalf("left running: %v", left)
	}

	second, err := controlplane.Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if second.Attached() {
		t.Error("attached to a cluster that was stopped")
	}
	// The kubeconfig of before, not the new handle's.
	cfg, err := clientcmd.BuildConfigFromFlags("", first.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clientFor(t, cfg).CoreV1().Namespaces().Get(ctx, "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("reading an object of before the restart: %v", err)
	}
}

func TestFailedStartNamesTheLog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	dir := t.TempDir()
	_, err := controlplane.Start(t.Context(), controlplane.Options{Dir: dir, Bare: true, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil {
		t.Fatal("started with a flag that does not exist")
	}
	for _, want := range []string{filepath.Join(dir, "logs", "kube-apiserver.log"), "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not contain %q:\n%v", want, err)
		}
	}
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

func TestStopLeavesForeignProcessesAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	// As after a reboot, when another process has got the number: here, this test.
	pid := filepath.Join(dir, "run", "etcd.pid")
	if err := os.WriteFile(pid, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := controlplane.Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pid); !os.IsNotExist(err) {
		t.Errorf("the stale pid file was not removed: %v", err)
	}
}

func TestNodesNeedControllers(t *testing.T) {
	if _, err := controlplane.Start(t.Context(), controlplane.Options{Bare: true, Nodes: 1}); err == nil {
		t.Error("a bare control plane accepted nodes")
	}
}

func clientFor(t *testing.T, cfg *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func wantUser(t *testing.T, cfg *rest.Config, name, group string) {
	t.Helper()
	review, err := clientFor(t, cfg).AuthenticationV1().SelfSubjectReviews().
		Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := review.Status.UserInfo
	if got.Username != name {
		t.Errorf("authenticated as %q, want %q", got.Username, name)
	}
	if !strings.Contains(strings.Join(got.Groups, " "), group) {
		t.Errorf("authenticated in groups %v, want %q among them", got.Groups, group)
	}
}

func eventually(t *testing.T, condition wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 30*time.Second, true, condition); err != nil {
		t.Fatal(err)
	}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example.com/app:v1"}}},
			},
		},
	}
}

// findAuditEvent returns the event about the object of this name.
func findAuditEvent(t *testing.T, path, object string) *auditv1.Event {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		event := &auditv1.Event{}
		if err := json.Unmarshal(lines.Bytes(), event); err != nil {
			t.Fatal(err)
		}
		if event.ObjectRef != nil && event.ObjectRef.Name == object {
			return event
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Fatalf("no audit event about %s", object)
	return nil
}

// processesOf lists the components that run with arguments below dir.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		// A process may end between the listing and the reading.
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(data), dir) {
			continue
		}
		for _, name := range components {
			if strings.HasSuffix(strings.Split(string(data), "\x00")[0], "/"+name) {
				found = append(found, name)
			}
		}
	}
	return found
}
