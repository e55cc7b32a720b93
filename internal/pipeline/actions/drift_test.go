package actions_test

import (
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

func TestStandardIsThatOfRunnersWhereThePlatformSaysSo(t *testing.T) {
	of := pipeline.Standard{Buildkitd: "tcp://cluster:1", Images: map[platformv1alpha1.StandardStage]string{
		platformv1alpha1.StageImage: "cluster/buildctl", platformv1alpha1.StageScan: "cluster/grype",
	}}
	config := actions.Config{Images: map[string]string{"scan": "runners/grype"}, Buildkitd: "tcp://runners:1"}
	got := config.Standard(of)
	if got.Buildkitd != "tcp://runners:1" || got.Images[platformv1alpha1.StageScan] != "runners/grype" || got.Images[platformv1alpha1.StageImage] != "cluster/buildctl" {
		t.Errorf("got %+v", got)
	}
	if of.Images[platformv1alpha1.StageScan] != "cluster/grype" {
		t.Error("what clusters run with was changed too")
	}
}

func TestDriftOfTellsByHashesAlone(t *testing.T) {
	hash := func(content string) string {
		return plumbing.ComputeHash(plumbing.BlobObject, []byte(content)).String()
	}
	workflow, script := actions.Workflow("checkout"), actions.Folder("checkout")+"/test.sh"
	wanted := actions.Files{workflow: []byte("a\nb\n"), script: []byte("go test\n")}
	for _, test := range []struct {
		name  string
		found map[string]string
		want  []actions.Difference
	}{
		{"in step", map[string]string{workflow: hash("a\nb\n"), script: hash("go test\n")}, nil},
		{"in step, with the line ends of Windows", map[string]string{workflow: hash("a\r\nb\r\n"), script: hash("go test\n")}, nil},
		{"nothing is there", nil, []actions.Difference{{script, actions.Missing}, {workflow, actions.Missing}}},
		{"somebody changed it", map[string]string{workflow: hash("a\n"), script: hash("go test\n")}, []actions.Difference{{workflow, actions.Changed}}},
		{"a link is no file", map[string]string{workflow: "", script: hash("go test\n")}, []actions.Difference{{workflow, actions.Changed}}},
		{
			"a stage is gone", map[string]string{workflow: hash("a\nb\n"), script: hash("go test\n"), actions.Folder("checkout") + "/gone.sh": hash("x")},
			[]actions.Difference{{actions.Folder("checkout") + "/gone.sh", actions.Stale}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := actions.DriftOf(wanted, test.found); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
