package main

import (
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/towpath-dev/towpath/internal/manager"
)

func parse(t *testing.T, file string, arguments ...string) (*manager.Configuration, error) {
	t.Helper()
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	logFlags(flags)
	config.RegisterFlags(flags)
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

// A flag that sets a field says so where its value cannot work, and is in the guide as all others are.
func TestEachFlagIsInTheGuide(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	bind(manager.DefaultConfiguration(), flags)
	flags.VisitAll(func(f *flag.Flag) {
		if fields[f.Name] == "" {
			t.Errorf("--%s sets no field", f.Name)
		}
	})
	for name, of := range fields {
		if flags.Lookup(name) == nil {
			t.Errorf("there is no flag --%s", name)
		}
		if !regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(of) + "` .*`--" + name + "`").Match(guide) {
			t.Errorf("the guide does not say that --%s sets %s", name, of)
		}
	}
	logFlags(flags)
	config.RegisterFlags(flags)
	flags.String("config", "", "")
	flags.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(string(guide), "`--"+f.Name+"`") {
			t.Errorf("the guide does not have --%s", f.Name)
		}
	})
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
		{"", []string{"--workers=0"}, "flag --workers: workers: Invalid value: 0: must be from 1 to 100"},
		{"", []string{"--workers=many"}, `invalid value "many" for flag -workers`},
		{"", []string{"--webhook-port=70000"}, "flag --webhook-port: webhook.port: Invalid value: 70000: must be from 1 to 65535"},
		{"", []string{"--metrics-bind-address=8443"}, `flag --metrics-bind-address: metrics.bindAddress: Invalid value: "8443": must be host:port`},
		{"", []string{"--label-alias=a=b"}, "flag --label-alias: labelAliases: "},
		{"", []string{"--kubeconfig=a", "--zap-log-level=loud"}, `invalid value "loud" for flag -zap-log-level`},
		{"", []string{"--zap-encoder=xml"}, `invalid value "xml" for flag -zap-encoder`},
		{"workers: 0", nil, "manager.yaml: workers: Invalid value: 0: must be from 1 to 100"},
		{"workers: 5", []string{"--workers=-1"}, "flag --workers: workers: Invalid value: -1"},
		{"leaderElection: {leaseDurationSeconds: 601}", []string{"--workers=101"}, "manager.yaml: leaderElection.leaseDurationSeconds: Invalid value: 601: must be from 1 to 600"},
		{"registries: {caFile: /no/such/ca.crt}", nil, `manager.yaml: registries.caFile: Invalid value: "/no/such/ca.crt": must be a file that the manager may read`},
		{"supplyChain: {trustedRootFile: /no/such/root.json}", nil, `manager.yaml: supplyChain.trustedRootFile: Invalid value: "/no/such/root.json": must be a file`},
		{"sources: {allowedHosts: [a.example, 'https://git.example/x']}", nil, `manager.yaml: sources.allowedHosts[1]: Invalid value: "https://git.example/x": must be a name such as`},
	} {
		if _, err := parse(t, c.file, c.arguments...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.arguments, err, c.want)
		}
	}
}
