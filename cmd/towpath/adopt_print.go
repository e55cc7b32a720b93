package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/running"
)

// print writes the manifests and the report. With a format the report goes to standard error.
func (a *adoption) print(std streams, as format) error {
	manifests, err := a.manifests(as)
	if err != nil {
		return err
	}
	var before, after strings.Builder
	a.sayFound(&before)
	a.sayConsent(&after)
	a.sayTakeover(&after)
	a.sayFirstVersion(&after)
	a.sayNotes(&after)
	if as == formatText {
		text := before.String() + "\nmanifests\n\n" + indent(manifests) + after.String()
		_, err = io.WriteString(std.out, text)
	} else if _, err = io.WriteString(std.out, manifests); err == nil {
		_, err = io.WriteString(std.err, before.String()+after.String())
	}
	if err == nil && len(a.proposal.Unmapped) > 0 {
		err = errFindings
	}
	return err
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func (a *adoption) manifests(as format) (string, error) {
	var list []map[string]any
	if e := a.environment; e != nil {
		list = append(list, map[string]any{"apiVersion": e.APIVersion, "kind": e.Kind, "spec": e.Spec,
			"metadata": map[string]any{"name": e.Name, "namespace": e.Namespace}})
	}
	list = append(list, written(a.proposal.Component))
	var out strings.Builder
	if as == formatJSON {
		err := printValue(&out, as, map[string]any{"apiVersion": "v1", "kind": "List", "items": list})
		return out.String(), err
	}
	for i, document := range list {
		text, err := yaml.Marshal(document)
		if err != nil {
			return "", err
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.String(), nil
}

func (a *adoption) sayFound(out *strings.Builder) {
	component := a.proposal.Component
	fmt.Fprintf(out, "found in namespace %s, for golden path %s\n", a.namespace, component.Spec.TemplateRef.Name)
	for _, match := range a.proposal.Matches {
		fmt.Fprintf(out, "  %s/%s  stands for resource %s\n", match.Found.GetKind(), match.Found.GetName(), match.Resource)
	}
	for _, stranger := range a.proposal.Strangers {
		fmt.Fprintf(out, "  %s/%s  has no place in the golden path: it is left alone, now and later", stranger.GetKind(), stranger.GetName())
		if slices.ContainsFunc(a.proposal.Unmapped, func(u adopt.Unmapped) bool { return u.Object == stranger.GetKind()+"/"+stranger.GetName() }) {
			out.WriteString(", but see not mapped")
		}
		out.WriteString("\n")
	}
}

// sayConsent prints the commands by which the owners of the objects agree.
func (a *adoption) sayConsent(out *strings.Builder) {
	out.WriteString("\nconsent, before the manifests are applied\n")
	if e := a.environment; e != nil {
		fmt.Fprintf(out, "  %s annotate namespace %s %s=%s/%s\n", a.kubectl, a.namespace, platformv1alpha1.AnnotationAdoptBy, e.Namespace, e.Name)
	}
	for _, match := range a.proposal.Matches {
		fmt.Fprintf(out, "  %s -n %s annotate %s/%s %s=%s\n", a.kubectl, a.namespace,
			strings.ToLower(match.Found.GetKind()), match.Found.GetName(), platformv1alpha1.AnnotationAdoptBy, a.proposal.Component.Name)
	}
}

// sayTakeover prints what taking over changes, with the proof.
func (a *adoption) sayTakeover(out *strings.Builder) {
	out.WriteString("\ntaking over adds labels to these objects, and changes nothing else; by dry run\n")
	without := false
	for i := range a.proofs {
		p := &a.proofs[i]
		without = without || p.WithoutLabels
		fmt.Fprintf(out, "  %s/%s  %s\n", p.Object.GetKind(), p.Object.GetName(), proofText(p))
		for _, claim := range adopt.Claims(p.Object) {
			fmt.Fprintf(out, "  PersistentVolumeClaim/%s-<number>  of its pods, those that live: labels too, by the consent of the StatefulSet\n", claim)
		}
	}
	if without {
		out.WriteString("  An admission policy lets only Towpath set its labels in this namespace, so the dry run went without them;\n" +
			"  labels in the metadata of an object are no part of what the generation counts.\n")
	}
	a.saySpace(out)
	if len(a.insecure) > 0 {
		fmt.Fprintf(out, "\nWARNING: class %s holds pods to %q, and those that run now would be refused:\n", a.class.Name, strings.ToLower(string(a.class.Spec.PodSecurity)))
		for _, reason := range a.insecure {
			fmt.Fprintf(out, "  %s\n", reason)
		}
		out.WriteString("  They run on. But a pod that is made again before the first new version (a drained node, an eviction, more\n" +
			"  replicas) is REFUSED. Choose a class of a lower level first, or bring the first new version at once.\n")
	}
}

// limitsOf names what a class puts into the namespace that may harm what runs there.
func limitsOf(g *platformv1alpha1.Guardrails) []string {
	var limits []string
	if len(g.Quota) > 0 {
		limits = append(limits, "a ResourceQuota")
	}
	if g.Containers != nil {
		limits = append(limits, "a LimitRange")
	}
	if g.Isolation != "" && g.Isolation != platformv1alpha1.IsolationOpen {
		limits = append(limits, fmt.Sprintf("a NetworkPolicy for isolation %s, which cuts other traffic", g.Isolation))
	}
	return limits
}

// saySpace prints what becomes of the namespace.
func (a *adoption) saySpace(out *strings.Builder) {
	if a.space == nil || len(a.space.Changes) == 0 {
		return
	}
	fmt.Fprintf(out, "\nEnvironment %s labels namespace %s, and makes the role bindings %s and %s in it\n",
		a.proposal.Component.Spec.Environments[len(a.proposal.Component.Spec.Environments)-1].Name, a.namespace, platformv1alpha1.ApplierClusterRole, platformv1alpha1.ApplierExtraClusterRole)
	for i := range a.space.Changes {
		fmt.Fprintf(out, "  %s %s\n", mark(a.space.Changes[i].Kind), a.space.Changes[i].String())
	}
	if a.aliasesUnknown {
		out.WriteString("  Label aliases of the manager's configuration (such as team or owner) come too, in place of others of the same key.\n")
	}
	if limits := limitsOf(&a.class.Spec.Guardrails); len(limits) > 0 {
		fmt.Fprintf(out, "  Class %s brings %s: make sure that what runs there already can live with it.\n", a.class.Name, strings.Join(limits, ", "))
	}
	out.WriteString("  Once the Environment is deleted, the values that stand here on the left come back, with the pod security, and\n" +
		"  what was added goes.\n")
	switch {
	case apierrors.IsForbidden(a.space.Err):
		out.WriteString("  NOT PROVEN: you may not patch the namespace, and a dry run needs that: " + a.space.Err.Error() + "\n")
	case a.space.Err != nil:
		out.WriteString("  NOT PROVEN: " + a.space.Err.Error() + "\n")
	case !a.space.Unchanged:
		out.WriteString("  NOT PROVEN: the dry run changes more than that: a webhook may do that; do not go on before you know which\n")
	default:
		out.WriteString("  by dry run, without the labels that only Towpath may set: nothing else in it changes\n")
	}
	for _, warning := range a.space.Warnings {
		out.WriteString("  WARNING: the API server says: " + warning + "\n")
	}
}

func proofText(p *running.Proof) string {
	switch {
	case apierrors.IsForbidden(p.Err):
		return "NOT PROVEN: you may not patch it, and a dry run needs that: " + p.Err.Error()
	case p.Err != nil:
		return "NOT PROVEN: " + p.Err.Error()
	case !p.Unchanged:
		return fmt.Sprintf("NOT PROVEN: the dry run changes it (generation %d -> %d): a webhook may do that; do not go on before you know which", p.Before, p.After)
	}
	return fmt.Sprintf("generation %d before, %d after, spec the same: nothing restarts", p.Before, p.After)
}

// sayFirstVersion prints what the first new version will change, by object.
func (a *adoption) sayFirstVersion(out *strings.Builder) {
	out.WriteString("\nthe first new version (another image, parameter or variable) changes\n")
	object := ""
	for i := range a.proposal.Differences {
		d := &a.proposal.Differences[i]
		if d.Object != object {
			object = d.Object
			fmt.Fprintf(out, "  %s\n", object)
		}
		fmt.Fprintf(out, "    %s %s\n", mark(d.Kind), d.String())
	}
	if object == "" {
		out.WriteString("  nothing but labels\n")
	}
	if len(a.aliases) > 0 {
		fmt.Fprintf(out, "  and labels all of them, and their pods, for cost tools: %s\n", labels.Set(a.aliases))
	}
	if len(a.proposal.New) > 0 {
		out.WriteString("and makes\n")
		for _, made := range a.proposal.New {
			fmt.Fprintf(out, "    + %s/%s\n", made.Kind, made.Name)
		}
	}
}

func mark(kind adopt.DifferenceKind) string {
	return map[adopt.DifferenceKind]string{adopt.Added: "+", adopt.Removed: "-", adopt.Changed: "~"}[kind]
}

func (a *adoption) sayNotes(out *strings.Builder) {
	if len(a.managers) > 0 {
		fmt.Fprintf(out, "\nnote: fields of %s are set by %s: once it is taken over, nothing else may write it any more, or both change it back and forth\n",
			a.proposal.Matches[0].Found.GetKind(), strings.Join(a.managers, ", "))
	}
	for _, note := range append(a.notes, a.proposal.Notes...) {
		fmt.Fprintf(out, "note: %s\n", note)
	}
	for i := range a.proposal.Unmapped {
		fmt.Fprintf(out, "not mapped: %s\n", a.proposal.Unmapped[i].String())
	}
}
