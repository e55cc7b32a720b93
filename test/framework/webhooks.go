package framework

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// LabelUnasked on an object has the webhooks that LeaveUnasked was told of not asked about it.
const LabelUnasked = "test.towpath.dev/unasked"

// LeaveUnasked has a webhook leave objects with LabelUnasked alone, as if the manager had not answered, or asks it again.
func LeaveUnasked(ctx context.Context, c client.Client, webhook string, leave bool) error {
	live := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "towpath-validating"}}
	if err := c.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
		return err
	}
	selector := &metav1.LabelSelector{}
	if leave {
		selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: LabelUnasked, Operator: metav1.LabelSelectorOpDoesNotExist}}
	}
	for i := range live.Webhooks {
		if live.Webhooks[i].Name == webhook {
			live.Webhooks[i].ObjectSelector = selector
			return c.Update(ctx, live)
		}
	}
	return fmt.Errorf("there is no webhook %s", webhook)
}
