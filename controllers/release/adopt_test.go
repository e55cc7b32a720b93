package release

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// heldScope is of a Release that writes a Deployment and a Service that were found.
func heldScope(cause platformv1alpha1.Cause) *scope {
	release := &platformv1alpha1.Release{}
	release.Spec.Cause = cause
	release.Spec.Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "web", Name: "web"}, {Resource: "service", Name: "front"}}}
	release.Spec.Inventory = []platformv1alpha1.ReleaseObject{
		{Resource: "web", APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, {Resource: "service", APIVersion: "v1", Kind: "Service", Name: "front"},
	}
	for _, o := range release.Spec.Inventory {
		release.Status.Objects = append(release.Status.Objects, platformv1alpha1.ReleaseObjectStatus{ReleaseObject: o, Health: platformv1alpha1.ObjectMissing})
	}
	return &scope{release: release, children: make([]child, 2)}
}

func TestMayWrite_NotWhatAnotherControllerWrites(t *testing.T) {
	yes := true
	owned := func(labels, annotations map[string]string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations, OwnerReferences: []metav1.OwnerReference{
			{Kind: "Note", Name: "first", UID: "1"}, {Kind: "Rollout", Name: "web", UID: "2", Controller: &yes},
		}}}
	}
	ours := map[string]string{platformv1alpha1.LabelOwnerUID: "component-1"}
	asFound := map[string]string{platformv1alpha1.LabelOwnerUID: "component-1", platformv1alpha1.LabelAsFound: "true"}
	for name, tc := range map[string]struct {
		cause platformv1alpha1.Cause
		live  *metav1.PartialObjectMetadata
		want  string
	}{
		"with consent":              {platformv1alpha1.CauseAdoption, owned(nil, map[string]string{platformv1alpha1.AnnotationAdoptBy: "shop"}), "Rollout web"},
		"without":                   {platformv1alpha1.CauseAdoption, owned(nil, nil), "Rollout web"},
		"since it was taken over":   {platformv1alpha1.CauseImageChange, owned(asFound, nil), "Rollout web"},
		"but what is in full of us": {platformv1alpha1.CauseImageChange, owned(ours, nil), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := heldScope(tc.cause)
			s.release.Spec.Component.Name, s.release.Spec.Component.UID = "shop", "component-1"
			err := mayWrite(s.release, tc.live)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
