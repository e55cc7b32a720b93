package kind

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// small are the parameters of a web-service that leaves room for others on a small machine, and ends soon.
const small = `{replicas: {min: 1, max: 1}, resources: {cpu: 10m, memory: 32Mi}, shutdown: {delaySeconds: 2, drainSeconds: 20}}`

// image is what a version of test/kind/app is called; images.sh makes them.
func image(version string) string { return "app.test/towpath/app:" + version }

// team is a Team of one spec, which goes with it.
type team struct{ name, home string }

func newTeam(ctx context.Context, members ...platformv1alpha1.TeamMember) *team {
	GinkgoHelper()
	return makeTeam(ctx, framework.Team(framework.Name("t-"), members...))
}

// makeTeam makes the Team as it is, but that all of it goes with it.
func makeTeam(ctx context.Context, t *platformv1alpha1.Team) *team {
	GinkgoHelper()
	t.Spec.DeletionPolicy = platformv1alpha1.DeletionDelete
	Expect(kind.Create(ctx, t)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { deleteTeam(ctx, t) })
	Eventually(framework.Read(kind, t)).WithContext(ctx).Should(framework.BeReady())
	return &team{name: t.Name, home: "team-" + t.Name}
}

// deleteTeam deletes what a team has, in the order in which nothing holds up what follows.
func deleteTeam(ctx context.Context, t *platformv1alpha1.Team) {
	GinkgoHelper()
	home := client.InNamespace("team-" + t.Name)
	Eventually(func(g Gomega) {
		var components platformv1alpha1.ComponentList
		g.Expect(kind.List(ctx, &components, home)).To(Succeed())
		var errs []error
		for i := range components.Items {
			// One that is used is refused until those who use it are gone.
			errs = append(errs, client.IgnoreNotFound(kind.Delete(ctx, &components.Items[i])))
		}
		g.Expect(errors.Join(errs...)).To(Succeed())
		g.Expect(kind.DeleteAllOf(ctx, &platformv1alpha1.Environment{}, home)).To(Succeed())
		g.Expect(client.IgnoreNotFound(kind.Delete(ctx, t))).To(Succeed())
		gone, err := framework.Gone(kind, t)(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(gone).To(BeTrue())
	}).WithContext(ctx).Should(Succeed(), "team %s goes", t.Name)
}

// makeNamespace makes a namespace that is no team's, which goes with its spec. A cluster that is gone on with may still have
// that of a run that was killed.
func makeNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	namespace := func() *corev1.Namespace { return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	remove := func(ctx context.Context) {
		Expect(client.IgnoreNotFound(kind.Delete(ctx, namespace()))).To(Succeed())
		Eventually(framework.Gone(kind, namespace())).WithContext(ctx).Should(BeTrue(), "namespace %s goes", name)
	}
	remove(ctx)
	Expect(kind.Create(ctx, namespace())).To(Succeed())
	DeferCleanup(remove)
}

// environment makes an Environment of a class, and returns its workload namespace.
func (t *team) environment(ctx context.Context, name, class string) string {
	GinkgoHelper()
	e := framework.Environment(t.home, name, class)
	Expect(kind.Create(ctx, e)).To(Succeed())
	Eventually(framework.Read(kind, e)).WithContext(ctx).Should(framework.BeReady())
	return t.namespace(ctx, name)
}

// namespace is the workload namespace of an Environment.
func (t *team) namespace(ctx context.Context, environment string) string {
	GinkgoHelper()
	e := framework.Environment(t.home, environment, "")
	Expect(kind.Get(ctx, client.ObjectKeyFromObject(e), e)).To(Succeed())
	return e.Status.Namespace
}

// web makes a web-service of this version of the app.
func (t *team) web(ctx context.Context, name, version string, environments ...string) *platformv1alpha1.Component {
	GinkgoHelper()
	c := t.component(name, "web-service", version, small, environments...)
	Expect(kind.Create(ctx, c)).To(Succeed())
	return c
}

func (t *team) component(name, template, version, parameters string, environments ...string) *platformv1alpha1.Component {
	c := framework.Component(t.home, name, template, environments...)
	c.Spec.Image, c.Spec.Parameters = image(version), framework.JSON(parameters)
	return c
}

// ship gives a Component another version.
func ship(ctx context.Context, c *platformv1alpha1.Component, version string) {
	GinkgoHelper()
	before := c.DeepCopy()
	c.Spec.Image = image(version)
	Expect(kind.Patch(ctx, c, client.MergeFrom(before))).To(Succeed())
}

// running waits until a Component is Ready, and its newest version has come to the end of its path.
func running(ctx context.Context, c *platformv1alpha1.Component) {
	GinkgoHelper()
	Eventually(framework.Read(kind, c)).WithContext(ctx).Should(And(
		framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionTrue, ""), framework.BeReady()))
}

// release is a Release by its name.
func (t *team) release(name string) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: name}}
}

// pods are those of a Component that are not on their way out.
func pods(ctx context.Context, namespace, component string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := kind.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: component})
	var live []corev1.Pod
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			live = append(live, list.Items[i])
		}
	}
	return live, err
}

// allPods returns a function for Eventually: the names of a Component's pods, those on their way out too.
func allPods(namespace, component string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		var list corev1.PodList
		err := kind.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: component})
		var names []string
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		return names, err
	}
}

// imagesOf returns a function for Eventually: the images that the pods of a Component run.
func imagesOf(namespace, component string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		live, err := pods(ctx, namespace, component)
		var images []string
		for i := range live {
			images = append(images, live[i].Spec.Containers[0].Image)
		}
		return images, err
	}
}

// caller is a pod that calls an address all the time; see client.go of the app.
type caller struct{ namespace, name string }

// stats is what a caller has seen.
type stats struct {
	Requests, Failures int
	Errors             []string
	Answers            map[string]int
}

// call starts a caller in a workload namespace, and waits until it is under way.
func call(ctx context.Context, namespace, url string) *caller {
	GinkgoHelper()
	no, yes := false, true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: framework.Name("caller-")},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			SecurityContext:              &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "caller", Image: image("1"), Args: []string{"client", url},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
	Expect(kind.Create(ctx, pod)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(kind.Delete(ctx, pod))).To(Succeed()) })
	c := &caller{namespace: namespace, name: pod.Name}
	Eventually(c.seen).WithContext(ctx).Should(HaveField("Requests", BeNumerically(">", 10)))
	return c
}

// seen asks what the caller has seen so far.
func (c *caller) seen(ctx context.Context) (stats, error) {
	var s stats
	raw, err := kind.clientset.CoreV1().Pods(c.namespace).ProxyGet("http", c.name, "8080", "/stats", nil).DoRaw(ctx)
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	return s, err
}

// hears waits until an answer of this text has come since now.
func (c *caller) hears(ctx context.Context, text string) {
	GinkgoHelper()
	before, err := c.seen(ctx)
	Expect(err).NotTo(HaveOccurred())
	count := func(s stats) (n int) {
		for answer, times := range s.Answers {
			if strings.Contains(answer, text) {
				n += times
			}
		}
		return n
	}
	Eventually(func(ctx context.Context) (int, error) {
		s, err := c.seen(ctx)
		return count(s), err
	}).WithContext(ctx).Should(BeNumerically(">", count(before)), "%s is answered", text)
}

// neverFailed checks that every request was answered.
func (c *caller) neverFailed(ctx context.Context) {
	GinkgoHelper()
	s, err := c.seen(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(s.Failures).To(BeZero(), "of %d requests; the first errors: %s", s.Requests, strings.Join(s.Errors, "\n"))
}

// address is that of a Component's Service, as others in the cluster call it.
func address(namespace, component string) string {
	return "http://" + component + "." + namespace + ".svc"
}
