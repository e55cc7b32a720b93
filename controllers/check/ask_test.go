package check

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/prometheus"
)

// answers is a Prometheus that gives an error.
type answers struct{ err error }

func (a answers) Query(context.Context, string, string, time.Duration) ([]float64, error) {
	return nil, a.err
}

func TestWhatIsNoAnswerIsAMeasurement_ButForCredentialsThatAreNotKnownNow(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	class := &platformv1alpha1.EnvironmentClass{}
	class.Name, class.Spec.Prometheus = "staging", &platformv1alpha1.PrometheusSource{Address: "https://prom.example"}
	release := &platformv1alpha1.Release{}
	release.Spec.Environment.Class = class.Name
	c := &platformv1alpha1.ReleaseCheck{Origin: platformv1alpha1.CheckOfClass, Check: platformv1alpha1.Check{Prometheus: &platformv1alpha1.PrometheusCheck{Query: "up"}}}
	for name, tc := range map[string]struct {
		err  error
		says string
	}{
		"away":              {errors.New("away"), "Prometheus did not answer the query: away."},
		"a broken entry":    {&prometheus.NotAskedError{Err: errors.New("broken")}, "Prometheus was not asked: broken."},
		"no word of either": {&prometheus.NotAskedError{Unknown: true, Err: errors.New("API server")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reconciler{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(class).Build(), Prometheus: answers{tc.err}}
			m, err := r.ask(t.Context(), release, c)
			if m.Outcome != check.Inconclusive || m.Message != tc.says || (err != nil) != (tc.says == "") {
				t.Errorf("it gives %+v, %v", m, err)
			}
			if err != nil && !strings.Contains(err.Error(), "API server") {
				t.Errorf("it says %v", err)
			}
		})
	}
}
