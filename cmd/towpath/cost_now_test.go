package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
			"team,kind,component,currency,cpu,memory,gpu,storage,loadBalancer,egress,idle,shared,total",
			"shop,Own,checkout,EUR,14600,7300,0,0,0,0,0,5475,27375",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,0,0,1825,9125",
			"shop,Idle,,EUR,0,0,0,0,0,0,21900,0,21900",
		}},
		"asked for alone": {false, nil, []string{
			"shop,Own,checkout,EUR,7300,7300,0,0,0,0,0,4866.6666666667,19466.6666666667",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,0,0,2433.3333333333,9733.3333333333",
			"shop,Idle,,EUR,0,0,0,0,0,0,29200,0,29200",
		}},
		"evenly": {true, []string{"--shared", "even"}, []string{
			"shop,Own,checkout,EUR,14600,7300,0,0,0,0,0,3650,25550",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,0,0,3650,10950",
		}},
		"by percentages of teams; what they leave is nobody's": {true, []string{"--shared", "fixed", "--share", "shop=60,pay=15.5"}, []string{
			"shop,Own,checkout,EUR,14600,7300,0,0,0,0,0,4380,26280",
			"shop,OtherTeams,,EUR,3650,3650,0,0,0,0,0,1131.5,8431.5",
			"shop,Idle,,EUR,0,0,0,0,0,0,21900,0,21900",
			"shop,Unallocated,,EUR,0,0,0,0,0,0,0,1788.5,1788.5",
		}},
		"by Prometheus": {false, []string{"--prometheus", prometheus.URL}, []string{"shop,Own,checkout,EUR,14600,7300,0,0,0,0,0,5475,27375"}},
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

TEAM       CPU    MEMORY   GPU  STORAGE  BALANCERS  EGRESS      IDLE    SHARED  TOTAL EUR
shop  14600.00   7300.00  0.00     0.00       0.00    0.00  12166.66   8964.91   43031.58
pay    3650.00   3650.00  0.00     0.00       0.00    0.00   4866.67   3201.76   15368.42
all   18250.00  10950.00  0.00     0.00       0.00    0.00  17033.33  12166.67   58400.00`
		if diff := cmp.Diff(want, table); diff != "" || got.code != exitOK || !strings.Contains(notes, "by one sample of metrics.k8s.io") {
			t.Errorf("%s: %d %s %s", diff, got.code, got.err, notes)
		}
	})
	got := with(t, busy(true), "", "towpath", "cost", "report", "--now")
	if got.code == exitOK || !strings.Contains(got.err, "--now needs --team NAME, or --by team for all") {
		t.Errorf("got %+v", got)
	}
}

// TestCostReportNow_SharesThatMeanNothing are refused before anything is asked.
func TestCostReportNow_SharesThatMeanNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		flags []string
		want  string
	}{
		"without a share":        {[]string{"--shared", "fixed"}, "--shared fixed and --share TEAM=PERCENT"},
		"a share of another":     {[]string{"--share", "shop=60"}, "must be given together"},
		"more than all":          {[]string{"--shared", "fixed", "--share", "shop=60,pay=40.01"}, "the percentages sum to 100.01, and must to 100 at most"},
		"less than nothing":      {[]string{"--shared", "fixed", "--share", "shop=-1"}, "--share shop=-1: must be the name of a team and a percentage"},
		"no number":              {[]string{"--shared", "fixed", "--share", "shop=half"}, "--share shop=half"},
		"one that would be huge": {[]string{"--shared", "fixed", "--share", "shop=1e999999999"}, "--share shop=1e999999999"},
		"no team":                {[]string{"--shared", "fixed", "--share", "=60"}, "--share =60"},
	} {
		t.Run(name, func(t *testing.T) {
			got := with(t, busy(true), "", append([]string{"towpath", "cost", "report", "--now", "--by", "team"}, tc.flags...)...)
			if got.code == exitOK || !strings.Contains(got.err, tc.want) {
				t.Errorf("got %+v, want %s", got, tc.want)
			}
		})
	}
}

// online is a cluster with a node of four cores, eight GiB and a GPU that is sliced, on which a pod asks for something itself, has a load
// balancer, and sends to the internet.
func online(forbidden *bool) cluster.Connector {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"nvidia.com/gpu.product": "A100"}}}
	node.Status.Capacity = resources("4", "8Gi")
	node.Status.Capacity["nvidia.com/mig-1g.5gb"] = resource.MustParse("7")
	pod := podOn("shop-prod", "checkout-a", "shop", "checkout", "100m", "1Gi")
	pod.Spec.Containers[0].Resources.Requests["nvidia.com/mig-1g.5gb"] = resource.MustParse("1")
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "helper"})
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: resources("1", "1Gi")}
	pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}
	service := func(name, team string, kind corev1.ServiceType, made bool) *corev1.Service {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-prod", Name: name, Labels: map[string]string{}}, Spec: corev1.ServiceSpec{Type: kind}}
		if team != "" {
			s.Labels[platformv1alpha1.LabelTeam], s.Labels[platformv1alpha1.LabelEnvironment], s.Labels[platformv1alpha1.LabelComponent] = team, "prod", "checkout"
		}
		if made {
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
		}
		return s
	}
	return func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(node, pod, podOn("kube-system", "dns", "", "", "500m", "1Gi"),
			service("checkout", "shop", corev1.ServiceTypeLoadBalancer, true), service("pending", "shop", corev1.ServiceTypeLoadBalancer, false),
			service("inner", "shop", corev1.ServiceTypeClusterIP, false), service("gateway", "", corev1.ServiceTypeLoadBalancer, true),
		).WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if _, ok := list.(*corev1.ServiceList); ok && *forbidden {
					return apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "", errors.New("no"))
				}
				return c.List(ctx, list, options...)
			},
		}).Build()
		return &cluster.Cluster{Client: fakes, Namespace: "team-shop"}, nil
	}
}

// TestCostReportNow_OfSamplesTrafficAndLoadBalancers has a node of 4 × 10 + 8 × 5 + 1 × 7 = 87 an hour, and an hour that is no other than
// quiet but for one of ten samples, in which the two containers together use three cores.
func TestCostReportNow_OfSamplesTrafficAndLoadBalancers(t *testing.T) {
	var asked []string
	var forbidden bool
	answers := func(traffic bool) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			query := r.FormValue("query")
			asked = append(asked, query)
			const container = `{"metric":{"namespace":"shop-prod","pod":"checkout-a","container":"%s"},"value":[1,"%s"]}`
			var series []string
			switch {
			case strings.Contains(query, "container_cpu_usage_seconds_total") && strings.Contains(query, "offset 12m"):
				series = []string{fmt.Sprintf(container, "app", "1"), fmt.Sprintf(container, "helper", "2")}
			case strings.Contains(query, "container_cpu_usage_seconds_total"):
				series = []string{fmt.Sprintf(container, "app", "0.2"), fmt.Sprintf(container, "helper", "NaN")}
			case strings.Contains(query, "kubecost_pod_network_egress_bytes_total") && traffic:
				series = []string{`{"metric":{"namespace":"shop-prod","pod_name":"checkout-a"},"value":[1,"2147483648"]}`,
					`{"metric":{"namespace":"shop-prod","pod_name":"gone"},"value":[1,"2147483648"]}`}
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`))
		}))
		t.Cleanup(server.Close)
		return server
	}
	prices := `{currency: EUR, cpuCoreHour: 10, memoryGiBHour: 5, gpuHour: {default: 100, A100: 7}, loadBalancerHour: 1, egressGiB: 0.5}`
	run := func(prices, address string, more ...string) call {
		file := write(t, "prices.yaml", prices)
		return with(t, online(&forbidden), "", append([]string{"towpath", "cost", "report", "--team", "shop", "--now", "-o", "csv", "--prices", file, "--prometheus", address}, more...)...)
	}
	got := run(prices, answers(true).URL)
	for _, line := range []string{
		// Cores: (9 × 1 + 3) / 10 × 7300, as the pod asks for one in all. One and a half GiB of memory 5475, and a seventh of a GPU 730. Two GiB an hour to the internet.
		// The cluster pays 3650 + 3650 and 730 for its load balancer, all of which shop pays.
		"shop,Own,checkout,EUR,8760,5475,730,0,730,730,0,8030,24455",
		// 2.3 cores, five and a half GiB and six sevenths of the GPU.
		"shop,Idle,,EUR,0,0,0,0,0,0,41245,0,41245",
	} {
		if !strings.Contains(got.out, line+"\n") {
			t.Errorf("%+v lacks %s", got, line)
		}
	}
	if len(asked) != 21 {
		t.Errorf("it asks %d times", len(asked))
	}
	// There is no memory at all, and CPU in every sample.
	if got := run(prices, answers(true).URL, "-o", "json"); !strings.Contains(got.out, "10 of 10 samples of the last hour have no container_memory_working_set_bytes of any container, so that what containers ask for counts there") ||
		strings.Contains(got.out, "have no container_cpu_usage_seconds_total") {
		t.Errorf("without memory: %+v", got)
	}
	forbidden = true
	if got := run(prices, answers(true).URL, "-o", "json"); got.code != exitOK || !strings.Contains(got.out, "load balancers are not counted: you may not list services in all namespaces") {
		t.Errorf("without the right to services: %+v", got)
	}
	forbidden = false
	for name, tc := range map[string]struct {
		prices, address, want string
	}{
		"no traffic is known":  {prices, answers(false).URL, "traffic to the internet is not counted: the Prometheus has no kubecost_pod_network_egress_bytes_total"},
		"nothing has a price":  {`{currency: EUR, cpuCoreHour: 10, memoryGiBHour: 5}`, answers(true).URL, "2 load balancers are not counted: loadBalancerHour has no price"},
		"traffic has no price": {`{currency: EUR, cpuCoreHour: 10, memoryGiBHour: 5}`, answers(true).URL, "traffic to the internet is not counted: egressGiB has no price"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(tc.prices, tc.address, "-o", "json"); !strings.Contains(got.out, tc.want) {
				t.Errorf("%+v lacks %s", got, tc.want)
			}
		})
	}
}
