package jobs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
)

func TestJob_FindsItsCaches(t *testing.T) {
	r := run()
	plan := pipeline.Plan{Steps: []pipeline.Step{
		{Name: "b", Cache: []string{"vendor", ".cache/go"}}, {Name: "a", Cache: []string{"vendor"}}, {Name: "left", Skipped: true, Cache: []string{"left"}},
	}}
	r.Path, r.Cache, r.CachePaths = "services/a b", jobs.CacheName("checkout", "u1", r.Workspace), jobs.CachePaths(&plan)
	if !slices.Equal(r.CachePaths, []string{".cache/go", "vendor"}) {
		t.Error(r.CachePaths)
	}
	s := step()
	s.Cache = []string{"vendor"}
	pod := typed(t, r, s).Spec.Template.Spec
	mount := pod.Containers[0].VolumeMounts[len(pod.Containers[0].VolumeMounts)-1]
	if mount.MountPath != "/towpath/sources/services/a b/vendor" || mount.SubPath != "vendor" || pod.Volumes[len(pod.Volumes)-1].PersistentVolumeClaim.ClaimName != r.Cache {
		t.Errorf("%+v", mount)
	}
	if pod = typed(t, r, step()).Spec.Template.Spec; len(pod.Volumes) != 3 {
		t.Error("a step without caches gets the volume")
	}

	clone := &pipeline.Step{Name: pipeline.Clone, Script: "true\n"}
	container := typed(t, r, clone).Spec.Template.Spec.Containers[0]
	folder := t.TempDir()
	script := strings.ReplaceAll(expand(container.Command[3], nil), "/towpath/caches", filepath.Join(folder, "caches"))
	made := exec.CommandContext(t.Context(), "/bin/sh", "-e", "-c", script)
	made.Dir = folder
	for _, e := range container.Env {
		made.Env = append(made.Env, e.Name+"="+expand(e.Value, nil))
	}
	made.Env = append(made.Env, "PATH="+os.Getenv("PATH"))
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{"services/a b/vendor", "services/a b/.cache/go", "caches/vendor", "caches/.cache/go"} {
		if info, err := os.Stat(filepath.Join(folder, path)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestCacheName_DiffersBySizeAndComponent(t *testing.T) {
	small, large := run().Workspace, run().Workspace
	large.Size.Add(small.Size)
	names := []string{jobs.CacheName("checkout", "u1", small), jobs.CacheName("checkout", "u1", large), jobs.CacheName("checkout", "u2", small)}
	slices.Sort(names)
	if len(slices.Compact(names)) != 3 || len(jobs.CacheName(strings.Repeat("c", 40), "u1", small)) > 63 {
		t.Error(names)
	}
}
