package pipeline_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
			write(t, filepath.Join(bin, tool), "#!/bin/sh\n[ ! -e .settings.yaml ] || exit 9\nfor a; do case \"$a\" in spdx-json=*|json=*) echo '{}' > \"${a#*=}\" ;; esac; done\n")
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

// shell runs the script of a standard stage with stubs for its tools.
func shell(t *testing.T, standard platformv1alpha1.StandardStage, tools map[string]string, variables ...string) (home, result, printed string, err error) {
	t.Helper()
	bin, home := t.TempDir(), t.TempDir()
	for name, text := range tools {
		write(t, filepath.Join(bin, name), "#!/bin/sh\n"+text)
	}
	command := exec.CommandContext(t.Context(), "/bin/sh", "-ec", scripted(t, standard))
	command.Dir = t.TempDir()
	command.Env = append([]string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "TOWPATH_IMAGE=registry.example/checkout:1", "TOWPATH_COMMIT=3f2c1a",
		"TOWPATH_BUILT_IMAGE=registry.example/checkout@sha256:a", "TOWPATH_RESULT=" + filepath.Join(home, "result"),
	}, variables...)
	out, err := command.CombinedOutput()
	written, _ := os.ReadFile(filepath.Join(home, "result")) // where it has reported anything
	return home, string(written), string(out), err
}

// cosign tells what it was asked for, and makes a bundle where it knows of them.
const cosign = `case "$2" in --help) echo "      --bundle string   where"; echo "      --use-signing-config   whether"; exit ;; esac
echo "cosign $*"
while [ $# -gt 0 ]; do
  if [ "$1" = --bundle ]; then printf '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}' > "$2"; fi
  shift
done
`

func TestStandard_SealsByAKeyAndTellsNobodyElse(t *testing.T) {
	for standard, want := range map[platformv1alpha1.StandardStage]string{
		platformv1alpha1.StageSign:       "cosign sign --bundle",
		platformv1alpha1.StageProvenance: "cosign attest --type slsaprovenance1 --predicate",
		platformv1alpha1.StageSBOM:       "cosign attest --type spdxjson --predicate",
		platformv1alpha1.StageScan:       "cosign attest --type vuln --predicate",
	} {
		looks := "for a; do case \"$a\" in spdx-json=*|json=*) echo '{}' > \"${a#*=}\" ;; esac; done\n"
		tools := map[string]string{"cosign": cosign, "syft": looks, "grype": looks}
		_, result, printed, err := shell(t, standard, tools, "COSIGN_PRIVATE_KEY=key")
		if err != nil || !strings.Contains(printed, want) ||
			!strings.Contains(printed, " --key env://COSIGN_PRIVATE_KEY --use-signing-config=false --tlog-upload=false --yes registry.example/checkout@sha256:a\n") {
			t.Errorf("%s: %v: %s", standard, err, printed)
		}
		if !strings.HasPrefix(result, "sha256:") || len(result) != len("sha256:")+64 {
			t.Errorf("%s: it reports %q", standard, result)
		}
		if _, _, printed, err := shell(t, standard, tools, "COSIGN_PRIVATE_KEY=key", "COSIGN_FLAGS=--tlog-upload=false"); err != nil || strings.Contains(printed, "use-signing-config") {
			t.Errorf("%s with flags of its own: %v: %s", standard, err, printed)
		}
		_, result, printed, err = shell(t, standard, tools)
		if looksInto := standard == platformv1alpha1.StageSBOM || standard == platformv1alpha1.StageScan; err != nil || strings.Contains(printed, "--key") || looksInto != (result == "") {
			t.Errorf("%s without a key: %v: %q, %s", standard, err, result, printed)
		}
	}
}

// A secret that is missing comes as an empty variable in GitHub Actions: nothing may then be signed without the key, and be told to the public log.
func TestStandard_RefusesAKeyThatIsEmpty(t *testing.T) {
	looks := "for a; do case \"$a\" in spdx-json=*|json=*) echo '{}' > \"${a#*=}\" ;; esac; done\n"
	tools := map[string]string{"cosign": cosign, "syft": looks, "grype": looks}
	for _, standard := range []platformv1alpha1.StandardStage{
		platformv1alpha1.StageSign, platformv1alpha1.StageProvenance, platformv1alpha1.StageSBOM, platformv1alpha1.StageScan,
	} {
		_, result, printed, err := shell(t, standard, tools, "COSIGN_PRIVATE_KEY=")
		if err == nil || result != "" || strings.Contains(printed, "--yes") || !strings.Contains(printed, "COSIGN_PRIVATE_KEY is set and empty") {
			t.Errorf("%s: %v: %q, %s", standard, err, result, printed)
		}
	}
}

// Flags that a cosign does not know fail it.
func TestStandard_GivesAnOldCosignOnlyFlagsThatItKnows(t *testing.T) {
	old := "case \"$2\" in --help) echo '      --key string   which'; exit ;; esac\necho \"cosign $*\"\n"
	_, _, printed, err := shell(t, platformv1alpha1.StageSign, map[string]string{"cosign": old}, "COSIGN_PRIVATE_KEY=key")
	if err != nil || !strings.Contains(printed, "cosign sign --key env://COSIGN_PRIVATE_KEY --tlog-upload=false --yes registry.example/checkout@sha256:a\n") {
		t.Errorf("%v: %s", err, printed)
	}
}

func TestStandard_SaysThatItsImageHasNoCosign(t *testing.T) {
	looks := "for a; do case \"$a\" in spdx-json=*) echo '{}' > \"${a#*=}\" ;; esac; done\n"
	_, _, printed, err := shell(t, platformv1alpha1.StageSBOM, map[string]string{"syft": looks}, "COSIGN_PRIVATE_KEY=key")
	if err == nil || !strings.Contains(printed, "this image has no cosign") {
		t.Errorf("%v: %s", err, printed)
	}
}

func TestSBOM_IsInTheFormatThatIsAskedFor(t *testing.T) {
	looks := "for a; do case \"$a\" in cyclonedx-json=*) echo '{}' > \"${a#*=}\" ;; esac; done\n"
	tools := map[string]string{"cosign": cosign, "syft": looks}
	home, _, printed, err := shell(t, platformv1alpha1.StageSBOM, tools, "COSIGN_PRIVATE_KEY=key", "SBOM_FORMAT=cyclonedx-json")
	if err != nil || !strings.Contains(printed, "cosign attest --type cyclonedx --predicate sbom.cdx.json ") {
		t.Errorf("%v: %s", err, printed)
	}
	if _, err := os.Stat(filepath.Join(home, "sbom.cdx.json")); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"spdx", "spdx-json=/etc/x", "text; id"} {
		if _, _, printed, err := shell(t, platformv1alpha1.StageSBOM, tools, "SBOM_FORMAT="+wrong); err == nil || !strings.Contains(printed, "SBOM_FORMAT: "+wrong+" must be") {
			t.Errorf("%s: %v: %s", wrong, err, printed)
		}
	}
}

func TestScan_IgnoresUntilADate(t *testing.T) {
	for ignore, want := range map[string]string{
		"CVE-2026-1=2099-01-01 GHSA-aaaa=2020-01-01": "ignore:\n- vulnerability: \"CVE-2026-1\"\n",
		"CVE-2026-1": "", "=2099-01-01": "", "CVE\"x=2099-01-01": "", "*=2099-01-01": "", "CVE-2026-1=tomorrow": "", "": "ignore:\n",
		"CVE-2026-1=9999-99-99": "", "CVE-2026-1=2027-02-30": "", "CVE-2026-1=2027-04-31": "", "CVE-2026-1=2027-13-01": "", "CVE-2026-1=2027-00-01": "",
		"CVE-2026-1=2027-01-00": "", "CVE-2026-1=2027-01-32": "", "CVE-2026-1=2-0-9-9-0-1-0-1": "", "CVE-2026-1=20990101": "", "20990101": "", "2099-01-01": "",
		"CVE-2026-1==2099-01-01": "", "CVE-2026-1=2099-01-01=": "", "CVE-2026-1=2096-02-29 a=2099-12-31 b=2099-10-30 c=2000-02-29": "ignore:\n- vulnerability: \"CVE-2026-1\"\n" +
			"- vulnerability: \"a\"\n- vulnerability: \"b\"\n",
	} {
		home, _, printed, err := shell(t, platformv1alpha1.StageScan, map[string]string{"grype": "for a; do case \"$a\" in json=*) echo '{}' > \"${a#*=}\" ;; esac; done\n"}, "SCAN_IGNORE="+ignore)
		if want == "" {
			if err == nil || !strings.Contains(printed, "must be a vulnerability and the date") {
				t.Errorf("%q: %v: %s", ignore, err, printed)
			}
			continue
		}
		settings, readErr := os.ReadFile(filepath.Join(home, "towpath-grype.yaml"))
		if err != nil || readErr != nil || string(settings) != want {
			t.Errorf("%q: %v, %v: %s%s", ignore, err, readErr, printed, settings)
		}
	}
}

func TestReported_IsNoImage(t *testing.T) {
	const built, signature = "registry.example/checkout@sha256:a", "registry.example/checkout@sha256:b"
	plan := &pipeline.Plan{Steps: []pipeline.Step{{Name: "build"}, {Name: "sign", Standard: platformv1alpha1.StageSign, Needs: []string{"build"}}}}
	stages := pipeline.Begin(plan)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	pipeline.Advance(plan, stages, nil, now)
	pipeline.Advance(plan, stages, map[string]pipeline.Outcome{"build": {Succeeded: true, Image: built}}, now)
	pipeline.Advance(plan, stages, map[string]pipeline.Outcome{"sign": {Succeeded: true, Image: signature}}, now)
	if got := pipeline.Pushed(plan, stages); got != built {
		t.Errorf("the image is %s", got)
	}
	got := pipeline.Reported(plan, stages)
	if len(got) != 1 || got[0].Type != platformv1alpha1.EvidenceSignature || got[0].Location != signature || got[0].CreatedAt == nil {
		t.Errorf("it reports %+v", got)
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
