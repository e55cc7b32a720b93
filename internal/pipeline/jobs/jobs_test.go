package jobs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/render"
)

func run() *jobs.Run {
	return &jobs.Run{
		Input: render.Input{
			OwnerUID: "u1", Component: "checkout", HomeNamespace: "team-shop", Team: "shop", CostCenter: "cc-shop", Template: "web-service",
			Environment: render.Environment{Name: "dev", Namespace: "shop-dev", Class: "development", Tier: v1alpha1.TierDevelopment},
			Image:       "registry.example/shop/checkout:" + strings.Repeat("ab", 20), LabelAliases: map[string]string{"cost": "cost-center"},
		},
		Build: "checkout-1", UID: "b1", Workspace: jobs.Workspace{Size: resource.MustParse("1Gi")},
	}
}

func step() *pipeline.Step {
	return &pipeline.Step{
		Name: "test", Stage: "test", Image: "shell:1", Script: `echo "$HOME" $$ $(date) ${{ x }}`, Timeout: time.Minute, Retries: 2,
		Env:       []v1alpha1.EnvVar{{Name: "TOWPATH_BRANCH", Value: "$(TOKEN)$$x"}},
		SecretEnv: []v1alpha1.SecretEnvVar{{Name: "TOKEN", SecretKeyRef: v1alpha1.SecretKeyReference{Name: "ci", Key: "token"}}},
	}
}

func typed(t *testing.T, r *jobs.Run, s *pipeline.Step) *batchv1.Job {
	t.Helper()
	object, err := jobs.Job(r, s)
	if err != nil {
		t.Fatal(err)
	}
	job := &batchv1.Job{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object.Object, job); err != nil {
		t.Fatal(err)
	}
	return job
}

// expand does to a text what a kubelet does to commands, arguments and variables.
func expand(text string, variables map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(text[i:], "$("):
			end := strings.IndexByte(text[i:], ')')
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			if value, ok := variables[text[i+2:i+end]]; ok {
				b.WriteString(value)
				i += end
				continue
			}
			b.WriteByte('$')
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func TestJob_IsTakenByTheGuardAtTheStrictestLevel(t *testing.T) {
	r := run()
	r.Cache, r.CacheVolume = jobs.CacheName("checkout", "u1", r.Workspace), r.Workspace
	claims, err := jobs.Claims(r)
	if err != nil {
		t.Fatal(err)
	}
	job, err := jobs.Job(r, step())
	if err != nil {
		t.Fatal(err)
	}
	policy := jobs.Policy(r, nil)
	policy.Namespaced = func(schema.GroupKind) (bool, bool) { return true, true }
	if refusals := guard.Check([]guard.Object{{Resource: claims[0].Resource, Object: claims[0].Object}, {Resource: claims[1].Resource, Object: claims[1].Object}, {Resource: job.Resource, Object: job.Object}}, policy); len(refusals) > 0 {
		t.Error(refusals)
	}
}

func TestJob_BearsLabelsByWhichNobodyTakesItForTheComponent(t *testing.T) {
	job := typed(t, run(), step())
	labels := job.Spec.Template.Labels
	for key, value := range map[string]string{
		"app.kubernetes.io/name": "checkout.build", v1alpha1.LabelComponent: "checkout.build", v1alpha1.LabelBuild: "checkout-1",
		v1alpha1.LabelTeam: "shop", v1alpha1.LabelCostCenter: "cc-shop", "cost": "cc-shop", v1alpha1.LabelEnvironment: "dev",
	} {
		if labels[key] != value {
			t.Errorf("%s is %q", key, labels[key])
		}
	}
	if job.Labels[v1alpha1.LabelOwnerUID] != "u1" || labels[v1alpha1.LabelOwnerUID] != "" {
		t.Errorf("%v %v", job.Labels, labels)
	}
	if job.Namespace != "shop-dev" {
		t.Error(job.Namespace)
	}
}

func TestJob_GivesTextsToTheContainerAsTheyAre(t *testing.T) {
	for _, evil := range []string{"$(TOKEN)", "$$(TOKEN)", "$$", "$", "$(", "`id`", "'\";id", "a\nb", "${{ x }}", "--help", "$(TOKEN", "$$$(TOKEN)"} {
		s := step()
		s.Script = "echo " + evil
		s.Env[0].Value = evil
		container := typed(t, run(), s).Spec.Template.Spec.Containers[0]
		variables := map[string]string{"TOKEN": "SECRET", "TOWPATH_BRANCH": "BRANCH", "HOME": "HOME"}
		if got := expand(container.Command[3], variables); got != s.Script {
			t.Errorf("the script %q has become %q", s.Script, got)
		}
		i := slices.IndexFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == "TOWPATH_BRANCH" })
		if got := expand(container.Env[i].Value, variables); got != evil {
			t.Errorf("the value %q has become %q", evil, got)
		}
		s.Script, s.Args = "", []string{evil}
		container = typed(t, run(), s).Spec.Template.Spec.Containers[0]
		if got := expand(container.Args[0], variables); got != evil || container.Command != nil {
			t.Errorf("the argument %q has become %q", evil, got)
		}
	}
}

func TestJob_BoundsTriesAndAll(t *testing.T) {
	job := typed(t, run(), step())
	if *job.Spec.BackoffLimit != 2 || *job.Spec.Template.Spec.ActiveDeadlineSeconds != 60 || *job.Spec.ActiveDeadlineSeconds != 3*60+5*60+30 {
		t.Errorf("%+v", job.Spec)
	}
}

func TestWithClone(t *testing.T) {
	in := &pipeline.Input{Component: pipeline.Component{Name: "checkout", Repository: "https://git.example/checkout"}, Build: pipeline.Build{SHA: "abc", Branch: "$(id)"}}
	plan := pipeline.Plan{Steps: []pipeline.Step{{Name: "test"}, {Name: "image", Needs: []string{"test"}},
		{Name: "left", Skipped: true}, {Name: "after", Needs: []string{"left"}}}}
	if _, err := jobs.WithClone(plan, in); err == nil || !strings.Contains(err.Error(), "pipeline.images.clone") {
		t.Error(err)
	}
	in.Standard.Clone = "git:1"
	with, err := jobs.WithClone(plan, in)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(with.Steps[1].Needs, with.Steps[2].Needs, with.Steps[4].Needs) != "[clone] [test] [clone left]" || len(plan.Steps[0].Needs) > 0 {
		t.Errorf("%+v", with.Steps)
	}
	clone := with.Steps[0]
	if strings.Contains(clone.Script, "upload-pack") || !strings.Contains(clone.Script, `-- "$TOWPATH_REPOSITORY" "$TOWPATH_COMMIT"`) {
		t.Error(clone.Script)
	}
	r := run()
	r.Secret, r.Path = "git", "services/checkout"
	pod := typed(t, r, &clone).Spec.Template.Spec
	mounted := func(pod *corev1.PodSpec) bool {
		return slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == "git" })
	}
	if !mounted(&pod) || pod.Containers[0].WorkingDir != "/towpath/sources" {
		t.Errorf("%+v", pod)
	}
	pod = typed(t, r, step()).Spec.Template.Spec
	if mounted(&pod) || pod.Containers[0].WorkingDir != "/towpath/sources/services/checkout" {
		t.Error("credentials of the repository are for the step that fetches it alone")
	}
	in.Component.Repository = ""
	if without, err := jobs.WithClone(plan, in); err != nil || len(without.Steps) != 4 {
		t.Error(without, err)
	}
}

func TestName_FitsAndDiffers(t *testing.T) {
	seen := map[string]bool{}
	for _, step := range []string{"a", "test-1", "test-11", "/", strings.Repeat("x", 40)} {
		for _, uid := range []string{"1", "2"} {
			name := jobs.Name(strings.Repeat("c", 40), types.UID("uid-"+uid), step)
			if len(name) > 63 || seen[name] {
				t.Errorf("%s", name)
			}
			seen[name] = true
		}
	}
}
