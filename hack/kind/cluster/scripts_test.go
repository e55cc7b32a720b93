package main

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The scripts that nodes are built by do what they are asked for, or nothing: a word that they do not know may be a typing error, and
// what they would do in its place takes half an hour.
func TestScriptsRefuseWhatTheyDoNotKnow(t *testing.T) {
	const kube, docker, image = "../../kube/build.sh", "../docker.sh", "../node-image.sh"
	for _, test := range []struct {
		script    string
		arguments []string
		code      int
		says      string
	}{
		{kube, []string{"--help"}, 0, "build.sh --print"},
		{kube, []string{"-h"}, 0, "build.sh --print"},
		{kube, []string{"--prnt"}, 2, "was given: --prnt"},
		{kube, []string{"node"}, 2, "was given: node"},
		{kube, []string{""}, 2, "was given: "},
		{kube, []string{"--node", "--print"}, 2, "was given: --node --print"},
		{docker, []string{"--help"}, 0, "docker.sh start"},
		{docker, nil, 2, "docker.sh start"},
		{docker, []string{"restart"}, 2, "docker.sh start"},
		{docker, []string{"stop", "now"}, 2, "docker.sh start"},
		{image, nil, 2, "node-image.sh build"},
		{image, []string{"make"}, 2, "node-image.sh build"},
	} {
		var out, complaints bytes.Buffer
		cmd := exec.CommandContext(t.Context(), test.script, test.arguments...)
		cmd.Stdout, cmd.Stderr = &out, &complaints
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code := cmd.ProcessState.ExitCode()
		if text := out.String() + complaints.String(); code != test.code || !strings.Contains(text, test.says) || strings.Contains(text, "set -e") {
			t.Errorf("%s %q: got %d and\n%s\nwant %d and %q", filepath.Base(test.script), test.arguments, code, text, test.code, test.says)
		}
		if test.code == 0 && complaints.Len() > 0 {
			t.Errorf("%s %q complains: %s", filepath.Base(test.script), test.arguments, &complaints)
		}
	}
}
