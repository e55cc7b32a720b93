package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/config"
)

// What new makes passes lint as a stranger would call it, on every golden path of the catalogue, and renders.
func TestNewPassesLintOnEveryGoldenPath(t *testing.T) {
	for _, object := range config.Catalog() {
		name := object.GetName()
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "hello")
			if got := towpath(t, nil, "new", name, "hello", "-n", "team-shop", "-e", "dev,prod", "-o", dir); got.code != exitOK {
				t.Fatalf("got %+v", got)
			}
			file := filepath.Join(dir, "component.yaml")
			if got := towpath(t, nil, "lint", "--strict", file); got.code != exitOK || !strings.HasPrefix(got.err, "1 document, 0 errors, 0 warnings") {
				t.Errorf("lint: %+v", got)
			}
			if got := towpath(t, nil, "render", "-f", file); got.code != exitOK || !strings.Contains(got.out, "environment prod") {
				t.Errorf("render: %+v", got)
			}
			info := read(t, filepath.Join(dir, "catalog-info.yaml"))
			if want := map[string]string{"postgres": "kind: Resource\n", "static-site": "type: website\n"}[name]; !strings.Contains(info, want) || !strings.Contains(info, "owner: group:default/shop\n") {
				t.Errorf("catalog-info.yaml:\n%s", info)
			}
			if _, err := os.Stat(filepath.Join(dir, "main.go")); (err == nil) != (name != "postgres") {
				t.Errorf("main.go: %v", err)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// offlineGo runs the go command without a network or a workspace: the skeleton needs neither.
func offlineGo(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOTOOLCHAIN=local")
	return cmd
}

func TestTheServiceBuildsServesAndStops(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	if got := towpath(t, nil, "new", "web-service", "hello", "-o", dir); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"build", "-o", "hello", "."}} {
		if out, err := offlineGo(t.Context(), dir, args...).CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	service := exec.CommandContext(t.Context(), filepath.Join(dir, "hello"))
	service.Env = append(os.Environ(), "PORT=0")
	out, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Address string }
	if err := json.Unmarshal(first, &said); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(said.Address)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	for _, path := range []string{"healthz", "livez", "readyz", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("GET /%s: %d", path, answer.StatusCode)
		}
	}
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.Contains(string(rest), `"stopped"`) {
		t.Errorf("got %s, %v", rest, err)
	}
	if err := service.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

func TestTheJobBuildsAndEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "report")
	if got := towpath(t, nil, "new", "scheduled-job", "report", "--set", "schedule=@daily", "-o", dir); got.code != exitOK || strings.Contains(got.err, "examples") {
		t.Fatalf("got %+v", got)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"run", "."}} {
		if out, err := offlineGo(t.Context(), dir, args...).CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
}

func TestNewShowsTheTreeAndWritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	got := towpath(t, nil, "new", "postgres", "db", "-n", "team-shop", "-o", dir, "--dry-run")
	expect(t, got, exitOK, dir+`/
  .github/
    workflows/
      component-lint.yaml
  .pre-commit-config.yaml
  README.md
  catalog-info.yaml
  component.yaml
`, `
note: no source and no Dockerfile: postgres runs what others wrote; --language go makes them
note: not told, so to be changed in component.yaml: the image (--image)
nothing was written
`)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it wrote: %v", err)
	}
}

// listed is what is in a folder.
func listed(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNewWritesOverNothing(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"a file": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "hello", "README.md"), "mine")
			put(t, filepath.Join(dir, "hello", "Dockerfile"), "mine")
		}, "has Dockerfile, README.md already; nothing was written"},
		"a link as a file": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "hello", "x"), "")
			link(t, "/nowhere", filepath.Join(dir, "hello", "main.go"))
		}, "has main.go already"},
		"a link as the folder": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "other", "x"), "")
			link(t, filepath.Join(dir, "other"), filepath.Join(dir, "hello"))
		}, "is a symbolic link; nothing was written"},
		"a link as a folder below": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "other", "x"), "")
			put(t, filepath.Join(dir, "hello", "x"), "")
			link(t, "../other", filepath.Join(dir, "hello", ".github"))
		}, ".github must be a folder and no symbolic link"},
		"a file as a folder below": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "hello", ".github"), "mine")
		}, ".github must be a folder"},
		"a file as the folder": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "hello"), "mine") }, "is no folder"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			test.prepare(t, dir)
			before := listed(t, dir)
			for _, dry := range [][]string{{"--dry-run"}, nil} {
				got := towpath(t, nil, append([]string{"new", "web-service", "hello", "-o", filepath.Join(dir, "hello")}, dry...)...)
				if got.code != exitTrouble || !strings.Contains(got.err, test.want) {
					t.Errorf("got %+v", got)
				}
			}
			if after := listed(t, dir); !slices.Equal(before, after) {
				t.Errorf("before %v, after %v", before, after)
			}
		})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// A repository that was just cloned has files of its own.
func TestNewWritesBesideWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, ".git", "HEAD"), "ref")
	put(t, filepath.Join(dir, ".github", "CODEOWNERS"), "* @shop")
	if got := towpath(t, nil, "new", "web-service", "hello", "-o", dir); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	if read(t, filepath.Join(dir, ".github", "CODEOWNERS")) != "* @shop" || !strings.Contains(read(t, filepath.Join(dir, "go.mod")), "module example.com/unknown/hello\n") {
		t.Error("files are not what they should be")
	}
}

func TestNewLeavesNothingWhereItCannotWrite(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".github"), 0o500); err != nil {
		t.Fatal(err)
	}
	if got := towpath(t, nil, "new", "web-service", "hello", "-o", dir); got.code != exitTrouble {
		t.Fatalf("got %+v", got)
	}
	if left := listed(t, dir); len(left) != 2 {
		t.Errorf("it left %v", left)
	}
}

func TestNewRefusesWhatTheGoldenPathRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	for line, want := range map[string][2]string{
		"new web-service hello --set port=99999":             {"component hello would not be in order", "next: set what that names with --set PATH=VALUE"},
		"new scheduled-job hello --set schedule=never":       {"component hello would not be in order", "next: set what that names"},
		"new web-service hello --set prot=1":                 {"component hello would not be in order", ""},
		"new web-service hello --set port":                   {"must be a parameter, an equals sign and a value", "next: towpath new --help"},
		"new web-servce hello":                               {`no golden path is called "web-servce"; there are postgres, scheduled-job`, "next: name one of them"},
		"new web-service Hello":                              {`the name "Hello"`, "next: towpath new --help"},
		"new web-service ../hello":                           {`the name "../hello"`, "next: towpath new --help"},
		"new ../../etc/passwd hello":                         {`no golden path is called "../../etc/passwd"`, ""},
		"new web-service hello -e Dev":                       {`--environment "Dev"`, ""},
		"new web-service hello --language rust":              {`--language "rust": must be one of [go none]`, ""},
		"new web-service hello --action actions/checkout@v4": {"must be owner/repository@ and the commit", ""},
		"new web-service hello -f testdata --from-cluster":   {"only one of them can tell the golden path", ""},
		"new web-service":                                    {"accepts 2 arg(s)", "next: towpath new --help"},
	} {
		got := towpath(t, nil, append(strings.Fields(line), "-o", dir)...)
		if got.code == exitOK || !strings.Contains(got.err, want[0]) || !strings.Contains(got.err, want[1]) || strings.Count(got.err, "next: ") != 1 {
			t.Errorf("%s: got %+v", line, got)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s wrote", line)
		}
	}
}

// ownTemplate is a golden path that does not ship with Towpath, and requires what nobody can guess.
func ownTemplate() *platformv1alpha1.ServiceTemplate {
	return &platformv1alpha1.ServiceTemplate{
		TypeMeta:   metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "ServiceTemplate"},
		ObjectMeta: metav1.ObjectMeta{Name: "our-service", Annotations: map[string]string{platformv1alpha1.AnnotationCatalogType: "api", "someone.else/x": "y"}},
		Spec: platformv1alpha1.ServiceTemplateSpec{
			Summary:    "Ours.",
			Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"type":"object","required":["code"],"properties":{"code":{"type":"string","maxLength":5,"pattern":"^[A-Z]{5}$"}}}`)},
			Resources: []platformv1alpha1.ResourceTemplate{{ID: "settings", Object: apiextensionsv1.JSON{Raw: []byte(
				`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${component.name}"},"data":{"code":"${params.code}","count":"${string(size(component.env))}"}}`)}}},
		},
	}
}

func TestNewTakesAGoldenPathOfTheCluster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	objects := []client.Object{ownTemplate()}
	got := towpath(t, objects, "new", "our-service", "hello", "--from-cluster", "-o", dir)
	if got.code != exitFindings || !strings.Contains(got.out, "spec.parameters.code") || !strings.Contains(got.err, "next: tell what the golden path requires: --set code=…\n") {
		t.Fatalf("got %+v", got)
	}
	if got := towpath(t, objects, "new", "our-service", "hello", "--from-cluster", "-o", dir, "--set", "code=ABCDE"); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	kept := filepath.Join(dir, ".towpath", "templates", "our-service.yaml")
	if text := read(t, kept); strings.Contains(text, "someone.else") || strings.Contains(text, "resourceVersion") || !strings.Contains(text, "catalog-type: api") {
		t.Errorf("the kept golden path:\n%s", text)
	}
	// As the hook and the job call it.
	if got := towpath(t, nil, "lint", "--templates", filepath.Join(dir, ".towpath", "templates"), filepath.Join(dir, "component.yaml")); got.code != exitOK {
		t.Errorf("lint: %+v", got)
	}
	if text := read(t, filepath.Join(dir, ".pre-commit-config.yaml")); !strings.HasSuffix(text, "    args: [--templates, .towpath/templates]\n") {
		t.Errorf("got:\n%s", text)
	}
	got = towpath(t, nil, "new", "our-service", "hello", "--from-cluster", "-o", dir)
	expect(t, got, exitFindings, "", `
towpath: the cluster has no ServiceTemplate "our-service"
next: kubectl get servicetemplates
`)
}

// A golden path of the catalogue that runs in the cluster as it ships needs no file in the repository.
func TestNewKeepsNoCopyOfWhatShips(t *testing.T) {
	var shipped client.Object
	for _, object := range config.Catalog() {
		if object.GetName() == "web-service" {
			shipped = object
		}
	}
	dir := filepath.Join(t.TempDir(), "hello")
	if got := towpath(t, []client.Object{shipped}, "new", "web-service", "hello", "--from-cluster", "-o", dir); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, ".towpath")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it kept a copy")
	}
}

func TestNewTakesAGoldenPathOfAFile(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "template.yaml"), `apiVersion: platform.towpath.dev/v1alpha1
kind: ServiceTemplate
metadata: {name: our-service}
spec:
  summary: Ours.
  resources:
  - id: settings
    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}"}}
`)
	got := towpath(t, nil, "new", "our-service", "hello", "-f", filepath.Join(dir, "template.yaml"), "-o", filepath.Join(dir, "hello"))
	if got.code != exitOK || !strings.Contains(got.out, "      our-service.yaml\n") {
		t.Fatalf("got %+v", got)
	}
}

// What new writes is what pipeline sync writes: a repository that was just made is in step, and lint has nothing to say of it.
func TestNewWritesTheWorkflowOfAGoldenPathWithAPipeline(t *testing.T) {
	const settings, golden = "testdata/pipeline/platform.yaml", "testdata/pipeline/template.yaml"
	dir := filepath.Join(t.TempDir(), "hello")
	args := []string{"new", "built", "hello", "-n", "team-shop", "-f", golden, "--image", "registry.example:5000/shop/hello:0.1.0", "-o", dir, "--config", settings}
	got := towpath(t, nil, args...)
	if got.code == exitOK || !strings.Contains(got.err, "name it with --repository") {
		t.Fatalf("got %+v", got)
	}
	if got = towpath(t, nil, append(args, "--repository", "https://git.example/shop/hello/")...); got.code != exitOK || !strings.Contains(got.out, "towpath-hello.yaml") {
		t.Fatalf("got %+v", got)
	}
	component := read(t, filepath.Join(dir, "component.yaml"))
	for _, want := range []string{"engine: GitHubActions\n", "repository: https://git.example/shop/hello\n", "    image: registry.example:5000/shop/hello\n"} {
		if !strings.Contains(component, want) {
			t.Errorf("component.yaml lacks %q:\n%s", want, component)
		}
	}
	if strings.Contains(component, "\n  image:") {
		t.Errorf("component.yaml names an image, which would win over what the workflow records:\n%s", component)
	}
	templates := filepath.Join(dir, ".towpath", "templates")
	if got := towpath(t, nil, "lint", "--strict", "--templates", templates, filepath.Join(dir, "component.yaml")); got.code != exitOK {
		t.Errorf("lint: %+v", got)
	}
	if got := towpath(t, nil, "pipeline", "sync", "--config", settings, "--templates", templates, "--dir", dir, "--check"); got.code != exitOK || got.out != "" {
		t.Errorf("sync --check: %+v", got)
	}
	checksTheWorkflow(t, dir)
	if text := read(t, filepath.Join(dir, "README.md")); !strings.Contains(text, "A new version is a push to `main`") || strings.Contains(text, "docker push") {
		t.Errorf("README.md:\n%s", text)
	}
}

// Each golden path that runs code, with each engine: what new writes passes lint, and what of it is generated is in step.
func TestNewHasEveryGoldenPathBuiltByEveryEngine(t *testing.T) {
	const settings = "testdata/pipeline/stages.yaml"
	for _, object := range config.Catalog() {
		name := object.GetName()
		if name == "postgres" {
			continue
		}
		for _, engine := range []string{"Jobs", "Tekton", "GitHubActions"} {
			t.Run(name+" "+engine, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "shop")
				args := []string{
					"new", name, "shop", "-n", "team-shop", "-e", "dev,prod", "--engine", engine, "--repository", "https://git.example/shop/shop",
					"--image", "registry.example/shop/shop", "-o", dir,
				}
				workflow := engine == "GitHubActions"
				if workflow {
					args = append(args, "--config", settings)
				}
				if got := towpath(t, nil, args...); got.code != exitOK || strings.Contains(got.err, "nothing is built") {
					t.Fatalf("got %+v", got)
				}
				file := filepath.Join(dir, "component.yaml")
				if text := read(t, file); !strings.Contains(text, "engine: "+engine+"\n") || strings.Contains(text, "\n  image:") {
					t.Errorf("component.yaml:\n%s", text)
				}
				for _, name := range []string{"main.go", "main_test.go", "Dockerfile", "README.md", "catalog-info.yaml"} {
					read(t, filepath.Join(dir, name))
				}
				if _, err := os.Stat(filepath.Join(dir, ".github", "workflows", "towpath-shop.yaml")); (err == nil) != workflow {
					t.Errorf("the workflow: %v", err)
				}
				if text := read(t, filepath.Join(dir, "README.md")); !strings.Contains(text, "A new version is a push to `main`") || strings.Contains(text, "the workflow builds") != workflow {
					t.Errorf("README.md:\n%s", text)
				}
				if got := towpath(t, nil, "lint", "--strict", file); got.code != exitOK {
					t.Errorf("lint: %+v", got)
				}
				if got := towpath(t, nil, "pipeline", "sync", "--config", settings, "--dir", dir, "--check"); got.code != exitOK || got.out != "" {
					t.Errorf("sync --check: %+v", got)
				}
			})
		}
	}
}

func TestNewSaysThatAGoldenPathCouldBuild(t *testing.T) {
	dir := t.TempDir()
	got := towpath(t, nil, "new", "web-service", "shop", "-o", filepath.Join(dir, "shop"))
	if got.code != exitOK || !strings.Contains(got.err, "note: web-service has a pipeline, and nothing is built by it") {
		t.Errorf("got %+v", got)
	}
	for want, args := range map[string][]string{
		"name it with --repository":                 {"--engine", "Jobs"},
		`--engine "jobs": must be one of`:           {"--engine", "jobs", "--repository", "https://git.example/shop/shop"},
		"nobody says which commits of actions":      {"--engine", "GitHubActions", "--repository", "https://git.example/shop/shop"},
		"only GitHubActions has a workflow":         {"--engine", "Tekton", "--config", "testdata/pipeline/stages.yaml", "--repository", "https://git.example/shop/shop"},
		"with which image the standard stage Image": {"--config", "testdata/pipeline/platform.yaml", "--repository", "https://git.example/shop/shop"},
	} {
		got := towpath(t, nil, append([]string{"new", "web-service", "shop", "-o", filepath.Join(dir, "not")}, args...)...)
		if got.code == exitOK || !strings.Contains(got.out+got.err, want) || strings.Count(got.err, "next: ") != 1 {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "not")); err == nil {
		t.Error("it was written all the same")
	}
}

func TestNewRefusesAWorkflowWhereThereIsNoPipeline(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	for _, flag := range [][2]string{{"--config", "testdata/pipeline/stages.yaml"}, {"--engine", "Jobs"}} {
		got := towpath(t, nil, "new", "postgres", "hello", "-o", dir, flag[0], flag[1], "--repository", "https://git.example/shop/hello")
		if got.code != exitFindings || !strings.Contains(got.err, flag[0]+": golden path postgres has no pipeline") || !strings.Contains(got.err, "next: leave "+flag[0]+" out") {
			t.Errorf("got %+v", got)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was written all the same")
	}
}

func TestNewWithoutAClusterSaysWhatToDo(t *testing.T) {
	t.Setenv("KUBECONFIG", os.DevNull)
	t.Setenv("HOME", t.TempDir())
	got := with(t, cluster.Connect, "", "towpath", "new", "web-service", "hello", "--from-cluster")
	if got.code != exitTrouble || !strings.Contains(got.err, "no cluster is configured") {
		t.Errorf("got %+v", got)
	}
}
