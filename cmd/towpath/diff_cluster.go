package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/diff"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

// following is what of a template runs in a cluster.
type following struct {
	template *platformv1alpha1.ServiceTemplate
	releases []platformv1alpha1.Release
	// revisions by name, those that the Releases are made of, and the newest.
	revisions map[string]*platformv1alpha1.ServiceTemplateRevision
	// environments by namespace and name: what their classes allow now binds the next Releases.
	environments map[client.ObjectKey]*platformv1alpha1.Environment
	pinned       []string
	crds         []*unstructured.Unstructured
}

// diffCluster compares what the Releases that run render to.
func diffCluster(ctx context.Context, connect cluster.Connector, flags cluster.Flags, documents []*manifest.Document, prices *cost.Prices) (*diff.Report, error) {
	connection, err := dial(connect, flags)
	if err != nil {
		return nil, err
	}
	name := documents[0].Object.GetName()
	found, doing, err := readRunning(ctx, connection, name)
	if apierrors.IsNotFound(err) {
		return nil, &trouble{err: fmt.Errorf("the cluster has no ServiceTemplate %s: nobody follows it yet", name), next: flags.Kubectl() + " get servicetemplates", code: exitFindings}
	}
	if err != nil {
		next, explained := cluster.Explain(err, flags, doing)
		return nil, &trouble{err: explained, next: next}
	}
	latest := int64(1)
	if ref := found.template.Status.LatestRevision; ref != nil {
		latest = ref.Number
	}
	next, err := nextRevision(documents[0], latest+1)
	if err != nil {
		return nil, &trouble{err: err, next: "correct the file; towpath lint shows what is wrong", code: exitFindings}
	}
	return diffWorlds(ctx, found.world(ctx, nil), found.world(ctx, next), documents, found.pinned, latest, found.promised(latest), prices)
}

// nextRevision is the revision that a template would become.
func nextRevision(document *manifest.Document, number int64) (*platformv1alpha1.ServiceTemplateRevision, error) {
	var st platformv1alpha1.ServiceTemplate
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(document.Object.Object, &st); err != nil {
		return nil, err
	}
	hash, err := template.Hash(&st.Spec)
	if err != nil {
		return nil, err
	}
	next := &platformv1alpha1.ServiceTemplateRevision{}
	next.Name = revision.Name(st.Name, number)
	next.Spec = platformv1alpha1.ServiceTemplateRevisionSpec{TemplateName: st.Name, Number: number, Hash: hash, Template: template.Content(&st.Spec)}
	return next, nil
}

// readRunning reads a template, the Components of it, the Releases that run and their revisions. doing completes
// "cannot …" where that fails.
func readRunning(ctx context.Context, reader client.Reader, name string) (found *following, doing string, err error) {
	found = &following{
		template: &platformv1alpha1.ServiceTemplate{}, revisions: map[string]*platformv1alpha1.ServiceTemplateRevision{},
		environments: map[client.ObjectKey]*platformv1alpha1.Environment{},
	}
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, found.template); err != nil {
		return nil, "read servicetemplate " + name, err
	}
	runs := map[client.ObjectKey]bool{}
	err = cluster.Pages(ctx, reader, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		for i := range list.Items {
			c := &list.Items[i]
			switch ref := c.Spec.TemplateRef; {
			case ref.Name != name:
			case ref.Revision != nil:
				found.pinned = append(found.pinned, pinnedAs(c))
			default:
				for _, environment := range c.Status.Environments {
					runs[client.ObjectKey{Namespace: c.Namespace, Name: environment.Release}] = true
				}
			}
		}
	})
	if err != nil {
		return nil, "list components in all namespaces", err
	}
	slices.Sort(found.pinned)
	err = cluster.Pages(ctx, reader, &platformv1alpha1.ReleaseList{}, func(list *platformv1alpha1.ReleaseList) {
		for i := range list.Items {
			if runs[client.ObjectKeyFromObject(&list.Items[i])] {
				found.releases = append(found.releases, list.Items[i])
			}
		}
	})
	if err != nil {
		return nil, "list releases in all namespaces", err
	}
	names := []string{}
	if latest := found.template.Status.LatestRevision; latest != nil {
		names = append(names, latest.Name)
	}
	for i := range found.releases {
		names = append(names, found.releases[i].Spec.Revision.Name)
	}
	for _, ref := range names {
		if found.revisions[ref] != nil {
			continue
		}
		rev := &platformv1alpha1.ServiceTemplateRevision{}
		err := reader.Get(ctx, client.ObjectKey{Name: ref}, rev)
		if client.IgnoreNotFound(err) != nil {
			return nil, "read servicetemplaterevision " + ref, err
		}
		if err == nil {
			found.revisions[ref] = rev
		}
	}
	err = cluster.Pages(ctx, reader, &platformv1alpha1.EnvironmentList{}, func(list *platformv1alpha1.EnvironmentList) {
		for i := range list.Items {
			found.environments[client.ObjectKeyFromObject(&list.Items[i])] = &list.Items[i]
		}
	})
	if err != nil {
		return nil, "list environments in all namespaces", err
	}
	// Definitions only check; who may not read them goes without.
	var crds apiextensionsv1.CustomResourceDefinitionList
	if reader.List(ctx, &crds) == nil {
		for i := range crds.Items {
			found.crds = append(found.crds, asUnstructured(&crds.Items[i], apiextensionsv1.SchemeGroupVersion.String(), "CustomResourceDefinition"))
		}
	}
	return found, "", nil
}

// pinnedAs names a Component that is pinned.
func pinnedAs(c *platformv1alpha1.Component) string {
	return fmt.Sprintf("%s/%s at %d", c.Namespace, c.Name, *c.Spec.TemplateRef.Revision)
}

// promised is how far a revision of the template may be relied on.
func (r *following) promised(number int64) platformv1alpha1.Maturity {
	if rev := r.revisions[revision.Name(r.template.Name, number)]; rev != nil {
		return rev.Status.Maturity
	}
	return ""
}

// world is the Releases with their revisions, or all with another one in place of theirs.
func (r *following) world(ctx context.Context, next *platformv1alpha1.ServiceTemplateRevision) *offline.World {
	world := offline.NewWorld(config.TypedCRDs()...)
	objects := slices.Clone(r.crds)
	version := platformv1alpha1.GroupVersion.String()
	objects = append(objects, asUnstructured(r.template, version, "ServiceTemplate"))
	if next != nil {
		objects = append(objects, asUnstructured(next, version, "ServiceTemplateRevision"))
	} else {
		for _, rev := range r.revisions {
			objects = append(objects, asUnstructured(rev, version, "ServiceTemplateRevision"))
		}
	}
	for i := range r.releases {
		release := r.releases[i].DeepCopy()
		if next != nil {
			r.advance(release, next)
		}
		objects = append(objects, asUnstructured(release, version, "Release"))
	}
	world.AddObjects(ctx, "(cluster)", objects)
	return world
}

// advance makes of a Release the next one: with another revision, and what the class allows now, not what it did then.
func (r *following) advance(release *platformv1alpha1.Release, next *platformv1alpha1.ServiceTemplateRevision) {
	spec := &release.Spec
	spec.Revision = platformv1alpha1.RevisionReference{Name: next.Name, Number: next.Spec.Number}
	env := r.environments[client.ObjectKey{Namespace: release.Namespace, Name: spec.Environment.Name}]
	if env == nil {
		return // it is gone, and the Release with it soon
	}
	spec.PodSecurity, spec.ServiceAccountTokens = cmp.Or(env.Status.PodSecurity, spec.PodSecurity), env.Status.ServiceAccountTokens
	spec.AllowedKinds = env.Status.AllowedKinds
}

func asUnstructured(object client.Object, apiVersion, kind string) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		panic(err) // a type of ours or of Kubernetes: only a programming error gets here
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetManagedFields(nil)
	return u
}
