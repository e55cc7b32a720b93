package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// volumes is how many claims the demo can serve. Nobody provisions volumes there, and without one the pods of
// stateful-service and postgres would wait for ever.
const volumes = 20

// makeVolumes makes volumes as simulated as the pods: nothing is ever mounted.
func (d *demo) makeVolumes(ctx context.Context) error {
	for i := range volumes {
		name := fmt.Sprintf("demo-%02d", i)
		volume := &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeSpec{
				Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Ti")},
				AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
				PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere/" + name}},
			},
		}
		err := d.client.Create(ctx, volume)
		if client.IgnoreAlreadyExists(err) != nil {
			return fmt.Errorf("creating PersistentVolume %s: %w", name, err)
		}
	}
	return nil
}
