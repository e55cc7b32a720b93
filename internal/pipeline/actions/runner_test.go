package actions_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

// runner carries out a workflow as GitHub would: it evaluates expressions, and has bash run the steps. Containers are stood in for by
// scripts, which note what they were given; actions by what they are known to do.
type runner struct {
	files   actions.Files
	github  map[string]any
	secrets map[string]any
	failing []string
	// result is what each stage writes to TOWPATH_RESULT.
	result map[string]string
	// out is what each stage writes to the file build/out.
	out map[string]string

	dir       string
	artifacts map[string]string
	needs     map[string]any
	began     []string
	tries     map[string][]container
	recorded  []string
	log       bytes.Buffer
}

// container is what docker run was given.
type container struct {
	Image, Script, Folder string
	Args                  []string
	Env                   map[string]string
	// Found is what the file build/out holds.
	Found string
}

type yamlStep struct {
	Name, ID, If, Uses, Run string
	With, Env               map[string]string
}

type yamlJob struct {
	If       string
	Needs    []string
	Outputs  map[string]string
	Strategy struct {
		Matrix struct{ Include []map[string]any }
	}
	Steps []yamlStep
}

type yamlWorkflow struct {
	Env  map[string]string
	Jobs yamlv3.Node
}

// standIns are what stands in for programs: scripts, since each of hundreds of steps starts some, and this test's own binary would
// take a fifth of a second to begin, and seconds with the race detector.
var standIns = map[string]string{
	"git": "#!/bin/sh\nprintf %s 'Mallory $(id) <m@example.com>'\n",
	"docker": `#!/bin/bash
# Notes what docker run is given: each text ends with a NUL, and a list begins with its length. What it is begins with its first
# argument that is no option: the image.
[ "$1" = run ] || exit 0
shift
options=() workspace= script= result= folder=
while [[ $1 == --* ]]; do
  case $1 in
  --rm | --read-only) shift; continue ;;
  --volume)
    to=${2#*:}
    case ${to%:ro} in
    /workspace) workspace=${2%%:*} ;;
    /towpath/script) script=${2%%:*} ;;
    /towpath/result) result=${2%%:*} ;;
    esac ;;
  --workdir) folder=$2 ;;
  esac
  options+=("$1" "$2")
  shift 2
done
if [ "${3-}" = /towpath/script ] && [ ! -r "$script" ]; then
  echo "there is no script $script"
  exit 125
fi
inside=$workspace/${folder#/workspace}
{
  printf '%s\0' "${#options[@]}" "${options[@]}" "$#" "$@"
  [ -z "$script" ] || cat "$script"
  printf '\0'
  cat "$inside/build/out" 2>/dev/null
  printf '\0'
  env -0
  printf '\0'
} >>"$TEST_NOTES"
if [ -n "$TEST_OUT" ]; then
  mkdir -p "$inside/build" && printf %s "$TEST_OUT" >"$inside/build/out"
fi
if [ -n "$TEST_RESULT" ]; then
  printf %s "$TEST_RESULT" >"$result/image"
fi
[ -z "${TEST_FAILS-}" ] || exit 7
`,
}

// noted reads what the stand-in for docker noted.
func noted(t *testing.T, notes []byte) []container {
	t.Helper()
	texts := strings.Split(string(notes), "\x00")
	next := func() string {
		if len(texts) == 0 {
			t.Fatalf("the notes end too early: %q", notes)
		}
		text := texts[0]
		texts = texts[1:]
		return text
	}
	list := func() (all []string) {
		n, err := strconv.Atoi(next())
		if err != nil {
			t.Fatalf("%v in %q", err, notes)
		}
		for range n {
			all = append(all, next())
		}
		return all
	}
	var all []container
	for len(texts) > 1 { // the last one is what follows the last end
		options, arguments := list(), list()
		c := container{Image: arguments[0], Args: arguments[1:], Env: map[string]string{}}
		script := next()
		c.Found = next()
		known := map[string]string{}
		for entry := next(); entry != ""; entry = next() {
			name, value, _ := strings.Cut(entry, "=")
			known[name] = value
		}
		if len(c.Args) == 2 && c.Args[1] == "/towpath/script" {
			c.Script, c.Args = script, nil
		}
		for i := 0; i < len(options); i += 2 {
			switch options[i] {
			case "--env":
				name, value, given := strings.Cut(options[i+1], "=")
				if !given {
					value = known[name]
				}
				c.Env[name] = value
			case "--workdir":
				c.Folder = options[i+1]
			}
		}
		all = append(all, c)
	}
	return all
}

// run carries out the workflow of a Component.
func (r *runner) run(t *testing.T, component string) {
	t.Helper()
	r.dir, r.artifacts, r.needs, r.tries = t.TempDir(), map[string]string{}, map[string]any{}, map[string][]container{}
	for program, text := range standIns {
		r.write(t, filepath.Join(r.dir, "bin", program), []byte(text), 0o700)
	}
	var w yamlWorkflow
	if err := yamlv3.Unmarshal(r.files[actions.Workflow(component)], &w); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(w.Jobs.Content); i += 2 {
		var job yamlJob
		if err := w.Jobs.Content[i+1].Decode(&job); err != nil {
			t.Fatal(err)
		}
		r.job(t, w.Jobs.Content[i].Value, &job, w.Env)
	}
}

func (r *runner) write(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
}

func (r *runner) job(t *testing.T, id string, job *yamlJob, env map[string]string) {
	needs := map[string]any{}
	for _, name := range job.Needs {
		needs[name] = r.needs[name]
	}
	contexts := expressions{"github": r.github, "secrets": r.secrets, "needs": needs, "matrix": map[string]any{}}
	outcome := map[string]any{"result": "success", "outputs": map[string]any{}}
	r.needs[id] = outcome
	if job.If != "" && !contexts.holds(t, job.If) {
		outcome["result"] = "skipped"
		return
	}
	include := job.Strategy.Matrix.Include
	if len(include) == 0 {
		include = []map[string]any{{}}
	}
	for _, combination := range include {
		matrix := map[string]any{}
		for name, value := range combination {
			matrix[name] = contexts.expand(t, value.(string))
		}
		one := maps.Clone(contexts)
		one["matrix"], one["steps"] = matrix, map[string]any{}
		name := id
		if step, ok := matrix["towpath-step"]; ok {
			name = step.(string)
		}
		if !strings.HasPrefix(id, "towpath_") {
			r.began = append(r.began, name)
		}
		if !r.steps(t, name, job.Steps, one, env) {
			outcome["result"] = "failure"
			continue
		}
		for output, value := range job.Outputs {
			outcome["outputs"].(map[string]any)[output] = one.expand(t, value)
		}
	}
}

// steps runs the steps of one job, and says whether all succeeded.
func (r *runner) steps(t *testing.T, name string, steps []yamlStep, contexts expressions, common map[string]string) bool {
	folder := filepath.Join(r.dir, "jobs", name)
	workspace, temporary := filepath.Join(folder, "workspace"), filepath.Join(folder, "temporary")
	for _, one := range []string{workspace, temporary} {
		if err := os.MkdirAll(one, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	contexts["runner"] = map[string]any{"temp": temporary}
	shared := map[string]any{}
	for key, value := range common {
		shared[key] = contexts.expand(t, value)
	}
	contexts["env"] = shared
	for i := range steps {
		s := &steps[i]
		if s.If != "" && !contexts.holds(t, s.If) {
			continue
		}
		env := []string{"PATH=" + filepath.Join(r.dir, "bin") + ":" + os.Getenv("PATH"), "GITHUB_WORKSPACE=" + workspace, "RUNNER_TEMP=" + temporary,
			"GITHUB_OUTPUT=" + filepath.Join(folder, "output"), "TEST_NOTES=" + filepath.Join(folder, "notes"), "TEST_RESULT=" + r.result[name], "TEST_OUT=" + r.out[name]}
		if slices.Contains(r.failing, name) {
			env = append(env, "TEST_FAILS=1")
		}
		for key, value := range shared {
			env = append(env, key+"="+value.(string))
		}
		values := map[string]string{}
		for key, value := range s.Env {
			values[key] = contexts.expand(t, value)
			env = append(env, key+"="+values[key])
		}
		outputs, ok := map[string]any{}, true
		switch {
		case s.Uses != "":
			r.action(t, s, contexts, workspace)
		case s.ID == "conditions":
			outputs = r.conditions(t, filepath.Join(workspace, values["TOWPATH_CONDITIONS"]), shared)
		default:
			ok = r.bash(t, s.Run, workspace, env)
			outputs = read(t, filepath.Join(folder, "output"))
		}
		if s.ID != "" {
			contexts["steps"].(map[string]any)[s.ID] = map[string]any{"outputs": outputs}
		}
		r.notes(t, name, filepath.Join(folder, "notes"))
		if !ok {
			return false
		}
	}
	return true
}

func (r *runner) bash(t *testing.T, text, dir string, env []string) bool {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text)
	shell.Dir, shell.Env, shell.Stdout, shell.Stderr = dir, env, &r.log, &r.log
	return shell.Run() == nil
}

// action does what an action does.
func (r *runner) action(t *testing.T, s *yamlStep, contexts expressions, workspace string) {
	t.Helper()
	with := map[string]string{}
	for key, value := range s.With {
		with[key] = contexts.expand(t, value)
	}
	switch action, _, _ := strings.Cut(s.Uses, "@"); action {
	case "actions/checkout":
		for path, content := range r.files {
			r.write(t, filepath.Join(workspace, path), content, 0o600)
		}
	case "actions/upload-artifact":
		r.artifacts[with["name"]] = with["path"]
	case "actions/download-artifact":
		for name, path := range r.artifacts {
			if strings.HasPrefix(name, strings.TrimSuffix(with["pattern"], "*")) {
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				r.write(t, filepath.Join(with["path"], filepath.Base(path)), content, 0o600)
			}
		}
	case "actions/cache":
	default:
		t.Fatalf("action %s is not known", action)
	}
}

// conditions are evaluated as towpath pipeline when does; the command itself is tested where it stands.
func (r *runner) conditions(t *testing.T, file string, env map[string]any) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conditions, err := actions.ReadConditions(text)
	if err != nil {
		t.Fatal(err)
	}
	build := pipeline.Build{Branch: env["TOWPATH_BRANCH"].(string), Tag: env["TOWPATH_TAG"].(string)}
	if number := env["TOWPATH_PULL_REQUEST"].(string); number != "" {
		if _, err := fmt.Sscan(number, &build.PullRequest); err != nil {
			t.Fatal(err)
		}
	}
	decisions, err := conditions.Decide(build)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]any{}
	for _, decision := range decisions {
		outputs[decision.Stage] = fmt.Sprint(decision.Runs)
	}
	return outputs
}

// notes takes what the container of a job was given.
func (r *runner) notes(t *testing.T, name, path string) {
	t.Helper()
	notes, err := os.ReadFile(path)
	if err != nil {
		return
	}
	r.tries[name] = noted(t, notes)
	for _, c := range r.tries[name] {
		if len(c.Args) > 1 && c.Args[0] == "build" && c.Args[1] == "record" {
			r.recorded = c.Args
		}
	}
}

// read reads outputs.
func read(t *testing.T, path string) map[string]any {
	t.Helper()
	outputs := map[string]any{}
	text, _ := os.ReadFile(path) // absent where there is none
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		outputs[name] = value
	}
	return outputs
}
