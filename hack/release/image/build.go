package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	title       = "towpath-manager"
	description = "Towpath's controllers and admission webhooks"
	licenses    = "Apache-2.0"
	source      = "https://github.com/towpath-dev/towpath"
	// By number: the kubelet can then tell that it is not root.
	user = "65532:65532"
)

// about is what an image says of itself.
type about struct {
	Version, Revision string
	// Created is when the commit was made, not the image: so it is the same whenever that is built.
	Created time.Time
}

// labels are those of the image's configuration, which runtimes show.
func (a about) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       title,
		"org.opencontainers.image.description": description,
		"org.opencontainers.image.licenses":    licenses,
		"org.opencontainers.image.source":      source,
		"org.opencontainers.image.version":     a.Version,
		"org.opencontainers.image.revision":    a.Revision,
	}
}

// annotations are those of manifests, which registries show.
func (a about) annotations() map[string]string {
	all := a.labels()
	all["org.opencontainers.image.created"] = a.Created.Format(time.RFC3339)
	return all
}

// terms are what its licences ask to be passed on with the binary, where scanners of images look for it.
var terms = []string{"licenses/LICENSE", "licenses/THIRD_PARTY_LICENSES.txt"}

// machines are the processors of the platforms that there are images for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// build makes the image of one platform.
func build(a about, binaries, platform string) (v1.Image, error) {
	system, architecture, _ := strings.Cut(platform, "/")
	machine, known := machines[architecture]
	if system != "linux" || !known {
		return nil, fmt.Errorf("no image is made for %q", platform)
	}
	binary, err := os.ReadFile(filepath.Join(binaries, system+"-"+architecture, "manager"))
	if err != nil {
		return nil, err
	}
	if err := runsAlone(binary, machine); err != nil {
		return nil, err
	}
	files := []file{{name: "manager", mode: 0o555, content: binary}}
	for _, name := range terms {
		content, err := os.ReadFile(filepath.Join(binaries, system+"-"+architecture, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		if len(content) == 0 {
			return nil, fmt.Errorf("%s is empty", name)
		}
		files = append(files, file{name: name, mode: 0o444, content: content})
	}
	content, err := layer(files, a.Created)
	if err != nil {
		return nil, err
	}
	// The configuration is set before the layer is added, which completes it.
	image, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), &v1.ConfigFile{
		OS:           system,
		Architecture: architecture,
		Created:      v1.Time{Time: a.Created},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User:       user,
			Entrypoint: []string{"/manager"},
			WorkingDir: "/",
			Labels:     a.labels(),
		},
	})
	if err != nil {
		return nil, err
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:     content,
		MediaType: types.OCILayer,
		History:   v1.History{Created: v1.Time{Time: a.Created}, CreatedBy: "hack/release/image", Comment: "/manager /licenses"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, a.annotations()).(v1.Image), nil
}

// runsAlone checks that a binary is for this processor, and asks for no loader: there is none in the image.
func runsAlone(binary []byte, machine elf.Machine) error {
	file, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		return fmt.Errorf("the manager: %w", err)
	}
	if file.Machine != machine {
		return fmt.Errorf("the manager is for %s, not for %s", file.Machine, machine)
	}
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("the manager is linked dynamically; build it with CGO_ENABLED=0")
	}
	return nil
}

// file is one in the image.
type file struct {
	name    string
	mode    int64
	content []byte
}

// layer holds the binary, and the terms that it is under. Nobody may write them, and their owner is not who runs it.
func layer(files []file, created time.Time) (v1.Layer, error) {
	var compressed bytes.Buffer
	zip := gzip.NewWriter(&compressed)
	archive := tar.NewWriter(zip)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: created, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(compressed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// pulled is how much a node has to fetch that has nothing of an image.
func pulled(image v1.Image) (int64, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	total := manifest.Config.Size
	for _, l := range manifest.Layers {
		total += l.Size
	}
	return total, nil
}

// indexOf is what a runtime picks the image of its platform from.
func indexOf(a about, images []v1.Image) (v1.ImageIndex, error) {
	var all []mutate.IndexAddendum
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		all = append(all, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			MediaType: types.OCIManifestSchema1,
			Platform:  &v1.Platform{OS: config.OS, Architecture: config.Architecture},
		}})
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), all...)
	return mutate.Annotations(index, a.annotations()).(v1.ImageIndex), nil
}
