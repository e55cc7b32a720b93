package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// option finds the value of the first option of this name.
func option(args []string, option string) string {
	if i := slices.Index(args, option); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// buildctl builds the image of the context: test/kind/app in the version that the file version.txt names. It pushes it, and tells its
// digest as buildctl does.
func buildctl(args []string) error {
	output, metadata := option(args, "--output"), option(args, "--metadata-file")
	context, ok := strings.CutPrefix(option(args, "--local"), "context=")
	if !ok || option(args, "--addr") == "" || option(args, "--frontend") != "dockerfile.v0" || metadata == "" {
		return fmt.Errorf("these are not the options of buildctl: %q", args)
	}
	var image string
	for part := range strings.SplitSeq(output, ",") {
		if value, ok := strings.CutPrefix(part, "name="); ok {
			image = value
		}
	}
	version, err := os.ReadFile(filepath.Join(context, "version.txt")) //nolint:gosec // its own context
	if err != nil {
		return err
	}
	built, err := appImage(strings.TrimSpace(string(version)))
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, built); err != nil {
		return err
	}
	digest, err := built.Digest()
	if err != nil {
		return err
	}
	log.Printf("pushed %s, which is %s", ref, digest)
	text, err := json.MarshalIndent(map[string]string{"containerimage.config.digest": "", "containerimage.digest": digest.String()}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(metadata, text, 0o600)
}

// appImage is that of test/kind/app in a version.
func appImage(version string) (v1.Image, error) {
	binary, err := os.ReadFile("/app")
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = v1.Config{Env: []string{"VERSION=" + version}, User: "65532:65532", Entrypoint: []string{"/app"}}
	return mutate.ConfigFile(image, file)
}

// pull reads an image, which must be named by its digest: whoever names a tag may look at another one than was built.
func pull(reference string) (name.Digest, v1.Image, error) {
	ref, err := name.NewDigest(strings.TrimPrefix(reference, "registry:"), name.Insecure)
	if err != nil {
		return name.Digest{}, nil, err
	}
	image, err := remote.Image(ref)
	return ref, image, err
}

// syft lists the files of an image.
func syft(args []string) error {
	path, ok := strings.CutPrefix(option(args, "--output"), "spdx-json=")
	if !ok || len(args) < 2 || args[0] != "scan" {
		return fmt.Errorf("these are not the options of syft: %q", args)
	}
	ref, image, err := pull(args[1])
	if err != nil {
		return err
	}
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	var found []map[string]string
	for r := tar.NewReader(files); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		found = append(found, map[string]string{"fileName": header.Name})
	}
	text, err := json.Marshal(map[string]any{"spdxVersion": "SPDX-2.3", "name": ref.String(), "files": found})
	if err != nil {
		return err
	}
	log.Printf("%s holds %d files", ref, len(found))
	return os.WriteFile(path, text, 0o600)
}

// grype reads an image, and finds nothing, which it writes as JSON too.
func grype(args []string) error {
	var path string
	for i := range args {
		if value, ok := strings.CutPrefix(args[i], "json="); ok && i > 0 && args[i-1] == "--output" {
			path = value
		}
	}
	if len(args) == 0 || option(args, "--fail-on") == "" || path == "" {
		return fmt.Errorf("these are not the options of grype: %q", args)
	}
	if _, err := os.Stat(option(args, "--config")); err != nil {
		return err
	}
	ref, _, err := pull(args[0])
	if err != nil {
		return err
	}
	log.Printf("%s has no known vulnerability", ref)
	return os.WriteFile(path, []byte(`{"matches":[]}`), 0o600)
}

// cosign puts something beside an image, by a tag of its digest.
func cosign(args []string) error {
	if len(args) < 2 || args[0] != "sign" && args[0] != "attest" {
		return fmt.Errorf("these are not the options of cosign: %q", args)
	}
	if option(args, "--key") != "env://COSIGN_PRIVATE_KEY" || os.Getenv("COSIGN_PRIVATE_KEY") == "" {
		return errors.New("there is no key")
	}
	ref, image, err := pull(args[len(args)-1])
	if err != nil {
		return err
	}
	suffix := map[string]string{"sign": ".sig", "attest": ".att"}[args[0]]
	if args[0] == "attest" {
		predicate, err := os.ReadFile(option(args, "--predicate"))
		if err != nil || !json.Valid(predicate) {
			return fmt.Errorf("the predicate is none: %s (%w)", predicate, err)
		}
	}
	beside := ref.Tag(strings.ReplaceAll(ref.DigestStr(), ":", "-") + suffix)
	log.Printf("wrote %s", beside)
	return remote.Write(beside, image)
}
