package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/catalog"
)

// exportMark begins every file of an export. Files without it are not ours to replace.
const exportMark = "# Written by towpath catalog export: changes are lost with the next one.\n"

// writeCatalog writes a file an entity, and all.yaml, which names them. Files of an earlier export that are not among them are
// deleted; any other file in the way is left, and nothing is written.
func writeCatalog(dir string, entities []*catalog.Entity) error {
	files, err := catalogFiles(entities)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // every file is closed on its own
	stale, err := earlier(root, files)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, files[name], 0o644); err != nil {
			return err
		}
	}
	for _, name := range stale {
		if err := root.Remove(name); err != nil {
			return err
		}
		_ = root.Remove(path.Dir(name)) // only where it is empty now
	}
	return nil
}

// catalogFiles are the files by their paths.
func catalogFiles(entities []*catalog.Entity) (map[string][]byte, error) {
	files := map[string][]byte{}
	targets := []string{}
	for _, entity := range entities {
		text, err := yaml.Marshal(entity)
		if err != nil {
			return nil, err
		}
		// A namespace is a folder, and no kind has a hyphen: no two entities have the same path.
		name := cmp.Or(entity.Metadata.Namespace, "default") + "/" + strings.ToLower(entity.Kind) + "-" + entity.Metadata.Name + ".yaml"
		files[name] = append([]byte(exportMark), text...)
		targets = append(targets, "./"+name)
	}
	all, err := yaml.Marshal(&catalog.Entity{
		APIVersion: "backstage.io/v1alpha1", Kind: "Location", Metadata: catalog.Metadata{Name: "towpath", Description: "What runs on Towpath"},
		Spec: map[string]any{"targets": targets},
	})
	files["all.yaml"] = append([]byte(exportMark), all...)
	return files, err
}

// earlier lists the files of an earlier export that are not to be written again. The error names what is in the way.
func earlier(root *os.Root, files map[string][]byte) (stale []string, err error) {
	var foreign []string
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		_, wanted := files[name]
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != ".":
			return fs.SkipDir // such as .git
		case entry.IsDir() || !wanted && path.Ext(name) != ".yaml":
			return nil
		case !entry.Type().IsRegular():
			if wanted {
				foreign = append(foreign, name)
			}
			return nil
		}
		text, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		switch ours := bytes.HasPrefix(text, []byte(exportMark)); {
		case ours && !wanted:
			stale = append(stale, name)
		case !ours && wanted:
			foreign = append(foreign, name)
		}
		return nil
	})
	if err == nil && len(foreign) > 0 {
		err = fmt.Errorf("%s has %s, which no export wrote; nothing was written", root.Name(), strings.Join(foreign, ", "))
	}
	return stale, err
}
