// Package install puts Towpath into a cluster whose manager runs outside of it: a demo, a test or a
// benchmark. A real installation is `kubectl apply -k config/default`, of the same files.
package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
)

const (
	fieldOwner = client.FieldOwner("towpath-install")
	timeout    = 60 * time.Second
	interval   = 100 * time.Millisecond
)

// Options say how the cluster reaches what is outside of it.
type Options struct {
	// WebhookURL is where the manager serves its webhooks; empty for no webhooks.
	WebhookURL string
	// Manifests are what is installed; by default those of this version.
	Manifests config.Manifests
}

// Towpath applies the kinds, namespaces, rights, policies and webhooks, and waits until they hold.
func Towpath(ctx context.Context, c client.Client, o Options) error {
	if err := Kinds(ctx, c, o.Manifests); err != nil {
		return err
	}
	for _, objects := range [][]*unstructured.Unstructured{o.Manifests.Namespaces(), o.Manifests.RBAC(), o.Manifests.Policies()} {
		if err := Apply(ctx, c, objects...); err != nil {
			return err
		}
	}
	if err := enforced(ctx, c); err != nil {
		return err
	}
	if o.WebhookURL == "" {
		return nil
	}
	for _, object := range o.Manifests.WebhookConfiguration() {
		if object.GetKind() == "Service" || object.GetKind() == "Kustomization" {
			continue
		}
		if err := toURL(object, o.WebhookURL); err != nil {
			return err
		}
		if err := Apply(ctx, c, object); err != nil {
			return err
		}
	}
	return nil
}

// Kinds applies the kinds alone, and waits until the API server serves them.
func Kinds(ctx context.Context, c client.Client, manifests config.Manifests) error {
	crds := manifests.CRDs()
	if err := Apply(ctx, c, crds...); err != nil {
		return err
	}
	return established(ctx, c, crds)
}

// toURL makes a webhook configuration call a URL instead of a Service.
func toURL(object *unstructured.Unstructured, url string) error {
	hooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
	if err != nil {
		return err
	}
	for _, hook := range hooks {
		m, ok := hook.(map[string]any)
		if !ok {
			return errors.New("a webhook must be an object")
		}
		path, _, err := unstructured.NestedString(m, "clientConfig", "service", "path")
		if err != nil {
			return err
		}
		m["clientConfig"] = map[string]any{"url": url + path}
	}
	if len(hooks) == 0 {
		return nil
	}
	return unstructured.SetNestedSlice(object.Object, hooks, "webhooks")
}

// established waits until the API server serves our kinds.
func established(ctx context.Context, c client.Client, crds []*unstructured.Unstructured) error {
	return poll(ctx, "the kinds are not served", func(ctx context.Context) error {
		for _, crd := range crds {
			live := crd.DeepCopy()
			if err := c.Get(ctx, client.ObjectKeyFromObject(crd), live); err != nil {
				return err
			}
			conditions, _, err := unstructured.NestedSlice(live.Object, "status", "conditions")
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(conditions, func(v any) bool {
				m, _ := v.(map[string]any)
				return m["type"] == string(apiextensionsv1.Established) && m["status"] == "True"
			}) {
				return fmt.Errorf("%s is not established", crd.GetName())
			}
		}
		return nil
	})
}

// enforced waits until the API server acts on the admission policies: it takes a moment to read them.
func enforced(ctx context.Context, c client.Client) error {
	return poll(ctx, "the admission policies are not enforced", func(ctx context.Context) error {
		forged := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "towpath-policy-probe", Labels: map[string]string{platformv1alpha1.LabelOwnerUID: "forged"},
		}}
		err := c.Create(ctx, forged, client.DryRunAll)
		if err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			return nil
		}
		return fmt.Errorf("a namespace with a forged owner was not refused: %w", errors.Join(err, errors.New("not denied")))
	})
}

// Catalog applies the golden paths and environment classes that ship with Towpath, and waits until
// the golden paths compiled.
func Catalog(ctx context.Context, c client.Client, manifests config.Manifests) error {
	templates := manifests.Catalog()
	if err := Apply(ctx, c, append(manifests.Classes(), templates...)...); err != nil {
		return err
	}
	return poll(ctx, "a golden path is not ready", func(ctx context.Context) error {
		for _, t := range templates {
			var live platformv1alpha1.ServiceTemplate
			if err := c.Get(ctx, types.NamespacedName{Name: t.GetName()}, &live); err != nil {
				return err
			}
			ready := meta.FindStatusCondition(live.Status.Conditions, platformv1alpha1.ConditionReady)
			if ready == nil || ready.Status != metav1.ConditionTrue || live.Status.ObservedGeneration != live.Generation {
				return fmt.Errorf("ServiceTemplate %s: %+v", t.GetName(), ready)
			}
		}
		return nil
	})
}

// Files applies every YAML file of a folder, in the order of their names, and returns the objects.
func Files(ctx context.Context, c client.Client, dir string) ([]*unstructured.Unstructured, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, path := range paths {
		if strings.HasSuffix(path, "kustomization.yaml") {
			continue
		}
		objects, err := decode(path)
		if err != nil {
			return nil, err
		}
		if err := Apply(ctx, c, objects...); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		all = append(all, objects...)
	}
	return all, nil
}

func decode(path string) ([]*unstructured.Unstructured, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	objects, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return objects, nil
}

// Read reads all objects of a stream of YAML or JSON.
func Read(stream io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(stream, 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); err != nil {
			if errors.Is(err, io.EOF) {
				return objects, nil
			}
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Apply applies objects by server-side apply, and tries again while the API server is not ready for
// one: a kind that is not served yet, a webhook whose certificate is not known yet.
func Apply(ctx context.Context, c client.Client, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		if object.GetKind() == "Kustomization" {
			continue
		}
		what := fmt.Sprintf("applying %s %s", object.GetKind(), object.GetName())
		err := poll(ctx, what, func(ctx context.Context) error {
			applied := object.DeepCopy()
			err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), fieldOwner, client.ForceOwnership)
			if err == nil && applied.GetDeletionTimestamp() != nil {
				return errors.New("it is being deleted, and will be made anew when it is gone")
			}
			if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
				return final{err}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// final is an error that trying again does not mend.
type final struct{ error }

// poll calls a function until it succeeds, and returns its last error when it never does.
func poll(ctx context.Context, what string, do func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, interval, timeout, true, func(ctx context.Context) (bool, error) {
		last = do(ctx)
		var stop final
		if errors.As(last, &stop) {
			return false, stop.error
		}
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, cmp.Or(last, err))
	}
	return nil
}
