package render

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Plain are the objects alone, in their order.
func Plain(objects []Object) []*unstructured.Unstructured {
	plain := make([]*unstructured.Unstructured, len(objects))
	for i := range objects {
		plain[i] = objects[i].Object
	}
	return plain
}
