package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

const (
	maxFiles = 512
	maxFile  = 1 << 20
	// maxName leaves room for what is added to a name.
	maxName   = 200
	extension = ".yaml"
)

// File is one of the directory of a Target.
type File struct {
	// Name is a plain file name, without a directory.
	Name string
	Data []byte
}

var (
	plainKind = lazyregexp.New(`^[A-Za-z][A-Za-z0-9]{0,62}$`)
	lowerName = lazyregexp.New(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	// fileName is what Files gives, and all that a marker may list.
	fileName = lazyregexp.New(`^[a-z][a-z0-9]*[a-z0-9._-]*\.yaml$`)
)

// Files are the objects of a Release, one a file, sorted by name. A name is <kind>-<name>.yaml; where two objects would have the
// same, such as Services of Kubernetes and of Knative, it is <kind>.<group>-<name>.yaml. The text is YAML with sorted keys, so
// that equal objects give equal bytes. A Secret is refused: whoever reads the repository would read it.
func Files(objects []*unstructured.Unstructured) ([]File, error) {
	if len(objects) == 0 || len(objects) > maxFiles {
		return nil, fmt.Errorf("a Release must have 1 to %d objects to be delivered by Git, not %d", maxFiles, len(objects))
	}
	taken := map[string]int{}
	for _, o := range objects {
		taken[nameOf(o, false)]++
	}
	files := make([]File, 0, len(objects))
	for _, o := range objects {
		gvk := o.GroupVersionKind()
		if gvk.Kind == "Secret" && gvk.Group == "" {
			return nil, fmt.Errorf("the Secret %.253q must not be committed: refer to one that stands in the workload namespace, by secretEnv", o.GetName())
		}
		if !plainKind().MatchString(gvk.Kind) || o.GetName() == "" {
			return nil, fmt.Errorf("an object with the kind %.80q and the name %.80q cannot be written to a file: both must be set", gvk.Kind, o.GetName())
		}
		data, err := canonical(o)
		if err != nil {
			return nil, fmt.Errorf("%s %.253q: %w", gvk.Kind, o.GetName(), err)
		}
		files = append(files, File{Name: nameOf(o, taken[nameOf(o, false)] > 1), Data: data})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(files); i++ {
		if files[i].Name == files[i-1].Name {
			return nil, fmt.Errorf("two objects of the Release would stand in the file %s: give them different names in the template", files[i].Name)
		}
	}
	return files, nil
}

// nameOf is the name of an object's file. What not every file system keeps apart or accepts, capitals and colons, becomes a
// hash of the name; the end of a long name does too.
func nameOf(o *unstructured.Unstructured, withGroup bool) string {
	kind := strings.ToLower(o.GetKind())
	if group := o.GroupVersionKind().Group; withGroup && group != "" {
		kind += "." + plain(group)
	}
	return kind + "-" + plain(o.GetName()) + extension
}

func plain(name string) string {
	if len(name) <= maxName && lowerName().MatchString(name) {
		return name
	}
	kept := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	sum := sha256.Sum256([]byte(name))
	return kept[:min(len(kept), maxName-20)] + "_" + hex.EncodeToString(sum[:8])
}

// canonical is the text of an object. It is read back and compared: a text that YAML takes for something else would be applied
// as something else. Where that is so, as with U+0085 in a text, which YAML takes for the end of a line, it is JSON, which is
// YAML too.
func canonical(o *unstructured.Unstructured) ([]byte, error) {
	want, err := json.Marshal(o.Object)
	if err != nil {
		return nil, fmt.Errorf("it cannot be written: %w", err)
	}
	if len(want) > maxFile {
		return nil, fmt.Errorf("it has %d bytes; a file may have at most %d", len(want), maxFile)
	}
	data, err := yaml.JSONToYAML(want)
	if err == nil && readsAs(data, want) {
		return data, nil
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.ReplaceAll(want, []byte("\u0085"), []byte(`\u0085`)), "", "  "); err != nil {
		return nil, fmt.Errorf("it cannot be written: %w", err)
	}
	indented.WriteByte('\n')
	if !readsAs(indented.Bytes(), want) {
		return nil, errors.New("it holds a text that does not survive being written as YAML: take control characters out of its parameters")
	}
	return indented.Bytes(), nil
}

func readsAs(data, want []byte) bool {
	got, err := yaml.YAMLToJSONStrict(data)
	return err == nil && sameJSON(want, got)
}

func sameJSON(a, b []byte) bool {
	var left, right any
	return json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil && reflect.DeepEqual(left, right)
}
