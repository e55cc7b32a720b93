// Package release_test holds what goreleaser is told to what the documentation promises of a release. What it makes of that,
// make test-reproducible shows.
package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const file = "../../.goreleaser.yaml"

type (
	// packed is what an archive says of a file in it.
	packed struct {
		Owner string `json:"owner"`
		Group string `json:"group"`
		MTime string `json:"mtime"`
		Mode  int    `json:"mode"`
	}
	// configuration is what these tests ask of .goreleaser.yaml.
	configuration struct {
		Builds []struct {
			Flags   []string `json:"flags"`
			Ldflags []string `json:"ldflags"`
			Targets []string `json:"targets"`
			MTime   string   `json:"mod_timestamp"`
		} `json:"builds"`
		Archives []struct {
			Name       string   `json:"name_template"`
			Formats    []string `json:"formats"`
			Overrides  []any    `json:"format_overrides"`
			BuildsInfo packed   `json:"builds_info"`
			Files      []struct {
				Source string `json:"src"`
				Info   packed `json:"info"`
			} `json:"files"`
		} `json:"archives"`
		Checksum struct {
			Name string `json:"name_template"`
		} `json:"checksum"`
		Krews []struct {
			Name    string `json:"name"`
			Short   string `json:"short_description"`
			Upload  bool   `json:"skip_upload"`
			Archive string `json:"url_template"`
		} `json:"krews"`
		Release struct {
			Disable bool `json:"disable"`
		} `json:"release"`
	}
)

func configured(t *testing.T) (configuration, string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c configuration
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Builds) != 1 || len(c.Archives) != 1 || len(c.Krews) != 1 {
		t.Fatalf("there is more than the CLI, or less: %+v", c)
	}
	return c, string(text)
}

// Each target has a line of its own, of the form that hack/release/files.sh leaves out where CLI_PLATFORMS does not name it.
func TestCLIIsBuiltForEachPlatform(t *testing.T) {
	c, text := configured(t)
	var want []string
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, architecture := range []string{"amd64", "arm64"} {
			want = append(want, system+"_"+architecture)
		}
	}
	if !slices.Equal(c.Builds[0].Targets, want) {
		t.Errorf("the targets are %v, want %v", c.Builds[0].Targets, want)
	}
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^ *- ([a-z]+_[a-z0-9]+)$`).FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[1])
	}
	if !slices.Equal(lines, want) {
		t.Errorf("lines of targets are %v, want %v", lines, want)
	}
}

// Neither a path nor a time nor a user of the machine gets into what is published.
func TestArchivesSayNothingOfWhoMadeThem(t *testing.T) {
	c, _ := configured(t)
	build := c.Builds[0]
	if !slices.Contains(build.Flags, "-trimpath") || !slices.Equal(build.Ldflags, []string{"{{ .Env.LDFLAGS }}"}) {
		t.Errorf("the CLI is built with %v and %v", build.Flags, build.Ldflags)
	}
	// goreleaser packs a binary with the time that its file has, whatever builds_info says.
	if build.MTime != "{{ .Env.TIMESTAMP }}" {
		t.Errorf("the CLI is packed with the time %q", build.MTime)
	}
	archive := c.Archives[0]
	want := packed{Owner: "root", Group: "root", Mode: 0o755}
	if archive.BuildsInfo != want {
		t.Errorf("the binary is packed as %+v, want %+v", archive.BuildsInfo, want)
	}
	want.Mode, want.MTime = 0o644, "{{ .Env.DATE }}"
	var beside []string
	for _, f := range archive.Files {
		beside = append(beside, f.Source)
		if f.Info != want {
			t.Errorf("%s is packed as %+v, want %+v", f.Source, f.Info, want)
		}
	}
	if files := []string{"LICENSE", "build/licences/{{ .Os }}-{{ .Arch }}/THIRD_PARTY_LICENSES.txt"}; !slices.Equal(beside, files) {
		t.Errorf("beside the binary are packed %v, want the licences: %v", beside, files)
	}
}

// Those who download, and krew, know files by these names.
func TestFilesAreNamedAsDocumented(t *testing.T) {
	c, _ := configured(t)
	archive := c.Archives[0]
	windows := []any{map[string]any{"goos": "windows", "formats": []any{"zip"}}}
	if archive.Name != "towpath-{{ .Os }}-{{ .Arch }}" || !slices.Equal(archive.Formats, []string{"tar.gz"}) || !reflect.DeepEqual(archive.Overrides, windows) {
		t.Errorf("archives are named %+v", archive)
	}
	if c.Checksum.Name != "checksums.txt" {
		t.Errorf("checksums are in %s", c.Checksum.Name)
	}
	page, err := os.ReadFile("../../docs/release.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"towpath-<os>-<arch>.tar.gz", "towpath-windows-<arch>.zip", "checksums.txt", "towpath-krew.yaml"} {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/release.md does not say what %s is", name)
		}
	}
}

// Who builds may not publish; krew's index takes what a person proposes, and no more of a description.
func TestNothingIsPublishedByTheBuild(t *testing.T) {
	c, _ := configured(t)
	krew := c.Krews[0]
	if !c.Release.Disable || !krew.Upload {
		t.Errorf("goreleaser would publish: release %+v, krew %+v", c.Release, krew)
	}
	if krew.Name != "towpath" || len(krew.Short) > 50 {
		t.Errorf("krew's index would refuse %+v", krew)
	}
}

// goreleaser is big, and CI does not build it; make release-check does.
func TestGoreleaserTakesItsFile(t *testing.T) {
	goreleaser, err := filepath.Abs("../../bin/goreleaser")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(goreleaser); err != nil {
		t.Skip("make bin/goreleaser has not built it")
	}
	check := exec.CommandContext(t.Context(), goreleaser, "check", file)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
