package supplychain

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// minRSA and maxRSA bound keys of RSA: shorter ones are broken, and longer ones take long to verify with.
const minRSA, maxRSA = 2048, 8192

// Key is a public key by its name.
type Key struct {
	Name   string
	public crypto.PublicKey
}

// Keys are those of a class that can be read, in order. ID tells one set of keys from another.
type Keys struct {
	ID   string
	list []Key
}

// KeysOf reads the keys of a class. One that cannot be read is left out: Validate says so.
func KeysOf(c *platformv1alpha1.SupplyChain) Keys {
	var keys Keys
	hash := sha256.New()
	for i := range c.Keys {
		k := &c.Keys[i]
		_, _ = fmt.Fprintf(hash, "%q %q\n", k.Name, k.PublicKey) // a hash takes all
		if public, err := ReadKey(k.PublicKey); err == nil {
			keys.list = append(keys.list, Key{k.Name, public})
		}
	}
	keys.ID = hex.EncodeToString(hash.Sum(nil))
	return keys
}

// Validate says which keys of a class cannot be read.
func Validate(c *platformv1alpha1.SupplyChain, at *field.Path) field.ErrorList {
	if c == nil {
		return nil
	}
	var errs field.ErrorList
	for i := range c.Keys {
		if _, err := ReadKey(c.Keys[i].PublicKey); err != nil {
			errs = append(errs, field.Invalid(at.Child("keys").Key(c.Keys[i].Name).Child("publicKey"), field.OmitValueType{}, err.Error()))
		}
	}
	return errs
}

// ReadKey reads a public key in PEM.
func ReadKey(text string) (crypto.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil || block.Type != "PUBLIC KEY":
		return nil, errors.New("must be a public key in PEM, as cosign.pub has it: -----BEGIN PUBLIC KEY-----, its base64, and -----END PUBLIC KEY-----")
	case len(trimmed(rest)) > 0:
		return nil, errors.New("must be one public key, and has something after its end: list another key on its own")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("must be a public key as cosign.pub has it (PKIX): what stands in the PEM cannot be read")
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return nil, errors.New("must not be on the curve P-224, which is too short: use P-256")
		}
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, fmt.Errorf("must have between %d and %d bits as a key of RSA, and has %d", minRSA, maxRSA, bits)
		}
	default:
		return nil, errors.New("must be a key of ECDSA, Ed25519 or RSA")
	}
	return public, nil
}

func trimmed(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// made says whether a key made a signature of a message. The hash is SHA-256 whatever the key, as cosign has it; for the longer curves
// also the one of their length, which others take.
func (k *Key) made(message, signature []byte) bool {
	short := sha256.Sum256(message)
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(public, short[:], signature) {
			return true
		}
		switch public.Curve {
		case elliptic.P384():
			long := sha512.Sum384(message)
			return ecdsa.VerifyASN1(public, long[:], signature)
		case elliptic.P521():
			long := sha512.Sum512(message)
			return ecdsa.VerifyASN1(public, long[:], signature)
		}
		return false
	case ed25519.PublicKey:
		return ed25519.Verify(public, message, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, short[:], signature) == nil || rsa.VerifyPSS(public, crypto.SHA256, short[:], signature, nil) == nil
	}
	return false
}

// makers are the names of all keys that made a signature of a message, in order: a class may list one key by several names.
func (k Keys) makers(message, signature []byte) []string {
	var names []string
	for i := range k.list {
		if k.list[i].made(message, signature) {
			names = append(names, k.list[i].Name)
		}
	}
	return names
}

// named are the keys with some names, in the class's order.
func (k Keys) named(names map[string]bool) []string {
	var all []string
	for i := range k.list {
		if names[k.list[i].Name] {
			all = append(all, k.list[i].Name)
		}
	}
	return all
}
