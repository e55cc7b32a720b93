package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// podOn is a pod of a team on the node, which asks for so much.
func podOn(namespace, name, team, component, cpu, memory string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{}},
		Spec:       corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{Requests: resources(cpu, memory)}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if team != "" {
		pod.Labels[platformv1alpha1.LabelTeam], pod.Labels[platformv1alpha1.LabelEnvironment], pod.Labels[platformv1alpha1.LabelComponent] = team, "prod", component
	}
	return pod
}

// busy is a node of four cores and eight GiB with pods of two teams and of the cluster; metrics-server answers, or does not.
func busy(served bool) cluster.Connector {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	node.Status.Capacity = resources("4", "8Gi")
	over := podOn("shop-prod", "migration", "shop", "checkout", "4", "8Gi")
	over.Status.Phase = corev1.PodSucceeded
	return func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(
			node, over, podOn("shop-prod", "checkout-a", "shop", "checkout", "1", "2Gi"), podOn("pay-prod", "pay-a", "pay", "pay", "500m", "1Gi"),
			podOn("kube-system", "dns", "", "", "500m", "1Gi"),
		).WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				metrics, ok := list.(*unstructured.UnstructuredList)
				if !ok || metrics.GetKind() != "PodMetricsList" {
					return c.List(ctx, list, options...)
				}
				if !served {
					return apierrors.NewNotFound(schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}, "")
				}
				var item map[string]any
				const answer = `{"metadata": {"namespace": "shop-prod", "name": "checkout-a"}, "containers": [{"name": "app", "usage": {"cpu": "2", "memory": "1Gi"}}]}`
				if err := json.Unmarshal([]byte(answer), &item); err != nil {
					return err
				}
				metrics.Items = append(metrics.Items, unstructured.Unstructured{Object: item})
				return nil
			},
		}).Build()
		return &cluster.Cluster{Client: fakes, Namespace: "team-shop"}, nil
	}
}

// TestCostReportNow shares a node of 4 × 10 + 8 × 5 = 80 an hour by a list of round prices, which is 58400 a month.
func TestCostReportNow(t *testing.T) {
	prices := `{currency: EUR, cpuCoreHour: 10, memoryGiBHour: 5}`
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := "2" // cores
		if strings.Contains(r.FormValue("query"), "memory") {
			value = "1073741824"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[
			{"metric":{"namespace":"shop-prod","pod":"checkout-a","container":"app"},"value":[1,"` + value + `"]}]}}`))
	}))
	t.Cleanup(prometheus.Close)
	for name, tc := range map[string]struct {
		served bool
		flags  []string
		want   []string
	}{
		// It asks for one core and two GiB, and uses two cores and one GiB: it pays for two of both.
		"used, idle apart, the cluster's own by what each pays": {true, nil, []string{
			"team,kind,component,currency,cpu,memory,gpu,storage,idle,shared,total",
			"shop,Own,checkout,EUR,14600,7300,0,0,0,5475,27375",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,1825,9125",
			"shop,Idle,,EUR,0,0,0,0,21900,0,21900",
		}},
		"asked for alone": {false, nil, []string{
			"shop,Own,checkout,EUR,7300,7300,0,0,0,4866.6666666667,19466.6666666667",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,2433.3333333333,9733.3333333333",
			"shop,Idle,,EUR,0,0,0,0,29200,0,29200",
		}},
		"evenly": {true, []string{"--shared", "even"}, []string{
			"shop,Own,checkout,EUR,14600,7300,0,0,0,3650,25550",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,3650,10950",
		}},
		"by Prometheus": {false, []string{"--prometheus", prometheus.URL}, []string{"shop,Own,checkout,EUR,14600,7300,0,0,0,5475,27375"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "prices.yaml", prices)
			args := append([]string{"towpath", "cost", "report", "--team", "shop", "--now", "-o", "csv", "--prices", file}, tc.flags...)
			got := with(t, busy(tc.served), "", args...)
			for _, line := range tc.want {
				if !strings.Contains(got.out, line+"\n") {
					t.Errorf("%+v lacks %s", got, line)
				}
			}
		})
	}
	t.Run("for people", func(t *testing.T) {
		file := write(t, "prices.yaml", prices)
		got := with(t, busy(true), "", "towpath", "cost", "report", "--now", "--by", "team", "--idle", "cluster", "--prices", file)
		table, notes, _ := strings.Cut(got.out, "\n\na container")
		want := `all teams, a month of what runs now, by team

TEAM       CPU    MEMORY   GPU  STORAGE      IDLE    SHARED  TOTAL EUR
shop  14600.00   7300.00  0.00     0.00  12166.66   8964.91   43031.58
pay    3650.00   3650.00  0.00     0.00   4866.67   3201.76   15368.42
all   18250.00  10950.00  0.00     0.00  17033.33  12166.67   58400.00`
		if diff := cmp.Diff(want, table); diff != "" || got.code != exitOK || !strings.Contains(notes, "by one sample of metrics.k8s.io") {
			t.Errorf("%s: %d %s %s", diff, got.code, got.err, notes)
		}
	})
	got := with(t, busy(true), "", "towpath", "cost", "report", "--now")
	if got.code == exitOK || !strings.Contains(got.err, "--now needs --team NAME, or --by team for all") {
		t.Errorf("got %+v", got)
	}
}
