package main

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// standBy starts the manager again as one that answers webhooks and does not lead: the bench holds its Lease until lead is called.
func (c *cluster) standBy(ctx context.Context) (lead func(context.Context) error, err error) {
	if err := c.manager.Stop(ctx); err != nil {
		return nil, fmt.Errorf("stopping the manager: %w", err)
	}
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-manager"}
	if err := c.client.Get(ctx, key, lease); err != nil {
		return nil, fmt.Errorf("reading the manager's Lease: %w", err)
	}
	holder, long, now := "bench", int32(time.Hour.Seconds()), metav1.NowMicro()
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.AcquireTime, lease.Spec.RenewTime = &holder, &long, &now, &now
	if err := c.client.Update(ctx, lease); err != nil {
		return nil, fmt.Errorf("taking the manager's Lease: %w", err)
	}
	lead = func(ctx context.Context) error {
		nobody, short := "", int32(1)
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &nobody, &short
		if err := c.client.Update(ctx, lease); err != nil {
			return fmt.Errorf("letting the manager's Lease go: %w", err)
		}
		return nil
	}
	return lead, c.manager.Start(ctx, c.plane)
}
