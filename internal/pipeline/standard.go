package pipeline

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// standard gives a step that Towpath brings along its image and script.
func (step *Step) standard(in *Input, at *field.Path) error {
	if step.Standard == "" || step.Standard == platformv1alpha1.StageTest {
		return nil
	}
	step.Script = scripts[step.Standard]
	if step.Image == "" {
		step.Image = in.Standard.Images[step.Standard]
	}
	switch {
	case step.Skipped: // nothing of it runs
		return nil
	case step.Image == "":
		return &Error{Path: at.Child("image").String(), Err: fmt.Errorf(
			"nobody says with which image the standard stage %s runs: name one here, or have whoever runs Towpath set pipeline.images.%s in the manager's configuration", step.Standard, strings.ToLower(string(step.Standard)))}
	case in.Image == "":
		return &Error{Path: at.String(), Err: fmt.Errorf("the standard stage %s needs an image to push or read: set spec.source.image of Component %s", step.Standard, in.Component.Name)}
	case step.Standard == platformv1alpha1.StageImage && in.Standard.Buildkitd == "":
		return &Error{Path: at.String(), Err: fmt.Errorf("nobody says which buildkitd builds images: have whoever runs Towpath set pipeline.buildkitd in the manager's configuration, or use a stage of your own")}
	}
	return nil
}
