package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

const (
	// root holds the repositories, and authority the certificate that clients have to trust.
	root, authority = "/data", "/data/ca.pem"
	// username is who may read; the password stands in the variable PASSWORD.
	username = "reader"
)

// serve serves Git at :8443, and images at :5000.
func serve() error {
	certificate, err := selfSigned(os.Getenv("HOST"))
	if err != nil {
		return err
	}
	git, err := gitHandler(os.Getenv("PASSWORD"))
	if err != nil {
		return err
	}
	ended := make(chan error)
	images := &http.Server{Addr: ":5000", Handler: registry.New(), ReadHeaderTimeout: 10 * time.Second}
	go func() { ended <- images.ListenAndServe() }()
	sources := &http.Server{
		Addr: ":8443", Handler: git, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	go func() { ended <- sources.ListenAndServeTLS("", "") }()
	return <-ended
}

// gitHandler serves the repositories below root by Git's own server, to whom knows the password.
func gitHandler(password string) (http.Handler, error) {
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git is needed: %w", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  append([]string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, plainGit...),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, _ := r.BasicAuth()
		if user != username || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		log.Printf("%s %s of %s", r.Method, r.URL, r.RemoteAddr)
		backend.ServeHTTP(w, r)
	}), nil
}

// selfSigned makes a certificate that is its own authority, and writes it where whoever sets up clients finds it.
func selfSigned(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 7),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// plainGit is the environment of git: as few settings of others as can be.
var plainGit = []string{
	"HOME=/tmp", "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
	"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@shop.example", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@shop.example",
	"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
}

// commit pushes a commit to the branch main of a repository, which it makes if there is none, and prints its hash.
func commit(repository, message string, files []string) error {
	bare, work := filepath.Join(root, repository+".git"), filepath.Join(root, repository+".work")
	if _, err := os.Stat(bare); os.IsNotExist(err) {
		for _, args := range [][]string{
			{"init", "--quiet", "--bare", "--initial-branch=main", bare},
			// As forges let their clients: the manager asks for commits without their files.
			{"-C", bare, "config", "uploadpack.allowFilter", "true"},
			{"init", "--quiet", "--initial-branch=main", work},
			{"-C", work, "remote", "add", "origin", bare},
		} {
			if _, err := git(args...); err != nil {
				return err
			}
		}
	}
	for _, file := range files {
		path, content, _ := strings.Cut(file, "=")
		full := filepath.Join(work, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(full, []byte(content+"\n"), 0o600); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"-C", work, "add", "--all"}, {"-C", work, "commit", "--quiet", "-m", message}, {"-C", work, "push", "--quiet", "origin", "main"},
	} {
		if _, err := git(args...); err != nil {
			return err
		}
	}
	hash, err := git("-C", work, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	_, err = fmt.Println(hash)
	return err
}

func git(args ...string) (string, error) {
	command := exec.Command("git", args...) //nolint:gosec // the arguments of a test
	command.Env = plainGit
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
