package controlplane

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// controllersWork reports whether the controllers have done what suites rely
// on. That they are healthy says only that they were started.
func controllersWork(client kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		// Pods are refused until their service account exists.
		if _, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err
		}
		// Until it is aggregated, "edit" allows nothing at all.
		edit, err := client.RbacV1().ClusterRoles().Get(ctx, "edit", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(edit.Rules) == 0 {
			return errors.New("ClusterRole edit is not aggregated yet")
		}
		return nil
	}
}

// nodesReady reports whether pods can be placed on all nodes: a node stays
// tainted for a moment after it has become ready.
func nodesReady(client kubernetes.Interface, want int) func(context.Context) error {
	return func(ctx context.Context) error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for i := range nodes.Items {
			if len(nodes.Items[i].Spec.Taints) == 0 && isReady(&nodes.Items[i]) {
				ready++
			}
		}
		if ready < want {
			return fmt.Errorf("%d of %d nodes are ready", ready, want)
		}
		return nil
	}
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// createNodes registers the nodes that kwok then keeps alive. They are spread
// over three zones, so that topology spread constraints have something to do.
func createNodes(ctx context.Context, client kubernetes.Interface, count int) error {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("32"),
		corev1.ResourceMemory:           resource.MustParse("128Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("500Gi"),
		// The kubelet's default.
		corev1.ResourcePods: resource.MustParse("110"),
	}
	for i := range count {
		name := fmt.Sprintf("node-%d", i)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name:        name,
				Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
				Labels: map[string]string{
					corev1.LabelHostname:       name,
					corev1.LabelOSStable:       "linux",
					corev1.LabelArchStable:     "amd64",
					corev1.LabelTopologyRegion: "local",
					corev1.LabelTopologyZone:   fmt.Sprintf("local-%c", 'a'+i%3),
					"type":                     "kwok",
				},
			},
			Status: corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
		}
		_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		// They are there already where a cluster is started again.
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating node %s: %w", name, err)
		}
	}
	return nil
}
