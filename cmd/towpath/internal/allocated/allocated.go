// Package allocated looks with the caller's rights at the nodes of a cluster and at what runs on them, so that internal/cost/allocation
// can share what they cost: what containers ask for and use, which volumes and load balancers they have, and what they send to the internet.
package allocated

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/allocation"
	"github.com/towpath-dev/towpath/internal/showback"
)

// Found is what runs, as it is to be shared.
type Found struct {
	Input allocation.Input
	// Notes say what the figures rest on.
	Notes []string
	// Usage says where what is used is from: Requests where nothing tells of it.
	Usage showback.UsageSource
}

// looker gathers.
type looker struct {
	client.Reader

	prices *cost.Prices
	found  *Found
	nodes  map[string]bool
	// used is what is used, and traffic what was sent to the internet in the last hour.
	used    used
	traffic traffic
	// users are the rows of pods by the claim that they mount, as namespace/name.
	users map[string]map[string]decimal.Decimal
	// sent are the GiB a month that each row sends to the internet.
	sent map[string]decimal.Decimal
	// defaulted is set where a price is of the default list.
	defaulted bool
	// lost counts pods on nodes that were not listed.
	lost int
}

// hours is how many a month has: what is found is taken for a month.
var hours = decimal.NewFromInt(cost.HoursPerMonth)

// Look gathers what runs now. Where ask is nil usage is that of metrics.k8s.io, where that is served.
func Look(ctx context.Context, c client.Reader, prices *cost.Prices, ask Asker) (*Found, error) {
	l := &looker{
		Reader: c, prices: prices, found: &Found{}, nodes: map[string]bool{}, users: map[string]map[string]decimal.Decimal{}, sent: map[string]decimal.Decimal{},
	}
	if err := cluster.Pages(ctx, c, &corev1.NodeList{}, func(list *corev1.NodeList) {
		for i := range list.Items {
			l.node(&list.Items[i])
		}
	}); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	var err error
	if l.used, err = l.usage(ctx, ask); err != nil {
		return nil, err
	}
	if l.traffic, err = l.internet(ctx, ask); err != nil {
		return nil, err
	}
	if err := cluster.Pages(ctx, c, &corev1.PodList{}, func(list *corev1.PodList) {
		for i := range list.Items {
			l.pod(&list.Items[i])
		}
	}); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	if err := cluster.Pages(ctx, c, &corev1.PersistentVolumeClaimList{}, func(list *corev1.PersistentVolumeClaimList) {
		for i := range list.Items {
			l.claim(&list.Items[i])
		}
	}); err != nil {
		return nil, fmt.Errorf("listing persistentvolumeclaims: %w", err)
	}
	if err := l.loadBalancers(ctx); err != nil {
		return nil, err
	}
	l.egress()
	if l.defaulted {
		l.note("prices are OpenCost's default list, which may not be yours: give --prices")
	}
	if l.lost > 0 {
		l.note("%d pods are on nodes that went or came meanwhile, and are not counted", l.lost)
	}
	return l.found, nil
}

func (l *looker) note(format string, args ...any) {
	l.found.Notes = append(l.found.Notes, fmt.Sprintf(format, args...))
}

// node adds a node, at what its parts cost by the list of prices.
func (l *looker) node(node *corev1.Node) {
	scope := l.prices.In("", node.Labels)
	size := cost.NodeSize{Cores: amountOf(node.Status.Capacity[corev1.ResourceCPU]), MemoryGiB: gib(node.Status.Capacity[corev1.ResourceMemory])}
	var names []string
	for name, quantity := range node.Status.Capacity {
		if pieces := cost.GPUs(string(name), amountOf(quantity)); !pieces.IsZero() {
			size.GPUs, names = size.GPUs.Add(pieces), append(names, string(name))
		}
	}
	size.GPUType = scope.GPUType(node.Labels, names...)
	price, defaulted := size.Price(scope)
	if price.IsZero() {
		return // it has nothing yet, or nothing that has a price
	}
	l.defaulted = l.defaulted || defaulted
	l.nodes[node.Name] = true
	l.found.Input.Nodes = append(l.found.Input.Nodes, allocation.Node{Name: node.Name, Size: size, Hours: hours, PriceHour: price, Scope: scope})
}

// pod adds the containers of a pod that has a node. One that is over holds nothing any more.
func (l *looker) pod(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	if !l.nodes[pod.Spec.NodeName] {
		l.lost++
		return
	}
	key := keyOf(pod.Labels)
	l.containers(pod, key)
	if gib := l.traffic[pod.Namespace+"/"+pod.Name]; gib.IsPositive() {
		l.sent[key] = l.sent[key].Add(gib.Mul(hours))
	}
	for i := range pod.Spec.Volumes {
		source := pod.Spec.Volumes[i].PersistentVolumeClaim
		if source == nil {
			continue
		}
		claim := pod.Namespace + "/" + source.ClaimName
		if l.users[claim] == nil {
			l.users[claim] = map[string]decimal.Decimal{}
		}
		l.users[claim][key] = l.users[claim][key].Add(hours)
	}
}

// claim adds a volume.
func (l *looker) claim(claim *corev1.PersistentVolumeClaim) {
	if claim.Status.Phase != corev1.ClaimBound {
		return
	}
	class := ""
	if claim.Spec.StorageClassName != nil {
		class = *claim.Spec.StorageClassName
	}
	rate, ok := l.prices.In("", nil).Price(cost.Item{Resource: cost.Storage, Type: class})
	if !ok {
		l.note("volume claim %s/%s of storage class %q has no price, and is not counted", claim.Namespace, claim.Name, class)
		return
	}
	l.defaulted = l.defaulted || rate.From == cost.DefaultList
	l.found.Input.Charges = append(l.found.Input.Charges, allocation.Charge{
		Resource: cost.Storage, Amount: rate.Amount.Mul(gib(claim.Status.Capacity[corev1.ResourceStorage])).Mul(hours), Users: l.users[claim.Namespace+"/"+claim.Name],
	})
}

// keyOf is the row of what bears labels of Towpath; what bears none is the cluster's own.
func keyOf(labels map[string]string) string {
	if labels[platformv1alpha1.LabelTeam] == "" {
		return showback.ClusterRow
	}
	return showback.Owner{
		Team: labels[platformv1alpha1.LabelTeam], Environment: labels[platformv1alpha1.LabelEnvironment], Component: labels[platformv1alpha1.LabelComponent],
	}.Key()
}

func amountOf(quantity resource.Quantity) decimal.Decimal {
	amount, err := decimal.NewFromString(quantity.AsDec().String())
	if err != nil {
		return decimal.Zero // a quantity that was read is a number
	}
	return amount
}

const gibPlaces = 9

func gib(quantity resource.Quantity) decimal.Decimal {
	return amountOf(quantity).DivRound(decimal.NewFromInt(1<<30), gibPlaces)
}

// gpus are those among resources, as whole ones.
func gpus(resources corev1.ResourceList) decimal.Decimal {
	sum := decimal.Zero
	for name, quantity := range resources {
		sum = sum.Add(cost.GPUs(string(name), amountOf(quantity)))
	}
	return sum
}
