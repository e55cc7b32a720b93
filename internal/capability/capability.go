// Package capability tells which optional APIs a cluster serves.
package capability

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
)

const (
	// freshFor is how long an answer of the API server is believed.
	freshFor = 30 * time.Second
	// settle is how long after a change of a CustomResourceDefinition no answer is kept: discovery follows the
	// event some time later, and sends none of its own.
	settle = 15 * time.Second
)

// Detector asks the API server's discovery, a group and version at a time. It is safe for
// concurrent use.
type Detector struct {
	discovery discovery.DiscoveryInterface
	clock     clock.PassiveClock

	mu      sync.Mutex
	served  map[string]answer
	changed time.Time
}

type answer struct {
	at    time.Time
	kinds map[string]bool
}

// NewDetector returns a Detector.
func NewDetector(d discovery.DiscoveryInterface, c clock.PassiveClock) *Detector {
	return &Detector{discovery: d, clock: c, served: map[string]answer{}}
}

// Changed says that a CustomResourceDefinition has just come, changed or gone.
func (d *Detector) Changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = d.clock.Now()
}

// Available returns those of the given names, each group/version/Kind (or version/Kind for the core
// group), that the cluster serves, in the order given.
func (d *Detector) Available(_ context.Context, names []string) ([]string, error) {
	var available []string
	for _, name := range names {
		cut := strings.LastIndex(name, "/")
		if cut < 0 {
			continue
		}
		kinds, err := d.kinds(name[:cut])
		if err != nil {
			return nil, err
		}
		if kinds[name[cut+1:]] {
			available = append(available, name)
		}
	}
	return available, nil
}

// kinds returns the kinds of a group and version; none where the cluster does not serve it.
func (d *Detector) kinds(groupVersion string) (map[string]bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	if known, ok := d.served[groupVersion]; ok && now.Sub(known.at) < freshFor && known.at.Sub(d.changed) > settle {
		return known.kinds, nil
	}
	kinds := map[string]bool{}
	list, err := d.discovery.ServerResourcesForGroupVersion(groupVersion)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return nil, fmt.Errorf("discovering %s: %w", groupVersion, err)
	default:
		for i := range list.APIResources {
			kinds[list.APIResources[i].Kind] = true
		}
	}
	d.served[groupVersion] = answer{at: now, kinds: kinds}
	return kinds, nil
}
