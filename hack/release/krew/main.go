// Command krew writes the manifest by which krew, the package manager of kubectl's plugins, installs the CLI.
//
//	krew -version v1.2.3 -url https://…/releases/download/v1.2.3 build/release/towpath-*.tar.gz >build/release/towpath-krew.yaml
//
// The platforms, and the checksums, are those of the archives that it is given: towpath-OS-ARCH.tar.gz.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"sigs.k8s.io/yaml"
)

func main() {
	version := flag.String("version", "", "version of the CLI")
	url := flag.String("url", "", "where the archives will be")
	flag.Parse()
	if err := run(os.Stdout, *version, *url, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "krew:", err)
		os.Exit(1)
	}
}

// The parts of krew's API v1alpha2 that are used here.
type (
	manifest struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]string `json:"metadata"`
		Spec       spec              `json:"spec"`
	}
	spec struct {
		Version          string     `json:"version"`
		Homepage         string     `json:"homepage"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Platforms        []platform `json:"platforms"`
	}
	platform struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		URI    string `json:"uri"`
		SHA256 string `json:"sha256"`
		Bin    string `json:"bin"`
	}
)

var (
	archive = regexp.MustCompile(`^towpath-(linux|darwin|windows)-(amd64|arm64)\.tar\.gz$`)
	release = regexp.MustCompile(`^v\d+\.\d+\.\d+`)
)

func run(out io.Writer, version, url string, archives []string) error {
	if len(archives) == 0 {
		return errors.New("there are no archives")
	}
	if !release.MatchString(version) {
		// krew takes nothing else; a build between releases is none that anybody installs by it.
		version = "v0.0.0-" + regexp.MustCompile(`[^0-9A-Za-z-]+`).ReplaceAllString(version, "-")
	}
	m := manifest{
		APIVersion: "krew.googlecontainertools.github.com/v1alpha2",
		Kind:       "Plugin",
		Metadata:   map[string]string{"name": "towpath"},
		Spec: spec{
			Version:          version,
			Homepage:         "https://github.com/towpath-dev/towpath",
			ShortDescription: "Write golden paths, and see what Components run",
			Description: "The CLI of Towpath: checks and renders golden paths and Components without a\n" +
				"cluster, and says of those in one what runs, what waits, and why.\n",
		},
	}
	for _, path := range archives {
		name := filepath.Base(path)
		parts := archive.FindStringSubmatch(name)
		if parts == nil {
			return fmt.Errorf("%s is no archive of the CLI", path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		p := platform{URI: url + "/" + name, SHA256: hex.EncodeToString(sum[:]), Bin: "towpath"}
		if parts[1] == "windows" {
			p.Bin += ".exe"
		}
		p.Selector.MatchLabels = map[string]string{"os": parts[1], "arch": parts[2]}
		m.Spec.Platforms = append(m.Spec.Platforms, p)
	}
	text, err := yaml.Marshal(m)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
