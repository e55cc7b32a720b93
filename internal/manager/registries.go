package manager

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/controllers/component"
	"github.com/towpath-dev/towpath/internal/evidence"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/fetch"
)

// RegistriesConfiguration is how registries of images are asked. Their addresses are for tenants to choose.
type RegistriesConfiguration struct {
	// AllowedHosts are where registries may be beside public addresses, such as registry.internal.example or 10.20.0.0/16; written as
	// in alerts. Addresses at which clouds give out credentials are never allowed. Default: none. At most 64.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// CredentialsFile is a file as ~/.docker/config.json, such as one of a mounted Secret, with auths by registry that may read. It is
	// read at each question; helpers that it names are not run. Default: "", so that only what is public can be asked.
	CredentialsFile string `json:"credentialsFile,omitempty"`
	// CAFile is a file with certificates of authorities in PEM that registries may have theirs from, beside those of the system. It is
	// read when the manager starts. Default: "", none.
	CAFile string `json:"caFile,omitempty"`
}

// SupplyChainConfiguration is by what proofs of images are verified.
type SupplyChainConfiguration struct {
	// TrustedRootFile is a file with whose certificates and which logs are trusted where images are signed without a key, as Sigstore's
	// trusted_root.json, such as one of a mounted ConfigMap. At most 1 MiB. It is read when the manager starts, and nothing is asked of a
	// network. Default: "", none: classes cannot list identities.
	TrustedRootFile string `json:"trustedRootFile,omitempty"`
}

// root reads the trusted root; nil for none.
func (c *SupplyChainConfiguration) root() (*supplychain.Root, error) {
	if c.TrustedRootFile == "" {
		return nil, nil
	}
	file, err := os.Open(c.TrustedRootFile)
	if err != nil {
		return nil, fmt.Errorf("must be a file that the manager may read: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, supplychain.MaxRoot+1))
	if err != nil {
		return nil, fmt.Errorf("must be a file that the manager may read: %w", err)
	}
	return supplychain.ReadRoot(content)
}

// newProofs puts together what reads proofs from registries, and by what those are verified that nobody's key has signed.
func newProofs(o *Options) (*registry.Resolver, *supplychain.Root, error) {
	registries, err := newRegistry(o)
	if err != nil {
		return nil, nil, err
	}
	trusted, err := o.Configuration.SupplyChain.root()
	if err != nil {
		return nil, nil, fmt.Errorf("supplyChain.trustedRootFile: %w", err)
	}
	return registries, trusted, nil
}

// newRegistry puts together what asks registries.
func newRegistry(o *Options) (*registry.Resolver, error) {
	c := &o.Configuration.Registries
	rules, err := outbound.NewRules(c.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("registries.allowedHosts: %w", err)
	}
	roots, err := c.roots()
	if err != nil {
		return nil, fmt.Errorf("registries.caFile: %w", err)
	}
	return registry.New(registry.Options{Rules: rules, Roots: roots, CredentialsFile: c.CredentialsFile}), nil
}

// roots are the authorities that certificates of registries may come from; nil for those of the system.
func (c *RegistriesConfiguration) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	bundle, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("must be a file that the manager may read: %w", err)
	}
	roots, err := outbound.Roots(bundle)
	if err != nil {
		return nil, errors.New("must be a file with certificates in PEM")
	}
	return roots, nil
}

// from is the registries that are asked for digests; nil where none is to be asked.
func (c *DigestsConfiguration) from(registries *registry.Resolver) *registry.Resolver {
	if c.Resolve == resolveNever {
		return nil
	}
	return registries
}

// addEvidence has a controller of Components know what is proven of images. What it returns reads for other controllers.
func addEvidence(mgr ctrl.Manager, o *Options, registries *registry.Resolver, components *component.Reconciler) (*reader, error) {
	components.Woken = component.NewWoken()
	source := fetch.New(registries)
	keeper := &evidence.Keeper{Source: source, Wake: components.Woken.Wake, Clock: o.Clock}
	if o.AskAgain > 0 {
		keeper.First, keeper.Most = o.AskAgain, o.AskAgain
	}
	components.Evidence = keeper
	return &reader{keeper, source}, mgr.Add(keeper)
}

// reader has Builds read from the same registries as Components, in the same turns.
type reader struct {
	*evidence.Keeper
	*fetch.Source
}
