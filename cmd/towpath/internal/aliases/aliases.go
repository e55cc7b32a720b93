// Package aliases finds out which further labels the manager of a cluster sets for cost tools. They stand in its
// configuration alone, which few people may read; every Release holds those that it was made with.
package aliases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// manager is the name of the manager's Deployment and of its account; container that of its container.
const manager, container = "towpath-manager", "manager"

// Found is what was found out.
type Found struct {
	// Aliases are label keys, each with the Towpath label whose value it repeats.
	Aliases map[string]string
	// Known says whether they were found.
	Known bool
	// Release is the name of the Release that tells them, where the configuration does not.
	Release string
	// Why the configuration does not tell them.
	Why error
}

// Find asks the configuration of the manager, else the newest Release of a team's home namespace.
func Find(ctx context.Context, c client.Reader, home string) (Found, error) {
	configured, err := ofConfiguration(ctx, c)
	if err == nil {
		return Found{Aliases: configured, Known: true}, nil
	}
	if !unreadable(err) {
		return Found{}, err
	}
	found := Found{Why: err}
	var newest *platformv1alpha1.Release
	err = cluster.Pages(ctx, c, &platformv1alpha1.ReleaseList{}, func(page *platformv1alpha1.ReleaseList) {
		for i := range page.Items {
			if newest == nil || newest.CreationTimestamp.Before(&page.Items[i].CreationTimestamp) {
				newest = page.Items[i].DeepCopy()
			}
		}
	}, client.InNamespace(home))
	switch {
	case apierrors.IsForbidden(err):
		return found, nil
	case err != nil:
		return Found{}, err
	case newest != nil:
		found.Aliases, found.Known, found.Release = newest.Spec.LabelAliases, true, newest.Namespace+"/"+newest.Name
	}
	return found, nil
}

// errElsewhere says that the configuration does not stand in the cluster.
var errElsewhere = errors.New("the manager's configuration is not in a ConfigMap that its Deployment mounts")

// unreadable says whether an error only means that the configuration cannot be read here.
func unreadable(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || errors.Is(err, errElsewhere)
}

// ofConfiguration reads the file and the flags that the manager runs with.
func ofConfiguration(ctx context.Context, c client.Reader) (map[string]string, error) {
	var deployment appsv1.Deployment
	if err := c.Get(ctx, client.ObjectKey{Namespace: platformv1alpha1.SystemNamespace, Name: manager}, &deployment); err != nil {
		return nil, err
	}
	pod := &deployment.Spec.Template.Spec
	for i := range pod.Containers {
		if pod.Containers[i].Name != container {
			continue
		}
		aliases := map[string]string{}
		arguments := pod.Containers[i].Args
		for _, file := range values(arguments, "config") {
			of, err := ofFile(ctx, c, pod, &pod.Containers[i], file)
			if err != nil {
				return nil, err
			}
			aliases = of // the last one counts
		}
		for _, value := range values(arguments, "label-alias") {
			alias, label, _ := strings.Cut(value, "=")
			aliases[alias] = label
		}
		return aliases, nil
	}
	return nil, errElsewhere
}

// values are those of a flag, in either way of giving it.
func values(arguments []string, name string) []string {
	var found []string
	for i, argument := range arguments {
		flag, value, inline := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(argument, "-"), "-"), "=")
		switch {
		case flag != name || !strings.HasPrefix(argument, "-"):
		case inline:
			found = append(found, value)
		case i+1 < len(arguments):
			found = append(found, arguments[i+1])
		}
	}
	return found
}

// ofFile reads the configuration file from the ConfigMap that is mounted at its folder.
func ofFile(ctx context.Context, c client.Reader, pod *corev1.PodSpec, in *corev1.Container, file string) (map[string]string, error) {
	for _, mount := range in.VolumeMounts {
		if path.Clean(mount.MountPath) != path.Dir(file) {
			continue
		}
		for _, volume := range pod.Volumes {
			if volume.Name != mount.Name || volume.ConfigMap == nil {
				continue
			}
			var config corev1.ConfigMap
			if err := c.Get(ctx, client.ObjectKey{Namespace: platformv1alpha1.SystemNamespace, Name: volume.ConfigMap.Name}, &config); err != nil {
				return nil, err
			}
			text, ok := config.Data[path.Base(file)]
			if !ok {
				return nil, errElsewhere
			}
			var read struct {
				LabelAliases map[string]string `json:"labelAliases"`
			}
			if err := yaml.Unmarshal([]byte(text), &read); err != nil {
				return nil, fmt.Errorf("reading the manager's configuration in ConfigMap %s/%s: %w", config.Namespace, config.Name, err)
			}
			aliases := map[string]string{}
			maps.Copy(aliases, read.LabelAliases)
			return aliases, nil
		}
	}
	return nil, errElsewhere
}
