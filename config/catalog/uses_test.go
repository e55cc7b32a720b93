package catalog_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
	"github.com/towpath-dev/towpath/internal/uses"
)

// What every golden path promises to those who use it, and about what it uses.

// provide gives what others get, with the outputs by name.
func provide(t *testing.T, r rendered) (*template.Provided, map[string]platformv1alpha1.ReleaseOutput) {
	t.Helper()
	_, compiled := r.path.load(t)
	provided, err := render.Provide(compiled, r.Input)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]platformv1alpha1.ReleaseOutput{}
	for _, output := range provided.Outputs {
		outputs[output.Name] = output
	}
	return provided, outputs
}

// valueOf gives a plain output; nothing where it is absent or stands in a Secret.
func valueOf(outputs map[string]platformv1alpha1.ReleaseOutput, name string) string {
	if value := outputs[name].Value; value != nil {
		return *value
	}
	return ""
}

func TestEveryOutputIsThereAndFitsAVariable(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		shipped, _ := r.path.load(t)
		_, outputs := provide(t, r)
		for _, output := range shipped.Spec.Outputs {
			given, ok := outputs[output.Name]
			if !ok || given.SecretKeyRef == nil && valueOf(outputs, output.Name) == "" {
				t.Errorf("%s is not given", output.Name)
			}
			if problems := validation.IsCIdentifier(uses.Variable("ordersDb", output.Name)); len(problems) > 0 {
				t.Errorf("%s: %v", output.Name, problems)
			}
		}
	})
}

func TestWhoHasAServiceTellsWhereItIs(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		provided, _ := provide(t, r)
		told := len(provided.Outputs) > 0 && provided.Endpoint != nil
		if r.path.name == worker.name { // its port is for monitoring alone
			if told || provided.Endpoint != nil {
				t.Error("nobody calls a worker")
			}
		} else if there := has(r, "service") || has(r, "cluster"); there != told {
			t.Errorf("a Service: %v, outputs and an endpoint: %v", there, told)
		}
	})
}

// The outputs lead to the Service, and the Service to the pods and ports that callers are let through to.
func TestOutputsAndEndpointLeadToThePods(t *testing.T) {
	eachWithPods(t, func(t *testing.T, r rendered) {
		provided, outputs := provide(t, r)
		if provided.Endpoint == nil {
			return
		}
		service := get[corev1.Service](t, r, "service")
		host, port := service.Name+"."+service.Namespace+".svc", service.Spec.Ports[0]
		if valueOf(outputs, "host") != host || valueOf(outputs, "port") != strconv.Itoa(int(port.Port)) {
			t.Errorf("it is told to be at %s:%s, and is at %s:%d", valueOf(outputs, "host"), valueOf(outputs, "port"), host, port.Port)
		}
		if _, ok := outputs["url"]; ok && (valueOf(outputs, "url") != "http://"+host || port.Port != 80) {
			t.Errorf("%s leads elsewhere", valueOf(outputs, "url"))
		}
		pod := workloadOf(t, r).pod
		if !labels.SelectorFromSet(provided.Endpoint.PodLabels).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%v does not select the pods, which have %v", provided.Endpoint.PodLabels, pod.Labels)
		}
		for _, container := range pod.Spec.Containers[0].Ports {
			if container.Name == port.TargetPort.StrVal && !slices.Equal(provided.Endpoint.Ports, []int32{container.ContainerPort}) {
				t.Errorf("callers are let through to %v, and the pods listen on %d", provided.Endpoint.Ports, container.ContainerPort)
			}
		}
	})
}

// usesTwo are Components that can be called, and one that cannot.
var usesTwo = []platformv1alpha1.ReleaseUse{
	{Component: "orders-db", As: "db", Endpoint: &platformv1alpha1.ReleaseEndpoint{
		PodLabels: map[string]string{"cnpg.io/cluster": "orders-db"}, Ports: []int32{5432},
	}},
	{Component: "cache", As: "cache", Endpoint: &platformv1alpha1.ReleaseEndpoint{
		PodLabels: map[string]string{platformv1alpha1.LabelComponent: "cache", platformv1alpha1.LabelEnvironment: "prod"}, Ports: []int32{6379, 6380},
	}},
	{Component: "nightly", As: "nightly"},
}

func TestARestrictedEgressLeadsOnlyToWhatIsUsed(t *testing.T) {
	used := []string{
		"pods cnpg.io/cluster=orders-db: TCP 5432",
		"pods platform.towpath.dev/component=cache,platform.towpath.dev/environment=prod: TCP 6379, TCP 6380",
	}
	listed := []any{map[string]any{"cidr": "10.20.0.0/16", "port": int64(514), "protocol": "UDP"}}
	for _, p := range goldenPaths {
		shipped, compiled := p.load(t)
		choice := strings.Contains(string(shipped.Spec.Parameters.Raw), `"egress"`)
		for name, c := range map[string]struct {
			uses   []platformv1alpha1.ReleaseUse
			listed []any
			want   []string
		}{
			"nothing":         {},
			"uses":            {uses: usesTwo, want: used},
			"a list":          {listed: listed, want: []string{"10.20.0.0/16: UDP 514"}},
			"uses and a list": {usesTwo, listed, append(slices.Clone(used), "10.20.0.0/16: UDP 514")},
			"no endpoint":     {uses: usesTwo[2:]},
		} {
			given := parse(t, p.inputs["defaults"].parameters)
			want := c.want
			if choice {
				if given == nil {
					given = map[string]any{}
				}
				network := map[string]any{"egress": "Restricted"}
				if c.listed != nil {
					network["allowTo"] = c.listed
				}
				given["network"] = network
			} else {
				want = nil // closed, whatever is used
			}
			r := p.render(t, compiled, given, func(in *render.Input) { in.Uses = c.uses })
			if got := destinations(t, r); !slices.Equal(got, want) {
				t.Errorf("%s with %s may call\n%s\nand must be let through to\n%s", p.name, name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// destinations are all that the network policies let the pods call, but for DNS and pods of their own.
func destinations(t *testing.T, r rendered) []string {
	t.Helper()
	own := labels.Set{platformv1alpha1.LabelComponent: r.Component, platformv1alpha1.LabelEnvironment: r.Environment.Name}.String()
	var all []string
	for _, object := range r.objects {
		if object.Object.GetKind() != "NetworkPolicy" {
			continue
		}
		for _, rule := range get[networkingv1.NetworkPolicy](t, r, object.Resource).Spec.Egress {
			dns := len(rule.Ports) > 0 && len(rule.To) > 0
			var ports []string
			for _, port := range rule.Ports {
				dns = dns && port.Port != nil && (*port.Port == intstr.FromInt32(53) || *port.Port == intstr.FromInt32(5353))
				ports = append(ports, fmt.Sprintf("%s %s", *port.Protocol, port.Port))
			}
			for _, to := range rule.To {
				dns = dns && resolves(to)
			}
			switch {
			case dns:
			case len(rule.To) == 0:
				all = append(all, "everything: "+strings.Join(ports, ", "))
			default:
				for _, to := range rule.To {
					if text := destination(to); text != "pods "+own || len(ports) > 0 {
						all = append(all, text+": "+strings.Join(ports, ", "))
					}
				}
			}
		}
	}
	return all
}

// resolves says whether a peer is a name server: of the cluster, or a cache on the node.
func resolves(to networkingv1.NetworkPolicyPeer) bool {
	if to.IPBlock != nil {
		return netip.MustParsePrefix(to.IPBlock.CIDR) == netip.MustParsePrefix("169.254.20.10/32")
	}
	if to.PodSelector != nil || to.NamespaceSelector == nil || len(to.NamespaceSelector.MatchExpressions) != 1 {
		return false
	}
	only := to.NamespaceSelector.MatchExpressions[0]
	return only.Key == corev1.LabelMetadataName && slices.Equal(only.Values, []string{"kube-system", "openshift-dns"})
}

// destination is a peer as text.
func destination(to networkingv1.NetworkPolicyPeer) string {
	switch {
	case to.IPBlock != nil:
		return to.IPBlock.CIDR
	case to.NamespaceSelector != nil:
		return "pods of other namespaces"
	}
	return "pods " + labels.Set(to.PodSelector.MatchLabels).String()
}
