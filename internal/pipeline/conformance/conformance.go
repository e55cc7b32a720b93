// Package conformance holds every engine to the same pipelines: the same order, conditions, values, secrets and meaning of a failure. A
// new engine is one more implementation of Engine, in its own tests.
package conformance

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// Engine carries out pipelines.
type Engine interface {
	// Run carries out a pipeline, or plays what the engine would do with what is made for it, and tells what came of it.
	Run(t *testing.T, c *Case) Outcome
	// Unheeded are the settings of a stage that it does not heed, as pipeline.Compiled.Unheeded tells whoever writes a template.
	Unheeded() []string
}

// Case is one Build.
type Case struct {
	Compiled *pipeline.Compiled
	Input    pipeline.Input
	// Written is what steps write to TOWPATH_RESULT.
	Written map[string]string
	// Failing are the steps that fail, however often they are tried.
	Failing []string
	// Message is that of the commit.
	Message string
}

// Outcome is what came of a Build.
type Outcome struct {
	// Began are the steps in the order in which they began.
	Began []string
	// Seen is what the container of each of them got.
	Seen map[string]Seen
	// States of the steps. What did not run is Skipped where its condition left it out, else Cancelled.
	States map[string]platformv1alpha1.StageState
	// Result of all.
	Result platformv1alpha1.BuildResult
	// Image that the Build gives; empty for none.
	Image string
	// Sent is all that the engine was given.
	Sent string
}

// Seen is what the container of a step got.
type Seen struct {
	Image, Script string
	Args          []string
	// Env holds the plain variables, Secrets the keys of those that come from Secrets.
	Env, Secrets map[string]string
	// Tries that it had, or would have at most.
	Tries int
}

// fixture is a pipeline with what must come of it.
type fixture struct {
	stages  []platformv1alpha1.Stage
	build   pipeline.Build
	failing []string
	message string
	written map[string]string
	// want are the states, as name=State. States with a bar between them are both right: once something has failed, an engine may begin
	// nothing any more, or what does not need it.
	want   string
	result platformv1alpha1.BuildResult
	// check looks at what containers got.
	check func(t *testing.T, out *Outcome, in *pipeline.Input)
}

// Hostile is what somebody may call a branch, a tag or a value to have it run, read or evaluated. Git allows all of it in a branch.
const Hostile = "x`id`$(id)'\"${{github.token}}$(params.x)$(HOME)$(TOWPATH_IMAGE)$(steps.stage.results.x);id&&id|id#$HOME<>!"

// value is the like for values of a template and parameters of a Component, which may hold more.
const value = Hostile + "\\ \\\\0044\n- run: id\t%s%0A::add-mask::x\n$${HOME}\n"

func script(name string, needs ...string) platformv1alpha1.Stage {
	return platformv1alpha1.Stage{Name: name, Image: "shell:1", Script: "true\n", Needs: needs}
}

func when(stage platformv1alpha1.Stage, condition string) platformv1alpha1.Stage {
	stage.When = condition
	return stage
}

func fixtures() map[string]fixture {
	main := pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main"}
	matrix := script("matrix", "first")
	matrix.Matrix = []platformv1alpha1.MatrixAxis{{Name: "go", Values: []string{"1.25", "1.26"}}}
	retried := script("first")
	retried.Retries = 2
	all := map[string]fixture{
		"stages run once what they need has succeeded": {
			stages: []platformv1alpha1.Stage{script("last", "left", "right"), script("left", "first"), script("right", "first"), script("first")},
			build:  main, want: "first=Succeeded last=Succeeded left=Succeeded right=Succeeded", result: platformv1alpha1.BuildSucceeded,
		},
		"what a condition leaves out counts as succeeded": {
			stages: []platformv1alpha1.Stage{script("first"), when(script("left-out", "first"), "${build.branch != 'main'}"), script("last", "left-out")},
			build:  main, want: "first=Succeeded last=Succeeded left-out=Skipped", result: platformv1alpha1.BuildSucceeded,
		},
		"what needs a stage that failed does not run": {
			stages: []platformv1alpha1.Stage{script("first"), script("second", "first"), script("third", "second"), script("beside"), script("after", "beside")},
			build:  main, failing: []string{"first"}, result: platformv1alpha1.BuildFailed,
			want: "after=Succeeded|Cancelled beside=Succeeded first=Failed second=Cancelled third=Cancelled",
		},
		"a stage that is left out hides no failure before it": {
			stages: []platformv1alpha1.Stage{script("first"), when(script("left-out", "first"), "${false}"), when(script("too", "left-out"), "${false}"), script("last", "too")},
			build:  main, failing: []string{"first"}, result: platformv1alpha1.BuildFailed,
			want: "first=Failed last=Cancelled left-out=Skipped too=Skipped",
		},
		"what parameters leave out is left out for every commit": {
			stages: []platformv1alpha1.Stage{
				script("first"), when(script("left-out", "first"), "${build.branch == 'main' && params.unnamed != ''}"), when(script("last", "left-out"), "${params.named != ''}"),
			},
			build: main, want: "first=Succeeded last=Succeeded left-out=Skipped", result: platformv1alpha1.BuildSucceeded,
		},
		"a matrix has succeeded once all of its runs have": {
			stages: []platformv1alpha1.Stage{script("first"), matrix, script("last", "matrix")},
			build:  main, want: "first=Succeeded last=Succeeded matrix-1=Succeeded matrix-2=Succeeded", result: platformv1alpha1.BuildSucceeded,
			check: func(t *testing.T, out *Outcome, _ *pipeline.Input) {
				if a, b := out.Seen["matrix-1"].Env["MATRIX_GO"], out.Seen["matrix-2"].Env["MATRIX_GO"]; a != "1.25" || b != "1.26" {
					t.Errorf("the runs of the matrix have %q and %q", a, b)
				}
			},
		},
		"a matrix has failed once one of its runs has": {
			stages: []platformv1alpha1.Stage{script("first"), matrix, script("last", "matrix")},
			build:  main, failing: []string{"matrix-2"}, result: platformv1alpha1.BuildFailed,
			want: "first=Succeeded last=Cancelled matrix-1=Succeeded matrix-2=Failed",
		},
		"a stage is tried again": {
			stages: []platformv1alpha1.Stage{retried}, build: main, failing: []string{"first"}, want: "first=Failed", result: platformv1alpha1.BuildFailed,
			check: func(t *testing.T, out *Outcome, _ *pipeline.Input) {
				if got := out.Seen["first"].Tries; got != 3 {
					t.Errorf("it has %d tries", got)
				}
			},
		},
		"a tag and a pull request": {
			stages: []platformv1alpha1.Stage{
				when(script("tagged"), "${build.tag.startsWith('v')}"), when(script("requested"), "${build.pullRequest == 7 && build.branch == 'fix'}"), script("always"),
			},
			build: pipeline.Build{SHA: main.SHA, Branch: "fix", PullRequest: 7}, want: "always=Succeeded requested=Succeeded tagged=Skipped",
			result: platformv1alpha1.BuildSucceeded,
		},
	}
	maps.Copy(all, images(main))
	for name, build := range map[string]pipeline.Build{
		"on the branch": main, "on another branch": {SHA: main.SHA, Branch: "feature"}, "a tag alone": {SHA: main.SHA, Tag: "v1"},
		"a pull request": {SHA: main.SHA, Branch: "fix", PullRequest: 7},
	} {
		want := "sign=Skipped"
		if build.Branch == "main" {
			want = "sign=Succeeded"
		}
		all["what is for the branch that is deployed: "+name] = fixture{
			stages: []platformv1alpha1.Stage{script("test"), when(script("sign", "test"), "${build.branch == component.branch}")},
			build:  build, want: "test=Succeeded " + want, result: platformv1alpha1.BuildSucceeded,
		}
		all["a key is for the branch that is deployed: "+name] = keyed(build)
	}
	all["a push whose message names a pull request"] = merged(main.SHA)
	all["hostile names and values stay what they are"] = hostile(pipeline.Build{Branch: Hostile})
	all["hostile names and values stay what they are: a tag"] = hostile(pipeline.Build{Tag: Hostile})
	all["hostile names and values stay what they are: a pull request"] = hostile(pipeline.Build{Branch: Hostile, PullRequest: 7})
	all["secrets are named, and sent nowhere"] = secrets(main)
	return all
}

// pushed is the digest that a stage writes.
func pushed(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// images are about what of all that stages may push a Build gives.
func images(build pipeline.Build) map[string]fixture {
	const repository = "registry.example/shop/checkout"
	standard := platformv1alpha1.Stage{Name: "image", Standard: platformv1alpha1.StageImage}
	gives := func(want string) func(*testing.T, *Outcome, *pipeline.Input) {
		return func(t *testing.T, out *Outcome, _ *pipeline.Input) { same(t, "the image", out.Image, want) }
	}
	return map[string]fixture{
		"where conditions leave out the standard image, there is none": {
			stages: []platformv1alpha1.Stage{script("test"), when(standard, "${build.branch != 'main'}"), script("last", "image")},
			build:  build, want: "image=Skipped last=Succeeded test=Succeeded", result: platformv1alpha1.BuildSucceeded, check: gives(""),
		},
		"where parameters leave out the standard image, there is none": {
			stages: []platformv1alpha1.Stage{script("test"), when(standard, "${params.unnamed != ''}")},
			build:  build, want: "image=Skipped test=Succeeded", result: platformv1alpha1.BuildSucceeded, check: gives(""),
		},
		"one of several standard images is enough": {
			stages: []platformv1alpha1.Stage{
				when(standard, "${build.branch != 'main'}"), {Name: "image2", Standard: platformv1alpha1.StageImage, When: "${build.branch == 'main'}"},
			},
			build: build, want: "image=Skipped image2=Succeeded", result: platformv1alpha1.BuildSucceeded, check: gives(repository + ":" + build.SHA),
		},
		"without a standard image, the tag is taken": {
			stages: []platformv1alpha1.Stage{script("own")}, build: build, want: "own=Succeeded", result: platformv1alpha1.BuildSucceeded,
			check: gives(repository + ":" + build.SHA),
		},
		"what else pushes puts nothing in the place of the standard image": {
			stages: []platformv1alpha1.Stage{
				standard, script("own", "image"), {Name: "sign", Standard: platformv1alpha1.StageSign, Needs: []string{"own"}}, script("last", "sign"),
			},
			build: build, written: map[string]string{"image": pushed("d"), "own": pushed("e"), "sign": pushed("f"), "last": pushed("a")},
			want: "image=Succeeded last=Succeeded own=Succeeded sign=Succeeded", result: platformv1alpha1.BuildSucceeded,
			check: func(t *testing.T, out *Outcome, in *pipeline.Input) {
				for _, name := range []string{"own", "sign", "last"} {
					same(t, "TOWPATH_BUILT_IMAGE of "+name, out.Seen[name].Env["TOWPATH_BUILT_IMAGE"], repository+"@"+pushed("d"))
				}
				gives(repository+"@"+pushed("d"))(t, out, in)
			},
		},
		"where the standard image is left out, what else pushes counts": {
			stages: []platformv1alpha1.Stage{when(standard, "${build.branch != 'main'}"), script("own", "image"), script("last", "own")},
			build:  build, written: map[string]string{"own": pushed("e")},
			want: "image=Skipped last=Succeeded own=Succeeded", result: platformv1alpha1.BuildSucceeded, check: gives(repository + "@" + pushed("e")),
		},
		"the standard image is what was pushed": {
			stages: []platformv1alpha1.Stage{standard}, build: build, written: map[string]string{"image": pushed("d")},
			want: "image=Succeeded", result: platformv1alpha1.BuildSucceeded, check: gives(repository + "@" + pushed("d")),
		},
	}
}

// merged is a commit of the branch that a request brought there, or that says so. It is of no request: what needs secrets runs.
func merged(sha string) fixture {
	const message = "Add a cart (#12)"
	return fixture{
		stages: []platformv1alpha1.Stage{when(script("sign"), "${build.pullRequest == 0}"), when(script("review"), "${build.pullRequest == 12}")},
		build: build.Told(&platformv1alpha1.Build{Spec: platformv1alpha1.BuildSpec{
			Branch: "main", Commit: platformv1alpha1.BuildCommit{SHA: sha, Message: message}, PullRequest: &platformv1alpha1.BuildPullRequest{Number: 12},
		}}, "main"),
		message: message, want: "review=Skipped sign=Succeeded", result: platformv1alpha1.BuildSucceeded,
		check: func(t *testing.T, out *Outcome, _ *pipeline.Input) {
			same(t, "TOWPATH_PULL_REQUEST", out.Seen["sign"].Env["TOWPATH_PULL_REQUEST"], "")
		},
	}
}

// hostile has everything that others write hold what somebody could want to be run. What a tag or a pull request brings takes no tag of an image that
// the branch has.
func hostile(named pipeline.Build) fixture {
	named.SHA = strings.Repeat("ab", 20)
	number, image := "", named.SHA
	switch {
	case named.PullRequest != 0:
		number = strconv.FormatInt(named.PullRequest, 10)
		image = "pr-" + number + "-" + image
	case named.Branch == "":
		image = "tag-" + image
	}
	text := "printf '%s' \"$TOWPATH_BRANCH\"\n# " + value
	withArgs := platformv1alpha1.Stage{
		Name: "arguments", Image: "tool:1", Args: []string{"${params.value}", "--x=${params.value}"},
		Matrix: []platformv1alpha1.MatrixAxis{{Name: "x", Values: []string{"plain", strings.TrimSpace(value)[:100]}}},
		Env:    []platformv1alpha1.EnvVar{{Name: "VALUE", Value: "${params.value}"}},
	}
	withScript := platformv1alpha1.Stage{Name: "script", Image: "shell:1", Script: text, Env: []platformv1alpha1.EnvVar{{Name: "VALUE", Value: "${params.value}"}}}
	return fixture{
		stages: []platformv1alpha1.Stage{withArgs, withScript}, build: named,
		want: "arguments-1=Succeeded arguments-2=Succeeded script=Succeeded", result: platformv1alpha1.BuildSucceeded,
		check: func(t *testing.T, out *Outcome, in *pipeline.Input) {
			same(t, "the script", strings.TrimSuffix(out.Seen["script"].Script, "\n"), strings.TrimSuffix(text, "\n"))
			for i, arg := range []string{value, "--x=" + value} {
				if args := out.Seen["arguments-2"].Args; len(args) != 2 {
					t.Fatalf("the arguments are %q", args)
				}
				same(t, "the argument", out.Seen["arguments-2"].Args[i], arg)
			}
			same(t, "the value of the matrix", out.Seen["arguments-2"].Env["MATRIX_X"], strings.TrimSpace(value)[:100])
			for _, step := range []string{"script", "arguments-1"} {
				same(t, "VALUE", out.Seen[step].Env["VALUE"], value)
				same(t, "TOWPATH_BRANCH", out.Seen[step].Env["TOWPATH_BRANCH"], named.Branch)
				same(t, "TOWPATH_COMMIT", out.Seen[step].Env["TOWPATH_COMMIT"], in.Build.SHA)
				same(t, "TOWPATH_IMAGE", out.Seen[step].Env["TOWPATH_IMAGE"], in.Image+":"+image)
				same(t, "TOWPATH_TAG", out.Seen[step].Env["TOWPATH_TAG"], named.Tag)
				same(t, "TOWPATH_PULL_REQUEST", out.Seen[step].Env["TOWPATH_PULL_REQUEST"], number)
			}
		},
	}
}

// keyed has two stages do the same, of which one gets a key: that on the branch that is deployed.
func keyed(build pipeline.Build) fixture {
	with, without := when(script("with"), "${build.branch == component.branch}"), when(script("without"), "${build.branch != component.branch}")
	with.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "${params.named}", Key: "NPM_TOKEN"}}}
	f := fixture{
		stages: []platformv1alpha1.Stage{with, without, script("last", "with", "without")}, build: build,
		want: "last=Succeeded with=Skipped without=Succeeded", result: platformv1alpha1.BuildSucceeded,
	}
	want := 0
	if build.Branch == "main" {
		f.want, want = "last=Succeeded with=Succeeded without=Skipped", 1
	}
	f.check = func(t *testing.T, out *Outcome, _ *pipeline.Input) {
		got := 0
		for _, seen := range out.Seen {
			got += len(seen.Secrets)
		}
		if got != want {
			t.Errorf("%d containers hold the key, want %d", got, want)
		}
	}
	return f
}

func secrets(build pipeline.Build) fixture {
	stage := script("secret")
	stage.SecretEnv = []platformv1alpha1.SecretEnvVar{
		{Name: "TOKEN", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "${params.named}", Key: "NPM_TOKEN"}},
		{Name: "UNNAMED", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "${params.unnamed}", Key: "NPM_TOKEN"}},
	}
	return fixture{
		stages: []platformv1alpha1.Stage{stage, script("other", "secret")}, build: build, want: "other=Succeeded secret=Succeeded", result: platformv1alpha1.BuildSucceeded,
		check: func(t *testing.T, out *Outcome, _ *pipeline.Input) {
			same(t, "the secret's key", out.Seen["secret"].Secrets["TOKEN"], "NPM_TOKEN")
			if _, there := out.Seen["secret"].Secrets["UNNAMED"]; there || strings.Contains(out.Sent, "UNNAMED") {
				t.Error("a variable is there whose Secret the parameters do not name")
			}
			if len(out.Seen["other"].Secrets) > 0 {
				t.Errorf("a stage that names no secret has %v", out.Seen["other"].Secrets)
			}
			if strings.Contains(out.Sent, SecretValue) {
				t.Error("the value of a secret is in what the engine is given")
			}
		},
	}
}

// SecretValue is what an engine that runs something for real gives a stage for a secret.
const SecretValue = "correct-horse-battery-staple"

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is\n%q, want\n%q", what, got, want)
	}
}

// Test holds an engine to all pipelines.
func Test(t *testing.T, engine Engine) {
	all := fixtures()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		t.Run(name, func(t *testing.T) { f.test(t, engine) })
	}
}

// TestSettings holds an engine to the settings of a stage that it says it heeds, and to no other.
func TestSettings(t *testing.T, engine Engine) {
	const cache, memory = ".cache/kept", "77Mi"
	stage := script("stage")
	stage.Cache = []string{cache}
	stage.Resources = &platformv1alpha1.StageResources{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}
	f := fixture{
		stages: []platformv1alpha1.Stage{stage, script("reads", "stage")}, build: pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main"},
		written: map[string]string{"stage": pushed("d")}, want: "reads=Succeeded stage=Succeeded", result: platformv1alpha1.BuildSucceeded,
		check: func(t *testing.T, out *Outcome, in *pipeline.Input) {
			const built = "TOWPATH_BUILT_IMAGE"
			if heeded, said := out.Seen["reads"].Env[built] == in.Image+"@"+pushed("d"), !slices.Contains(engine.Unheeded(), built); heeded != said {
				t.Errorf("%s is set by what a stage of one's own has pushed: %v, and the engine says %v", built, heeded, said)
			}
			for setting, value := range map[string]string{"cache": cache, "resources": memory} {
				if heeded, said := strings.Contains(out.Sent, value), !slices.Contains(engine.Unheeded(), setting); heeded != said {
					t.Errorf("%s is heeded: %v, and the engine says %v", setting, heeded, said)
				}
			}
		},
	}
	f.test(t, engine)
}

func (f *fixture) test(t *testing.T, engine Engine) {
	compiled, errs := pipeline.Compile(&platformv1alpha1.Pipeline{Stages: f.stages}, nil, field.NewPath("spec", "pipeline"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	in := pipeline.Input{
		Component:  pipeline.Component{Name: "checkout", Namespace: "team-shop", Team: "shop", Repository: "https://git.example/shop/checkout", Branch: "main"},
		Parameters: map[string]any{"value": value, "named": "build", "unnamed": ""}, Build: f.build, Image: "registry.example/shop/checkout",
		Standard: pipeline.Standard{Buildkitd: "tcp://buildkitd:1234", Images: map[platformv1alpha1.StandardStage]string{
			platformv1alpha1.StageImage: "buildctl:1", platformv1alpha1.StageSign: "cosign:1",
		}},
	}
	out := engine.Run(t, &Case{Compiled: compiled, Input: in, Failing: f.failing, Message: f.message, Written: f.written})
	for want := range strings.FieldsSeq(f.want) {
		name, states, _ := strings.Cut(want, "=")
		if !slices.Contains(strings.Split(states, "|"), string(out.States[name])) {
			t.Errorf("stage %s is %s, want %s", name, out.States[name], states)
		}
	}
	if got, want := len(out.States), len(strings.Fields(f.want)); got != want {
		t.Errorf("%d steps, want %d: %v", got, want, out.States)
	}
	if out.Result != f.result {
		t.Errorf("the result is %q, want %q", out.Result, f.result)
	}
	plan, err := compiled.Plan(in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		began := slices.Index(out.Began, step.Name)
		if ran := out.States[step.Name] == platformv1alpha1.StageSucceeded || out.States[step.Name] == platformv1alpha1.StageFailed; ran != (began >= 0) {
			t.Errorf("stage %s is %s, and what began is %v", step.Name, out.States[step.Name], out.Began)
		}
		for _, need := range step.Needs {
			before := slices.Index(out.Began, need)
			never := before < 0 && out.States[need] != platformv1alpha1.StageSkipped
			if began >= 0 && (before > began || never) {
				t.Errorf("stage %s began before %s, which it needs: %v", step.Name, need, out.Began)
			}
		}
	}
	if f.check != nil {
		f.check(t, &out, &in)
	}
}
