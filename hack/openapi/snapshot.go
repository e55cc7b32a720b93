package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"

	"github.com/towpath-dev/towpath/internal/openapi"
)

// withSchema are the groups whose namespaced kinds a golden path uses. Of all other kinds only the
// scope is recorded, which is enough to refuse a cluster-scoped one by name.
var withSchema = map[string]bool{
	"api/v1":                    true,
	"apis/apps/v1":              true,
	"apis/autoscaling/v2":       true,
	"apis/batch/v1":             true,
	"apis/networking.k8s.io/v1": true,
	"apis/policy/v1":            true,
	"apis/resource.k8s.io/v1":   true,
}

type kind struct {
	Group      string `json:"group"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced"`
	Definition string `json:"definition,omitempty"`
}

type snapshot struct {
	server      string
	kinds       []kind
	definitions map[string]any
}

// take reads every group and version that the server has.
func take(client discovery.DiscoveryInterface) (*snapshot, error) {
	info, err := client.ServerVersion()
	if err != nil {
		return nil, err
	}
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		return nil, err
	}
	result := &snapshot{server: release(info), definitions: make(map[string]any)}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		data, err := paths[path].Schema(runtime.ContentTypeJSON)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		document, err := openapi.ParseDocument(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if err := result.add(document, withSchema[path]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	slices.SortFunc(result.kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Kind, b.Kind))
	})
	return result, nil
}

// release is the version of the server, or at least its minor version where the binary was built
// without stamping one.
func release(info *version.Info) string {
	if !strings.HasPrefix(info.GitVersion, "v0.0.0") {
		return info.GitVersion
	}
	return fmt.Sprintf("v%s.%s", cmp.Or(info.EmulationMajor, info.Major), cmp.Or(info.EmulationMinor, info.Minor))
}

func (s *snapshot) add(document *openapi.Document, schemas bool) error {
	for gvk, namespaced := range document.Scopes() {
		entry := kind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespaced: namespaced}
		if schemas && namespaced && !forbidden[gvk.GroupKind()] {
			entry.Definition = document.Root(gvk)
			if err := s.addDefinition(document, entry.Definition); err != nil {
				return err
			}
		}
		s.kinds = append(s.kinds, entry)
	}
	return nil
}

// forbidden kinds are namespaced, but never part of a golden path.
var forbidden = map[schema.GroupKind]bool{
	{Kind: "Binding"}:   true,
	{Kind: "Endpoints"}: true,
	{Kind: "Event"}:     true,
	{Kind: "Secret"}:    true,
}

// addDefinition adds a definition and what it refers to. Documents repeat shared definitions; two
// that differ cannot be kept under one name.
func (s *snapshot) addDefinition(document *openapi.Document, name string) error {
	raw, ok := document.Definitions()[name]
	if !ok {
		return fmt.Errorf("definition %q is missing", name)
	}
	var definition map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&definition); err != nil {
		return err
	}
	var references []string
	prune(definition, &references)
	if known, ok := s.definitions[name]; ok {
		if !equal(known, definition) {
			return fmt.Errorf("definition %s differs from the one of another group", name)
		}
		return nil
	}
	s.definitions[name] = definition
	var errs []error
	for _, reference := range references {
		errs = append(errs, s.addDefinition(document, reference))
	}
	return errors.Join(errs...)
}

// dropped are keywords that no check reads.
var dropped = []string{
	"description", "title", "example", "externalDocs",
	"x-kubernetes-group-version-kind", "x-kubernetes-unions",
	"x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy",
}

// prune drops keywords from a schema and collects the names that it refers to. It descends by
// keyword, since a property may well be called "description".
func prune(s map[string]any, references *[]string) {
	for _, keyword := range dropped {
		delete(s, keyword)
	}
	if reference, ok := s["$ref"].(string); ok {
		*references = append(*references, strings.TrimPrefix(reference, "#/components/schemas/"))
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		for _, property := range properties {
			pruneAny(property, references)
		}
	}
	for _, keyword := range []string{"items", "additionalProperties", "not", "allOf", "anyOf", "oneOf"} {
		pruneAny(s[keyword], references)
	}
}

func pruneAny(value any, references *[]string) {
	switch v := value.(type) {
	case map[string]any:
		prune(v, references)
	case []any:
		for _, item := range v {
			pruneAny(item, references)
		}
	}
}

func equal(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// write writes both files with one line for each kind and each definition, so that a diff shows
// what changed.
func (s *snapshot) write(folder string) error {
	var kinds bytes.Buffer
	fmt.Fprintf(&kinds, "{\"server\":%q,\"kinds\":[", s.server)
	for i, entry := range s.kinds {
		if err := line(&kinds, i, "", entry); err != nil {
			return err
		}
	}
	kinds.WriteString("\n]}\n")
	var definitions bytes.Buffer
	definitions.WriteString("{")
	for i, name := range slices.Sorted(maps.Keys(s.definitions)) {
		if err := line(&definitions, i, fmt.Sprintf("%q:", name), s.definitions[name]); err != nil {
			return err
		}
	}
	definitions.WriteString("\n}\n")
	if err := os.WriteFile(filepath.Join(folder, "kinds.json"), kinds.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "definitions.json"), definitions.Bytes(), 0o644)
}

func line(buffer *bytes.Buffer, index int, prefix string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if index > 0 {
		buffer.WriteString(",")
	}
	buffer.WriteString("\n" + prefix)
	buffer.Write(data)
	return nil
}

// snapshotFolder finds internal/openapi/snapshot from any folder of the module.
func snapshotFolder() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return filepath.Join(folder, "internal", "openapi", "snapshot"), nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("not inside the module: give --out")
		}
		folder = parent
	}
}
