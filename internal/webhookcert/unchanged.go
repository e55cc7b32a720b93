package webhookcert

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// sparing is a manager that asks for no more than it must (see GetConfig), and whose client sends no update that changes nothing:
// the rotation updates the webhooks' configuration at each start, whatever it holds, and a restart should write nothing.
type sparing struct{ manager.Manager }

// GetClient implements cluster.Cluster.
func (m sparing) GetClient() client.Client { return sparingClient{m.Manager.GetClient()} }

type sparingClient struct{ client.Client }

// Update implements client.Writer. What the object is like now is read; where it cannot be, or has another resource version, the
// API server decides.
func (c sparingClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	live, ok := object.DeepCopyObject().(client.Object)
	if ok && c.Get(ctx, client.ObjectKeyFromObject(object), live) == nil {
		live.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind()) // typed objects lose it when they are read
		if equality.Semantic.DeepEqual(live, object) {
			return nil
		}
	}
	return c.Client.Update(ctx, object, options...)
}
