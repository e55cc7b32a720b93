package source_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
	"github.com/towpath-dev/towpath/internal/template"
	"github.com/towpath-dev/towpath/test/framework"
)

// settings are what the platform says of workflows. Nothing is fetched by them: the digits are of no commit.
var settings = &actions.Config{
	Pins:   map[string]string{"actions/checkout": "0123456789abcdef0123456789abcdef01234567"},
	Image:  "registry.example/tools/towpath:1",
	Record: actions.Record{Server: "https://kubernetes.example:6443", Audience: "towpath"},
}

// path makes a golden path with a pipeline of one stage.
func path(ctx context.Context, script string) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	t := framework.Template(framework.Name("t"), framework.ConfigMap("config"))
	t.Spec.Pipeline = &platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{
		{Name: "test", Image: "registry.example/go:1", Script: script, When: "${component.team != 'nobody'}"},
	}}
	create(ctx, t)
	Eventually(ctx, framework.Read(admin, t)).Should(framework.BeReady())
	return t
}

// workflow are the files that towpath pipeline sync makes for a Component of a team, as the repository of the service knows it.
func workflow(t *platformv1alpha1.ServiceTemplate, c *platformv1alpha1.Component, team string) map[string]string {
	GinkgoHelper()
	compiled, _, errs := template.Compile(&t.Spec, nil)
	Expect(errs).To(BeEmpty())
	about := pipeline.Component{Name: c.Name, Namespace: c.Namespace, Team: team, Repository: c.Spec.Source.Repository, Branch: "main"}
	plan, err := compiled.Pipeline().Everything(pipeline.Input{Component: about, Parameters: map[string]any{}, Image: c.Spec.Source.Image})
	Expect(err).NotTo(HaveOccurred())
	made, err := actions.Generate(actions.Input{
		Component: about, Parameters: map[string]any{}, Branch: "main", Image: c.Spec.Source.Image, Plan: plan, Config: *settings,
	})
	Expect(err).NotTo(HaveOccurred())
	files := map[string]string{}
	for name, content := range made {
		files[name] = string(content)
	}
	return files
}

// elsewhere is a Component that GitHub Actions builds.
func elsewhere(repository, template string) *platformv1alpha1.Component {
	c := component(repository, func(s *platformv1alpha1.Source) { s.Engine = platformv1alpha1.EngineGitHubActions })
	c.Spec.TemplateRef.Name = template
	return c
}

// inStep is what a Component says of its workflow.
func inStep(c *platformv1alpha1.Component) func(context.Context) (metav1.Condition, error) {
	return func(ctx context.Context) (metav1.Condition, error) {
		live, err := framework.Read(admin, c)(ctx)
		if err != nil {
			return metav1.Condition{}, err
		}
		found := meta.FindStatusCondition(live.Status.Conditions, platformv1alpha1.ConditionPipelineInStep)
		if found == nil {
			return metav1.Condition{}, nil
		}
		return *found, nil
	}
}

func saying(status metav1.ConditionStatus, reason string, texts ...string) OmegaMatcher {
	all := []OmegaMatcher{HaveField("Status", status), HaveField("Reason", reason)}
	for _, text := range texts {
		all = append(all, HaveField("Message", ContainSubstring(text)))
	}
	return SatisfyAll(all...)
}

var _ = Describe("A workflow in a repository", func() {
	It("is behind until it is synced, and again once the golden path changes", func(ctx SpecContext) {
		name, r, _ := repository(ctx)
		t := path(ctx, "go test ./...")
		c := elsewhere(name, t.Name)
		create(ctx, c)
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionFalse, "PipelineBehind", actions.Workflow(c.Name)+" (Missing)", "towpath pipeline sync"), "there is none")

		By("pushing what sync writes, without knowing the team")
		push(ctx, r, gittest.Change{Files: workflow(t, c, "")})
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionTrue, "PipelineInStep", "revision 1"), "it is as the golden path makes it")

		By("changing it by hand")
		changed := actions.Folder(c.Name) + "/test.sh"
		push(ctx, r, gittest.Change{Files: map[string]string{changed: "true\n"}})
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionFalse, "PipelineBehind", changed+" (Changed)"), "somebody changed a script")

		By("pushing what sync writes, knowing the team")
		push(ctx, r, gittest.Change{Files: workflow(t, c, "shop")})
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionTrue, "PipelineInStep"), "it is in step once more")

		By("changing the golden path")
		t.Spec.Pipeline.Stages[0].Script = "go test -race ./..."
		Expect(admin.Patch(ctx, t, merge(`{"spec":{"pipeline":{"stages":[{"name":"test","image":"registry.example/go:1","script":"go test -race ./...","when":"${component.team != 'nobody'}"}]}}}`))).To(Succeed())
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionFalse, "PipelineBehind", "revision 2", changed+" (Changed)"), "nobody synced yet")
		push(ctx, r, gittest.Change{Files: workflow(t, c, "")})
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionTrue, "PipelineInStep", "revision 2"), "it is in step with the new revision")
		Expect(builds(c)(ctx)).To(BeEmpty(), "who builds elsewhere records it")
	})

	It("is read once, and nothing is written, while nothing changes", Serial, func(ctx SpecContext) {
		name, r, _ := repository(ctx)
		t := path(ctx, "go vet ./...")
		c := elsewhere(name, t.Name)
		push(ctx, r, gittest.Change{Files: workflow(t, c, "")})
		create(ctx, c)
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionTrue, "PipelineInStep"), "it was pushed before")
		asked(ctx, name)
		since, read := time.Now(), server.Asked(http.MethodPost, name)
		asked(ctx, name)
		Expect(server.Asked(http.MethodPost, name)).To(Equal(read), "the branch and the golden path are as they were")
		log, err := cluster.Audit()
		Expect(err).NotTo(HaveOccurred())
		Expect(log.ByTowpath().Since(since).About(c.Name)).To(BeEmpty())
	})

	It("is nothing to say of once the engine is another one, and unknown where the golden path makes none", func(ctx SpecContext) {
		name, _, _ := repository(ctx)
		c := elsewhere(name, "web")
		create(ctx, c)
		Eventually(ctx, inStep(c)).Should(saying(metav1.ConditionUnknown, "PipelineInvalid", "ServiceTemplate web has no pipeline"), "there is nothing to compare with")
		Expect(admin.Patch(ctx, c, merge(`{"spec":{"source":{"engine":"External"}}}`))).To(Succeed())
		Eventually(ctx, inStep(c)).Should(BeZero(), "nobody keeps a workflow there")
	})
})
