// Package tekton_test has Tekton itself judge the objects that internal/pipeline/tekton makes: its types, its defaults, its validation,
// and what its controller puts into texts.
package tekton_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelinerun "github.com/tektoncd/pipeline/pkg/reconciler/pipelinerun/resources"
	taskrun "github.com/tektoncd/pipeline/pkg/reconciler/taskrun/resources"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// catalog has the one of a golden path that ships.
const folder, catalog = "../../internal/pipeline/tekton/testdata", "../../config/catalog/testdata/pipeline/pipelinerun.yaml"

// golden is the path of a golden file of this package's own.
func golden(name string) string { return filepath.Join(folder, name) }

// read reads the PipelineRun of a golden file, with the defaults that Tekton's webhook gives, and the pipeline in it. Fields that Tekton
// does not know are errors.
func read(t *testing.T, path string) (*v1.PipelineSpec, *v1.PipelineRun) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run := &v1.PipelineRun{}
	if err := yaml.UnmarshalStrict(text, run); err != nil {
		t.Fatal(err)
	}
	run.SetDefaults(t.Context())
	return run.Spec.PipelineSpec, run
}

func TestTektonAcceptsTheObjects(t *testing.T) {
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	files = append(files, catalog)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			definition, run := read(t, file)
			if err := run.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			if err := pipelinerun.ValidateParamTypesMatching(definition, run); err != nil {
				t.Error(err)
			}
		})
	}
}

// A check that accepts everything would show nothing.
func TestTektonRefusesWhatIsWrong(t *testing.T) {
	definition, run := read(t, golden("whole.yaml"))
	definition.Tasks[1].RunAfter = []string{"nothing"}
	if err := run.Validate(t.Context()); err == nil {
		t.Error("a task may run after one that is not there")
	}
	definition, run = read(t, golden("whole.yaml"))
	definition.Tasks[1].TaskSpec.Steps[0].Script = "echo $(params.nothing)"
	if err := run.Validate(t.Context()); err == nil {
		t.Error("a script may name a parameter that is not there")
	}
}

// step is what the container of a task gets: after Tekton's controller, then the kubelet, have put their values into it.
func step(t *testing.T, file, task string) (args []string, env map[string]string) {
	t.Helper()
	definition, run := read(t, golden(file))
	spec, err := pipelinerun.ApplyParameters(definition, run)
	if err != nil {
		t.Fatal(err)
	}
	spec = pipelinerun.ApplyWorkspaces(pipelinerun.ApplyContexts(spec, run.Name, run), run)
	for i := range spec.Tasks {
		if spec.Tasks[i].Name == task {
			return kubelet(substitute(t.Context(), &spec.Tasks[i]))
		}
	}
	t.Fatalf("no task %s", task)
	return nil, nil
}

// substitute does what the controller of TaskRuns does, in its order.
func substitute(ctx context.Context, task *v1.PipelineTask) *v1.Step {
	spec := &task.TaskSpec.TaskSpec
	tr := &v1.TaskRun{}
	tr.Name, tr.Namespace = "a-task-run", "shop-dev"
	tr.Spec.TaskSpec = spec
	for _, param := range task.Params {
		tr.Spec.Params = append(tr.Spec.Params, param)
	}
	bindings := []v1.WorkspaceBinding{{Name: "sources", EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	spec = taskrun.ApplyParameters(spec, tr, spec.Params...)
	spec = taskrun.ApplyContexts(spec, "a-task", tr)
	spec = taskrun.ApplyResults(spec)
	spec = taskrun.ApplyArtifacts(spec)
	spec = taskrun.ApplyStepExitCodePath(spec)
	spec = taskrun.ApplyCredentialsPath(spec, "/tekton/creds")
	spec = taskrun.ApplyWorkspaces(ctx, spec, spec.Workspaces, bindings, map[string]corev1.Volume{"sources": {Name: "ws"}})
	return &spec.Steps[0]
}

// kubelet puts values of variables into arguments and into variables that come later.
func kubelet(s *v1.Step) (args []string, env map[string]string) {
	env = map[string]string{}
	for _, e := range s.Env {
		if e.ValueFrom == nil {
			env[e.Name] = expand(e.Value, env)
		}
	}
	for _, arg := range append(append([]string{}, s.Command...), s.Args...) {
		args = append(args, expand(arg, env))
	}
	return args, env
}

// expand is what Kubernetes documents of $(NAME): a variable that is known becomes its value, $$ a dollar, and all else stays.
func expand(text string, env map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		switch rest := text[i+1:]; rest[0] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			name, _, closed := strings.Cut(rest[1:], ")")
			if value, known := env[name]; closed && known {
				out.WriteString(value)
				i += len(name) + 2
			} else {
				out.WriteByte('$')
			}
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// shell runs what a container would.
func shell(t *testing.T, args []string, env map[string]string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// hostile is that of internal/pipeline/tekton.
const hostile = "a'b\"c`id`$(id)$$(id)${HOME}$(params.built-image)$(context.taskRun.name)$(workspaces.sources.path)$(HOME)$(TOWPATH_DOLLAR)\\0044\\c\n- x # %s $1"

func TestNothingIsPutIntoScriptsArgumentsAndValues(t *testing.T) {
	args, env := step(t, "whole.yaml", "unit")
	if env["HOSTILE"] != hostile {
		t.Errorf("the value is\n%q, want\n%q", env["HOSTILE"], hostile)
	}
	if got := shell(t, args, env); got != hostile {
		t.Errorf("the script printed\n%q, want\n%q", got, hostile)
	}
	args, _ = step(t, "whole.yaml", "lint-2")
	if len(args) != 2 || args[0] != hostile || args[1] != "1.26" {
		t.Errorf("the arguments are %q", args)
	}
}

func TestAHostileBranchReachesTheScriptAndNothingElse(t *testing.T) {
	const branch = "$(steps.stage.results.x)" + "`id`$(id)'\"$(params.x)"
	args, env := step(t, "hostile.yaml", "unit")
	// Tekton's entry point, which runs in the container before the script, looks for these.
	for _, text := range append(args, strings.Join(mapValues(env), "\n")) {
		if strings.Contains(text, "$(step") {
			t.Errorf("Tekton's entry point would take this for a result: %s", text)
		}
	}
	if got := shell(t, args, env); got != branch {
		t.Errorf("the branch is %q, want %q", got, branch)
	}
}

func mapValues(m map[string]string) []string {
	var all []string
	for value := range maps.Values(m) {
		all = append(all, value)
	}
	return all
}

func TestALaterStageLearnsWhatWasPushed(t *testing.T) {
	definition, _ := read(t, golden("whole.yaml"))
	for i := range definition.Tasks {
		task := &definition.Tasks[i]
		if task.Name != "scan" {
			continue
		}
		task.Params[0].Value.StringVal = "sha256:1234" // as Tekton does once image has succeeded
		_, env := kubelet(substitute(t.Context(), task))
		if got := env["TOWPATH_BUILT_IMAGE"]; got != "registry.example/shop/checkout@sha256:1234" {
			t.Errorf("TOWPATH_BUILT_IMAGE is %q", got)
		}
		return
	}
	t.Error("no task scan")
}
