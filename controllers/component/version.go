package component

import (
	"cmp"
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/template"
	"github.com/towpath-dev/towpath/internal/uses"
)

// asRecorded calls the version of a stop as its Releases do where these bear a short one and hold exactly what it stands for:
// another name for what runs would have it released anew, and let in anew. That it begins alike says nothing.
func (s *scope) asRecorded(st *stop) error {
	known := slices.Concat(st.releases, st.unopened)
	if st.lost != nil {
		known = append(known, st.lost)
	}
	for _, release := range known {
		if len(release.Spec.Version) != promotion.ShortVersion {
			continue
		}
		version, err := s.fullVersion(release)
		if err != nil {
			return err
		}
		if version == st.version {
			st.version = release.Spec.Version
			return nil
		}
	}
	return nil
}

// fullVersion is what the version of a Release would be called now.
func (s *scope) fullVersion(release *platformv1alpha1.Release) (string, error) {
	parameters, err := template.DecodeParameters(release.Spec.Parameters)
	if err != nil {
		return "", err
	}
	of := &release.Spec
	spec := platformv1alpha1.ComponentSpec{Image: of.Image, Commit: of.Commit, Env: of.Env, SecretEnv: of.SecretEnv, Uses: references(of.Uses)}
	if slices.Equal(spec.Uses, named(s.component.Spec.Uses)) {
		spec.Uses = s.component.Spec.Uses // a Release has them in order, and each with its name
	}
	for i := range of.Overrides {
		spec.Overrides = append(spec.Overrides, of.Overrides[i].Override)
	}
	return promotion.Version(&spec, template.MergeParameters(parameters, nil)) // as those of a stop: none are an empty map there
}

// named are uses as a Release has them.
func named(list []platformv1alpha1.Use) []platformv1alpha1.Use {
	all := make([]platformv1alpha1.Use, 0, len(list))
	for _, use := range list {
		all = append(all, platformv1alpha1.Use{Component: use.Component, As: uses.Alias(use)})
	}
	slices.SortFunc(all, func(a, b platformv1alpha1.Use) int { return cmp.Compare(a.As, b.As) })
	return all
}
