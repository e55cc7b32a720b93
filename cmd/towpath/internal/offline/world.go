// Package offline does without a cluster what the controllers do in one: it finds the template of a
// Component, resolves the parameters of each environment, renders and guards. It calls the same pure
// core (internal/template, internal/render, internal/guard), so its answers are the controllers'.
package offline

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/team"
	"github.com/towpath-dev/towpath/internal/template"
)

// defaultNamespace is where kubectl puts what names no namespace.
const defaultNamespace = "default"

// shippedFile stands for the file of what ships with Towpath.
const shippedFile = "(catalogue)"

// Finding is one thing that is not in order.
type Finding struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Kind and Name of the object; empty where the document is not readable.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Path of the field.
	Path     string   `json:"path,omitempty"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
}

// Severity says whether a Finding fails the check.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// String shows a finding as compilers do, so that editors and CI find the line.
func (f Finding) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s:%d: ", f.File, f.Line)
	if f.Severity == Warning {
		text.WriteString("warning: ")
	}
	if f.Kind != "" {
		fmt.Fprintf(&text, "%s/%s: ", f.Kind, cmp.Or(f.Name, "(no name)"))
	}
	if f.Path != "" {
		text.WriteString(f.Path + ": ")
	}
	text.WriteString(f.Message)
	return text.String()
}

// key is a namespace and a name.
type key struct{ namespace, name string }

func (k key) String() string { return k.namespace + "/" + k.name }

// World is what is known without a cluster: the documents of files, and what ships with Towpath.
type World struct {
	// Findings so far.
	Findings []Finding
	// Documents that were read from the caller's files.
	Documents int
	// Now is the day by which overrides expire. Where it is zero, none does.
	Now time.Time

	schemas *manifest.Schemas
	kinds   openapi.Source
	crds    []*apiextensionsv1.CustomResourceDefinition

	namespaces   map[string]map[string]string
	classes      map[string]*platformv1alpha1.EnvironmentClass
	environments map[key]*platformv1alpha1.Environment
	templates    map[string]*Template
	revisions    map[string]*Template
	components   []*Component
	releases     []*Release
	seen         map[string]*manifest.Document
}

// Template is a golden path, compiled once.
type Template struct {
	Name string
	// Revision that it is, or would become.
	Revision int64

	document *manifest.Document
	spec     *platformv1alpha1.ServiceTemplateSpec
	compiled *template.Template
	warnings []string
	errs     field.ErrorList
	done     bool
}

// Component is a Component of the files.
type Component struct {
	*platformv1alpha1.Component
	document *manifest.Document
}

// Release is a Release of the files.
type Release struct {
	*platformv1alpha1.Release
	document *manifest.Document
}

// NewWorld knows the kinds of Towpath by their definitions, and those of Kubernetes.
func NewWorld(crds ...*apiextensionsv1.CustomResourceDefinition) *World {
	return &World{
		schemas:      manifest.NewSchemas(crds...),
		namespaces:   map[string]map[string]string{},
		classes:      map[string]*platformv1alpha1.EnvironmentClass{},
		environments: map[key]*platformv1alpha1.Environment{},
		templates:    map[string]*Template{},
		revisions:    map[string]*Template{},
		seen:         map[string]*manifest.Document{},
	}
}

// AddCRDs takes the definitions among documents, so that templates may use their kinds.
func (w *World) AddCRDs(documents []*manifest.Document) {
	for _, document := range documents {
		if document.Object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if w.decode(document, document.Object, crd) {
			w.crds = append(w.crds, crd)
		}
	}
}

// AddShipped takes what ships with Towpath. Documents of the caller's files come before it.
func (w *World) AddShipped(ctx context.Context, objects []*unstructured.Unstructured) {
	documents := make([]*manifest.Document, len(objects))
	for i, object := range objects {
		documents[i] = manifest.FromObject(shippedFile, object)
	}
	w.add(ctx, documents, true)
}

// AddFiles takes the documents of the caller's files, and checks each.
func (w *World) AddFiles(ctx context.Context, documents []*manifest.Document, problems []manifest.Problem) {
	for _, problem := range problems {
		w.Findings = append(w.Findings, Finding{File: problem.File, Line: problem.Line, Severity: Error, Message: problem.Message})
	}
	w.Documents += len(documents) + len(problems)
	w.add(ctx, documents, false)
}

func (w *World) add(ctx context.Context, documents []*manifest.Document, shipped bool) {
	for _, document := range documents {
		if !w.schemas.Covers(document.Object.GroupVersionKind().Group) {
			if document.Object.GetKind() == "Namespace" && document.Object.GetAPIVersion() == "v1" {
				w.namespaces[document.Object.GetName()] = document.Object.GetLabels()
			}
			continue
		}
		checked, errs := w.schemas.Check(ctx, document.Object)
		for _, err := range errs {
			w.fieldError(document, err)
		}
		if !shipped && !w.unique(document) {
			continue
		}
		// What stands twice can be read all the same, and says more of what is wrong.
		if !slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Type != field.ErrorTypeDuplicate }) {
			w.index(document, checked, shipped)
		}
	}
}

// unique reports a document that the files hold twice: kubectl would apply both, and the last wins.
func (w *World) unique(document *manifest.Document) bool {
	id := documentID(document)
	first := w.seen[id]
	if first == nil {
		w.seen[id] = document
		return true
	}
	if samePlace(first, document) {
		return false // the file was named twice, such as by its folder and by --templates
	}
	w.report(document, "metadata.name", Error, "the same object stands in %s:%d already; take one out", first.File, first.Line)
	return false
}

func samePlace(a, b *manifest.Document) bool {
	fileA, errA := filepath.Abs(a.File)
	fileB, errB := filepath.Abs(b.File)
	return errA == nil && errB == nil && fileA == fileB && a.Line == b.Line
}

// index takes one object of ours, which its schema accepts. What ships gives way to the caller's.
func (w *World) index(document *manifest.Document, object *unstructured.Unstructured, shipped bool) {
	switch object.GetKind() {
	case "Team":
		found := &platformv1alpha1.Team{}
		if w.decode(document, object, found) {
			w.namespaces[team.Home(found)] = map[string]string{
				platformv1alpha1.LabelTeam: found.Name, platformv1alpha1.LabelCostCenter: found.Spec.CostCenter,
			}
		}
	case "EnvironmentClass":
		class := &platformv1alpha1.EnvironmentClass{}
		if w.decode(document, object, class) && (!shipped || w.classes[class.Name] == nil) {
			w.classes[class.Name] = class
		}
	case "Environment":
		environment := &platformv1alpha1.Environment{}
		if w.decode(document, object, environment) {
			w.environments[key{cmp.Or(environment.Namespace, defaultNamespace), environment.Name}] = environment
		}
	case "ServiceTemplate":
		found := &platformv1alpha1.ServiceTemplate{}
		if w.decode(document, object, found) && (!shipped || w.templates[found.Name] == nil) {
			revision := int64(1)
			if latest := found.Status.LatestRevision; latest != nil {
				revision = latest.Number
			}
			w.templates[found.Name] = &Template{Name: found.Name, Revision: revision, document: document, spec: &found.Spec}
		}
	case "ServiceTemplateRevision":
		found := &platformv1alpha1.ServiceTemplateRevision{}
		if w.decode(document, object, found) {
			name := revisionName(found.Spec.TemplateName, found.Spec.Number)
			w.revisions[name] = &Template{Name: found.Spec.TemplateName, Revision: found.Spec.Number, document: document, spec: &found.Spec.Template}
		}
	case "Component":
		component := &Component{Component: &platformv1alpha1.Component{}, document: document}
		if w.decode(document, object, component.Component) {
			component.Namespace = cmp.Or(component.Namespace, defaultNamespace)
			w.components = append(w.components, component)
		}
	case "Release":
		release := &Release{Release: &platformv1alpha1.Release{}, document: document}
		if w.decode(document, object, release.Release) {
			w.releases = append(w.releases, release)
		}
	}
}

func revisionName(template string, number int64) string {
	return fmt.Sprintf("%s-%d", template, number)
}

func (w *World) decode(document *manifest.Document, object *unstructured.Unstructured, into any) bool {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		w.report(document, "", Error, "not readable as %s: %v", object.GetKind(), err)
		return false
	}
	return true
}

// compile compiles a template once.
func (w *World) compile(t *Template) *template.Template {
	if !t.done {
		t.compiled, t.warnings, t.errs = template.Compile(t.spec, w.kindsKnown())
		t.done = true
	}
	return t.compiled
}

// kindsKnown are the schemas of Kubernetes and of the files' definitions.
func (w *World) kindsKnown() openapi.Source {
	if w.kinds == nil {
		w.kinds = openapi.Union(openapi.FromCRDs(w.crds...), openapi.Kubernetes())
	}
	return w.kinds
}

// templateOf finds the template of a Component, by its pin where it has one.
func (w *World) templateOf(component *Component) (*Template, *field.Error) {
	name, pin := component.Spec.TemplateRef.Name, component.Spec.TemplateRef.Revision
	at := field.NewPath("spec", "templateRef")
	if pin != nil {
		if found := w.revisions[revisionName(name, *pin)]; found != nil {
			return found, nil
		}
	}
	found := w.templates[name]
	if found == nil {
		known := slices.Sorted(maps.Keys(w.templates))
		return nil, field.Invalid(at.Child("name"), name, fmt.Sprintf(
			"must be a ServiceTemplate of the files, of --templates or of the catalogue, which have %s", orNone(known)))
	}
	if pin != nil {
		// The pinned revision itself is not at hand; the template's text is the best guess.
		pinned := *found
		pinned.Revision = *pin
		w.compile(found)
		pinned.compiled, pinned.warnings, pinned.errs, pinned.done = found.compiled, found.warnings, found.errs, true
		return &pinned, nil
	}
	return found, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (w *World) fieldError(document *manifest.Document, err *field.Error) {
	w.report(document, err.Field, Error, "%s", err.ErrorBody())
}

// report adds a finding, once: what is wrong with a Component is often so in each environment.
func (w *World) report(document *manifest.Document, path string, severity Severity, message string, args ...any) {
	found := Finding{
		File: document.File, Line: document.LineOf(path), Kind: document.Object.GetKind(), Name: document.Object.GetName(),
		Path: path, Severity: severity, Message: fmt.Sprintf(message, args...),
	}
	if !slices.Contains(w.Findings, found) {
		w.Findings = append(w.Findings, found)
	}
}

// Sort orders the findings by file and line.
func (w *World) Sort() {
	slices.SortStableFunc(w.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
}

// Count returns how many findings have a severity.
func (w *World) Count(severity Severity) int {
	count := 0
	for _, finding := range w.Findings {
		if finding.Severity == severity {
			count++
		}
	}
	return count
}

// ownerUID is the UID that objects bear as their owner's: zero where the file has none, as it is
// for a file that was written by hand.
func ownerUID(component *Component, given types.UID) types.UID {
	return cmp.Or(component.UID, given, types.UID("00000000-0000-0000-0000-000000000000"))
}

// home returns the labels of a namespace, and whether the files have it.
func (w *World) home(namespace string) (team, costCenter string) {
	labels := w.namespaces[namespace]
	return labels[platformv1alpha1.LabelTeam], labels[platformv1alpha1.LabelCostCenter]
}
