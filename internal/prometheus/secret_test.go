package prometheus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/towpath-dev/towpath/internal/prometheus"
)

// party stands for what a context says of the one who asks.
type party struct{}

func TestSecret_IsReadWhenItIsOld(t *testing.T) {
	ctx := context.WithValue(t.Context(), party{}, "somebody")
	reads, fails := 0, error(nil)
	cluster := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if ctx.Value(party{}) != nil {
				t.Error("it is read on behalf of who came first")
			}
			if reads++; fails != nil {
				return fails
			}
			return c.Get(ctx, key, object, options...)
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			t.Error("it lists")
			return nil
		},
	}).Build()
	clock := testingclock.NewFakeClock(time.Unix(1e9, 0))
	secret := prometheus.NewSecret(cluster, clock)
	// The key that is found, what cannot be read, and how often the Secret was read since the last time.
	want := func(key, lost string, n int) {
		t.Helper()
		set, err := secret.Get(ctx)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := set.For("https://prom.example")
		if err != nil || (entry == nil) != (key == "") || entry != nil && entry.Key() != key || !strings.Contains(set.Lost(), lost) || lost == "" && set.Lost() != "" {
			t.Errorf("it gives %v, %v, lost %q; want %q, %q", entry, err, set.Lost(), key, lost)
		}
		if reads != n {
			t.Errorf("it was read %d times, want %d", reads, n)
		}
		reads = 0
	}
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: prometheus.SecretName},
		Data:       map[string][]byte{"a": []byte("address: https://prom.example\nbearerToken: a")},
	}
	want("", "", 1)
	if err := cluster.Create(ctx, object); err != nil {
		t.Fatal(err)
	}
	clock.Step(prometheus.SecretAge - time.Second)
	want("", "", 0)
	clock.Step(time.Second)
	want("a", "", 1)
	before, err := secret.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	clock.Step(prometheus.SecretAge)
	if after, err := secret.Get(ctx); err != nil || after != before {
		t.Errorf("what did not change is another set, which closes connections: %v", err)
	}
	reads = 0

	object.Data = map[string][]byte{"b": []byte("address: https://prom.example\nbearerToken: b"), "c": []byte("x")}
	if err := cluster.Update(ctx, object); err != nil {
		t.Fatal(err)
	}
	want("a", "", 0)
	clock.Step(prometheus.SecretAge)
	want("b", "c (it must be one object", 1)

	fails = errors.New("away")
	clock.Step(prometheus.SecretAge)
	for range 2 {
		if _, err := secret.Get(ctx); !errors.Is(err, fails) {
			t.Errorf("it says %v", err)
		}
	}
	reads = 0
	fails = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, prometheus.SecretName, nil)
	want("", "may not get it", 1)
	fails = nil
	want("", "may not get it", 0)
	clock.Step(prometheus.SecretAge)
	want("b", "c (", 1)
	if err := cluster.Delete(ctx, object); err != nil {
		t.Fatal(err)
	}
	clock.Step(prometheus.SecretAge)
	want("", "", 1)
}

func TestSecret_WhoWaitsForItGoesInTime(t *testing.T) {
	reading := make(chan struct{})
	cluster := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			close(reading)
			<-ctx.Done()
			return ctx.Err()
		},
	}).Build()
	secret := prometheus.NewSecret(cluster, testingclock.NewFakeClock(time.Unix(1e9, 0)))
	first := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := secret.Get(ctx)
		first <- err
	}()
	<-reading
	impatient, give := context.WithCancel(t.Context())
	give()
	if _, err := secret.Get(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("the second says %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first says %v", err)
	}
}
