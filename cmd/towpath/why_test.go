package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/why"
)

func isReady(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
	return []metav1.Condition{{Type: platformv1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}}
}

// crashing is Component checkout, whose container ends again and again in dev.
func crashing() []client.Object {
	checkout := component("checkout")
	checkout.Status.Conditions = isReady(metav1.ConditionFalse, platformv1alpha1.ReasonReleaseFailed, "dev: Deployment checkout: …")
	checkout.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "dev", Release: "checkout-dev-1", Ready: metav1.ConditionFalse}}
	environment := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "dev"}}
	environment.Status.Namespace = "shop-dev"
	environment.Status.Conditions = isReady(metav1.ConditionTrue, platformv1alpha1.ReasonReady, "")
	release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout-dev-1"}}
	release.Spec.Number, release.Spec.Component.Name, release.Spec.Environment.Name, release.Spec.Environment.Namespace = 1, "checkout", "dev", "shop-dev"
	release.Status.Conditions = append(isReady(metav1.ConditionFalse, platformv1alpha1.ReasonCrashLoop, "Deployment checkout: 0 of 1 replicas available. …"),
		metav1.Condition{Type: platformv1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: platformv1alpha1.ReasonCrashLoop})
	release.Status.Objects = []platformv1alpha1.ReleaseObjectStatus{
		{ReleaseObject: platformv1alpha1.ReleaseObject{APIVersion: "v1", Kind: "Service", Name: "checkout"}, Health: platformv1alpha1.ObjectReady},
		{
			ReleaseObject: platformv1alpha1.ReleaseObject{APIVersion: "apps/v1", Kind: "Deployment", Name: "checkout"},
			Health:        platformv1alpha1.ObjectFailed, Message: "0 of 1 replicas available. Container app ended with exit code 3",
		},
	}
	for _, o := range release.Status.Objects {
		release.Spec.Inventory = append(release.Spec.Inventory, o.ReleaseObject)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "checkout-5f9-abc", Labels: map[string]string{
		platformv1alpha1.LabelComponent: "checkout", platformv1alpha1.LabelEnvironment: "dev",
	}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", RestartCount: 4, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
	}}
	return []client.Object{home(), checkout, environment, release, pod, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "checkout"}}}
}

// asked runs why against objects, where the kind named in forbidden may not be read, and with these logs.
func asked(t *testing.T, objects []client.Object, forbidden string, logs func(previous bool) (string, error), args ...string) call {
	t.Helper()
	refuse := func(kind string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", nil)
	}
	fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, pods := list.(*corev1.PodList); pods && forbidden == "pods" {
				return refuse("pods")
			}
			err := c.List(ctx, list, opts...)
			if pods, ok := list.(*corev1.PodList); ok && err == nil {
				page(pods, opts)
			}
			return err
		},
	}).Build()
	connection := &cluster.Cluster{Client: fakes, Namespace: "team-shop"}
	if logs != nil {
		connection.Logs = func(_ context.Context, namespace, pod, container string, previous bool, _ int64) (string, error) {
			if namespace != "shop-dev" || pod != "checkout-5f9-abc" || container != "app" {
				t.Errorf("logs of %s/%s/%s were asked for", namespace, pod, container)
			}
			return logs(previous)
		}
	}
	return with(t, func(cluster.Flags) (*cluster.Cluster, error) { return connection, nil }, "", append([]string{"towpath", "why"}, args...)...)
}

// page cuts a list as an API server does: the fake one knows no pages.
func page(pods *corev1.PodList, opts []client.ListOption) {
	var asked client.ListOptions
	asked.ApplyOptions(opts)
	from, _ := strconv.Atoi(asked.Continue)
	end := min(from+int(asked.Limit), len(pods.Items))
	if end < len(pods.Items) {
		pods.Continue = strconv.Itoa(end)
	}
	pods.Items = pods.Items[from:end]
}

func TestWhy_OfAComponentWithManyPods(t *testing.T) {
	objects := crashing()
	crashes := objects[4].(*corev1.Pod)
	crashes.Name, crashes.CreationTimestamp = "checkout-5f9-zzz", metav1.Now()
	crashes.Labels["pod-template-hash"] = "5f9"
	for i := range 600 {
		old := crashes.DeepCopy()
		old.Name, old.CreationTimestamp, old.Status = fmt.Sprintf("checkout-4a1-%d", i), metav1.Time{}, corev1.PodStatus{}
		old.Labels["pod-template-hash"] = "4a1"
		objects = append(objects, old)
	}
	got := asked(t, objects, "", nil, "checkout")
	if got.code != exitFindings || !strings.Contains(got.out, "Pod          shop-dev/checkout-5f9-zzz") {
		t.Errorf("got %+v", got)
	}
}

func TestWhy_OfSeveralWorkloadsNamesTheOneWithACause(t *testing.T) {
	objects := crashing()
	release := objects[3].(*platformv1alpha1.Release)
	deployment := release.Status.Objects[1]
	deployment.Health = platformv1alpha1.ObjectProgressing
	waits := deployment
	waits.Name, waits.Message = "checkout-worker", "0 of 1 replicas available"
	release.Status.Objects = []platformv1alpha1.ReleaseObjectStatus{waits, deployment}
	release.Spec.Inventory = []platformv1alpha1.ReleaseObject{waits.ReleaseObject, deployment.ReleaseObject}
	objects = append(objects, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "checkout-worker"}})
	pod := objects[4].(*corev1.Pod)
	pod.Labels["pod-template-hash"] = "5f9"
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "checkout-5f9", UID: "1", Controller: ptr.To(true)}}
	got := asked(t, objects, "", nil, "checkout")
	if got.code != exitFindings || !strings.Contains(got.out, "Deployment     shop-dev/checkout ") || !strings.Contains(got.out, "exit code 3") {
		t.Errorf("got %+v", got)
	}
}

// What the API server refused stands in the condition; pods have nothing to do with it.
func TestWhy_OfAnObjectThatAQuotaRefuses(t *testing.T) {
	objects := crashing()
	release := objects[3].(*platformv1alpha1.Release)
	const says = "Service checkout cannot be made: Quota objects of namespace shop-dev is used up: 3 of 3 services used, 1 more is asked for."
	release.Status.Conditions = isReady(metav1.ConditionFalse, platformv1alpha1.ReasonQuotaExceeded, says)
	release.Status.Objects[0].Health = platformv1alpha1.ObjectFailed
	release.Status.Objects[0].Message = `applying Service shop-dev/checkout: services "checkout" is forbidden: exceeded quota: objects`
	got := asked(t, objects, "", nil, "checkout")
	if got.code != exitFindings || !strings.Contains(got.out, "Quota objects of namespace shop-dev is used up") || strings.Contains(got.out, "exit code") {
		t.Errorf("got %+v", got)
	}
}

func TestWhy_NamesTheFirstCauseAndWhatItSaidLast(t *testing.T) {
	got := asked(t, crashing(), "", func(previous bool) (string, error) {
		if !previous {
			t.Error("asked for what the container says now")
		}
		return "starting\ncannot reach \x1b[31mdatabase\n", nil
	}, "checkout")
	expect(t, got, exitFindings, `
checkout is not ready in dev: CrashLoop
  Container app ended with exit code 3, and was started again 4 times

Component          team-shop/checkout         ReleaseFailed
  Release          checkout-dev-1             CrashLoop
    Deployment     shop-dev/checkout          0 of 1 replicas available
      Pod          shop-dev/checkout-5f9-abc  
        container  app                        CrashLoop

what container app of pod checkout-5f9-abc said before it was started again
  starting
  cannot reach �[31mdatabase

next: See what it said: kubectl -n shop-dev logs checkout-5f9-abc -c app --previous
      docs/runbooks/CrashLoop.md says more
`, "")
}

func TestWhy_ForWhoMayReadLittle(t *testing.T) {
	got := asked(t, crashing(), "", func(bool) (string, error) {
		return "", apierrors.NewForbidden(schema.GroupResource{Resource: "pods/log"}, "checkout-5f9-abc", nil)
	}, "checkout")
	if got.code != exitFindings || !strings.Contains(got.out, "note: you may not read the logs of pod checkout-5f9-abc") {
		t.Errorf("without the right to logs: %+v", got)
	}
	got = asked(t, crashing(), "pods", nil, "checkout")
	for _, want := range []string{"checkout is not ready in dev: CrashLoop", "Deployment checkout: 0 of 1 replicas available", "note: you may not list pods in namespace shop-dev", "next: "} {
		if got.code != exitFindings || !strings.Contains(got.out, want) {
			t.Errorf("without the right to pods: %q is missing in %+v", want, got)
		}
	}
}

func TestWhy_LogsOfAContainerThatWasNotStartedAgain(t *testing.T) {
	got := asked(t, crashing(), "", func(previous bool) (string, error) {
		if previous {
			return "", apierrors.NewBadRequest(`previous terminated container "app" in pod "checkout-5f9-abc" not found`)
		}
		return "", nil
	}, "checkout", "-o", "json")
	var answer why.Answer
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil {
		t.Fatalf("%v\n%s", err, got.out)
	}
	if answer.Kind != why.Kind || answer.Ready || answer.Reason != platformv1alpha1.ReasonCrashLoop || answer.Environment != "dev" ||
		answer.Logs == nil || answer.Logs.Previous || answer.Logs.Lines == nil || len(answer.Path) != 5 {
		t.Errorf("got %+v", answer)
	}
}

func TestWhy_OtherCauses(t *testing.T) {
	change := func(do func(c *platformv1alpha1.Component, e *platformv1alpha1.Environment, r *platformv1alpha1.Release)) []client.Object {
		objects := crashing()
		do(objects[1].(*platformv1alpha1.Component), objects[2].(*platformv1alpha1.Environment), objects[3].(*platformv1alpha1.Release))
		return objects
	}
	ready := change(func(c *platformv1alpha1.Component, _ *platformv1alpha1.Environment, r *platformv1alpha1.Release) {
		c.Status.Conditions = isReady(metav1.ConditionTrue, platformv1alpha1.ReasonReady, "Ready in dev.")
		c.Status.Environments[0].Ready = metav1.ConditionTrue
		r.Status.Conditions = isReady(metav1.ConditionTrue, platformv1alpha1.ReasonReady, "All 2 objects are ready.")
	})
	for name, c := range map[string]struct {
		objects []client.Object
		args    []string
		code    int
		want    []string
	}{
		"all is well":         {ready, []string{"checkout"}, exitOK, []string{"checkout is ready: Ready in dev\n"}},
		"all is well there":   {ready, []string{"checkout", "-e", "dev"}, exitOK, []string{"checkout is ready in dev"}},
		"another environment": {ready, []string{"checkout", "-e", "prod"}, exitTrouble, []string{`environment "prod" is not in the path of component checkout, which is dev`, "next: towpath status -n team-shop checkout"}},
		"no such component":   {ready, []string{"nobody"}, exitFindings, []string{`component "nobody" does not exist in namespace team-shop, which has checkout`}},
		"no manager":          {[]client.Object{home(), component("checkout")}, []string{"checkout"}, exitFindings, []string{"checkout is not ready in dev: EnvironmentNotFound", "Environment dev does not exist in namespace team-shop"}},
		"wrong parameters": {change(func(c *platformv1alpha1.Component, _ *platformv1alpha1.Environment, _ *platformv1alpha1.Release) {
			c.Status.Conditions = isReady(metav1.ConditionFalse, platformv1alpha1.ReasonParametersInvalid, "dev: spec.parameters.port: too big.")
			c.Status.Environments[0] = platformv1alpha1.ComponentEnvironmentStatus{Name: "dev", Reason: platformv1alpha1.ReasonParametersInvalid, Message: "spec.parameters.port: too big."}
		}), []string{"checkout"}, exitFindings, []string{"checkout is not ready: ParametersInvalid\n  dev: spec.parameters.port: too big\n", "edit component checkout", "docs/runbooks/ParametersInvalid.md"}},
		"an environment": {change(func(_ *platformv1alpha1.Component, e *platformv1alpha1.Environment, _ *platformv1alpha1.Release) {
			e.Status.Conditions = isReady(metav1.ConditionFalse, platformv1alpha1.ReasonClassNotFound, "EnvironmentClass x does not exist.")
		}), []string{"checkout"}, exitFindings, []string{"checkout is not ready in dev: ClassNotFound", "EnvironmentClass x does not exist", "get environmentclasses"}},
		"an object that was refused": {change(func(_ *platformv1alpha1.Component, _ *platformv1alpha1.Environment, r *platformv1alpha1.Release) {
			r.Status.Conditions[0].Reason, r.Status.Conditions[0].Message = platformv1alpha1.ReasonApplyFailed, `admission webhook "x" denied the request.`
		}), []string{"checkout"}, exitFindings, []string{"checkout is not ready in dev: ApplyFailed", `admission webhook "x" denied the request`, "Deployment  shop-dev/checkout"}},
	} {
		got := asked(t, c.objects, "", nil, c.args...)
		for _, want := range c.want {
			if got.code != c.code || !strings.Contains(got.out+got.err, want) {
				t.Errorf("%s: exit code %d, want %d; %q is missing in\n%s%s", name, got.code, c.code, want, got.out, got.err)
			}
		}
	}
}
