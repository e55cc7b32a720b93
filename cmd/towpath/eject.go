package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// ejectOptions are the flags of eject.
type ejectOptions struct {
	cluster.Flags
	dir     string
	yes     bool
	timeout time.Duration
	// done is what has been done so far; empty for nothing.
	done string
}

// errOverdue ends what takes longer than --timeout.
var errOverdue = errors.New("it takes longer than --timeout")

// untilOverdue ends a context after a time, or when done is called. It is no deadline: the client's rate limiter fails a request
// that would have to wait beyond one, in words of its own.
func untilOverdue(ctx context.Context, timeout time.Duration) (limited context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(timeout, func() { cancel(errOverdue) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

func newEject(connect cluster.Connector, std streams) *cobra.Command {
	var o ejectOptions
	cmd := &cobra.Command{
		Use:   "eject COMPONENT",
		Short: "Write a Component as plain manifests, and let go of what it runs",
		Long: `Write what a Component runs in each environment as plain manifests with a
kustomization, and let go of it in the cluster: labels and ownership of Towpath
are taken off, and everything runs on. Pod templates and selectors stay to the
letter, labels of Towpath in them too, so that no pod restarts.

Without --yes it writes the manifests, says what letting go would do, and
changes nothing in the cluster. With --yes it sets deletionPolicy: Orphan,
deletes the Component, and waits until it is gone.`,
		Example: `  towpath eject checkout -n team-shop -o deploy/
  towpath eject checkout -n team-shop -o deploy/ --yes && kubectl diff -k deploy/prod`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := o.Flags
			flags.Timeout = min(flags.Timeout, o.timeout)
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			ctx, done := untilOverdue(cmd.Context(), o.timeout)
			defer done()
			return o.explain(ctx, o.run(ctx, connection, std, args[0], cmd.CommandPath()), args[0], cmd.CommandPath())
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeComponents(cmd.Context(), connect, o.Flags)
		},
	}
	o.Bind(cmd)
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	cmd.Flags().StringVarP(&o.dir, "output", "o", "", "folder to write to; it must be empty, or not exist, or hold these very manifests")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "let go in the cluster too, and do not only write")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long all of it may take, until the Component is gone")
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

// explain says what an error left behind, and what to do next.
func (o *ejectOptions) explain(ctx context.Context, err error, name, program string) error {
	var known *trouble
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(context.Cause(ctx), errOverdue):
		next := fmt.Sprintf("%s %s -o %s", o.Reach(program), name, o.dir)
		if o.Namespace != "" {
			next += " -n " + o.Namespace
		}
		if o.yes {
			next += " --yes"
		}
		return &trouble{err: fmt.Errorf("cannot eject component %s within %s; %s", name, o.timeout, cmp.Or(o.done, "nothing was written, and nothing was changed in the cluster")),
			next: next + ", with a longer --timeout, goes on"}
	case o.done != "":
		err = fmt.Errorf("%w; %s", err, o.done)
	}
	next, explained := cluster.Explain(err, o.Flags, "eject component "+name)
	return &trouble{err: explained, next: next}
}

func (o *ejectOptions) run(ctx context.Context, c *cluster.Cluster, std streams, name, program string) error {
	component := &platformv1alpha1.Component{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, component); err != nil {
		if apierrors.IsNotFound(err) {
			return &trouble{err: fmt.Errorf("component %q does not exist in namespace %s", name, c.Namespace), next: o.Reach("towpath status") + " -n " + c.Namespace}
		}
		return err
	}
	if !component.DeletionTimestamp.IsZero() {
		return o.goOn(ctx, c, std.out, component, program)
	}
	releases, err := currentReleases(ctx, c, component)
	if err != nil {
		return err
	}
	if len(releases) == 0 {
		return &trouble{err: fmt.Errorf("component %s runs in no environment: there is nothing to eject", name), next: o.Reach("towpath status") + " -n " + c.Namespace + " " + name}
	}
	files := map[string][]byte{}
	count := 0
	for _, release := range releases {
		objects, err := plainObjects(ctx, c, release)
		if err != nil {
			return err
		}
		if err := addManifests(files, release.Spec.Environment.Name, objects); err != nil {
			return err
		}
		count += len(objects)
	}
	if err := addRoot(files, releases); err != nil {
		return err
	}
	if err := writeFiles(o.dir, files); err != nil {
		return &trouble{err: err, next: "name another folder with -o"}
	}
	o.say("nothing was changed in the cluster")
	_, _ = fmt.Fprintf(std.out, "wrote %s of %s to %s\n", plural(count, "object"), plural(len(releases), "environment"), o.dir)
	if !o.yes {
		_, err := fmt.Fprintf(std.out, `letting go would take the labels and the ownership of Towpath off these objects, delete the Component %s/%s,
and restart nothing; the objects run on, and Towpath ignores them
nothing was changed in the cluster; to go on: %s %s -n %s -o %s --yes
`, c.Namespace, name, o.Reach(program), name, c.Namespace, o.dir)
		return err
	}
	if err := o.letGo(ctx, c, std.out, component); err != nil {
		return err
	}
	return o.sayNext(std.out, component, releases)
}

// currentReleases are those that run, in the order of the path.
func currentReleases(ctx context.Context, c client.Reader, component *platformv1alpha1.Component) ([]*platformv1alpha1.Release, error) {
	var list platformv1alpha1.ReleaseList
	if err := c.List(ctx, &list, client.InNamespace(component.Namespace)); err != nil {
		return nil, err
	}
	var current []*platformv1alpha1.Release
	for _, step := range component.Spec.Environments {
		var latest *platformv1alpha1.Release
		for i := range list.Items {
			r := &list.Items[i]
			if r.Spec.Component.UID == component.UID && r.Spec.Environment.Name == step.Name && r.DeletionTimestamp.IsZero() &&
				r.Opened() && r.Status.SupersededAt == nil && (latest == nil || r.Spec.Number > latest.Spec.Number) {
				latest = r
			}
		}
		if latest != nil {
			current = append(current, latest)
		}
	}
	return current, nil
}

// plainObjects renders a Release from its revision. What is still as it was found is taken from the cluster.
func plainObjects(ctx context.Context, c client.Reader, release *platformv1alpha1.Release) ([]*unstructured.Unstructured, error) {
	var revision platformv1alpha1.ServiceTemplateRevision
	if err := c.Get(ctx, client.ObjectKey{Name: release.Spec.Revision.Name}, &revision); err != nil {
		return nil, err
	}
	compiled, _, errs := template.Compile(&revision.Spec.Template, nil)
	if len(errs) > 0 {
		return nil, &trouble{err: fmt.Errorf("ServiceTemplateRevision %s does not compile: %w", revision.Name, errs.ToAggregate())}
	}
	rendered, err := render.Release(compiled, release)
	if err != nil {
		return nil, &trouble{err: fmt.Errorf("release %s does not render: %w", release.Name, err)}
	}
	labels := render.ReleaseLabels(release)
	objects := make([]*unstructured.Unstructured, 0, len(rendered))
	for _, o := range rendered {
		object := o.Object
		asFound := release.Spec.Cause == platformv1alpha1.CauseAdoption
		if asFound || release.Spec.Adopt != nil && object.GetKind() == "StatefulSet" {
			live, err := asItRuns(ctx, c, object)
			switch {
			case err != nil:
				return nil, err
			case live != nil && asFound:
				object = live
			case live != nil:
				addFixed(object, live)
			case asFound:
				continue // taking over makes nothing
			}
		}
		objects = append(objects, manifest.Plain(object, labels, release.Spec.LabelAliases))
	}
	return objects, nil
}

// addFixed adds what of a StatefulSet that was taken over stays as it was found, and so is not rendered.
func addFixed(object, live *unstructured.Unstructured) {
	for _, field := range render.FixedFields {
		if value, found, _ := unstructured.NestedFieldCopy(live.Object, "spec", field); found {
			_ = unstructured.SetNestedField(object.Object, value, "spec", field) // spec is an object: it was rendered
		}
	}
}

// asItRuns reads an object that was taken over; nil where it does not exist.
func asItRuns(ctx context.Context, c client.Reader, rendered *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(rendered.GroupVersionKind())
	err := c.Get(ctx, client.ObjectKeyFromObject(rendered), live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return live, nil
}

// say keeps what has been done in the cluster, once the manifests are written.
func (o *ejectOptions) say(inCluster string) {
	o.done = "the manifests in " + o.dir + " are complete, and " + inCluster
}

// letGo has the manager take everything of Towpath off the objects, and waits.
func (o *ejectOptions) letGo(ctx context.Context, c client.Client, out io.Writer, component *platformv1alpha1.Component) error {
	uid := component.UID
	// The deletion is bound to the version that has the policy: somebody may set it back in between, and then
	// everything would be deleted.
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(component), component); err != nil {
			return err
		}
		if component.UID != uid {
			return fmt.Errorf("component %s/%s was deleted and made again by somebody else", component.Namespace, component.Name)
		}
		// What the deletion is refused for, such as those who use the Component, is told before anything changes.
		if err := c.Delete(ctx, component.DeepCopy(), client.DryRunAll); err != nil {
			if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "admission webhook") {
				return &trouble{err: fmt.Errorf("component %s/%s cannot be let go: %w", component.Namespace, component.Name, err), next: "let go first of those who use it, or take it out of their spec.uses"}
			}
			return err
		}
		patch := client.MergeFrom(component.DeepCopy())
		component.Spec.DeletionPolicy = platformv1alpha1.DeletionOrphan
		if err := c.Patch(ctx, component, patch); err != nil {
			if ctx.Err() != nil {
				o.say("whether the deletionPolicy of the Component is Orphan now is not known; it was not deleted")
			}
			return err
		}
		o.say("the deletionPolicy of the Component is Orphan now; it was not deleted")
		err := c.Delete(ctx, component, client.Preconditions{UID: &uid, ResourceVersion: &component.ResourceVersion})
		if ctx.Err() != nil {
			o.say("the deletionPolicy of the Component is Orphan now; whether it is being deleted is not known")
		}
		return err
	})
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	o.say("the Component is being let go")
	return o.waitGone(ctx, c, out, component)
}

func (o *ejectOptions) sayNext(out io.Writer, component *platformv1alpha1.Component, releases []*platformv1alpha1.Release) error {
	var text strings.Builder
	fmt.Fprintf(&text, "component %s/%s is gone; what it ran runs on, and is yours\n", component.Namespace, component.Name)
	for _, release := range releases {
		e := release.Spec.Environment
		fmt.Fprintf(&text, "next: %s diff -k %s/%s\n", o.Kubectl(), strings.TrimSuffix(o.dir, "/"), e.Name)
		fmt.Fprintf(&text, "note: namespace %s is still Towpath's. It is deleted with Environment %s, with all that is in it, unless the Environment\n"+
			"      adopted it, or somebody who may change namespaces runs:\n"+
			"      %s annotate namespace %s %s=true\n", e.Namespace, e.Name, o.Kubectl(), e.Namespace, platformv1alpha1.AnnotationKeep)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
