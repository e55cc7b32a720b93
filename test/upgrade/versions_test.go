package upgrade_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/test/framework"
)

// root is the repository's folder.
var root = filepath.Join("..", "..")

// versions are those from which an upgrade must work, oldest first.
func versions() []framework.Version {
	all, err := framework.ReadVersions("versions")
	if err != nil {
		panic(err) // while the tree of specs is built, nothing else can be done
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
// commit, the spec is skipped, or fails.
func built(ctx context.Context, v framework.Version) release {
	GinkgoHelper()
	v.SkipIfMissing(ctx)
	folder, err := filepath.Abs(filepath.Join(root, "bin", "_upgrade", v.Commit))
	Expect(err).NotTo(HaveOccurred())
	r := release{name: v.Name, manager: filepath.Join(folder, "manager"), manifests: config.ManifestsIn(os.DirFS(filepath.Join(folder, "config")))}
	if _, err := os.Stat(r.manager); errors.Is(err, os.ErrNotExist) {
		build(ctx, v, folder)
	}
	return r
}

// build makes the folder of a version: its binary, and its manifests. The worktree is gone afterwards.
func build(ctx context.Context, v framework.Version, folder string) {
	GinkgoHelper()
	tree := filepath.Join(folder, "tree")
	Expect(os.RemoveAll(folder)).To(Succeed())
	remove, err := v.CheckOut(ctx, tree)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(remove()).To(Succeed()) }()
	binary := filepath.Join(folder, "manager")
	compile(ctx, tree, binary+".new")
	Expect(os.Rename(filepath.Join(tree, "config"), filepath.Join(folder, "config"))).To(Succeed())
	Expect(os.Rename(binary+".new", binary)).To(Succeed(), "last of all: it says that the folder is whole")
}

// kindsOf are the kinds that a version has, by their plurals. They are read without building it.
func kindsOf(ctx context.Context, v framework.Version) []string {
	GinkgoHelper()
	v.SkipIfMissing(ctx)
	cmd := exec.CommandContext(ctx, "git", "ls-tree", "--name-only", v.Commit, "config/crd/bases/")
	cmd.Dir = root
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred())
	var all []string
	for path := range strings.FieldsSeq(string(out)) {
		_, plural, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".yaml"), "_")
		all = append(all, plural)
	}
	return all
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
