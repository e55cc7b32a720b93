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

// freshFor is how long an answer of the API server is believed. A CustomResourceDefinition that
// comes or goes shows in Releases made after that time.
const freshFor = 30 * time.Second

// Detector asks the API server's discovery, a group and version at a time. It is safe for
// concurrent use.
type Detector struct {
	discovery discovery.DiscoveryInterface
	clock     clock.PassiveClock

	mu     sync.Mutex
	served map[string]answer
}

type answer struct {
	at    time.Time
	kinds map[string]bool
}

// NewDetector returns a Detector.
func NewDetector(d discovery.DiscoveryInterface, c clock.PassiveClock) *Detector {
	return &Detector{discovery: d, clock: c, served: map[string]answer{}}
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
	if known, ok := d.served[groupVersion]; ok && now.Sub(known.at) < freshFor {
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
