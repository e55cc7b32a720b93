package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
)

// governed are the Components of hack/demo/change, in the order in which they are shown, and why each does not go on.
var governed = []struct{ name, reason string }{
	{"payments", platformv1alpha1.ReasonWaitingForApproval},
	{"search", platformv1alpha1.ReasonRolledBack},
	{"books", platformv1alpha1.ReasonFrozen},
}

const (
	governedNamespace = "team-bank"
	// brokenImage is of search. The stage pod-crash has its pods crash.
	brokenImage = "registry.example/bank/search:2.0.0-broken"
)

func governedKey(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: governedNamespace, Name: name}
}

// applyChange applies what hack/demo/change has, once: a second call leaves what became of it.
func (d *demo) applyChange(ctx context.Context) error {
	err := d.client.Get(ctx, governedKey("search"), &platformv1alpha1.Component{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	_, err = install.Files(ctx, d.client, filepath.Join(d.root, "hack", "demo", "change"))
	return err
}

// breakSearch releases a version that crashes, over one that was Ready.
func (d *demo) breakSearch(ctx context.Context) error {
	var search platformv1alpha1.Component
	if err := d.client.Get(ctx, governedKey("search"), &search); err != nil || search.Spec.Image == brokenImage {
		return err
	}
	err := d.await(ctx, func(ctx context.Context) []string {
		return all(d.waitsFor(ctx, governedKey("search")))
	})
	if err != nil {
		return err
	}
	return d.client.Patch(ctx, &search, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"image":"`+brokenImage+`"}}`)))
}

// awaitChange waits until each Component of team bank stands where it should, or has gone on since.
func (d *demo) awaitChange(ctx context.Context) error {
	if err := d.breakSearch(ctx); err != nil {
		return err
	}
	return d.await(ctx, func(ctx context.Context) []string {
		var waiting []string
		for _, g := range governed {
			c, err := d.promoted(ctx, g.name)
			switch {
			case err != nil:
				waiting = append(waiting, err.Error())
			case c == nil || c.Reason != g.reason && c.Status != metav1.ConditionTrue:
				waiting = append(waiting, fmt.Sprintf("Component %s is not %s: %+v", g.name, g.reason, c))
			}
		}
		return waiting
	})
}

// promoted is the condition Promoted of a Component of team bank; nil while it speaks of another generation.
func (d *demo) promoted(ctx context.Context, name string) (*metav1.Condition, error) {
	var component platformv1alpha1.Component
	if err := d.client.Get(ctx, governedKey(name), &component); err != nil {
		return nil, err
	}
	if component.Status.ObservedGeneration != component.Generation {
		return nil, nil
	}
	return meta.FindStatusCondition(component.Status.Conditions, platformv1alpha1.ConditionPromoted), nil
}

// showChange prints what each Component says of itself.
func (d *demo) showChange(ctx context.Context) error {
	fmt.Println("\nteam bank: what the classes in hack/demo/change ask of a change")
	for _, g := range governed {
		c, err := d.promoted(ctx, g.name)
		if err != nil {
			return err
		}
		if c == nil {
			c = &metav1.Condition{}
		}
		fmt.Printf("  %-8s  %s: %s\n", g.name, c.Reason, strings.ReplaceAll(c.Message, ": towpath ", ": bin/towpath "))
	}
	return nil
}

// all is a list of what is waited for, without what is not.
func all(waiting ...string) []string {
	var some []string
	for _, what := range waiting {
		if what != "" {
			some = append(some, what)
		}
	}
	return some
}
