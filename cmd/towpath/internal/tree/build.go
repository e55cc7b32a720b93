package tree

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/dora"
)

// Options choose what a Report shows and how its commands are written.
type Options struct {
	// Namespace that was read; empty for all.
	Namespace string
	// Component to show; empty for all.
	Component string
	// Kubectl, Status, Approve, Promote, Extend and Wake begin the commands of Report.Next: "kubectl", "towpath status".
	Kubectl, Status, Approve, Promote, Extend, Wake string
}

// key is the namespace and name of an object.
type key struct{ namespace, name string }

// Build makes the Report of a Snapshot. The error is a *NotFound.
func Build(snapshot *Snapshot, options Options) (*Report, error) {
	environments := map[key]*platformv1alpha1.Environment{}
	for i := range snapshot.Environments {
		environment := &snapshot.Environments[i]
		environments[key{environment.Namespace, environment.Name}] = environment
	}
	releases := newest(snapshot.Releases)
	teams := map[string]*Team{}
	var others []string
	used := map[key]bool{}
	for i := range snapshot.Components {
		component := &snapshot.Components[i]
		for _, step := range component.Spec.Environments {
			used[key{component.Namespace, step.Name}] = true
		}
		if options.Component != "" && component.Name != options.Component {
			others = append(others, component.Name)
			continue
		}
		team := teamOf(teams, snapshot, component.Namespace)
		team.Components = append(team.Components, buildComponent(component, environments, releases))
	}
	if options.Component == "" {
		for i := range snapshot.Environments {
			environment := &snapshot.Environments[i]
			if !used[key{environment.Namespace, environment.Name}] {
				team := teamOf(teams, snapshot, environment.Namespace)
				team.Unused = append(team.Unused, buildEnvironment(environment.Name, environment))
			}
		}
		for name, namespace := range snapshot.Namespaces {
			if isHome(namespace.Labels) {
				teamOf(teams, snapshot, name)
			}
		}
	} else if len(teams) == 0 {
		slices.Sort(others)
		return nil, &NotFound{Namespace: options.Namespace, Component: options.Component, Others: slices.Compact(others)}
	}
	report := &Report{APIVersion: ReportAPIVersion, Kind: ReportKind, Teams: []Team{}, Next: []Step{}}
	for _, namespace := range slices.Sorted(maps.Keys(teams)) {
		team := teams[namespace]
		slices.SortFunc(team.Components, func(a, b Component) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(team.Unused, func(a, b Environment) int { return cmp.Compare(a.Name, b.Name) })
		report.Teams = append(report.Teams, *team)
	}
	report.Next = nextSteps(report, options)
	return report, nil
}

// isHome tells a home namespace from a workload namespace, which bears the team's labels as well.
func isHome(labels map[string]string) bool {
	return labels[platformv1alpha1.LabelTeam] != "" && labels[platformv1alpha1.LabelEnvironment] == ""
}

// newest returns the Releases by name, and the one that runs, which is that with the highest number, for each Component and
// environment under the name <component>/<environment>.
func newest(all []platformv1alpha1.Release) map[key]*platformv1alpha1.Release {
	byName := map[key]*platformv1alpha1.Release{}
	for i := range all {
		release := &all[i]
		byName[key{release.Namespace, release.Name}] = release
		if !release.Opened() {
			continue
		}
		path := key{release.Namespace, release.Spec.Component.Name + "/" + release.Spec.Environment.Name}
		if other := byName[path]; other == nil || other.Spec.Number < release.Spec.Number {
			byName[path] = release
		}
	}
	return byName
}

func teamOf(teams map[string]*Team, snapshot *Snapshot, namespace string) *Team {
	if team := teams[namespace]; team != nil {
		return team
	}
	labels := snapshot.Namespaces[namespace].Labels
	team := &Team{
		Namespace:  namespace,
		Name:       labels[platformv1alpha1.LabelTeam],
		CostCenter: labels[platformv1alpha1.LabelCostCenter],
		Components: []Component{},
	}
	for i := range snapshot.Environments {
		environment := &snapshot.Environments[i]
		if environment.Namespace == namespace {
			team.Name = cmp.Or(team.Name, environment.Status.Team)
			team.CostCenter = cmp.Or(team.CostCenter, environment.Status.CostCenter)
		}
	}
	teams[namespace] = team
	return team
}

func buildComponent(component *platformv1alpha1.Component, environments map[key]*platformv1alpha1.Environment,
	releases map[key]*platformv1alpha1.Release) Component {
	seen := component.Status.ObservedGeneration >= component.Generation
	built := Component{
		Name:     component.Name,
		Template: component.Spec.TemplateRef.Name,
		Image:    component.Spec.Image,
		Health:   healthOf(component.Status.Conditions, seen),
		Ready:    conditionOf(component.Status.Conditions, platformv1alpha1.ConditionReady),
		Promoted: conditionOf(component.Status.Conditions, platformv1alpha1.ConditionPromoted),
	}
	built.EstimatedCost = component.Status.EstimatedCost
	if pin := component.Spec.TemplateRef.Revision; pin != nil {
		built.PinnedRevision = *pin
	}
	if meta.IsStatusConditionTrue(component.Status.Conditions, platformv1alpha1.ConditionOverridesExpiring) {
		expiring := conditionOf(component.Status.Conditions, platformv1alpha1.ConditionOverridesExpiring)
		built.OverridesExpiring = &expiring
	}
	if meta.IsStatusConditionFalse(component.Status.Conditions, platformv1alpha1.ConditionPipelineInStep) {
		behind := conditionOf(component.Status.Conditions, platformv1alpha1.ConditionPipelineInStep)
		built.PipelineBehind = &behind
	}
	states := map[string]platformv1alpha1.ComponentEnvironmentStatus{}
	for _, state := range component.Status.Environments {
		states[state.Name] = state
	}
	for _, step := range component.Spec.Environments {
		environment := buildEnvironment(step.Name, environments[key{component.Namespace, step.Name}])
		environment.RollbackTo = step.RollbackTo
		state := states[step.Name]
		if state.Reason != "" && state.Reason != platformv1alpha1.ReasonReady {
			environment.Waiting = &Condition{Status: cmp.Or(state.Ready, metav1.ConditionUnknown), Reason: state.Reason, Message: state.Message}
		}
		release := releases[key{component.Namespace, state.Release}]
		if release == nil {
			release = releases[key{component.Namespace, component.Name + "/" + step.Name}]
		}
		if release != nil {
			environment.Release = buildRelease(release)
		}
		if pending := releases[key{component.Namespace, state.Pending}]; pending != nil {
			environment.Pending = buildPending(pending)
		}
		built.Environments = append(built.Environments, environment)
	}
	return built
}

func buildEnvironment(name string, environment *platformv1alpha1.Environment) Environment {
	if environment == nil {
		return Environment{Name: name, Health: Missing, Ready: Condition{Status: metav1.ConditionUnknown}}
	}
	status := &environment.Status
	built := Environment{
		Name:      name,
		Class:     environment.Spec.ClassRef.Name,
		Tier:      status.Tier,
		Namespace: status.Namespace,
		Health:    healthOf(status.Conditions, status.ObservedGeneration >= environment.Generation),
		Ready:     conditionOf(status.Conditions, platformv1alpha1.ConditionReady),
		ExpiresAt: status.ExpiresAt,
	}
	if meta.IsStatusConditionTrue(status.Conditions, platformv1alpha1.ConditionExpiring) {
		expiring := conditionOf(status.Conditions, platformv1alpha1.ConditionExpiring)
		built.Expiring = &expiring
	}
	if environment.Asleep() {
		built.Sleep = &Sleep{Since: status.Sleep.Since, Until: status.Sleep.Until}
	}
	return built
}

func buildRelease(release *platformv1alpha1.Release) *Release {
	built := &Release{
		Name:      release.Name,
		Number:    release.Spec.Number,
		Revision:  release.Spec.Revision.Number,
		Image:     release.Spec.Image,
		Cause:     release.Spec.Cause,
		CreatedAt: release.CreationTimestamp,
		Health:    healthOf(release.Status.Conditions, release.Status.ObservedGeneration >= release.Generation),
		Ready:     conditionOf(release.Status.Conditions, platformv1alpha1.ConditionReady),
		Objects:   []Object{},
	}
	if endpoint := release.Spec.Endpoint; endpoint != nil {
		built.Ports = endpoint.Ports
	}
	states := map[platformv1alpha1.ReleaseObject]platformv1alpha1.ReleaseObjectStatus{}
	for _, state := range release.Status.Objects {
		states[state.ReleaseObject] = state
	}
	// The inventory is complete from the start; the status fills up as objects are applied.
	for _, item := range release.Spec.Inventory {
		state := states[item]
		built.Objects = append(built.Objects, Object{
			Resource: item.Resource, APIVersion: item.APIVersion, Kind: item.Kind, Name: item.Name,
			Health: cmp.Or(Health(state.Health), Unknown), Message: state.Message,
		})
	}
	built.Checks, built.EstimatedCost, built.Commit = buildChecks(release), release.Cost(), buildCommit(release)
	return built
}

func buildCommit(release *platformv1alpha1.Release) *Commit {
	commit := release.Spec.Commit
	if commit == nil {
		return nil
	}
	built := &Commit{SHA: commit.SHA, Author: commit.Author, CommittedAt: commit.CommittedAt}
	if lead, known := dora.LeadTime(release); known {
		built.LeadTimeSeconds = ptr.To(int64(lead.Seconds()))
	}
	if commits := release.Spec.Commits; commits != nil {
		built.New, built.OldestCommittedAt = commits.Count, commits.OldestCommittedAt
	}
	if lead, known := dora.LongestLeadTime(release); known {
		built.LongestLeadTimeSeconds = ptr.To(int64(lead.Seconds()))
	}
	return built
}

func buildChecks(release *platformv1alpha1.Release) []Check {
	var checks []Check
	for i := range release.Spec.Checks {
		c := &release.Spec.Checks[i]
		built := Check{Name: c.Name, Origin: c.Origin, Health: Progressing, Count: max(c.Count, 1)}
		for _, state := range release.Status.Checks {
			if state.Name != c.Name || state.Origin != c.Origin {
				continue
			}
			built.Succeeded, built.Failed, built.Message, built.Job = state.Succeeded, state.Failed, state.Message, state.Job
			switch {
			case state.State == platformv1alpha1.CheckFailed:
				built.Health = Failed
			case state.State == platformv1alpha1.CheckPassed && state.Inconclusive == 0:
				built.Health = Ready
			}
		}
		checks = append(checks, built)
	}
	return checks
}

func buildPending(release *platformv1alpha1.Release) *Pending {
	pending := &Pending{
		Name: release.Name, Number: release.Spec.Number, Image: release.Spec.Image, CreatedAt: release.CreationTimestamp, Commit: buildCommit(release),
	}
	for _, d := range release.Status.Decisions {
		if d.Decision == platformv1alpha1.DecisionApprove && !slices.Contains(pending.ApprovedBy, d.Approver) {
			pending.ApprovedBy = append(pending.ApprovedBy, d.Approver)
		}
	}
	return pending
}

// healthOf reads conditions as kstatus does. seen is false where they speak of an older spec.
func healthOf(conditions []metav1.Condition, seen bool) Health {
	switch {
	case len(conditions) == 0:
		return Unknown
	case !seen:
		return Progressing
	case meta.IsStatusConditionTrue(conditions, platformv1alpha1.ConditionStalled):
		return Failed
	case meta.IsStatusConditionTrue(conditions, platformv1alpha1.ConditionReady):
		return Ready
	}
	return Progressing
}

func conditionOf(conditions []metav1.Condition, conditionType string) Condition {
	condition := meta.FindStatusCondition(conditions, conditionType)
	if condition == nil {
		return Condition{Status: metav1.ConditionUnknown}
	}
	return Condition{Status: condition.Status, Reason: condition.Reason, Message: condition.Message}
}

// revisions shows the template with the revisions that run: one, or the range on a roll-out.
func (c *Component) revisions() string {
	var low, high int64
	for _, environment := range c.Environments {
		if release := environment.Release; release != nil {
			if low == 0 || release.Revision < low {
				low = release.Revision
			}
			high = max(high, release.Revision)
		}
	}
	shown := c.Template
	switch {
	case high == 0:
		return shown
	case low == high:
		shown += "@" + strconv.FormatInt(high, 10)
	default:
		shown += "@" + strconv.FormatInt(low, 10) + "…" + strconv.FormatInt(high, 10)
	}
	if c.PinnedRevision != 0 {
		shown += " (pinned)"
	}
	return shown
}

// listing joins names, and says how many it left out.
func listing(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
}
