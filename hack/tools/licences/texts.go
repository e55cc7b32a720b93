package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// platformMark is where the name of the file has the platform, as linux-amd64.
const platformMark = "%"

// writeTexts writes what modules ask to be passed on with a binary, to the file that the pattern names for the platform.
func writeTexts(pattern, folder, platform string, packages []string, modules []module) error {
	golang, err := standardLibrary(folder, platform, modules)
	if err != nil {
		return err
	}
	all := slices.Clone(golang)
	for _, m := range modules {
		found, err := m.texts(parts[m.name].other)
		if err != nil {
			return err
		}
		for _, t := range found {
			if as, _ := wasReviewed(t.content); as != notLinked {
				all = append(all, t)
			}
		}
	}
	name := strings.ReplaceAll(pattern, platformMark, strings.ReplaceAll(platform, "/", "-"))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // public
		return err
	}
	return os.WriteFile(name, []byte(thirdParties(heading(packages, platform), all)), 0o644) //nolint:gosec // public
}

func heading(packages []string, platform string) string {
	names := make([]string, 0, len(packages))
	for _, p := range packages {
		names = append(names, path.Base(p))
	}
	return strings.Join(names, " and ") + " for " + platform
}

// standardLibrary has what Go's own licence asks for: each binary holds its runtime.
func standardLibrary(folder, platform string, modules []module) ([]text, error) {
	out, err := goCommand(folder, platform, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return nil, err
	}
	version, root, _ := strings.Cut(strings.TrimSpace(out), "\n")
	content, err := licenceOfGo(root, modules)
	if err != nil {
		return nil, err
	}
	return []text{{module: "Go's standard library " + version, path: "LICENSE", content: content}}, nil
}

// licenceOfGo is in the folder of Go. Where Go is packaged without it, it is that of a module of Go's authors, word for word.
func licenceOfGo(root string, modules []module) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if !errors.Is(err, fs.ErrNotExist) {
		return content, err
	}
	for _, m := range modules {
		if strings.HasPrefix(m.name, "golang.org/x/sys@") {
			return os.ReadFile(filepath.Join(m.folder, "LICENSE"))
		}
	}
	return nil, fmt.Errorf("%s has no LICENSE of Go: use one of go.dev/dl", root)
}

// thirdParties is one page of all texts, in the order given. A text that several modules have is there once, under their names.
func thirdParties(of string, all []text) string {
	const line = "--------------------------------------------------------------------------------\n"
	var order []string
	sources := map[string][]string{}
	for _, t := range all {
		plain := t.plain()
		if plain == "" {
			continue
		}
		if sources[plain] == nil {
			order = append(order, plain)
		}
		sources[plain] = append(sources[plain], t.module+": "+t.path)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "What others have written that is in %s, and the terms that they give it under.\nEach text stands below the files that it is of.\n", of)
	for _, plain := range order {
		page.WriteString("\n" + line)
		for _, source := range sources[plain] {
			page.WriteString(source + "\n")
		}
		page.WriteString(line + "\n" + plain + "\n")
	}
	return page.String()
}
