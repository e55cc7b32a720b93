package source_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
)

// git runs it in the working tree of a repository.
func git(ctx context.Context, r *gittest.Repository, args ...string) string {
	GinkgoHelper()
	out, err := r.Git(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// commit pushes one to a branch.
func commit(ctx context.Context, r *gittest.Repository, branch string, files ...string) string {
	GinkgoHelper()
	change := gittest.Change{Files: map[string]string{}, Message: "On " + branch + " (#99)"}
	for _, file := range files {
		change.Files[file] = framework.Name("x")
	}
	sha, err := r.Push(ctx, branch, change)
	Expect(err).NotTo(HaveOccurred())
	return sha
}

// request makes a commit the newest of a pull request, as forges do.
func request(ctx context.Context, r *gittest.Repository, number int, sha string) {
	GinkgoHelper()
	git(ctx, r, "push", "--quiet", "--force", "origin", fmt.Sprintf("%s:refs/pull/%d/head", sha, number))
}

func tag(ctx context.Context, r *gittest.Repository, name, sha string) {
	GinkgoHelper()
	git(ctx, r, "push", "--quiet", "--force", "origin", sha+":refs/tags/"+name)
}

// seen is a Component that knows what its repository has.
func seen(ctx context.Context, c *platformv1alpha1.Component) {
	GinkgoHelper()
	Eventually(ctx, status(c)).Should(HaveField("Seen", Not(BeNil())), "the repository is asked once")
}

// of tells what Builds are of, by their tags and pull requests.
func of(c *platformv1alpha1.Component) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		all, err := builds(c)(ctx)
		var out []string
		for i := range all {
			b := &all[i].Spec
			text := b.Branch + "|" + b.Tag + "|"
			switch {
			case b.Branch == "main": // a tag may stand on it, and its message name a request
				text = "main||"
			case b.PullRequest != nil:
				text += fmt.Sprint(b.PullRequest.Number)
			}
			out = append(out, text)
		}
		return out, err
	}
}

const settled = 2 * time.Second

var _ = Describe("Tags and pull requests", func() {
	It("are built once each where a source asks for them, and what was there before is not", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		for n := range 50 {
			git(ctx, r, "tag", fmt.Sprintf("v0.%d", n), first)
		}
		git(ctx, r, "push", "--quiet", "origin", "--tags")
		request(ctx, r, 3, commit(ctx, r, "old", "a"))
		git(ctx, r, "checkout", "--quiet", "-B", "main", first)
		c := component(name, func(s *platformv1alpha1.Source) {
			s.Tags, s.PullRequests = []string{"v*"}, platformv1alpha1.PullRequestsSameRepository
		})
		create(ctx, c)
		build(ctx, c, first)
		seen(ctx, c)

		By("setting tags, and opening a pull request")
		tag(ctx, r, "v1.0.0", first)
		tag(ctx, r, "nightly", first)
		fix := commit(ctx, r, "fix", "b")
		request(ctx, r, 7, fix)
		Eventually(ctx, of(c)).Should(ConsistOf("main||", "|v1.0.0|", "fix||7"), "they are new")
		Consistently(ctx, of(c), settled).Should(HaveLen(3), "each is built once")
		all, err := builds(c)(ctx)
		Expect(err).NotTo(HaveOccurred())
		for i := range all {
			b := &all[i]
			Expect(b.OwnerReferences).To(HaveLen(1))
			switch b.Spec.Branch {
			case "":
				Expect(b.Spec.Commit).To(And(HaveField("SHA", first), HaveField("Message", "First")))
				Expect(b.Spec.PullRequest).To(BeNil(), "it is of no request, whatever the message says")
			case "fix":
				Expect(b.Spec.Commit).To(And(HaveField("SHA", fix), HaveField("Author", "Ada <ada@shop.example>")))
				Expect(b.Spec.ChangedPaths).To(Equal([]string{"b"}))
			}
		}

		By("pushing again to the request, and moving the tag")
		request(ctx, r, 7, commit(ctx, r, "fix", "c"))
		tag(ctx, r, "v1.0.0", fix)
		Eventually(ctx, of(c)).Should(ConsistOf("main||", "|v1.0.0|", "|v1.0.0|", "fix||7", "fix||7"), "they are other commits")

		By("widening the patterns")
		live, err := framework.Read(admin, c)(ctx)
		Expect(err).NotTo(HaveOccurred())
		before := live.Status.Source.Seen.Tags
		Expect(admin.Patch(ctx, c, merge(`{"spec":{"source":{"tags":["**"]}}}`))).To(Succeed())
		Eventually(ctx, status(c)).Should(HaveField("Seen.Tags", Not(Equal(before))), "other patterns are another question")
		Consistently(ctx, of(c), settled).Should(HaveLen(5), "what they match was there before")
	})

	It("are not built by default", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		build(ctx, c, first)
		tag(ctx, r, "v1", first)
		request(ctx, r, 7, commit(ctx, r, "fix", "b"))
		asked := server.Asked(http.MethodGet, name)
		Eventually(ctx, func() int { return server.Asked(http.MethodGet, name) }).Should(BeNumerically(">", asked+1), "it is asked at an interval")
		Expect(of(c)(ctx)).To(ConsistOf("main||"))
		Expect(status(c)(ctx)).To(HaveField("Seen", BeNil()))
	})

	It("are never built of forks, nor of what is on the branch already", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, func(s *platformv1alpha1.Source) { s.PullRequests = platformv1alpha1.PullRequestsSameRepository })
		create(ctx, c)
		build(ctx, c, first)
		seen(ctx, c)
		fork := commit(ctx, r, "fork", "b")
		git(ctx, r, "push", "--quiet", "origin", ":refs/heads/fork")
		request(ctx, r, 8, fork)
		git(ctx, r, "checkout", "--quiet", "-B", "main", first)
		head := commit(ctx, r, "main", "c")
		request(ctx, r, 9, head)
		build(ctx, c, head)
		Consistently(ctx, of(c), settled).Should(ConsistOf("main||", "main||"))
	})

	It("of a monorepo make Builds of those Components alone that they change", func(ctx SpecContext) {
		name, r, _ := repository(ctx)
		first := commit(ctx, r, "main", "services/checkout/a", "services/orders/a")
		ask := func(path string) *platformv1alpha1.Component {
			c := component(name, func(s *platformv1alpha1.Source) {
				s.Path, s.PullRequests = path, platformv1alpha1.PullRequestsSameRepository
			})
			create(ctx, c)
			build(ctx, c, first)
			seen(ctx, c)
			return c
		}
		checkout, orders := ask("services/checkout"), ask("services/orders")
		request(ctx, r, 7, commit(ctx, r, "fix", "services/checkout/b"))
		Eventually(ctx, of(checkout)).Should(ConsistOf("main||", "fix||7"), "it changes something below the path")
		Consistently(ctx, of(orders), settled).Should(ConsistOf("main||"))
	})

	It("come ten at a time, and none is lost", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, func(s *platformv1alpha1.Source) { s.Tags, s.Environment = []string{"v*"}, "nowhere" }) // Builds wait for the environment
		create(ctx, c)
		build(ctx, c, first)
		seen(ctx, c)
		for n := range 15 {
			git(ctx, r, "tag", fmt.Sprintf("v%d", n), first)
		}
		git(ctx, r, "push", "--quiet", "origin", "--tags")
		Eventually(ctx, of(c)).Should(HaveLen(11), "ten are open at once, beside that of the branch")
		Consistently(ctx, of(c), settled).Should(HaveLen(11))
		all, err := builds(c)(ctx)
		Expect(err).NotTo(HaveOccurred())
		for i := range all {
			Expect(admin.Delete(ctx, &all[i])).To(Succeed())
		}
		// That of the branch is made again, and those that were built are not.
		Eventually(ctx, of(c)).Should(HaveLen(6), "the others have room now")
		Consistently(ctx, of(c), settled).Should(HaveLen(6))
	})

	It("that hide what they are leave the others alone", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, func(s *platformv1alpha1.Source) { s.Tags = []string{"**"} })
		create(ctx, c)
		build(ctx, c, first)
		seen(ctx, c)
		hostile := "v`id`$(id)'\"${{github.token}}$(HOME);id&&id|id#$HOME<>!"
		tag(ctx, r, "tree", git(ctx, r, "rev-parse", first+"^{tree}"))
		tag(ctx, r, hostile, first)
		Eventually(ctx, of(c)).Should(ConsistOf("main||", "|"+hostile+"|"), "a tag on a tree is nothing to build")
	})
})

var _ = Describe("A webhook of a tag or a pull request", Serial, Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		credentials := secret("towpath-git", map[string]string{"webhookSecret": hookSecret})
		create(ctx, credentials)
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, credentials)).To(Succeed()) })
	})

	It("has it built at once, and no second time where it is played again to another manager", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, func(s *platformv1alpha1.Source) {
			s.Trigger, s.SecretRef = platformv1alpha1.TriggerWebhook, &platformv1alpha1.SourceSecretReference{Name: "towpath-git"}
			s.Tags, s.PullRequests = []string{"v*"}, platformv1alpha1.PullRequestsSameRepository
		})
		create(ctx, c)
		path := "/hooks/" + home + "/" + c.Name
		build(ctx, c, first)
		seen(ctx, c)
		tag(ctx, r, "v1", first)
		tagged := strings.Replace(pushed(name, first), "heads/main", "tags/v1", 1)
		Expect(tell(ctx, path, tagged, github("push", tagged))).To(Equal(http.StatusAccepted))
		Eventually(ctx, of(c)).Should(ConsistOf("main||", "|v1|"), "the repository has the tag")

		fix := commit(ctx, r, "fix", "b")
		request(ctx, r, 7, fix)
		opened := fmt.Sprintf(`{"action":"opened","pull_request":{"number":7,"title":"Add $(id)","head":{"sha":%q,"ref":"main"},"base":{"ref":"main"},
			"created_at":"2020-01-01T08:00:00Z"},"repository":{"clone_url":"https://outside.example/%s.git"}}`, fix, name)
		Expect(tell(ctx, path, opened, github("pull_request", opened))).To(Equal(http.StatusAccepted))
		Eventually(ctx, of(c)).Should(ConsistOf("main||", "|v1|", "fix||7"), "the repository has the request")
		all, err := builds(c)(ctx)
		Expect(err).NotTo(HaveOccurred())
		for i := range all {
			if all[i].Spec.Branch == "fix" {
				Expect(all[i].Spec.PullRequest).To(And(HaveField("Title", "Add $(id)"), HaveField("OpenedAt", Not(BeNil())), HaveField("MergedAt", BeNil())))
			}
		}

		By("telling of a request of a fork, and lying about where it is from")
		fork := commit(ctx, r, "fork", "c")
		git(ctx, r, "push", "--quiet", "origin", ":refs/heads/fork")
		request(ctx, r, 8, fork)
		lie := strings.NewReplacer(`"number":7`, `"number":8`, fix, fork).Replace(opened)
		Expect(tell(ctx, path, lie, github("pull_request", lie))).To(Equal(http.StatusAccepted))
		Consistently(ctx, of(c), 4*time.Second).Should(HaveLen(3), "the repository has no branch with it")

		By("playing them again after the manager is another, and the Builds are gone")
		for i := range all {
			if all[i].Spec.Branch != "main" {
				Expect(admin.Delete(ctx, &all[i])).To(Succeed())
			}
		}
		Eventually(ctx, of(c)).Should(HaveLen(1), "deleted Builds go")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		asked := server.Asked(http.MethodGet, name)
		Eventually(ctx, func(ctx context.Context) int { return tell(ctx, path, opened, github("pull_request", opened)) }).
			Should(Equal(http.StatusAccepted), "the new manager knows the Component")
		Expect(tell(ctx, path, tagged, github("push", tagged))).To(Equal(http.StatusAccepted))
		Eventually(ctx, func() int { return server.Asked(http.MethodGet, name) }).Should(BeNumerically(">", asked), "it has the repository asked, and no more")
		Consistently(ctx, of(c), 4*time.Second).Should(ConsistOf("main||"), "what was built is known")
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(c), c)).To(Succeed())
	})
})
