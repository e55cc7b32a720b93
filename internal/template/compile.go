package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"
	openapicel "k8s.io/apiserver/pkg/cel/openapi"
	"k8s.io/kube-openapi/pkg/validation/spec"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// compiler is the state of one Compile.
type compiler struct {
	spec     *platformv1alpha1.ServiceTemplateSpec
	kinds    openapi.Source
	template *Template
	warnings []string
	errs     field.ErrorList

	// params is the type of the variable params, nil where the schema says nothing.
	params *apiservercel.DeclType
	// sources are the resources as written, with what is known of their kind.
	sources []source
	env     *expr.Env
	// broken are the ids of resources that could not be read. Others may refer to them: one error is
	// enough.
	broken []string
	// reads are the paths that expressions read, such as params.port.
	reads map[string]bool
	// objects are the object types that variables have, and types finds them and those in them.
	objects []*apiservercel.DeclType
	types   *apiservercel.DeclTypeProvider
}

// source is one resource as written.
type source struct {
	*platformv1alpha1.ResourceTemplate
	path   *field.Path
	object map[string]any
	gvk    schema.GroupVersionKind
	// schema of the kind, nil where it is not known.
	schema *spec.Schema
	// decl is the type of resources.<id>, nil for dyn.
	decl *apiservercel.DeclType
	// missing is set where the cluster does not serve the kind.
	missing bool
}

func (c *compiler) run() {
	at := field.NewPath("spec")
	var errs field.ErrorList
	c.template.parameters, errs = compileParameters(c.spec, at.Child("parameters"))
	c.errs = append(c.errs, errs...)
	if c.template.parameters != nil {
		c.params = c.template.parameters.declType()
	}
	c.read(at.Child("resources"))
	c.objects = append(c.objects, componentType, connectionType, environmentType, releaseType)
	if c.params != nil {
		c.objects = append(c.objects, c.params)
	}
	variables := c.variables()
	for i := range c.sources {
		variables = append(variables, c.sources[i].variable())
		if c.sources[i].decl != nil {
			c.objects = append(c.objects, c.sources[i].decl)
		}
	}
	for _, id := range c.broken {
		variables = append(variables, expr.Variable{Name: variablePrefix + id, Type: cel.DynType})
	}
	c.types = apiservercel.NewDeclTypeProvider(c.objects...)
	var err error
	if c.env, err = expr.NewEnv(variables, c.objects...); err != nil {
		c.errs = append(c.errs, field.Invalid(at, field.OmitValueType{}, err.Error()))
		return
	}
	for i := range c.sources {
		c.resource(&c.sources[i], variables)
	}
	c.provide(at)
	c.open(at.Child("overrides", "allow"))
	c.build(at.Child("pipeline"))
	c.checkNames()
	if len(c.errs) == 0 {
		c.order()
		c.unused()
		c.tokens()
	}
	slices.Sort(c.template.capabilities)
	c.template.capabilities = slices.Compact(c.template.capabilities)
}

// build compiles the pipeline.
func (c *compiler) build(at *field.Path) {
	if c.spec.Pipeline == nil {
		return
	}
	compiled, errs := pipeline.Compile(c.spec.Pipeline, c.params, at)
	c.errs = append(c.errs, errs...)
	if compiled == nil {
		return
	}
	c.template.pipeline = compiled
	for _, unheeded := range compiled.Unheeded() {
		c.warnings = append(c.warnings, at.String()+"."+unheeded)
	}
	for _, path := range compiled.Reads() {
		c.reads[path] = true
	}
}

// read decodes the resources and finds out about their kinds.
func (c *compiler) read(at *field.Path) {
	seen := map[string]bool{}
	for i := range c.spec.Resources {
		r := &c.spec.Resources[i]
		path := at.Key(r.ID)
		switch {
		case !namePattern().MatchString(r.ID):
			c.errs = append(c.errs, field.Invalid(path.Child("id"), r.ID, "must match "+namePattern().String()))
			continue
		case seen[r.ID]:
			c.errs = append(c.errs, field.Duplicate(path.Child("id"), r.ID))
			continue
		}
		seen[r.ID] = true
		s := source{ResourceTemplate: r, path: path}
		if err := utiljson.Unmarshal(r.Object.Raw, &s.object); err != nil || s.object == nil {
			c.errs = append(c.errs, field.Invalid(path.Child("object"), field.OmitValueType{}, "must be a Kubernetes object: write apiVersion, kind, metadata.name and what belongs to the kind"))
			c.broken = append(c.broken, r.ID)
			continue
		}
		if !c.kind(&s) {
			c.broken = append(c.broken, r.ID)
			continue
		}
		c.sources = append(c.sources, s)
	}
}

// kind finds the kind of a resource, and refuses those that a template must not make.
func (c *compiler) kind(s *source) bool {
	at := s.path.Child("object")
	apiVersion, _ := s.object["apiVersion"].(string)
	kind, _ := s.object["kind"].(string)
	for _, f := range []struct{ name, value string }{{"apiVersion", apiVersion}, {"kind", kind}} {
		if f.value == "" || strings.Contains(f.value, "${") {
			c.errs = append(c.errs, field.Invalid(at.Child(f.name), f.value, "must be a literal string, without ${…}: the schema of the kind must be known before the parameters are"))
			return false
		}
	}
	s.gvk = schema.FromAPIVersionAndKind(apiVersion, kind)
	if why := forbidden(s.gvk); why != "" {
		c.errs = append(c.errs, field.Invalid(at.Child("kind"), kind, why))
		return false
	}
	if c.kinds == nil {
		return true
	}
	known, err := c.kinds.Kind(s.gvk)
	switch {
	case errors.Is(err, openapi.ErrUnknownKind):
		s.missing = true // whether that is allowed depends on includeWhen
		return true
	case err != nil:
		c.errs = append(c.errs, field.InternalError(at, fmt.Errorf("reading the schema of %s: %w", kind, err)))
		return false
	case !known.Namespaced:
		c.errs = append(c.errs, field.Invalid(at.Child("kind"), kind, "is cluster-scoped: a template must only make objects of namespaced kinds"))
		return false
	}
	s.schema = known.Schema
	if s.schema != nil && c.refersTo(s.ID) {
		s.decl = named(declType(&openapicel.Schema{Schema: s.schema}, 0), "resource."+s.ID)
	}
	return true
}

// refersTo says whether any resource or output may refer to one: types of kinds are large.
func (c *compiler) refersTo(id string) bool {
	name := variablePrefix + id
	for i := range c.spec.Resources {
		r := &c.spec.Resources[i]
		if strings.Contains(string(r.Object.Raw), name) || strings.Contains(r.IncludeWhen, name) || strings.Contains(r.ForEach, name) {
			return true
		}
	}
	for _, o := range c.spec.Outputs {
		if strings.Contains(o.Value, name) || o.SecretKeyRef != nil && strings.Contains(o.SecretKeyRef.Name+o.SecretKeyRef.Key, name) {
			return true
		}
	}
	return false
}

// capabilityName is how expressions and Releases name an optional API.
func capabilityName(gvk schema.GroupVersionKind) string {
	return gvk.GroupVersion().String() + "/" + gvk.Kind
}

// variable declares resources.<id>: a list with forEach, and optional where it may be left out.
func (s *source) variable() expr.Variable {
	t := cel.DynType
	if s.decl != nil {
		t = s.decl.CelType()
	}
	if s.ForEach != "" {
		t = cel.ListType(t)
	}
	if s.IncludeWhen != "" {
		t = cel.OptionalType(t)
	}
	return expr.Variable{Name: variablePrefix + s.ID, Type: t}
}

// resource compiles one resource.
func (c *compiler) resource(s *source, variables []expr.Variable) {
	r := &resource{id: s.ID, apiVersion: s.gvk.GroupVersion().String(), kind: s.gvk.Kind}
	refs := map[string]bool{}
	before := len(c.template.capabilities)
	defer func() { r.capabilities = slices.Clone(c.template.capabilities[before:]) }()
	env := c.env
	if s.ForEach != "" {
		r.forEach = c.condition(s.path.Child("forEach"), s.ForEach, env, refs, isList, "a list")
		element := cel.DynType
		if r.forEach != nil && r.forEach.Type.Kind() == cel.ListKind {
			element = r.forEach.Type.Parameters()[0]
		}
		extended, err := expr.NewEnv(append(slices.Clone(variables), expr.Variable{Name: "each", Type: element}), c.objects...)
		if err != nil {
			c.errs = append(c.errs, field.Invalid(s.path.Child("forEach"), s.ForEach, err.Error()))
			return
		}
		env = extended
	}
	if s.IncludeWhen != "" {
		r.includeWhen = c.condition(s.path.Child("includeWhen"), s.IncludeWhen, c.env, refs, isBool, "a bool")
	}
	if s.ReadyWhen != "" {
		live, err := expr.NewEnv([]expr.Variable{{Name: "self", Type: cel.DynType}})
		if err != nil {
			c.errs = append(c.errs, field.Invalid(s.path.Child("readyWhen"), s.ReadyWhen, err.Error()))
			return
		}
		r.readyWhen = c.condition(s.path.Child("readyWhen"), s.ReadyWhen, live, map[string]bool{}, isBool, "a bool")
	}
	c.checkMissing(s, r.includeWhen)
	c.checkMetadata(s)
	w := &walker{compiler: c, env: env, refs: refs, native: native(s.gvk.Group)}
	r.object = w.walk(s.object, s.schema, s.path.Child("object"), 0)
	for _, id := range c.scaled(s) {
		refs[id] = true
	}
	for id := range refs {
		r.refs = append(r.refs, id)
	}
	slices.Sort(r.refs)
	c.template.resources = append(c.template.resources, r)
}

// scaled finds the resources that an autoscaler may scale, so that it comes after them: written before, it
// finds nothing to scale and waits, and where the name of its target belongs to somebody else, it would
// scale theirs.
func (c *compiler) scaled(s *source) []string {
	spec, _ := s.object["spec"].(map[string]any)
	target, ok := spec["scaleTargetRef"].(map[string]any)
	if !ok {
		return nil
	}
	kind, _ := target["kind"].(string)
	if kind == "" {
		kind = "Deployment" // KEDA's default
	}
	var ids []string
	for i := range c.sources {
		if other := &c.sources[i]; other.ID != s.ID && other.gvk.Kind == kind {
			ids = append(ids, other.ID)
		}
	}
	return ids
}

// checkMissing refuses a kind that the cluster does not serve, except where includeWhen asks first
// whether it does.
func (c *compiler) checkMissing(s *source, includeWhen *expr.Program) {
	if !s.missing {
		return
	}
	at, name := s.path.Child("object", "kind"), capabilityName(s.gvk)
	if includeWhen != nil {
		if asked, _ := includeWhen.Members("capabilities"); slices.Contains(asked, name) {
			c.warnings = append(c.warnings, fmt.Sprintf("%s: the cluster does not serve %s (yet): the resource is checked once it does", at, name))
			return
		}
	}
	c.errs = append(c.errs, field.Invalid(at, s.gvk.Kind, fmt.Sprintf(
		"the cluster does not serve %s: correct apiVersion or kind, or, where the API is optional, write includeWhen: ${%q in capabilities}", name, name)))
}

// condition compiles a string that must be one whole expression of a given type.
func (c *compiler) condition(at *field.Path, text string, env *expr.Env, refs map[string]bool, fits func(*cel.Type) bool, what string) *expr.Program {
	whole, err := expr.Whole(text)
	if err != nil {
		c.errs = append(c.errs, field.Invalid(at, text, err.Error()))
		return nil
	}
	program := c.compile(at, whole, env, refs)
	if program != nil && !fits(program.Type) {
		c.errs = append(c.errs, field.Invalid(at, text, fmt.Sprintf("must give %s, and gives %s", what, typeName(program.Type))))
		return nil
	}
	return program
}

// compile compiles an expression and notes what it refers to.
func (c *compiler) compile(at *field.Path, text string, env *expr.Env, refs map[string]bool) *expr.Program {
	program, err := env.Compile(text)
	if err != nil {
		c.errs = append(c.errs, field.Invalid(at, "${"+text+"}", err.Error()))
		return nil
	}
	for _, name := range program.Variables {
		if id, ok := strings.CutPrefix(name, variablePrefix); ok {
			refs[id] = true
		}
	}
	for _, path := range program.Paths {
		c.reads[path] = true
	}
	asked, complete := program.Members("capabilities")
	if !complete {
		c.errs = append(c.errs, field.Invalid(at, "${"+text+"}",
			"capabilities can only be tested, as in ${\"gateway.networking.k8s.io/v1/HTTPRoute\" in capabilities}: the cluster is asked for what stands there"))
	}
	for _, name := range asked {
		if !capabilityPattern().MatchString(name) {
			c.errs = append(c.errs, field.Invalid(at, name, "a capability must be written group/version/Kind, such as gateway.networking.k8s.io/v1/HTTPRoute"))
		}
	}
	c.template.capabilities = append(c.template.capabilities, asked...)
	return program
}

// capabilityPattern is what optional APIs look like; those of the core group have no group.
var capabilityPattern = lazyregexp.New(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*/[A-Z][A-Za-z0-9]*$`)

func isBool(t *cel.Type) bool { return t.Kind() == cel.BoolKind || t.Kind() == cel.DynKind }

func isList(t *cel.Type) bool { return t.Kind() == cel.ListKind || t.Kind() == cel.DynKind }
