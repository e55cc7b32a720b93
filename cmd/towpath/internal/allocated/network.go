package allocated

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/allocation"
)

// traffic are the GiB that pods sent to the internet in the last hour, by namespace/name.
type traffic map[string]decimal.Decimal

// internetQuery is by pod. Only what OpenCost's daemon for network costs measures tells the internet from the cluster. The label pod would be
// that of the daemon.
const internetQuery = `sum by (namespace, pod_name) (increase(kubecost_pod_network_egress_bytes_total{internet="true"}[1h]))`

// internet asks for what went to the internet. Where nothing tells of it, that is said.
func (l *looker) internet(ctx context.Context, ask Asker) (traffic, error) {
	const untold = "traffic to the internet is not counted: %s"
	if ask == nil {
		l.note(untold, "give --prometheus, of one that has kubecost_pod_network_egress_bytes_total")
		return nil, nil
	}
	series, err := ask(ctx, internetQuery)
	if err != nil {
		return nil, err
	}
	if len(series) == 0 {
		l.note(untold, "the Prometheus has no kubecost_pod_network_egress_bytes_total, which OpenCost's network costs measure")
	}
	sent := traffic{}
	for _, s := range series {
		if sane(s.Value) {
			sent[s.Labels["namespace"]+"/"+s.Labels["pod_name"]] = decimal.NewFromFloat(s.Value).DivRound(decimal.NewFromInt(1<<30), gibPlaces)
		}
	}
	return sent, nil
}

// egress adds what rows send to the internet.
func (l *looker) egress() {
	if len(l.sent) == 0 {
		return
	}
	rate, ok := l.prices.In("", nil).Price(cost.Item{Resource: cost.Egress})
	if !ok {
		l.note("traffic to the internet is not counted: egressGiB has no price")
		return
	}
	l.defaulted = l.defaulted || rate.From == cost.DefaultList
	for _, key := range slices.Sorted(maps.Keys(l.sent)) {
		l.found.Input.Charges = append(l.found.Input.Charges, allocation.Charge{
			Resource: cost.Egress, Amount: rate.Amount.Mul(l.sent[key]), Users: map[string]decimal.Decimal{key: hours},
		})
	}
}

// loadBalancers adds those that Services have. One that is yet to be made costs nothing yet.
func (l *looker) loadBalancers(ctx context.Context) error {
	rate, priced := l.prices.In("", nil).Price(cost.Item{Resource: cost.LoadBalancer})
	unpriced := 0
	err := cluster.Pages(ctx, l, &corev1.ServiceList{}, func(list *corev1.ServiceList) {
		for i := range list.Items {
			service := &list.Items[i]
			if service.Spec.Type != corev1.ServiceTypeLoadBalancer || len(service.Status.LoadBalancer.Ingress) == 0 {
				continue
			}
			if !priced {
				unpriced++
				continue
			}
			l.found.Input.Charges = append(l.found.Input.Charges, allocation.Charge{
				Resource: cost.LoadBalancer, Amount: rate.Amount.Mul(hours), Users: map[string]decimal.Decimal{keyOf(service.Labels): hours},
			})
		}
	})
	switch {
	case apierrors.IsForbidden(err):
		l.note("load balancers are not counted: you may not list services in all namespaces")
	case err != nil:
		return fmt.Errorf("listing services: %w", err)
	case unpriced > 0:
		l.note("%d load balancers are not counted: loadBalancerHour has no price", unpriced)
	}
	return nil
}
