package pipeline_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// provenance is the predicate of SLSA, version 1, with every field that is written, and no other.
type provenance struct {
	BuildDefinition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		ResolvedDependencies []dependency      `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
		Metadata struct {
			InvocationID string     `json:"invocationId"`
			StartedOn    *time.Time `json:"startedOn"`
			FinishedOn   *time.Time `json:"finishedOn"`
		} `json:"metadata"`
	} `json:"runDetails"`
}

type dependency struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// attested is what the stage attests of a Build.
func attested(t *testing.T, in *pipeline.Input) provenance {
	t.Helper()
	compiled, errs := pipeline.Compile(&platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{{Name: "it", Standard: platformv1alpha1.StageProvenance, Image: "tool:1"}}}, nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	plan, err := compiled.Plan(*in)
	if err != nil {
		t.Fatal(err)
	}
	variables := []string{"COSIGN_PRIVATE_KEY=key"}
	for _, e := range plan.Steps[0].Env {
		variables = append(variables, e.Name+"="+e.Value)
	}
	home, _, printed, err := shell(t, platformv1alpha1.StageProvenance, map[string]string{"cosign": cosign}, variables...)
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	text, err := os.ReadFile(filepath.Join(home, "provenance.json")) //nolint:gosec // a folder of the test
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var got provenance
	if err := decoder.Decode(&got); err != nil || decoder.More() {
		t.Fatalf("%v: %s", err, text)
	}
	return got
}

func TestProvenance_SaysWhatWasBuiltFromWhatByWhom(t *testing.T) {
	sha := strings.Repeat("ab", 20)
	started := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	in := &pipeline.Input{
		Component: pipeline.Component{Name: "checkout", Namespace: "team-shop", Repository: "https://git.example/shop/checkout", Path: "services/checkout", Branch: "main"},
		Image:     "registry.example/checkout", Build: pipeline.Build{SHA: sha, Branch: "main"},
		Run: pipeline.Run{Pipeline: "web-service-7", Invocation: "team-shop/checkout-abab/0123", StartedAt: started},
	}
	got := attested(t, in)
	if want := map[string]string{
		"commit": sha, "repository": "https://git.example/shop/checkout", "ref": "refs/heads/main", "path": "services/checkout", "pipeline": "web-service-7",
	}; !cmp.Equal(want, got.BuildDefinition.ExternalParameters) {
		t.Errorf("the parameters are %v", got.BuildDefinition.ExternalParameters)
	}
	if want := []dependency{{URI: "git+https://git.example/shop/checkout@refs/heads/main", Digest: map[string]string{"gitCommit": sha}}}; !cmp.Equal(want, got.BuildDefinition.ResolvedDependencies) {
		t.Errorf("it comes from %v", got.BuildDefinition.ResolvedDependencies)
	}
	run := got.RunDetails
	if got.BuildDefinition.BuildType != "https://towpath.dev/build/v1" || run.Builder.ID != pipeline.Builder || run.Metadata.InvocationID != "team-shop/checkout-abab/0123" ||
		run.Metadata.StartedOn == nil || !run.Metadata.StartedOn.Equal(started) || run.Metadata.FinishedOn == nil || time.Since(*run.Metadata.FinishedOn) > time.Hour {
		t.Errorf("it says %+v", got)
	}
	// A tag says more than the branch; what nobody knows is left out.
	in.Build.Tag, in.Run, in.Component.Path, in.Component.Repository = "v1", pipeline.Run{}, "", ""
	got = attested(t, in)
	if want := map[string]string{"commit": sha, "ref": "refs/tags/v1"}; !cmp.Equal(want, got.BuildDefinition.ExternalParameters) || got.RunDetails.Metadata.StartedOn != nil ||
		!cmp.Equal([]dependency{{Digest: map[string]string{"gitCommit": sha}}}, got.BuildDefinition.ResolvedDependencies) {
		t.Errorf("it says %+v", got)
	}
}

// Whoever names a branch must not say anything else.
func TestProvenance_HoldsHostileNamesAsTheyAre(t *testing.T) {
	for _, name := range []string{
		`x","commit":"` + strings.Repeat("00", 20) + `","y":"`, `\`, `\"`, `\u0022}`, `a"b\c/d`, "$(id)`id`$HOME${IFS}%s%%n;id&&id|id#'", "-n", "ünï—\u202e", `"}},"runDetails":{"builder":{"id":"https://evil.example"}},"x":{"y":{"z":"`,
	} {
		in := &pipeline.Input{
			Component: pipeline.Component{Repository: "https://git.example/" + name, Path: name}, Image: "registry.example/checkout",
			Build: pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: name}, Run: pipeline.Run{Pipeline: name, Invocation: name},
		}
		got := attested(t, in)
		parameters := got.BuildDefinition.ExternalParameters
		if parameters["ref"] != "refs/heads/"+name || parameters["path"] != name || parameters["pipeline"] != name || parameters["commit"] != in.Build.SHA || len(parameters) != 5 {
			t.Errorf("of %q the parameters are %q", name, parameters)
		}
		if got.RunDetails.Builder.ID != pipeline.Builder || got.RunDetails.Metadata.InvocationID != name || got.BuildDefinition.ResolvedDependencies[0].URI != "git+https://git.example/"+name+"@refs/heads/"+name {
			t.Errorf("of %q it says %+v", name, got)
		}
	}
	// No name in Git has any that do not print, but parameters of others could.
	in := &pipeline.Input{Image: "registry.example/checkout", Build: pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "a\x01b\nc\x7fd"}}
	if got := attested(t, in).BuildDefinition.ExternalParameters["ref"]; got != "refs/heads/abcd" {
		t.Errorf("the ref is %q", got)
	}
}
