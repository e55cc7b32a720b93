package supplychain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Signers are those by whom proofs of a class may be signed: its keys, and its identities with the root that their certificates must be
// of. ID tells one set of them from another.
type Signers struct {
	ID   string
	read func() *signers
}

// SignersOf are those of a class. The root is nil where the manager has none. Who cannot be read is left out: Validate says so. Nothing is
// read before something is looked at.
func SignersOf(c *platformv1alpha1.SupplyChain, trusted *Root) Signers {
	hash := sha256.New()
	for i := range c.Keys {
		_, _ = fmt.Fprintf(hash, "key %q %q\n", c.Keys[i].Name, c.Keys[i].PublicKey) // a hash takes all
	}
	for i := range c.Identities {
		one := &c.Identities[i]
		_, _ = fmt.Fprintf(hash, "identity %q %q %q %q\n", one.Name, one.Issuer, one.Subject, one.SubjectRegexp)
	}
	if len(c.Identities) > 0 && trusted != nil {
		_, _ = fmt.Fprintf(hash, "root %q\n", trusted.ID)
	}
	keys, identities := c.Keys, c.Identities
	return Signers{ID: hex.EncodeToString(hash.Sum(nil)), read: sync.OnceValue(func() *signers { return readSigners(keys, identities, trusted) })}
}

// signers are those of a class that can be read.
type signers struct {
	keys       []key
	identities []identity
	root       *Root
	// nobody is what to call none of them.
	nobody string
}

func readSigners(keys []platformv1alpha1.SupplyChainKey, identities []platformv1alpha1.SupplyChainIdentity, trusted *Root) *signers {
	s := &signers{root: trusted, nobody: "no key of the class"}
	for i := range keys {
		public, err := ReadKey(keys[i].PublicKey)
		if err != nil {
			continue
		}
		if k, err := newKey(keys[i].Name, public); err == nil {
			s.keys = append(s.keys, k)
		}
	}
	for i := range identities {
		if one, err := readIdentity(&identities[i]); err == nil {
			s.identities = append(s.identities, one)
		}
	}
	switch {
	case len(identities) > 0 && len(keys) > 0:
		s.nobody = "no key and no identity of the class"
	case len(identities) > 0:
		s.nobody = "no identity of the class"
	}
	return s
}

// Validate says which keys and identities of a class cannot be read. The root is nil where the manager has none.
func Validate(c *platformv1alpha1.SupplyChain, trusted *Root, at *field.Path) field.ErrorList {
	if c == nil {
		return nil
	}
	var errs field.ErrorList
	for i := range c.Keys {
		if _, err := ReadKey(c.Keys[i].PublicKey); err != nil {
			errs = append(errs, field.Invalid(at.Child("keys").Key(c.Keys[i].Name).Child("publicKey"), field.OmitValueType{}, err.Error()))
		}
	}
	for i := range c.Identities {
		one := &c.Identities[i]
		if _, err := readIdentity(one); err != nil {
			errs = append(errs, field.Invalid(at.Child("identities").Key(one.Name).Child("subjectRegexp"), one.SubjectRegexp, err.Error()))
		}
	}
	if len(c.Identities) > 0 && trusted == nil {
		errs = append(errs, field.Forbidden(at.Child("identities"),
			"the manager has no trusted root to verify certificates by: name one in its configuration, supplyChain.trustedRootFile, or list keys instead"))
	}
	return errs
}

// By are those of a class who signed something, by their names and in the class's order.
type By struct{ Keys, Identities []string }

// None says that nobody did.
func (b *By) None() bool { return len(b.Keys)+len(b.Identities) == 0 }

// Equal says that the same signed.
func (b *By) Equal(other *By) bool {
	return slices.Equal(b.Keys, other.Keys) && slices.Equal(b.Identities, other.Identities)
}

// first names one of them.
func (b *By) first() string {
	if len(b.Keys) > 0 {
		return "key " + b.Keys[0]
	}
	return "identity " + b.Identities[0]
}

// all names them all.
func (b *By) all(joined string) string {
	var parts []string
	if len(b.Keys) > 0 {
		parts = append(parts, "key "+strings.Join(b.Keys, joined))
	}
	if len(b.Identities) > 0 {
		parts = append(parts, "identity "+strings.Join(b.Identities, joined))
	}
	return strings.Join(parts, joined)
}

// made are those who signed what is sealed, and why nobody did. artifact is what must be signed, which is made anew for each look.
func (s *signers) made(sealed *seal, artifact func() verify.ArtifactPolicyOption) (by By, why string) {
	by.Keys = s.madeByKeys(sealed, artifact)
	why = "one was signed by " + s.nobody
	switch certified, err := sealed.certified(); {
	case err != nil && len(s.identities) > 0:
		why = "one that was signed without a key cannot be read: " + told(err.Error())
	case certified == nil:
	case len(s.identities) == 0:
		why += " (it has a certificate instead, and the class lists no identities)"
	case s.root == nil:
		why += " (it has a certificate instead, and the manager has no trusted root to verify that by)"
	default:
		by.Identities, why = s.root.makers(certified, artifact(), s.identities)
	}
	return by, why
}

// madeByKeys are the keys that signed what is sealed, by whichever of its signatures.
func (s *signers) madeByKeys(sealed *seal, artifact func() verify.ArtifactPolicyOption) []string {
	if len(s.keys) == 0 {
		return nil
	}
	found := map[string]bool{}
	for signed := range sealed.keyed() {
		keys := &ring{keys: s.keys}
		trusted := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return keys, nil })
		verifier, err := verify.NewVerifier(trusted, verify.WithNoObserverTimestamps(), verify.WithoutStatementPredicate())
		if err != nil {
			return nil // never: the options go together
		}
		if _, err := verifier.Verify(signed, verify.NewPolicy(artifact(), verify.WithKey())); err == nil {
			for _, name := range keys.made {
				found[name] = true
			}
		}
	}
	var names []string
	for i := range s.keys {
		if found[s.keys[i].name] {
			names = append(names, s.keys[i].name)
		}
	}
	return names
}
