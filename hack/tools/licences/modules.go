package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)
	// noticeFile is what has to be passed on beside a licence: Apache-2.0 asks for NOTICE in section 4(d).
	noticeFile = regexp.MustCompile(`(?i)^(notice|copyright|patents)([-._].*)?$`)
)

// module is one that a binary holds.
type module struct {
	// name is its path and version, as go prints them.
	name string
	// folder is where it lies.
	folder string
	// packages are those of it that are linked, by the folder of each.
	packages map[string]string
}

// linked are the modules that packages of the module in a folder are built of, on a platform or, where it is empty, on this one.
func linked(folder, platform string, packages []string) ([]module, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}\t{{$.ImportPath}}\t{{$.Dir}}\t{{.Dir}}{{end}}{{end}}"
	out, err := goCommand(folder, platform, append([]string{"list", "-deps", "-f", format}, packages...)...)
	if err != nil {
		return nil, err
	}
	all := map[string]module{}
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 4 {
			continue
		}
		m, known := all[fields[0]]
		if !known {
			m = module{name: fields[0], folder: fields[3], packages: map[string]string{}}
			all[m.name] = m
		}
		m.packages[fields[1]] = fields[2]
	}
	if len(all) == 0 {
		return nil, errors.New("no module was found")
	}
	return sorted(all), nil
}

func sorted(all map[string]module) []module {
	modules := make([]module, 0, len(all))
	for _, m := range all {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.name, b.name) })
	return modules
}

// goCommand is what go prints, asked about a platform, without cgo as all binaries of ours are built.
func goCommand(folder, platform string, arguments ...string) (string, error) {
	command := exec.Command("go", arguments...)
	command.Dir, command.Stderr = folder, os.Stderr
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if platform != "" {
		system, architecture, ok := strings.Cut(platform, "/")
		if !ok {
			return "", fmt.Errorf("%q is no platform: write one as linux/amd64", platform)
		}
		command.Env = append(command.Env, "GOOS="+system, "GOARCH="+architecture)
	}
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", arguments[0], err)
	}
	return string(out), nil
}

// text is a file of a module that says under which terms it is.
type text struct {
	module string
	// path is within the module, with slashes.
	path    string
	content []byte
}

// texts are those in the folders of the packages that are linked and in all above, up to the module's: a copy of other people's
// code, such as a forked package, brings its licence in its own folder. The file called without is about packages that
// are not linked.
func (m module) texts(without string) ([]text, error) {
	folders := map[string]bool{m.folder: true}
	for _, folder := range m.packages {
		for within(m.folder, folder) && !folders[folder] {
			folders[folder] = true
			folder = filepath.Dir(folder)
		}
	}
	var found []text
	for folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := entry.Name()
			// A file in Go of such a name is code: go-openapi/spec has the type of a licence in one.
			if entry.IsDir() || name == without || filepath.Ext(name) == ".go" || !licenceFile.MatchString(name) && !noticeFile.MatchString(name) {
				continue
			}
			content, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				return nil, err
			}
			path, err := filepath.Rel(m.folder, filepath.Join(folder, name))
			if err != nil {
				return nil, err
			}
			found = append(found, text{module: m.name, path: filepath.ToSlash(path), content: content})
		}
	}
	// Those of the module itself first.
	slices.SortFunc(found, func(a, b text) int {
		return cmp.Or(cmp.Compare(strings.Count(a.path, "/"), strings.Count(b.path, "/")), cmp.Compare(a.path, b.path))
	})
	return found, nil
}

func within(folder, path string) bool {
	return path == folder || strings.HasPrefix(path, folder+string(filepath.Separator))
}

// isLicence tells a licence from what is passed on beside it.
func (t text) isLicence() bool {
	return licenceFile.MatchString(filepath.Base(t.path))
}

// plain is a text as it is compared and passed on: with Unix's ends of lines, and nothing empty around it.
func (t text) plain() string {
	return string(bytes.Trim(bytes.ReplaceAll(t.content, []byte("\r\n"), []byte("\n")), "\n"))
}
