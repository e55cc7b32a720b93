// Package guard decides what may be applied where. It is the one place that does: internal/apply
// asks it before every write, the controllers before they make a Release, and the CLI before either.
//
// It trusts neither templates nor parameters, and refuses what it does not know: a kind of unknown
// scope, a pod specification that cannot be read. Behind it stand two more walls, the static rights
// of the applier (config/rbac) and the admission policies (config/policy).
//
// The package is pure.
package guard

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Object is one rendered object.
type Object struct {
	// Resource is the id of the resource in the template that the object was made from.
	Resource string
	// Object as it would be applied.
	Object *unstructured.Unstructured
}

// Policy is what objects are held to.
type Policy struct {
	// Namespace that every object must be in.
	Namespace string
	// Labels that every object must bear with exactly these values, owner-uid among them. Pod
	// templates must bear all of them but owner-uid.
	Labels map[string]string
	// PodLabels are values of app.kubernetes.io/name and instance that pod templates may bear in place of those
	// of Labels, since a workload that was taken over finds its pods by them. Others are never replaced: what
	// a team pays goes by them.
	PodLabels map[string]string
	// AsFound says that the objects are only marked as taken over, and must hold nothing but metadata.
	AsFound bool
	// PodSecurity is the level that pods must meet. Anything but Baseline and Privileged counts as
	// Restricted.
	PodSecurity platformv1alpha1.PodSecurityLevel
	// Tokens says which tokens of ServiceAccounts pods may get. Anything but AudienceBound and Allowed counts as
	// Forbidden.
	Tokens platformv1alpha1.ServiceAccountTokens
	// Class is the EnvironmentClass of the environment, for messages.
	Class string
	// AllowedKinds are those that the class allows; none allows every kind.
	AllowedKinds []platformv1alpha1.AllowedKind
	// PipelineRuns says that a PipelineRun of Tekton may be among the objects, which holds its tasks itself. Builds alone make any.
	PipelineRuns bool
	// Namespaced tells the scope of a kind, and whether the kind is known. Nil knows none, so that
	// everything is refused.
	Namespaced func(schema.GroupKind) (namespaced, known bool)
}

// Refusal says why one object may not be applied.
type Refusal struct {
	// Resource is the id of the resource in the template.
	Resource string
	// Object is the kind and name of the object.
	Object string
	// Path of the field in the object; empty where the object as such is refused.
	Path string
	// Rule is the CamelCase name of the rule, one of the Rule constants.
	Rule string
	// Message names the value, the rule and the next step.
	Message string
}

// The rules.
const (
	RuleObject       = "Object"
	RuleKind         = "Kind"
	RuleClass        = "Class"
	RuleScope        = "Scope"
	RuleNamespace    = "Namespace"
	RuleName         = "Name"
	RuleDuplicate    = "Duplicate"
	RuleMetadata     = "Metadata"
	RuleStatus       = "Status"
	RuleLabels       = "Labels"
	RuleAnnotations  = "Annotations"
	RuleAmount       = "Amount"
	RulePodSecurity  = "PodSecurity"
	RuleScheduling   = "Scheduling"
	RuleTokens       = "Tokens"
	RuleAccount      = "Account"
	RuleService      = "Service"
	RuleVolumeClaims = "VolumeClaims"
)

// Error is the refusal in one sentence: object, path, value and rule, next step.
func (r Refusal) Error() string {
	subject := fmt.Sprintf("%s (resource %s)", r.Object, r.Resource)
	if r.Path == "" {
		return subject + ": " + r.Message
	}
	return subject + ": " + r.Path + ": " + r.Message
}

// Check returns every reason not to apply the objects, in the order of the objects and then of the
// paths; none means that all of them may be applied. It never changes an object.
func Check(objects []Object, p Policy) []Refusal {
	var refusals []Refusal
	seen, own := make(map[identity]string), accounts(objects)
	for _, object := range objects {
		c := &check{policy: p, resource: object.Resource, object: object.Object, own: own}
		c.run()
		if c.usable {
			c.duplicate(seen)
		}
		slices.SortStableFunc(c.refusals, func(a, b Refusal) int { return cmp.Compare(a.Path, b.Path) })
		refusals = append(refusals, c.refusals...)
	}
	return refusals
}

// identity is what makes two objects the same one. Versions of a kind share their objects.
type identity struct {
	kind schema.GroupKind
	name string
}

// check is the examination of one object.
type check struct {
	policy   Policy
	resource string
	object   *unstructured.Unstructured
	// own are the ServiceAccounts among the objects.
	own map[string]bool
	gvk schema.GroupVersionKind
	// found are the pod templates of the object, once they were searched.
	found    []podTemplate
	searched bool
	// usable says that the object has a kind and a name, so that it can be told from others.
	usable   bool
	refusals []Refusal
}

func (c *check) run() {
	if c.object == nil || len(c.object.Object) == 0 {
		c.refuse("", RuleObject, "the object is empty; give it apiVersion, kind and metadata.name, or leave the resource out with includeWhen")
		return
	}
	if !c.kind() {
		return
	}
	c.metadata()
	c.labels()
	if c.policy.AsFound {
		c.metadataOnly()
		return
	}
	c.pods()
	c.runs()
	c.account()
	c.service()
	c.claims()
}

// metadataOnly checks that the object says nothing about what was found.
func (c *check) metadataOnly() {
	for _, key := range slices.Sorted(maps.Keys(c.object.Object)) {
		if key != "apiVersion" && key != "kind" && key != "metadata" {
			c.refuse(key, RuleObject, "what is taken over stays as it was found; only metadata may be written")
		}
	}
}

func (c *check) refuse(path, rule, format string, args ...any) {
	c.refusals = append(c.refusals, Refusal{
		Resource: c.resource,
		Object:   c.title(),
		Path:     path,
		Rule:     rule,
		Message:  fmt.Sprintf(format, args...),
	})
}

// title names the object for people.
func (c *check) title() string {
	if c.object == nil {
		return "object"
	}
	kind, _ := c.object.Object["kind"].(string)
	metadata, _ := c.object.Object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return cmp.Or(kind, "object") + " " + cmp.Or(name, "without a name")
}

func (c *check) duplicate(seen map[identity]string) {
	id := identity{kind: c.gvk.GroupKind(), name: c.object.GetName()}
	if first, ok := seen[id]; ok {
		c.refuse("metadata.name", RuleDuplicate,
			"resource %s makes an object of the same kind and name; give each its own name, with forEach from `each`", first)
		return
	}
	seen[id] = c.resource
}
