package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// held is what ejectable makes, with a Component that the manager has not let go of.
func held(t *testing.T, change func(*platformv1alpha1.Component)) []client.Object {
	t.Helper()
	objects := ejectable(t, platformv1alpha1.CauseImageChange)
	for _, object := range objects {
		if c, ok := object.(*platformv1alpha1.Component); ok {
			c.Finalizers = []string{"platform.towpath.dev/component"}
			if change != nil {
				change(c)
			}
		}
	}
	return objects
}

func deleted(c *platformv1alpha1.Component) {
	c.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.Spec.DeletionPolicy = platformv1alpha1.DeletionOrphan
}

// The client's rate limiter refuses a request that would have to wait beyond the deadline of its context, in words
// that nobody who ejects can do anything with.
func TestEjectSaysThatItTakesLonger(t *testing.T) {
	limiter := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if _, ok := ctx.Deadline(); ok {
			return errors.New("client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline")
		}
		return c.Get(ctx, key, object, options...)
	}}
	dir := t.TempDir()
	got := with(t, func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(held(t, nil)...).Build()
		return &cluster.Cluster{Client: interceptor.NewClient(fakes, limiter), Namespace: "team-shop"}, nil
	}, "", "towpath", "eject", "checkout", "-o", dir, "--yes", "--timeout", "100ms")
	expect(t, got, exitTrouble, `
wrote 6 objects of 1 environment to `+dir+`
waiting: the manager has yet to let go of the objects of checkout-dev-1
`, `
towpath: component team-shop/checkout is not gone after 100ms; the manager has yet to let go of the objects of checkout-dev-1
next: kubectl -n team-shop describe component checkout; the manifests in `+dir+` are complete, and it goes on by itself
`)
}

func TestEjectGoesOnHalfWay(t *testing.T) {
	dir := t.TempDir()
	expect(t, towpath(t, held(t, deleted), "eject", "checkout", "-o", dir), exitTrouble, "", `
towpath: component team-shop/checkout is being let go since 2026-01-02T03:04:05Z: the manager has yet to let go of the objects of checkout-dev-1
next: towpath eject checkout -n team-shop -o `+dir+` --yes waits until it is gone; the manifests are those of the call that began it
`)
	var without []client.Object
	for _, object := range held(t, deleted) {
		if _, ok := object.(*platformv1alpha1.Release); !ok {
			without = append(without, object)
		}
	}
	got := towpath(t, without, "eject", "checkout", "-o", dir, "--yes", "--timeout", "100ms")
	for _, want := range []string{"component team-shop/checkout is being let go since 2026-01-02T03:04:05Z", "waiting: the manager has let go of every object"} {
		if got.code != exitTrouble || !strings.Contains(got.out, want) || !strings.Contains(got.err, "is not gone after 100ms") {
			t.Errorf("want %q in %+v", want, got)
		}
	}
	gone := held(t, func(c *platformv1alpha1.Component) {
		deleted(c)
		c.Spec.DeletionPolicy = platformv1alpha1.DeletionDelete
	})
	if got := towpath(t, gone, "eject", "checkout", "-o", dir, "--yes"); got.code != exitTrouble || !strings.Contains(got.err, "with deletionPolicy Delete, and what it runs goes with it") {
		t.Errorf("got %+v", got)
	}
}

func TestEjectWaitsForOneThatIsBeingLetGo(t *testing.T) {
	reads := 0
	ends := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		component, ok := object.(*platformv1alpha1.Component)
		if reads++; ok && reads == 3 {
			if err := c.Get(ctx, key, component); err != nil {
				return err
			}
			component.Finalizers = nil
			if err := c.Update(ctx, component); err != nil {
				return err
			}
		}
		return c.Get(ctx, key, object, options...)
	}}
	got := with(t, func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(held(t, deleted)...).Build()
		return &cluster.Cluster{Client: interceptor.NewClient(fakes, ends), Namespace: "team-shop"}, nil
	}, "", "towpath", "eject", "checkout", "-o", t.TempDir(), "--yes")
	if want := "component team-shop/checkout is gone; what it ran runs on, and is yours\n"; got.code != exitOK || !strings.HasSuffix(got.out, want) {
		t.Errorf("got %+v", got)
	}
}
