package cost

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// DefaultRun is how long a run of a Job is taken to last of which nothing is known.
const DefaultRun = 5 * time.Minute

// Input is what is estimated, and what is known of it.
type Input struct {
	// Objects as they were rendered, awake: what sleeps is taken off by Awake. They are not changed.
	Objects []*unstructured.Unstructured
	Prices  *Prices
	// Tier of the environment. A pod template whose label names another counts as that.
	Tier platformv1alpha1.Tier
	// Awake is when what sleeps does not; the zero value is always.
	Awake Awake
}

// estimator is one estimate as it is made.
type estimator struct {
	in *Input
	// scalers are the autoscalers by what they scale, as Kind/name.
	scalers map[string]scaler
	// claimTemplates are the ResourceClaimTemplates by name.
	claimTemplates map[string]map[string]any
	assumptions    []string
	// sleeps says that sleep was taken off something.
	sleeps bool
}

// Of estimates what objects cost. An error names the object and the field that cannot be read.
func Of(in Input) (*Estimate, error) {
	if in.Prices == nil {
		return nil, errors.New("an estimate needs prices: give those of the default list where there are no others")
	}
	e := &estimator{in: &in, scalers: map[string]scaler{}, claimTemplates: map[string]map[string]any{}}
	for _, object := range in.Objects {
		if object.GetKind() == "ResourceClaimTemplate" {
			e.claimTemplates[object.GetName()] = object.Object
		}
		if err := e.scale(object); err != nil {
			return nil, wrong(object, err)
		}
	}
	var objects []Object // those that cost anything, or of which something is assumed
	for _, object := range in.Objects {
		o := Object{Kind: object.GetKind(), Name: object.GetName()}
		parts, err := e.parts(&o, object)
		if err != nil {
			return nil, wrong(object, err)
		}
		if len(parts) > 0 || len(o.Assumptions) > 0 {
			objects = append(objects, o.of(parts))
		}
	}
	if e.sleeps {
		e.assume("sleep is taken off by the windows that come again: awake %s %% of the time", in.Awake.Share().Mul(hundred).Round(1))
	}
	return whole(in.Prices.Currency, objects, e.assumptions), nil
}

func wrong(object *unstructured.Unstructured, err error) error {
	return fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err)
}

func (e *estimator) assume(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(e.assumptions, text) {
		e.assumptions = append(e.assumptions, text)
	}
}

// priced adds a part, or says that it has no price.
func (e *estimator) priced(parts []Part, o *Object, scope Scope, item Item, amount Range) []Part {
	price, ok := scope.Price(item)
	if !ok {
		o.Assumptions = append(o.Assumptions, fmt.Sprintf("there is no price of this (%s), and it counts as nothing", fieldOf(item)))
		return parts
	}
	return append(parts, e.noted(part(item, price, amount), scope, item))
}

// noted says of a part whether its price is an assumption.
func (e *estimator) noted(p Part, scope Scope, item Item) Part {
	if p.PriceFrom == DefaultList {
		price, _ := scope.Price(item)
		e.assume("%s at %s %s a %s: OpenCost's default list, since no price is configured", item.Resource, price.Amount, e.in.Prices.Currency, units[item.Resource])
	}
	return p
}

// free are kinds that cost nothing themselves.
var free = map[schema.GroupKind]bool{}

func init() {
	for group, kinds := range map[string]string{
		"":                          "ServiceAccount ConfigMap Secret Service Endpoints",
		"discovery.k8s.io":          "EndpointSlice",
		"networking.k8s.io":         "NetworkPolicy Ingress",
		"policy":                    "PodDisruptionBudget",
		"autoscaling":               "HorizontalPodAutoscaler",
		"autoscaling.k8s.io":        "VerticalPodAutoscaler",
		"keda.sh":                   "ScaledObject TriggerAuthentication",
		"rbac.authorization.k8s.io": "Role RoleBinding",
		"gateway.networking.k8s.io": "HTTPRoute GRPCRoute TLSRoute TCPRoute UDPRoute ReferenceGrant BackendTLSPolicy",
		"monitoring.coreos.com":     "ServiceMonitor PodMonitor PrometheusRule Probe",
		"resource.k8s.io":           "ResourceClaimTemplate",
		"external-secrets.io":       "ExternalSecret",
		"cert-manager.io":           "Certificate",
	} {
		for kind := range strings.FieldsSeq(kinds) {
			free[schema.GroupKind{Group: group, Kind: kind}] = true
		}
	}
}

// parts prices one object.
func (e *estimator) parts(o *Object, object *unstructured.Unstructured) ([]Part, error) {
	kind, spec := object.GroupVersionKind().GroupKind(), mapAt(object.Object, "spec")
	switch kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		return e.workload(o, object, spec)
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return e.statefulSet(o, object, spec)
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return e.daemonSet(o, spec)
	case schema.GroupKind{Kind: "Pod"}:
		return e.pods(o, object.Object, "spec")
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return e.job(o, object, spec)
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		return e.cronJob(o, object, spec)
	case schema.GroupKind{Group: "keda.sh", Kind: "ScaledJob"}:
		return e.scaledJob(o, spec)
	case schema.GroupKind{Group: "postgresql.cnpg.io", Kind: "Cluster"}:
		return e.postgres(o, object, spec)
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		amount, class, err := volumeOf(spec, "spec")
		if err != nil {
			return nil, err
		}
		return e.priced(nil, o, e.scope(object), Item{Storage, class}, exactly(amount)), nil
	case schema.GroupKind{Group: "resource.k8s.io", Kind: "ResourceClaim"}:
		return e.devices(nil, o, e.scope(object), spec, "spec")
	case schema.GroupKind{Kind: "Service"}:
		if textAt(spec, "type") != "LoadBalancer" {
			return nil, nil
		}
		return e.balancer(o, object), nil
	case schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "Gateway"}:
		o.Assumptions = append(o.Assumptions, "a Gateway counts as one load balancer")
		return e.balancer(o, object), nil
	}
	if !free[kind] {
		o.Assumptions = append(o.Assumptions, "what a "+o.Kind+" makes is not known, and counts as nothing")
	}
	return nil, nil
}

// scope is that of an object without pods.
func (e *estimator) scope(object *unstructured.Unstructured) Scope {
	tier := e.in.Tier
	if own := platformv1alpha1.Tier(textAt(object.Object, "metadata", "labels", platformv1alpha1.LabelTier)); own != "" {
		tier = own
	}
	return e.in.Prices.In(tier, nil)
}

func (e *estimator) balancer(o *Object, object *unstructured.Unstructured) []Part {
	return e.priced(nil, o, e.scope(object), Item{LoadBalancer, ""}, count(1))
}

// volumeOf is how many GiB a claim asks for, and of which storage class.
func volumeOf(spec map[string]any, path string) (amount decimal.Decimal, class string, err error) {
	value := at(spec, "resources", "requests", "storage")
	if value == nil {
		return decimal.Zero, "", fieldError(path+".resources.requests.storage", "must be set, such as 10Gi")
	}
	q, err := quantityOf(value, path+".resources.requests.storage")
	if err != nil {
		return decimal.Zero, "", err
	}
	return gib(q), textAt(spec, "storageClassName"), nil
}

// awake is how much of the time a kind runs.
func (e *estimator) awake(kind schema.GroupKind) decimal.Decimal {
	if e.in.Awake.Always() || !render.Sleeps(kind) {
		return one
	}
	e.sleeps = true
	return e.in.Awake.Share()
}
