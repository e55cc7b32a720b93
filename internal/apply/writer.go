package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/brief"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
)

// Writer writes rendered objects. It is safe for concurrent use.
type Writer struct {
	client   rest.Interface
	mapper   meta.RESTMapper
	kinds    openapi.Source
	standing func(context.Context) error
}

// NewWriter returns a Writer over one connection. The identity of cfg must be allowed to
// impersonate the service accounts in the appliers' namespace, and needs no other right. kinds knows the schemas of
// the API server. standing says what is wrong with the admission policies that writing relies on; it is asked before
// every Apply.
func NewWriter(
	cfg *rest.Config, httpClient *http.Client, mapper meta.RESTMapper, kinds openapi.Source, standing func(context.Context) error,
) (*Writer, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	cfg.GroupVersion = &schema.GroupVersion{}
	cfg.APIPath = "/"
	client, err := rest.RESTClientForConfigAndClient(cfg, httpClient)
	if err != nil {
		return nil, fmt.Errorf("building the client of the appliers: %w", err)
	}
	return &Writer{client: client, mapper: mapper, kinds: kinds, standing: standing}, nil
}

// Namespaced says whether objects of a kind live in namespaces, and whether the API server knows
// the kind at all.
func (w *Writer) Namespaced(kind schema.GroupKind) (namespaced, known bool) {
	mapping, err := w.mapper.RESTMapping(kind)
	if err != nil {
		return false, false
	}
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace, true
}

// Intent is what should be in a namespace.
type Intent struct {
	// User to write as: the applier of the namespace.
	User string
	// Policy is what the guard holds the objects to.
	Policy guard.Policy
	// Objects are all objects of the Release: the guard looks at all of them, also where only some
	// are written.
	Objects []render.Object
	// Write says which of them to write; nil means all.
	Write func(render.Object) bool
	// UID tells which object must be there already, for those that are taken over; empty for those that may be
	// made. Nil means that there are none of the former.
	UID func(render.Object) types.UID
	// Start tells with how many pods a workload begins whose number is left to an autoscaler, and that is not
	// there yet: it would begin with one, and be ready long before it can bear the load. Nil means that there is
	// none.
	Start func(render.Object) (replicas int64, ok bool)
	// Replicas tells how many pods a workload runs whose number was ours and is left to an autoscaler from
	// now on, so that it stays as it is until that changes it; nil means that there is none.
	Replicas func(render.Object) (replicas int64, ok bool)
	// Version tells which resource version an object must have, empty for any. Nil means that there is none: an object
	// whose number of pods is kept must be as it was counted.
	Version func(render.Object) string
}

// Result is what came of one object.
type Result struct {
	// Written says that the object was written. The fields below mean nothing otherwise.
	Written bool
	// UID and ResourceVersion of the object as it is now.
	UID             types.UID
	ResourceVersion string
	// Owned is the hash of our fields in the answer; see the function of that name.
	Owned string
	// Err is an *ObjectError, nil when the object was written.
	Err error
}

// Guard holds objects to a policy, as Apply does before it writes, for those who have others write. The error is a *RefusedError.
func Guard(objects []render.Object, policy guard.Policy) error {
	guarded := make([]guard.Object, len(objects))
	for i, o := range objects {
		guarded[i] = guard.Object{Resource: o.Resource, Object: o.Object}
	}
	if refusals := guard.Check(guarded, policy); len(refusals) > 0 {
		return &RefusedError{Refusals: refusals}
	}
	return nil
}

// Apply writes the objects wave by wave, those of one wave at once, and returns a result for each
// in the order given. An object that fails does not hold up its siblings, but the waves after its
// own are left alone, since they depend on it. The error is a *RefusedError when the guard refuses
// any object, and an *UnguardedError when the admission policies do not stand: then nothing was written.
func (w *Writer) Apply(ctx context.Context, intent Intent) ([]Result, error) {
	results := make([]Result, len(intent.Objects))
	if err := w.standing(ctx); err != nil {
		return results, &UnguardedError{Err: err}
	}
	last := 0
	for _, o := range intent.Objects {
		last = max(last, o.Wave)
	}
	if err := Guard(intent.Objects, intent.Policy); err != nil {
		return results, err
	}
	for wave := 0; wave <= last; wave++ {
		group, groupCtx := errgroup.WithContext(ctx)
		for i, o := range intent.Objects {
			if o.Wave != wave || intent.Write != nil && !intent.Write(o) {
				continue
			}
			group.Go(func() error {
				results[i] = w.applyOne(groupCtx, &intent, o)
				return nil
			})
		}
		_ = group.Wait() // its functions return no errors: those stand in the results
		if slices.ContainsFunc(results, func(r Result) bool { return r.Err != nil }) {
			break
		}
	}
	return results, nil
}

// applyOne writes one object. A panic is the error of that object: nobody else recovers from one in this goroutine, and
// the manager would end, for everybody.
func (w *Writer) applyOne(ctx context.Context, intent *Intent, o render.Object) (result Result) {
	namespace := intent.Policy.Namespace
	fail := func(err error) Result {
		return Result{Err: &ObjectError{
			APIVersion: o.Object.GetAPIVersion(), Kind: o.Object.GetKind(), Namespace: namespace, Name: o.Object.GetName(),
			Doing: "applying", Err: err,
		}}
	}
	defer func() {
		if p := recover(); p != nil {
			for _, log := range utilruntime.PanicHandlers {
				log(ctx, p)
			}
			result = fail(fmt.Errorf("panic: %v", p))
		}
	}()
	path, err := w.path(o.Object.GroupVersionKind(), namespace, o.Object.GetName())
	if err != nil {
		return fail(err)
	}
	body, err := intent.adjusted(o).MarshalJSON()
	if err != nil {
		return fail(err)
	}
	if intent.Replicas != nil {
		if replicas, ok := intent.Replicas(o); ok {
			if err := w.handOver(ctx, intent.User, namespace, o, replicas); err != nil {
				return fail(err)
			}
		}
	}
	var applied metav1.PartialObjectMetadata
	err = w.patch(ctx, intent.User, FieldOwner, path, body, &applied)
	if list, ok := collision(err); ok && w.replaceList(ctx, intent.User, path, list, o.Object) == nil {
		err = w.patch(ctx, intent.User, FieldOwner, path, body, &applied)
	}
	if err != nil {
		return fail(err)
	}
	record := platformv1alpha1.ReleaseObject{Resource: o.Resource, APIVersion: o.Object.GetAPIVersion(), Kind: o.Object.GetKind(), Name: o.Object.GetName()}
	if err := w.heal(ctx, intent.User, namespace, record, &applied); err != nil {
		return Result{Err: err}
	}
	return Result{
		Written: true, UID: applied.UID, ResourceVersion: applied.ResourceVersion, Owned: Owned(applied.ManagedFields),
	}
}

// adjusted is an object as it is sent.
func (intent *Intent) adjusted(o render.Object) *unstructured.Unstructured {
	object := o.Object
	if o.Awake != nil {
		object = object.DeepCopy()
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[platformv1alpha1.AnnotationAwake] = *o.Awake
		object.SetAnnotations(annotations)
	}
	if intent.Version != nil {
		if version := intent.Version(o); version != "" {
			object = object.DeepCopy()
			object.SetResourceVersion(version) // a conflict where that is another by now
		}
	}
	if intent.UID != nil {
		if uid := intent.UID(o); uid != "" {
			object = object.DeepCopy()
			object.SetUID(uid) // the API server makes nothing where that is not there
		}
	}
	if intent.Start != nil {
		if replicas, ok := intent.Start(o); ok {
			object = object.DeepCopy()
			if spec, ok := object.Object["spec"].(map[string]any); ok {
				spec["replicas"] = replicas
			}
		}
	}
	return object
}

// Target is an object to delete.
type Target struct {
	platformv1alpha1.ReleaseObject
	// UID of the object that may be deleted; one of another UID is left alone.
	UID types.UID
}

// Delete deletes the object, as user, in the namespace. An object that is gone, or that is another
// one by now, or of a kind that is no longer served, counts as deleted.
func (w *Writer) Delete(ctx context.Context, user, namespace string, target Target) error {
	wrap := func(err error) error {
		return &ObjectError{
			APIVersion: target.APIVersion, Kind: target.Kind, Namespace: namespace, Name: target.Name,
			Doing: "deleting", Err: err,
		}
	}
	path, err := w.path(schema.FromAPIVersionAndKind(target.APIVersion, target.Kind), namespace, target.Name)
	if KindUnavailable(err) {
		return nil
	}
	if err != nil {
		return wrap(err)
	}
	background := metav1.DeletePropagationBackground
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions:     &metav1.Preconditions{UID: &target.UID},
		PropagationPolicy: &background,
	})
	if err != nil {
		return wrap(err)
	}
	answer, err := w.client.Delete().
		AbsPath(path...).
		SetHeader("Content-Type", "application/json").
		SetHeader("Accept", "application/json").
		SetHeader(transport.ImpersonateUserHeader, user).
		Body(body).
		Do(ctx).Raw()
	err = brief.Read(answer, err, nil)
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // a conflict is the UID that does not fit: the object is another one
	}
	return wrap(err)
}

// path returns the URL of an object.
func (w *Writer) path(gvk schema.GroupVersionKind, namespace, name string) ([]string, error) {
	mapping, err := w.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	prefix := []string{"apis", gvk.Group, gvk.Version}
	if gvk.Group == "" {
		prefix = []string{"api", gvk.Version}
	}
	return append(prefix, "namespaces", namespace, mapping.Resource.Resource, name), nil
}
