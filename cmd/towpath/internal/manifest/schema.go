package manifest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	structuralmeta "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// Schemas checks objects against CustomResourceDefinitions as an API server does on creation.
type Schemas struct {
	crds map[schema.GroupVersionKind]*definition
}

// definition is one served version of one kind. What checks it is built on first use: compiling the
// rules of one kind takes longer than reading most files.
type definition struct {
	crd     *apiextensionsv1.CustomResourceDefinition
	version *apiextensionsv1.CustomResourceDefinitionVersion

	build      sync.Once
	err        error
	structural *structuralschema.Structural
	types      validation.SchemaValidator
	rules      *cel.Validator
}

// NewSchemas knows the kinds of these definitions.
func NewSchemas(crds ...*apiextensionsv1.CustomResourceDefinition) *Schemas {
	known := &Schemas{crds: map[schema.GroupVersionKind]*definition{}}
	for _, crd := range crds {
		for i := range crd.Spec.Versions {
			version := &crd.Spec.Versions[i]
			gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
			known.crds[gvk] = &definition{crd: crd, version: version}
		}
	}
	return known
}

// Covers reports whether a group is one of these definitions'.
func (s *Schemas) Covers(group string) bool {
	for gvk := range s.crds {
		if gvk.Group == group {
			return true
		}
	}
	return false
}

// Check returns what an API server would refuse, and the object with the schema's defaults. Objects
// of other groups pass as they are.
func (s *Schemas) Check(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, field.ErrorList) {
	gvk := object.GroupVersionKind()
	known := s.crds[gvk]
	if known == nil {
		if s.Covers(gvk.Group) {
			return object, field.ErrorList{field.NotSupported(field.NewPath("kind"), gvk.Version+"/"+gvk.Kind, s.kinds(gvk.Group))}
		}
		return object, nil
	}
	if known.build.Do(known.compile); known.err != nil {
		return object, field.ErrorList{field.InternalError(nil, known.err)}
	}
	return known.check(ctx, object)
}

func (s *Schemas) kinds(group string) []string {
	var kinds []string
	for gvk := range s.crds {
		if gvk.Group == group {
			kinds = append(kinds, gvk.Version+"/"+gvk.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

func (d *definition) compile() {
	var internal apiextensions.JSONSchemaProps
	if d.version.Schema == nil || d.version.Schema.OpenAPIV3Schema == nil {
		d.err = fmt.Errorf("the definition %s has no schema", d.crd.Name)
		return
	}
	if d.err = apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(d.version.Schema.OpenAPIV3Schema, &internal, nil); d.err != nil {
		return
	}
	if d.structural, d.err = structuralschema.NewStructural(&internal); d.err != nil {
		return
	}
	if d.types, _, d.err = validation.NewSchemaValidator(&internal); d.err != nil {
		return
	}
	d.rules = cel.NewValidator(d.structural, true, celconfig.PerCallLimit)
}

func (d *definition) check(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, field.ErrorList) {
	checked := object.DeepCopy()
	var errs field.ErrorList
	unknown := pruning.PruneWithOptions(checked.Object, d.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.Default(checked.Object, d.structural)
	meta, _, inMeta, err := structuralmeta.GetObjectMetaWithOptions(checked.Object, structuralmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	for _, path := range append(unknown, inMeta...) {
		errs = append(errs, field.Forbidden(field.NewPath(path), "there is no such field; check its spelling and its indentation"))
	}
	if err != nil {
		return checked, append(errs, field.Invalid(field.NewPath("metadata"), "", err.Error()))
	}
	if meta != nil {
		namespaced := d.crd.Spec.Scope == apiextensionsv1.NamespaceScoped
		if namespaced && meta.Namespace == "" {
			meta.Namespace = "default" // kubectl fills it in
		}
		errs = append(errs, apivalidation.ValidateObjectMeta(meta, namespaced, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	}
	problems := validation.ValidateCustomResource(nil, checked.Object, d.types)
	problems = append(problems, listtype.ValidateListSetsAndMaps(nil, d.structural, checked.Object)...)
	// Rules may rely on the types: they are asked only where those fit, as the API server does.
	if len(problems) == 0 && d.rules != nil {
		broken, _ := d.rules.Validate(ctx, nil, d.structural, checked.Object, nil, celconfig.RuntimeCELCostBudget)
		problems = append(problems, broken...)
	}
	errs = append(errs, problems...)
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return cmp.Compare(a.Field, b.Field) })
	return checked, errs
}
