// Package index names the fields by which the manager's cache finds objects.
package index

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/team"
)

// The indexed fields.
const (
	// ReleaseOwner finds Releases by OwnerKey: one Component, by UID, in one environment.
	ReleaseOwner = "release.owner"
	// ReleaseComponent finds Releases by the name of their Component, whatever its UID.
	ReleaseComponent = "release.component"
	// ReleaseEnvironment finds Releases by the UID of their Environment.
	ReleaseEnvironment = "release.environment"
	// ReleaseTemplate finds Releases by the name of their template.
	ReleaseTemplate = "release.template"
	// ComponentTemplate finds Components by the name of their template.
	ComponentTemplate = "component.template"
	// ComponentEnvironment finds Components by the names in their path.
	ComponentEnvironment = "component.environment"
	// ComponentUses finds Components by the names of those that they use.
	ComponentUses = "component.uses"
	// BuildComponent finds Builds by the name of their Component.
	BuildComponent = "build.component"
	// BuildPlace finds Builds that run or ran here by BuildKey.
	BuildPlace = "build.place"
	// BuildRunning finds Builds that have begun and have not ended, by the name of their template.
	BuildRunning = "build.running"
	// ApprovalRelease finds Approvals by the UID of their Release.
	ApprovalRelease = "approval.release"
	// EnvironmentClass finds Environments by the name of their class.
	EnvironmentClass = "environment.class"
	// EnvironmentTeam finds Environments by the name of their team.
	EnvironmentTeam = "environment.team"
	// TeamHome finds Teams by the name of the home namespace that they ask for.
	TeamHome = "team.home"
	// RevisionTemplate finds ServiceTemplateRevisions by the name of their template.
	RevisionTemplate = "revision.template"
)

// OwnerKey is the value of ReleaseOwner.
func OwnerKey(component types.UID, environment string) string {
	return string(component) + "/" + environment
}

// BuildKey is the value of BuildPlace: a workload namespace, and the name of a Build.
func BuildKey(namespace, name string) string { return namespace + "/" + name }

// Register adds every index to a cache. It must be called before the cache starts.
func Register(ctx context.Context, indexer client.FieldIndexer) error {
	for _, i := range []struct {
		object client.Object
		field  string
		values client.IndexerFunc
	}{
		{&platformv1alpha1.Release{}, ReleaseOwner, one(func(r *platformv1alpha1.Release) string {
			return OwnerKey(r.Spec.Component.UID, r.Spec.Environment.Name)
		})},
		{&platformv1alpha1.Release{}, ReleaseComponent, one(func(r *platformv1alpha1.Release) string { return r.Spec.Component.Name })},
		{&platformv1alpha1.Release{}, ReleaseEnvironment, one(func(r *platformv1alpha1.Release) string { return string(r.Spec.Environment.UID) })},
		{&platformv1alpha1.Release{}, ReleaseTemplate, one(func(r *platformv1alpha1.Release) string { return r.Spec.Template })},
		{&platformv1alpha1.Component{}, ComponentTemplate, one(func(c *platformv1alpha1.Component) string { return c.Spec.TemplateRef.Name })},
		{&platformv1alpha1.Component{}, ComponentEnvironment, path},
		{&platformv1alpha1.Component{}, ComponentUses, uses},
		{&platformv1alpha1.Build{}, BuildComponent, one(func(b *platformv1alpha1.Build) string { return b.Spec.Component })},
		{&platformv1alpha1.Build{}, BuildPlace, one(func(b *platformv1alpha1.Build) string {
			if b.Status.Place == nil {
				return ""
			}
			return BuildKey(b.Status.Place.Namespace, b.Name)
		})},
		{&platformv1alpha1.Build{}, BuildRunning, one(func(b *platformv1alpha1.Build) string {
			if b.Status.Place == nil || b.Status.Result != "" {
				return ""
			}
			return b.Status.Place.Template
		})},
		{&platformv1alpha1.Approval{}, ApprovalRelease, one(func(a *platformv1alpha1.Approval) string { return string(a.Spec.ReleaseRef.UID) })},
		{&platformv1alpha1.Environment{}, EnvironmentClass, one(func(e *platformv1alpha1.Environment) string { return e.Spec.ClassRef.Name })},
		{&platformv1alpha1.Environment{}, EnvironmentTeam, one(func(e *platformv1alpha1.Environment) string { return e.Status.Team })},
		{&platformv1alpha1.Team{}, TeamHome, one(team.Home)},
		{&platformv1alpha1.ServiceTemplateRevision{}, RevisionTemplate, one(func(r *platformv1alpha1.ServiceTemplateRevision) string { return r.Spec.TemplateName })},
	} {
		if err := indexer.IndexField(ctx, i.object, i.field, i.values); err != nil {
			return fmt.Errorf("indexing %T by %s: %w", i.object, i.field, err)
		}
	}
	return nil
}

// one indexes objects of type T by a single value.
func one[T client.Object](value func(T) string) client.IndexerFunc {
	return func(o client.Object) []string {
		if t, ok := o.(T); ok {
			return []string{value(t)}
		}
		return nil
	}
}

func uses(o client.Object) []string {
	component, ok := o.(*platformv1alpha1.Component)
	if !ok {
		return nil
	}
	names := make([]string, 0, len(component.Spec.Uses))
	for _, u := range component.Spec.Uses {
		names = append(names, u.Component)
	}
	return names
}

func path(o client.Object) []string {
	component, ok := o.(*platformv1alpha1.Component)
	if !ok {
		return nil
	}
	names := make([]string, 0, len(component.Spec.Environments))
	for _, e := range component.Spec.Environments {
		names = append(names, e.Name)
	}
	return names
}
