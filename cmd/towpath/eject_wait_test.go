package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// A request that the cluster never answers is bounded too, and the error says how far the eject came.
func TestEjectIsBoundedAndSaysWhatWasDone(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	complete := "cannot eject component checkout within 50ms; the manifests in DIR are complete, and "
	for name, tc := range map[string]struct {
		funcs interceptor.Funcs
		want  string
	}{
		"reading": {interceptor.Funcs{Get: func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			return hang(ctx)
		}}, "cannot eject component checkout within 50ms; nothing was written, and nothing was changed in the cluster"},
		"asking whether it may go": {interceptor.Funcs{Delete: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.DeleteOption) error {
			return hang(ctx)
		}}, complete + "nothing was changed in the cluster"},
		"setting the policy": {interceptor.Funcs{Patch: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ client.Patch, _ ...client.PatchOption) error {
			return hang(ctx)
		}}, complete + "whether the deletionPolicy of the Component is Orphan now is not known; it was not deleted"},
		"deleting": {interceptor.Funcs{Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			var given client.DeleteOptions
			if given.ApplyOptions(options); len(given.DryRun) > 0 {
				return c.Delete(ctx, object, options...)
			}
			return hang(ctx)
		}}, complete + "the deletionPolicy of the Component is Orphan now; whether it is being deleted is not known"},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		got := with(t, func(flags cluster.Flags) (*cluster.Cluster, error) {
			if flags.Timeout > 50*time.Millisecond {
				t.Errorf("a request may take %s", flags.Timeout)
			}
			fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(held(t, nil)...).Build()
			return &cluster.Cluster{Client: interceptor.NewClient(fakes, tc.funcs), Namespace: "team-shop"}, nil
		}, "", "towpath", "eject", "checkout", "-n", "team-shop", "-o", dir, "--yes", "--timeout", "50ms")
		want := "towpath: " + strings.ReplaceAll(tc.want, "DIR", dir) + "\nnext: towpath eject checkout -o " + dir + " -n team-shop --yes, with a longer --timeout, goes on\n"
		if got.code != exitTrouble || got.err != want {
			t.Errorf("%s: want %s got %+v", name, want, got)
		}
	}
	refuses := interceptor.Funcs{Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
		var given client.DeleteOptions
		if given.ApplyOptions(options); len(given.DryRun) > 0 {
			return c.Delete(ctx, object, options...)
		}
		return errors.New("no")
	}}
	got := with(t, func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(held(t, nil)...).Build()
		return &cluster.Cluster{Client: interceptor.NewClient(fakes, refuses), Namespace: "team-shop"}, nil
	}, "", "towpath", "eject", "checkout", "-o", t.TempDir(), "--yes")
	if want := " are complete, and the deletionPolicy of the Component is Orphan now; it was not deleted\n"; !strings.Contains(got.err, "cannot eject component checkout: no; the manifests in ") || !strings.Contains(got.err, want) {
		t.Errorf("got %+v", got)
	}
}

func TestEjectNamesWhatIsLeftAndWhy(t *testing.T) {
	objects := held(t, func(c *platformv1alpha1.Component) {
		deleted(c)
		// The manager has not seen the deletion yet, and so what it says is about something else.
		c.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: platformv1alpha1.ReasonProgressing, Message: "dev: 1 of 2 replicas updated."}}
	})
	for _, object := range objects {
		if r, ok := object.(*platformv1alpha1.Release); ok {
			r.Spec.Inventory = []platformv1alpha1.ReleaseObject{
				{Resource: "service", APIVersion: "v1", Kind: "Service", Name: "checkout"}, {Resource: "account", APIVersion: "v1", Kind: "ServiceAccount", Name: "checkout"},
				{Resource: "gone", APIVersion: "v1", Kind: "ConfigMap", Name: "gone"},
			}
			r.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: platformv1alpha1.ReasonDeleting, Message: "Deleting the objects of the Release failed, and is tried again: no."}}
		}
	}
	objects = append(objects,
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "checkout", Labels: map[string]string{platformv1alpha1.LabelOwnerUID: uid}}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "checkout"}})
	got := towpath(t, objects, "eject", "checkout", "-o", t.TempDir(), "--yes", "--timeout", "300ms")
	want := "component team-shop/checkout is not gone after 300ms; the manager has yet to let go of the objects of checkout-dev-1; " +
		"checkout-dev-1: Deleting the objects of the Release failed, and is tried again: no; still Towpath's: Service shop-dev/checkout\n"
	if got.code != exitTrouble || !strings.Contains(got.err, want) {
		t.Errorf("want %s got %+v", want, got)
	}
}
