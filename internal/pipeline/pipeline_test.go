package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// params is the type of the parameters of the templates of these tests.
var params = apiservercel.NewObjectType("@params", map[string]*apiservercel.DeclField{
	"version": apiservercel.NewDeclField("version", apiservercel.StringType, true, nil, nil),
	"slow":    apiservercel.NewDeclField("slow", apiservercel.BoolType, true, nil, nil),
	"ports":   apiservercel.NewDeclField("ports", apiservercel.NewListType(apiservercel.IntType, -1), true, nil, nil),
})

func script(name string, needs ...string) v1alpha1.Stage {
	return v1alpha1.Stage{Name: name, Image: "shell:1", Script: "true", Needs: needs}
}

func compile(stages ...v1alpha1.Stage) (*pipeline.Compiled, field.ErrorList) {
	return pipeline.Compile(&v1alpha1.Pipeline{Stages: stages}, params, field.NewPath("spec", "pipeline"))
}

func mustPlan(t *testing.T, in pipeline.Input, stages ...v1alpha1.Stage) pipeline.Plan {
	t.Helper()
	compiled, errs := compile(stages...)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	plan, err := compiled.Plan(in)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func input() pipeline.Input {
	return pipeline.Input{
		Component:  pipeline.Component{Name: "checkout", Namespace: "team-shop", Team: "shop", Repository: "https://git.example/shop/checkout"},
		Parameters: map[string]any{"version": "1.26", "slow": false},
		Build:      pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main"},
		Image:      "registry.example/shop/checkout",
	}
}

func value(step *pipeline.Step, name string) string {
	for _, e := range step.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return "(not there)"
}

func TestCompile_RefusesWithPathAndNextStep(t *testing.T) {
	axis := func(name string, n int) v1alpha1.MatrixAxis {
		a := v1alpha1.MatrixAxis{Name: name}
		for i := range n {
			a.Values = append(a.Values, fmt.Sprint(i))
		}
		return a
	}
	change := func(do func(*v1alpha1.Stage)) []v1alpha1.Stage {
		s := script("test")
		do(&s)
		return []v1alpha1.Stage{s}
	}
	many := make([]v1alpha1.Stage, 5)
	for i := range many {
		many[i] = script(fmt.Sprintf("s%d", i))
		many[i].Matrix = []v1alpha1.MatrixAxis{axis("a", 16), axis("b", 2)}
	}
	twice := script("test")
	twice.Matrix = []v1alpha1.MatrixAxis{axis("a", 2)}
	for name, c := range map[string]struct {
		stages []v1alpha1.Stage
		want   string
	}{
		"unknown need": {[]v1alpha1.Stage{script("test"), script("image", "tset")}, `spec.pipeline.stages[image].needs[0]: Invalid value: "tset": no such stage; did you mean test?`},
		"circle": {[]v1alpha1.Stage{script("a"), script("b", "a", "d"), script("c", "b"), script("d", "c")},
			`spec.pipeline.stages: Invalid value: "b -> d -> c -> b": stages must not need each other in a circle`},
		"itself":         {[]v1alpha1.Stage{script("a", "a")}, `"a -> a"`},
		"duplicate":      {[]v1alpha1.Stage{script("a"), script("a")}, `spec.pipeline.stages[a].name: Duplicate value: "a"`},
		"clone":          {[]v1alpha1.Stage{script("clone")}, "is the name of the step that fetches the sources"},
		"name of a run":  {[]v1alpha1.Stage{twice, script("test-2")}, "a run of it would be named test-2"},
		"when no bool":   {change(func(s *v1alpha1.Stage) { s.When = "${build.branch}" }), "spec.pipeline.stages[test].when: Invalid value: \"${build.branch}\": must give a bool, and gives string"},
		"when no whole":  {change(func(s *v1alpha1.Stage) { s.When = "build.branch == 'main'" }), "must be exactly one ${…}"},
		"when matrix":    {change(func(s *v1alpha1.Stage) { s.When, s.Matrix = "${matrix.a == '1'}", []v1alpha1.MatrixAxis{axis("a", 2)} }), "stages[test].when"},
		"build in args":  {change(func(s *v1alpha1.Stage) { s.Script, s.Args = "", []string{"${build.branch}"} }), "stages[test].args[0]"},
		"build in image": {change(func(s *v1alpha1.Stage) { s.Image = "x:${build.tag}" }), "stages[test].image"},
		"build in env":   {change(func(s *v1alpha1.Stage) { s.Env = []v1alpha1.EnvVar{{Name: "A", Value: "${build.branch}"}} }), "stages[test].env[A].value"},
		"unknown param":  {change(func(s *v1alpha1.Stage) { s.Image = "go:${params.verzion}" }), "verzion"},
		"list in image":  {change(func(s *v1alpha1.Stage) { s.Image = "go:${params.ports}" }), "${params.ports} gives list(int), and must give a string, number or bool"},
		"own variable":   {change(func(s *v1alpha1.Stage) { s.Env = []v1alpha1.EnvVar{{Name: "TOWPATH_IMAGE", Value: "x"}} }), "Towpath's own"},
		"same variable": {change(func(s *v1alpha1.Stage) {
			s.Env, s.SecretEnv = []v1alpha1.EnvVar{{Name: "A"}}, []v1alpha1.SecretEnvVar{{Name: "A"}}
		}), "stages[test].secretEnv[A].name: Duplicate"},
		"absolute":     {change(func(s *v1alpha1.Stage) { s.Artifacts = []string{"/etc"} }), "stages[test].artifacts[0]"},
		"upwards":      {change(func(s *v1alpha1.Stage) { s.Cache = []string{"a/../../b"} }), "stages[test].cache[0]"},
		"an option":    {change(func(s *v1alpha1.Stage) { s.Cache = []string{"--help"} }), "stages[test].cache[0]"},
		"a pattern":    {change(func(s *v1alpha1.Stage) { s.Artifacts = []string{"$(id)"} }), "stages[test].artifacts[0]"},
		"large matrix": {change(func(s *v1alpha1.Stage) { s.Matrix = []v1alpha1.MatrixAxis{axis("a", 16), axis("b", 3)} }), "must have from 1 to 32 combinations"},
		"same axis":    {change(func(s *v1alpha1.Stage) { s.Matrix = []v1alpha1.MatrixAxis{axis("goVersion", 1), axis("goversion", 1)} }), "MATRIX_GOVERSION"},
		"many steps":   {many, "are 160 runs, at most 127 are allowed"},
		"both":         {change(func(s *v1alpha1.Stage) { s.Args = []string{"x"} }), "must have either script or args"},
		"script":       {[]v1alpha1.Stage{{Name: "image", Standard: v1alpha1.StageImage, Script: "x"}}, "only Test takes a script"},
		"no image":     {[]v1alpha1.Stage{{Name: "test", Standard: v1alpha1.StageTest, Script: "x"}}, "stages[test].image: Required"},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, errs := compile(c.stages...)
			if compiled != nil || len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), c.want) {
				t.Errorf("%v\nmust say %s", errs.ToAggregate(), c.want)
			}
		})
	}
}

func TestPlan_OrdersStagesBehindWhatTheyNeedAndElseAsTheTemplate(t *testing.T) {
	plan := mustPlan(t, input(), script("z", "b"), script("b"), script("a", "z"), script("c"))
	var names []string
	for _, s := range plan.Steps {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "b z a c" {
		t.Errorf("the order is %s", got)
	}
}

func TestPlan_RunsAMatrixByAllCombinations(t *testing.T) {
	s := script("test")
	s.Image, s.Script, s.Args = "go:${matrix.go}", "", []string{"-os=${matrix.os}", "v${params.version}", "$${HOME}"}
	s.Matrix = []v1alpha1.MatrixAxis{{Name: "go", Values: []string{"1.25", "1.26"}}, {Name: "os", Values: []string{"a", "b"}}}
	plan := mustPlan(t, input(), s, script("image", "test"))
	if len(plan.Steps) != 5 {
		t.Fatalf("%d steps", len(plan.Steps))
	}
	third := plan.Steps[2]
	if third.Name != "test-3" || third.Image != "go:1.26" || strings.Join(third.Args, " ") != "-os=a v1.26 ${HOME}" ||
		value(&third, "MATRIX_GO") != "1.26" || value(&third, "MATRIX_OS") != "a" {
		t.Errorf("%+v", third)
	}
	if needs := strings.Join(plan.Steps[4].Needs, " "); needs != "test-1 test-2 test-3 test-4" {
		t.Errorf("image needs %s", needs)
	}
}

func TestPlan_EvaluatesConditions(t *testing.T) {
	for _, c := range []struct {
		when    string
		change  func(*pipeline.Input)
		skipped bool
	}{
		{"${build.branch == 'main'}", nil, false},
		{"${build.branch != 'main'}", nil, true},
		{"${params.slow}", nil, true},
		{"${build.pullRequest > 0}", nil, true},
		{"${build.pullRequest == 7}", func(in *pipeline.Input) { in.Build.PullRequest = 7 }, false},
		{"${build.tag.startsWith('v')}", func(in *pipeline.Input) { in.Build.Tag = "v1" }, false},
		{"${build.changedPaths.exists(p, p.startsWith('docs/'))}", func(in *pipeline.Input) { in.Build.ChangedPaths = []string{"main.go"} }, true},
		{"${build.changedPaths.exists(p, p.startsWith('docs/'))}", func(in *pipeline.Input) { in.Build.ChangedPaths = []string{"docs/a.md"} }, false},
		{"${!build.changedPaths.all(p, p.endsWith('.md'))}", func(in *pipeline.Input) { in.Build.ChangedPaths = []string{} }, true},
		// Where nobody knows which paths changed, a stage runs whose condition depends on them, and no other.
		{"${build.changedPaths.exists(p, p.startsWith('docs/'))}", nil, false},
		{"${!build.changedPaths.exists(p, p.startsWith('docs/'))}", nil, false},
		{"${size(build.changedPaths) > 3}", nil, false},
		{"${build.branch == 'other' && build.changedPaths.exists(p, p == 'x')}", nil, true},
		{"${build.branch == 'main' || 'x' in build.changedPaths}", nil, false},
		{"${'x' in build.changedPaths}", func(in *pipeline.Input) { in.Build.ChangedPaths = make([]string, 256) }, false},
	} {
		in, s := input(), script("test")
		s.When = c.when
		if c.change != nil {
			c.change(&in)
		}
		if plan := mustPlan(t, in, s); plan.Steps[0].Skipped != c.skipped {
			t.Errorf("%s with %+v: skipped is %t", c.when, in.Build, plan.Steps[0].Skipped)
		}
	}
}

func TestPlan_RefusesStandardStagesThatNobodyConfigured(t *testing.T) {
	all := pipeline.Standard{Buildkitd: "tcp://buildkitd:1234", Images: map[v1alpha1.StandardStage]string{
		v1alpha1.StageImage: "buildctl:1", v1alpha1.StageSBOM: "syft:1", v1alpha1.StageScan: "grype:1", v1alpha1.StageSign: "cosign:1", v1alpha1.StageProvenance: "cosign:1",
	}}
	for _, c := range []struct {
		change func(*pipeline.Input)
		want   string
	}{
		{func(in *pipeline.Input) { in.Standard.Images = nil }, "pipeline.images.image in the manager's configuration"},
		{func(in *pipeline.Input) { in.Standard.Buildkitd = "" }, "pipeline.buildkitd in the manager's configuration"},
		{func(in *pipeline.Input) { in.Image = "" }, "set spec.source.image of Component checkout"},
	} {
		compiled, _ := compile(v1alpha1.Stage{Name: "image", Standard: v1alpha1.StageImage})
		in := input()
		in.Standard = all
		c.change(&in)
		if _, err := compiled.Plan(in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v must say %s", err, c.want)
		}
	}
	in := input()
	in.Standard = all
	for _, standard := range []v1alpha1.StandardStage{v1alpha1.StageImage, v1alpha1.StageSBOM, v1alpha1.StageScan, v1alpha1.StageSign, v1alpha1.StageProvenance} {
		step := mustPlan(t, in, v1alpha1.Stage{Name: "x", Standard: standard}).Steps[0]
		if step.Image != all.Images[standard] || step.Script == "" {
			t.Errorf("%s: %+v", standard, step)
		}
	}
	skipped := v1alpha1.Stage{Name: "image", Standard: v1alpha1.StageImage, When: "${false}"}
	if step := mustPlan(t, input(), skipped).Steps[0]; !step.Skipped {
		t.Error("a stage that is left out needs no configuration")
	}
}

// What whoever pushes writes is in environment variables, and nowhere else: not in a script, an argument, an image, or a value that
// the template gives.
func TestPlan_KeepsHostileValuesOutOfEverythingButTheirVariables(t *testing.T) {
	for _, evil := range hostile {
		in := input()
		in.Build.Branch, in.Build.Tag, in.Build.ChangedPaths = "MARK"+evil, "MARK"+evil, []string{"MARK" + evil}
		s := script("test")
		s.Script, s.Env = "echo \"$TOWPATH_BRANCH\" ${{ x }} $(date) `id`", []v1alpha1.EnvVar{{Name: "A", Value: "${component.name}"}}
		s.When = "${build.branch != '' && build.changedPaths.exists(p, p != '')}"
		step := mustPlan(t, in, s).Steps[0]
		if value(&step, "TOWPATH_BRANCH") != "MARK"+evil || value(&step, "TOWPATH_TAG") != "MARK"+evil {
			t.Errorf("%q is not as it was pushed", evil)
		}
		if step.Script != s.Script {
			t.Errorf("the script has become %s", step.Script)
		}
		for _, e := range step.Env {
			if e.Name != "TOWPATH_BRANCH" && e.Name != "TOWPATH_TAG" && strings.Contains(e.Value, "MARK") {
				t.Errorf("%s is %s", e.Name, e.Value)
			}
		}
		if strings.Contains(step.Image+step.Name+step.Script+strings.Join(step.Args, ""), "MARK") {
			t.Errorf("%+v", step)
		}
	}
	in := input()
	in.Build.Branch = "a\x00b"
	compiled, _ := compile(script("test"))
	if _, err := compiled.Plan(in); err == nil {
		t.Error("a NUL character fits into no variable")
	}
}

// hostile are names that end a string, a line or a command somewhere.
var hostile = []string{
	`'; id; '`, `"; id; "`, "a\nb: c", "$(id)", "`id`", "${HOME}", "$(TOWPATH_COMMIT)", "${{ secrets.TOKEN }}", "$(params.x)", "$${x}", "--upload-pack=id", `\`, "$$",
	"\u2028", "*", "../../etc", "<script>", "%0A::set-env name=A::b",
}

// FuzzPlan compiles and plans anything. Nothing panics, the same input gives the same plan, and each step stands behind what it needs.
func FuzzPlan(f *testing.F) {
	f.Add("test", "go:${params.version}", "echo", "${build.branch == 'main'}", "a", "image", "build", "main", "1.26")
	f.Add("a", "${", "", "${size(build.changedPaths) > 0}", "a", "b", "../x", "'", "")
	f.Add("clone", "x", "y", "${build.tag}", "", "", "", "$(id)", "\x00")
	f.Fuzz(func(t *testing.T, name, image, script, when, needs, other, path, branch, version string) {
		stages := []v1alpha1.Stage{
			{Name: name, Image: image, Script: script, When: when, Artifacts: []string{path}},
			{Name: other, Image: image, Args: []string{script}, Needs: []string{needs}, Matrix: []v1alpha1.MatrixAxis{{Name: "a", Values: []string{version, "x"}}}},
		}
		compiled, errs := compile(stages...)
		if (compiled == nil) == (len(errs) == 0) {
			t.Fatal("either a pipeline or an error")
		}
		if compiled == nil {
			return
		}
		in := input()
		in.Parameters["version"], in.Build.Branch = version, branch
		plan, err := compiled.Plan(in)
		again, errAgain := compiled.Plan(in)
		if fmt.Sprint(plan, err) != fmt.Sprint(again, errAgain) {
			t.Fatal("the same input must give the same plan")
		}
		seen := map[string]bool{}
		for _, s := range plan.Steps {
			for _, n := range s.Needs {
				if !seen[n] {
					t.Fatalf("%s stands before %s", s.Name, n)
				}
			}
			seen[s.Name] = true
		}
	})
}

func TestPlan_NamesSecretsByParameters(t *testing.T) {
	stage := script("sign")
	named := func(variable, name string) v1alpha1.SecretEnvVar {
		return v1alpha1.SecretEnvVar{Name: variable, SecretKeyRef: v1alpha1.SecretKeyReference{Name: name, Key: "KEY"}}
	}
	stage.SecretEnv = []v1alpha1.SecretEnvVar{named("PLAIN", "registry"), named("KEY", "${params.version}"), named("TWO", "${params.version == '' ? '' : 'of-' + params.version}")}
	in := input()
	in.Parameters["version"] = "cosign"
	step := mustPlan(t, in, stage).Steps[0]
	if got := step.SecretEnv; len(got) != 3 || got[0] != named("PLAIN", "registry") || got[1] != named("KEY", "cosign") || got[2] != named("TWO", "of-cosign") {
		t.Errorf("got %v", got)
	}
	in.Parameters["version"] = ""
	if got := mustPlan(t, in, stage).Steps[0].SecretEnv; len(got) != 1 || got[0] != named("PLAIN", "registry") {
		t.Errorf("a Secret that nobody names is not left out: %v", got)
	}
	if stage.SecretEnv[1].SecretKeyRef.Name != "${params.version}" {
		t.Error("planning changed the template")
	}
	for _, name := range []string{"../other", "Cosign", "a b", "$(id)"} {
		in.Parameters["version"] = name
		compiled, errs := compile(stage)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		if _, err := compiled.Plan(in); err == nil || !strings.Contains(err.Error(), "secretEnv[KEY].secretKeyRef.name: ") || !strings.Contains(err.Error(), "must be the name of a Secret, or nothing for none") {
			t.Errorf("%q: got %v", name, err)
		}
	}
	stage.Matrix = []v1alpha1.MatrixAxis{{Name: "go", Values: []string{"1"}}}
	stage.SecretEnv = []v1alpha1.SecretEnvVar{named("KEY", "${matrix.go}")}
	if _, errs := compile(stage); len(errs) != 1 || !strings.Contains(errs[0].Error(), "secretEnv[KEY].secretKeyRef.name") {
		t.Errorf("runs of a matrix may differ in their Secrets: %v", errs)
	}
}

// What the parameters decide alone is decided; what the commit decides too is left to whoever knows it.
func TestEverything(t *testing.T) {
	conditions := map[string]string{
		"no":           "${params.slow}",
		"yes":          "${!params.slow}",
		"never":        "${build.pullRequest == 0 && params.slow}",
		"later":        "${build.pullRequest == 0 && !params.slow}",
		"either":       "${params.slow || build.branch == 'main'}",
		"always":       "${!params.slow || build.changedPaths.exists(p, p == 'x')}",
		"of-component": "${component.name != 'checkout'}",
	}
	left := map[string]bool{"no": true, "never": true, "of-component": true}
	var stages []v1alpha1.Stage
	for _, name := range []string{"no", "yes", "never", "later", "either", "always", "of-component"} {
		s := v1alpha1.Stage{Name: name, Standard: v1alpha1.StageScan, When: conditions[name]} // nobody names an image for it
		if !left[name] {
			s = script(name)
			s.When = conditions[name]
		}
		stages = append(stages, s)
	}
	compiled, errs := compile(stages...)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	in := input()
	in.Build = pipeline.Build{}
	plan, err := compiled.Everything(in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if step.Skipped != left[step.Name] {
			t.Errorf("%s: left out %v, want %v", step.Name, step.Skipped, left[step.Name])
		}
		if want := map[string]string{"later": conditions["later"], "either": conditions["either"]}[step.Name]; !step.Skipped && step.When != want {
			t.Errorf("%s: the condition %q is left, want %q", step.Name, step.When, want)
		}
	}
	if stages[1].When == "" {
		t.Error("the template was changed")
	}
}

func TestUnheeded_WhatGitHubActionsRefuses(t *testing.T) {
	secret := func(name, key string) v1alpha1.SecretEnvVar {
		return v1alpha1.SecretEnvVar{Name: name, SecretKeyRef: v1alpha1.SecretKeyReference{Name: "secret", Key: key}}
	}
	one, two, three := script("one"), script("two"), script("three")
	one.Env = []v1alpha1.EnvVar{{Name: "PATH"}, {Name: "http_proxy"}, {Name: "HTTP_PROXY"}}
	one.SecretEnv = []v1alpha1.SecretEnvVar{secret("RUNNER_NAME", "TOKEN"), secret("TLS", "tls.key"), secret("DOCKER_AUTH_CONFIG", "DOCKER_AUTH_CONFIG")}
	two.Matrix, two.Env = []v1alpha1.MatrixAxis{{Name: "go", Values: []string{"1.26"}}}, []v1alpha1.EnvVar{{Name: "matrix_go"}}
	three.TimeoutSeconds, three.Retries = 4*3600, 1
	compiled, errs := pipeline.Compile(&v1alpha1.Pipeline{TimeoutSeconds: 24 * 3600, Stages: []v1alpha1.Stage{one, two, three}}, nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	got := compiled.Unheeded()
	want := []string{
		"stages[one].env[PATH]: is refused for Components with source.engine GitHubActions, by towpath pipeline sync: the environment variable PATH is read by the runner",
		"stages[one].secretEnv[RUNNER_NAME]: is refused", `stages[one].secretEnv[TLS].secretKeyRef.key: is refused for Components with source.engine GitHubActions, by towpath pipeline sync: "tls.key"`,
		"stages[one]: is refused for Components with source.engine GitHubActions, by towpath pipeline sync: the environment variables http_proxy and HTTP_PROXY",
		"stages[two]: is refused for Components with source.engine GitHubActions, by towpath pipeline sync: the environment variables MATRIX_GO and matrix_go",
		"stages[three].timeoutSeconds: has less effect for Components with source.engine GitHubActions: with all of its tries the stage may take 8h0m0s, and GitHub ends a job after 6h0m0s",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestUnheeded_WhereTektonPassesNoImageOn(t *testing.T) {
	standard := func(kind v1alpha1.StandardStage, needs ...string) v1alpha1.Stage {
		return v1alpha1.Stage{Name: strings.ToLower(string(kind)), Standard: kind, Needs: needs}
	}
	reads := script("reads", "own")
	reads.Script = `crane copy "$TOWPATH_BUILT_IMAGE" elsewhere`
	for name, tt := range map[string]struct {
		stages []v1alpha1.Stage
		want   []string
	}{
		"a stage of one's own pushes":    {[]v1alpha1.Stage{script("own"), standard(v1alpha1.StageSBOM, "own"), standard(v1alpha1.StageSign, "sbom")}, []string{"stages[sbom]: finds no", "stages[sign]: finds no"}},
		"it is read by a script":         {[]v1alpha1.Stage{script("own"), reads}, []string{"stages[reads]: finds no TOWPATH_BUILT_IMAGE for Components with source.engine Tekton"}},
		"it is not read":                 {[]v1alpha1.Stage{script("own"), script("other", "own")}, nil},
		"the standard stage pushes":      {[]v1alpha1.Stage{standard(v1alpha1.StageImage), script("own", "image"), standard(v1alpha1.StageSign, "own"), reads}, nil},
		"nothing before it could push":   {[]v1alpha1.Stage{standard(v1alpha1.StageSign)}, nil},
		"the standard stage runs beside": {[]v1alpha1.Stage{standard(v1alpha1.StageImage), script("own"), standard(v1alpha1.StageSign, "own")}, []string{"stages[sign]: finds no"}},
	} {
		compiled, errs := compile(tt.stages...)
		if len(errs) > 0 {
			t.Fatalf("%s: %v", name, errs.ToAggregate())
		}
		if got := compiled.Unheeded(); !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestMade(t *testing.T) {
	const tag, pushed = "registry.example/checkout:1", "registry.example/checkout@sha256:a"
	image := func(skipped bool) pipeline.Step {
		return pipeline.Step{Name: "image", Standard: v1alpha1.StageImage, Skipped: skipped}
	}
	for name, tt := range map[string]struct {
		steps []pipeline.Step
		own   string // what the step own has pushed
		want  string
	}{
		"no standard image":                 {[]pipeline.Step{{Name: "own"}}, "", tag},
		"the standard image":                {[]pipeline.Step{image(false), {Name: "own"}}, "", tag},
		"it is left out":                    {[]pipeline.Step{image(true), {Name: "own"}}, "", ""},
		"it is left out, and another there": {[]pipeline.Step{image(true), {Name: "own", Standard: v1alpha1.StageImage}}, "", tag},
		"it is left out, and own pushes":    {[]pipeline.Step{image(true), {Name: "own"}}, pushed, pushed},
	} {
		if got := pipeline.Made(&pipeline.Plan{Steps: tt.steps}, []v1alpha1.BuildStage{{Name: "own", Image: tt.own}}, tag); got != tt.want {
			t.Errorf("%s: it is %q, want %q", name, got, tt.want)
		}
	}
}

func TestUnheeded(t *testing.T) {
	cached, sized := script("cached"), script("sized")
	cached.Cache, sized.Resources = []string{".cache"}, &v1alpha1.StageResources{}
	compiled, errs := compile(script("plain"), cached, sized)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	got := compiled.Unheeded()
	if len(got) != 2 || !strings.HasPrefix(got[0], "stages[cached].cache: has no effect for Components with source.engine Tekton") ||
		!strings.HasPrefix(got[1], "stages[sized].resources: has no effect for Components with source.engine GitHubActions") {
		t.Errorf("got %q", got)
	}
}
