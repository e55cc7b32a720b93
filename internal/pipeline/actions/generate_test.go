package actions_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

var update = flag.Bool("update", false, "write the golden files anew")

// pin is no commit of any action: tests must not know real ones.
func pin(digit string) string { return strings.Repeat(digit, 40) }

func config() actions.Config {
	return actions.Config{
		Pins: map[string]string{
			"actions/checkout": pin("1"), "actions/cache": pin("2"), "actions/upload-artifact": pin("3"), "actions/download-artifact": pin("4"),
		},
		Image:  "registry.example/towpath/cli@sha256:" + strings.Repeat("c", 64),
		Record: actions.Record{Server: "https://kubernetes.example:6443", Audience: "towpath"},
	}
}

func input(t *testing.T, p v1alpha1.Pipeline) actions.Input {
	t.Helper()
	compiled, errs := pipeline.Compile(&p, nil, field.NewPath("spec", "pipeline"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	in := actions.Input{
		Component: pipeline.Component{Name: "checkout", Namespace: "team-shop", Team: "shop", Repository: "https://git.example/shop/checkout", Branch: "main"},
		Branch:    "main", Image: "registry.example/shop/checkout", Config: config(),
		Parameters: map[string]any{"slow": true, "port": int64(8080)},
	}
	plan, err := compiled.Everything(pipeline.Input{
		Component: in.Component, Parameters: in.Parameters, Image: in.Image,
		Standard: pipeline.Standard{
			Buildkitd: "tcp://buildkitd.example:1234",
			Images: map[v1alpha1.StandardStage]string{
				v1alpha1.StageImage: "registry.example/buildctl:1", v1alpha1.StageSign: "registry.example/cosign:1",
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	in.Plan = plan
	return in
}

func generate(t *testing.T, in actions.Input) actions.Files {
	t.Helper()
	files, err := actions.Generate(in)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func secret(name, key string) v1alpha1.SecretEnvVar {
	return v1alpha1.SecretEnvVar{Name: name, SecretKeyRef: v1alpha1.SecretKeyReference{Name: "build", Key: key}}
}

// whole uses everything that a pipeline has.
func whole() v1alpha1.Pipeline {
	return v1alpha1.Pipeline{
		Stages: []v1alpha1.Stage{
			{
				Name: "unit", Image: "golang:1.26", Script: "go test ./... | tee build/report.txt\n", Artifacts: []string{"build/report.txt"},
				Cache: []string{".cache/go"}, Retries: 2, TimeoutSeconds: 600, Env: []v1alpha1.EnvVar{{Name: "PORT", Value: "${params.port}"}},
			},
			{
				Name: "lint", Image: "lint:${params.port}", Args: []string{"run", "--go=${matrix.go}"}, Matrix: []v1alpha1.MatrixAxis{{Name: "go", Values: []string{"1.25", "1.26"}}},
				When: "${build.changedPaths.exists(p, p.endsWith('.go'))}",
			},
			{Name: "image", Standard: v1alpha1.StageImage, Needs: []string{"unit", "lint"}, SecretEnv: []v1alpha1.SecretEnvVar{secret("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH")}},
			{Name: "sign", Standard: v1alpha1.StageSign, Needs: []string{"image"}, When: "${build.branch == 'main' && params.slow}"},
		},
	}
}

func TestGenerate_TheWholePipeline(t *testing.T) {
	golden(t, "whole", generate(t, input(t, whole())))
}

func TestGenerate_TheSmallestPipelineNeedsOneActionAndAToken(t *testing.T) {
	in := input(t, v1alpha1.Pipeline{Stages: []v1alpha1.Stage{{Name: "test", Image: "shell:1", Script: "make"}}, Concurrency: v1alpha1.ConcurrencyQueue})
	in.Config.Pins = map[string]string{"actions/checkout": pin("1")}
	in.Config.Record.Audience = ""
	in.Component.Path = "services/checkout"
	golden(t, "smallest", generate(t, in))
}

// GitHub's parser wants texts for the names of jobs, and a stage may be called what YAML takes for something else.
func TestGenerate_NamesOfStagesAreTexts(t *testing.T) {
	names := []string{"true", "null"}
	var p v1alpha1.Pipeline
	for i, name := range names {
		p.Stages = append(p.Stages, v1alpha1.Stage{Name: name, Image: "shell:1", Script: "make", Needs: names[:i]})
	}
	files := generate(t, input(t, p))
	var w struct{ Jobs yamlv3.Node }
	if err := yamlv3.Unmarshal(files[actions.Workflow("checkout")], &w); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(w.Jobs.Content); i += 2 {
		if key := w.Jobs.Content[i]; key.ShortTag() != "!!str" || slices.Contains(names, key.Value) && key.Style == 0 {
			t.Errorf("job %s is a %s, written in style %d", key.Value, key.ShortTag(), key.Style)
		}
	}
	golden(t, "names", files)
}

// hostile holds what shells, YAML, GitHub, Kubernetes and Tekton each give a meaning.
const hostile = "a'b\"c`id`$(id)${{ secrets.GITHUB_TOKEN }}\n- run: id # ${HOME} $(params.x) %0A::error::x && || ;\t\\"

func TestGenerate_HostileValuesStayWhatTheyAre(t *testing.T) {
	p := v1alpha1.Pipeline{Stages: []v1alpha1.Stage{
		{Name: "one", Image: "shell:1", Script: "echo " + strings.ReplaceAll(hostile, "${", "$${")},
		{Name: "two", Image: "shell:1", Args: []string{"${params.hostile}"}, Env: []v1alpha1.EnvVar{{Name: "X", Value: "${params.hostile}"}}},
		{Name: "three", Image: "shell:1", Args: []string{"${matrix.x}"}, Matrix: []v1alpha1.MatrixAxis{{Name: "x", Values: []string{hostile, "plain"}}}},
	}}
	p.Stages[0].Script = "echo " + hostile
	compiled, errs := pipeline.Compile(&p, nil, field.NewPath("spec"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	in := input(t, whole())
	in.Parameters = map[string]any{"hostile": hostile}
	in.Branch = `!main+'"#$(id)]`
	var err error
	if in.Plan, err = compiled.Everything(pipeline.Input{Component: in.Component, Parameters: in.Parameters, Image: in.Image}); err != nil {
		t.Fatal(err)
	}
	files := generate(t, in)
	golden(t, "hostile", files)
	if script := string(files[".github/towpath/checkout/one.sh"]); !strings.HasSuffix(script, "echo "+hostile+"\n") {
		t.Errorf("the script is\n%s", script)
	}
	var w struct {
		On   struct{ Push struct{ Branches []string } }
		Jobs map[string]struct {
			Strategy struct {
				Matrix struct{ Include []map[string]string }
			}
			Steps []struct {
				Env map[string]string
				Run string
			}
		}
	}
	if err := yamlv3.Unmarshal(files[actions.Workflow("checkout")], &w); err != nil {
		t.Fatal(err)
	}
	escaped := strings.ReplaceAll(hostile, "${{", "${{ '${{' }}")
	stage := w.Jobs["two"].Steps[len(w.Jobs["two"].Steps)-1]
	if stage.Env["X"] != escaped || stage.Env["TOWPATH_ARG_0"] != escaped {
		t.Errorf("X is %q, the argument %q", stage.Env["X"], stage.Env["TOWPATH_ARG_0"])
	}
	if got := w.Jobs["three"].Strategy.Matrix.Include[0]["MATRIX_X"]; got != escaped {
		t.Errorf("the value of the matrix is %q", got)
	}
	for name, job := range w.Jobs {
		for _, step := range job.Steps {
			if strings.Contains(step.Run, "${{") {
				t.Errorf("job %s: GitHub evaluates something in what a shell reads:\n%s", name, step.Run)
			}
		}
	}
}

func TestGenerate_Refusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*actions.Input)
		want   string
	}{
		"an action without a commit": {
			change: func(in *actions.Input) { delete(in.Config.Pins, "actions/cache") },
			want:   `set pipeline.actions.pins["actions/cache"] to the 40 hexadecimal digits`,
		},
		"a name that leads elsewhere": {
			change: func(in *actions.Input) { in.Component.Name = "../../etc" },
			want:   "must be DNS labels",
		},
		"a path that leads elsewhere": {
			change: func(in *actions.Input) { in.Component.Path = "../other" },
			want:   "spec.source.path",
		},
		"no image": {
			change: func(in *actions.Input) { in.Image = "" },
			want:   "spec.source.image must be set",
		},
		"no branch": {
			change: func(in *actions.Input) { in.Branch = "" },
			want:   "spec.source.branch must be set",
		},
		"a branch that git does not know": {
			change: func(in *actions.Input) { in.Branch = "main*" },
			want:   "spec.source.branch \"main*\" must be a name that git allows",
		},
		"a branch that GitHub evaluates": {
			change: func(in *actions.Input) { in.Branch = "${{github.token}}" },
			want:   "which GitHub evaluates",
		},
		"a variable of the runner": {
			change: func(in *actions.Input) { in.Plan.Steps[0].Env[0].Name = "LD_PRELOAD" },
			want:   "LD_PRELOAD is read by the runner",
		},
		"a secret that GitHub cannot name": {
			change: func(in *actions.Input) { in.Plan.Steps[3].SecretEnv[0].SecretKeyRef.Key = "registry.auth" },
			want:   `"registry.auth" must be the name of a secret of the repository`,
		},
		"variables that differ in case": {
			change: func(in *actions.Input) {
				in.Plan.Steps[0].Env = append(in.Plan.Steps[0].Env, v1alpha1.EnvVar{Name: "http_proxy"}, v1alpha1.EnvVar{Name: "HTTP_PROXY"})
			},
			want: "stage unit: the environment variables http_proxy and HTTP_PROXY differ in case alone",
		},
		"a variable and one of a secret that differ in case": {
			change: func(in *actions.Input) {
				in.Plan.Steps[3].SecretEnv = append(in.Plan.Steps[3].SecretEnv, secret("docker_auth_config", "REGISTRY"))
			},
			want: "DOCKER_AUTH_CONFIG and docker_auth_config differ in case alone",
		},
		"a variable of Towpath in another case": {
			change: func(in *actions.Input) { in.Plan.Steps[0].Env[0].Name = "towpath_folder" },
			want:   "towpath_folder differs from one of Towpath's own in case alone",
		},
		"an artifact elsewhere": {
			change: func(in *actions.Input) { in.Plan.Steps[0].Artifacts[0] = "../../root" },
			want:   `path "../../root"`,
		},
		"an image that is an option": {
			change: func(in *actions.Input) { in.Plan.Steps[0].Image = "--privileged" },
			want:   "must not begin with -",
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t, whole())
			tt.change(&in)
			_, err := actions.Generate(in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, and should say %q", err, tt.want)
			}
		})
	}
	in := input(t, whole())
	in.Config.Pins = nil
	_, err := actions.Generate(in)
	if missing := (&actions.PinError{}); !errors.As(err, &missing) || missing.Action != "actions/checkout" {
		t.Errorf("the error is %v", err)
	}
}

func TestConfigCheck(t *testing.T) {
	good := config()
	if err := good.Check("platform.yaml"); err != nil {
		t.Error(err)
	}
	bad := actions.Config{
		Pins: map[string]string{"actions/cache": "v4", "checkout": pin("1")}, Image: "", RunsOn: []string{"${{ x }}"},
		Record: actions.Record{Server: "http://x", TokenSecret: "a-b", Audience: "x"},
	}
	err := bad.Check("platform.yaml")
	for _, want := range []string{"pins.actions/cache", `"checkout" must be an action`, "image", "runsOn", "record.server", "record.tokenSecret", "either"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %q: %v", want, err)
		}
	}
}

// golden compares the files with those of testdata, which GitHub's own parser reads too: make test-workflows. Workflows are held to
// actionlint here.
func golden(t *testing.T, name string, files actions.Files) {
	t.Helper()
	folder := filepath.Join("testdata", name)
	if *update {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		for path, content := range files {
			file := filepath.Join(folder, filepath.FromSlash(path))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	var found []string
	for path := range all(t, folder) {
		found = append(found, path)
	}
	slices.Sort(found)
	if diff := cmp.Diff(found, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-want +got; -update writes them anew):\n%s", diff)
	}
	for path, content := range all(t, folder) {
		if diff := cmp.Diff(string(content), string(files[path])); diff != "" {
			t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
		}
	}
	lint(t, files)
}

func all(t *testing.T, folder string) actions.Files {
	t.Helper()
	files := actions.Files{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		files[filepath.ToSlash(name)] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// lint has actionlint read the workflows.
func lint(t *testing.T, files actions.Files) {
	t.Helper()
	binary, err := filepath.Abs("../../../bin/actionlint")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("actionlint is not here: make bin/actionlint builds it: %v", err)
	}
	for path, content := range files {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		// It cannot know what images runners have; shells of this machine must not decide.
		lint := exec.CommandContext(t.Context(), binary, "-shellcheck=", "-pyflakes=", "-no-color", "-")
		lint.Stdin = strings.NewReader(string(content))
		if out, err := lint.CombinedOutput(); err != nil {
			t.Errorf("actionlint says of %s: %v\n%s", path, err, out)
		}
	}
}
