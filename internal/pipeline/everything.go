package pipeline

import (
	"errors"

	"github.com/towpath-dev/towpath/internal/expr"
)

// Everything gives what a Build may run, whatever the commit is: for engines that evaluate conditions themselves, once it is
// known. Each step tells its condition, but for conditions that the parameters and the Component decide alone: what those leave out is
// skipped for every commit, and needs no image; what they let in has no condition any more.
func (c *Compiled) Everything(in Input) (Plan, error) {
	all := *c
	all.stages = make([]*stage, len(c.stages))
	variables := in.variables()
	for _, name := range []string{varBranch, varTag, varPullRequest, varChangedPaths} {
		variables[name] = expr.Unknown
	}
	budget := expr.NewBudget()
	for i, s := range c.stages {
		without := *s
		if s.when != nil {
			value, err := s.when.Eval(variables, budget)
			switch runs, ok := value.(bool); {
			case errors.Is(err, expr.ErrUnknown):
				without.when = nil
			case err == nil && ok && runs:
				given := *s.Stage
				given.When = ""
				without.Stage, without.when = &given, nil
			}
			// Whatever else it is, false or an error, it is for every commit.
		}
		all.stages[i] = &without
	}
	return all.Plan(in)
}
