package component_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// built is the record of a Build of main that has made an image. The commit is the letter 40 times, made that long ago.
func built(component *platformv1alpha1.Component, letter string, ago time.Duration) *platformv1alpha1.Build {
	committed := metav1.NewTime(time.Now().Add(-ago).Truncate(time.Second))
	return &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: component.Namespace, Name: component.Name + "-" + letter},
		Spec: platformv1alpha1.BuildSpec{
			Component: component.Name, Branch: "main", Result: platformv1alpha1.BuildSucceeded,
			Image:   "registry.example/" + component.Name + ":" + letter,
			Commit:  platformv1alpha1.BuildCommit{SHA: strings.Repeat(letter, 40), CommittedAt: &committed, Author: "ada@shop.example"},
			Commits: &platformv1alpha1.CommitRange{Count: ptr.To(int32(3)), OldestCommittedAt: &committed},
		},
	}
}

// record makes a Build, and waits until it counts.
func record(ctx context.Context, build *platformv1alpha1.Build) {
	GinkgoHelper()
	Expect(developer.Create(ctx, build)).To(Succeed())
	Eventually(ctx, framework.Read(admin, build)).Should(HaveField("Status.Image", build.Spec.Image))
}

// sourced is a Component that runs what is built of its source.
func sourced(t *team, name, template string, environments ...string) *platformv1alpha1.Component {
	c := framework.Component(t.home, name, template, environments...)
	c.Spec.Image, c.Spec.Source = "", &platformv1alpha1.Source{Engine: platformv1alpha1.EngineExternal, Trigger: platformv1alpha1.TriggerNone}
	return c
}

var _ = Describe("A Component with a source and no image", func() {
	It("waits for its first Build, then runs the newest of its branch, with the commit of it", func(ctx SpecContext) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, web(framework.Name("web")))
		component := deploy(ctx, sourced(t, "checkout", template.Name, "dev"))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForBuild),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForBuild)))
		Expect(t.releases(ctx, "checkout", "dev")).To(BeEmpty())

		By("building the first commit")
		record(ctx, built(component, "a", time.Hour))
		live := settled(ctx, component)
		Expect(live.Status.Build).To(Equal("checkout-a"))
		Expect(live.Spec.Image).To(BeEmpty(), "the image is not the developer's, and a GitOps tool would take it back")
		Expect(live.Spec.Commit).To(BeNil())
		release := read(ctx, t.release("checkout", "dev", 1))
		Expect(release.Spec.Image).To(Equal("registry.example/checkout:a"))
		Expect(release.Spec.Build).To(Equal("checkout-a"))
		Expect(release.Spec.Commit.SHA).To(Equal(strings.Repeat("a", 40)))
		Expect(release.Spec.Commit.CommittedAt).NotTo(BeNil())
		Expect(release.Spec.Commits.Count).To(HaveValue(BeEquivalentTo(3)))
		Expect(release.Spec.Commits.OldestCommittedAt).NotTo(BeNil())

		By("building the next one, while an older one and one of another branch end later")
		record(ctx, built(component, "c", time.Minute))
		Eventually(ctx, runs(t.workload("dev"), "checkout")).Should(Equal("registry.example/checkout:c"))
		record(ctx, built(component, "b", 30*time.Minute))
		other := built(component, "d", time.Second)
		other.Spec.Branch = "next"
		record(ctx, other)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{color: green}`) })
		Eventually(ctx, framework.Read(admin, t.release("checkout", "dev", 3))).Should(HaveField("Spec.Image", "registry.example/checkout:c"))
		settled(ctx, component)

		By("taking the newest one back")
		Expect(developer.Delete(ctx, built(component, "c", 0))).To(Succeed())
		Eventually(ctx, runs(t.workload("dev"), "checkout")).Should(Equal("registry.example/checkout:b"))

		By("naming an image in its place")
		change(ctx, component, withImage("registry.example/checkout:by-hand"))
		Eventually(ctx, runs(t.workload("dev"), "checkout")).Should(Equal("registry.example/checkout:by-hand"))
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Build", BeEmpty()))
		Eventually(ctx, framework.Read(admin, t.release("checkout", "dev", 5))).Should(And(HaveField("Spec.Build", BeEmpty()), HaveField("Spec.Commits", BeNil())))
	})

	It("carries a Build through its path, and runs on when all Builds are gone", func(ctx SpecContext) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light")))
		component := deploy(ctx, sourced(t, "cart", template.Name, "dev", "prod"))
		record(ctx, built(component, "a", time.Hour))
		settled(ctx, component)
		Expect(read(ctx, t.release("cart", "prod", 1)).Spec.Build).To(Equal("cart-a"))
		Expect(developer.Delete(ctx, built(component, "a", 0))).To(Succeed())
		Eventually(ctx, framework.Read(admin, component)).Should(And(framework.BeReady(),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForBuild)))
	})

	It("tells of a Release all commits that never ran in its environment, whichever Builds brought them", func(ctx SpecContext) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Promotion: platformv1alpha1.PromotionManual}}))
		template := publish(ctx, light(framework.Name("light")))
		component := deploy(ctx, sourced(t, "ledger", template.Name, "dev", "prod"))
		promote := func(number int64) *platformv1alpha1.Release {
			GinkgoHelper()
			release := t.release("ledger", "prod", number)
			Eventually(ctx, framework.Read(admin, release)).ShouldNot(BeNil())
			change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[1].Promote = release.Name })
			Eventually(ctx, framework.Read(admin, release)).Should(framework.BeReady())
			return read(ctx, release)
		}
		since := func(letter string, count int32, oldest *platformv1alpha1.Build) OmegaMatcher {
			from := strings.Repeat(letter, 40)
			return HaveField("Spec.Commits", HaveValue(And(HaveField("From", from), HaveField("Count", HaveValue(Equal(count))),
				HaveField("OldestCommittedAt", HaveValue(HaveField("Time", BeTemporally("==", oldest.Spec.Commit.CommittedAt.Time)))))))
		}
		after := func(letter, before string, ago time.Duration) *platformv1alpha1.Build {
			b := built(component, letter, ago)
			b.Spec.Commits.From = strings.Repeat(before, 40)
			record(ctx, b)
			return b
		}
		record(ctx, built(component, "a", 4*time.Hour))
		Expect(promote(1).Spec.Commit.SHA).To(HavePrefix("a"))

		By("taking two Builds to dev, and the later one alone to prod")
		second := after("b", "a", 3*time.Hour)
		Eventually(ctx, framework.Read(admin, t.release("ledger", "dev", 2))).Should(And(framework.BeReady(), since("a", 3, second)))
		third := after("c", "b", 2*time.Hour)
		Eventually(ctx, framework.Read(admin, t.release("ledger", "dev", 3))).Should(And(framework.BeReady(), since("b", 3, third)))
		var last int64
		Eventually(ctx, func() (string, error) {
			releases, err := t.releases(ctx, "ledger", "prod")
			if len(releases) == 0 || err != nil {
				return "", err
			}
			newest := releases[len(releases)-1].Spec
			last = newest.Number
			return newest.Build, nil
		}).Should(Equal(third.Name))
		Expect(promote(last)).To(since("a", 6, second))
	})

	It("has whoever asked for the Build as an author of the Release", func(ctx SpecContext) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}))
		template := publish(ctx, light(framework.Name("light")))
		component := sourced(t, "orders", template.Name, "dev", "prod")
		deploy(ctx, component)
		me := "kubernetes-admin"
		first := built(component, "a", time.Hour)
		first.Spec.RequestedBy = "somebody-else"
		Expect(developer.Create(ctx, first)).To(MatchError(ContainSubstring("spec.requestedBy must be the user who")))
		first.Spec.RequestedBy = me
		record(ctx, first)
		Eventually(ctx, framework.Read(admin, t.release("orders", "prod", 1))).Should(HaveField("Spec.RequestedBy", me))
	})

	DescribeTable("is refused", func(ctx SpecContext, why string, how func(*platformv1alpha1.Component)) {
		component := sourced(&team{home: "default"}, "refused", "none", "dev")
		how(component)
		Expect(developer.Create(ctx, component)).To(MatchError(ContainSubstring(why)))
	},
		Entry("without either", "image must be set where there is no source", func(c *platformv1alpha1.Component) { c.Spec.Source = nil }),
		Entry("with a commit of its own", "a Build knows its own", func(c *platformv1alpha1.Component) {
			c.Spec.Commit = &platformv1alpha1.Commit{SHA: strings.Repeat("a", 40)}
		}),
		Entry("with a password in the address", "without a password", func(c *platformv1alpha1.Component) {
			c.Spec.Source.Repository = "https://ada:secret@git.example/checkout"
		}),
		Entry("with an address that leads out of what it begins with", "no part begins with a dot", func(c *platformv1alpha1.Component) {
			c.Spec.Source.Repository = "https://git.example/shop/../other/secret"
		}),
		Entry("with a branch that git takes for an option", "a name that git allows", func(c *platformv1alpha1.Component) { c.Spec.Source.Branch = "--upload-pack=id" }),
		Entry("without a repository to build from", "repository must be set", func(c *platformv1alpha1.Component) {
			c.Spec.Source = &platformv1alpha1.Source{}
		}),
		Entry("with a path that leaves the repository", "path must be relative", func(c *platformv1alpha1.Component) { c.Spec.Source.Path = "../other" }),
		Entry("with a tag where the pipeline pushes to", "without tag and digest", func(c *platformv1alpha1.Component) { c.Spec.Source.Image = "registry.example/checkout:1" }),
	)
})
