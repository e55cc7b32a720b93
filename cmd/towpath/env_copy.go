package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
	"github.com/towpath-dev/towpath/internal/preview"
)

// maxCopies is how many Components one call copies.
const maxCopies = 32

// takeBackTimeout is how long it may take to delete what was made in vain.
const takeBackTimeout = 10 * time.Second

// run makes the environment and the copies, or brings them up to date.
func (o *previewOptions) run(ctx context.Context, c *cluster.Cluster) (*previewReport, error) {
	original, err := o.original(ctx, c, o.component)
	if err != nil {
		return nil, err
	}
	environment, action, err := o.keepEnvironment(ctx, c)
	if err != nil {
		return nil, err
	}
	report := &previewReport{
		APIVersion: cliAPIVersion, Kind: "Preview", DryRun: o.dryRun, Namespace: c.Namespace, PullRequest: o.pr,
		Environment: previewEnvironment{Name: environment.Name, Class: environment.Spec.ClassRef.Name, Action: action},
		Components:  []previewComponent{}, Next: []tree.Step{},
	}
	report.Environment.see(environment)
	queue := []*platformv1alpha1.Component{original}
	for i := 0; i < len(queue); i++ {
		done, err := o.keepCopy(ctx, c, queue[i], environment)
		if err != nil && action == actionCreated && !o.dryRun {
			return nil, o.takeBack(ctx, c, environment, err)
		}
		if err != nil {
			return nil, err
		}
		report.Components = append(report.Components, done)
		report.Notes = append(report.Notes, secretNotes(queue[i], environment)...)
		for _, use := range queue[i].Spec.Uses {
			if slices.ContainsFunc(queue, func(c *platformv1alpha1.Component) bool { return c.Name == use.Component }) {
				continue
			}
			if len(queue) == maxCopies {
				return nil, &trouble{err: fmt.Errorf("component %s uses more than %d others, directly and not", o.component, maxCopies-1), next: "copy them one by one", code: exitFindings}
			}
			used, err := o.original(ctx, c, use.Component)
			if err != nil {
				return nil, err
			}
			queue = append(queue, used)
		}
	}
	if !o.dryRun {
		name := report.Components[0].Name
		report.Next = append(report.Next,
			tree.Step{Command: fmt.Sprintf("%s -n %s %s", o.Reach(o.program+" status"), c.Namespace, name), Why: "how it is, and how to call it"},
			tree.Step{Command: fmt.Sprintf("%s -n %s wait --for=condition=Ready component/%s --timeout=10m", o.Kubectl(), c.Namespace, name), Why: "wait until it is Ready"})
	}
	return report, nil
}

// see takes what the manager says of an Environment.
func (e *previewEnvironment) see(environment *platformv1alpha1.Environment) {
	e.Namespace = environment.Status.Namespace
	if end := environment.Status.ExpiresAt; end != nil {
		e.ExpiresAt = end.UTC().Format(time.RFC3339)
	}
}

// original reads a Component that is to be copied.
func (o *previewOptions) original(ctx context.Context, c *cluster.Cluster, name string) (*platformv1alpha1.Component, error) {
	found := &platformv1alpha1.Component{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, found)
	look := o.Kubectl() + " -n " + c.Namespace + " get components"
	switch {
	case apierrors.IsNotFound(err):
		return nil, &trouble{err: fmt.Errorf("component %s does not exist in namespace %s", name, c.Namespace), next: look, code: exitFindings}
	case err != nil:
		return nil, explained(err, o.Flags, "read component "+name)
	case found.Labels[platformv1alpha1.LabelPreviewOf] != "":
		return nil, &trouble{err: fmt.Errorf("component %s is a copy itself; name the one that it is a copy of: %s", name, found.Labels[platformv1alpha1.LabelPreviewOf]), next: look, code: exitFindings}
	case !found.DeletionTimestamp.IsZero():
		return nil, &trouble{err: fmt.Errorf("component %s is being deleted", name), next: look, code: exitFindings}
	}
	return found, nil
}

// keepEnvironment makes the Environment of the pull request, or puts its end off.
func (o *previewOptions) keepEnvironment(ctx context.Context, c *cluster.Cluster) (live *platformv1alpha1.Environment, action string, err error) {
	wanted := preview.Environment(c.Namespace, o.class, o.pr, o.component)
	err = retry.OnError(retry.DefaultRetry, raced, func() error {
		if live, err = findEnvironment(ctx, c, o.Flags, wanted.Name); err != nil {
			return err
		}
		if live != nil && !live.DeletionTimestamp.IsZero() && !o.dryRun {
			if err := o.awaitGone(ctx, c, live); err != nil {
				return err
			}
			live = nil
		}
		if live == nil {
			if err := o.askClass(ctx, c); err != nil {
				return err
			}
			live, action = wanted.DeepCopy(), actionCreated
			if o.lasts > 0 {
				now := time.Now()
				live.Spec.LifetimeSeconds, _, _ = preview.Until(now, now, o.lasts, longestOf(ctx, c, o.class))
			}
			return c.Create(ctx, live, o.createOptions()...)
		}
		if err := isFor(live, o.pr, o.Flags); err != nil {
			return err
		}
		if class := live.Spec.ClassRef.Name; o.classGiven && class != o.class {
			return &trouble{err: fmt.Errorf("environment %s is of class %s, which cannot change", live.Name, class),
				next: fmt.Sprintf("%s -n %s --pr %s, then make it anew", o.Reach(o.program+" env delete-preview"), c.Namespace, prArgument(o.pr, o.component)), code: exitFindings}
		}
		before := live.DeepCopy()
		if o.lasts > 0 {
			seconds, _, _ := preview.Until(live.CreationTimestamp.Time, time.Now(), o.lasts, longestOf(ctx, c, live.Spec.ClassRef.Name))
			if live.Status.ExpiresAt == nil || live.CreationTimestamp.Add(time.Duration(seconds)*time.Second).After(live.Status.ExpiresAt.Time) {
				live.Spec.LifetimeSeconds = max(seconds, live.Spec.LifetimeSeconds)
			}
		}
		action, err = o.patch(ctx, c, before, live, equality.Semantic.DeepEqual(before.Spec, live.Spec))
		return err
	})
	return live, action, o.said(err, "make environment "+wanted.Name)
}

// takeBack deletes an Environment that was made for a copy which cannot be, and what was copied with it: nobody asks for it
// until somebody mends the pull request, and it would count against the team. It says so beside why.
func (o *previewOptions) takeBack(ctx context.Context, c *cluster.Cluster, environment *platformv1alpha1.Environment, why error) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), takeBackTimeout)
	defer done()
	after := fmt.Sprintf("environment %s, which was made for it, is deleted again", environment.Name)
	if err := o.deleteObject(ctx, c, environment); err != nil {
		after = fmt.Sprintf("environment %s, which was made for it, stays until its lifetime ends: deleting it failed: %v", environment.Name, err)
	}
	told := trouble{err: why, code: exitFindings}
	if known, is := why.(*trouble); is { //nolint:errorlint // it is never wrapped
		told = *known
	}
	told.err = fmt.Errorf("%w\n%s", told.err, after)
	return &told
}

// askClass says that the class does not exist, is about to go, or is for no previews, before an Environment is made that could not, or should
// not, be. Who may not
// read classes is told by the Environment.
func (o *previewOptions) askClass(ctx context.Context, c *cluster.Cluster) error {
	var class platformv1alpha1.EnvironmentClass
	err := c.Get(ctx, client.ObjectKey{Name: o.class}, &class)
	if apierrors.IsNotFound(err) || err == nil && !class.DeletionTimestamp.IsZero() {
		return &trouble{err: fmt.Errorf("EnvironmentClass %s does not exist: choose another by --class", o.class), next: o.Kubectl() + " get environmentclasses", code: exitFindings}
	}
	if tier := class.Spec.Tier; err == nil && (tier == platformv1alpha1.TierStaging || tier == platformv1alpha1.TierProduction) {
		return &trouble{err: fmt.Errorf("EnvironmentClass %s is of tier %s, which is for no previews: choose another by --class", o.class, tier),
			next: o.Kubectl() + " get environmentclasses", code: exitFindings}
	}
	return nil
}

// keepCopy makes the copy of a Component, or brings it up to date. One that is there only to be used stays as it is: the
// pull request may have given it an image of its own.
func (o *previewOptions) keepCopy(ctx context.Context, c *cluster.Cluster, original *platformv1alpha1.Component, environment *platformv1alpha1.Environment) (done previewComponent, err error) {
	used := original.Name != o.component
	wanted, err := o.wanted(ctx, c, original, environment)
	if err != nil {
		return done, err
	}
	err = retry.OnError(retry.DefaultRetry, raced, func() error {
		live := &platformv1alpha1.Component{}
		err := c.Get(ctx, client.ObjectKeyFromObject(wanted), live)
		if err == nil && live.Labels[platformv1alpha1.LabelPreviewOf] != original.Name {
			return &trouble{err: fmt.Errorf("component %s exists, and is no copy of %s", live.Name, original.Name),
				next: fmt.Sprintf("rename or delete it: %s -n %s get component %s -o yaml", o.Kubectl(), live.Namespace, live.Name), code: exitFindings}
		}
		if err == nil && (!live.DeletionTimestamp.IsZero() || !owned(live, environment)) && !o.dryRun {
			if err := o.drop(ctx, c, live); err != nil { // of an environment of that name that is gone, and goes too
				return err
			}
			err = apierrors.NewNotFound(platformv1alpha1.GroupVersion.WithResource("components").GroupResource(), wanted.Name)
		}
		if apierrors.IsNotFound(err) {
			live = wanted.DeepCopy()
			done = previewComponent{Name: live.Name, CopyOf: original.Name, Image: live.Spec.Image, Action: actionCreated}
			return c.Create(ctx, live, o.createOptions()...)
		}
		if err != nil {
			return err
		}
		before := live.DeepCopy()
		if !used {
			asked := live.Spec.RequestedBy
			live.Spec = *wanted.Spec.DeepCopy()
			if live.Spec.RequestedBy = asked; !equality.Semantic.DeepEqual(before.Spec, live.Spec) {
				live.Spec.RequestedBy = wanted.Spec.RequestedBy // who asks for what is as it was changes nothing
			}
		}
		done = previewComponent{Name: live.Name, CopyOf: original.Name, Image: live.Spec.Image}
		done.Action, err = o.patch(ctx, c, before, live, equality.Semantic.DeepEqual(before.Spec, live.Spec))
		return err
	})
	return done, o.said(err, "make component "+wanted.Name)
}

// wanted is the copy of a Component as it should be.
func (o *previewOptions) wanted(ctx context.Context, c *cluster.Cluster, original *platformv1alpha1.Component, environment *platformv1alpha1.Environment) (*platformv1alpha1.Component, error) {
	var changes preview.Changes
	if original.Name == o.component {
		changes.Image = o.image
		if o.commit != "" {
			changes.Commit = &platformv1alpha1.Commit{SHA: o.commit}
		}
	}
	if original.Spec.RequestedBy != "" {
		var err error
		if changes.RequestedBy, err = whoAmI(ctx, c, o.Flags); err != nil {
			return nil, err
		}
	}
	copied := preview.Copy(original, environment, func(name string) string { return preview.ComponentName(o.pr, o.component, name) }, changes)
	if original.Name == o.component {
		copied.Spec.Environments[0].Parameters = o.parameters
	}
	return copied, nil
}

// patch writes what differs, of the state that was looked at.
func (o *previewOptions) patch(ctx context.Context, c *cluster.Cluster, before, live client.Object, same bool) (string, error) {
	if same {
		return actionUnchanged, nil
	}
	var options []client.PatchOption
	if o.dryRun {
		options = append(options, client.DryRunAll)
	}
	return actionUpdated, c.Patch(ctx, live, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), options...)
}

func (o *previewOptions) createOptions() []client.CreateOption {
	if o.dryRun {
		return []client.CreateOption{client.DryRunAll}
	}
	return nil
}

// said is an error of the cluster in the caller's words; what is said already stays.
func (o *previewOptions) said(err error, doing string) error {
	if _, known := err.(*trouble); err == nil || known { //nolint:errorlint // it is never wrapped
		return err
	}
	return explained(err, o.Flags, doing)
}

// raced says that somebody else, such as another run of the same pipeline, was there a moment before.
func raced(err error) bool { return apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) }

// owned says whether a copy belongs to this very Environment, and not to one of its name that is gone.
func owned(c *platformv1alpha1.Component, environment *platformv1alpha1.Environment) bool {
	for _, owner := range c.OwnerReferences {
		if owner.UID == environment.UID {
			return true
		}
	}
	return false
}

// secretNotes say which Secrets a copy takes variables from: nobody copies these.
func secretNotes(original *platformv1alpha1.Component, environment *platformv1alpha1.Environment) []string {
	var names []string
	for i := range original.Spec.SecretEnv {
		names = append(names, original.Spec.SecretEnv[i].SecretKeyRef.Name)
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	where := "the namespace of environment " + environment.Name
	if environment.Status.Namespace != "" {
		where = "namespace " + environment.Status.Namespace
	}
	return []string{fmt.Sprintf("%s takes variables from Secrets, which are not copied: %s must be in %s", original.Name, strings.Join(slices.Compact(names), ", "), where)}
}

// prArgument is the value of --pr, with the Component where that belongs to it.
func prArgument(pr platformv1alpha1.PullRequest, component string) string {
	if pr.URL != "" {
		return pr.URL
	}
	return fmt.Sprintf("%d --component %s", pr.Number, component)
}
