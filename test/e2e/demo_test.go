package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/test/framework"
)

// idleFor is how long nothing may be written. IDLE shortens or lengthens it.
func idleFor() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("IDLE")); err == nil {
		return d
	}
	return 5 * time.Minute
}

var _ = Describe("The demo", Ordered, func() {
	var root, dir, bin, shown string

	// run runs a command in the repository, and returns what it printed.
	run := func(name string, args ...string) string {
		GinkgoHelper()
		cmd := exec.Command(name, args...)
		cmd.Dir = root
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		Expect(cmd.Run()).To(Succeed(), "%s %s printed:\n%s", name, strings.Join(args, " "), &out)
		return out.String()
	}
	demo := func(verb string) string { return run(filepath.Join(bin, "demo"), "-root", root, "-dir", dir, verb) }
	kubectl := func(args ...string) string {
		return run(filepath.Join(bin, "kube", "current", "kubectl"), append(args, "--kubeconfig", filepath.Join(dir, "kubernetes-admin.kubeconfig"))...)
	}
	towpath := func(args ...string) string {
		return run(filepath.Join(bin, "towpath"), append(args, "--kubeconfig", filepath.Join(dir, "kubernetes-admin.kubeconfig"))...)
	}

	BeforeAll(func() {
		var err error
		root, err = filepath.Abs(filepath.Join("..", ".."))
		Expect(err).NotTo(HaveOccurred())
		// Apart from a demo that somebody has running.
		dir = GinkgoT().TempDir()
		bin = filepath.Join(root, "bin")
		run("go", "build", "-o", bin+"/", "./cmd/manager", "./cmd/towpath", "./hack/demo")
		DeferCleanup(func() { demo("down") })
	})

	It("brings every Component up, and shows it", func() {
		out := demo("up")
		for _, want := range []string{
			"team shop, cost centre cc-4711", "✔ checkout", "✔ storefront", "✔ catalogue",
			"✔ Deployment/checkout", "namespace shop-prod", "make demo-down",
			"payments  WaitingForApproval: ", "search    RolledBack: ", "books     Frozen: ",
			"bin/towpath env preview -n team-shop --pr ", "env delete-preview -n team-shop --pr ", "nothing of it is left: ",
			"$ git push origin main", "The pods are simulated: no stage ran.",
		} {
			Expect(out).To(ContainSubstring(want))
		}
		GinkgoWriter.Print(out)
		shown = out
	})

	It("builds what is pushed, and releases it with its commit", func() {
		Expect(shown).To(MatchRegexp(`commit [0-9a-f]{12} by Ada <ada@dock.example>  lead time [0-9]+(s|m[0-9]*s?)\n`))
		work := filepath.Join(dir, "git", "ferry")
		run("git", "-C", work, "-c", "user.name=Bob", "-c", "user.email=bob@dock.example", "commit", "--quiet", "--allow-empty", "-m", "Sail on")
		run("git", "-C", work, "push", "--quiet", "origin", "main")
		sha := strings.TrimSpace(run("git", "-C", work, "rev-parse", "HEAD"))
		Eventually(func() string {
			return kubectl("get", "releases", "-n", "team-dock", "-o", `jsonpath={range .items[*]}{.spec.commit.sha} {.spec.commit.author} {.spec.image} {.status.readyAt}{"\n"}{end}`)
		}, time.Minute, time.Second).Should(MatchRegexp(sha+` Bob <bob@dock.example> registry.example/dock/ferry:`+sha+` 2`), "the poll finds it within half a minute")
		kubectl("wait", "component", "ferry", "-n", "team-dock", "--for=condition=Ready", "--timeout=1m")
	})

	It("has one Release wait for an approval, and gives the command that lets it in", func() {
		Expect(kubectl("get", "release", "payments-vault-1", "-n", "team-bank", "-o", "jsonpath={.status.openedAt}{.status.objects}")).To(BeEmpty(), "nothing of it was written")
		Expect(kubectl("get", "deployments", "-n", "bank-vault", "-o", "name")).To(BeEmpty())
		command := regexp.MustCompile(`bin/towpath (approve -n team-bank payments-vault-1)\.`).FindStringSubmatch(shown)
		Expect(command).NotTo(BeNil(), shown)
		towpath(strings.Fields(command[1])...)
		kubectl("wait", "component", "payments", "-n", "team-bank", "--for=condition=Promoted", "--timeout=1m")
		kubectl("wait", "component", "payments", "-n", "team-bank", "--for=condition=Ready", "--timeout=1m")
		Expect(kubectl("get", "release", "payments-vault-1", "-n", "team-bank", "-o", "jsonpath={.status.decisions[*].decision}")).To(Equal("Approve"))
	})

	It("has one Release fail by its pods, and roll back by itself", func() {
		Expect(kubectl("get", "releases", "-n", "team-bank", "-l", "platform.towpath.dev/component=search", "-o",
			`jsonpath={range .items[*]}{.metadata.name} {.spec.cause} {.spec.image}{"\n"}{end}`)).To(Equal(
			"search-canary-1 ImageChange registry.example/bank/search:1.0.0\n" +
				"search-canary-2 ImageChange registry.example/bank/search:2.0.0-broken\n" +
				"search-canary-3 Rollback registry.example/bank/search:1.0.0\n"))
		Expect(kubectl("get", "release", "search-canary-3", "-n", "team-bank", "-o", "jsonpath={.spec.rollback.reason}")).To(ContainSubstring("CrashLoop"))
		Expect(kubectl("get", "deployment", "search", "-n", "bank-canary", "-o", "jsonpath={.spec.template.spec.containers[*].image}")).
			To(Equal("registry.example/bank/search:1.0.0"))
		kubectl("wait", "component", "search", "-n", "team-bank", "--for=condition=Ready", "--timeout=1m")
		Expect(writersOfPods(filepath.Join(dir, "audit.log"))).To(And(ContainElement("kwok"),
			HaveEach(BeElementOf("kwok", "system:kube-scheduler", "system:kube-controller-manager"))), "nobody made a status up")
	})

	It("has one Release wait for the end of a freeze", func() {
		Expect(shown).To(MatchRegexp(`books +Frozen: .*audit \(The auditors are here\), which ends at 2099-01-01T00:00:00Z`))
		Expect(kubectl("get", "release", "books-ledger-1", "-n", "team-bank", "-o", "jsonpath={.status.openedAt}{.status.objects}")).To(BeEmpty())
		kubectl("wait", "component", "books", "-n", "team-bank", "--for=condition=Ready", "--timeout=1m")
	})

	It("changes nothing when it is run again", func() {
		quiet(filepath.Join(dir, "audit.log"))
		before := writes(filepath.Join(dir, "audit.log"))
		Expect(demo("up")).To(ContainSubstring("✔ checkout"))
		Expect(writes(filepath.Join(dir, "audit.log"))).To(HaveLen(len(before)), "the manager wrote during the second call")
	})

	It("runs the smallest example of every golden path", func() {
		examples, err := filepath.Glob(filepath.Join(root, "config", "catalog", "*", "component.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(examples).NotTo(BeEmpty())
		for _, example := range examples {
			kubectl("apply", "-f", example)
		}
		kubectl("wait", "components", "-n", "team-shop", "--all", "--for=condition=Promoted", "--timeout=3m")
		kubectl("wait", "components", "-n", "team-shop", "--all", "--for=condition=Ready", "--timeout=1m")
	})

	It("says in JSON what it says in the tree", func() {
		var status map[string]any
		Expect(json.Unmarshal([]byte(towpath("status", "-A", "-o", "json")), &status)).To(Succeed())
		Expect(status).NotTo(BeEmpty())
	})

	It("renders on the command line the bytes that are in the cluster", func() {
		files := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(files, "revisions.yaml"), []byte(kubectl("get", "servicetemplaterevisions", "-o", "yaml")), 0o600)).To(Succeed())
		releases := filepath.Join(files, "releases.yaml")
		Expect(os.WriteFile(releases, []byte(kubectl("get", "releases", "-n", "team-shop", "-o", "yaml")), 0o600)).To(Succeed())

		rendered := strings.Split(run(filepath.Join(bin, "towpath"), "render", "-f", releases, "--templates", files), "\n---\n")
		Expect(len(rendered)).To(BeNumerically(">=", 2*3*5), "three Components in two environments")
		for i, text := range rendered {
			file := filepath.Join(files, fmt.Sprintf("object-%d.yaml", i))
			Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
			var o struct {
				Kind     string
				Metadata struct{ Namespace string }
				Spec     map[string]any
			}
			Expect(yaml.Unmarshal([]byte(text), &o)).To(Succeed())
			if _, set := o.Spec["replicas"]; !set && o.Kind == "Deployment" {
				// It began with the fewest pods that its autoscaler keeps, which the manager adds on creation.
				var live appsv1.Deployment
				Expect(json.Unmarshal([]byte(kubectl("get", "-f", file, "-o", "json", "--show-managed-fields")), &live)).To(Succeed())
				if apply.OwnsReplicas(live.ManagedFields) {
					text = strings.Replace(text, "\nspec:\n", fmt.Sprintf("\nspec:\n  replicas: %d\n", *live.Spec.Replicas), 1)
					Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
				}
			}
			// Fields that the controller's write did not have, or had otherwise, would change the object or who
			// owns its fields. A write of the same changes nothing, not even the time of the last one.
			Eventually(func(g Gomega) {
				applied := kubectl("apply", "-f", file, "--server-side", "--field-manager=towpath-release", "--dry-run=server", "--validate=false",
					"--as=system:serviceaccount:towpath-appliers:"+o.Metadata.Namespace, "--show-managed-fields", "-o", "json")
				g.Expect(applied).To(MatchJSON(kubectl("get", "-f", file, "--show-managed-fields", "-o", "json")))
			}).Should(Succeed(), "a controller of Kubernetes may write a status between the two reads")
		}
	})

	It("writes nothing while nothing changes", func() {
		log := filepath.Join(dir, "audit.log")
		quiet(log)
		before := writes(log)
		Expect(before).NotTo(BeEmpty(), "the audit log must show the writes of the start, or this test could not fail")
		Consistently(func() []string { return unasked(writes(log)[len(before):]) }, idleFor(), time.Second).
			Should(BeEmpty(), "nothing changed, so the manager and the appliers have nothing to write")
	})

	It("ends without leaving a process behind", func() {
		Expect(framework.RecordRights(filepath.Join(dir, "audit.log"))).To(Succeed(), "the folder goes with the demo")
		demo("down")
		Expect(run("sh", "-c", "ps -eo args | grep -F '"+dir+"' | grep -v grep || true")).To(BeEmpty())
	})
})

// event is an entry of an audit log.
type event struct {
	Verb             string
	User             struct{ Username string }
	ImpersonatedUser struct{ Username string }
	ObjectRef        struct{ Resource, Namespace, Name, Subresource string }
}

// mutating returns the entries of an audit log that change something.
func mutating(path string) []event {
	GinkgoHelper()
	file, err := os.Open(path)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	var found []event
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			continue // the last line may be half written
		}
		switch e.Verb {
		case "create", "update", "patch", "delete", "deletecollection":
			found = append(found, e)
		}
	}
	Expect(scanner.Err()).NotTo(HaveOccurred())
	return found
}

// quiet waits until what Environments cost has been written, which is once it has stood for 20 seconds.
func quiet(path string) {
	GinkgoHelper()
	count, since := 0, time.Now()
	Eventually(func() time.Duration {
		if now := len(writes(path)); now != count {
			count, since = now, time.Now()
		}
		return time.Since(since)
	}, 3*time.Minute, time.Second).Should(BeNumerically(">", 25*time.Second), "something is written again and again")
}

// writes returns the mutating requests of the manager and of the appliers in an audit log, but for leases, and for reports of costs,
// which come by the clock.
func writes(path string) []string {
	GinkgoHelper()
	var found []string
	for _, e := range mutating(path) {
		ours := strings.HasPrefix(e.User.Username, "system:serviceaccount:towpath-system:") ||
			strings.HasPrefix(e.ImpersonatedUser.Username, "system:serviceaccount:towpath-appliers:")
		if o := e.ObjectRef; ours && o.Resource != "leases" && o.Resource != "costreports" {
			found = append(found, strings.Join([]string{e.Verb, o.Resource, o.Subresource, o.Namespace + "/" + o.Name}, " "))
		}
	}
	return found
}

// unasked leaves out one write of each Budget: what is spent grows with the day, and is reckoned anew every ten minutes or so.
func unasked(written []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(written), func(w string) bool {
		first := strings.HasPrefix(w, "patch budgets status ") && !seen[w]
		seen[w] = true
		return first
	})
}

// writersOfPods returns who wrote the status of any pod.
func writersOfPods(path string) []string {
	GinkgoHelper()
	users := map[string]bool{}
	for _, e := range mutating(path) {
		if e.ObjectRef.Resource == "pods" && e.ObjectRef.Subresource == "status" {
			users[e.User.Username] = true
		}
	}
	return slices.Collect(maps.Keys(users))
}
