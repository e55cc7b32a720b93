// Command chart makes a Helm chart of the manifests that kustomize renders, so that both install the same.
//
//	kustomize build config/overlays/monitoring | chart -files config/chart -version 1.2.3 -out build/chart/towpath
//
// What it reads becomes one template for each kind, word for word, but for the few fields that are values of the chart, and
// for objects that a value leaves out: see deployment.go and optional.go. What the chart says of itself, its values and
// their schema are written by hand, in config/chart.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	files := flag.String("files", "config/chart", "folder with what is written by hand")
	version := flag.String("version", "0.0.0-dev", "version of the chart and of the manager's image")
	out := flag.String("out", "build/chart/towpath", "folder to write the chart to; what is there goes")
	flag.Parse()
	if err := run(os.Stdin, *files, *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// semantic is what Helm takes for a version.
var semantic = regexp.MustCompile(`^v?(\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)$`)

// chartVersion is a version as Helm takes it. One that is none, as git describe gives for a commit before the first tag,
// comes before all others.
func chartVersion(version string) string {
	if m := semantic.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return "0.0.0-" + regexp.MustCompile(`[^0-9A-Za-z-]+`).ReplaceAllString(version, "-")
}

func run(manifests io.Reader, files, version, out string) error {
	rendered, err := io.ReadAll(manifests)
	if err != nil {
		return err
	}
	templates, err := split(rendered)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.CopyFS(out, os.DirFS(files)); err != nil {
		return fmt.Errorf("copying what is written by hand: %w", err)
	}
	about, err := os.ReadFile(filepath.Join(out, "Chart.yaml"))
	if err != nil {
		return err
	}
	about = fmt.Appendf(about, "version: %s\nappVersion: %q\n", chartVersion(version), version)
	if err := os.WriteFile(filepath.Join(out, "Chart.yaml"), about, 0o644); err != nil { //nolint:gosec // a chart is public
		return err
	}
	for name, content := range templates {
		if err := os.WriteFile(filepath.Join(out, "templates", name), content, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// split makes a file of each kind of what kustomize rendered.
func split(rendered []byte) (map[string][]byte, error) {
	templates := map[string][]byte{}
	deployments := 0
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		var object map[string]any
		if err := yaml.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		kind, _ := object["kind"].(string)
		if kind == "" {
			return nil, errors.New("a document has no kind")
		}
		if kind == "Deployment" {
			deployments++
		}
		text, err := template(object, string(bytes.TrimSpace(document)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		name := strings.ToLower(kind) + ".yaml"
		if before, ok := templates[name]; ok {
			text = string(before) + "---\n" + text
		}
		templates[name] = []byte(strings.TrimRight(text, "\n") + "\n")
	}
	if deployments != 1 {
		return nil, fmt.Errorf("there are %d Deployments, not one", deployments)
	}
	return templates, nil
}

// template is the template of an object, of which document is the text.
func template(object map[string]any, document string) (string, error) {
	var text string
	var err error
	// Places take the fields that it goes by.
	condition := optional(object)
	switch part := label(object, componentLabel); {
	case part == "metrics" && object["kind"] == "ServiceMonitor":
		text, err = filled(object, monitorPlaces(object))
	case part == "alerts":
		text, err = filled(object, alertsPlaces(object))
	case part == "dashboards":
		text, err = filled(object, dashboardsPlaces(object))
	case object["kind"] == "Deployment":
		text, err = filled(object, places)
	case object["kind"] == "ConfigMap":
		text, err = configuration(object)
	case object["kind"] == "CustomResourceDefinition", object["kind"] == "Namespace":
		text, err = kept(object)
	default:
		text = withoutAggregation(literal(document))
	}
	if condition != "" && err == nil {
		text = fmt.Sprintf("{{- if %s }}\n%s\n{{- end }}", condition, strings.TrimRight(text, "\n"))
	}
	return text, err
}

// literal is text that a template puts out as it is.
func literal(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	return strings.NewReplacer("{{", "{{`{{`}}", "}}", "{{`}}`}}").Replace(text)
}

// kept is an object that stays when the chart is uninstalled: with a definition go all objects of its kind, and with a
// namespace all that is in it.
func kept(object map[string]any) (string, error) {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations["helm.sh/resource-policy"] = "keep"
	text, err := yaml.Marshal(object)
	return literal(string(text)), err
}
