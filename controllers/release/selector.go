package release

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// selectorError says that a workload which was found finds its pods by other labels than the golden path will. A
// selector cannot change: the first new version would be refused.
type selectorError struct{ found, wanted any }

// Error names both.
func (e *selectorError) Error() string {
	return fmt.Sprintf("it finds its pods by %s, and the golden path would by %s: a selector cannot change", asJSON(e.found), asJSON(e.wanted))
}

// next says how to mend it.
func (e *selectorError) next(s *scope) string {
	selector, _ := e.found.(map[string]any)
	labels, ok := selector["matchLabels"].(map[string]any)
	if !ok || len(selector) != 1 {
		return "Only a workload that selects by matchLabels alone can be taken over: make it anew so."
	}
	for key := range labels {
		if strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			return fmt.Sprintf("To mend it, %s, without podSelector in adopt, and with the names under which a golden path made it.", s.again())
		}
	}
	return fmt.Sprintf("To mend it, %s, with podSelector %s in adopt. What was found runs on.", s.again(), asJSON(labels))
}

// checkSelector looks, before a workload is taken over, whether the golden path will find its pods. It reads past the
// cache, which does not know what is not Towpath's yet. cause is what is wrong; nil for nothing.
func (r *Reconciler) checkSelector(ctx context.Context, s *scope, i int) (cause *selectorError, err error) {
	o := s.release.Spec.Inventory[i]
	switch o.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
	default:
		return nil, nil // others have none, or one that can change
	}
	full := s.release.DeepCopy()
	full.Spec.Cause = platformv1alpha1.CauseImageChange
	objects, err := render.Release(s.template, full)
	if err != nil {
		return nil, err
	}
	live, err := r.readWhole(ctx, s.release, o)
	if err != nil || live == nil {
		return nil, err // the next look finds that it is not there
	}
	found, _, _ := unstructured.NestedFieldNoCopy(live.Object, "spec", "selector")
	for _, object := range objects {
		if object.Resource != o.Resource {
			continue
		}
		wanted, _, _ := unstructured.NestedFieldNoCopy(object.Object.Object, "spec", "selector")
		if !equality.Semantic.DeepEqual(found, wanted) {
			return &selectorError{found, wanted}, nil
		}
	}
	return nil, nil
}

func asJSON(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}
