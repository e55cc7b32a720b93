package environment_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var _ = Describe("What an Environment makes", func() {
	It("is a labelled namespace, an account to write as, and the bindings of that account", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")

		name := p.team + "-dev"
		Expect(environment.Status.Namespace).To(Equal(name))
		Expect(environment.Status.Team).To(Equal(p.team))
		Expect(environment.Status.CostCenter).To(Equal("cc-" + p.team))
		Expect(environment.Status.Tier).To(Equal(platformv1alpha1.TierDevelopment))
		Expect(environment.Status.PodSecurity).To(Equal(platformv1alpha1.PodSecurityRestricted))
		Expect(environment.Status.ObservedGeneration).To(Equal(environment.Generation))

		labels := map[string]string{
			"app.kubernetes.io/managed-by":     "towpath",
			"app.kubernetes.io/part-of":        p.team,
			"platform.towpath.dev/team":        p.team,
			"platform.towpath.dev/environment": "dev",
			"platform.towpath.dev/tier":        "Development",
			"platform.towpath.dev/cost-center": "cc-" + p.team,
			"platform.towpath.dev/owner-uid":   string(environment.UID),
		}
		haveLabels := func(more map[string]string) OmegaMatcher {
			return HaveField("Labels", And(containAll(labels), containAll(more)))
		}
		Expect(read(ctx, workload(name))).To(haveLabels(map[string]string{
			"pod-security.kubernetes.io/enforce": "restricted",
			"pod-security.kubernetes.io/warn":    "restricted",
			"pod-security.kubernetes.io/audit":   "restricted",
		}))
		account := read(ctx, applier(name))
		Expect(account).To(haveLabels(nil))
		Expect(account.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		for _, role := range []string{"towpath-applier", "towpath-applier-extra"} {
			live := read(ctx, binding(name, role))
			Expect(live).To(haveLabels(nil))
			Expect(live.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}))
			Expect(live.Subjects).To(ConsistOf(rbacv1.Subject{Kind: "ServiceAccount", Namespace: "towpath-appliers", Name: name}))
		}
	})
})

// containAll matches a map that holds everything that another one does.
func containAll(want map[string]string) OmegaMatcher {
	matchers := []OmegaMatcher{Not(BeNil())}
	for key, value := range want {
		matchers = append(matchers, HaveKeyWithValue(key, value))
	}
	return And(matchers...)
}
