package supplychain

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
)

// minRSA and maxRSA bound keys of RSA: shorter ones are broken, and longer ones take long to verify with.
const minRSA, maxRSA = 2048, 8192

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

// key is a public key by its name, with the ways in which it may have signed.
type key struct {
	name string
	ways []signature.Verifier
}

// newKey has a key verified by Sigstore. The hash is SHA-256 whatever the key, as cosign has it; for the longer curves also the one of
// their length, which others take.
func newKey(name string, public crypto.PublicKey) (key, error) {
	made := key{name: name}
	add := func(way signature.Verifier, err error) error {
		if err == nil {
			made.ways = append(made.ways, way)
		}
		return err
	}
	hashed := func(hashes ...crypto.Hash) (err error) {
		for _, hash := range hashes {
			way, wrong := signature.LoadVerifier(public, hash)
			err = errors.Join(err, add(way, wrong))
		}
		return err
	}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P384():
			return made, hashed(crypto.SHA256, crypto.SHA384)
		case elliptic.P521():
			return made, hashed(crypto.SHA256, crypto.SHA512)
		}
	case *rsa.PublicKey:
		way, err := signature.LoadRSAPSSVerifier(p, crypto.SHA256, nil)
		return made, errors.Join(hashed(crypto.SHA256), add(way, err))
	}
	return made, hashed(crypto.SHA256)
}

// ring are the keys of a class as one verifier, which remembers which of them made a signature: a class may list one key by several
// names, and all of them count.
type ring struct {
	keys []key
	made []string
}

var _ root.TimeConstrainedVerifier = &ring{}

// ValidAtTime says that keys of a class have no end: it lists them, or does not.
func (*ring) ValidAtTime(time.Time) bool { return true }

// PublicKey is the first of the keys.
func (r *ring) PublicKey(opts ...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return r.keys[0].ways[0].PublicKey(opts...)
}

// VerifySignature asks all of them.
func (r *ring) VerifySignature(of, message io.Reader, _ ...signature.VerifyOption) error {
	signed, err := io.ReadAll(of)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	r.made = nil
	for _, k := range r.keys {
		if k.made(text, signed) {
			r.made = append(r.made, k.name)
		}
	}
	if len(r.made) == 0 {
		return errors.New("no key of the class made the signature")
	}
	return nil
}

// made says whether a key made a signature of a message.
func (k *key) made(message, signed []byte) bool {
	return slices.ContainsFunc(k.ways, func(way signature.Verifier) bool {
		return way.VerifySignature(bytes.NewReader(signed), bytes.NewReader(message)) == nil
	})
}
