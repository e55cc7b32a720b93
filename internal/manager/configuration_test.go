package manager

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

const head = "apiVersion: config.platform.towpath.dev/v1alpha1\nkind: ManagerConfiguration\n"

func TestAFileIsReadOverTheDefaults(t *testing.T) {
	got, err := decodeConfiguration([]byte("# a comment\n" + head + `
metrics: {bindAddress: ":8443"}
profiling: {bindAddress: "localhost:6060"}
webhook: {host: 127.0.0.1, copyCert: true}
leaderElection: {enabled: false, leaseDurationSeconds: 60}
labelAliases: {cost-center: platform.towpath.dev/cost-center}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfiguration()
	want.Metrics.BindAddress, want.Profiling.BindAddress = ":8443", "localhost:6060"
	want.Webhook.Host, want.Webhook.CopyCert = "127.0.0.1", true
	want.LeaderElection.Enabled, want.LeaderElection.LeaseDurationSeconds = false, 60
	want.LabelAliases = map[string]string{"cost-center": "platform.towpath.dev/cost-center"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestTheDefaultsAreValid(t *testing.T) {
	if err := DefaultConfiguration().Validate(); err != nil {
		t.Error(err)
	}
}

func TestTheFileThatIsInstalledIsValid(t *testing.T) {
	got, err := ReadConfiguration(filepath.Join("..", "..", "config", "manager", "configuration", "manager.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	if !got.LeaderElection.Enabled || got.Metrics.BindAddress == noAddress {
		t.Errorf("several replicas need an election, and metrics are on: %+v", got)
	}
}

func TestFaultsOfFormAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		file  string
		wants []string
	}{
		"unknown fields, all at once": {head + "metrics: {bindAdress: x}\nworker: 3\n", []string{`unknown field "metrics.bindAdress"`, `unknown field "worker"`}},
		"another case":                {head + "Workers: 3\n", []string{`unknown field "Workers"`}},
		"a field twice":               {head + "workers: 3\nworkers: 4\n", []string{`key "workers" already set`}},
		"a wrong type":                {head + "webhook: {port: high}\n", []string{"webhook.port", "int"}},
		"another version": {
			"apiVersion: config.platform.towpath.dev/v1\nkind: ManagerConfiguration\nelse: 1\n",
			[]string{"config.platform.towpath.dev/v1\"", "this manager reads apiVersion config.platform.towpath.dev/v1alpha1, kind ManagerConfiguration"},
		},
		"another kind":      {"apiVersion: config.platform.towpath.dev/v1alpha1\nkind: Configuration\n", []string{`kind "Configuration"`}},
		"nothing":           {"", []string{`apiVersion ""`}},
		"no YAML":           {head + "workers: [\n", []string{"yaml"}},
		"a second document": {head + "---\n" + head, []string{"more than one document"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "manager.yaml")
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadConfiguration(path)
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, want := range append(c.wants, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestEveryWrongValueIsNamedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Configuration)
		wants  []string
	}{
		"addresses": {
			func(c *Configuration) { c.Metrics.BindAddress, c.Health.BindAddress = "8443", ":99999" },
			[]string{`metrics.bindAddress: Invalid value: "8443": must be host:port`, `health.bindAddress: Invalid value: ":99999"`},
		},
		"no address": {
			func(c *Configuration) { c.Metrics.BindAddress = "" },
			[]string{`metrics.bindAddress: Invalid value: ""`},
		},
		"two servers on one port": {
			func(c *Configuration) { c.Metrics.BindAddress, c.Health.BindAddress = ":9443", "127.0.0.1:9443" },
			[]string{"metrics.bindAddress: Invalid value: \":9443\": must have another port than webhook.port", "must have another port than metrics.bindAddress"},
		},
		"profiles for everybody": {
			func(c *Configuration) { c.Profiling.BindAddress = ":6060" },
			[]string{`profiling.bindAddress: Invalid value: ":6060": must be on the loopback interface`},
		},
		"profiles on the network": {
			func(c *Configuration) { c.Profiling.BindAddress = "10.0.0.1:6060" },
			[]string{`profiling.bindAddress: Invalid value: "10.0.0.1:6060": must be on the loopback interface`},
		},
		"profiles on a taken port": {
			func(c *Configuration) { c.Profiling.BindAddress = "127.0.0.1:8081" },
			[]string{`profiling.bindAddress: Invalid value: "127.0.0.1:8081": must have another port than health.bindAddress`},
		},
		"webhook": {
			func(c *Configuration) { c.Webhook = WebhookConfiguration{Host: "localhost:9443", Port: 70000} },
			[]string{"webhook.host: Invalid value", "webhook.port: Invalid value: 70000: must be from 1 to 65535", "webhook.certDir: Required value"},
		},
		"lease": {
			func(c *Configuration) {
				c.LeaderElection = LeaderElectionConfiguration{LeaseDurationSeconds: 601, RenewDeadlineSeconds: 700, RetryPeriodSeconds: 0}
			},
			[]string{
				"leaseDurationSeconds: Invalid value: 601: must be from 1 to 600", "renewDeadlineSeconds: Invalid value: 700: must be less than leaseDurationSeconds",
				"retryPeriodSeconds: Invalid value: 0: must be from 1 to 600",
			},
		},
		"retry too slow for the deadline": {
			func(c *Configuration) { c.LeaderElection.RetryPeriodSeconds = 9 },
			[]string{"leaderElection.retryPeriodSeconds: Invalid value: 9: must be less than renewDeadlineSeconds, which is 10, by a fifth"},
		},
		"the size of repositories": {
			func(c *Configuration) { c.Delivery.MaxRepositoryMiB = 5000 },
			[]string{"delivery.maxRepositoryMiB: Invalid value: 5000: must be from 1 to 4096, or absent for 64"},
		},
		"aliases and workers": {
			func(c *Configuration) { c.LabelAliases, c.Workers = map[string]string{"team": "nothing"}, 0 },
			[]string{"labelAliases", `has no label "nothing"`, "workers: Invalid value: 0: must be from 1 to 100"},
		},
		"hosts": {
			func(c *Configuration) {
				c.Alerts.AllowedHosts, c.CostSources.AllowedHosts = []string{"am.monitoring.svc", "*.example"}, []string{"https://opencost.example"}
			},
			[]string{
				`alerts.allowedHosts[1]: Invalid value: "*.example": must be a name such as am.monitoring.svc, an address such as 10.20.0.9, either with a port`,
				`costSources.allowedHosts[0]: Invalid value: "https://opencost.example": must be a name`,
			},
		},
		"files that are not there": {
			func(c *Configuration) {
				c.Registries.CAFile, c.SupplyChain.TrustedRootFile = "/no/ca.crt", "/no/root.json"
			},
			[]string{
				`registries.caFile: Invalid value: "/no/ca.crt": must be a file that the manager may read`,
				`supplyChain.trustedRootFile: Invalid value: "/no/root.json": must be a file that the manager may read`,
			},
		},
		"files of something else": {
			func(c *Configuration) { c.Registries.CAFile, c.SupplyChain.TrustedRootFile = "hosts.go", "hosts.go" },
			[]string{
				`registries.caFile: Invalid value: "hosts.go": must be a file with certificates in PEM`,
				`supplyChain.trustedRootFile: Invalid value: "hosts.go": must be a trusted root of Sigstore`,
			},
		},
		"settings of workflows": {
			func(c *Configuration) {
				c.Pipeline.Actions = &actions.Config{Pins: map[string]string{"actions/checkout": "v4"}, Images: map[string]string{"clone": "registry.example/git"}, RunsOn: []string{strings.Repeat("a", 256), strings.Repeat("b", 257)}}
			},
			[]string{
				`pipeline.actions: pins.actions/checkout: "v4" must be a commit of it`, `pipeline.actions: image: "" must be a container image`,
				`pipeline.actions: runsOn: "` + strings.Repeat("b", 257) + `" must be a label of runners: letters, digits and -_., at most 256`,
				`pipeline.actions: images: "clone" must be one of image, sbom, scan, sign, provenance`, "pipeline.actions: record.server",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			configuration := DefaultConfiguration()
			c.change(configuration)
			err := configuration.Validate()
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

// fieldPaths are the paths of all fields below a type that have a value of their own, as a file names them.
func fieldPaths(of reflect.Type, path string) []string {
	var found []string
	for i := range of.NumField() {
		name, options, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		below := of.Field(i).Type
		switch {
		case options == "inline" || !of.Field(i).IsExported():
		case below.Kind() == reflect.Struct && below != reflect.TypeFor[PricesConfiguration]():
			found = append(found, fieldPaths(below, path+name+".")...)
		default:
			found = append(found, path+name)
		}
	}
	return found
}

// Each field has a row in the guide's table, and each row a field. A row of several names the last part alone from the second on.
func TestTheGuideHasEachField(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(guide), "\n| field | default | limits | flag | effect |\n")
	if !found {
		t.Fatal("the guide has no table of fields")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var listed []string
	for _, row := range strings.Split(table, "\n")[1:] {
		group := ""
		for name := range strings.SplitSeq(strings.Split(row, " | ")[0], ", ") {
			name = strings.Trim(name, "|` ")
			if part, short := strings.CutPrefix(name, "."); short {
				name = group + part
			}
			group = name[:strings.LastIndex(name, ".")+1]
			listed = append(listed, name)
		}
	}
	want := fieldPaths(reflect.TypeFor[Configuration](), "")
	slices.Sort(want)
	slices.Sort(listed)
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("the table differs from the fields that there are (-fields +table):\n%s", diff)
	}
}

func TestTheExampleOfTheGuideIsValid(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(guide), "```yaml\n"+head)
	if !found {
		t.Fatal("the guide has no example")
	}
	example, _, _ := strings.Cut(after, "```")
	configuration, err := decodeConfiguration([]byte(head + example))
	if err != nil {
		t.Fatal(err)
	}
	if err := configuration.Validate(); err != nil {
		t.Error(err)
	}
}
