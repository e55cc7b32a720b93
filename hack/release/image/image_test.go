package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const commitDate = "2026-01-02T05:04:05+02:00"

// program is as much of a binary as is looked at.
func program(t *testing.T, machine elf.Machine, dynamic bool) []byte {
	t.Helper()
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Ehsize: 64, Phentsize: 56, Shentsize: 64,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	parts := []any{&header}
	if dynamic {
		header.Phoff, header.Phnum = 64, 1
		parts = append(parts, elf.Prog64{Type: uint32(elf.PT_INTERP)})
	}
	var out bytes.Buffer
	for _, part := range parts {
		if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// binaries writes a manager for each platform, as make host-binaries does.
func binaries(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for architecture, machine := range machines {
		put(t, folder, architecture, program(t, machine, false))
		for _, name := range terms {
			putFile(t, folder, architecture, name, []byte(name+" for "+architecture))
		}
	}
	return folder
}

func put(t *testing.T, folder, architecture string, content []byte) {
	t.Helper()
	putFile(t, folder, architecture, "manager", content)
}

func putFile(t *testing.T, folder, architecture, name string, content []byte) {
	t.Helper()
	path := filepath.Join(folder, "linux-"+architecture, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

func defaults(t *testing.T, folder string) options {
	t.Helper()
	return options{
		about: about{Version: "v1.2.3", Revision: "0a1b2c3d"}, binaries: folder, created: commitDate, out: filepath.Join(t.TempDir(), "image"),
		platforms: []string{"linux/amd64", "linux/arm64"}, limit: 1 << 20,
	}
}

// made runs the command, and returns the digest that it prints last.
func made(t *testing.T, o options) v1.Hash {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), o, log.New(&out, "", 0)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	digest, err := v1.NewHash(lines[len(lines)-1])
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return digest
}

// written is the index that lies in a layout.
func written(t *testing.T, folder string, digest v1.Hash) v1.ImageIndex {
	t.Helper()
	all, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	index, err := all.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	return index
}

// images are those of an index, by platform.
func images(t *testing.T, index v1.ImageIndex) map[string]v1.Image {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]v1.Image{}
	for _, descriptor := range manifest.Manifests {
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		all[descriptor.Platform.String()] = image
	}
	return all
}

// What is built elsewhere, later, and from files of another date has the same digest; another commit has another.
func TestImageIsReproducible(t *testing.T) {
	first := defaults(t, binaries(t))
	digest := made(t, first)

	second := defaults(t, binaries(t))
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(second.binaries, "linux-amd64", "manager"), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	second.created = "2026-01-02T03:04:05Z" // the same, in another zone
	if again := made(t, second); again != digest {
		t.Errorf("two builds have the digests %s and %s", digest, again)
	}
	for _, file := range []string{archiveName, "digest", "oci/index.json"} {
		if !bytes.Equal(read(t, filepath.Join(first.out, file)), read(t, filepath.Join(second.out, file))) {
			t.Errorf("two builds differ in %s", file)
		}
	}

	for what, change := range map[string]func(*options){
		"revision": func(o *options) { o.Revision = "another" },
		"version":  func(o *options) { o.Version = "v1.2.4" },
		"date":     func(o *options) { o.created = "2026-01-02T03:04:06Z" },
		"licences": func(o *options) { putFile(t, o.binaries, "amd64", terms[1], []byte("others")) },
		"binary":   func(o *options) { put(t, o.binaries, "arm64", append(program(t, elf.EM_AARCH64, false), 0)) },
	} {
		other := defaults(t, binaries(t))
		change(&other)
		if made(t, other) == digest {
			t.Errorf("the digest does not show another %s", what)
		}
	}
}

func TestImageOfEachPlatform(t *testing.T) {
	o := defaults(t, binaries(t))
	index := written(t, filepath.Join(o.out, "oci"), made(t, o))
	all := images(t, index)
	if len(all) != 2 {
		t.Fatalf("the index has %d images", len(all))
	}
	for architecture, machine := range machines {
		image := all["linux/"+architecture]
		if image == nil {
			t.Fatalf("there is no image for %s", architecture)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != architecture {
			t.Errorf("the image for %s says it is for %s/%s", architecture, config.OS, config.Architecture)
		}
		if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(config.Config.User) {
			t.Errorf("it runs as %q", config.Config.User)
		}
		if want := []string{"/manager"}; !reflect.DeepEqual(config.Config.Entrypoint, want) {
			t.Errorf("it runs %v", config.Config.Entrypoint)
		}
		if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !config.Created.Equal(want) {
			t.Errorf("it is of %s", config.Created)
		}
		want := map[string]string{"manager": string(program(t, machine, false))}
		for _, name := range terms {
			want[name] = name + " for " + architecture
		}
		holds(t, image, want)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"org.opencontainers.image.version": "v1.2.3", "org.opencontainers.image.revision": "0a1b2c3d", "org.opencontainers.image.source": source,
		"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
	} {
		if manifest.Annotations[key] != want {
			t.Errorf("the index says %s: %q", key, manifest.Annotations[key])
		}
	}
}

// holds checks that the binary and the terms that it is under are all that an image holds, that anybody may run or read them, and nobody
// write them.
func holds(t *testing.T, image v1.Image, want map[string]string) {
	t.Helper()
	content := mutate.Extract(image)
	t.Cleanup(func() { _ = content.Close() })
	archive := tar.NewReader(content)
	held := map[string]string{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		mode := int64(0o444)
		if header.Name == "manager" {
			mode = 0o555
		}
		if header.Mode != mode || header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s has mode %o, and is of %d:%d", header.Name, header.Mode, header.Uid, header.Gid)
		}
		got, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		held[header.Name] = string(got)
	}
	if !reflect.DeepEqual(held, want) {
		t.Errorf("the image holds %q, and should hold %q", held, want)
	}
}

// Both ways to make an image make the same one: user, entry point, and what it says of itself.
func TestImageIsThatOfTheDockerfile(t *testing.T) {
	o := defaults(t, binaries(t))
	image := images(t, written(t, filepath.Join(o.out, "oci"), made(t, o)))["linux/amd64"]
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	text := string(read(t, "../../../Dockerfile"))
	if m := regexp.MustCompile(`(?m)^USER (\S+)$`).FindStringSubmatch(text); len(m) != 2 || m[1] != config.Config.User {
		t.Errorf("the Dockerfile has the user %v, and the image %s", m, config.Config.User)
	}
	if m := regexp.MustCompile(`(?m)^ENTRYPOINT \["(\S+)"\]$`).FindStringSubmatch(text); len(m) != 2 || m[1] != config.Config.Entrypoint[0] {
		t.Errorf("the Dockerfile has the entry point %v, and the image %v", m, config.Config.Entrypoint)
	}
	for _, name := range terms {
		if !strings.Contains(text, "/out/"+name) {
			t.Errorf("the Dockerfile puts no %s into the image", name)
		}
	}
	labels := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)(org\.opencontainers\.image\.\w+)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		labels[m[1]] = strings.NewReplacer("$VERSION", "v1.2.3", "$COMMIT", "0a1b2c3d").Replace(m[2])
	}
	if !reflect.DeepEqual(labels, config.Config.Labels) {
		t.Errorf("the Dockerfile has the labels\n%v\nand the image\n%v", labels, config.Config.Labels)
	}
}

// What make looks at before it compiles knows the same platforms.
func TestPlatformsAreKnownBeforeTheyAreCompiled(t *testing.T) {
	check := func(platforms string) (string, error) {
		call := exec.CommandContext(t.Context(), "../check.sh")
		call.Env = []string{"PATH=" + os.Getenv("PATH"), "VERSION=v1.2.3", "DATE=" + commitDate, "PLATFORMS=" + platforms}
		out, err := call.CombinedOutput()
		return string(out), err
	}
	for architecture := range machines {
		if out, err := check("linux/" + architecture); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	out, err := check("none")
	if err == nil || strings.Count(out, "linux/") != len(machines) {
		t.Errorf("there are images for %d platforms, and %v names\n%s", len(machines), err, out)
	}
}

// The file holds the layout, and a reader of it finds the image by its version.
func TestImageAsOneFile(t *testing.T) {
	o := defaults(t, binaries(t))
	digest := made(t, o)
	folder := t.TempDir()
	archive := tar.NewReader(bytes.NewReader(read(t, filepath.Join(o.out, archiveName))))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, filepath.FromSlash(header.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written(t, folder, digest)
	all, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "v1.2.3" {
		t.Errorf("the layout lists %+v", manifest.Manifests)
	}
	if got := string(read(t, filepath.Join(o.out, "digest"))); got != digest.String()+"\n" {
		t.Errorf("the file of the digest says %q, and the command %s", got, digest)
	}
}

func TestImageIsPushed(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	o := defaults(t, binaries(t))
	o.push = strings.TrimPrefix(server.URL, "http://") + "/towpath/manager:v1.2.3"
	digest := made(t, o)
	reference, err := name.ParseReference(o.push)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(reference, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := index.Digest(); err != nil || got != digest {
		t.Errorf("the registry has %s (%v), and built was %s", got, err, digest)
	}
	if len(images(t, index)) != 2 {
		t.Error("the registry lacks an image")
	}
}

func TestImageIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*options)
		want   string
	}{
		"too large":         {func(o *options) { o.limit = 100 }, "linux/amd64: a node has to pull "},
		"no binary":         {func(o *options) { o.platforms = []string{"linux/arm64"}; o.binaries = t.TempDir() }, "no such file"},
		"another processor": {func(o *options) { put(t, o.binaries, "arm64", program(t, elf.EM_X86_64, false)) }, "linux/arm64: the manager is for EM_X86_64"},
		"dynamic":           {func(o *options) { put(t, o.binaries, "amd64", program(t, elf.EM_X86_64, true)) }, "is linked dynamically"},
		"no program":        {func(o *options) { put(t, o.binaries, "amd64", []byte("#!/bin/sh")) }, "linux/amd64: the manager: "},
		"another system":    {func(o *options) { o.platforms = []string{"windows/amd64"} }, `no image is made for "windows/amd64"`},
		"no licences":       {func(o *options) { putFile(t, o.binaries, "arm64", terms[1], nil) }, "linux/arm64: licenses/THIRD_PARTY_LICENSES.txt is empty"},
		"no date":           {func(o *options) { o.created = "unknown" }, "the date of the commit"},
		"no tag":            {func(o *options) { o.push = "registry.example/towpath/manager" }, "-push: "},
	} {
		o := defaults(t, binaries(t))
		c.change(&o)
		if err := run(t.Context(), o, log.New(io.Discard, "", 0)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
