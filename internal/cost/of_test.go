package cost_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
)

// one is a pod template of a core and a GiB: 0.11 EUR an hour by easy.
const one = `{spec: {containers: [{name: app, resources: {requests: {cpu: 1, memory: 1Gi}}}]}}`

func pod(spec string) string { return "{apiVersion: v1, kind: Pod, spec: " + spec + "}" }

func TestOf(t *testing.T) {
	for name, tc := range map[string]struct {
		objects []string
		// hourly is min, expected, max.
		hourly  [3]string
		assumed []string
	}{
		"a Deployment without a number has one pod": {[]string{`{apiVersion: apps/v1, kind: Deployment, spec: {template: ` + one + `}}`}, [3]string{"0.11", "0.11", "0.11"}, nil},
		"a Deployment":         {[]string{`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3, template: ` + one + `}}`}, [3]string{"0.33", "0.33", "0.33"}, nil},
		"a Deployment at zero": {[]string{`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 0, template: ` + one + `}}`}, [3]string{"0", "0", "0"}, nil},
		"an autoscaler": {
			[]string{
				`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 9, template: ` + one + `}}`,
				`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {minReplicas: 2, maxReplicas: 10, scaleTargetRef: {kind: Deployment, name: x}}}`,
			},
			[3]string{"0.22", "0.44", "1.1"},
			[]string{"Deployment/x: HorizontalPodAutoscaler/a keeps from 2 to 10 pods, and 4 are expected: 25 % of the way"},
		},
		"an autoscaler of something else": {
			[]string{
				`{apiVersion: apps/v1, kind: Deployment, spec: {template: ` + one + `}}`,
				`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: 10, scaleTargetRef: {kind: StatefulSet, name: x}}}`,
			},
			[3]string{"0.11", "0.11", "0.11"}, nil,
		},
		"KEDA scales to nothing, and to a hundred where it says no number": {
			[]string{
				`{apiVersion: apps/v1, kind: Deployment, spec: {template: ` + one + `}}`,
				`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, spec: {scaleTargetRef: {name: x}}}`,
			},
			[3]string{"0", "2.75", "11"},
			[]string{"Deployment/x: ScaledObject/x keeps from 0 to 100 pods, and 25 are expected: 25 % of the way"},
		},
		"KEDA is paused": {
			[]string{
				`{apiVersion: apps/v1, kind: Deployment, spec: {template: ` + one + `}}`,
				`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {annotations: {autoscaling.keda.sh/paused-replicas: "2"}}, spec: {scaleTargetRef: {name: x}}}`,
			},
			[3]string{"0.22", "0.22", "0.22"}, nil,
		},
		"a StatefulSet with claims": {
			[]string{`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, template: ` + one + `, volumeClaimTemplates: [
				{spec: {storageClassName: fast, resources: {requests: {storage: 10Gi}}}}, {spec: {resources: {requests: {storage: 1Gi}}}}]}}`},
			[3]string{"0.262", "0.262", "0.262"}, nil,
		},
		"a DaemonSet on who knows how many nodes": {
			[]string{`{apiVersion: apps/v1, kind: DaemonSet, spec: {template: ` + one + `}}`}, [3]string{"0.11", "0.11", "0.11"},
			[]string{"DaemonSet/x: how many nodes it has pods on is not known, and it counts as one"},
		},
		"a Job runs once a month": {
			[]string{`{apiVersion: batch/v1, kind: Job, spec: {completions: 4, parallelism: 2, activeDeadlineSeconds: 3600, template: ` + one + `}}`},
			// four pods of 5 minutes, at most two of an hour, in 730 hours
			[3]string{"0.0000502283", "0.0000502283", "0.0003013699"},
			[]string{"Job/x: a pod of a run lasts 5m0s, as nothing is known of it; at most 1h0m0s, by activeDeadlineSeconds", "Job/x: it runs once a month"},
		},
		"a CronJob each hour": {
			[]string{`{apiVersion: batch/v1, kind: CronJob, spec: {schedule: "7 * * * *", jobTemplate: {spec: {template: ` + one + `}}}}`},
			[3]string{"0.0091666666", "0.0091666666", "0.0091666666"},
			[]string{"CronJob/x: a pod of a run lasts 5m0s, as nothing is known of it; at most as long, since nothing bounds it"},
		},
		"a CronJob each minute, one at a time": {
			[]string{`{apiVersion: batch/v1, kind: CronJob, spec: {schedule: "* * * * *", concurrencyPolicy: Forbid, jobTemplate: {spec: {template: ` + one + `}}}}`},
			[3]string{"0.11", "0.11", "0.11"},
			[]string{"CronJob/x: a pod of a run lasts 5m0s, as nothing is known of it; at most as long, since nothing bounds it"},
		},
		"a CronJob that is suspended": {
			[]string{`{apiVersion: batch/v1, kind: CronJob, spec: {suspend: true, schedule: "@hourly", jobTemplate: {spec: {template: ` + one + `}}}}`},
			[3]string{"0", "0", "0"}, []string{"CronJob/x: it is suspended, and counts as nothing"},
		},
		"a claim, a balancer, and what is free": {
			[]string{
				`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {storageClassName: slow, resources: {requests: {storage: 100Gi}}}}`,
				`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}}`, `{apiVersion: v1, kind: Service, spec: {type: ClusterIP}}`,
				`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}`,
			},
			[3]string{"0.13", "0.13", "0.13"}, nil,
		},
		"a Gateway, and what nobody knows": {
			[]string{`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway}`, `{apiVersion: example.com/v1, kind: Bucket}`},
			[3]string{"0.03", "0.03", "0.03"},
			[]string{"Bucket/x: what a Bucket makes is not known, and counts as nothing", "Gateway/x: a Gateway counts as one load balancer"},
		},
		"a database of CloudNativePG": {
			[]string{`{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, spec: {instances: 3, storage: {size: 10Gi, storageClass: fast}, walStorage: {size: 1Gi}, resources: {requests: {cpu: 1, memory: 1Gi}}}}`},
			[3]string{"0.393", "0.393", "0.393"}, nil,
		},
		"init containers and sidecars, by the rule of Kubernetes": {
			// the init container comes with the sidecar before it: 3 cores; then app and both sidecars: 1.75
			[]string{pod(`{initContainers: [{name: a, restartPolicy: Always, resources: {requests: {cpu: 500m, memory: 0}}}, {name: b, resources: {requests: {cpu: 2500m}}},
				{name: c, restartPolicy: Always, resources: {requests: {cpu: 250m, memory: 0}}}], containers: [{name: app, resources: {requests: {cpu: 1, memory: 0}}}]}`)},
			[3]string{"0.3", "0.3", "0.3"}, nil,
		},
		"overhead, limits that stand in, and hugepages": {
			[]string{pod(`{overhead: {cpu: 250m}, containers: [{name: app, resources: {limits: {cpu: 750m, memory: 1Gi, hugepages-2Mi: 1Gi}}}]}`)},
			[3]string{"0.12", "0.12", "0.12"}, nil,
		},
		"resources of the pod": {
			[]string{pod(`{resources: {requests: {cpu: 2, memory: 1Gi}}, containers: [{name: app}]}`)}, [3]string{"0.21", "0.21", "0.21"}, nil,
		},
		"nothing requested": {
			[]string{pod(`{runtimeClassName: gvisor, initContainers: [{name: proxy, restartPolicy: Always}, {name: once}], containers: [{name: app, resources: {requests: {cpu: 1}}}, {name: other}]}`)},
			[3]string{"0.1", "0.1", "0.1"},
			[]string{
				"Pod/x: app, other, proxy requests no memory, which counts as none", "Pod/x: other, proxy requests no cpu, which counts as none",
				"Pod/x: the overhead of the RuntimeClass gvisor is not known, and counts as none",
			},
		},
		"a volume that goes with its pod": {
			[]string{pod(`{containers: [], volumes: [{name: a, emptyDir: {}}, {name: b, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 5Gi}}}}}}]}`)},
			[3]string{"0.005", "0.005", "0.005"}, nil,
		},
		"GPUs by name, and of any kind": {
			[]string{pod(`{containers: [{name: app, resources: {requests: {cpu: 0, memory: 0}, limits: {nvidia.com/gpu: 2, amd.com/gpu: 1}}}]}`)}, [3]string{"5", "5", "5"}, nil,
		},
		"GPUs by product": {
			[]string{pod(`{nodeSelector: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}, containers: [{name: app, resources: {requests: {cpu: 0, memory: 0}, limits: {nvidia.com/gpu: "1"}}}]}`)},
			[3]string{"4", "4", "4"}, nil,
		},
		"a slice of a GPU": {
			[]string{pod(`{containers: [{name: app, resources: {requests: {cpu: 0, memory: 0}, limits: {nvidia.com/mig-3g.40gb: 1}}}]}`)},
			[3]string{"0.8571428571", "0.8571428571", "0.8571428571"},
			[]string{"Pod/x: nvidia.com/mig-3g.40gb has no price of its own, and counts as 3 of 7 parts of a GPU"},
		},
		"a device that has no price": {
			[]string{pod(`{containers: [{name: app, resources: {requests: {cpu: 0, memory: 0}, limits: {example.com/fpga: 1}}}]}`)}, [3]string{"0", "0", "0"},
			[]string{"Pod/x: 1 of example.com/fpga in each pod has no price (gpuHour.example.com/fpga), and counts as nothing"},
		},
		"claims of devices, of each pod and shared": {
			[]string{
				`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, template: {spec: {resourceClaims: [{name: a, resourceClaimTemplateName: t}, {name: b, resourceClaimName: c}], containers: []}}}}`,
				`{apiVersion: resource.k8s.io/v1, kind: ResourceClaimTemplate, metadata: {name: t}, spec: {spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu.example.com, count: 2}}]}}}}`,
				`{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: c}, spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu.nvidia.com}}, {name: see, exactly: {deviceClassName: gpu.example.com, adminAccess: true}}]}}}`,
			},
			[3]string{"13", "13", "13"}, nil,
		},
		"one of several devices": {
			[]string{`{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, spec: {devices: {requests: [{name: any, firstAvailable: [{name: a, deviceClassName: gpu.example.com},
				{name: b, deviceClassName: gpu.nvidia.com}, {name: c, deviceClassName: gpu.example.com, count: 2}]}]}}}`},
			[3]string{"1", "3", "6"}, []string{"ResourceClaim/x: of the alternatives of any the first is expected"},
		},
		"a claim of devices from elsewhere": {
			[]string{pod(`{resourceClaims: [{name: a, resourceClaimTemplateName: t}], containers: []}`)}, [3]string{"0", "0", "0"},
			[]string{"Pod/x: the ResourceClaimTemplate t is not among the objects, and counts as nothing"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cost.Of(cost.Input{Objects: parsed(tc.objects...), Prices: prices(t, easy)})
			if err != nil {
				t.Fatal(err)
			}
			want := cost.Range{Min: amount(tc.hourly[0]), Expected: amount(tc.hourly[1]), Max: amount(tc.hourly[2])}
			if !got.Hourly.Equal(want) {
				t.Errorf("an hour costs %v, want %v; %+v", got.Hourly, want, got.Parts)
			}
			if !got.Monthly.Equal(want.Mul(decimal.NewFromInt(730))) {
				t.Errorf("a month costs %v", got.Monthly)
			}
			if said := strings.Join(got.AllAssumptions(), "\n"); said != strings.Join(tc.assumed, "\n") {
				t.Errorf("it assumes\n%s\nwant\n%s", said, strings.Join(tc.assumed, "\n"))
			}
			holds(t, got)
		})
	}
}

// TestOf_OfMoreThan64BitsHoldCostsNoLess has amounts that nobody has. What costs less than nothing would make room for what costs.
func TestOf_OfMoreThan64BitsHoldCostsNoLess(t *testing.T) {
	for _, requests := range []string{
		"{cpu: 99999999999999999999999, memory: 1}", "{cpu: 1e30, memory: 1}", "{cpu: 9300000000000000, memory: 1}",
		"{memory: 9Ei, cpu: 0}", "{memory: 1e30, cpu: 0}", "{nvidia.com/gpu: 9000000000000000000, cpu: 0, memory: 0}", "{nvidia.com/mig-1g.5gb: 1e30, cpu: 0, memory: 0}",
	} {
		container := "{name: %, resources: {requests: " + requests + "}}"
		spec := "{containers: [" + strings.ReplaceAll(container, "%", "a") + ", " + strings.ReplaceAll(container, "%", "b") + ", " + strings.ReplaceAll(container, "%", "c") + "]}"
		got, err := cost.Of(cost.Input{Objects: parsed(pod(spec)), Prices: prices(t, easy)})
		if err != nil {
			t.Errorf("%s: %v", requests, err)
			continue
		}
		if !got.Hourly.Min.GreaterThan(amount("100000000")) {
			t.Errorf("%s: three of them cost %s an hour", requests, got.Hourly.Min)
		}
	}
}

func TestOf_SaysWhatItCannotRead(t *testing.T) {
	for object, want := range map[string]string{
		`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: -1, template: ` + one + `}}`:                                                                 `Deployment/x: spec.replicas: -1 must not be negative`,
		`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1.5, template: ` + one + `}}`:                                                                `Deployment/x: spec.replicas: 1.5 must be a whole number`,
		pod(`{containers: [{name: a}, {name: b, resources: {requests: {memory: 1GB}}}]}`):                                                                      `Pod/x: spec.containers[1].resources.requests.memory: "1GB" must be a quantity, such as 250m or 2Gi`,
		pod(`{containers: [{name: a, resources: {limits: {cpu: -1}}}]}`):                                                                                       `Pod/x: spec.containers[0].resources.limits.cpu: -1 must not be negative`,
		pod(`{containers: [{name: a, resources: {requests: {cpu: "1e-999999999"}}}]}`):                                                                         `Pod/x: spec.containers[0].resources.requests.cpu: "1e-999999999" must be an amount of at most 64 characters, whose exponent has at most two digits`,
		`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {}}`:                                                                                              `PersistentVolumeClaim/x: spec.resources.requests.storage: must be set, such as 10Gi`,
		`{apiVersion: batch/v1, kind: CronJob, spec: {schedule: daily, jobTemplate: {spec: {template: ` + one + `}}}}`:                                         `CronJob/x: spec.schedule: "daily" is no cron schedule`,
		`{apiVersion: batch/v1, kind: CronJob, spec: {schedule: "@daily", timeZone: Mars, jobTemplate: {spec: {template: ` + one + `}}}}`:                      `CronJob/x: spec.timeZone: "Mars" is not known`,
		`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: many}}`:                                                               `HorizontalPodAutoscaler/x: spec.maxReplicas: many must be a whole number`,
		`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {annotations: {autoscaling.keda.sh/paused-replicas: some}}, spec: {scaleTargetRef: {}}}`: `ScaledObject/x: metadata.annotations.autoscaling.keda.sh/paused-replicas: some must be a whole number`,
	} {
		if _, err := cost.Of(cost.Input{Objects: parsed(object), Prices: cost.DefaultPrices()}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", object, err, want)
		}
	}
}

func TestOf_AGoldenPathSaysHowLongAJobRuns(t *testing.T) {
	const said = `metadata: {annotations: {platform.towpath.dev/typical-duration: `
	for object, want := range map[string]string{
		`{apiVersion: batch/v1, kind: CronJob, ` + said + `59m}}, spec: {schedule: "@hourly", jobTemplate: {spec: {template: ` + one + `}}}}`: "0.1081666667",
		// never longer than it may last
		`{apiVersion: batch/v1, kind: CronJob, ` + said + `59m}}, spec: {schedule: "@hourly", jobTemplate: {spec: {activeDeadlineSeconds: 1800, template: ` + one + `}}}}`: "0.055",
		`{apiVersion: batch/v1, kind: Job, ` + said + `73h}}, spec: {template: ` + one + `}}`:                                                                              "0.011",
	} {
		got, err := cost.Of(cost.Input{Objects: parsed(object), Prices: prices(t, easy)})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Hourly.Expected.Sub(amount(want)).Abs().LessThan(amount("0.000000001")) {
			t.Errorf("%s costs %s an hour, want %s", object, got.Hourly.Expected, want)
		}
		if said := strings.Join(got.AllAssumptions(), " "); strings.Contains(said, "lasts") {
			t.Errorf("it assumes %q", said)
		}
	}
	for _, bad := range []string{"soon", `"90"`, "-5m", "0s", "9000h", "90"} {
		_, err := cost.Of(cost.Input{Objects: parsed(`{apiVersion: batch/v1, kind: Job, ` + said + bad + `}}, spec: {template: ` + one + `}}`), Prices: prices(t, easy)})
		if want := "Job/x: metadata.annotations[platform.towpath.dev/typical-duration]: "; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", bad, err, want)
		}
	}
}

func TestOf_TheTierOfPodsComesBeforeThatOfTheEnvironment(t *testing.T) {
	list := prices(t, easy+`tiers: {Development: {cpuCoreHour: "1"}, Production: {cpuCoreHour: "2", gpuHour: {default: "9"}}}`)
	for _, tc := range []struct{ label, want string }{{"", "1.01"}, {"Production", "2.01"}} {
		got, err := cost.Of(cost.Input{
			Objects: parsed(`{apiVersion: v1, kind: Pod, metadata: {labels: {platform.towpath.dev/tier: "` + tc.label + `"}}, spec: {containers: [{resources: {requests: {cpu: 1, memory: 1Gi}}}]}}`),
			Prices:  list, Tier: platformv1alpha1.TierDevelopment,
		})
		if err != nil || !got.Hourly.Expected.Equal(amount(tc.want)) {
			t.Errorf("label %q: %v, %v, want %s", tc.label, got.Hourly.Expected, err, tc.want)
		}
	}
}

func TestOf_SaysWhichFiguresAreOfTheDefaultList(t *testing.T) {
	objects := parsed(`{apiVersion: apps/v1, kind: StatefulSet, spec: {template: `+one+`, volumeClaimTemplates: [{spec: {resources: {requests: {storage: 1Gi}}}}]}}`,
		`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}}`)
	got, err := cost.Of(cost.Input{Objects: objects, Prices: prices(t, `{currency: USD, memoryGiBHour: "0.5"}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"CPU at 0.031611 USD a core-hour: OpenCost's default list, since no price is configured",
		"Service/x: there is no price of this (loadBalancerHour), and it counts as nothing",
		"Storage at 0.00005479452 USD a GiB-hour: OpenCost's default list, since no price is configured",
	}
	if said := got.AllAssumptions(); strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("it says %q", said)
	}
	for _, p := range got.Parts {
		if from := map[cost.Resource]cost.Origin{cost.CPU: cost.DefaultList, cost.Memory: cost.Configured, cost.Storage: cost.DefaultList}[p.Resource]; p.PriceFrom != from {
			t.Errorf("%s is of %s, want %s", p.Resource, p.PriceFrom, from)
		}
	}
	if !got.Hourly.Expected.Equal(amount("0.5316657945")) {
		t.Errorf("an hour costs %s", got.Hourly.Expected)
	}
}

func TestASumIsOfTheDefaultListWhereAnyOfItIs(t *testing.T) {
	e, err := cost.Of(cost.Input{
		Objects: parsed(`{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {nodeSelector: {pool: own}, containers: [{resources: {requests: {cpu: 1, memory: 0}}}]}}`,
			`{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{resources: {requests: {cpu: 1, memory: 0}}}]}}`),
		Prices: prices(t, `{currency: USD, pools: [{name: own, nodeSelector: {pool: own}, cpuCoreHour: "1"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if e.Objects[0].Parts[0].PriceFrom != cost.Configured || e.Objects[0].Pool != "own" || e.Objects[1].Parts[0].PriceFrom != cost.DefaultList || e.Parts[0].PriceFrom != cost.DefaultList {
		t.Errorf("got %+v", e)
	}
}
