package supplychain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// MaxRoot is how many bytes a trusted root may have. That of Sigstore has some ten thousand.
const MaxRoot = 1 << 20

// maxTold is how long what somebody else wrote may be in a message: a subject, or an error of a library with a part of a proof in it.
const maxTold = 256

// Root is whose certificates, logs and clocks are trusted where somebody signs without a key: what Sigstore gives out as
// trusted_root.json. It never asks a network.
type Root struct {
	// ID tells one from another.
	ID       string
	trusted  root.TrustedMaterial
	verifier *verify.Verifier
}

// ReadRoot reads a trusted root. One without an authority or without a log could prove nothing.
func ReadRoot(content []byte) (*Root, error) {
	if len(content) > MaxRoot {
		return nil, fmt.Errorf("must have at most %d bytes, and has %d", MaxRoot, len(content))
	}
	trusted, err := root.NewTrustedRootFromJSON(content)
	if err != nil {
		return nil, fmt.Errorf("must be a trusted root of Sigstore as JSON, as trusted_root.json is: %w", err)
	}
	switch {
	case len(trusted.FulcioCertificateAuthorities()) == 0:
		return nil, errors.New("must list an authority in certificateAuthorities: whose certificates say who signs")
	case len(trusted.RekorLogs()) == 0:
		return nil, errors.New("must list a log in tlogs: who signs without a key must be in a transparency log")
	}
	options := []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1), verify.WithoutStatementPredicate()}
	if len(trusted.CTLogs()) > 0 { // then each certificate is in one of them
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	verifier, err := verify.NewVerifier(trusted, options...)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return &Root{ID: hex.EncodeToString(sum[:]), trusted: trusted, verifier: verifier}, nil
}

// identity is one of a class by its name.
type identity struct {
	name  string
	match verify.CertificateIdentity
}

// readIdentity reads one of a class. An expression must match the whole subject: one that need match a part alone would be met by
// https://evil.example/https://github.com/shop/….
func readIdentity(i *platformv1alpha1.SupplyChainIdentity) (identity, error) {
	whole := ""
	if i.SubjectRegexp != "" {
		if _, err := regexp.Compile(i.SubjectRegexp); err != nil { // by itself: a bracket that it lacks must not come from what is put around it
			return identity{}, fmt.Errorf("must be a regular expression as RE2 has it: %w", err)
		}
		whole = `\A(?:` + i.SubjectRegexp + `)\z`
	}
	match, err := verify.NewShortCertificateIdentity(i.Issuer, "", i.Subject, whole)
	if err != nil {
		return identity{}, err
	}
	return identity{i.Name, match}, nil
}

// signer tells of who signed, for people.
func signer(c *certificate.Summary) string {
	return fmt.Sprintf("%s of issuer %s", told(c.SubjectAlternativeName), told(c.Issuer))
}

// told bounds what somebody else wrote.
func told(text string) string { return clip(text, maxTold).Value() }

// makers are those of some identities who signed what a bundle holds; why there is none.
func (r *Root) makers(sealed *bundle.Bundle, artifact verify.ArtifactPolicyOption, identities []identity) (names []string, why string) {
	// Whose it is, is looked at below: all identities that it is of count, and a message names who it is of where it is none.
	result, err := r.verifier.Verify(sealed, verify.NewPolicy(artifact, verify.WithoutIdentitiesUnsafe()))
	if err != nil {
		return nil, r.explain(sealed, err)
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return nil, "one has no certificate"
	}
	for i := range identities {
		if identities[i].match.Verify(*result.Signature.Certificate) == nil {
			names = append(names, identities[i].name)
		}
	}
	if len(names) == 0 {
		return nil, "one was signed by " + signer(result.Signature.Certificate) + ", which is no identity of the class"
	}
	return names, ""
}

// explain says what a bundle lacks that does not verify.
func (r *Root) explain(sealed *bundle.Bundle, failed error) string {
	entries, err := sealed.TlogEntries()
	if err == nil && len(entries) == 0 {
		return "one that was signed without a key has no entry of a transparency log"
	}
	logged, err := r.verifier.VerifyTransparencyLogInclusion(sealed)
	if err != nil {
		return "one that was signed without a key has no entry of a transparency log of the trusted root that holds: " + told(err.Error())
	}
	times, err := r.verifier.VerifyObserverTimestamps(sealed, logged)
	if err != nil {
		return "one that was signed without a key has no trusted time, by a log or by an authority for timestamps: " + told(err.Error())
	}
	content, err := sealed.VerificationContent()
	if err != nil || content.Certificate() == nil {
		return "one that was signed without a key has no certificate that can be read"
	}
	for _, at := range times {
		if _, err := verify.VerifyLeafCertificate(at.Timestamp, content.Certificate(), r.trusted); err != nil {
			return fmt.Sprintf("one that was signed without a key has a certificate of no authority of the trusted root, or that was not valid at %s, when it was signed",
				at.Timestamp.UTC().Format(time.RFC3339))
		}
	}
	return "one that was signed without a key does not verify: " + told(failed.Error())
}
