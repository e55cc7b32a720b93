package prometheus

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/prometheus/credentials"
)

const (
	// SecretName is the Secret with the credentials for Prometheus, in the manager's namespace.
	SecretName = "towpath-prometheus"
	// SecretAge is after what time a change of the Secret counts at the latest. It is read when something is asked, and
	// not more often.
	SecretAge = 10 * time.Second

	readTimeout = 10 * time.Second

	secretTitle = "Secret " + platformv1alpha1.SystemNamespace + "/" + SecretName
)

// +kubebuilder:rbac:groups="",namespace=towpath-system,resources=secrets,resourceNames=towpath-prometheus,verbs=get

// Secret reads the Secret with the credentials. It is safe for concurrent use.
type Secret struct {
	reader client.Reader
	clock  clock.PassiveClock

	// turn holds one token, for the one who may read the Secret and what follows.
	turn chan struct{}
	set  *credentials.Set
	// version is the resource version that the set was parsed from, empty where there was no Secret to read.
	version string
	until   time.Time
}

// NewSecret returns a Secret. The reader must not be a cache: that would list and watch, and needs get alone.
func NewSecret(reader client.Reader, c clock.PassiveClock) *Secret {
	return &Secret{reader: reader, clock: c, turn: make(chan struct{}, 1)}
}

// Get returns what the Secret holds: nothing where there is none. A Set that did not change is the same one.
func (s *Secret) Get(ctx context.Context) (*credentials.Set, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.set != nil && s.clock.Now().Before(s.until) {
		return s.set, nil
	}
	// On nobody's behalf (see package fairness): all wait for it, and not for the turn of whoever came first.
	read, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	var secret corev1.Secret
	err := s.reader.Get(read, types.NamespacedName{Namespace: platformv1alpha1.SystemNamespace, Name: SecretName}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		s.keep(&credentials.Set{}, "")
	case apierrors.IsForbidden(err):
		// Whoever needs no credentials is answered all the same.
		s.keep(credentials.Unreadable("the manager may not get it: apply config/rbac"), "")
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", secretTitle, err)
	case s.set == nil || secret.ResourceVersion == "" || s.version != secret.ResourceVersion:
		s.keep(credentials.Parse(secret.Data), secret.ResourceVersion)
	}
	s.until = s.clock.Now().Add(SecretAge)
	return s.set, nil
}

func (s *Secret) keep(set *credentials.Set, version string) { s.set, s.version = set, version }
