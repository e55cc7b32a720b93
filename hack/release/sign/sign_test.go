// Package sign_test checks how a release is signed with a key: as make does it, and as who downloads it looks.
package sign_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A throw-away key: it is in a folder that goes with the test.
func TestChecksumsAreSigned(t *testing.T) {
	for _, tool := range []string{"openssl", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here: %v", tool, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	private := filepath.Join(folder, "private.pem")
	if err := os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	checksums := []byte("e3b0c442  towpath.yaml\n")
	if err := os.WriteFile(filepath.Join(folder, "checksums.txt"), checksums, 0o644); err != nil {
		t.Fatal(err)
	}
	sign := func(arguments ...string) ([]byte, error) {
		return exec.CommandContext(t.Context(), "make", append([]string{"-C", "../../..", "release-sign", "RELEASE=" + folder}, arguments...)...).CombinedOutput()
	}
	if out, err := sign("KEY=" + private); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(folder, "checksums.txt.sig"))
	if err != nil {
		t.Fatal(err)
	}
	// One line of base64, as cosign reads it.
	signature, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(checksums)
	if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
		t.Error("the signature is not that of the checksums")
	}
	if sum = sha256.Sum256(append(checksums, ' ')); ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
		t.Error("the signature is that of others too")
	}

	if _, err := sign(); err == nil {
		t.Error("something is signed without a key")
	}
	if _, err := sign("KEY=" + filepath.Join(folder, "absent.pem")); err == nil {
		t.Error("something is signed with a key that is not there")
	}
}
