package catalog_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/render"
)

// What every golden path promises.

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	eachWithPods(t, func(t *testing.T, r rendered) {
		pod := workloadOf(t, r).pod
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	})
}

func TestPodsWriteOnlyToBoundedFolders(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		pod := workloadOf(t, r).pod.Spec
		if !*pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
			t.Error("the root must be read-only")
		}
		for _, volume := range pod.Volumes {
			if volume.EmptyDir == nil || volume.EmptyDir.SizeLimit.IsZero() {
				t.Errorf("volume %s is not bounded", volume.Name)
			}
		}
	})
}

func TestPodsReserveWhatTheyNeed(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		got := workloadOf(t, r).pod.Spec.Containers[0].Resources
		if got.Requests.Cpu().IsZero() || got.Requests.Memory().IsZero() || got.Limits.Memory().Cmp(*got.Requests.Memory()) < 0 {
			t.Errorf("it must reserve CPU and memory, and be limited to no less memory: %v", got)
		}
		if _, limited := got.Limits[corev1.ResourceCPU]; limited {
			t.Error("a limit on CPU throttles on an idle node")
		}
	})
}

func TestPodsHaveAnIdentityWithoutAToken(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		pod, account := workloadOf(t, r).pod.Spec, get[corev1.ServiceAccount](t, r, "serviceAccount")
		if pod.ServiceAccountName != account.Name || !strings.HasPrefix(account.Name, r.Component) {
			t.Errorf("pods run as %q, and the account is %q", pod.ServiceAccountName, account.Name)
		}
		if *pod.AutomountServiceAccountToken || *account.AutomountServiceAccountToken || *pod.EnableServiceLinks {
			t.Error("pods must get neither a token nor their neighbours' addresses")
		}
	})
}

func TestPodsGetTheVariablesOfTheComponent(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		names := map[string]int{}
		for _, variable := range workloadOf(t, r).pod.Spec.Containers[0].Env {
			names[variable.Name]++
		}
		for _, variable := range r.Env {
			if names[variable.Name] != 1 {
				t.Errorf("%s stands %d times", variable.Name, names[variable.Name])
			}
		}
		for _, variable := range r.SecretEnv {
			if names[variable.Name] != 1 {
				t.Errorf("%s stands %d times", variable.Name, names[variable.Name])
			}
		}
	})
}

func TestThePodOutlivesItsDrain(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		pod := workloadOf(t, r).pod.Spec
		var delay int64
		if hook := pod.Containers[0].Lifecycle; hook != nil {
			delay = hook.PreStop.Sleep.Seconds
		}
		if want := number(r, "shutdown", "delaySeconds"); delay != want {
			t.Errorf("it serves on for %d s, and should for %d s", delay, want)
		}
		if grace, drain := *pod.TerminationGracePeriodSeconds, number(r, "shutdown", "drainSeconds"); grace < delay+drain {
			t.Errorf("the grace period is %d s, and delay and drain are %d s", grace, delay+drain)
		}
	})
}

func TestAPodLosesItsTrafficBeforeItsLife(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		container := workloadOf(t, r).pod.Spec.Containers[0]
		ready, live, start := container.ReadinessProbe, container.LivenessProbe, container.StartupProbe
		if (live == nil) != (start == nil) {
			t.Error("a liveness probe needs a startup probe, or it ends slow starters")
		}
		if live != nil && ready != nil {
			if a, b := ready.PeriodSeconds*ready.FailureThreshold, live.PeriodSeconds*live.FailureThreshold; a*2 > b {
				t.Errorf("unready after %d s, restarted after %d s", a, b)
			}
			if live.TimeoutSeconds < ready.TimeoutSeconds {
				t.Error("liveness must not be stricter than readiness")
			}
		}
		if start != nil {
			allowed, want := int64(start.PeriodSeconds*start.FailureThreshold), number(r, "probes", "startupSeconds")
			if allowed < want {
				t.Errorf("may start for %d s, and should for %d s", allowed, want)
			}
		}
		for name, probe := range map[string]*corev1.Probe{"startup": start, "readiness": ready, "liveness": live} {
			if probe == nil {
				continue
			}
			handlers := 0
			for _, there := range []bool{probe.HTTPGet != nil, probe.TCPSocket != nil, probe.Exec != nil} {
				if there {
					handlers++
				}
			}
			if handlers != 1 {
				t.Errorf("the %s probe has %d handlers", name, handlers)
			}
		}
	})
}

func TestARollOutWaitsLongerThanAPodMayStart(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		deployment, ok := find[appsv1.Deployment](t, r, "deployment")
		if allowed := number(r, "probes", "startupSeconds"); ok && int64(*deployment.Spec.ProgressDeadlineSeconds) <= allowed {
			t.Errorf("it fails after %d s, and a pod may take %d s", *deployment.Spec.ProgressDeadlineSeconds, allowed)
		}
	})
}

func TestReplicasHaveOneWriter(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		writers := 0
		for _, there := range []bool{has(r, "autoscaler"), has(r, "scaledObject"), written(t, r)} {
			if there {
				writers++
			}
		}
		if lasting := workloadOf(t, r).kind != "CronJob"; lasting && writers != 1 || !lasting && writers != 0 {
			t.Errorf("replicas have %d writers", writers)
		}
	})
}

// written says whether the workload itself says how many pods run.
func written(t *testing.T, r rendered) bool {
	t.Helper()
	for _, object := range r.objects {
		switch object.Object.GetKind() {
		case "Deployment", "StatefulSet":
			_, found, err := unstructured.NestedInt64(object.Object.Object, "spec", "replicas")
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
	}
	return false
}

func TestTheDisruptionBudgetNeverBlocks(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		budget, ok := find[policyv1.PodDisruptionBudget](t, r, "disruptionBudget")
		if lasting := workloadOf(t, r).kind != "CronJob" && !r.path.alone; ok != lasting {
			t.Fatalf("pods that last: %v, a PodDisruptionBudget: %v", lasting, ok)
		}
		if !ok {
			return
		}
		if budget.Spec.MinAvailable != nil || budget.Spec.MaxUnavailable.IntValue() < 1 || *budget.Spec.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
			t.Errorf("it blocks: %+v", budget.Spec)
		}
	})
}

func TestSelectorsChooseThePodsAndNeverChange(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		found := workloadOf(t, r)
		want := map[string]string{platformv1alpha1.LabelComponent: r.Component, platformv1alpha1.LabelEnvironment: r.Environment.Name}
		selectors := map[string]map[string]string{}
		if found.selector != nil {
			selectors[found.kind] = found.selector.MatchLabels
		}
		for _, constraint := range found.pod.Spec.TopologySpreadConstraints {
			selectors["spread over "+constraint.TopologyKey] = constraint.LabelSelector.MatchLabels
		}
		for _, object := range r.objects {
			switch object.Object.GetKind() {
			case "PodDisruptionBudget":
				selectors[object.Resource] = get[policyv1.PodDisruptionBudget](t, r, object.Resource).Spec.Selector.MatchLabels
			case "NetworkPolicy":
				selectors[object.Resource] = get[networkingv1.NetworkPolicy](t, r, object.Resource).Spec.PodSelector.MatchLabels
			case "Service":
				selectors[object.Resource] = get[corev1.Service](t, r, object.Resource).Spec.Selector
			}
		}
		for name, selector := range selectors {
			if !maps.Equal(selector, want) || !labels.SelectorFromSet(selector).Matches(labels.Set(found.pod.Labels)) {
				t.Errorf("%s selects by %v; the pods have %v", name, selector, found.pod.Labels)
			}
		}
	})
}

func TestEverythingIsLabelledAndPassesTheGuard(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		want := render.Labels(r.Input)
		objects := make([]guard.Object, len(r.objects))
		for i, object := range r.objects {
			objects[i] = guard.Object{Resource: object.Resource, Object: object.Object}
			if got := object.Object.GetLabels(); !maps.Equal(got, want) {
				t.Errorf("%s bears %v, and must bear %v", object.Resource, got, want)
			}
		}
		onPods := maps.Clone(want)
		delete(onPods, platformv1alpha1.LabelOwnerUID)
		if !has(r, "cluster") {
			if got := workloadOf(t, r).pod.Labels; !maps.Equal(got, onPods) {
				t.Errorf("pods bear %v, and must bear %v", got, onPods)
			}
		}
		refusals := guard.Check(objects, guard.Policy{
			Namespace: r.Environment.Namespace, Labels: want, PodSecurity: platformv1alpha1.PodSecurityRestricted, Tokens: platformv1alpha1.TokensForbidden,
			Namespaced: func(schema.GroupKind) (namespaced, known bool) { return true, true },
		})
		for _, refusal := range refusals {
			t.Error(refusal.Error())
		}
	})
}

// longestName is what Kubernetes, or the label that a controller makes from the name, leaves room for.
var longestName = map[string]int{
	"Cluster":                 50, // CloudNativePG takes no more
	"CronJob":                 52, // its Jobs add the minute
	"Deployment":              52, // its ReplicaSets and pods add hashes
	"HorizontalPodAutoscaler": 63,
	"HTTPRoute":               63,
	"NetworkPolicy":           63,
	"PodDisruptionBudget":     63,
	"ScaledObject":            54, // KEDA's autoscaler puts keda-hpa- before it, and makes a label of it
	"Service":                 63,
	"ServiceAccount":          63,
	"StatefulSet":             52, // controller-revision-hash adds a hash of ten
}

func TestNamesFit(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		for _, object := range r.objects {
			limit, known := longestName[object.Object.GetKind()]
			if name := object.Object.GetName(); !known || len(name) > limit {
				t.Errorf("%s %s has %d characters, at most %d fit", object.Object.GetKind(), name, len(name), limit)
			}
		}
	})
}

// The metadata addresses of clouds give out the node's credentials.
var metadataAddresses = []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")}

func TestCloudMetadataIsDeniedUnlessAskedFor(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		network, _ := r.Parameters["network"].(map[string]any)
		listed, _ := network["allowTo"].([]any)
		for _, address := range metadataAddresses {
			asked := network["cloudMetadata"] == "Allowed" || slices.ContainsFunc(listed, func(to any) bool {
				return netip.MustParsePrefix(to.(map[string]any)["cidr"].(string)).Contains(address)
			})
			if got := reaches(t, r, address); got != asked {
				t.Errorf("%s is reached: %v, asked for: %v", address, got, asked)
			}
		}
	})
}

// reaches says whether the network policies let the pods call an address.
func reaches(t *testing.T, r rendered, address netip.Addr) bool {
	t.Helper()
	within := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(address) }
	for _, object := range r.objects {
		if object.Object.GetKind() != "NetworkPolicy" {
			continue
		}
		policy := get[networkingv1.NetworkPolicy](t, r, object.Resource)
		if !slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
			t.Errorf("%s leaves egress open", object.Resource)
		}
		for _, rule := range policy.Spec.Egress {
			if len(rule.To) == 0 {
				return true
			}
			for _, to := range rule.To {
				if to.IPBlock != nil && within(to.IPBlock.CIDR) && !slices.ContainsFunc(to.IPBlock.Except, within) {
					return true
				}
			}
		}
	}
	return false
}
