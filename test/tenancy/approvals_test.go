package tenancy_test

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// approvals are attempts to let a version in for which others would have to speak.
func approvals() []attack {
	approval := func(name, approver string) *platformv1alpha1.Approval {
		return &platformv1alpha1.Approval{ObjectMeta: metav1.ObjectMeta{Namespace: evil.home, Name: name}, Spec: platformv1alpha1.ApprovalSpec{
			ReleaseRef: platformv1alpha1.ReleaseReference{Name: evil.release.Name, UID: "some-uid"}, Approver: approver, Decision: platformv1alpha1.DecisionApprove,
		}}
	}
	create := func(approver string) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error { return c.Create(ctx, approval("forged", approver)) }
	}
	target := func() client.Object { return approval("forged", "") }
	return []attack{
		{what: "an Approval by a developer who may not approve", by: byMallory, do: create("mallory"), wall: byRBAC(), target: target,
			control: func(ctx context.Context) error {
				return create("kubernetes-admin")(ctx, client.NewDryRunClient(admin))
			}},
		{what: "an Approval in the name of somebody else", by: byGreta, do: create("mallory"), wall: byPolicy("towpath-approvals"), target: target},
		{what: "an Approval in the name of the manager", by: byGreta, do: create("system:serviceaccount:towpath-system:towpath-manager"), wall: byPolicy("towpath-approvals"), target: target},
		{what: "the time at which a Release entered, so that it need not wait", by: byGreta, wall: byPolicy("towpath-records"),
			target: func() client.Object { return evil.release.DeepCopy() },
			do: func(ctx context.Context, c client.Client) error {
				return c.Status().Patch(ctx, evil.release.DeepCopy(), merge(`{"status":{"openedAt":"2026-01-01T00:00:00Z"}}`))
			}},
		{what: "the gate of one's own Environment", by: byGreta, wall: byPolicy("towpath-records"),
			target: func() client.Object { return evil.environment.DeepCopy() },
			do: func(ctx context.Context, c client.Client) error {
				return c.Status().Patch(ctx, evil.environment.DeepCopy(), merge(`{"status":{"gate":{"approvals":0},"freezes":null}}`))
			}},
		{what: "a change in the name of somebody else, to approve it oneself", by: byGreta, wall: byPolicy("towpath-requesters"),
			target: func() client.Object { return evil.component.DeepCopy() },
			do: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, evil.component.DeepCopy(), merge(`{"spec":{"requestedBy":"mallory"}}`))
			}},
	}
}
