package scaffold_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/catalog"
	"github.com/towpath-dev/towpath/internal/scaffold"
)

// shipped reads a golden path of the catalogue.
func shipped(t *testing.T, name string) *platformv1alpha1.ServiceTemplateSpec {
	t.Helper()
	for _, object := range config.Catalog() {
		if object.GetName() == name {
			found := &platformv1alpha1.ServiceTemplate{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, found); err != nil {
				t.Fatal(err)
			}
			return &found.Spec
		}
	}
	t.Fatalf("the catalogue has no %s", name)
	return nil
}

func input(t *testing.T) *scaffold.Input {
	t.Helper()
	return &scaffold.Input{
		Template: "web-service", Spec: shipped(t, "web-service"), Name: "checkout", Namespace: "team-shop", Team: "shop",
		Image: "registry.example/shop/checkout:1", Environments: []string{"dev", "prod"}, Language: scaffold.Go,
		Module: "git.example/shop/checkout", BuildImage: "golang:1.26", RunImage: "gcr.io/distroless/static-debian12:nonroot", Version: "v0.3.1",
	}
}

func files(t *testing.T, in *scaffold.Input) map[string][]byte {
	t.Helper()
	made, err := scaffold.Files(in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestFilesAreTheSameEachTime(t *testing.T) {
	first := files(t, input(t))
	for range 10 {
		if !maps.EqualFunc(first, files(t, input(t)), bytes.Equal) {
			t.Fatal("two calls made different files")
		}
	}
	want := []string{
		".dockerignore", ".github/workflows/component-lint.yaml", ".gitignore", ".pre-commit-config.yaml", "Dockerfile", "README.md",
		"catalog-info.yaml", "component.yaml", "go.mod", "main.go", "main_test.go",
	}
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestEveryFileIsYAMLWhereItsNameSaysSo(t *testing.T) {
	in := input(t)
	in.OwnTemplate = []byte("kind: ServiceTemplate\n")
	in.Repository = "https://git.example/shop/checkout"
	for name, text := range files(t, in) {
		if bytes.Contains(text, []byte("<no value>")) || bytes.Contains(text, []byte("{{")) && !strings.HasSuffix(name, "component-lint.yaml") {
			t.Errorf("%s has holes:\n%s", name, text)
		}
		if strings.HasSuffix(name, ".yaml") {
			var value map[string]any
			if err := yaml.UnmarshalStrict(text, &value); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
}

func TestAVersionThatNobodyCanFetchIsNotPinned(t *testing.T) {
	for version, want := range map[string][2]string{
		"v0.3.1": {"  rev: v0.3.1\n", "TOWPATH_VERSION: v0.3.1\n"},
		"dev":    {"language: system", "TOWPATH_VERSION: latest\n"},
		"v1 ; x": {"language: system", "TOWPATH_VERSION: latest\n"},
	} {
		in := input(t)
		in.Version = version
		made := files(t, in)
		if !bytes.Contains(made[".pre-commit-config.yaml"], []byte(want[0])) || !bytes.Contains(made[".github/workflows/component-lint.yaml"], []byte(want[1])) {
			t.Errorf("%s:\n%s%s", version, made[".pre-commit-config.yaml"], made[".github/workflows/component-lint.yaml"])
		}
	}
}

func TestActionsComeByDigestOrNotAtAll(t *testing.T) {
	const checkout = "actions/checkout@0123456789abcdef0123456789abcdef01234567"
	in := input(t)
	if text := string(files(t, in)[".github/workflows/component-lint.yaml"]); strings.Contains(text, "uses:") {
		t.Errorf("an action that nobody gave:\n%s", text)
	}
	in.Actions = []string{checkout}
	text := string(files(t, in)[".github/workflows/component-lint.yaml"])
	if !strings.Contains(text, "    - uses: "+checkout+"\n") || strings.Contains(text, "github.token") {
		t.Errorf("got:\n%s", text)
	}
}

var update = flag.Bool("update", false, "write testdata instead of comparing it")

// The workflows of testdata are what `make lint` shows to actionlint.
func TestWorkflowsAreThoseThatActionlintChecks(t *testing.T) {
	for name, change := range map[string]func(*scaffold.Input){
		"plain.yaml": func(*scaffold.Input) {},
		"actions.yaml": func(in *scaffold.Input) {
			in.Actions = []string{"actions/checkout@0123456789abcdef0123456789abcdef01234567", "actions/setup-go@0123456789abcdef0123456789abcdef01234567"}
			in.OwnTemplate = []byte("kind: ServiceTemplate\n")
		},
		"built.yaml": func(in *scaffold.Input) {
			in.Engine, in.Repository, in.Settings = platformv1alpha1.EngineGitHubActions, "https://git.example/shop/checkout", []byte("pipeline: {}\n")
		},
	} {
		in := input(t)
		change(in)
		got, path := files(t, in)[".github/workflows/component-lint.yaml"], filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s: %v; go test ./internal/scaffold -update writes it anew; got:\n%s", path, err, got)
		}
	}
}

// Scripts of the job see what comes from an event by their environment alone.
func TestNothingOfAnEventReachesAScript(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal(files(t, input(t))[".github/workflows/component-lint.yaml"], &workflow); err != nil {
		t.Fatal(err)
	}
	for _, step := range workflow.Jobs["lint"].Steps {
		if strings.Contains(step.Run, "${{") {
			t.Errorf("a script with an expression: %s", step.Run)
		}
	}
}

func TestHostileValuesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*scaffold.Input){
		"the name":      func(in *scaffold.Input) { in.Name = "../checkout" },
		"the name \"":   func(in *scaffold.Input) { in.Name = "checkout\nRUN curl" },
		"the template":  func(in *scaffold.Input) { in.Template = "a/../../b" },
		"--namespace":   func(in *scaffold.Input) { in.Namespace = "team-shop; rm -rf ~" },
		"--team":        func(in *scaffold.Input) { in.Team = "" },
		"--image":       func(in *scaffold.Input) { in.Image = "registry.example/shop:1 $(id)" },
		"--run-image":   func(in *scaffold.Input) { in.RunImage = "scratch\nUSER root" },
		"--build-image": func(in *scaffold.Input) { in.BuildImage = "golang:1.26\nRUN id" },
		"--module":      func(in *scaffold.Input) { in.Module = "example.com/a\nreplace x => ../../" },
		"--repository":  func(in *scaffold.Input) { in.Repository = "https://user:secret@git.example/shop" },
		"--environment": func(in *scaffold.Input) { in.Environments = []string{"dev", "dev"} },
		"at least one":  func(in *scaffold.Input) { in.Environments = nil },
		"--action":      func(in *scaffold.Input) { in.Actions = []string{"actions/checkout@v4"} },
		"uses no other": func(in *scaffold.Input) {
			in.Actions = []string{"evil/action@0123456789abcdef0123456789abcdef01234567"}
		},
		"--language": func(in *scaffold.Input) { in.Language = "cobol" },
	} {
		in := input(t)
		change(in)
		if made, err := scaffold.Files(in); err == nil || !strings.Contains(err.Error(), want) || made != nil {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// A token that somebody puts into the address reaches no terminal and no log of a job.
func TestARepositoryWithCredentialsIsNamedWithoutThem(t *testing.T) {
	for _, repository := range []string{
		"https://user:s3cr3t@git.example/shop/checkout", "https://s3cr3t@git.example/shop/checkout", "https://user:a/s3cr3t@git.example/x",
		"ssh://git:s3cr3t@git.example/shop/checkout", "https://git.example/shop/checkout?token=s3cr3t", "s3cr3t@git.example:shop/checkout",
	} {
		in := input(t)
		in.Repository, in.Module = repository, scaffold.ModuleOf(repository)
		if _, err := scaffold.Files(in); err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.HasPrefix(err.Error(), "--repository") || !strings.Contains(err.Error(), "git.example") {
			t.Errorf("%s: got %v", repository, err)
		}
	}
}

// Jobs and Tekton build from SSH too. A browser cannot open it.
func TestARepositoryMayBeOfSSH(t *testing.T) {
	in := input(t)
	in.Repository, in.Engine = "ssh://git@git.example:2222/shop/checkout/", platformv1alpha1.EngineJobs
	in.Module = scaffold.ModuleOf(in.Repository)
	made := files(t, in)
	for file, want := range map[string]string{"component.yaml": "repository: ssh://git@git.example:2222/shop/checkout\n", "go.mod": "module git.example/shop/checkout\n"} {
		if !strings.Contains(string(made[file]), want) {
			t.Errorf("%s lacks %q:\n%s", file, want, made[file])
		}
	}
	for _, file := range []string{"component.yaml", "catalog-info.yaml"} {
		if strings.Contains(string(made[file]), scaffold.SourceLocation) {
			t.Errorf("%s sends browsers to ssh://:\n%s", file, made[file])
		}
	}
}

func TestModuleOf(t *testing.T) {
	for repository, want := range map[string]string{
		"https://git.example/shop/checkout/": "git.example/shop/checkout", "https://git.example:8443/shop/checkout": "git.example/shop/checkout",
		"ssh://git@git.example:2222/shop/checkout": "git.example/shop/checkout",
	} {
		if got := scaffold.ModuleOf(repository); got != want {
			t.Errorf("%s: got %s", repository, got)
		}
	}
}

// What a golden path says of itself is text, wherever it lands.
func TestTextOfTheGoldenPathStaysText(t *testing.T) {
	in := input(t)
	in.Spec = in.Spec.DeepCopy()
	in.Spec.Summary = "Fine\n# Evil\n[x](javascript:alert(1)) <script> `id`"
	in.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"type": "object", "properties": {"a": {"type": "string",
		"description": "one\ntwo: {evil}\u2028spec: {}\u202e", "default": "x\ny"}}}`)}
	made := files(t, in)
	readme := string(made["README.md"])
	if strings.Contains(readme, "\n# Evil") || strings.Contains(readme, " [x]") || strings.Contains(readme, "<script>") {
		t.Errorf("README.md:\n%s", readme)
	}
	component := string(made["component.yaml"])
	if !strings.Contains(component, "  #   a (\"x\\ny\"): one two: {evil} spec: {}\n") && !strings.Contains(component, "  #   a (\"x\\ny\"): one two: {evil}spec: {}\n") {
		t.Errorf("component.yaml:\n%s", component)
	}
	var entity catalog.Entity
	if err := yaml.Unmarshal(made["catalog-info.yaml"], &entity); err != nil || strings.Contains(entity.Metadata.Description, "\n") {
		t.Errorf("catalog-info.yaml: %v: %s", err, made["catalog-info.yaml"])
	}
}

func TestRuns(t *testing.T) {
	for name, want := range map[string]scaffold.Running{
		"web-service": scaffold.RunsService, "worker": scaffold.RunsService, "static-site": scaffold.RunsService,
		"stateful-service": scaffold.RunsService, "scheduled-job": scaffold.RunsJob, "postgres": scaffold.RunsSoftware,
	} {
		if got := scaffold.Runs(shipped(t, name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestTree(t *testing.T) {
	want := ".github/\n  workflows/\n    a.yaml\n    b.yaml\nmain.go\n"
	if got := scaffold.Tree([]string{"main.go", ".github/workflows/b.yaml", ".github/workflows/a.yaml"}); got != want {
		t.Errorf("got:\n%s", got)
	}
}
