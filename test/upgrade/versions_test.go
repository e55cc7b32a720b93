package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/config"
)

// root is the repository's folder.
var root = filepath.Join("..", "..")

// version is a line of the file versions.
type version struct{ name, commit string }

// versions are those from which an upgrade must work, oldest first.
func versions() []version {
	data, err := os.ReadFile("versions")
	if err != nil {
		panic(err) // while the tree of specs is built, nothing else can be done
	}
	var all []version
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 || len(fields[1]) != 40 {
			panic(fmt.Sprintf("versions: %q must be a name and a full commit", line))
		}
		all = append(all, version{name: fields[0], commit: fields[1]})
	}
	return all
}

// release is what an installation is made of.
type release struct {
	name      string
	manifests config.Manifests
	// manager is the path of the binary.
	manager string
}

// built is the release of a version, whose manager is built unless that was done before. Where the clone does not have the
// commit, the spec is skipped.
func built(ctx context.Context, v version) release {
	GinkgoHelper()
	if out, err := git(ctx, "cat-file", "-e", v.commit+"^{commit}"); err != nil {
		Skip(fmt.Sprintf("%s cannot be built, since this clone does not have its commit %s (a shallow clone?): git fetch --unshallow; %s", v.name, v.commit, out))
	}
	folder, err := filepath.Abs(filepath.Join(root, "bin", "_upgrade", v.commit))
	Expect(err).NotTo(HaveOccurred())
	r := release{name: v.name, manager: filepath.Join(folder, "manager"), manifests: config.ManifestsIn(os.DirFS(filepath.Join(folder, "config")))}
	if _, err := os.Stat(r.manager); errors.Is(err, os.ErrNotExist) {
		build(ctx, v, folder)
	}
	return r
}

// build makes the folder of a version: its binary, and its manifests. The worktree is gone afterwards.
func build(ctx context.Context, v version, folder string) {
	GinkgoHelper()
	tree := filepath.Join(folder, "tree")
	Expect(os.RemoveAll(folder)).To(Succeed())
	// Forced, since a worktree that somebody removed by hand is known to git still.
	out, err := git(ctx, "worktree", "add", "--force", "--detach", tree, v.commit)
	Expect(err).NotTo(HaveOccurred(), out)
	defer func() {
		out, err := git(context.WithoutCancel(ctx), "worktree", "remove", "--force", tree)
		Expect(err).NotTo(HaveOccurred(), out)
	}()
	binary := filepath.Join(folder, "manager")
	compile(ctx, tree, binary+".new")
	Expect(os.Rename(filepath.Join(tree, "config"), filepath.Join(folder, "config"))).To(Succeed())
	Expect(os.Rename(binary+".new", binary)).To(Succeed(), "last of all: it says that the folder is whole")
}

// buildPresent builds the manager of this checkout.
func buildPresent(ctx context.Context) string {
	GinkgoHelper()
	binary := filepath.Join(GinkgoT().TempDir(), "manager")
	compile(ctx, root, binary)
	return binary
}

func compile(ctx context.Context, tree, binary string) {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "./cmd/manager")
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

func git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}
