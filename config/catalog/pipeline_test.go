package catalog_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
	"github.com/towpath-dev/towpath/internal/render"
)

// builds are the parameters of the build that are tried on each golden path that has a pipeline, with the stages that run on the branch.
var builds = map[string]struct{ parameters, stages string }{
	"defaults": {"{}", "clone test image sbom scan"},
	"bare":     {`{build: {testCommand: "", sbom: None, scan: None}}`, "clone image"},
	"everything": {`
build:
  testImage: registry.example/tools/node:24
  testCommand: npm ci && npm test -- --name="it's $(id) ${{ x }}"
  registrySecret: registry
  sbom: CycloneDX
  scan: Critical
  scanIgnore: [{id: CVE-2026-1234, until: "2027-03-01"}, {id: GHSA-aaaa-bbbb-cccc, until: "2027-01-15"}]
  signingSecret: cosign`, "clone test image sbom scan sign provenance"},
}

// built gives the golden paths that have a pipeline.
func built() []*goldenPath {
	return slices.DeleteFunc(slices.Clone(goldenPaths), func(p *goldenPath) bool { return p == postgres })
}

// source is a Component that is built, with the images that a platform could name: of sign and provenance only where they are needed.
func (p *goldenPath) source(t *testing.T, parameters string) pipeline.Input {
	t.Helper()
	_, compiled := p.load(t)
	given := parse(t, parameters)
	if p == scheduledJob {
		given["schedule"] = "@daily"
	}
	resolved, errs := compiled.ResolveParameters(given, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	images := map[platformv1alpha1.StandardStage]string{platformv1alpha1.StageImage: "registry.example/tools/buildctl:1"}
	if !strings.Contains(parameters, "sbom: None") {
		images[platformv1alpha1.StageSBOM], images[platformv1alpha1.StageScan] = "registry.example/tools/syft:1", "registry.example/tools/grype:1"
	}
	if strings.Contains(parameters, "signingSecret") {
		images[platformv1alpha1.StageSign], images[platformv1alpha1.StageProvenance] = "registry.example/tools/cosign:1", "registry.example/tools/cosign:1"
	}
	return pipeline.Input{
		Component:  pipeline.Component{Name: "checkout", Namespace: "team-shop", Team: "shop", Repository: "https://git.example/shop/checkout", Branch: "main"},
		Parameters: resolved, Image: "registry.example/shop/checkout", Build: pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main"},
		Standard: pipeline.Standard{Clone: "registry.example/tools/git:1", Buildkitd: "tcp://buildkitd.buildkit:1234", Images: images},
	}
}

// eachBuild runs a test on all parameters of the build of every golden path that has a pipeline.
func eachBuild(t *testing.T, test func(t *testing.T, p *goldenPath, name string, in pipeline.Input)) {
	t.Helper()
	for _, p := range built() {
		for _, name := range slices.Sorted(maps.Keys(builds)) {
			t.Run(p.name+" "+name, func(t *testing.T) { test(t, p, name, p.source(t, builds[name].parameters)) })
		}
	}
}

// plan gives what a Build in the cluster runs.
func (p *goldenPath) plan(t *testing.T, in *pipeline.Input) pipeline.Plan {
	t.Helper()
	_, compiled := p.load(t)
	plan, err := compiled.Pipeline().Plan(*in)
	if err == nil {
		plan, err = jobs.WithClone(plan, in)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// ran names the stages of a plan that its conditions do not leave out.
func ran(plan *pipeline.Plan) string {
	var names []string
	for i := range plan.Steps {
		if !plan.Steps[i].Skipped {
			names = append(names, plan.Steps[i].Name)
		}
	}
	return strings.Join(names, " ")
}

// place is where a Build runs.
func (p *goldenPath) place() render.Input {
	return render.Input{
		OwnerUID: "5b9c1c1e-7a5e-4d0c-9d0a-3f1f6f2f7a11", Component: "checkout", HomeNamespace: "team-shop", Team: "shop", CostCenter: "cc-4711",
		Environment: render.Environment{Name: "dev", Namespace: "shop-dev", Class: "development", Tier: platformv1alpha1.TierDevelopment},
		Template:    p.name, Revision: 3,
	}
}

// buildPolicy is what the guard holds the objects of a Build to.
func (p *goldenPath) buildPolicy() guard.Policy {
	policy := jobs.Policy(&jobs.Run{Input: p.place(), Build: "checkout-abab"}, nil)
	policy.PipelineRuns = true
	policy.Namespaced = func(schema.GroupKind) (namespaced, known bool) { return true, true }
	return policy
}

// postgres runs what others wrote: there is nothing to build.
func TestGoldenPathsThatRunCodeHaveAPipeline(t *testing.T) {
	for _, p := range goldenPaths {
		found, compiled := p.load(t)
		if has := compiled.Pipeline() != nil; has != (p != postgres) || has != (found.Spec.Pipeline != nil) {
			t.Errorf("%s has a pipeline: %v", p.name, has)
		}
	}
}

// A stage is the same on each path, so that whoever knows one knows all. What differs is whether tests are run by default.
func TestPipelinesDifferInTheirTestsAlone(t *testing.T) {
	first, _ := webService.load(t)
	for _, p := range built() {
		found, _ := p.load(t)
		if diff := cmp.Diff(first.Spec.Pipeline.Stages[1:], found.Spec.Pipeline.Stages[1:]); diff != "" || found.Spec.Pipeline.Stages[0].Name != "test" {
			t.Errorf("%s (-web-service +it):\n%s", p.name, diff)
		}
	}
}

func TestTheParametersDecideWhichStagesRun(t *testing.T) {
	eachBuild(t, func(t *testing.T, p *goldenPath, name string, in pipeline.Input) {
		want := builds[name].stages
		if p == staticSite && name == "defaults" {
			want = "clone image sbom scan" // there is no test of files
		}
		plan := p.plan(t, &in)
		if got := ran(&plan); got != want {
			t.Errorf("%s run, want %s", got, want)
		}
		keys := map[string]bool{}
		for i := range plan.Steps {
			step := &plan.Steps[i]
			if step.Skipped {
				continue
			}
			for _, e := range step.SecretEnv {
				keys[e.SecretKeyRef.Name+"/"+e.SecretKeyRef.Key] = true
				if e.Name != e.SecretKeyRef.Key {
					t.Errorf("%s: %s comes from the key %s; in GitHub the key is the name of the secret", step.Name, e.Name, e.SecretKeyRef.Key)
				}
			}
			if len(step.SecretEnv) > 0 && (step.Name == "test" || step.Name == "clone") {
				t.Errorf("%s, which runs what the repository says, is given %v", step.Name, step.SecretEnv)
			}
		}
		wanted := []string{}
		if name == "everything" {
			wanted = []string{"cosign/COSIGN_PASSWORD", "cosign/COSIGN_PRIVATE_KEY", "registry/DOCKER_AUTH_CONFIG"}
		}
		if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, wanted) {
			t.Errorf("the stages are given %v, want %v", got, wanted)
		}
	})
}

func TestParametersOfTheBuildReachTheTools(t *testing.T) {
	in := webService.source(t, builds["everything"].parameters)
	plan := webService.plan(t, &in)
	want := map[string]string{
		"test TEST_COMMAND": `npm ci && npm test -- --name="it's $(id) ${{ x }}"`, "sbom SBOM_FORMAT": "cyclonedx-json", "scan SCAN_FAIL_ON": "critical",
		"scan SCAN_IGNORE": "CVE-2026-1234=2027-03-01 GHSA-aaaa-bbbb-cccc=2027-01-15",
	}
	for i := range plan.Steps {
		for _, e := range plan.Steps[i].Env {
			if value, known := want[plan.Steps[i].Name+" "+e.Name]; known && value != e.Value {
				t.Errorf("%s of %s is %q, want %q", e.Name, plan.Steps[i].Name, e.Value, value)
			}
			delete(want, plan.Steps[i].Name+" "+e.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing has %v", want)
	}
}

// Of a request, what it changes is tested. One from a fork gets no Secrets, so that nothing is pushed; nothing of a request is signed, nor of
// another branch, nor of a tag, which may stand on any commit; the key reaches none of these, also not to attest what was found.
func TestWhatIsNotOnTheBranchIsNotSigned(t *testing.T) {
	const tested, looked = "clone test image sbom scan", "clone test image sbom-only scan-only"
	for _, tc := range []struct {
		build pipeline.Build
		want  string
	}{
		{pipeline.Build{Branch: "main"}, tested + " sign provenance"},
		{pipeline.Build{Branch: "main", Tag: "v1"}, tested + " sign provenance"},
		{pipeline.Build{Branch: "fix", PullRequest: 7}, looked},
		{pipeline.Build{Branch: "stranger:fix", PullRequest: 7}, "clone test"},
		{pipeline.Build{Branch: "main", PullRequest: 7}, looked},
		{pipeline.Build{Branch: "feature"}, looked},
		{pipeline.Build{Tag: "v1"}, looked},
	} {
		for _, p := range built() {
			in := p.source(t, builds["everything"].parameters)
			tc.build.SHA = in.Build.SHA
			in.Build = tc.build
			plan := p.plan(t, &in)
			if got := ran(&plan); got != tc.want {
				t.Errorf("%s: of %+v %s run, want %s", p.name, tc.build, got, tc.want)
			}
			for i := range plan.Steps {
				step := &plan.Steps[i]
				holds := slices.ContainsFunc(step.SecretEnv, func(e platformv1alpha1.SecretEnvVar) bool { return e.SecretKeyRef.Name == "cosign" })
				if holds && !step.Skipped && !strings.HasSuffix(tc.want, "provenance") {
					t.Errorf("%s: of %+v, %s holds the key", p.name, tc.build, step.Name)
				}
			}
		}
	}
}

func TestParametersOfTheBuildThatAreWrong(t *testing.T) {
	_, compiled := webService.load(t)
	for parameters, want := range map[string]string{
		`{build: {scan: high}}`:                                            "build.scan",
		`{build: {signingSecret: ../cosign}}`:                              "build.signingSecret",
		`{build: {testImage: "a b"}}`:                                      "build.testImage",
		`{build: {scanIgnore: [{id: CVE-1}]}}`:                             "build.scanIgnore[0].until",
		`{build: {scanIgnore: [{id: "x y", until: "2027-03-01"}]}}`:        "build.scanIgnore[0].id",
		`{build: {scanIgnore: [{id: CVE-1, until: "2027-02-31"}]}}`:        "build.scanIgnore[0].until",
		`{build: {scanIgnore: [{id: CVE-1, until: "2027-03-01T00:00"}]}}`:  "build.scanIgnore[0].until",
		`{build: {sign: true}}`:                                            "build.sign",
		`{build: {scanIgnore: [{id: "CVE-1=2", until: "2027-03-01"}]}}`:    "build.scanIgnore[0].id",
		`{build: {scanIgnore: [{id: "CVE-1\n- x", until: "2027-03-01"}]}}`: "build.scanIgnore[0].id",
	} {
		_, errs := compiled.ResolveParameters(parse(t, parameters), nil)
		if len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), want) {
			t.Errorf("%s: got %v", parameters, errs)
		}
	}
}

func TestJobsAreMadeOfEveryPipeline(t *testing.T) {
	eachBuild(t, func(t *testing.T, p *goldenPath, _ string, in pipeline.Input) {
		run := &jobs.Run{Input: p.place(), Build: "checkout-abab", UID: "0123", Workspace: jobs.Workspace{Size: resource.MustParse("1Gi")}}
		objects, err := jobs.Claims(run)
		if err != nil {
			t.Fatal(err)
		}
		plan := p.plan(t, &in)
		for i := range plan.Steps {
			if plan.Steps[i].Skipped {
				continue
			}
			job, err := jobs.Job(run, &plan.Steps[i])
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, job)
		}
		checked := make([]guard.Object, len(objects))
		for i, object := range objects {
			checked[i] = guard.Object{Resource: object.Resource, Object: object.Object}
		}
		for _, refusal := range guard.Check(checked, p.buildPolicy()) {
			t.Error(refusal.Error())
		}
	})
}

// The golden file is one that Tekton's own code judges: make test-tekton.
func TestPipelineRunsAreMadeOfEveryPipeline(t *testing.T) {
	eachBuild(t, func(t *testing.T, p *goldenPath, name string, in pipeline.Input) {
		plan := p.plan(t, &in)
		run, err := tekton.PipelineRun(&tekton.Run{
			Input: p.place(), Build: "checkout-abab", Name: "checkout-pipeline-0123456789", Image: in.Image, Claim: "checkout-sources-0123456789",
		}, &plan)
		if err != nil {
			t.Fatal(err)
		}
		for _, refusal := range guard.Check([]guard.Object{{Resource: run.Resource, Object: run.Object}}, p.buildPolicy()) {
			t.Error(refusal.Error())
		}
		if p != webService || name != "everything" {
			return
		}
		text, err := yaml.Marshal(run.Object.Object)
		if err != nil {
			t.Fatal(err)
		}
		goldenFile(t, filepath.Join("testdata", "pipeline", "pipelinerun.yaml"), text)
	})
}

// The golden file is one that GitHub's own parser reads: make test-workflows.
func TestWorkflowsAreMadeOfEveryPipeline(t *testing.T) {
	// No commit of any action: tests must not know real ones.
	config := actions.Config{
		Pins: map[string]string{"actions/checkout": strings.Repeat("1", 40)}, Image: "registry.example/towpath/cli:1",
		Record: actions.Record{Server: "https://kubernetes.example:6443", Audience: "towpath"},
	}
	eachBuild(t, func(t *testing.T, p *goldenPath, name string, in pipeline.Input) {
		_, compiled := p.load(t)
		in.Build = pipeline.Build{}
		plan, err := compiled.Pipeline().Everything(in)
		if err != nil {
			t.Fatal(err)
		}
		files, err := actions.Generate(actions.Input{
			Component: in.Component, Parameters: in.Parameters, Branch: "main", Image: in.Image, Plan: plan, Config: config,
		})
		if err != nil {
			t.Fatal(err)
		}
		workflow := files[actions.Workflow("checkout")]
		lintWorkflow(t, workflow)
		for path, content := range files {
			if strings.HasSuffix(path, ".sh") && strings.Contains(string(content), "npm") {
				t.Errorf("%s has the value of a parameter", path)
			}
		}
		if name != "everything" {
			for _, none := range []string{"COSIGN_", "DOCKER_AUTH_CONFIG", "sign:"} {
				if strings.Contains(string(workflow), none) {
					t.Errorf("nobody named a Secret, and the workflow has %s", none)
				}
			}
		}
		decideAlike(t, p, &in, files)
		if p == webService && name == "everything" {
			goldenFile(t, filepath.Join("testdata", "pipeline", "workflow.yaml"), workflow)
		}
	})
}

// decideAlike holds the conditions that a workflow evaluates to what the other engines do, for the branch, a request and one from a fork.
func decideAlike(t *testing.T, p *goldenPath, in *pipeline.Input, files actions.Files) {
	t.Helper()
	conditions, err := actions.ReadConditions(files[actions.Folder("checkout")+"/conditions.json"])
	if err != nil {
		t.Fatal(err)
	}
	for _, build := range []pipeline.Build{{Branch: "main"}, {Branch: "fix", PullRequest: 7}, {Branch: "stranger:fix", PullRequest: 7}, {Branch: "fix"}, {Tag: "v1.0.0"}} {
		decisions, err := conditions.Decide(build)
		if err != nil {
			t.Fatal(err)
		}
		of := *in
		of.Build = build
		plan := p.plan(t, &of)
		for _, decision := range decisions {
			i := slices.IndexFunc(plan.Steps, func(s pipeline.Step) bool { return s.Name == decision.Stage })
			if plan.Steps[i].Skipped == decision.Runs {
				t.Errorf("%+v: %s runs in a workflow: %v, and elsewhere: %v", build, decision.Stage, decision.Runs, !plan.Steps[i].Skipped)
			}
		}
	}
}

// lintWorkflow has actionlint read a workflow.
func lintWorkflow(t *testing.T, workflow []byte) {
	t.Helper()
	binary, err := filepath.Abs("../../bin/actionlint")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("actionlint is not here: make bin/actionlint builds it: %v", err)
	}
	lint := exec.CommandContext(t.Context(), binary, "-shellcheck=", "-pyflakes=", "-no-color", "-")
	lint.Stdin = strings.NewReader(string(workflow))
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}

// goldenFile compares a text with a file; -update writes it.
func goldenFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // it holds no secrets
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("differs from %s (-want +got); if that is meant: go test ./config/catalog -update, and read the diff:\n%s", path, diff)
	}
}

// Who names an image builds nothing: what such a Component becomes depends on no parameter of the build.
func TestParametersOfTheBuildChangeNoObject(t *testing.T) {
	for _, p := range built() {
		_, compiled := p.load(t)
		bytes := map[string]string{}
		for name := range builds {
			given := parse(t, builds[name].parameters)
			if p == scheduledJob {
				given["schedule"] = "@daily"
			}
			all := ""
			for _, object := range p.render(t, compiled, given, nil).objects {
				text, err := yaml.Marshal(object.Object.Object)
				if err != nil {
					t.Fatal(err)
				}
				all += string(text)
			}
			bytes[all] = name
		}
		if len(bytes) != 1 {
			t.Errorf("%s: objects differ", p.name)
		}
	}
}
