package source_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitevent"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

const hookSecret = "a-secret-of-the-webhook"

// tell posts an event, and returns the status of the answer.
func tell(ctx context.Context, path, body string, headers map[string]string) int {
	GinkgoHelper()
	return send(ctx, path, strings.NewReader(body), headers)
}

func send(ctx context.Context, path string, body io.Reader, headers map[string]string) int {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+hooks+path, body)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	text, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Body.Close()).To(Succeed())
	Expect(string(text)).NotTo(ContainSubstring(hookSecret))
	return answer.StatusCode
}

func github(kind, body string) map[string]string {
	h := hmac.New(sha256.New, []byte(hookSecret))
	_, _ = h.Write([]byte(body))
	return map[string]string{"X-GitHub-Event": kind, "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(h.Sum(nil))}
}

func pushed(repository, sha string) string {
	return fmt.Sprintf(`{"ref":"refs/heads/main","after":%q,"repository":{"clone_url":"https://outside.example/%s.git"}}`, sha, repository)
}

var _ = Describe("A webhook", Serial, Ordered, func() {
	var (
		name, path string
		r          *gittest.Repository
		first      string
		c          *platformv1alpha1.Component
	)
	BeforeAll(func(ctx SpecContext) {
		credentials := secret("towpath-git", map[string]string{"webhookSecret": hookSecret})
		create(ctx, credentials)
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, credentials)).To(Succeed()) })
	})
	BeforeEach(func(ctx SpecContext) {
		name, r, first = repository(ctx)
		c = component(name, func(s *platformv1alpha1.Source) {
			s.Trigger, s.SecretRef = platformv1alpha1.TriggerWebhook, &platformv1alpha1.SourceSecretReference{Name: "towpath-git"}
			s.IntervalSeconds = 150 // three seconds here
		})
		create(ctx, c)
		path = "/hooks/" + home + "/" + c.Name
		build(ctx, c, first)
		Eventually(ctx, status(c)).Should(HaveField("Head", first), "a source is asked once by itself")
	})

	It("has the repository asked at once", func(ctx SpecContext) {
		sha := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Second"})
		before := server.Asked(http.MethodGet, name)
		Consistently(ctx, func() int { return server.Asked(http.MethodGet, name) }, time.Second).Should(Equal(before), "nobody told of it")
		body := pushed(name, sha)
		Expect(tell(ctx, path, body, github("push", body))).To(Equal(http.StatusAccepted))
		Expect(build(ctx, c, sha).Spec.PullRequest).To(BeNil())

		By("telling again")
		asked := server.Asked(http.MethodGet, name)
		Expect(tell(ctx, path, body, github("push", body))).To(Equal(http.StatusAccepted))
		Consistently(ctx, func() int { return server.Asked(http.MethodGet, name) }, 4*time.Second).Should(Equal(asked), "it was taken before")
	})

	It("tells the pull request, and not the commit", func(ctx SpecContext) {
		sha := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Second"})
		push := pushed(name, strings.Repeat("f", 40)) // it lies
		merge := fmt.Sprintf(`{"action":"closed","pull_request":{"number":12,"title":"Add a cart","merged":true,"merge_commit_sha":%q,"base":{"ref":"main"},
			"created_at":"2020-01-01T08:00:00Z","merged_at":"2020-01-02T08:00:00Z"},"repository":{"clone_url":"https://outside.example/%s.git"}}`, sha, name)
		Expect(tell(ctx, path, push, github("push", push))).To(Equal(http.StatusAccepted))
		Expect(tell(ctx, path, merge, github("pull_request", merge))).To(Equal(http.StatusAccepted))
		b := build(ctx, c, sha)
		Expect(b.Spec.Commit.Message).To(Equal("Second"))
		Expect(b.Spec.PullRequest).To(PointTo(MatchFields(IgnoreExtras, Fields{
			"Number": BeEquivalentTo(12), "Title": Equal("Add a cart"), "OpenedAt": Not(BeNil()), "MergedAt": Not(BeNil()),
		})))
		Expect(builds(c)(ctx)).To(HaveLen(2))
	})

	It("is refused where it is not proved who sends it, and never says what there is", func(ctx SpecContext) {
		body := pushed(name, first)
		asked := server.Asked(http.MethodGet, name)
		forged := github("push", body+" ")
		Expect(tell(ctx, path, body, forged)).To(Equal(http.StatusUnauthorized))
		Expect(tell(ctx, path, body, nil)).To(Equal(http.StatusUnauthorized))
		Expect(tell(ctx, "/hooks/"+home+"/nothing", body, github("push", body))).To(Equal(http.StatusUnauthorized))
		Expect(tell(ctx, "/hooks/kube-system/"+c.Name, body, github("push", body))).To(Equal(http.StatusUnauthorized))
		Expect(tell(ctx, "/elsewhere", body, github("push", body))).To(Equal(http.StatusNotFound))
		signature, timestamp := gitevent.Sign([]byte(hookSecret), []byte(body), time.Now().Add(-time.Hour))
		Expect(tell(ctx, path, body, map[string]string{"X-Towpath-Signature": signature, "X-Towpath-Timestamp": timestamp})).To(Equal(http.StatusUnauthorized))
		Expect(server.Asked(http.MethodGet, name)).To(Equal(asked))
	})

	It("is ignored where it is of something else", func(ctx SpecContext) {
		asked := server.Asked(http.MethodGet, name)
		for _, body := range []string{pushed("orders", first), strings.Replace(pushed(name, first), "heads/main", "heads/other", 1), `{"zen":"x"}`} {
			Expect(tell(ctx, path, body, github("push", body))).To(Equal(http.StatusAccepted))
		}
		Consistently(ctx, func() int { return server.Asked(http.MethodGet, name) }, 4*time.Second).Should(Equal(asked), "none of them is of the branch")
		Expect(tell(ctx, path, "x", github("push", "x"))).To(Equal(http.StatusBadRequest))
	})

	It("is not read where it is too large", func(ctx SpecContext) {
		Expect(send(ctx, path, io.LimitReader(zeros{}, 100<<20), nil)).To(Equal(http.StatusRequestEntityTooLarge), "in pieces")
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+hooks+path, io.LimitReader(zeros{}, 100<<20))
		Expect(err).NotTo(HaveOccurred())
		request.ContentLength = 100 << 20
		answer, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Body.Close()).To(Succeed())
		Expect(answer.StatusCode).To(Equal(http.StatusRequestEntityTooLarge))
	})

	It("counts again where the same is true once more, and is signed anew", func(ctx SpecContext) {
		at := time.Now()
		own := func(sha string, at time.Time) int {
			body := fmt.Sprintf(`{"repository":"https://outside.example/%s.git","branch":"main","sha":%q}`, name, sha)
			signature, timestamp := gitevent.Sign([]byte(hookSecret), []byte(body), at)
			return tell(ctx, path, body, map[string]string{"X-Towpath-Signature": signature, "X-Towpath-Timestamp": timestamp})
		}
		second := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Second"})
		Expect(own(second, at)).To(Equal(http.StatusAccepted))
		Eventually(ctx, status(c)).Should(HaveField("Head", second))
		git(ctx, r, "push", "--quiet", "--force", "origin", first+":refs/heads/main")
		Expect(own(first, at.Add(time.Second))).To(Equal(http.StatusAccepted))
		Eventually(ctx, status(c)).Should(HaveField("Head", first))

		By("moving the branch to what was told of before")
		git(ctx, r, "push", "--quiet", "--force", "origin", second+":refs/heads/main")
		asked := server.Asked(http.MethodGet, name)
		Expect(own(second, at)).To(Equal(http.StatusAccepted))
		Consistently(ctx, func() int { return server.Asked(http.MethodGet, name) }, 4*time.Second).Should(Equal(asked), "this very one was taken before")
		Expect(own(second, at.Add(2*time.Second))).To(Equal(http.StatusAccepted))
		Eventually(ctx, status(c)).Should(HaveField("Head", second))
	})

	It("is not lost where the repository cannot be asked just then", func(ctx SpecContext) {
		sha := push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Second"})
		server.Before(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		DeferCleanup(func() { server.Before(nil) })
		body := pushed(name, sha)
		Expect(tell(ctx, path, body, github("push", body))).To(Equal(http.StatusAccepted))
		Eventually(ctx, status(c)).Should(HaveField("Reason", "NotReachable"))
		server.Before(nil)
		build(ctx, c, sha)
		Eventually(ctx, status(c)).Should(And(HaveField("Head", sha), HaveField("Reason", "")))
	})

	It("is limited for who sends too many", func(ctx SpecContext) {
		var last int
		for n := range 60 {
			body := fmt.Sprintf(`{"ref":"refs/heads/other","n":%d}`, n)
			if last = tell(ctx, path, body, github("push", body)); last == http.StatusTooManyRequests {
				break
			}
		}
		Expect(last).To(Equal(http.StatusTooManyRequests))
	})
})

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
