package aliases

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/config"
)

// installed is the manager's Deployment as it ships.
func installed(t *testing.T, arguments ...string) *appsv1.Deployment {
	t.Helper()
	for _, object := range config.Manager() {
		if object.GetKind() == "Deployment" {
			return withArguments(t, object, arguments)
		}
	}
	t.Fatal("no Deployment ships")
	return nil
}

func configMap(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-manager-configuration"},
		Data:       map[string]string{"manager.yaml": text},
	}
}

func release(name string, age time.Duration, aliases map[string]string) *platformv1alpha1.Release {
	r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-shop", Name: name, CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
	}}
	r.Spec.LabelAliases = aliases
	return r
}

func TestFind(t *testing.T) {
	releases := []client.Object{
		release("old", time.Hour, map[string]string{"a": "team"}), release("new", time.Minute, map[string]string{"b": "team"}),
		release("older", 2*time.Hour, map[string]string{"c": "team"}),
	}
	for what, tc := range map[string]struct {
		objects []client.Object
		forbid  string
		want    map[string]string
		known   bool
		release string
	}{
		"nothing there": {},
		"the file": {objects: []client.Object{installed(t), configMap("labelAliases: {team: platform.towpath.dev/team}\nworkers: 8\n")},
			want: map[string]string{"team": "platform.towpath.dev/team"}, known: true},
		"the file and flags": {objects: []client.Object{installed(t, "--label-alias=env=environment", "-label-alias", "owner=team"),
			configMap("labelAliases: {owner: tier}\n")}, want: map[string]string{"env": "environment", "owner": "team"}, known: true},
		"a file with none": {objects: []client.Object{installed(t), configMap("workers: 8\n"), releases[0]}, want: map[string]string{}, known: true},
		"no ConfigMap":     {objects: append([]client.Object{installed(t)}, releases...), want: map[string]string{"b": "team"}, known: true, release: "team-shop/new"},
		"a Release":        {objects: releases, want: map[string]string{"b": "team"}, known: true, release: "team-shop/new"},
		"a Release, where the manager may not be seen": {objects: append([]client.Object{installed(t), configMap("labelAliases: {x: team}")}, releases...),
			forbid: "deployments", want: map[string]string{"b": "team"}, known: true, release: "team-shop/new"},
		"nothing that may be seen": {objects: releases, forbid: "releases"},
	} {
		t.Run(what, func(t *testing.T) {
			refused := func(resource string) error {
				if resource != tc.forbid {
					return nil
				}
				return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
			}
			c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(tc.objects...).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
					if _, ok := object.(*appsv1.Deployment); ok && refused("deployments") != nil {
						return refused("deployments")
					}
					return c.Get(ctx, key, object, options...)
				},
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					return errors.Join(refused("releases"), c.List(ctx, list, options...))
				},
			}).Build()
			found, err := Find(t.Context(), c, "team-shop")
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(found.Aliases, tc.want) || found.Known != tc.known || found.Release != tc.release {
				t.Errorf("got %+v", found)
			}
			if (found.Why == nil) != (tc.known && tc.release == "") {
				t.Errorf("why: %v", found.Why)
			}
		})
	}
}

func TestFind_SaysThatTheConfigurationIsBroken(t *testing.T) {
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(installed(t), configMap("labelAliases: [1]")).Build()
	if _, err := Find(t.Context(), c, "team-shop"); err == nil {
		t.Error("no error")
	}
}

// withArguments adds flags to the manager's container.
func withArguments(t *testing.T, object *unstructured.Unstructured, arguments []string) *appsv1.Deployment {
	t.Helper()
	var deployment appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
		t.Fatal(err)
	}
	deployment.Namespace = platformv1alpha1.SystemNamespace
	c := &deployment.Spec.Template.Spec.Containers[0]
	c.Args = append(c.Args, arguments...)
	return &deployment
}
