package source_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
)

// asked waits until a repository was asked several times more.
func asked(ctx context.Context, name string) {
	GinkgoHelper()
	before := server.Asked(http.MethodGet, name)
	Eventually(ctx, func() int { return server.Asked(http.MethodGet, name) }).Should(BeNumerically(">=", before+3), "it is asked at an interval")
}

// cancelled records that the Build of a commit was taken back.
func cancelled(ctx context.Context, c *platformv1alpha1.Component, sha, name string) {
	GinkgoHelper()
	b := &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: name},
		Spec: platformv1alpha1.BuildSpec{
			Component: c.Name, Branch: "main", Commit: platformv1alpha1.BuildCommit{SHA: sha}, Result: platformv1alpha1.BuildCancelled,
		},
	}
	create(ctx, b)
	Eventually(ctx, framework.Read(admin, b)).Should(HaveField("Status.Result", platformv1alpha1.BuildCancelled), "it is taken over")
}

var _ = Describe("A repository that is polled", func() {
	It("gives a Build of what it has, and of what is pushed", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		b := build(ctx, c, first)
		Expect(b.Spec).To(MatchFields(IgnoreExtras, Fields{
			"Branch": Equal("main"), "RequestedBy": BeEmpty(), "ChangedPaths": BeEmpty(),
			"Commit": MatchFields(IgnoreExtras, Fields{
				"SHA": Equal(first), "Author": Equal("Ada <ada@shop.example>"), "Message": Equal("First"), "CommittedAt": Not(BeNil()),
			}),
			"Commits": PointTo(MatchFields(IgnoreExtras, Fields{"From": BeEmpty(), "Count": HaveValue(BeEquivalentTo(1))})),
		}))
		Expect(metav1.GetControllerOf(b)).To(HaveField("UID", c.UID))
		Eventually(ctx, status(c)).Should(HaveField("Head", first), "what was seen is written")

		By("pushing two commits, and then one")
		record(ctx, c, first)
		_, err := r.Git(ctx, "commit", "--quiet", "--allow-empty", "-m", "Not pushed yet")
		Expect(err).NotTo(HaveOccurred())
		third := push(ctx, r, gittest.Change{Files: map[string]string{"b": "1"}, Message: "Third (#12)"})
		b = build(ctx, c, third)
		Expect(b.Spec).To(MatchFields(IgnoreExtras, Fields{
			"ChangedPaths": HaveExactElements("b"),
			"PullRequest":  HaveValue(HaveField("Number", BeEquivalentTo(12))),
			"Commits":      PointTo(MatchFields(IgnoreExtras, Fields{"From": Equal(first), "Count": HaveValue(BeEquivalentTo(2)), "OldestCommittedAt": Not(BeNil())})),
		}))
		fourth := push(ctx, r, gittest.Change{Files: map[string]string{"c": "1"}, Message: "Fourth"})
		Expect(build(ctx, c, fourth).Spec).To(MatchFields(IgnoreExtras, Fields{
			"ChangedPaths": HaveExactElements("b", "c"),
			"Commits":      PointTo(MatchFields(IgnoreExtras, Fields{"From": Equal(first), "Count": HaveValue(BeEquivalentTo(3))})),
		}), "what failed was not tested, and is not deployed")
		Eventually(ctx, status(c)).Should(HaveField("Head", fourth), "the branch has moved")

		By("having one succeed that is not the last")
		record(ctx, c, third)
		fifth := push(ctx, r, gittest.Change{Files: map[string]string{"d": "1"}, Message: "Fifth"})
		Expect(build(ctx, c, fifth).Spec).To(MatchFields(IgnoreExtras, Fields{
			"ChangedPaths": HaveExactElements("c", "d"), "Commits": PointTo(HaveField("From", third)),
		}))
		Expect(builds(c)(ctx)).To(HaveLen(4 + 2))
	})

	It("writes nothing while nothing is pushed, and makes nothing twice when the manager begins anew", Serial, func(ctx SpecContext) {
		name, r, _ := repository(ctx)
		c := component(name, func(s *platformv1alpha1.Source) { s.Path = "services/checkout" })
		first := push(ctx, r, gittest.Change{Files: map[string]string{"services/checkout/main.go": "1"}, Message: "Checkout"})
		create(ctx, c)
		build(ctx, c, first)
		Eventually(ctx, status(c)).Should(HaveField("Head", first), "what was seen is written")
		elsewhere := push(ctx, r, gittest.Change{Files: map[string]string{"services/orders/main.go": "1"}, Message: "Orders"})
		Eventually(ctx, status(c)).Should(HaveField("Head", elsewhere), "it is seen, and not built")
		asked(ctx, name)
		since := time.Now()
		asked(ctx, name)
		log, err := cluster.Audit()
		Expect(err).NotTo(HaveOccurred())
		Expect(log.ByTowpath().Since(since).About(c.Name)).To(BeEmpty())

		By("beginning anew")
		Expect(cluster.StopManager()).To(Succeed())
		since = time.Now()
		Expect(cluster.StartManager(ctx)).To(Succeed())
		asked(ctx, name)
		Expect(builds(c)(ctx)).To(HaveLen(1))
		log, err = cluster.Audit()
		Expect(err).NotTo(HaveOccurred())
		for _, request := range log.ByTowpath().Since(since) {
			Expect(request.Resource).NotTo(HavePrefix("builds"), "%s", request)
		}

		By("pushing what is below the path")
		record(ctx, c, first)
		last := push(ctx, r, gittest.Change{Files: map[string]string{"services/checkout/main.go": "2"}, Message: "Checkout again"})
		b := build(ctx, c, last)
		Expect(b.Spec.ChangedPaths).To(HaveExactElements("services/checkout/main.go"))
		Expect(b.Spec.Commits).To(HaveValue(MatchFields(IgnoreExtras, Fields{"From": Equal(first), "Count": HaveValue(BeEquivalentTo(2))})))

		By("pushing elsewhere after a Build that failed, and then below the path")
		elsewhere = push(ctx, r, gittest.Change{Files: map[string]string{"services/orders/main.go": "2"}, Message: "Orders again"})
		Eventually(ctx, status(c)).Should(HaveField("Head", elsewhere), "it is seen, and not built")
		last = push(ctx, r, gittest.Change{Files: map[string]string{"services/checkout/more.go": "1"}, Message: "More"})
		b = build(ctx, c, last)
		Expect(b.Spec.ChangedPaths).To(HaveExactElements("services/checkout/main.go", "services/checkout/more.go"))
		Expect(b.Spec.Commits).To(HaveValue(MatchFields(IgnoreExtras, Fields{"From": Equal(first), "Count": HaveValue(BeEquivalentTo(4))})))
		Expect(builds(c)(ctx)).To(HaveLen(3 + 1))
	})

	It("builds the head after a force-push, from no commit that is gone", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		build(ctx, c, first)
		gone := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Gone"})
		build(ctx, c, gone)
		record(ctx, c, gone)
		_, err := r.Git(ctx, "reset", "--quiet", "--hard", first)
		Expect(err).NotTo(HaveOccurred())
		instead := push(ctx, r, gittest.Change{Files: map[string]string{"b": "1"}, Message: "In its place"})
		b := build(ctx, c, instead)
		Expect(b.Spec.Commits).To(Or(BeNil(), HaveValue(HaveField("From", ""))))
	})

	It("builds again what was overtaken, once the branch is forced back to it, and not what was cancelled as its last", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, nil)
		names := []string{c.Name + "-" + first[:12]}
		sum := sha256.Sum256([]byte(first + " main"))
		names = append(names, names[0]+"-"+hex.EncodeToString(sum[:4]))
		for _, taken := range names {
			cancelled(ctx, c, first, taken)
		}
		begun := time.Now()
		create(ctx, c)
		Eventually(ctx, status(c)).Should(HaveField("Head", first), "it is seen, and not built")
		Eventually(ctx, func() int64 { return time.Now().Unix() }).Should(BeNumerically(">", begun.Unix()), "times of creation are whole seconds")
		second := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Second"})
		build(ctx, c, second)
		Expect(builds(c)(ctx)).To(HaveLen(3))

		By("forcing the branch back")
		_, err := r.Git(ctx, "push", "--quiet", "--force", "origin", first+":refs/heads/main")
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, builds(c)).Should(ContainElement(SatisfyAll(
			HaveField("Spec.Commit.SHA", first), HaveField("Spec.Result", BeEmpty()), HaveField("Name", Not(BeElementOf(names))),
		)), "what was taken back is built after all")
		asked(ctx, name)
		Expect(builds(c)(ctx)).To(HaveLen(4))
	})

	It("builds a commit for another branch, too", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		build(ctx, c, first)
		_, err := r.Git(ctx, "push", "--quiet", "origin", "HEAD:refs/heads/release/1.2")
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Patch(ctx, c, merge(`{"spec":{"source":{"branch":"release/1.2"}}}`))).To(Succeed())
		Eventually(ctx, builds(c)).Should(ContainElement(SatisfyAll(
			HaveField("Spec.Branch", "release/1.2"), HaveField("Spec.Commit.SHA", first), HaveField("Name", HavePrefix(c.Name+"-"+first[:12]+"-")),
		)), "a Build is of a branch")
	})

	It("shows what a commit says as text, and believes no time that cannot be", func(ctx SpecContext) {
		name, r, _ := repository(ctx)
		hostile := "$(reboot) `id` ${{ secrets.TOKEN }} '; rm -rf / #\x1b[2J\u202e" + strings.Repeat("é", 400)
		sha := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: hostile, Author: strings.Repeat("$(x)", 90) + " <a@b>", At: time.Unix(0, 0)})
		c := component(name, nil)
		create(ctx, c)
		b := build(ctx, c, sha)
		Expect(b.Spec.Commit.CommittedAt).To(BeNil())
		Expect(b.Spec.Commits.OldestCommittedAt).To(BeNil())
		Expect(b.Spec.Commit.Message).To(HavePrefix("$(reboot) `id` ${{ secrets.TOKEN }} '; rm -rf / #[2Jé"))
		Expect(len(b.Spec.Commit.Message)).To(BeNumerically("<=", 256))
		Expect(len(b.Spec.Commit.Author)).To(BeNumerically("<=", 254))
		future := push(ctx, r, gittest.Change{Files: map[string]string{"a": "2"}, Message: "From tomorrow", At: time.Now().Add(24 * time.Hour)})
		Expect(build(ctx, c, future).Spec.Commit.CommittedAt).To(BeNil())
	})

	It("is left alone where nothing is built of it", func(ctx SpecContext) {
		name, _, first := repository(ctx)
		c := component(name, func(s *platformv1alpha1.Source) { s.Trigger = platformv1alpha1.TriggerNone })
		recorded := component(name, func(s *platformv1alpha1.Source) { s.Engine = platformv1alpha1.EngineExternal })
		copied := component(name, nil)
		copied.Labels = map[string]string{platformv1alpha1.LabelPreviewOf: "other"}
		polled := component(name, nil)
		for _, one := range []*platformv1alpha1.Component{c, recorded, copied, polled} {
			create(ctx, one)
		}
		build(ctx, polled, first)
		Eventually(ctx, status(polled)).Should(HaveField("Head", first), "what was seen is written")
		for _, one := range []*platformv1alpha1.Component{c, recorded, copied} {
			Expect(builds(one)(ctx)).To(BeEmpty())
			Expect(status(one)(ctx)).To(BeZero())
		}
		By("taking the source away")
		Expect(admin.Patch(ctx, polled, merge(`{"spec":{"source":null}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, polled)).Should(HaveField("Status.Source", BeNil()), "there is nothing to say of it")
	})

	It("makes a Build of the same commit again once it was deleted", func(ctx SpecContext) {
		name, _, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		b := build(ctx, c, first)
		Expect(admin.Delete(ctx, b)).To(Succeed())
		Eventually(ctx, builds(c)).Should(HaveExactElements(SatisfyAll(HaveField("Name", b.Name), HaveField("UID", Not(Equal(b.UID))))), "that is how one builds again")
	})
})

var _ = Describe("A repository that cannot be asked", func() {
	DescribeTable("says why", func(ctx SpecContext, change func(*platformv1alpha1.Source), matches OmegaMatcher) {
		name, _, _ := repository(ctx)
		c := component(name, change)
		create(ctx, c)
		Eventually(ctx, status(c)).Should(matches, "the status has the reason")
		Expect(builds(c)(ctx)).To(BeEmpty())
	},
		Entry("of a branch that is not there", func(s *platformv1alpha1.Source) { s.Branch = "master" }, failing("BranchNotFound", `no branch "master"`)),
		Entry("of a repository that is not there", func(s *platformv1alpha1.Source) { s.Repository = server.URL("nothing") }, failing("RepositoryNotFound", "404")),
		Entry("of a path that is not there", func(s *platformv1alpha1.Source) { s.Path = "services/orders" }, failing("PathNotFound", "services/orders")),
		Entry("of metadata of the cloud", func(s *platformv1alpha1.Source) { s.Repository = "http://169.254.169.254/latest" }, failing("AddressRefused", "never reached")),
		Entry("of an address inside", func(s *platformv1alpha1.Source) { s.Repository = "https://10.0.0.1/a" }, failing("AddressRefused", "ask the platform team")),
		Entry("of a Secret that is not there", func(s *platformv1alpha1.Source) {
			s.SecretRef = &platformv1alpha1.SourceSecretReference{Name: "towpath-git"}
			s.Environment = "empty"
		}, failing("EnvironmentNotFound", "empty")),
		Entry("of a Secret that the manager may not read", func(s *platformv1alpha1.Source) {
			s.SecretRef = &platformv1alpha1.SourceSecretReference{Name: "mine"}
		}, failing("CredentialsUnreadable", "kubectl -n shop-dev create role towpath-git-mine", "--resource-name=mine")),
		Entry("of SSH without keys", func(s *platformv1alpha1.Source) { s.Repository = "ssh://git@127.0.0.1:1/a" }, failing("CredentialsMissing", "identity")),
	)

	It("is asked again with credentials, which nobody sees", Serial, func(ctx SpecContext) {
		server.SetPassword(password)
		DeferCleanup(server.SetPassword, "")
		name, r, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		Eventually(ctx, status(c)).Should(failing("CredentialsMissing", "secretRef"), "it asks for credentials")
		Expect(admin.Patch(ctx, c, merge(`{"spec":{"source":{"secretRef":{"name":"towpath-git"}}}}`))).To(Succeed())
		Eventually(ctx, status(c)).Should(failing("CredentialsMissing", "Secret towpath-git is not in namespace shop-dev"), "there is no Secret")

		credentials := secret("towpath-git", map[string]string{"username": gittest.Username, "password": password + "\n"})
		create(ctx, credentials)
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, credentials)).To(Succeed()) })
		build(ctx, c, first)
		Eventually(ctx, status(c)).Should(HaveField("Reason", ""), "it is as it should be")
		record(ctx, c, first)

		By("having them expire")
		server.SetPassword("another")
		Eventually(ctx, status(c)).Should(failing("CredentialsRefused", "401", "expired"), "the server refuses them")
		Expect(status(c)(ctx)).To(HaveField("Head", first))
		second := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Meanwhile"})
		server.SetPassword(password)
		Expect(build(ctx, c, second).Spec.Commits.From).To(Equal(first))

		By("meaning them for another repository")
		Expect(admin.Patch(ctx, credentials, merge(`{"stringData":{"repository":"https://git.example/shop/"}}`))).To(Succeed())
		Eventually(ctx, status(c)).Should(failing("CredentialsRefused", "not for this repository"), "they are sent nowhere else")

		By("looking for them")
		live, err := framework.Read(admin, c)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(live.Status.Source.Message).NotTo(ContainSubstring(password))
	})
})
