package scaffold

import (
	"bytes"
	"embed"
	"maps"
	"slices"
	"strings"
	"text/template"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

//go:embed files/*.tmpl files/service/*.tmpl files/job/*.tmpl
var files embed.FS

// Language is what the skeleton is written in.
type Language string

// The languages.
const (
	Go Language = "go"
	// None makes no source and no Dockerfile: the image comes from elsewhere.
	None Language = "none"
)

// Languages are those that there are skeletons for, and None.
var Languages = []Language{Go, None}

// Input is what a repository is made of.
type Input struct {
	// Template is the name of the golden path, and Spec what it says.
	Template string
	Spec     *platformv1alpha1.ServiceTemplateSpec
	// Annotations are those of the golden path. They say what its Components are in Backstage.
	Annotations map[string]string
	// OwnTemplate is the manifest of the golden path where it does not ship with Towpath. The repository keeps it, so that
	// `towpath lint` finds it without a cluster. Nil for none.
	OwnTemplate []byte

	// Name of the Component. It is the name of the program too.
	Name string
	// Namespace is the home of the team; empty leaves it to whoever applies the Component.
	Namespace string
	// Team owns the entity in the catalogue of Backstage.
	Team string
	// Image that the Component runs.
	Image string
	// Environments of the path, in order. At least one.
	Environments []string
	// Parameters of the Component, complete. Nil for none.
	Parameters map[string]any

	// Language of the skeleton.
	Language Language
	// Module is the path of the Go module.
	Module string
	// Repository is the https or ssh URL of the repository, without a password; empty for unknown. Backstage shows it where it is https.
	Repository string
	// BuildImage and RunImage are the defaults of the Dockerfile's stages.
	BuildImage, RunImage string
	// Actions are the pinned actions that CI may use, as owner/repository@digest. What is not among them is done by plain
	// commands.
	Actions []string
	// Engine has the service built by the pipeline of the golden path: component.yaml names the repository, and where images are pushed to, in
	// place of the image. Empty: it names an image.
	Engine platformv1alpha1.BuildEngine
	// Settings is the file with the platform's settings of pipelines. The repository keeps it where Engine is GitHubActions, so that CI can tell
	// whether the workflow is in step. There are no secrets in it.
	Settings []byte
	// Version of Towpath that made the files, such as v0.1.0; anything else stands for a build that nobody can fetch.
	Version string
}

// Files makes the files of the repository, by their paths with slashes. The error names the value that is at fault.
func Files(in *Input) (map[string][]byte, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	made := map[string][]byte{}
	values := in.values()
	for path, name := range in.rendered() {
		text, err := renderFile(name, values)
		if err != nil {
			return nil, err
		}
		made[path] = text
	}
	component, err := Component(in)
	if err != nil {
		return nil, err
	}
	made["component.yaml"] = component
	if made["catalog-info.yaml"], err = catalogInfo(in); err != nil {
		return nil, err
	}
	if in.Engine == platformv1alpha1.EngineGitHubActions {
		made[".towpath/platform.yaml"] = in.Settings
	}
	if in.OwnTemplate != nil {
		made[".towpath/templates/"+in.Template+".yaml"] = in.OwnTemplate
	}
	return made, nil
}

// rendered are the files that come from those embedded, by path.
func (in *Input) rendered() map[string]string {
	made := map[string]string{
		"README.md":                             "README.md.tmpl",
		".pre-commit-config.yaml":               "pre-commit.yaml.tmpl",
		".github/workflows/component-lint.yaml": "lint.yaml.tmpl",
	}
	if in.Language == None {
		return made
	}
	maps.Copy(made, map[string]string{
		"Dockerfile": "Dockerfile.tmpl", ".dockerignore": "dockerignore.tmpl", ".gitignore": "gitignore.tmpl", "go.mod": "go.mod.tmpl",
	})
	folder := "service/"
	if Runs(in.Spec) == RunsJob {
		folder = "job/"
	}
	made["main.go"], made["main_test.go"] = folder+"main.go.tmpl", folder+"main_test.go.tmpl"
	return made
}

// values are what the embedded files put in.
type values struct {
	Name, Template, Summary, Description, Module, Image string
	BuildImage, RunImage                                string
	// Version is empty where nobody can fetch it; InstallVersion is latest then.
	Version, InstallVersion string
	Checkout, SetupGo       string
	// InNamespace is the flag that leads kubectl there, with a space before it; Lint are flags with a space behind.
	InNamespace, Lint                   string
	FirstEnvironment, LaterEnvironments string
	Port                                int64
	Code, Job, OwnTemplate              bool
	// Built says that the service is built from its repository, Workflow that GitHub Actions does.
	Built, Workflow bool
}

func (in *Input) values() *values {
	v := &values{
		Name: in.Name, Template: in.Template, Summary: sentence(in.Spec.Summary), Module: in.Module, Image: in.Image,
		Description: "A service that says hello.", BuildImage: in.BuildImage, RunImage: in.RunImage, InstallVersion: "latest",
		FirstEnvironment: in.Environments[0], LaterEnvironments: later(in.Environments[1:]),
		Port: port(in.Parameters), Code: in.Language != None, Job: Runs(in.Spec) == RunsJob, OwnTemplate: in.OwnTemplate != nil,
		Built: in.Engine != "", Workflow: in.Engine == platformv1alpha1.EngineGitHubActions,
	}
	switch {
	case !v.Code:
		v.Description = "What to run, and where."
	case v.Job:
		v.Description = "A job that says hello."
	}
	if releasePattern.MatchString(in.Version) {
		v.Version, v.InstallVersion = in.Version, in.Version
	}
	if in.Namespace != "" {
		v.InNamespace = " -n " + in.Namespace
	}
	if v.OwnTemplate {
		v.Lint = "--templates .towpath/templates "
	}
	for _, action := range in.Actions {
		switch name, _, _ := strings.Cut(action, "@"); name {
		case "actions/checkout":
			v.Checkout = action
		case "actions/setup-go":
			v.SetupGo = action
		}
	}
	return v
}

// later names the environments after the first.
func later(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, then `") + "`"
}

// port is where the skeleton listens in the container: golden paths hand over the parameter as PORT.
func port(parameters map[string]any) int64 {
	switch value := parameters["port"].(type) {
	case int64:
		return value
	case float64:
		return int64(value)
	}
	return 8080
}

// sentence is a text of the golden path in one line that Markdown reads as nothing but text.
func sentence(text string) string {
	return markdownMarks.Replace(strings.Join(strings.Fields(text), " "))
}

var markdownMarks = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "|", `\|`, "!", `\!`)

func renderFile(name string, v *values) ([]byte, error) {
	text, err := template.New(name[strings.LastIndex(name, "/")+1:]).Option("missingkey=error").ParseFS(files, "files/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = text.Execute(&out, v)
	return out.Bytes(), err
}

// Tree shows paths as a tree, one a line, folders first as they come by name.
func Tree(paths []string) string {
	var text strings.Builder
	shown := map[string]bool{}
	for _, path := range slices.Sorted(slices.Values(paths)) {
		parts := strings.Split(path, "/")
		for depth := range parts {
			upTo := strings.Join(parts[:depth+1], "/")
			if shown[upTo] {
				continue
			}
			shown[upTo] = true
			text.WriteString(strings.Repeat("  ", depth) + parts[depth])
			if depth < len(parts)-1 {
				text.WriteString("/")
			}
			text.WriteString("\n")
		}
	}
	return text.String()
}
