// Command image makes the manager's image for several platforms, from binaries that are there: with no daemon, no base
// image and no network. The Dockerfile makes the same image, for one who has these; a test compares what both say of it.
//
//	image -binaries bin/image -version v1.2.3 -revision 0a1b2c… -created 2026-01-02T03:04:05Z -out build/image
//
// It writes an OCI layout, the same as one file, and its digest, and pushes where -push names a repository and a tag. The
// same binaries, version, revision and date give the same digest.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// options are what the flags say.
type options struct {
	about
	binaries, created, out, push string
	platforms                    []string
	limit                        int64
}

func main() {
	var o options
	flag.StringVar(&o.binaries, "binaries", "bin/image", "folder with OS-ARCH/manager and OS-ARCH/licenses for each platform")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64", "what to make the image for")
	flag.StringVar(&o.Version, "version", "dev", "version of the manager")
	flag.StringVar(&o.Revision, "revision", "unknown", "commit that the manager was built of")
	flag.StringVar(&o.created, "created", "", "date of that commit, in RFC 3339")
	flag.StringVar(&o.out, "out", "build/image", "folder to write to; what is there goes")
	flag.StringVar(&o.push, "push", "", "repository and tag to push to, such as registry.example/towpath/manager:v1.2.3")
	flag.Int64Var(&o.limit, "limit", 40_000_000, "how many bytes a node may have to pull")
	flag.Parse()
	o.platforms = strings.Split(*platforms, ",")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, log.New(os.Stdout, "", 0))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out *log.Logger) error {
	created, err := time.Parse(time.RFC3339, o.created)
	if err != nil {
		return fmt.Errorf("the date of the commit: %w", err)
	}
	o.Created = created.UTC()

	var images []v1.Image
	for _, platform := range o.platforms {
		image, err := build(o.about, o.binaries, platform)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		size, err := pulled(image)
		if err != nil {
			return err
		}
		if size > o.limit {
			return fmt.Errorf("%s: a node has to pull %d bytes, and %d are allowed", platform, size, o.limit)
		}
		digest, err := image.Digest()
		if err != nil {
			return err
		}
		out.Printf("%s %s %d bytes compressed", platform, digest, size)
		images = append(images, image)
	}
	index, err := indexOf(o.about, images)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	if err := write(index, o.about, o.out); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "digest"), []byte(digest.String()+"\n"), 0o644); err != nil { //nolint:gosec // public
		return err
	}
	if o.push != "" {
		reference, err := name.NewTag(o.push, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("-push: %w", err)
		}
		if err := remote.WriteIndex(reference, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("pushing to %s: %w", reference, err)
		}
		out.Printf("pushed %s@%s", reference.Name(), digest)
	}
	out.Println(digest)
	return nil
}
