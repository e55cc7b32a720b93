package servicetemplate

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/compatibility"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/index"
)

const (
	// maxChanges and maxChange bound the changes in the status.
	maxChanges, maxChangePath, maxChange = 64, 512, 1024
	// maxNamed is how many breaking changes a refusal names.
	maxNamed = 5
)

// summarize is a list of changes for the status.
func summarize(changes []compatibility.Change) []platformv1alpha1.TemplateChange {
	var all []platformv1alpha1.TemplateChange
	for _, c := range changes[:min(len(changes), maxChanges)] {
		all = append(all, platformv1alpha1.TemplateChange{
			Level: c.Level, Path: condition.Clip(c.Path, maxChangePath), Message: condition.Clip(c.Message, maxChange),
		})
	}
	return all
}

// refusal says why a template must not follow its newest revision; empty where it may. A breaking change needs leave
// where Components follow the template without a pin, unless it is experimental, and has been so since that revision: else
// the word that breaks the promise could stand in the same edit as the breach.
func refusal(ctx context.Context, reader client.Reader, st *platformv1alpha1.ServiceTemplate, latest *platformv1alpha1.ServiceTemplateRevision, changes []compatibility.Change) (string, error) {
	experimental := st.Spec.Maturity == platformv1alpha1.MaturityExperimental
	if compatibility.Highest(changes) != platformv1alpha1.ChangeBreaking || experimental && latest.Status.Maturity == platformv1alpha1.MaturityExperimental {
		return "", nil
	}
	number := latest.Spec.Number
	if rollout := st.Spec.Rollout; rollout != nil && rollout.AllowBreaking != nil && rollout.AllowBreaking.FromRevision == number {
		return "", nil
	}
	var users platformv1alpha1.ComponentList
	if err := reader.List(ctx, &users, client.MatchingFields{index.ComponentTemplate: st.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("listing Components: %w", err)
	}
	following := 0
	for i := range users.Items {
		if users.Items[i].Spec.TemplateRef.Revision == nil {
			following++
		}
	}
	if following == 0 {
		return "", nil
	}
	var named []string
	breaking := 0
	for _, c := range changes {
		if c.Level != platformv1alpha1.ChangeBreaking {
			continue
		}
		if breaking++; breaking <= maxNamed {
			named = append(named, c.Path+": "+c.Message)
		}
	}
	more := ""
	if breaking > maxNamed {
		more = fmt.Sprintf("; and %d more", breaking-maxNamed)
	}
	promised := ""
	if experimental {
		promised = fmt.Sprintf("Revision %d was promised to be Stable, which maturity: Experimental changes for those after it. ", number)
	}
	return fmt.Sprintf("%d Components follow the template, and could fail at what it changes: %s%s. "+promised+
		"Make the change compatible, make another template, or allow it: spec.rollout.allowBreaking: {fromRevision: %d, reason: …}",
		following, strings.Join(named, "; "), more, number), nil
}
