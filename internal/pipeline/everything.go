package pipeline

// Everything gives what a Build runs where no condition leaves anything out: for engines that evaluate conditions themselves, once the
// commit is known. Each step tells its condition.
func (c *Compiled) Everything(in Input) (Plan, error) {
	all := *c
	all.stages = make([]*stage, len(c.stages))
	for i, s := range c.stages {
		without := *s
		without.when = nil
		all.stages[i] = &without
	}
	return all.Plan(in)
}
