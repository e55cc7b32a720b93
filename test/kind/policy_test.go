package kind

import (
	"context"
	"errors"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// unanswered is what an app is given for an answer that did not come.
const unanswered = "no answer"

// passedOn returns a function for Eventually: what the app of a Component is answered by the address in its variable <name>_URL. The API
// server asks the app, and comes from the node, which no policy keeps out.
func passedOn(namespace, component, name string) func(context.Context) (string, error) {
	return answer(func() rest.ResponseWrapper {
		return kind.clientset.CoreV1().Services(namespace).ProxyGet("http", component, "80", "/call/"+name, nil)
	})
}

func answer(ask func() rest.ResponseWrapper) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		raw, err := ask().DoRaw(ctx)
		var status *apierrors.StatusError
		if errors.As(err, &status) && status.Status().Code == http.StatusBadGateway {
			return unanswered, nil
		}
		return string(raw), err
	}
}

// urls are variables by which an app can be made to call others.
func urls(pairs ...string) (variables []platformv1alpha1.EnvVar) {
	for i := 0; i < len(pairs); i += 2 {
		variables = append(variables, platformv1alpha1.EnvVar{Name: pairs[i] + "_URL", Value: pairs[i+1]})
	}
	return variables
}

// keepsOut checks that an address is answered to nobody, again and again: a policy may take a moment to hold, and none to let go.
func keepsOut(ctx context.Context, asked func(context.Context) (string, error)) {
	GinkgoHelper()
	Eventually(asked).WithContext(ctx).Should(Equal(unanswered))
	for range 2 {
		Expect(asked(ctx)).To(Equal(unanswered))
	}
}

var _ = Describe("The network", func() {
	BeforeEach(func(ctx context.Context) { kind.needsNetworkPolicies(ctx) })

	It("leads a Component whose egress is restricted to what it uses, and to nothing else", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		t.web(ctx, "orders", "2", "dev")
		other := t.web(ctx, "other", "1", "dev")
		running(ctx, other)
		t.shop(ctx, urls("OTHER", address(namespace, "other"))...)
		Eventually(passedOn(namespace, "shop", "BACKEND")).WithContext(ctx).Should(ContainSubstring("version 2"))
		keepsOut(ctx, passedOn(namespace, "shop", "OTHER"))
		Expect(passedOn(namespace, "shop", "BACKEND")(ctx)).To(ContainSubstring("version 2"))
		call(ctx, namespace, address(namespace, "other")).hears(ctx, "version 1")
	})

	It("leads other teams to a Component that lets them in, and to no other", func(ctx context.Context) {
		host, guest := newTeam(ctx), newTeam(ctx)
		namespace, theirs := host.environment(ctx, "dev", "development"), guest.environment(ctx, "dev", "development")
		open := host.component("open", "web-service", "2", withNetwork(`{callers: [{team: `+guest.name+`, component: shop}]}`), "dev")
		Expect(kind.Create(ctx, open)).To(Succeed())
		closed := host.web(ctx, "closed", "1", "dev")
		for _, name := range []string{"shop", "stranger"} {
			c := guest.component(name, "web-service", "1", small, "dev")
			c.Spec.Env = urls("OPEN", address(namespace, "open"), "CLOSED", address(namespace, "closed"))
			Expect(kind.Create(ctx, c)).To(Succeed())
			running(ctx, c)
		}
		running(ctx, open)
		running(ctx, closed)
		Eventually(passedOn(theirs, "shop", "OPEN")).WithContext(ctx).Should(ContainSubstring("version 2"))
		keepsOut(ctx, passedOn(theirs, "shop", "CLOSED"))
		keepsOut(ctx, passedOn(theirs, "stranger", "OPEN"))
		Expect(passedOn(theirs, "shop", "OPEN")(ctx)).To(ContainSubstring("version 2"))
	})

	It("leads nowhere from an isolated environment but where its Components say", func(ctx context.Context) {
		class := framework.Class(framework.Name("island-"), platformv1alpha1.TierDevelopment)
		class.Spec.Isolation = platformv1alpha1.IsolationIsolated
		Expect(kind.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(kind.Delete(ctx, class)).To(Succeed()) })
		t := newTeam(ctx)
		namespace, outside := t.environment(ctx, "dev", class.Name), t.environment(ctx, "open", "development")
		web := t.web(ctx, "web", "1", "open")
		running(ctx, web)
		t.web(ctx, "orders", "2", "dev")
		t.shop(ctx)
		Eventually(passedOn(namespace, "shop", "BACKEND")).WithContext(ctx).Should(ContainSubstring("version 2"))

		By("what no golden path made")
		stray := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "stray"}, Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr.To(false),
			SecurityContext:              &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "app", Image: image("1"), Env: []corev1.EnvVar{{Name: "WEB_URL", Value: address(outside, "web")}, {Name: "ORDERS_URL", Value: address(namespace, "orders")}},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		}}
		Expect(kind.Create(ctx, stray)).To(Succeed())
		for _, name := range []string{"WEB", "ORDERS"} {
			keepsOut(ctx, answer(func() rest.ResponseWrapper {
				return kind.clientset.CoreV1().Pods(namespace).ProxyGet("http", stray.Name, "8080", "/call/"+name, nil)
			}))
		}
		Expect(passedOn(namespace, "shop", "BACKEND")(ctx)).To(ContainSubstring("version 2"))
	})
})
