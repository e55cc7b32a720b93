package main

import (
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/manager"
)

func parse(t *testing.T, file string, arguments ...string) (*manager.Configuration, error) {
	t.Helper()
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if file != "" {
		path := filepath.Join(t.TempDir(), "manager.yaml")
		if err := os.WriteFile(path, []byte("apiVersion: config.platform.towpath.dev/v1alpha1\nkind: ManagerConfiguration\n"+file), 0o600); err != nil {
			t.Fatal(err)
		}
		// At the end: what stands before it wins too.
		arguments = append(arguments[:len(arguments):len(arguments)], "--config", path)
	}
	return configure(flags, arguments)
}

func TestFlagsWinOverTheFile(t *testing.T) {
	got, err := parse(t, `
workers: 3
profiling: {bindAddress: "localhost:6060"}
webhook: {port: 1000, copyCert: true}
leaderElection: {enabled: true}
labelAliases: {team: team, env: environment}
`, "--pprof-bind-address=127.0.0.1:6061", "--webhook-port=2000", "--leader-elect=false", "--label-alias=env=tier", "--label-alias=app=component")
	if err != nil {
		t.Fatal(err)
	}
	if got.Webhook.Port != 2000 || got.LeaderElection.Enabled || got.Profiling.BindAddress != "127.0.0.1:6061" {
		t.Errorf("the flags do not win: %+v", got)
	}
	if got.Workers != 3 || !got.Webhook.CopyCert {
		t.Errorf("what no flag says is lost: %+v", got)
	}
	if want := map[string]string{"team": "team", "env": "tier", "app": "component"}; !maps.Equal(got.LabelAliases, want) {
		t.Errorf("aliases are %v, want %v", got.LabelAliases, want)
	}
}

func TestWithoutAFileFlagsAreOverTheDefaults(t *testing.T) {
	got, err := parse(t, "", "--workers", "2")
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers != 2 || got.Webhook.Port != manager.DefaultConfiguration().Webhook.Port {
		t.Errorf("got %+v", got)
	}
}

func TestWrongArgumentsAreErrors(t *testing.T) {
	for _, c := range []struct {
		file      string
		arguments []string
		want      string
	}{
		{"", []string{"--nothing"}, "nothing"},
		{"", []string{"--config", "/no/such/file"}, "/no/such/file"},
		{"", []string{"file.yaml"}, `unexpected argument "file.yaml"`},
		{"", []string{"--label-alias", "team"}, "alias=label"},
		{"worker: 1", nil, `unknown field "worker"`},
	} {
		if _, err := parse(t, c.file, c.arguments...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.arguments, err, c.want)
		}
	}
}
