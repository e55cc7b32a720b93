package intern

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// release is one as it comes from the API server: with no text that another one has.
func release(t testing.TB, n int) *platformv1alpha1.Release {
	t.Helper()
	name := fmt.Sprintf("service-%d", n)
	labels := map[string]string{}
	for _, key := range []string{"team", "component", "environment", "tier", "template", "cost-center"} {
		labels[platformv1alpha1.LabelPrefix+key] = "the value of " + key
	}
	r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "team-shop", Labels: labels,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "platform.towpath.dev/v1alpha1", Kind: "Component", Name: name, UID: "1"}}}}
	r.Spec.Image, r.Spec.Template = "registry.example/"+name, "web-service"
	for _, kind := range []string{"ServiceAccount", "Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"} {
		o := platformv1alpha1.ReleaseObject{APIVersion: "apps/v1", Kind: kind, Name: name, Resource: strings.ToLower(kind)}
		r.Spec.Inventory = append(r.Spec.Inventory, o)
		r.Status.Objects = append(r.Status.Objects, platformv1alpha1.ReleaseObjectStatus{ReleaseObject: o, Message: "waiting: " + kind})
	}
	r.Status.Conditions = []metav1.Condition{{Type: "Ready", Reason: "Progressing", Message: strings.Repeat("long ", 100)}}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	decoded := &platformv1alpha1.Release{}
	if err := json.Unmarshal(raw, decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestWhatIsSharedStaysAsItWas(t *testing.T) {
	one, other := release(t, 1), release(t, 1)
	before := one.DeepCopy()
	for _, r := range []*platformv1alpha1.Release{one, other} {
		if _, err := Transform(r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, r); diff != "" {
			t.Fatal(diff)
		}
	}
	same := func(what, a, b string) {
		if unsafe.StringData(a) != unsafe.StringData(b) {
			t.Errorf("%s has two copies", what)
		}
	}
	same("a namespace", one.Namespace, other.Namespace)
	same("a kind", one.Spec.Inventory[1].Kind, other.Status.Objects[1].Kind)
	for a := range one.Labels {
		for b := range other.Labels {
			if a == b {
				same("the key of a label", a, b)
				same("a label", one.Labels[a], other.Labels[b])
			}
		}
	}
}

func TestWhatIsNoObjectIsLeftAlone(t *testing.T) {
	if got, err := Transform("text"); got != "text" || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNoMoreIsRememberedThanMay(t *testing.T) {
	small := table{known: map[string]string{}}
	for i := range 3 * most {
		s := fmt.Sprint(i)
		small.share(&s)
	}
	if n := len(small.known); n > most {
		t.Errorf("%d texts are remembered", n)
	}
	long := strings.Repeat("x", longest+1)
	if small.share(&long); small.known[long] != "" {
		t.Error("a long text is remembered")
	}
}

// BenchmarkHeap says how much of the heap a Release in the cache is.
func BenchmarkHeap(b *testing.B) {
	for name, transform := range map[string]func(any) (any, error){"as decoded": func(o any) (any, error) { return o, nil }, "shared": Transform} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			kept := make([]any, 0, b.N)
			for i := range b.N {
				o, err := transform(release(b, i))
				if err != nil {
					b.Fatal(err)
				}
				kept = append(kept, o)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "heap-B/object")
			runtime.KeepAlive(kept)
		})
	}
}
