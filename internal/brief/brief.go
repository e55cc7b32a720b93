// Package brief makes writes whose answers hold the metadata of what was written, and nothing else.
//
// Who writes an object knows the rest of it. To encode that costs the API server as much as to store it, and to decode it costs
// the manager more than all else that it does for a status: docs/performance.md.
package brief

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Accept asks for such an answer. What Kubernetes or a CustomResourceDefinition serves comes as protobuf, and from an API server
// of an extension that may be JSON.
const Accept = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1," +
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

// answers decodes what the API server answers: metadata or a Status, in either encoding.
var answers = func() runtime.Decoder {
	metadata := runtime.NewScheme()
	metav1.AddToGroupVersion(metadata, schema.GroupVersion{Version: "v1"})
	_ = metav1.AddMetaToScheme(metadata)
	return serializer.NewCodecFactory(metadata).UniversalDeserializer()
}()

// Read reads the answer to a request that asked for Accept into out, unless that is nil. requestErr is the error of the request:
// where it is not nil, what the API server says in the answer is returned in its place.
func Read(answer []byte, requestErr error, out *metav1.PartialObjectMetadata) error {
	if requestErr != nil {
		var status metav1.Status
		if _, _, bad := answers.Decode(answer, nil, &status); bad == nil && status.Status == metav1.StatusFailure {
			return &apierrors.StatusError{ErrStatus: status}
		}
		return requestErr
	}
	if out == nil {
		return nil
	}
	_, _, err := answers.Decode(answer, nil, out)
	return err
}

// Client writes objects of one of Towpath's own kinds. It is safe for concurrent use.
type Client struct {
	client   rest.Interface
	kind     schema.GroupVersionKind
	resource string
}

// New returns a Client over a connection. The kind lives in namespaces; resource is its plural.
func New(cfg *rest.Config, httpClient *http.Client, kind, resource string) (*Client, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	cfg.GroupVersion = &platformv1alpha1.GroupVersion
	cfg.APIPath = "/apis"
	c, err := rest.RESTClientForConfigAndClient(cfg, httpClient)
	if err != nil {
		return nil, fmt.Errorf("building the client of %s: %w", resource, err)
	}
	return &Client{client: c, kind: platformv1alpha1.GroupVersion.WithKind(kind), resource: resource}, nil
}

// Create makes an object, which gets the metadata that it has then; what a definition would add to the rest of it by
// defaults, it does not get.
func (c *Client) Create(ctx context.Context, object client.Object) error {
	made, err := c.write(ctx, c.client.Post().Namespace(object.GetNamespace()).Resource(c.resource), object)
	if err != nil {
		return err
	}
	object.SetUID(made.UID)
	object.SetResourceVersion(made.ResourceVersion)
	object.SetGeneration(made.Generation)
	object.SetCreationTimestamp(made.CreationTimestamp)
	object.SetLabels(made.Labels)
	object.SetAnnotations(made.Annotations)
	object.SetFinalizers(made.Finalizers)
	object.SetOwnerReferences(made.OwnerReferences)
	return nil
}

// UpdateStatus updates the status of an object, which gets the version that was written.
func (c *Client) UpdateStatus(ctx context.Context, object client.Object) error {
	written, err := c.write(ctx, c.client.Put().Namespace(object.GetNamespace()).Resource(c.resource).Name(object.GetName()).SubResource("status"), object)
	if err != nil {
		return err
	}
	object.SetResourceVersion(written.ResourceVersion)
	return nil
}

// write sends an object. What the API server would say of fields it does not know is found out at the start, of the
// definitions (package definitions); looking for them costs it a second parse of what is written.
func (c *Client) write(ctx context.Context, request *rest.Request, object client.Object) (*metav1.PartialObjectMetadata, error) {
	object.GetObjectKind().SetGroupVersionKind(c.kind)
	body, err := json.Marshal(object)
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // as the manager's client leaves it
	if err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", c.kind.Kind, object.GetName(), err)
	}
	answer, err := request.
		Param("fieldValidation", metav1.FieldValidationIgnore).
		SetHeader("Content-Type", runtime.ContentTypeJSON).
		SetHeader("Accept", Accept).
		Body(body).
		Do(ctx).Raw()
	var written metav1.PartialObjectMetadata
	return &written, Read(answer, err, &written)
}
