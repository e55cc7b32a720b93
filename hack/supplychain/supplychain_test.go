// Package supplychain_test has the real cosign, Syft and Grype run the scripts of the standard stages against a registry, and what they
// leave there judged as the manager does.
package supplychain_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/pipeline"
	towpathregistry "github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/fetch"
)

const (
	// cycloneDX is the other format of an SBOM.
	cycloneDX = "SBOM_FORMAT=cyclonedx-json"
	// required is set where the tests must not be skipped: make test-supplychain does.
	required = "TOWPATH_SUPPLYCHAIN_REQUIRED"
	// bundles and tags are how cosign puts what it makes beside an image: by itself, and as it did before its third version.
	bundles = "--use-signing-config=false --tlog-upload=false"
	tags    = bundles + " --new-bundle-format=false"
	// leaky and meek are what the database of vulnerabilities says of the package in the image.
	leaky, meek = "GHSA-aaaa-bbbb-cccc", "GHSA-dddd-eeee-ffff"
	commit      = "3f2c1a9d0b7e4f5a6b7c8d9e0f1a2b3c4d5e6f70"
)

// workshop has the tools, a registry with an image, and a pair of keys that cosign has made.
type workshop struct {
	t                       *testing.T
	bin, home               string
	repository, image       string
	private, public, secret string
	source                  *fetch.Source
	// sources are what stages find where they run; buildkit is the address of the buildkitd.
	sources, buildkit string
	// locked says that the registry answers ci alone.
	locked atomic.Bool
}

// tools is the folder of them.
func tools(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"cosign", "syft", "grype", "grype-vulndb", "buildctl", "buildkitd"} {
		if _, err := os.Stat(filepath.Join(bin, tool)); err != nil {
			if os.Getenv(required) != "" {
				t.Fatal(err)
			}
			t.Skip("the tools are not here: make test-supplychain builds them, and runs this")
		}
	}
	return bin
}

// open makes a workshop, whose registry knows of OCI's referrers or does not, and whose key has a password.
func open(t *testing.T, referrers bool, password string) *workshop {
	t.Helper()
	w := &workshop{t: t, bin: tools(t), home: t.TempDir(), secret: password}
	images := registry.New(registry.WithReferrersSupport(referrers), registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); w.locked.Load() && (user != "ci" || password != "hunter2") {
			out.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(out, "no", http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	w.repository = host + "/shop/checkout"
	w.push()
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	w.source = fetch.New(towpathregistry.New(towpathregistry.Options{Rules: rules}))
	keys := t.TempDir()
	if out, err := w.tool(keys, "cosign", "generate-key-pair").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.private, w.public = read(t, filepath.Join(keys, "cosign.key")), read(t, filepath.Join(keys, "cosign.pub"))
	return w
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // a folder of the test
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// environment are variables that let nothing out of this machine.
func (w *workshop) environment(home string) []string {
	return []string{
		"PATH=" + w.bin + ":/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + home, "COSIGN_PASSWORD=" + w.secret, "HTTPS_PROXY=http://127.0.0.1:1",
		"GRYPE_DB_AUTO_UPDATE=false", "GRYPE_DB_CACHE_DIR=" + filepath.Join(w.home, "db"), "GRYPE_CHECK_FOR_APP_UPDATE=false", "SYFT_CHECK_FOR_APP_UPDATE=false",
	}
}

func (w *workshop) tool(folder, tool string, args ...string) *exec.Cmd {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), filepath.Join(w.bin, tool), args...) //nolint:gosec // a tool of the test
	command.Dir, command.Env = folder, w.environment(w.home)
	return command
}

// push pushes an image with a package of npm that has vulnerabilities.
func (w *workshop) push() {
	w.t.Helper()
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	for path, content := range map[string]string{
		"etc/os-release":                      "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian\"\n",
		"app/node_modules/leaky/package.json": `{"name":"leaky","version":"1.0.0","license":"MIT"}`,
	} {
		if err := files.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(content))}); err != nil {
			w.t.Fatal(err)
		}
		if _, err := files.Write([]byte(content)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		w.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		w.t.Fatal(err)
	}
	if image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: rootFS(w.t, image)}); err != nil {
		w.t.Fatal(err)
	}
	ref, err := name.ParseReference(w.repository + ":" + commit)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		w.t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	w.image = w.repository + "@" + digest.String()
}

func rootFS(t *testing.T, image v1.Image) v1.RootFS {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config.RootFS
}

// knows gives Grype its database.
func (w *workshop) knows() {
	w.t.Helper()
	made := w.t.TempDir()
	if out, err := w.tool(made, "grype-vulndb", made).CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	if out, err := w.tool(made, "grype", "db", "import", filepath.Join(made, "vulnerability.db")).CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
}

// withoutKey takes the key from the variables of a stage: stages refuse one that is set and empty.
const withoutKey = "COSIGN_PRIVATE_KEY="

// run runs the script of a standard stage as an engine does, with further variables, and tells what it reports and prints.
func (w *workshop) run(standard platformv1alpha1.StandardStage, variables ...string) (reported, printed string, err error) {
	w.t.Helper()
	compiled, errs := pipeline.Compile(&platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{{Name: "it", Standard: standard, Image: "tool:1"}}}, nil, nil)
	if len(errs) > 0 {
		w.t.Fatal(errs)
	}
	plan, err := compiled.Plan(pipeline.Input{
		Image: w.repository, Build: pipeline.Build{SHA: commit}, Standard: pipeline.Standard{Buildkitd: cmp.Or(w.buildkit, "tcp://127.0.0.1:1")},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	home, sources := w.t.TempDir(), cmp.Or(w.sources, w.t.TempDir())
	result := filepath.Join(home, "result")
	command := exec.CommandContext(w.t.Context(), "/bin/sh", "-e", "-c", plan.Steps[0].Script) //nolint:gosec // the script of the stage
	command.Dir = sources
	command.Env = append(w.environment(home), "TOWPATH_RESULT="+result, "TOWPATH_BUILT_IMAGE="+w.image, "COSIGN_PRIVATE_KEY="+w.private)
	for _, e := range plan.Steps[0].Env {
		command.Env = append(command.Env, e.Name+"="+e.Value)
	}
	command.Env = append(command.Env, variables...)
	if slices.Contains(variables, withoutKey) {
		command.Env = slices.DeleteFunc(command.Env, func(one string) bool { return strings.HasPrefix(one, withoutKey) })
	}
	out, err := command.CombinedOutput()
	if written, readErr := os.ReadFile(result); readErr == nil { //nolint:gosec // a folder of the test
		reported = string(written)
	}
	if standard == platformv1alpha1.StageSBOM && err == nil {
		sbom := "sbom.spdx.json"
		if slices.Contains(variables, cycloneDX) {
			sbom = "sbom.cdx.json"
		}
		if !strings.Contains(read(w.t, filepath.Join(sources, sbom)), "leaky") {
			w.t.Errorf("%s does not list the package", sbom)
		}
	}
	return reported, string(out), err
}

// must runs one that has to succeed, and report a digest where there is one to report.
func (w *workshop) must(standard platformv1alpha1.StandardStage, variables ...string) string {
	w.t.Helper()
	reported, printed, err := w.run(standard, variables...)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", standard, err, printed)
	}
	return reported
}

// class asks for proofs by the key.
func (w *workshop) class(proofs ...platformv1alpha1.RequiredProof) *platformv1alpha1.SupplyChain {
	return &platformv1alpha1.SupplyChain{Keys: []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: w.public}}, Proofs: proofs}
}

// judge fetches what is beside the image, and judges it.
func (w *workshop) judge(class *platformv1alpha1.SupplyChain) ([]supplychain.Proof, []supplychain.Missing) {
	w.t.Helper()
	var e supplychain.Evidence
	by, digest := supplychain.SignersOf(class, nil), supplychain.Digest(w.image)
	leftOut, err := w.source.Fetch(context.WithoutCancel(w.t.Context()), w.image, func(a *supplychain.Artifact) { e.Look(a, digest, by) })
	if err != nil || len(leftOut) > 0 {
		w.t.Fatalf("%v, left out %v", err, leftOut)
	}
	return supplychain.Judge(class, &e, time.Now(), false)
}

func TestStages_ProveWhatAClassAsks(t *testing.T) {
	for _, c := range []struct {
		name, flags string
		referrers   bool
		password    string
	}{
		{"bundles, with referrers", bundles, true, "s3cr3t"},
		{"bundles, without referrers", bundles, false, ""},
		{"tags, with referrers", tags, true, ""},
		{"tags, without referrers", tags, false, "s3cr3t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t, c.referrers, c.password)
			w.knows()
			flags := []string{"COSIGN_FLAGS=" + c.flags}
			if c.flags == bundles {
				flags = nil // it is what the stages do by themselves
			}
			types := map[platformv1alpha1.ProofType]platformv1alpha1.StandardStage{
				platformv1alpha1.ProofSignature: platformv1alpha1.StageSign, platformv1alpha1.ProofSBOM: platformv1alpha1.StageSBOM,
				platformv1alpha1.ProofProvenance: platformv1alpha1.StageProvenance, platformv1alpha1.ProofScan: platformv1alpha1.StageScan,
			}
			class := w.class()
			for kind := range types {
				class.Proofs = append(class.Proofs, platformv1alpha1.RequiredProof{Type: kind})
			}
			if _, missing := w.judge(class); len(missing) != len(types) {
				t.Fatalf("of an image with nothing beside it there lacks only %v", missing)
			}
			reported := map[platformv1alpha1.ProofType]string{}
			for kind, stage := range types {
				variables := append(slices.Clone(flags), "SCAN_FAIL_ON=critical")
				if c.password != "" {
					variables = append(variables, cycloneDX)
				}
				reported[kind] = w.must(stage, variables...)
			}
			proofs, missing := w.judge(class)
			if len(missing) > 0 || len(proofs) != len(types) {
				t.Fatalf("it lacks %v", missing)
			}
			for _, p := range proofs {
				if !slices.Equal(p.Keys, []string{"ci"}) {
					t.Errorf("%s is by %v", p.Type, p.Keys)
				}
				if got := reported[p.Type]; c.flags == bundles && got != p.Artifact || c.flags == tags && got != "" {
					t.Errorf("the stage reports %q of %s, and it is %s", got, p.Type, p.Artifact)
				}
			}
			other := open(t, true, "")
			class.Keys[0].PublicKey = other.public
			if _, missing := w.judge(class); len(missing) != len(types) || !strings.Contains(missing[0].Why, "by no key of the class") {
				t.Errorf("by another key there lacks only %v", missing)
			}
		})
	}
}

func TestStages_WithCredentials(t *testing.T) {
	w := open(t, true, "")
	w.knows()
	w.locked.Store(true)
	host, _, _ := strings.Cut(w.repository, "/")
	credentials := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ci:hunter2")))
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(credentials), 0o600); err != nil {
		t.Fatal(err)
	}
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	w.source = fetch.New(towpathregistry.New(towpathregistry.Options{Rules: rules, CredentialsFile: file}))
	class := w.class()
	for kind, stage := range map[platformv1alpha1.ProofType]platformv1alpha1.StandardStage{
		platformv1alpha1.ProofSignature: platformv1alpha1.StageSign, platformv1alpha1.ProofSBOM: platformv1alpha1.StageSBOM, platformv1alpha1.ProofScan: platformv1alpha1.StageScan,
	} {
		class.Proofs = append(class.Proofs, platformv1alpha1.RequiredProof{Type: kind})
		if _, printed, err := w.run(stage, "SCAN_FAIL_ON=critical"); err == nil || strings.Contains(printed, "hunter2") {
			t.Errorf("%s without credentials: %v\n%s", stage, err, printed)
		}
		if _, printed, err := w.run(stage, "SCAN_FAIL_ON=critical", "DOCKER_AUTH_CONFIG="+credentials); err != nil || strings.Contains(printed, "hunter2") {
			t.Errorf("%s: %v\n%s", stage, err, printed)
		}
	}
	if _, missing := w.judge(class); len(missing) > 0 {
		t.Errorf("it lacks %v", missing)
	}
}

func TestStages_WithoutAKey(t *testing.T) {
	w := open(t, true, "")
	w.knows()
	for _, stage := range []platformv1alpha1.StandardStage{platformv1alpha1.StageSBOM, platformv1alpha1.StageScan} {
		if got := w.must(stage, withoutKey, "SCAN_FAIL_ON=critical"); got != "" {
			t.Errorf("%s attests %s", stage, got)
		}
	}
	// Who signs without a key shows who they are to services on the network.
	if _, printed, err := w.run(platformv1alpha1.StageSign, withoutKey); err == nil || strings.Contains(printed, "unknown flag") {
		t.Errorf("%v: %s", err, printed)
	}
}

func TestScan_FailsOnWhatItFinds(t *testing.T) {
	w := open(t, true, "")
	w.knows()
	scan := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan}
	for name, c := range map[string]struct {
		variables []string
		want      string // in what it prints; it fails where that is not empty
	}{
		"something high":             {nil, leaky},
		"something high, now":        {[]string{"SCAN_IGNORE=" + leaky + "=2020-01-01"}, "is not ignored any more since 2020-01-01"},
		"no date":                    {[]string{"SCAN_IGNORE=" + leaky}, "must be a vulnerability and the date"},
		"no vulnerability":           {[]string{"SCAN_IGNORE=*=2099-01-01"}, "must be a vulnerability and the date"},
		"something low":              {[]string{"SCAN_FAIL_ON=low", "SCAN_IGNORE=" + leaky + "=2099-01-01"}, meek},
		"another severity":           {[]string{"SCAN_FAIL_ON=terrible"}, "terrible"},
		"nothing that it may not":    {[]string{"SCAN_FAIL_ON=critical", withoutKey}, ""},
		"nothing that is not passed": {[]string{"SCAN_IGNORE=" + leaky + "=2099-01-01", withoutKey}, ""},
	} {
		_, printed, err := w.run(platformv1alpha1.StageScan, c.variables...)
		if (err == nil) != (c.want == "") || !strings.Contains(printed, c.want) {
			t.Errorf("%s: %v\n%s", name, err, printed)
		}
	}
	if _, missing := w.judge(w.class(scan)); len(missing) != 1 || missing[0].Why != "there is none" {
		t.Errorf("what failed is attested: it lacks %v", missing)
	}
}

func TestGate_KeepsOutWhatAScanFound(t *testing.T) {
	w := open(t, true, "")
	w.knows()
	scan := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityMedium}
	lacks := func(want string) {
		t.Helper()
		_, missing := w.judge(w.class(scan))
		if want == "" && len(missing) > 0 || want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, want)) {
			t.Errorf("it lacks %v, want %q", missing, want)
		}
	}
	// What the pipeline ignores the class does not.
	w.must(platformv1alpha1.StageScan, "SCAN_IGNORE="+leaky+"=2099-01-01")
	lacks("found High " + leaky + " in leaky 1.0.0, and may find nothing worse than Medium")
	scan.Ignore = []platformv1alpha1.IgnoredVulnerability{{Vulnerability: leaky, Expires: "2099-01-01"}}
	lacks("")
	scan.MaxSeverity = platformv1alpha1.SeverityNegligible
	lacks("found Low " + meek + " in leaky 1.0.0")
	scan.MaxSeverity, scan.Ignore = platformv1alpha1.SeverityHigh, nil
	lacks("")
}

// buildkitd needs rights of root, to mount what it builds, and runc beside, though nothing is run: the image is of one file.
func TestImage_IsPushedWithItsDigest(t *testing.T) {
	w := open(t, true, "")
	if _, err := exec.LookPath("runc"); err != nil || os.Getuid() != 0 {
		t.Skipf("buildkitd needs to be root, and runc: %v", err)
	}
	address := w.buildkitd()
	sources := t.TempDir()
	for name, content := range map[string]string{"Dockerfile": "FROM scratch\nCOPY hello /hello\n", "hello": "hello"} {
		if err := os.WriteFile(filepath.Join(sources, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.sources, w.buildkit = sources, address
	reported := w.must(platformv1alpha1.StageImage)
	if got, ok := pipeline.ReadResult(reported, w.repository); !ok || strings.TrimSpace(reported) != reported {
		t.Fatalf("it reports %q: %s", reported, got)
	}
	tag, err := name.NewTag(w.repository + ":" + commit)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Head(tag)
	if err != nil || pushed.Digest.String() != reported {
		t.Fatalf("the registry has %v, %v, and the stage reports %s", pushed, err, reported)
	}
	w.image = w.repository + "@" + reported
	w.sources = ""
	signature := w.must(platformv1alpha1.StageSign)
	proofs, missing := w.judge(w.class(platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature}))
	if len(missing) > 0 || proofs[0].Artifact != signature {
		t.Errorf("what was built and signed lacks %v, %v", missing, proofs)
	}
}

// buildkitd starts one, which may push to the registry without TLS, and returns its address.
func (w *workshop) buildkitd() string {
	w.t.Helper()
	folder := w.t.TempDir()
	host, _, _ := strings.Cut(w.repository, "/")
	if err := os.WriteFile(filepath.Join(folder, "buildkitd.toml"), []byte("[registry.\""+host+"\"]\n  http = true\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	address := "unix://" + filepath.Join(folder, "socket")
	daemon := w.tool(folder, "buildkitd", "--root", filepath.Join(folder, "root"), "--addr", address, "--config", filepath.Join(folder, "buildkitd.toml"),
		"--oci-worker-snapshotter", "native", "--containerd-worker=false", "--otel-socket-path", filepath.Join(folder, "otel"))
	daemon.Env = append(daemon.Env, "PATH="+w.bin+":"+os.Getenv("PATH"))
	var printed bytes.Buffer
	daemon.Stdout, daemon.Stderr = &printed, &printed
	daemon.Cancel = func() error { return daemon.Process.Signal(os.Interrupt) }
	if err := daemon.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = daemon.Process.Signal(os.Interrupt)
		_ = daemon.Wait() // it says that it was interrupted
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		out, err := w.tool(folder, "buildctl", "--addr", address, "debug", "workers").CombinedOutput()
		if err == nil {
			return address
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("buildkitd does not answer: %v: %s\n%s", err, out, printed.String())
		}
	}
}
