package render

import (
	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
)

// Policy is what the guard holds the objects of a Release to, but for the scope of kinds, which the caller knows.
func Policy(r *platformv1alpha1.Release) guard.Policy {
	tokens := r.Spec.ServiceAccountTokens
	if tokens == "" {
		tokens = platformv1alpha1.TokensAllowed // made before Towpath asked, and it runs
	}
	return guard.Policy{
		Namespace:   r.Spec.Environment.Namespace,
		Labels:      ReleaseLabels(r),
		PodLabels:   PodLabels(r),
		AsFound:     r.Spec.Cause == platformv1alpha1.CauseAdoption,
		PodSecurity: r.Spec.PodSecurity,
		Tokens:      tokens,
		Class:       r.Spec.Environment.Class, AllowedKinds: r.Spec.AllowedKinds,
	}
}
