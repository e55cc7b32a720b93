package supplychain

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Images are those of all containers in some objects, and those that are mounted as volumes, sorted and each once. Containers are told
// by the lists that they stand in, in whatever kind, at any depth.
func Images(objects ...map[string]any) []string {
	found := map[string]bool{}
	for _, o := range objects {
		walk(o, found)
	}
	all := make([]string, 0, len(found))
	for image := range found {
		all = append(all, image)
	}
	slices.Sort(all)
	return all
}

// Object reads an object of JSON.
func Object(raw []byte) (map[string]any, error) {
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, errors.New("what should be an object cannot be read")
	}
	return object, nil
}

func walk(value any, found map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			switch key {
			case "containers", "initContainers", "ephemeralContainers":
				each(item, func(container map[string]any) { add(container["image"], found) })
			case "volumes":
				each(item, func(volume map[string]any) {
					if image, ok := volume["image"].(map[string]any); ok {
						add(image["reference"], found)
					}
				})
			}
			walk(item, found)
		}
	case []any:
		for _, item := range v {
			walk(item, found)
		}
	}
}

func each(list any, with func(map[string]any)) {
	items, _ := list.([]any)
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			with(m)
		}
	}
}

func add(image any, found map[string]bool) {
	if s, ok := image.(string); ok && s != "" {
		found[s] = true
	}
}

// Digest is that of an image, as sha256:…; empty where the image is named by a tag alone, or cannot be read.
func Digest(image string) string {
	digest, err := name.NewDigest(image)
	if err != nil || !strings.HasPrefix(digest.DigestStr(), "sha256:") {
		return ""
	}
	return digest.DigestStr()
}

// Exempt says whether an image needs no proof, by the repositories that a class lists.
func Exempt(image string, patterns []string) bool {
	if len(patterns) == 0 {
		return false
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		return false
	}
	repository := ref.Context().Name()
	if slices.ContainsFunc(strings.Split(repository, "/"), func(part string) bool { return strings.Trim(part, ".") == "" }) {
		return false // a server may take a/../b for b
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if below, ok := strings.CutSuffix(pattern, "/*"); ok {
			return strings.HasPrefix(repository, below+"/")
		}
		return repository == pattern
	})
}
