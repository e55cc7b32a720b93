package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newRollout(connect cluster.Connector, std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "See how far a template is rolled out, and resume, skip a wave of, or abort it",
		Long: `See how far a template is rolled out, and resume, skip a wave of, or abort it.

resume, skip and abort write spec.rollout.control of the ServiceTemplate with your
own rights. Where a repository holds the template, put the same there: what is
asked for is for one revision, and counts for nothing with the next.`,
		Args: cobra.NoArgs,
		RunE: help,
	}
	cmd.AddCommand(
		newRolloutVerb(connect, std, "status", "Show how far a template is rolled out", "", nil),
		newRolloutVerb(connect, std, "resume", "Go on with a roll-out that halted: who failed is tried again", platformv1alpha1.RolloutResume,
			func(s *platformv1alpha1.TemplateRolloutStatus, c *platformv1alpha1.RolloutControl) error {
				if s.State != platformv1alpha1.RolloutHalted {
					return fmt.Errorf("the roll-out of revision %d is %s, and not Halted", s.Revision, s.State)
				}
				c.Attempt = s.Attempt + 1
				return nil
			}),
		newRolloutVerb(connect, std, "skip", "Go on to the next wave, whoever is not Ready yet and however long the soak still is", platformv1alpha1.RolloutSkip,
			func(s *platformv1alpha1.TemplateRolloutStatus, c *platformv1alpha1.RolloutControl) error {
				if s.State != platformv1alpha1.RolloutProgressing {
					return fmt.Errorf("the roll-out of revision %d is %s, and not Progressing", s.Revision, s.State)
				}
				c.Wave = s.Wave
				return nil
			}),
		newRolloutVerb(connect, std, "abort", "Bring everybody back to the revision before", platformv1alpha1.RolloutAbort,
			func(s *platformv1alpha1.TemplateRolloutStatus, _ *platformv1alpha1.RolloutControl) error {
				if s.State == platformv1alpha1.RolloutComplete {
					return fmt.Errorf("the roll-out of revision %d is Complete; apply the template as it was before, which makes a new revision", s.Revision)
				}
				return nil
			}),
	)
	return cmd
}

// newRolloutVerb is one verb on a template. fill checks that the action fits, and completes it.
func newRolloutVerb(connect cluster.Connector, std streams, verb, short string, action platformv1alpha1.RolloutAction,
	fill func(*platformv1alpha1.TemplateRolloutStatus, *platformv1alpha1.RolloutControl) error,
) *cobra.Command {
	var flags cluster.Flags
	cmd := &cobra.Command{
		Use:   verb + " TEMPLATE",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			st, err := rolledOut(cmd.Context(), connection, flags, args[0], fill == nil)
			if err != nil {
				return err
			}
			if fill == nil {
				pinned, err := pinnedTo(cmd.Context(), connection, st.Name)
				if err != nil { // who may read the template alone gets the number of them
					_, err = cluster.Explain(err, flags, "list components in all namespaces")
				}
				return printRollout(std.out, st, pinned, err)
			}
			control := platformv1alpha1.RolloutControl{Revision: st.Status.Rollout.Revision, Action: action}
			if err := fill(st.Status.Rollout, &control); err != nil {
				return &trouble{err: err, next: flags.Reach(cmd.Root().DisplayName()+" rollout status") + " " + st.Name, code: exitFindings}
			}
			before := st.DeepCopy()
			st.Spec.Rollout.Control = &control
			patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}) // of the state that was looked at
			if err := connection.Patch(cmd.Context(), st, patch); err != nil {
				next, explained := cluster.Explain(err, flags, "change servicetemplate "+st.Name)
				return &trouble{err: explained, next: next}
			}
			_, err = fmt.Fprintf(std.out, "asked for %s of revision %d of template %s\n", action, control.Revision, st.Name)
			return err
		},
	}
	flags.Bind(cmd)
	return cmd
}

// goesInWaves says whether new revisions of a template go to some first.
func goesInWaves(st *platformv1alpha1.ServiceTemplate) bool {
	return st.Spec.Rollout != nil && len(st.Spec.Rollout.Waves) > 0
}

// rolledOut reads a template that is rolled out in waves; to show it alone, also one without.
func rolledOut(ctx context.Context, reader client.Reader, flags cluster.Flags, name string, show bool) (*platformv1alpha1.ServiceTemplate, error) {
	st := &platformv1alpha1.ServiceTemplate{}
	err := reader.Get(ctx, client.ObjectKey{Name: name}, st)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &trouble{err: fmt.Errorf("ServiceTemplate %s does not exist", name), next: flags.Kubectl() + " get servicetemplates", code: exitFindings}
	case err != nil:
		next, explained := cluster.Explain(err, flags, "read servicetemplate "+name)
		return nil, &trouble{err: explained, next: next}
	case !goesInWaves(st):
		if show {
			return st, nil
		}
		return nil, &trouble{err: fmt.Errorf("ServiceTemplate %s has no waves: a new revision reaches everybody at once", name), next: "give it spec.rollout.waves", code: exitFindings}
	case st.Status.Rollout == nil:
		return nil, &trouble{err: errors.New("the manager has not looked at the roll-out yet: is it running?"), next: flags.Kubectl() + " -n " + platformv1alpha1.SystemNamespace + " get pods"}
	}
	return st, nil
}

// maxPinned is how many pinned Components are named.
const maxPinned = 50

// pinnedTo lists the Components that stay at a revision of a template, sorted.
func pinnedTo(ctx context.Context, reader client.Reader, template string) ([]string, error) {
	var pinned []string
	err := cluster.Pages(ctx, reader, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		for i := range list.Items {
			if ref := list.Items[i].Spec.TemplateRef; ref.Name == template && ref.Revision != nil {
				pinned = append(pinned, pinnedAs(&list.Items[i]))
			}
		}
	})
	slices.Sort(pinned)
	return pinned, err
}

// printPinned names who is pinned, or says why it cannot.
func printPinned(b *strings.Builder, pinned []string, err error) {
	if err != nil {
		fmt.Fprintf(b, "who is pinned is not known: %v\n", err)
		return
	}
	if len(pinned) > 0 {
		b.WriteString("pinned, and stay as they are\n")
	}
	for _, name := range pinned[:min(len(pinned), maxPinned)] {
		fmt.Fprintf(b, "  %s\n", name)
	}
	if more := len(pinned) - maxPinned; more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
}

// printRollout shows a roll-out, and who is pinned; unknown is why that could not be read.
func printRollout(out io.Writer, st *platformv1alpha1.ServiceTemplate, pinned []string, unknown error) error {
	if !goesInWaves(st) {
		return printAtOnce(out, st, pinned, unknown)
	}
	s := st.Status.Rollout
	var b strings.Builder
	fmt.Fprintf(&b, "template %s: revision %d is %s\n  %s\n", st.Name, s.Revision, s.State, s.Message)
	for i, w := range st.Spec.Rollout.Waves {
		mark, tiers := " ", "all tiers"
		if int32(i+1) == s.Wave && s.State != platformv1alpha1.RolloutComplete { //nolint:gosec // at most 16 waves
			mark = ">"
		}
		if len(w.Tiers) > 0 {
			names := make([]string, len(w.Tiers))
			for j, tier := range w.Tiers {
				names[j] = string(tier)
			}
			tiers = strings.Join(names, ", ")
		}
		fmt.Fprintf(&b, "%s wave %d: %d %% of %s", mark, i+1, w.Percent, tiers)
		if w.SoakSeconds > 0 {
			fmt.Fprintf(&b, ", soaks %d s", w.SoakSeconds)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%d of %d are Ready at it, %d failed\n", s.Ready, s.Members, s.Failed)
	for _, f := range s.Failures {
		fmt.Fprintf(&b, "  %s/%s in %s: %s\n", f.Namespace, f.Component, f.Environment, f.Message)
	}
	if s.Broken > 0 {
		fmt.Fprintf(&b, "%d were broken without it, and are not waited for\n", s.Broken)
	}
	for _, f := range s.BrokenEnvironments {
		fmt.Fprintf(&b, "  %s/%s in %s: %s\n", f.Namespace, f.Component, f.Environment, f.Message)
	}
	printPlanned(&b, s)
	printPinned(&b, pinned, unknown)
	if s.State == platformv1alpha1.RolloutHalted {
		fmt.Fprintf(&b, "next: mend the template, or towpath rollout resume %s, or towpath rollout abort %s\n", st.Name, st.Name)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printAtOnce shows what the newest revision of a template without waves does to those who follow it.
func printAtOnce(out io.Writer, st *platformv1alpha1.ServiceTemplate, pinned []string, unknown error) error {
	var b strings.Builder
	latest := st.Status.LatestRevision
	if latest == nil {
		fmt.Fprintf(&b, "template %s: no revision of it has compiled\n", st.Name)
	} else {
		fmt.Fprintf(&b, "template %s: revision %d reaches everybody who follows it at once, since it has no spec.rollout.waves\n", st.Name, latest.Number)
		switch counted := st.Status.Impact; {
		case counted != nil && counted.Revision == latest.Number:
			printForeseen(&b, &counted.RolloutImpact)
		case latest.Number > 1:
			b.WriteString("what it changes is not counted yet\n")
		}
	}
	printPinned(&b, pinned, unknown)
	_, err := io.WriteString(out, b.String())
	return err
}

// printPlanned says what the revision does to those who follow the template, as it was counted when the roll-out began.
func printPlanned(b *strings.Builder, s *platformv1alpha1.TemplateRolloutStatus) {
	if s.Impact != nil {
		printForeseen(b, s.Impact)
	} else if s.State == platformv1alpha1.RolloutProgressing {
		b.WriteString("what it changes is not counted yet\n")
	}
}

func printForeseen(b *strings.Builder, i *platformv1alpha1.RolloutImpact) {
	line := func(where string, c platformv1alpha1.ImpactCount) {
		fmt.Fprintf(b, "%s%d of %d environments change, pods restart in %d, %d cannot get it", where, c.Changed, c.Following, c.Restarting, c.Cannot)
	}
	line("as planned: ", i.ImpactCount)
	if i.Pinned > 0 {
		fmt.Fprintf(b, "; %d pinned Components stay", i.Pinned)
	}
	b.WriteString("\n")
	for _, t := range i.Tiers {
		line("  "+string(t.Tier)+": ", t.ImpactCount)
		b.WriteString("\n")
	}
	for _, r := range i.Resources {
		fmt.Fprintf(b, "  %s\n", resourceLine(&r))
	}
	for _, blocked := range i.Blocked {
		fmt.Fprintf(b, "  cannot: %s/%s in %s: %s\n", blocked.Namespace, blocked.Component, blocked.Environment, blocked.Message)
	}
}

// resourceLine says what becomes of the objects of one resource.
func resourceLine(r *platformv1alpha1.ResourceImpact) string {
	var parts []string
	for _, c := range []struct {
		count int32
		what  string
	}{{r.Added, "added"}, {r.Changed, "changed"}, {r.Removed, "removed"}} {
		if c.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.count, c.what))
		}
	}
	text := fmt.Sprintf("%s (resource %s): %s", r.Kind, r.Resource, strings.Join(parts, ", "))
	if r.Restarting > 0 {
		text += fmt.Sprintf(", pods of %d restart", r.Restarting)
	}
	if len(r.Fields) > 0 {
		text += ": " + strings.Join(r.Fields, ", ")
	}
	return text
}
