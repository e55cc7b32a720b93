package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// existing is the Component of that name that the team has already; nil where there is none.
func (o *adoptOptions) existing(ctx context.Context, c *cluster.Cluster, name string) (*platformv1alpha1.Component, error) {
	component := &platformv1alpha1.Component{}
	err := c.Get(ctx, client.ObjectKey{Namespace: o.home, Name: name}, component)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return component, nil
}

// join makes the proposal one more environment of a Component that exists already. Applied as it is, it would take
// the other environments out of the path, and what runs there would be deleted.
func (o *adoptOptions) join(existing, proposed *platformv1alpha1.Component) (notes []string, err error) {
	if existing == nil {
		return nil, nil
	}
	another := &trouble{next: "choose another name with --component"}
	there := slices.IndexFunc(existing.Spec.Environments, func(e platformv1alpha1.PathEnvironment) bool { return e.Name == o.environment })
	switch {
	case existing.Spec.TemplateRef.Name != proposed.Spec.TemplateRef.Name:
		another.err = fmt.Errorf("component %s/%s exists, on golden path %s: it cannot have environments on another one", existing.Namespace, existing.Name, existing.Spec.TemplateRef.Name)
		return nil, another
	case there >= 0 && unlikeFound(existing.Spec.Environments[there].Adopt, proposed.Spec.Environments[0].Adopt):
		return nil, &trouble{
			err: fmt.Errorf("component %s/%s has environment %s in its path already, and is to take the workload over there by another selector than it has: podSelector is {%s}, and must be {%s}, since a selector cannot change",
				existing.Namespace, existing.Name, o.environment, labels.Set(existing.Spec.Environments[there].Adopt.PodSelector), labels.Set(proposed.Spec.Environments[0].Adopt.PodSelector)),
			next: fmt.Sprintf("%s -n %s edit component %s", o.Kubectl(), existing.Namespace, existing.Name),
		}
	case there >= 0:
		another.err = fmt.Errorf("component %s/%s has environment %s in its path already", existing.Namespace, existing.Name, o.environment)
		return nil, another
	case existing.Spec.Image != proposed.Spec.Image:
		another.err = fmt.Errorf("component %s/%s exists and runs image %s, while %s was found: what is taken over counts as the version of the Component, so that the images must be the same; roll one of them out first",
			existing.Namespace, existing.Name, existing.Spec.Image, proposed.Spec.Image)
		return nil, another
	}
	step := proposed.Spec.Environments[0]
	if step.Parameters, err = overParameters(existing.Spec.Parameters, proposed.Spec.Parameters); err != nil {
		return nil, err
	}
	notes = append(notes, fmt.Sprintf("Component %s exists: %s is put at the end of its path; move it where it belongs", existing.Name, o.environment))
	if !equality.Semantic.DeepEqual(existing.Spec.Env, proposed.Spec.Env) || !equality.Semantic.DeepEqual(existing.Spec.SecretEnv, proposed.Spec.SecretEnv) {
		notes = append(notes, "the variables that were found differ from those of the Component, which hold in every environment: the first new version brings the Component's")
	}
	proposed.Spec = existing.Spec
	proposed.Spec.Environments = append(slices.Clone(existing.Spec.Environments), step)
	return notes, nil
}

// unlikeFound says whether what a Component takes over already has another selector than was found.
func unlikeFound(existing, found *platformv1alpha1.Adoption) bool {
	return existing != nil && !maps.Equal(existing.PodSelector, found.PodSelector)
}

// overParameters are the parameters of an environment which, merged over those of the Component, give the wanted ones.
func overParameters(base, wanted *apiextensionsv1.JSON) (*apiextensionsv1.JSON, error) {
	raw := func(j *apiextensionsv1.JSON) []byte {
		if j == nil || len(j.Raw) == 0 {
			return []byte("{}")
		}
		return j.Raw
	}
	patch, err := jsonpatch.CreateMergePatch(raw(base), raw(wanted))
	if err != nil || string(patch) == "{}" {
		return nil, err
	}
	return &apiextensionsv1.JSON{Raw: patch}, nil
}
