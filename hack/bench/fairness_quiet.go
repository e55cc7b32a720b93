package main

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// apart is how far from each other the quiet team makes its Components: it does not wait for one before it makes the next, so a slow
// one does not make the others look fast.
const apart = 250 * time.Millisecond

// quiet is the team that changes one thing after the other.
type quiet struct {
	cluster   *cluster
	latencies *latencies
	made      int
}

// times is when so many were made.
func times(n int) func(int) bool {
	return func(made int) bool { return made >= n }
}

// until is when something is over, but not before there is one.
func until(over <-chan struct{}) func(int) bool {
	return func(made int) bool {
		select {
		case <-over:
			return made > 0
		default:
			return false
		}
	}
}

// change is one Component that the quiet team makes.
type change struct {
	key     types.NamespacedName
	due     time.Time
	created time.Time
	read    time.Time
	err     error
}

// make makes Components until there are enough, and waits until all have their objects. Those of bareTeam, which nobody reconciles,
// it reads in place of that.
func (q *quiet) make(ctx context.Context, team int, enough func(made int) bool) (*fairnessPart, error) {
	var changes []*change
	start := time.Now()
	var wait sync.WaitGroup
	for !enough(len(changes)) {
		made := &change{due: start.Add(time.Duration(len(changes)) * apart)}
		select {
		case <-time.After(time.Until(made.due)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		number := q.made*teams + team
		q.made++
		made.key = types.NamespacedName{Namespace: workloadNamespace(team), Name: componentName(number)}
		changes = append(changes, made)
		wait.Go(func() {
			object := component(number, templateName)
			made.err = q.cluster.client.Create(ctx, object)
			made.created = time.Now()
			if made.err == nil && team == bareTeam {
				made.err = q.cluster.client.Get(ctx, client.ObjectKeyFromObject(object), &platformv1alpha1.Component{})
				made.read = time.Now()
			}
		})
	}
	wait.Wait()
	keys := make([]types.NamespacedName, len(changes))
	for i, made := range changes {
		if made.err != nil {
			return nil, made.err
		}
		keys[i] = made.key
	}
	if team == bareTeam {
		return partOf(changes, nil), nil
	}
	if _, err := q.latencies.await(ctx, keys); err != nil {
		return nil, err
	}
	return partOf(changes, q.latencies), nil
}

// partOf sums up what was made. Without latencies nobody made any objects.
func partOf(changes []*change, l *latencies) *fairnessPart {
	p := &fairnessPart{}
	var all, created, released, applied []float64
	for _, made := range changes {
		created = append(created, made.created.Sub(made.due).Seconds())
		if l == nil {
			all = append(all, made.read.Sub(made.due).Seconds())
			continue
		}
		at, _ := l.at(made.key)
		all = append(all, at.Sub(made.due).Seconds())
		if seen, ok := l.releasedAt(made.key.Name); ok {
			// The watch may be faster than the answer.
			released = append(released, max(0, seen.Sub(made.created).Seconds()))
			applied = append(applied, max(0, at.Sub(seen).Seconds()))
		}
	}
	p.All, p.Created = sampleOf(all), sampleOf(created)
	if len(released) > 0 {
		r, a := sampleOf(released), sampleOf(applied)
		p.Released, p.Applied = &r, &a
	}
	return p
}

// compare fills in the ratios to the part without others.
func (p *fairnessPart) compare(parts []*fairnessPart) {
	alone := partAlone
	if p.Name == partBareAlone || p.Name == partBareCreated {
		alone = partBareAlone
	}
	for _, other := range parts {
		if other.Name == alone && other.All.P99Seconds > 0 && other.All.P50Seconds > 0 {
			p.Ratio, p.MedianRatio = round(p.All.P99Seconds/other.All.P99Seconds), round(p.All.P50Seconds/other.All.P50Seconds)
		}
	}
}
