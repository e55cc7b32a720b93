package tree

import (
	"fmt"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// mostSteps bounds Report.Next: who has more trouble than that begins at the top.
const mostSteps = 8

// advisor collects the commands that help.
type advisor struct {
	Options
	steps []Step
}

func nextSteps(report *Report, options Options) []Step {
	advice := &advisor{Options: options, steps: []Step{}}
	components := 0
	for i := range report.Teams {
		team := &report.Teams[i]
		components += len(team.Components)
		for j := range team.Components {
			advice.component(team, &team.Components[j])
			if component := &team.Components[j]; component.OverridesExpiring != nil {
				advice.kubectl("component "+component.Name+": take the override out of spec.overrides, or set a later date in expires",
					team.Namespace, "edit component %s", component.Name)
			}
		}
		advice.expiring(team)
		for j := range team.Unused {
			advice.environment(team.Namespace, &team.Unused[j])
		}
	}
	switch {
	case components == 0:
		advice.nothingYet(report)
	case len(advice.steps) == 0:
		advice.allWell(report, components)
	}
	return advice.steps[:min(len(advice.steps), mostSteps)]
}

// expiring helps with environments whose end is near.
func (a *advisor) expiring(team *Team) {
	look := func(e *Environment) {
		if e.Expiring != nil {
			a.add("environment "+e.Name+" ends soon, with everything in it; put that off", "%s -n %s %s --for 24h", a.Extend, team.Namespace, e.Name)
		}
	}
	for i := range team.Components {
		for j := range team.Components[i].Environments {
			look(&team.Components[i].Environments[j])
		}
	}
	for i := range team.Unused {
		look(&team.Unused[i])
	}
}

// add takes a command once: many objects may fail for one reason.
func (a *advisor) add(why, command string, args ...any) {
	step := Step{Command: fmt.Sprintf(command, args...), Why: why}
	if !slices.ContainsFunc(a.steps, func(s Step) bool { return s.Command == step.Command }) {
		a.steps = append(a.steps, step)
	}
}

func (a *advisor) kubectl(why, namespace, command string, args ...any) {
	in := ""
	if namespace != "" {
		in = " -n " + namespace
	}
	a.add(why, "%s%s %s", a.Kubectl, in, fmt.Sprintf(command, args...))
}

// nothingYet helps who has no Component.
func (a *advisor) nothingYet(report *Report) {
	home := ""
	for i := range report.Teams {
		if report.Teams[i].Name != "" {
			home = report.Teams[i].Namespace
			break
		}
	}
	switch {
	case home != "":
		a.kubectl("what a Component may be made from", "", "get servicetemplates")
		a.kubectl("make the first Component", home, "apply -f component.yaml")
	case a.Namespace != "":
		a.add("namespace "+a.Namespace+" is not the home of a team; look at every team", "%s -A", a.Status)
		a.label("or, as the platform team, make it one", a.Namespace)
	default:
		a.label("as the platform team, make a namespace the home of a team", "NAMESPACE")
	}
}

func (a *advisor) label(why, namespace string) {
	a.kubectl(why, "", "label namespace %s %s=TEAM %s=COST-CENTER",
		namespace, platformv1alpha1.LabelTeam, platformv1alpha1.LabelCostCenter)
}

// allWell says how to look closer, or how to call the service.
func (a *advisor) allWell(report *Report, components int) {
	for i := range report.Teams {
		for _, component := range report.Teams[i].Components {
			for _, environment := range component.Environments {
				if environment.Release == nil || len(environment.Release.Ports) == 0 {
					continue
				}
				for _, object := range environment.Release.Objects {
					if object.Kind == "Deployment" || object.Kind == "StatefulSet" {
						a.kubectl("call "+component.Name+" in "+environment.Name, environment.Namespace,
							"port-forward %s/%s 8080:%d", strings.ToLower(object.Kind), object.Name, environment.Release.Ports[0])
					}
				}
				if len(a.steps) > 0 {
					if components > 1 {
						a.add("one Component alone", "%s -n %s %s", a.Status, report.Teams[i].Namespace, component.Name)
					}
					return
				}
			}
		}
	}
}

// component helps with the first thing that stands in a Component's way.
func (a *advisor) component(team *Team, component *Component) {
	home, name := team.Namespace, component.Name
	if component.Health == Unknown {
		a.kubectl("component "+name+" was not looked at yet: is the manager running?", platformv1alpha1.SystemNamespace, "get pods")
		return
	}
	for i := range component.Environments {
		a.gate(home, name, &component.Environments[i])
	}
	for i := range component.Environments {
		if environment := &component.Environments[i]; environment.Sleep != nil {
			a.add(fmt.Sprintf("environment %s is %s", environment.Name, environment.Sleep), "%s -n %s %s", a.Wake, home, environment.Name)
		}
	}
	if component.Health == Ready {
		return
	}
	known := a.reason(home, component, component.Ready.Reason)
	for i := range component.Environments {
		environment := &component.Environments[i]
		if environment.Waiting != nil && a.reason(home, component, environment.Waiting.Reason) {
			known = true
		}
		if a.environmentOf(home, name, environment) {
			known = true
		}
	}
	if !known {
		a.kubectl("component "+name+": "+component.Ready.Reason, home, "describe component %s", name)
	}
}

// gate helps a Release through the gate of an environment.
func (a *advisor) gate(home, component string, environment *Environment) {
	if environment.Waiting == nil {
		return
	}
	why := "component " + component + " in " + environment.Name + ": " + environment.Waiting.Reason
	if environment.Waiting.Reason == platformv1alpha1.ReasonRolledBack && environment.RollbackTo != 0 {
		a.add(why+"; let new versions in again", "%s -n %s %s %s", a.Promote, home, component, environment.Name)
		return
	}
	switch environment.Waiting.Reason {
	case platformv1alpha1.ReasonWaitingForApproval:
		if environment.Pending != nil {
			a.add(why, "%s -n %s %s", a.Approve, home, environment.Pending.Name)
		}
	case platformv1alpha1.ReasonWaitingForPromotion:
		if environment.Pending != nil {
			a.add(why, "%s -n %s %s", a.Promote, home, environment.Pending.Name)
		}
	case platformv1alpha1.ReasonRolledBack, platformv1alpha1.ReasonRejected, platformv1alpha1.ReasonAuthorUnknown, platformv1alpha1.ReasonTierMissing:
		a.kubectl(why+"; change it", home, "edit component %s", component)
	}
}

// reason helps with what is wrong with the Component itself.
func (a *advisor) reason(home string, component *Component, reason string) bool {
	why := "component " + component.Name + ": " + reason
	switch reason {
	case platformv1alpha1.ReasonParametersInvalid:
		a.kubectl(why+"; correct it", home, "edit component %s", component.Name)
		a.kubectl("the parameters that the template takes", "", "get servicetemplate %s -o jsonpath={.spec.parameters}", component.Template)
	case platformv1alpha1.ReasonTemplateNotFound:
		a.kubectl(why+"; these exist", "", "get servicetemplates")
	case platformv1alpha1.ReasonRevisionNotFound:
		a.kubectl(why+"; these exist", "", "get servicetemplaterevisions")
	case platformv1alpha1.ReasonRenderFailed, platformv1alpha1.ReasonRefused, platformv1alpha1.ReasonOverrideRefused, platformv1alpha1.ReasonChecksInvalid:
		a.kubectl(why, home, "describe component %s", component.Name)
	case platformv1alpha1.ReasonNotTeamNamespace:
		a.label(why+"; the platform team makes it one", home)
	default:
		return false
	}
	return true
}

// environmentOf helps with an environment of a path and with the Release in it.
func (a *advisor) environmentOf(home, component string, environment *Environment) bool {
	if environment.Health == Missing {
		a.kubectl("component "+component+" waits for environment "+environment.Name+", which does not exist; these do", home, "get environments")
		return true
	}
	if a.environment(home, environment) {
		return true
	}
	if environment.Release == nil || environment.Release.Health == Ready {
		return false
	}
	return a.release(home, component, environment)
}

// environment helps with an Environment that is not Ready.
func (a *advisor) environment(home string, environment *Environment) bool {
	why := "environment " + environment.Name + ": " + environment.Ready.Reason
	switch {
	case environment.Health == Ready:
		return false
	case environment.Ready.Reason == platformv1alpha1.ReasonClassNotFound:
		a.kubectl(why+"; these exist", "", "get environmentclasses")
	case environment.Ready.Reason == platformv1alpha1.ReasonNotTeamNamespace:
		a.label(why+"; the platform team makes it one", home)
	case environment.Health == Unknown:
		a.kubectl("environment "+environment.Name+" was not looked at yet: is the manager running?", platformv1alpha1.SystemNamespace, "get pods")
	default:
		a.kubectl(why, home, "describe environment %s", environment.Name)
	}
	return true
}

// release helps with a Release that is not Ready: with its pods where a workload is the cause, else
// with the object, else with the Release.
func (a *advisor) release(home, component string, environment *Environment) bool {
	release := environment.Release
	why := "release " + release.Name + ": " + release.Ready.Reason
	if release.Health == Unknown {
		a.kubectl("release "+release.Name+" was not looked at yet: is the manager running?", platformv1alpha1.SystemNamespace, "get pods")
		return true
	}
	if release.Ready.Reason == platformv1alpha1.ReasonKindUnavailable {
		a.kubectl(why, "", "api-resources")
		return true
	}
	if release.Ready.Reason == platformv1alpha1.ReasonChecksFailed {
		a.checks(home, component, environment)
		return true
	}
	found := false
	failed := slices.ContainsFunc(release.Objects, func(o Object) bool { return o.Health == Failed })
	for _, object := range release.Objects {
		if object.Health == Ready || object.Health == Unknown || failed && object.Health != Failed {
			continue // beside one that failed, others only wait
		}
		found = true
		if release.Ready.Reason != platformv1alpha1.ReasonObjectTaken &&
			(object.Kind == "Deployment" || object.Kind == "StatefulSet" || object.Kind == "Job") {
			pods := platformv1alpha1.LabelComponent + "=" + component
			a.kubectl(why, environment.Namespace, "describe %s %s", strings.ToLower(object.Kind), object.Name)
			a.kubectl("its pods", environment.Namespace, "get pods -l %s", pods)
			a.kubectl("what they said last", environment.Namespace, "logs -l %s --all-containers --tail=20", pods)
			continue
		}
		a.kubectl(why, environment.Namespace, "describe %s %s", resourceArg(object), object.Name)
	}
	if !found {
		a.kubectl(why, home, "describe release %s", release.Name)
	}
	return true
}

// checks helps with a Release whose checks have failed: with what the Job of one said, and with the version.
func (a *advisor) checks(home, component string, environment *Environment) {
	for _, c := range environment.Release.Checks {
		if c.Health == Failed && c.Job != "" {
			a.kubectl("check "+c.Name+" of release "+environment.Release.Name+" failed; what its Job said", environment.Namespace, "logs job/%s --all-containers --tail=20", c.Job)
		}
	}
	a.kubectl("mend the version, and change the component", home, "edit component %s", component)
}

// resourceArg names a kind so that kubectl cannot take it for another group's.
func resourceArg(object Object) string {
	kind := strings.ToLower(object.Kind)
	group, version, ok := strings.Cut(object.APIVersion, "/")
	if !ok {
		return kind
	}
	return kind + "." + version + "." + group
}
