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
	"strings"
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
	// Those who signed keep what they had, and nothing else is left.
	if kept, err := os.ReadFile(filepath.Join(folder, "checksums.txt.sig")); err != nil || string(kept) != string(text) {
		t.Errorf("signing failed, and the signature of before is %q now: %v", kept, err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("key, checksums and signature were in the folder, and now %v", entries)
	}
}

// Who calls them by hand is told how, by the exit code of wrong usage too.
func TestScriptsSayHowTheyAreUsed(t *testing.T) {
	for script, arguments := range map[string][][]string{
		"sign.sh":  {nil, {"checksums.txt"}, {"checksums.txt", ""}, {"a", "b", "c"}},
		"files.sh": {nil, {"build/release"}, {"a", "b"}},
		"check.sh": {nil, {"a"}},
	} {
		for _, given := range arguments {
			call := exec.CommandContext(t.Context(), "../"+script, given...)
			call.Env = []string{"PATH=" + os.Getenv("PATH")}
			out, err := call.CombinedOutput()
			if call.ProcessState == nil || call.ProcessState.ExitCode() != 2 || !strings.HasPrefix(string(out), "usage: ") {
				t.Errorf("%s %q: %v\n%s", script, given, err, out)
			}
		}
	}
}
