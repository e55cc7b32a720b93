package main

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func TestWhy_OfAReleaseWhoseChecksFailed(t *testing.T) {
	objects := crashing()
	var changed []client.Object
	for _, o := range objects {
		if release, ok := o.(*platformv1alpha1.Release); ok {
			ready := &release.Status.Conditions[0]
			ready.Reason, ready.Message = platformv1alpha1.ReasonChecksFailed, "Checks have failed: smoke: Job shop-smoke-1 failed: DeadlineExceeded."
			for i := range release.Status.Objects {
				release.Status.Objects[i].Health, release.Status.Objects[i].Message = platformv1alpha1.ObjectReady, ""
			}
			release.Spec.Checks = []platformv1alpha1.ReleaseCheck{
				{Origin: platformv1alpha1.CheckOfClass, Check: platformv1alpha1.Check{Name: "errors", Count: 3}},
				{Origin: platformv1alpha1.CheckOfComponent, Check: platformv1alpha1.Check{Name: "smoke"}},
			}
			release.Status.Checks = []platformv1alpha1.ReleaseCheckStatus{
				{Origin: platformv1alpha1.CheckOfClass, Name: "errors", State: platformv1alpha1.CheckPassed, Succeeded: 3},
				{Origin: platformv1alpha1.CheckOfComponent, Name: "smoke", State: platformv1alpha1.CheckFailed, Failed: 1, Message: "Job shop-smoke-1 failed: DeadlineExceeded.", Job: "shop-smoke-1"},
			}
		}
		changed = append(changed, o)
	}
	got := asked(t, changed, "", nil, "checkout")
	for _, want := range []string{"ChecksFailed", "smoke", "DeadlineExceeded", "logs job/shop-smoke-1"} {
		if !strings.Contains(got.out+got.err, want) {
			t.Errorf("it lacks %q:\n%s%s", want, got.out, got.err)
		}
	}
	fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(changed...).Build()
	connect := func(cluster.Flags) (*cluster.Cluster, error) {
		return &cluster.Cluster{Client: fakes, Namespace: "team-shop"}, nil
	}
	got = with(t, connect, "", "towpath", "status", "checkout")
	for _, want := range []string{"✔ check errors of the class  succeeded 3 of 3", "✘ check smoke  succeeded 0 of 1, failed 1: Job shop-smoke-1 failed: DeadlineExceeded."} {
		if !strings.Contains(got.out, want) {
			t.Errorf("status lacks %q:\n%s", want, got.out)
		}
	}
}

func TestLintCompilesChecks(t *testing.T) {
	got := offlineCall(t, `
apiVersion: platform.towpath.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: staging}
spec:
  tier: Staging
  prometheus: {address: "http://prometheus:9090"}
  checks:
  - name: errors
    prometheus: {query: "errors{ns=\"${environment.nam}\"}", comparison: LessThan, threshold: "1"}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: stage, namespace: team-shop}
spec: {classRef: {name: staging}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: hello, namespace: team-shop}
spec:
  templateRef: {name: web-service}
  image: registry.example/shop/hello:1.0.0
  environments:
  - name: stage
    checks:
    - name: errors
      prometheus: {query: up, comparison: Equal, threshold: "1"}
    - name: smoke
      job: {spec: {template: {spec: {container: []}}}}
`, "lint", "-")
	if got.code != exitFindings {
		t.Errorf("it exits with %d", got.code)
	}
	for _, want := range []string{
		"EnvironmentClass/staging: spec.checks[0].prometheus.query",
		"warning: Component/hello: spec.environments[0].checks[0].prometheus: class staging does not let Components ask its Prometheus",
		"Component/hello: spec.environments[0].checks[1].job.spec.template.spec.container",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it lacks %q:\n%s", want, got.out)
		}
	}
}
