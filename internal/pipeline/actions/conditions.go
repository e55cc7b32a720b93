package actions

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// Conditions is the file that tells towpath pipeline when what the conditions of stages depend on, besides the commit.
type Conditions struct {
	Component  ConditionsComponent `json:"component"`
	Parameters map[string]any      `json:"parameters"`
	// Stages that have a condition.
	Stages []ConditionsStage `json:"stages"`
}

// ConditionsComponent is what conditions know of the Component.
type ConditionsComponent struct {
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
	Team       string `json:"team"`
	Repository string `json:"repository"`
	Path       string `json:"path"`
	Branch     string `json:"branch"`
}

// ConditionsStage is the condition of one stage.
type ConditionsStage struct {
	Name string `json:"name"`
	When string `json:"when"`
}

// Decision says whether a stage runs.
type Decision struct {
	Stage string
	Runs  bool
}

// ReadConditions reads the file.
func ReadConditions(text []byte) (*Conditions, error) {
	c := &Conditions{}
	if err := json.Unmarshal(text, c); err != nil { // keeps whole numbers whole
		return nil, fmt.Errorf("reading conditions: %w", err)
	}
	return c, nil
}

// Decide evaluates the conditions for a Build, as every other engine does.
func (c *Conditions) Decide(build pipeline.Build) ([]Decision, error) {
	var p platformv1alpha1.Pipeline
	for _, s := range c.Stages {
		p.Stages = append(p.Stages, platformv1alpha1.Stage{Name: s.Name, When: s.When, Image: "none", Script: "true"})
	}
	compiled, errs := pipeline.Compile(&p, nil, field.NewPath("spec", "pipeline"))
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	plan, err := compiled.Plan(pipeline.Input{Component: pipeline.Component(c.Component), Parameters: c.Parameters, Build: build})
	if err != nil {
		return nil, err
	}
	decisions := make([]Decision, len(plan.Steps))
	for i := range plan.Steps {
		decisions[i] = Decision{Stage: plan.Steps[i].Stage, Runs: !plan.Steps[i].Skipped}
	}
	return decisions, nil
}
