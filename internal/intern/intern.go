// Package intern keeps one copy of a text that stands in many objects of a cache. The labels of Towpath alone are two dozen texts on each
// object of each Component, nearly all of which the others bear too; decoding makes a copy of each.
package intern

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// most is how many texts are remembered. With more, all are forgotten: what is in caches stays, and what comes is shared anew.
	most = 8192
	// longest is how many bytes a text that is shared may have: longer ones are messages, each its own.
	longest = 128
)

// texts are those that were seen, by themselves.
var texts = table{known: map[string]string{}}

type table struct {
	mu    sync.Mutex
	known map[string]string
}

// share has each text point to the copy that was seen first.
func (t *table) share(all ...*string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range all {
		*s = t.one(*s)
	}
}

func (t *table) one(s string) string {
	if s == "" || len(s) > longest {
		return s
	}
	if known, ok := t.known[s]; ok {
		return known
	}
	if len(t.known) >= most {
		clear(t.known)
	}
	t.known[s] = s
	return s
}

func (t *table) shareMap(m map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, v := range m {
		m[t.one(k)] = t.one(v) // the key is replaced too, as Go does with texts
	}
}

// Metadata shares what stands in the metadata of an object.
func Metadata(o metav1.Object) {
	if _, ok := o.(*unstructured.Unstructured); ok {
		return // it gives copies away
	}
	texts.shareMap(o.GetLabels())
	namespace := o.GetNamespace()
	texts.share(&namespace)
	o.SetNamespace(namespace)
	if owners := o.GetOwnerReferences(); len(owners) > 0 {
		for i := range owners {
			texts.share(&owners[i].APIVersion, &owners[i].Kind, &owners[i].Name)
		}
		o.SetOwnerReferences(owners)
	}
}

// Transform is Metadata as a transform of a cache. Of a Release it shares its lists of objects too.
func Transform(object any) (any, error) {
	o, ok := object.(metav1.Object)
	if !ok {
		return object, nil
	}
	Metadata(o)
	if release, ok := object.(*platformv1alpha1.Release); ok {
		objects(release)
	}
	return object, nil
}

func objects(release *platformv1alpha1.Release) {
	share := func(o *platformv1alpha1.ReleaseObject) { texts.share(&o.APIVersion, &o.Kind, &o.Name, &o.Resource) }
	for i := range release.Spec.Inventory {
		share(&release.Spec.Inventory[i])
	}
	for i := range release.Status.Objects {
		o := &release.Status.Objects[i]
		share(&o.ReleaseObject)
		texts.share(&o.Message)
	}
	for i := range release.Status.Conditions {
		c := &release.Status.Conditions[i]
		texts.share(&c.Type, &c.Reason, &c.Message)
	}
	spec := &release.Spec
	texts.share(&spec.Component.Name, &spec.Environment.Name, &spec.Environment.Namespace, &spec.Environment.Class,
		&spec.Template, &spec.Revision.Name, &spec.Team, &spec.CostCenter)
	if spec.EstimatedCost != nil {
		for i := range spec.EstimatedCost.Assumptions {
			texts.share(&spec.EstimatedCost.Assumptions[i])
		}
	}
}
