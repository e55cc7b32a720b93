package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
)

// Bounds of what a template provides. The same stand in the definition of Release.
const (
	maxOutputs     = 32
	maxOutputValue = 4096
)

// output is one compiled output: a value, or the name and key of a Secret.
type output struct {
	name                         string
	value, secretName, secretKey *node
}

// endpoint is the compiled endpoint of a template.
type endpoint struct {
	keys   []string
	labels []*node
	ports  []*node
}

// Provided is what a Component gives those who use it in one environment.
type Provided struct {
	// Outputs in the order of the template.
	Outputs []platformv1alpha1.ReleaseOutput
	// Endpoint is nil where nothing can be called.
	Endpoint *platformv1alpha1.ReleaseEndpoint
}

// provide compiles the outputs and the endpoint.
func (c *compiler) provide(at *field.Path) {
	w := &walker{compiler: c, env: c.env, refs: map[string]bool{}}
	seen := map[string]bool{}
	if n := len(c.spec.Outputs); n > maxOutputs {
		c.errs = append(c.errs, field.TooMany(at.Child("outputs"), n, maxOutputs))
		return
	}
	for i := range c.spec.Outputs {
		o := &c.spec.Outputs[i]
		path := at.Child("outputs").Key(o.Name)
		switch {
		case !namePattern().MatchString(o.Name):
			c.errs = append(c.errs, field.Invalid(path.Child("name"), o.Name, "must match "+namePattern().String()))
			continue
		case seen[o.Name]:
			c.errs = append(c.errs, field.Duplicate(path, o.Name))
			continue
		case (o.Value == "") == (o.SecretKeyRef == nil):
			c.errs = append(c.errs, field.Invalid(path, field.OmitValueType{}, "must have either value or secretKeyRef"))
			continue
		}
		seen[o.Name] = true
		compiled := output{name: o.Name}
		if o.SecretKeyRef != nil {
			ref := path.Child("secretKeyRef")
			compiled.secretName = w.scalarText(o.SecretKeyRef.Name, ref.Child("name"))
			compiled.secretKey = w.scalarText(o.SecretKeyRef.Key, ref.Child("key"))
		} else {
			compiled.value = w.scalarText(o.Value, path.Child("value"))
		}
		c.template.outputs = append(c.template.outputs, compiled)
	}
	c.endpoint(w, at.Child("endpoint"))
}

func (c *compiler) endpoint(w *walker, at *field.Path) {
	if c.spec.Endpoint == nil {
		return
	}
	compiled := &endpoint{}
	for _, key := range slices.Sorted(maps.Keys(c.spec.Endpoint.PodLabels)) {
		here := at.Child("podLabels").Key(key)
		if problems := content.IsLabelKey(key); len(problems) > 0 {
			c.errs = append(c.errs, field.Invalid(here, key, "must be a label key: "+problems[0]))
		}
		compiled.keys = append(compiled.keys, key)
		compiled.labels = append(compiled.labels, w.scalarText(c.spec.Endpoint.PodLabels[key], here))
	}
	if len(c.spec.Endpoint.Ports) == 0 {
		c.errs = append(c.errs, field.Required(at.Child("ports"), "name the ports that are called"))
	}
	for i, port := range c.spec.Endpoint.Ports {
		here := at.Child("ports").Index(i)
		if port.Type == intstr.String {
			compiled.ports = append(compiled.ports, c.port(w, port.StrVal, here))
			continue
		}
		if port.IntVal < 1 || port.IntVal > 65535 {
			c.errs = append(c.errs, field.Invalid(here, port.IntVal, "must be from 1 to 65535"))
		}
		compiled.ports = append(compiled.ports, &node{literal: int64(port.IntVal)})
	}
	c.template.endpoint = compiled
}

// port compiles a port that is an expression.
func (c *compiler) port(w *walker, text string, at *field.Path) *node {
	errs := len(c.errs)
	n := w.walkString(text, nil, at)
	if len(c.errs) > errs {
		return n
	}
	t := cel.StringType
	if n.program != nil {
		t = n.program.Type
	}
	if isOptional(t) {
		t = t.Parameters()[0]
	}
	if t.Kind() != cel.IntKind && t.Kind() != cel.DynKind {
		c.errs = append(c.errs, field.Invalid(at, text, "must be a number, or one whole ${…} that gives one"))
	}
	return n
}

// scalarText compiles a text that must give a string, number or bool, or nothing.
func (w *walker) scalarText(text string, at *field.Path) *node {
	n := w.walkString(text, nil, at)
	if n.program == nil {
		return n
	}
	t := n.program.Type
	if isOptional(t) {
		t = t.Parameters()[0]
	}
	if !scalar(t) {
		w.errs = append(w.errs, field.Invalid(at, text, fmt.Sprintf("must give a string, number or bool, and gives %s", typeName(n.program.Type))))
	}
	return n
}

// Provide gives what a Component provides, for one set of variables. finish does with each object what it does
// in Evaluate, so that resources.<id> is the same. The error is an *EvalError, or that of finish.
func (t *Template) Provide(variables map[string]any, finish func(Evaluated) error) (p *Provided, err error) {
	p = &Provided{}
	if len(t.outputs) == 0 && t.endpoint == nil {
		return p, nil
	}
	defer recovered(&err)
	e, err := t.evaluateAll(expr.NewBudget(), variables, finish)
	if err != nil {
		return nil, err
	}
	e.resource = ""
	for _, o := range t.outputs {
		given, err := e.output(o)
		if err != nil {
			return nil, err
		}
		if given != nil {
			p.Outputs = append(p.Outputs, *given)
		}
	}
	if t.endpoint != nil {
		p.Endpoint, err = e.endpoint(t.endpoint)
	}
	return p, err
}

// output gives one output, nil where it is left out.
func (e *evaluator) output(o output) (*platformv1alpha1.ReleaseOutput, error) {
	at := field.NewPath("outputs").Key(o.name)
	if o.value != nil {
		value, ok, err := e.scalar(o.value, at.Child("value"))
		if err != nil || !ok {
			return nil, err
		}
		if len(value) > maxOutputValue {
			return nil, &EvalError{Path: at.String(), Err: fmt.Errorf("it is %d bytes long, at most %d are allowed", len(value), maxOutputValue)}
		}
		return &platformv1alpha1.ReleaseOutput{Name: o.name, Value: &value}, nil
	}
	name, ok, err := e.scalar(o.secretName, at.Child("secretKeyRef", "name"))
	if err != nil || !ok {
		return nil, err
	}
	key, ok, err := e.scalar(o.secretKey, at.Child("secretKeyRef", "key"))
	if err != nil || !ok {
		return nil, err
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, &EvalError{Path: at.Child("secretKeyRef", "name").String(), Err: fmt.Errorf("%q is no name of a Secret: %s", name, problems[0])}
	}
	if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
		return nil, &EvalError{Path: at.Child("secretKeyRef", "key").String(), Err: fmt.Errorf("%q is no key of a Secret: %s", key, problems[0])}
	}
	return &platformv1alpha1.ReleaseOutput{Name: o.name, SecretKeyRef: &platformv1alpha1.SecretKeyReference{Name: name, Key: key}}, nil
}

func (e *evaluator) endpoint(compiled *endpoint) (*platformv1alpha1.ReleaseEndpoint, error) {
	at := field.NewPath("endpoint")
	given := &platformv1alpha1.ReleaseEndpoint{PodLabels: map[string]string{}}
	for i, key := range compiled.keys {
		here := at.Child("podLabels").Key(key)
		value, ok, err := e.scalar(compiled.labels[i], here)
		if err != nil {
			return nil, err
		}
		if problems := validation.IsValidLabelValue(value); ok && len(problems) > 0 {
			return nil, &EvalError{Path: here.String(), Err: fmt.Errorf("%q is no label value: %s", value, problems[0])}
		}
		if ok {
			given.PodLabels[key] = value
		}
	}
	for i, n := range compiled.ports {
		here := at.Child("ports").Index(i)
		value, err := e.value(n, here)
		if err != nil {
			return nil, err
		}
		if value == expr.Absent {
			continue
		}
		port, ok := value.(int64)
		if !ok || port < 1 || port > 65535 {
			return nil, &EvalError{Path: here.String(), Err: fmt.Errorf("%v must be a number from 1 to 65535", value)}
		}
		given.Ports = append(given.Ports, int32(port))
	}
	slices.Sort(given.Ports)
	given.Ports = slices.Compact(given.Ports)
	if len(given.Ports) == 0 {
		return nil, nil
	}
	return given, nil
}

// scalar gives a value as text; ok is false where there is none.
func (e *evaluator) scalar(n *node, at *field.Path) (text string, ok bool, err error) {
	value, err := e.value(n, at)
	if err != nil || value == expr.Absent {
		return "", false, err
	}
	if text, ok = asText(value); !ok {
		return "", false, &EvalError{Path: at.String(), Err: errors.New("it must give a string, number or bool, and gives " + kindOf(value))}
	}
	return text, true, nil
}

// asText gives a scalar as it stands inside a longer string.
func asText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}
