package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func archives(t *testing.T, names ...string) []string {
	t.Helper()
	folder := t.TempDir()
	var paths []string
	for _, name := range names {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestManifest(t *testing.T) {
	names := []string{
		"towpath-darwin-amd64.tar.gz", "towpath-darwin-arm64.tar.gz", "towpath-linux-amd64.tar.gz",
		"towpath-linux-arm64.tar.gz", "towpath-windows-amd64.tar.gz", "towpath-windows-arm64.tar.gz",
	}
	var out bytes.Buffer
	if err := run(&out, "v1.2.3", "https://git.example/releases/v1.2.3", archives(t, names...)); err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := yaml.UnmarshalStrict(out.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if m.Metadata["name"] != "towpath" || m.Spec.Version != "v1.2.3" || len(m.Spec.Platforms) != len(names) {
		t.Fatalf("the manifest is\n%s", out.String())
	}
	for i, p := range m.Spec.Platforms {
		sum := sha256.Sum256([]byte(names[i]))
		if p.URI != "https://git.example/releases/v1.2.3/"+names[i] || p.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is at %s, with the checksum %s", names[i], p.URI, p.SHA256)
		}
		labels := p.Selector.MatchLabels
		if want := "towpath-" + labels["os"] + "-" + labels["arch"] + ".tar.gz"; want != names[i] {
			t.Errorf("%s is for %v", names[i], labels)
		}
		if (labels["os"] == "windows") != strings.HasSuffix(p.Bin, ".exe") {
			t.Errorf("%s runs %s", names[i], p.Bin)
		}
	}
	// krew's index refuses more.
	if len(m.Spec.ShortDescription) > 50 {
		t.Errorf("the short description has %d characters", len(m.Spec.ShortDescription))
	}
}

func TestManifestOfABuildBetweenReleases(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, "ff73038", "https://git.example", archives(t, "towpath-linux-amd64.tar.gz")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "version: v0.0.0-ff73038\n") {
		t.Errorf("the manifest is\n%s", out.String())
	}
}

func TestManifestIsRefused(t *testing.T) {
	if err := run(io.Discard, "v1.2.3", "https://git.example", nil); err == nil {
		t.Error("there is a manifest without archives")
	}
	if err := run(io.Discard, "v1.2.3", "https://git.example", archives(t, "towpath-chart.tgz")); err == nil {
		t.Error("the chart is an archive of the CLI")
	}
}
