package actions

import (
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// standard are the stages that are the standard stage Image. What parameters leave out is not among them: it has no job.
func (g *generator) standard() []*stage {
	return slices.DeleteFunc(slices.Clone(g.stages), func(s *stage) bool { return s.Standard != platformv1alpha1.StageImage })
}

// pushed is an expression for the image that one of some stages has pushed, as pipeline.Pushed has it: where a standard stage Image runs, it
// alone is believed, since what else runs is code of the repository; of the others the last one counts. It is empty where none can push.
func (g *generator) pushed(stages []*stage) string {
	var builders, others []string
	for _, s := range slices.Backward(stages) {
		output := "needs." + s.Stage + ".outputs.image"
		switch {
		case s.Evidence() != "": // it says what it put beside the image
		case s.Standard == platformv1alpha1.StageImage:
			builders = append(builders, output)
		default:
			others = append(others, output)
		}
	}
	standard := g.standard()
	switch none := leftOut(standard); {
	case len(standard) == 0:
		return strings.Join(others, " || ")
	case len(others) > 0 && none != "":
		builders = append(builders, none+" && ("+strings.Join(others, " || ")+")", "''")
	}
	return strings.Join(builders, " || ")
}

// leftOut is an expression that holds where the conditions of all of some stages leave them out; empty where one has none.
func leftOut(stages []*stage) string {
	var all []string
	for _, s := range stages {
		if s.When == "" {
			return ""
		}
		all = append(all, "needs."+planJob+".outputs."+s.Stage+" != 'true'")
	}
	return strings.Join(all, " && ")
}

// made is an expression that holds where the Build has an image, as pipeline.Made has it; empty where it always has one. Without the standard
// stage Image, nobody knows which stage pushes: that one does is taken for granted.
func (g *generator) made() string {
	if !slices.ContainsFunc(g.Plan.Steps, func(step pipeline.Step) bool { return step.Standard == platformv1alpha1.StageImage }) {
		return ""
	}
	standard := g.standard()
	var some []string
	for _, s := range standard {
		some = append(some, "needs."+s.Stage+".result == 'success'")
	}
	others := len(standard) == 0 || leftOut(standard) != ""
	if pushed := g.pushed(g.stages); others && pushed != "" {
		some = append(some, "("+pushed+") != ''")
	}
	if len(some) == 0 {
		return "false"
	}
	return strings.Join(some, " || ")
}
