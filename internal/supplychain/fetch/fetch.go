// Package fetch reads the signatures and attestations that stand beside an image in its registry. It goes over the network, to hosts
// that tenants name: under the rules of package registry, and with bounds on all that it reads. What it reads it believes nothing of.
package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/supplychain"
)

const (
	// timeout bounds all that is asked of one image.
	timeout = 30 * time.Second
	// maxManifests is how many manifests that refer to an image are read, maxArtifacts how many artifacts of all of them, and maxBytes
	// how much.
	maxManifests, maxArtifacts, maxBytes = 64, 128, 64 << 20
	// maxManifest bounds a manifest, or an index of them: in memory its descriptors take some fifty times what they take as JSON.
	maxManifest = 512 << 10
	// large is from how many bytes on artifacts are read and looked at one at a time, whatever the number of images under way.
	large = 1 << 20
	// created is the annotation by which artifacts are read newest first. Anybody may write it: nothing depends on it but the order.
	created = "org.opencontainers.image.created"
)

// ErrLarge says that an artifact was not read: it stays as large as it is.
var ErrLarge = fmt.Errorf("it is larger than %d MiB, which is more than is read", supplychain.MaxArtifact>>20)

// Source reads from registries. Many may use it at once.
type Source struct {
	registry *registry.Resolver
	large    chan struct{}
}

// New returns a Source that asks as a Resolver does.
func New(r *registry.Resolver) *Source { return &Source{registry: r, large: make(chan struct{}, 1)} }

// reading is what is read of one image.
type reading struct {
	*Source
	ctx     context.Context
	image   name.Digest
	options []remote.Option
	// manifests are the options by which manifests are asked for.
	manifests []remote.Option
	look      func(*supplychain.Artifact)
	seen      map[string]bool
	left      int64
}

// Fetch hands each artifact beside an image to look, one after the other: those of OCI's referrers, and those under the tags that
// cosign derives from the digest. What it left out for its size it tells. An error means that not all is known; it says nothing of what
// a registry answered beyond its status.
func (s *Source) Fetch(ctx context.Context, image string, look func(*supplychain.Artifact)) (leftOut []string, err error) {
	digest, err := name.NewDigest(image)
	if err != nil {
		return nil, fmt.Errorf("image %s cannot be read: %w", image, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not answer within %s", timeout))
	defer cancel()
	r := &reading{
		Source: s, ctx: ctx, image: digest, options: s.registry.Remote(ctx, supplychain.MaxArtifact+1),
		manifests: s.registry.Remote(ctx, maxManifest), look: look,
		seen: map[string]bool{}, left: maxBytes,
	}
	if leftOut, err = r.all(); err != nil {
		return leftOut, fmt.Errorf("registry %s: %w", digest.RegistryStr(), registry.Explained(ctx, err))
	}
	return leftOut, nil
}

// Named reads artifacts in the repository of an image by their digests alone, wherever they stand there, and hands each on: with no content where
// the registry does not have it, with an error where that cannot be told.
func (s *Source) Named(ctx context.Context, image string, digests []string, look func(digest string, content []byte, err error)) error {
	of, err := name.NewDigest(image)
	if err != nil {
		return fmt.Errorf("image %s cannot be read: %w", image, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not answer within %s", timeout))
	defer cancel()
	options := s.registry.Remote(ctx, supplychain.MaxArtifact+1)
	for _, digest := range digests {
		content, done, err := s.read(ctx, of.Context().Digest(digest), supplychain.MaxArtifact+1, options)
		switch {
		case missing(err):
			content, err = nil, nil
		case err != nil:
			err = fmt.Errorf("registry %s: %w", of.RegistryStr(), registry.Explained(ctx, err))
		case len(content) > supplychain.MaxArtifact:
			content, err = nil, ErrLarge
		}
		look(digest, content, err)
		done()
	}
	return nil
}

// missing says that a registry does not have what it was asked for.
func missing(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// read reads a blob, and no more of it than so many bytes. What is large waits for its turn, which ends with done: what looks at it takes
// several times its size.
func (s *Source) read(ctx context.Context, blob name.Digest, most int64, options []remote.Option) (content []byte, done func(), err error) {
	done = func() {}
	layer, err := remote.Layer(blob, options...)
	if err != nil {
		return nil, done, err
	}
	body, err := layer.Compressed()
	if err != nil {
		return nil, done, err
	}
	defer func() { _ = body.Close() }()
	content, err = io.ReadAll(io.LimitReader(body, min(most, large)))
	if err != nil || int64(len(content)) < large {
		return content, done, err
	}
	select {
	case s.large <- struct{}{}:
		done = func() { <-s.large }
	case <-ctx.Done():
		return nil, done, ctx.Err()
	}
	rest, err := io.ReadAll(io.LimitReader(body, most-large))
	return append(content, rest...), done, err
}

func (r *reading) all() (leftOut []string, err error) {
	for _, read := range []func() (string, error){
		func() (string, error) { return r.tagged("sig") }, func() (string, error) { return r.tagged("att") }, r.referrers,
	} {
		told, err := read()
		if told != "" {
			leftOut = append(leftOut, told)
		}
		if err != nil {
			return leftOut, err
		}
	}
	return leftOut, nil
}

// tagged reads what stands under the tag that cosign derives from the digest; nothing where there is no such tag.
func (r *reading) tagged(suffix string) (string, error) {
	tag := r.image.Context().Tag(strings.Replace(r.image.DigestStr(), ":", "-", 1) + "." + suffix)
	return r.manifest(tag)
}

// referrers reads what says of itself that it refers to the image, the newest first.
func (r *reading) referrers() (string, error) {
	index, err := remote.Referrers(r.image, r.manifests...)
	if err != nil {
		return "", err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	all := list.Manifests
	slices.SortStableFunc(all, func(a, b v1.Descriptor) int {
		return cmp.Or(cmp.Compare(rank(a.ArtifactType), rank(b.ArtifactType)), strings.Compare(b.Annotations[created], a.Annotations[created]))
	})
	var leftOut []string
	if len(all) > maxManifests {
		leftOut = append(leftOut, fmt.Sprintf("%d manifests refer to the image, and %d were looked at", len(all), maxManifests))
		all = all[:maxManifests]
	}
	for i := range all {
		told, err := r.manifest(r.image.Context().Digest(all[i].Digest.String()))
		if told != "" && !slices.Contains(leftOut, told) {
			leftOut = append(leftOut, told)
		}
		if err != nil {
			return strings.Join(leftOut, "; "), err
		}
	}
	return strings.Join(leftOut, "; "), nil
}

// rank has what is likely to hold a proof come first.
func rank(artifactType string) int {
	if supplychain.Reads(artifactType) || strings.HasPrefix(artifactType, "application/vnd.dev.cosign.artifact.") {
		return 0
	}
	return 1
}

// manifest reads the artifacts of one manifest, the last first: cosign puts what is new at the end.
func (r *reading) manifest(ref name.Reference) (string, error) {
	descriptor, err := remote.Get(ref, r.manifests...)
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var manifest v1.Manifest
	if json.Unmarshal(descriptor.Manifest, &manifest) != nil {
		return "a manifest cannot be read", nil
	}
	told := ""
	for i := range slices.Backward(manifest.Layers) {
		layer := &manifest.Layers[i]
		said := identity(layer)
		if !supplychain.Reads(string(layer.MediaType)) || r.seen[said] {
			continue
		}
		switch {
		case len(r.seen) == maxArtifacts:
			return fmt.Sprintf("there are more artifacts than %d, and no more were looked at", maxArtifacts), nil
		case layer.Size > supplychain.MaxArtifact || layer.Size > r.left:
			told = fmt.Sprintf("one has %d bytes, which is more than is read", layer.Size)
			continue
		}
		r.seen[said] = true
		if err := r.artifact(layer); err != nil {
			return told, err
		}
	}
	return told, nil
}

// identity tells an artifact from others: by its content, and by what stands of its signature beside that.
func identity(layer *v1.Descriptor) string {
	said := sha256.New()
	for _, part := range []string{
		supplychain.SignatureAnnotation, supplychain.CertificateAnnotation, supplychain.LoggedAnnotation, supplychain.StampedAnnotation,
	} {
		_, _ = fmt.Fprintf(said, "%q", layer.Annotations[part]) // a hash takes all
	}
	return layer.Digest.String() + string(said.Sum(nil))
}

// artifact reads one artifact, and hands it on.
func (r *reading) artifact(layer *v1.Descriptor) error {
	content, done, err := r.read(r.ctx, r.image.Context().Digest(layer.Digest.String()), max(layer.Size, 0)+1, r.options)
	defer done()
	switch {
	case err != nil:
		return err
	case int64(len(content)) != layer.Size:
		return errors.New("an artifact is not as large as its manifest says")
	}
	r.left -= layer.Size
	r.look(&supplychain.Artifact{
		Digest: layer.Digest.String(), MediaType: string(layer.MediaType), Content: content, Signature: layer.Annotations[supplychain.SignatureAnnotation],
		Certificate: layer.Annotations[supplychain.CertificateAnnotation], Logged: layer.Annotations[supplychain.LoggedAnnotation],
		Stamped: layer.Annotations[supplychain.StampedAnnotation],
	})
	return nil
}
