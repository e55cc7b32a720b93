package main

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Templates whose Components are admitted and fail later.
const (
	templateUnrenderable = "bench-unrenderable"
	templateRefused      = "bench-refused"
)

// makeInvalidTemplates makes one template that no Component can be rendered with, since it divides by zero, and one of which
// the API server refuses the Deployment, since it asks for more memory than it limits itself to.
func (c *cluster) makeInvalidTemplates(ctx context.Context) error {
	for name, memory := range map[string]string{templateUnrenderable: `${string(128 / params.zero)}Mi`, templateRefused: "1Gi"} {
		t, err := serviceTemplate()
		if err != nil {
			return err
		}
		text := strings.Replace(string(t.Spec.Resources[1].Object.Raw), `"requests":{"cpu":"100m","memory":"${params.memory}"}`, `"requests":{"cpu":"100m","memory":"`+memory+`"}`, 1)
		if text == string(t.Spec.Resources[1].Object.Raw) {
			return fmt.Errorf("the template of the benchmark asks for no memory")
		}
		t.Name = name
		t.Spec.Resources[1].Object.Raw = []byte(text)
		t.Spec.Parameters.Raw = []byte(strings.Replace(string(t.Spec.Parameters.Raw), `"properties":{`, `"properties":{"zero":{"type":"integer","default":0},`, 1))
		if err := c.client.Create(ctx, t); err != nil {
			return err
		}
		if err := c.awaitReady(ctx, t, func() []metav1.Condition { return t.Status.Conditions }); err != nil {
			return err
		}
	}
	return nil
}

// checkInvalid fails unless each of them says that it is stalled: else there was nothing to measure.
func (c *cluster) checkInvalid(ctx context.Context) error {
	var list platformv1alpha1.ComponentList
	if err := c.client.List(ctx, &list); err != nil {
		return err
	}
	reasons := map[string]int{}
	for i := range list.Items {
		if list.Items[i].Namespace != homeNamespace(invalidTeam) {
			continue
		}
		for _, condition := range list.Items[i].Status.Conditions {
			if condition.Type == platformv1alpha1.ConditionStalled && condition.Status == metav1.ConditionTrue {
				reasons[condition.Reason]++
			}
		}
	}
	fmt.Printf("  what is invalid: %v\n", reasons)
	sum := 0
	for _, n := range reasons {
		sum += n
	}
	if sum != 2*invalids {
		return fmt.Errorf("%d of %d invalid Components are stalled", sum, 2*invalids)
	}
	return nil
}
