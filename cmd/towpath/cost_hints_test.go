package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// runningPod is one of checkout in the environment dev.
func runningPod(name string) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop-dev", Name: name, Labels: map[string]string{platformv1alpha1.LabelComponent: "checkout", "pod-template-hash": "7d9f"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "checkout-7d9f", Controller: &yes}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("2Gi"),
		}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// wasteful is a team with an environment that never sleeps, and a service that asks for too much.
func wasteful() []client.Object {
	class := &platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: "development"}}
	class.Spec.Tier = platformv1alpha1.TierDevelopment
	dev := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "dev"}}
	dev.Spec.ClassRef.Name = "development"
	dev.Status.Namespace, dev.Status.Tier = "shop-dev", platformv1alpha1.TierDevelopment
	return append(shopCosts(), class, dev, runningPod("checkout-7d9f-a"), runningPod("checkout-7d9f-b"))
}

// measured is a cluster whose metrics-server knows the pods of checkout; or, with an error, that answers with it.
func measured(refuse error, objects ...client.Object) cluster.Connector {
	return func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				metrics, ok := list.(*unstructured.UnstructuredList)
				if !ok || metrics.GetKind() != "PodMetricsList" {
					return c.List(ctx, list, options...)
				}
				if refuse != nil {
					return refuse
				}
				const answer = `{"items": [
					{"metadata": {"name": "checkout-7d9f-a"}, "containers": [{"name": "app", "usage": {"cpu": "100m", "memory": "512Mi"}}]},
					{"metadata": {"name": "checkout-7d9f-b"}, "containers": [{"name": "app", "usage": {"cpu": "200m", "memory": "400Mi"}}]}]}`
				var parsed struct {
					Items []map[string]any `json:"items"`
				}
				if err := json.Unmarshal([]byte(answer), &parsed); err != nil {
					return err
				}
				for _, item := range parsed.Items {
					metrics.Items = append(metrics.Items, unstructured.Unstructured{Object: item})
				}
				return nil
			},
		}).Build()
		return &cluster.Cluster{Client: fakes, Namespace: "team-shop"}, nil
	}
}

// hintsOf are the lines below "hints".
func hintsOf(t *testing.T, got call) []string {
	t.Helper()
	_, after, ok := strings.Cut(got.out, "\nhints\n")
	if !ok || got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	return strings.Split(strings.TrimSpace(after), "\n")
}

func TestCostReportHintsBySamples(t *testing.T) {
	got := with(t, measured(nil, wasteful()...), "", "towpath", "cost", "report", "--month", "2026-10", "--hints")
	lines := hintsOf(t, got)
	// 0.77 cores and 1.425 GiB of two pods; 61 % of EUR 20.
	for i, want := range []string{
		"checkout in dev: container app may ask for cpu 230m instead of 1000m and memory 589Mi instead of 2048Mi, in 2 pods (of one sample of each pod, just now",
		"(saves about 44.35 USD a month)",
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%d: %q lacks %q", i, lines[0], want)
		}
	}
	if all := strings.Join(lines, "\n"); !strings.Contains(all, "in dev: it never sleeps") || !strings.Contains(all, "(saves about 12.26 EUR a month)") {
		t.Errorf("got %s", all)
	}
}

func TestCostReportHintsSayWhatIsNotKnown(t *testing.T) {
	pods := schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}
	for want, refuse := range map[string]error{
		"no requests were looked at: the cluster serves no metrics.k8s.io":                            apierrors.NewServiceUnavailable("no"),
		"no requests were looked at: you may not list pods.metrics.k8s.io in namespace shop-dev: ask": apierrors.NewForbidden(pods, "", nil),
	} {
		got := with(t, measured(refuse, wasteful()...), "", "towpath", "cost", "report", "--month", "2026-10", "--hints")
		if all := strings.Join(hintsOf(t, got), "\n"); !strings.Contains(all, want) || strings.Contains(all, "may ask for") {
			t.Errorf("got %s", all)
		}
	}
}

func TestCostReportHintsByPrometheus(t *testing.T) {
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("query")
		queries = append(queries, query)
		value := "2016"
		switch {
		case strings.Contains(query, "cpu_usage"):
			value = "0.4"
		case strings.Contains(query, "quantile_over_time"):
			value = "1073741824"
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"` + value + `"]}]}}`))
	}))
	defer server.Close()
	objects := append(wasteful(), &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop-dev", Name: "other", Labels: map[string]string{platformv1alpha1.LabelComponent: "other"},
	}})
	got := with(t, measured(apierrors.NewServiceUnavailable("not asked"), objects...), "", "towpath", "cost", "report", "--month", "2026-10", "--hints", "--prometheus", server.URL)
	if line := hintsOf(t, got)[0]; !strings.Contains(line, "cpu 460m instead of 1000m and memory 1178Mi instead of 2048Mi") || !strings.Contains(line, "in 7 days") {
		t.Errorf("got %q", line)
	}
	if want := `max(quantile_over_time(0.9, rate(container_cpu_usage_seconds_total{namespace="shop-dev",container="app",pod=~"(checkout)-.+"}[5m])[7d:5m]))`; len(queries) != 3 || queries[0] != want {
		t.Errorf("asked %q", queries)
	}
	server.Close()
	got = with(t, measured(nil, objects...), "", "towpath", "cost", "report", "--month", "2026-10", "--hints", "--prometheus", server.URL)
	if got.code != exitTrouble || !strings.Contains(got.err, "--prometheus: ") || !strings.Contains(got.err, "next: give the address") {
		t.Errorf("got %+v", got)
	}
}
