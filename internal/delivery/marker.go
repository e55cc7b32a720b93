package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MarkerName is the file that says what of a directory is Towpath's. Argo CD and Flux read files by their extensions, and so do
// not take it for an object.
const MarkerName = ".towpath"

// MaxMarker is how many bytes a marker may have.
const MaxMarker = 1 << 20

const (
	markerVersion = "delivery.platform.towpath.dev/v1"
	markerComment = "Written by Towpath. Each Release replaces the files that are listed here, and removes those that it no longer has. Other files are left alone."
)

// Marker is the content of that file: to whom the directory belongs, which Release it holds, and which files are of it. It
// stands in the same commit as these, so it always speaks of the commit that it is read from.
type Marker struct {
	Component   Component     `json:"component"`
	Environment Environment   `json:"environment"`
	Release     MarkerRelease `json:"release"`
	// Files are the names of the files, sorted.
	Files []string `json:"files"`
}

// MarkerRelease is the Release that a directory holds.
type MarkerRelease struct {
	Name   string `json:"name"`
	UID    string `json:"uid"`
	Number int64  `json:"number"`
}

// document is a Marker as it is written.
type document struct {
	Comment    string `json:"comment"`
	APIVersion string `json:"apiVersion"`
	Marker
}

// NewMarker is the marker of a Release with these files.
func NewMarker(r Release, files []File) Marker {
	m := Marker{Component: r.Component, Environment: Environment{Name: r.Environment.Name, UID: r.Environment.UID},
		Release: MarkerRelease{Name: r.Name, UID: r.UID, Number: r.Number}, Files: []string{}}
	for _, f := range files {
		m.Files = append(m.Files, f.Name)
	}
	slices.Sort(m.Files)
	return m
}

// Encode is the marker as it is written: the same bytes for the same content.
func (m Marker) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(document{markerComment, markerVersion, m}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// ParseMarker reads a marker. Anybody who may push can write one, so it is not trusted with more than names of files beside it.
func ParseMarker(data []byte) (Marker, error) {
	if len(data) > MaxMarker {
		return Marker{}, fmt.Errorf("it has more than %d bytes", MaxMarker)
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&d); err != nil {
		return Marker{}, errors.New("it is not the JSON that Towpath wrote")
	}
	if d.APIVersion != markerVersion {
		return Marker{}, fmt.Errorf("its apiVersion must be %s, not %.80q", markerVersion, d.APIVersion)
	}
	if d.Component.UID == "" || d.Environment.UID == "" || d.Release.UID == "" {
		return Marker{}, errors.New("it must name a component, an environment and a release, each with its uid")
	}
	if len(d.Files) > maxFiles {
		return Marker{}, fmt.Errorf("it lists more than %d files", maxFiles)
	}
	for _, name := range d.Files {
		if len(name) > 2*maxSegment || !fileName().MatchString(name) {
			return Marker{}, fmt.Errorf("it lists %.80q, which is no name of a file that Towpath writes", name)
		}
	}
	return d.Marker, nil
}

// Owns says whether the directory is that of a Target.
func (m Marker) Owns(t Target) bool {
	return m.Component.UID == t.Component.UID && m.Environment.UID == t.Environment.UID
}

// Owner says in words to whom the directory belongs. The words are of the repository, so they are cut and quoted.
func (m Marker) Owner() string {
	return fmt.Sprintf("Component %.130q (uid %.40q) in Environment %.70q (uid %.40q)", m.Component.Namespace+"/"+m.Component.Name,
		m.Component.UID, m.Environment.Name, m.Environment.UID)
}
