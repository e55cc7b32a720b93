package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Outcome is how a step that ran has ended.
type Outcome struct {
	Succeeded bool
	// Message says why it failed.
	Message string
	// Image is what it says that it pushed, or put beside the image; empty for nothing.
	Image string
	// At is when it ended.
	At time.Time
}

// Begin gives the stages of a Build that has not begun any.
func Begin(plan *Plan) []platformv1alpha1.BuildStage {
	stages := make([]platformv1alpha1.BuildStage, len(plan.Steps))
	for i := range plan.Steps {
		stages[i] = platformv1alpha1.BuildStage{Name: plan.Steps[i].Name, State: platformv1alpha1.StageWaiting}
		if plan.Steps[i].Skipped {
			stages[i].State, stages[i].Message = platformv1alpha1.StageSkipped, "Its condition leaves it out."
		}
	}
	return stages
}

// Advance takes into the stages what has ended, and begins those that nothing keeps any more. It changes the stages in place. What
// stands in the plan and not in the stages is not run: a Build keeps the stages with which it began.
func Advance(plan *Plan, stages []platformv1alpha1.BuildStage, ended map[string]Outcome, now time.Time) {
	at := metav1.NewTime(now.Truncate(time.Second))
	index := map[string]int{}
	for i := range stages {
		s := &stages[i]
		index[s.Name] = i
		outcome, ok := ended[s.Name]
		if s.State != platformv1alpha1.StageRunning || !ok {
			continue
		}
		s.State, s.Message, s.Image = platformv1alpha1.StageFailed, outcome.Message, ""
		if outcome.Succeeded {
			s.State = platformv1alpha1.StageSucceeded
			plan.report(s, outcome.Image)
		}
		completed := metav1.NewTime(outcome.At.Truncate(time.Second))
		if outcome.At.IsZero() || s.StartedAt != nil && completed.Before(s.StartedAt) {
			completed = at
		}
		s.CompletedAt = &completed
	}
	for i := range plan.Steps { // each stands behind what it needs
		step := &plan.Steps[i]
		known, ok := index[step.Name]
		if !ok || stages[known].State != platformv1alpha1.StageWaiting {
			continue
		}
		s, ready := &stages[known], true
		for _, name := range step.Needs {
			need, ok := index[name]
			if !ok {
				continue
			}
			switch stages[need].State {
			case platformv1alpha1.StageFailed, platformv1alpha1.StageCancelled:
				s.State, s.Message, ready = platformv1alpha1.StageCancelled, fmt.Sprintf("Stage %s, which it needs, did not succeed.", name), false
			case platformv1alpha1.StageWaiting, platformv1alpha1.StageRunning:
				ready = false
			}
		}
		if ready {
			s.State, s.StartedAt = platformv1alpha1.StageRunning, at.DeepCopy()
		}
	}
}

// report takes down what a stage has written to TOWPATH_RESULT: one that looks into the image says what it put beside it, all others
// what they pushed.
func (p *Plan) report(s *platformv1alpha1.BuildStage, reference string) {
	for i := range p.Steps {
		if p.Steps[i].Name == s.Name {
			p.Steps[i].Report(s, reference)
			return
		}
	}
	s.Image = reference
}

// Report takes down what a stage of the step has written to TOWPATH_RESULT.
func (step *Step) Report(s *platformv1alpha1.BuildStage, reference string) {
	if step.Evidence() != "" {
		s.Evidence = reference
	} else {
		s.Image = reference
	}
}

// Reported is the evidence that the stages of a plan say they put beside the image: of each type the last.
func Reported(plan *Plan, stages []platformv1alpha1.BuildStage) []platformv1alpha1.Evidence {
	of := map[string]platformv1alpha1.EvidenceType{}
	for i := range plan.Steps {
		of[plan.Steps[i].Name] = plan.Steps[i].Evidence()
	}
	found := map[platformv1alpha1.EvidenceType]platformv1alpha1.Evidence{}
	for i := range stages {
		s := &stages[i]
		if kind := of[s.Name]; kind != "" && s.Evidence != "" {
			found[kind] = platformv1alpha1.Evidence{Type: kind, Location: s.Evidence, CreatedAt: s.CompletedAt}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b platformv1alpha1.Evidence) int { return cmp.Compare(a.Type, b.Type) })
}

// Cancel ends every stage that has not ended.
func Cancel(stages []platformv1alpha1.BuildStage, message string, now time.Time) {
	at := metav1.NewTime(now.Truncate(time.Second))
	for i := range stages {
		s := &stages[i]
		switch s.State {
		case platformv1alpha1.StageRunning:
			s.State, s.Message, s.CompletedAt = platformv1alpha1.StageCancelled, message, at.DeepCopy()
		case platformv1alpha1.StageWaiting:
			s.State, s.Message = platformv1alpha1.StageCancelled, message
		}
	}
}

// Result says how the stages ended together; empty while one has not.
func Result(stages []platformv1alpha1.BuildStage) platformv1alpha1.BuildResult {
	is := func(states ...platformv1alpha1.StageState) bool {
		return slices.ContainsFunc(stages, func(s platformv1alpha1.BuildStage) bool { return slices.Contains(states, s.State) })
	}
	switch {
	case is(platformv1alpha1.StageRunning, platformv1alpha1.StageWaiting):
		return ""
	case is(platformv1alpha1.StageFailed):
		return platformv1alpha1.BuildFailed
	case is(platformv1alpha1.StageCancelled):
		return platformv1alpha1.BuildCancelled
	}
	return platformv1alpha1.BuildSucceeded
}

// Pushed is the image that the stages of a plan say they pushed: the last that one of them names, in their order; empty for none. Where
// the standard stage Image runs, it alone is believed: what comes behind it runs code of the repository, and must not put
// another image in the place of the one that was looked into.
func Pushed(plan *Plan, stages []platformv1alpha1.BuildStage) string {
	return pushed(plan, stages, func(string) bool { return true })
}

// Made is the image that a Build gives whose stages have succeeded: what they say they pushed, else the image by its tag. It is empty where
// conditions left out every standard stage Image, and no other stage says that it pushed one: nobody has made an image then.
func Made(plan *Plan, stages []platformv1alpha1.BuildStage, tag string) string {
	if image := Pushed(plan, stages); image != "" {
		return image
	}
	standard := false
	for i := range plan.Steps {
		if step := &plan.Steps[i]; step.Standard == platformv1alpha1.StageImage {
			if standard = true; !step.Skipped {
				return tag
			}
		}
	}
	if standard {
		return ""
	}
	return tag
}

// PushedBefore is what of that a step finds: what those before it that it needs have pushed, whatever runs beside it.
func PushedBefore(plan *Plan, stages []platformv1alpha1.BuildStage, name string) string {
	needed := map[string]bool{name: true}
	for i := len(plan.Steps) - 1; i >= 0; i-- { // what is needed stands before
		if step := &plan.Steps[i]; needed[step.Name] {
			for _, need := range step.Needs {
				needed[need] = true
			}
		}
	}
	return pushed(plan, stages, func(stage string) bool { return stage != name && needed[stage] })
}

func pushed(plan *Plan, stages []platformv1alpha1.BuildStage, counts func(stage string) bool) string {
	builds := func(step Step) bool { return step.Standard == platformv1alpha1.StageImage && !step.Skipped }
	standard := slices.ContainsFunc(plan.Steps, builds)
	for i := len(stages) - 1; i >= 0; i-- {
		stage := &stages[i]
		if stage.Image == "" || !counts(stage.Name) {
			continue
		}
		if !standard || slices.ContainsFunc(plan.Steps, func(step Step) bool { return step.Name == stage.Name && builds(step) }) {
			return stage.Image
		}
	}
	return ""
}
