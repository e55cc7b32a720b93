package webhookcert

import (
	"context"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestUpdatesThatChangeNothingAreNotSent(t *testing.T) {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: ConfigurationName}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: SecretName}, Data: map[string][]byte{"ca.crt": []byte("old")}}
	sent := 0
	sparing := sparingClient{fake.NewClientBuilder().WithObjects(configuration, secret).WithInterceptorFuncs(interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			sent++
			return c.Update(ctx, object, options...)
		},
	}).Build()}
	untyped := &unstructured.Unstructured{}
	untyped.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"))
	for _, object := range []client.Object{untyped, &corev1.Secret{}} {
		key := client.ObjectKeyFromObject(secret)
		if object == client.Object(untyped) {
			key = client.ObjectKey{Name: ConfigurationName}
		}
		if err := sparing.Get(t.Context(), key, object); err != nil {
			t.Fatal(err)
		}
		sent = 0
		if err := sparing.Update(t.Context(), object); err != nil || sent != 0 {
			t.Errorf("%T as it is was sent %d times: %v", object, sent, err)
		}
		object.SetAnnotations(map[string]string{"changed": "yes"})
		if err := sparing.Update(t.Context(), object); err != nil || sent != 1 {
			t.Errorf("%T that changed was sent %d times: %v", object, sent, err)
		}
		object.SetResourceVersion("1")
		if err := sparing.Update(t.Context(), object); err == nil || sent != 2 {
			t.Errorf("%T of another resource version was sent %d times: %v", object, sent, err)
		}
	}
}
