package pipeline_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// scripted is the script of a standard stage.
func scripted(t *testing.T, standard platformv1alpha1.StandardStage) string {
	t.Helper()
	compiled, errs := pipeline.Compile(&platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{{Name: "it", Standard: standard, Image: "tool:1"}}}, nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	plan, err := compiled.Plan(pipeline.Input{Image: "registry.example/checkout", Standard: pipeline.Standard{Buildkitd: "tcp://buildkitd:1234"}})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Steps[0].Script
}

func TestStandard_LooksIntoTheImageByNoSettingsOfTheSources(t *testing.T) {
	for standard, tool := range map[platformv1alpha1.StandardStage]string{platformv1alpha1.StageScan: "grype", platformv1alpha1.StageSBOM: "syft"} {
		t.Run(string(standard), func(t *testing.T) {
			bin, sources := t.TempDir(), t.TempDir()
			write(t, filepath.Join(sources, ".settings.yaml"), "ignore: all")
			write(t, filepath.Join(bin, tool), "#!/bin/sh\n[ ! -e .settings.yaml ] || exit 9\nfor a; do case \"$a\" in spdx-json=*) echo made > \"${a#spdx-json=}\" ;; esac; done\n")
			command := exec.CommandContext(t.Context(), "/bin/sh", "-ec", scripted(t, standard))
			command.Dir, command.Env = sources, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TOWPATH_IMAGE=registry.example/checkout:1"}
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if _, err := os.Stat(filepath.Join(sources, "sbom.spdx.json")); standard == platformv1alpha1.StageSBOM && err != nil {
				t.Error(err)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // a tool that is to run
		t.Fatal(err)
	}
}

func TestPushed_BelievesTheStandardStageAlone(t *testing.T) {
	const built, other = "registry.example/checkout@sha256:a", "registry.example/checkout@sha256:b"
	plan := &pipeline.Plan{Steps: []pipeline.Step{
		{Name: "beside"}, {Name: "image", Standard: platformv1alpha1.StageImage}, {Name: "scan", Needs: []string{"image"}}, {Name: "late", Needs: []string{"scan"}},
	}}
	stages := []platformv1alpha1.BuildStage{{Name: "beside", Image: other}, {Name: "image", Image: built}, {Name: "scan"}, {Name: "late", Image: other}}
	if got := pipeline.Pushed(plan, stages); got != built {
		t.Errorf("it is %s", got)
	}
	for step, want := range map[string]string{"beside": "", "image": "", "scan": built, "late": built} {
		if got := pipeline.PushedBefore(plan, stages, step); got != want {
			t.Errorf("%s finds %q, want %q", step, got, want)
		}
	}
	plan.Steps[1].Skipped = true
	if got := pipeline.Pushed(plan, stages); got != other {
		t.Errorf("where it is left out it is %s", got)
	}
}
