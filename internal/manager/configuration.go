package manager

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/towpath-dev/towpath/internal/outbound"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/render"
)

// ConfigurationAPIVersion and ConfigurationKind are what a configuration file begins with. Fields of a
// version are only added to; what changes or goes needs another version.
const (
	ConfigurationAPIVersion = "config.platform.towpath.dev/v1alpha1"
	ConfigurationKind       = "ManagerConfiguration"
)

const (
	// noAddress stands for an endpoint that is not served.
	noAddress = "0"

	maxWorkers = 100
	// maxRepositoryMiB bounds what of a repository may be in memory at once.
	maxRepositoryMiB = 4096
	// maxReapplySeconds is 30 days.
	maxReapplySeconds = 30 * 24 * 3600
	// maxLeaseSeconds bounds how long nobody reconciles after a leader died.
	maxLeaseSeconds = 600
	// retryJitter is by how much client-go lengthens the wait between two tries at the lease.
	retryJitter = 1.2
)

// Configuration is the file that the flag --config names. It is a versioned kind, but no object of
// the API server, hence it stands here and not in api/, where each kind is served. A field that is left
// out has its default; one that does not exist is an error. Flags win over the file.
type Configuration struct {
	metav1.TypeMeta `json:",inline"`

	// Metrics is the metrics endpoint.
	Metrics MetricsConfiguration `json:"metrics"`
	// Health is where the probes are answered.
	Health HealthConfiguration `json:"health"`
	// Profiling is where the manager's profiles are served.
	Profiling ProfilingConfiguration `json:"profiling"`
	// Webhook is the server of the admission webhooks.
	Webhook WebhookConfiguration `json:"webhook"`
	// LeaderElection decides which of several replicas reconciles. All of them serve webhooks.
	LeaderElection LeaderElectionConfiguration `json:"leaderElection"`
	// LabelAliases are further labels on all that Towpath makes, each with the one of Towpath's whose
	// value it repeats, such as "cost-center: platform.towpath.dev/cost-center". A change reaches each
	// Component with its next Release. Default: none. At most 16.
	LabelAliases map[string]string `json:"labelAliases,omitempty"`
	// Workers is how many requests for what teams want are under way at once; twice as many Components, and as many Releases, are
	// reconciled meanwhile. Teams share them: whoever has the fewest under way goes first. More make a busy API server slower for
	// all of its clients; a large one that takes long for each request bears more. Default: 4. 1 to 100.
	Workers int `json:"workers"`
	// ReapplySeconds is after how long, and up to a half more, all objects of a Release are written again though none shows a
	// change: a safety net under what managed fields do not show. The API server writes nothing where nothing was changed.
	// Default: 36000, ten hours. 0 to 2592000, 30 days; 0 for never.
	ReapplySeconds int `json:"reapplySeconds"`
	// Prices are by what Releases are estimated: docs/costs.md has the fields. What they do not say of a resource, in USD, is of
	// OpenCost's default list. A change reaches each Component with its next Release, whose estimate is frozen. Default: none, so
	// that all is of the default list.
	Prices PricesConfiguration `json:"prices,omitzero"`
	// History is where daily costs are kept.
	History HistoryConfiguration `json:"history"`
	// Alerts is how alerts of budgets are sent.
	Alerts AlertsConfiguration `json:"alerts"`
	// CostSources is how bills are read.
	CostSources CostSourcesConfiguration `json:"costSources"`
	// Pipeline is what the pipelines of golden paths run with.
	Pipeline PipelineConfiguration `json:"pipeline,omitzero"`
	// Sources is how the repositories of Components are asked.
	Sources SourcesConfiguration `json:"sources"`
	// Registries is how registries of images are asked: what is proven of an image, where a class has images prove something.
	Registries RegistriesConfiguration `json:"registries,omitzero"`
	// SupplyChain is by what proofs of images are verified that somebody signed without a key.
	SupplyChain SupplyChainConfiguration `json:"supplyChain,omitzero"`
	// Delivery is how Releases are committed to the repositories of classes that deliver by Git.
	Delivery DeliveryConfiguration `json:"delivery"`
}

// DeliveryConfiguration is how Releases are committed. The addresses are for the platform team to choose, in classes.
type DeliveryConfiguration struct {
	// AllowedHosts are where repositories may be beside public addresses, such as git.internal.example or 10.20.0.0/16; written as in
	// alerts. Addresses at which clouds give out credentials are never allowed. Default: none. At most 64.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// PlainHTTP also allows repositories by http://, over which credentials travel unprotected. Default: false.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// MaxRepositoryMiB is how many mebibytes the files of the newest commit of a branch may have together: they are in memory while a branch is read for
	// the first time. Default: 64. From 1 to 4096; the manager's memory limit must be higher by twice as much.
	MaxRepositoryMiB int64 `json:"maxRepositoryMiB,omitempty"`
	// Name and Email are those of the author and committer of each commit. Who wrote and let in a Release stands in trailers.
	// Defaults: Towpath, and towpath@localhost.
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// SourcesConfiguration is how the repositories of Components are asked. Their addresses are for tenants to choose.
type SourcesConfiguration struct {
	// AllowedHosts are where repositories may be beside public addresses, such as git.internal.example or 10.20.0.0/16; written as in
	// alerts. Addresses at which clouds give out credentials are never allowed. Default: none. At most 64.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// PlainHTTP also allows repositories by http://, over which credentials and commits travel unprotected. Default: false.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// WebhookBindAddress is where webhooks of repositories are taken, as host:port, by HTTP without TLS: something that ends TLS, such as
	// a Gateway, has to stand before it. "0" for nowhere. Default: "0".
	WebhookBindAddress string `json:"webhookBindAddress,omitempty"`
}

// CostSourcesConfiguration is how bills are read. Their addresses are for the platform team to choose.
type CostSourcesConfiguration struct {
	// AllowedHosts are where CostSources may be beside public and private addresses, such as 127.0.0.1:9003 for a sidecar; written as
	// in alerts. Addresses at which clouds give out credentials are never allowed. Default: none. At most 64.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
}

// AlertsConfiguration is how alerts of budgets are sent. Their addresses are for tenants to choose.
type AlertsConfiguration struct {
	// AllowedHosts are what alerts may be sent to beside public addresses: names (am.monitoring.svc), addresses, both also with a port
	// (am.monitoring.svc:9093), and networks (10.20.0.0/16). Addresses at which clouds give out credentials are never allowed.
	// Default: none. At most 64.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// Source tells this installation from others in the events that webhooks get, such as https://towpath.example or /clusters/prod.
	// Default: /towpath.
	Source string `json:"source,omitempty"`
}

// MetricsConfiguration is the metrics endpoint, /metrics. It is served by TLS with the certificate of the
// webhooks, to callers whose token may get the path /metrics: see the ClusterRole towpath-metrics-reader.
type MetricsConfiguration struct {
	// BindAddress is where it listens, as host:port; "0" for no metrics. Default: "0".
	BindAddress string `json:"bindAddress"`
}

// HealthConfiguration is where the probes are answered.
type HealthConfiguration struct {
	// BindAddress is where /healthz and /readyz listen, as host:port; "0" for no probes. Default: ":8081".
	BindAddress string `json:"bindAddress"`
}

// ProfilingConfiguration is where the manager's profiles are served, below /debug/pprof. Whoever reaches it
// may read them, and they show what is in memory: hence it listens on the loopback interface alone, where
// `kubectl port-forward` reaches it.
type ProfilingConfiguration struct {
	// BindAddress is where it listens, as host:port with a host of the loopback interface; "0" for no
	// profiles. Default: "0".
	BindAddress string `json:"bindAddress"`
}

// WebhookConfiguration is the server of the admission webhooks.
type WebhookConfiguration struct {
	// Host is the address that it listens on: a name or an IP. Default: "", all of them.
	Host string `json:"host"`
	// Port is where it listens. Default: 9443. 1 to 65535.
	Port int `json:"port"`
	// CertDir is the folder with its certificate, tls.crt and tls.key. Default: towpath-webhook-cert in
	// the folder for temporary files.
	CertDir string `json:"certDir"`
	// CopyCert makes the manager write the certificate from its Secret to CertDir itself, within a second
	// of when it is made and within a minute of when it changes. Where it is false, somebody else must
	// bring it there. Default: false.
	CopyCert bool `json:"copyCert"`
}

// LeaderElectionConfiguration decides which of several replicas reconciles.
type LeaderElectionConfiguration struct {
	// Enabled elects a leader by a Lease in towpath-system. Without, only one replica may run.
	// Default: true.
	Enabled bool `json:"enabled"`
	// LeaseDurationSeconds is how long the others wait for a leader that does not answer; one that ends in
	// order lets go at once. Default: 15. 1 to 600.
	LeaseDurationSeconds int `json:"leaseDurationSeconds"`
	// RenewDeadlineSeconds is how long a leader tries to keep the lease before it ends. Less than
	// leaseDurationSeconds. Default: 10.
	RenewDeadlineSeconds int `json:"renewDeadlineSeconds"`
	// RetryPeriodSeconds is how long it waits between two tries. Less than renewDeadlineSeconds by a fifth.
	// Default: 2.
	RetryPeriodSeconds int `json:"retryPeriodSeconds"`
}

// HistoryConfiguration is where daily costs are kept, for 400 days: in a file, or in PostgreSQL, and not in both. Without either
// there are estimates, and no budgets, bills and reports.
type HistoryConfiguration struct {
	// SQLite is the path of a file, which is made where there is none. It must be on a volume that one manager has at a time, and is
	// lost with that. Default: "", no file.
	SQLite string `json:"sqlite,omitempty"`
	// PostgreSQLAddressFile is a file, such as one of a mounted Secret, that holds the address of a database which all replicas
	// share, as postgres://user:password@host/database?sslmode=verify-full. Default: "", no database.
	PostgreSQLAddressFile string `json:"postgresqlAddressFile,omitempty"`
}

// DefaultConfiguration is what holds without a file and without flags.
func DefaultConfiguration() *Configuration {
	return &Configuration{
		TypeMeta:  metav1.TypeMeta{APIVersion: ConfigurationAPIVersion, Kind: ConfigurationKind},
		Metrics:   MetricsConfiguration{BindAddress: noAddress},
		Health:    HealthConfiguration{BindAddress: ":8081"},
		Profiling: ProfilingConfiguration{BindAddress: noAddress},
		Sources:   SourcesConfiguration{WebhookBindAddress: noAddress},
		Webhook:   WebhookConfiguration{Port: 9443, CertDir: filepath.Join(os.TempDir(), "towpath-webhook-cert")},
		LeaderElection: LeaderElectionConfiguration{
			Enabled: true, LeaseDurationSeconds: 15, RenewDeadlineSeconds: 10, RetryPeriodSeconds: 2,
		},
		Workers:        4,
		ReapplySeconds: 10 * 3600,
	}
}

// ReadConfiguration reads a file. Its values are not checked yet (Faults), since flags may still change them.
func ReadConfiguration(path string) (*Configuration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	configuration, err := decodeConfiguration(data)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return configuration, nil
}

// decodeConfiguration decodes a file over the defaults, and returns every fault of its form at once.
func decodeConfiguration(data []byte) (*Configuration, error) {
	if err := oneDocument(data); err != nil {
		return nil, err
	}
	text, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	var meta metav1.TypeMeta
	// A file of another version has other fields: saying that they are unknown would help nobody.
	if err := json.UnmarshalCaseSensitivePreserveInts(text, &meta); err != nil {
		return nil, err
	}
	if meta.APIVersion != ConfigurationAPIVersion || meta.Kind != ConfigurationKind {
		return nil, fmt.Errorf("it is apiVersion %q, kind %q; this manager reads apiVersion %s, kind %s",
			meta.APIVersion, meta.Kind, ConfigurationAPIVersion, ConfigurationKind)
	}
	configuration := DefaultConfiguration()
	strict, err := json.UnmarshalStrict(text, configuration)
	if err != nil {
		return nil, err
	}
	return configuration, errors.Join(append(strict, configuration.Prices.read(data))...)
}

// oneDocument refuses a file whose second document would be ignored.
func oneDocument(data []byte) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	documents := 0
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var content any
		if err := yaml.Unmarshal(document, &content); err != nil {
			return err
		}
		if content == nil {
			continue
		}
		if documents++; documents > 1 {
			return errors.New("it holds more than one document")
		}
	}
}

// Validate returns every value that cannot work, with its field, as one error.
func (c *Configuration) Validate() error {
	if err := c.Faults().ToAggregate(); err != nil {
		return fmt.Errorf("the manager's configuration is invalid: %w", err)
	}
	return nil
}

// Faults are all values that cannot work, each with its field. What the files hold that are read once, at the start, belongs to it:
// it is to be known before anything is asked of the API server.
func (c *Configuration) Faults() field.ErrorList {
	errs := c.validateServers()
	election := field.NewPath("leaderElection")
	lease, renew, retry := c.LeaderElection.LeaseDurationSeconds, c.LeaderElection.RenewDeadlineSeconds, c.LeaderElection.RetryPeriodSeconds
	errs = append(errs, upTo(election.Child("leaseDurationSeconds"), lease, maxLeaseSeconds)...)
	errs = append(errs, upTo(election.Child("renewDeadlineSeconds"), renew, maxLeaseSeconds)...)
	errs = append(errs, upTo(election.Child("retryPeriodSeconds"), retry, maxLeaseSeconds)...)
	if renew >= lease {
		errs = append(errs, field.Invalid(election.Child("renewDeadlineSeconds"), renew, fmt.Sprintf("must be less than leaseDurationSeconds, which is %d", lease)))
	}
	if float64(retry)*retryJitter >= float64(renew) {
		errs = append(errs, field.Invalid(election.Child("retryPeriodSeconds"), retry, fmt.Sprintf("must be less than renewDeadlineSeconds, which is %d, by a fifth", renew)))
	}
	if err := render.CheckAliases(c.LabelAliases); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("labelAliases"), c.LabelAliases, err.Error()))
	}
	errs = append(errs, upTo(field.NewPath("workers"), c.Workers, maxWorkers)...)
	if c.ReapplySeconds < 0 || c.ReapplySeconds > maxReapplySeconds {
		errs = append(errs, field.Invalid(field.NewPath("reapplySeconds"), c.ReapplySeconds, fmt.Sprintf("must be from 0, which is never, to %d", maxReapplySeconds)))
	}
	if c.History.SQLite != "" && c.History.PostgreSQLAddressFile != "" {
		errs = append(errs, field.Forbidden(field.NewPath("history"), "name sqlite or postgresqlAddressFile, and not both"))
	}
	errs = append(errs, c.validateAlerts()...)
	errs = append(errs, hosts("sources", c.Sources.AllowedHosts, outbound.NewRules)...)
	errs = append(errs, hosts("registries", c.Registries.AllowedHosts, outbound.NewRules)...)
	errs = append(errs, hosts("delivery", c.Delivery.AllowedHosts, outbound.NewRules)...)
	if most := c.Delivery.MaxRepositoryMiB; most < 0 || most > maxRepositoryMiB {
		errs = append(errs, field.Invalid(field.NewPath("delivery", "maxRepositoryMiB"), most, fmt.Sprintf("must be from 1 to %d, or absent for 64", maxRepositoryMiB)))
	}
	errs = append(errs, c.Pipeline.validate(field.NewPath("pipeline"))...)
	if _, err := c.Registries.roots(); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("registries", "caFile"), c.Registries.CAFile, err.Error()))
	}
	if _, err := c.SupplyChain.root(); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("supplyChain", "trustedRootFile"), c.SupplyChain.TrustedRootFile, err.Error()))
	}
	return errs
}

// validateServers checks what the manager listens on.
func (c *Configuration) validateServers() field.ErrorList {
	metrics, health, webhook := field.NewPath("metrics", "bindAddress"), field.NewPath("health", "bindAddress"), field.NewPath("webhook")
	profiling := field.NewPath("profiling", "bindAddress")
	errs := append(address(metrics, c.Metrics.BindAddress), address(health, c.Health.BindAddress)...)
	hooks := field.NewPath("sources", "webhookBindAddress")
	errs = append(errs, address(hooks, c.Sources.WebhookBindAddress)...)
	errs = append(errs, loopback(profiling, c.Profiling.BindAddress)...)
	if c.Webhook.Host != "" && len(validation.IsDNS1123Subdomain(c.Webhook.Host)) > 0 && net.ParseIP(c.Webhook.Host) == nil {
		errs = append(errs, field.Invalid(webhook.Child("host"), c.Webhook.Host, "must be a name or an IP, without a port"))
	}
	errs = append(errs, upTo(webhook.Child("port"), c.Webhook.Port, 65535)...)
	if c.Webhook.CertDir == "" {
		errs = append(errs, field.Required(webhook.Child("certDir"), "name a folder"))
	}
	if len(errs) > 0 {
		return errs
	}
	// The second server on a port would end the manager, which says less.
	taken := map[string]*field.Path{strconv.Itoa(c.Webhook.Port): webhook.Child("port")}
	for _, server := range []struct {
		path *field.Path
		bind string
	}{{metrics, c.Metrics.BindAddress}, {health, c.Health.BindAddress}, {profiling, c.Profiling.BindAddress}, {hooks, c.Sources.WebhookBindAddress}} {
		if server.bind == noAddress {
			continue
		}
		_, port, _ := net.SplitHostPort(server.bind) // checked above
		if other := taken[port]; other != nil {
			errs = append(errs, field.Invalid(server.path, server.bind, fmt.Sprintf("must have another port than %s", other)))
		}
		taken[port] = server.path
	}
	return errs
}

// address checks what an endpoint listens on.
func address(path *field.Path, value string) field.ErrorList {
	if value == noAddress {
		return nil
	}
	_, port, err := net.SplitHostPort(value)
	number, notNumber := strconv.Atoi(port)
	if err != nil || notNumber != nil || number < 1 || number > 65535 {
		return field.ErrorList{field.Invalid(path, value, `must be host:port, :port for all addresses, or "0" for none`)}
	}
	return nil
}

// loopback checks what an endpoint listens on that nobody elsewhere may reach.
func loopback(path *field.Path, value string) field.ErrorList {
	if errs := address(path, value); len(errs) > 0 || value == noAddress {
		return errs
	}
	host, _, _ := net.SplitHostPort(value) // checked above
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return field.ErrorList{field.Invalid(path, value, "must be on the loopback interface, such as 127.0.0.1:6060: profiles show what is in memory")}
	}
	return nil
}

func upTo(path *field.Path, value, high int) field.ErrorList {
	if value < 1 || value > high {
		return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("must be from 1 to %d", high))}
	}
	return nil
}

// seconds is a number of them as client-go wants it.
func seconds(n int) *time.Duration {
	d := time.Duration(n) * time.Second
	return &d
}
