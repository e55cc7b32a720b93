// Package revision hands out compiled ServiceTemplateRevisions.
package revision

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/template"
)

// Name returns the name of a revision of a template.
func Name(templateName string, number int64) string {
	return fmt.Sprintf("%s-%d", templateName, number)
}

// Compiled compiles each revision once, and keeps the result as long as the revision exists. It
// compiles without the schemas of the target kinds: those checked the template when it was
// admitted, never change a byte of what it renders, and may be gone by now. It is safe for
// concurrent use.
type Compiled struct {
	reader client.Reader

	mu     sync.Mutex
	byName map[string]*entry
}

type entry struct {
	uid     types.UID
	compile sync.Once
	result  *template.Template
	err     error
}

// NewCompiled returns a Compiled that reads revisions from a cache.
func NewCompiled(reader client.Reader) *Compiled {
	return &Compiled{reader: reader, byName: map[string]*entry{}}
}

// Get returns the compiled template of the revision of that name. The error is a NotFound of the
// API when the revision does not exist.
func (c *Compiled) Get(ctx context.Context, name string) (*template.Template, error) {
	var rev platformv1alpha1.ServiceTemplateRevision
	// A revision is large, read for each Component, and changed by nobody here.
	if err := c.reader.Get(ctx, types.NamespacedName{Name: name}, &rev, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)}); err != nil {
		c.mu.Lock()
		delete(c.byName, name)
		c.mu.Unlock()
		return nil, err
	}
	c.mu.Lock()
	e := c.byName[name]
	if e == nil || e.uid != rev.UID {
		e = &entry{uid: rev.UID}
		c.byName[name] = e
	}
	c.mu.Unlock()
	e.compile.Do(func() {
		var errs error
		compiled, _, problems := template.Compile(&rev.Spec.Template, nil)
		if len(problems) > 0 {
			errs = fmt.Errorf("compiling ServiceTemplateRevision %s: %w", name, problems.ToAggregate())
		}
		e.result, e.err = compiled, errs
	})
	return e.result, e.err
}
