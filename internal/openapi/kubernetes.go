package openapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

//go:generate go run ../../hack/openapi

// snapshotFiles are written by hack/openapi.
//
//go:embed snapshot/*.json
var snapshotFiles embed.FS

// snapshotIndex is the content of snapshot/kinds.json.
type snapshotIndex struct {
	// Server is the version of the API server that the snapshot was taken from.
	Server string `json:"server"`
	Kinds  []struct {
		Group      string `json:"group"`
		Version    string `json:"version"`
		Kind       string `json:"kind"`
		Namespaced bool   `json:"namespaced"`
		// Definition is absent where only the scope of the kind is recorded.
		Definition string `json:"definition"`
	} `json:"kinds"`
}

var snapshot = sync.OnceValues(func() (*Document, string) {
	var index snapshotIndex
	mustRead("snapshot/kinds.json", &index)
	var definitions map[string]json.RawMessage
	mustRead("snapshot/definitions.json", &definitions)
	document := newDocument(definitions)
	for _, kind := range index.Kinds {
		gvk := schema.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind}
		document.scopes[gvk] = kind.Namespaced
		if kind.Definition != "" {
			document.roots[gvk] = kind.Definition
		}
	}
	return document, index.Server
})

// Kubernetes knows the kinds of Kubernetes itself from the embedded snapshot: with schema those
// namespaced kinds that a golden path may use (core, apps, batch, autoscaling, policy, networking,
// resource), and by scope alone all others. It is read once, at the first call.
func Kubernetes() Source {
	document, _ := snapshot()
	return document
}

// KubernetesVersion is the version of the API server that the snapshot was taken from.
func KubernetesVersion() string {
	_, version := snapshot()
	return version
}

// mustRead reads an embedded file. A failure means that the program was built from a broken tree.
func mustRead(name string, into any) {
	data, err := snapshotFiles.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		panic(fmt.Sprintf("embedded %s: %v", name, err))
	}
}
