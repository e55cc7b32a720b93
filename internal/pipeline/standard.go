package pipeline

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Every engine gives a stage the variable TOWPATH_RESULT, the file into which the stage that pushes the image writes what it pushed: a
// reference with its digest, or the digest alone. Stages that come later find it as TOWPATH_BUILT_IMAGE, where it is known.

// withCredentials lets tools find the credentials of registries that come as a variable.
const withCredentials = `if [ -n "${DOCKER_AUTH_CONFIG:-}" ]; then
  mkdir -p "$HOME/.docker"
  printf '%s' "$DOCKER_AUTH_CONFIG" > "$HOME/.docker/config.json"
fi
`

// scripts are what the standard stages run. They hold no value: those are in environment variables alone. What looks into the image runs outside of the
// sources: tools take settings from where they run, and a commit must not say what of it is overlooked.
var scripts = map[platformv1alpha1.StandardStage]string{
	platformv1alpha1.StageImage: withCredentials + `buildctl --addr "$TOWPATH_BUILDKITD" build --frontend dockerfile.v0 \
  --local context=. --local dockerfile=. \
  --output "type=image,name=$TOWPATH_IMAGE,push=true" --metadata-file /tmp/towpath-metadata.json
sed -n 's/.*"containerimage.digest"[^"]*"\(sha256:[0-9a-f]*\)".*/\1/p' /tmp/towpath-metadata.json | head -n 1 > "$TOWPATH_RESULT"
`,
	platformv1alpha1.StageSBOM: withCredentials + `sources="$PWD"
cd "$HOME"
syft scan "registry:${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}" --output "spdx-json=$sources/sbom.spdx.json"
`,
	platformv1alpha1.StageScan: withCredentials + `cd "$HOME"
grype "registry:${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}" --fail-on "${SCAN_FAIL_ON:-high}"
`,
	platformv1alpha1.StageSign: withCredentials + `if [ -n "${COSIGN_PRIVATE_KEY:-}" ]; then
  cosign sign --yes --key env://COSIGN_PRIVATE_KEY "${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
else
  cosign sign --yes "${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
fi
`,
	platformv1alpha1.StageProvenance: withCredentials + `printf '{"buildDefinition":{"buildType":"https://towpath.dev/build/v1","externalParameters":{"commit":"%s"}},"runDetails":{"builder":{"id":"https://towpath.dev/pipeline"}}}' "$TOWPATH_COMMIT" > /tmp/towpath-provenance.json
if [ -n "${COSIGN_PRIVATE_KEY:-}" ]; then
  cosign attest --yes --key env://COSIGN_PRIVATE_KEY --type slsaprovenance1 --predicate /tmp/towpath-provenance.json "${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
else
  cosign attest --yes --type slsaprovenance1 --predicate /tmp/towpath-provenance.json "${TOWPATH_BUILT_IMAGE:-$TOWPATH_IMAGE}"
fi
`,
}

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
