package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/webhookcert"
)

var _ = Describe("The certificate", func() {
	It("is copied again soon after its Secret changed, without asking for it every minute", func(ctx context.Context) {
		path := filepath.Join(cluster.Dir, "webhook-cert", "tls.crt")
		before, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())

		// Another version of the Secret with the same content: the server's certificate stays valid meanwhile.
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: webhookcert.SecretName}}
		touch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"example.com/touched":"yes"}}}`))
		Expect(admin.Patch(ctx, secret, touch)).To(Succeed())

		Eventually(func() (bool, error) {
			now, err := os.Stat(path)
			return err == nil && !os.SameFile(before, now), err
		}).WithContext(ctx).WithTimeout(15*time.Second).Should(BeTrue(), "tls.crt in the manager's folder is still the file from before the Secret changed")
	})
})
