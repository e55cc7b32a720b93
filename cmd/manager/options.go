package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/towpath-dev/towpath/internal/manager"
)

// configure reads the arguments, and the file that they name, and checks all of it: what cannot work is known before anything is
// asked of a cluster. Flags win over the file: they are parsed again once it is read.
func configure(flags *flag.FlagSet, arguments []string) (*manager.Configuration, error) {
	configuration := manager.DefaultConfiguration()
	file := flags.String("config", "", "File with the configuration, a "+manager.ConfigurationKind+" of "+manager.ConfigurationAPIVersion+". Flags win over it.")
	bind(configuration, flags)
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: the manager takes flags alone", flags.Arg(0))
	}
	if *file != "" {
		read, err := manager.ReadConfiguration(*file)
		if err != nil {
			return nil, err
		}
		*configuration = *read
		if err := flags.Parse(arguments); err != nil {
			return nil, err
		}
	}
	return configuration, check(configuration, flags, *file)
}

// fields are what flags set, by their names.
var fields = map[string]string{
	"metrics-bind-address": "metrics.bindAddress", "health-probe-bind-address": "health.bindAddress", "pprof-bind-address": "profiling.bindAddress",
	"webhook-host": "webhook.host", "webhook-port": "webhook.port", "webhook-cert-dir": "webhook.certDir", "webhook-cert-copy": "webhook.copyCert",
	"leader-elect": "leaderElection.enabled", "label-alias": "labelAliases", "workers": "workers",
}

// check says all that cannot work, each with where it was said: by a flag, in the file, or by default.
func check(configuration *manager.Configuration, flags *flag.FlagSet, file string) error {
	said := map[string]string{}
	flags.Visit(func(f *flag.Flag) { said[fields[f.Name]] = "flag --" + f.Name })
	elsewhere := "default"
	if file != "" {
		elsewhere = "configuration " + file
	}
	var errs []error
	for _, fault := range configuration.Faults() {
		errs = append(errs, fmt.Errorf("%s: %w", cmp.Or(said[fault.Field], elsewhere), fault))
	}
	return errors.Join(errs...)
}

// bind makes flags of the fields that one run may want otherwise.
func bind(c *manager.Configuration, flags *flag.FlagSet) {
	flags.StringVar(&c.Metrics.BindAddress, "metrics-bind-address", c.Metrics.BindAddress, "Address of the metrics endpoint; 0 for none.")
	flags.StringVar(&c.Health.BindAddress, "health-probe-bind-address", c.Health.BindAddress, "Address of /healthz and /readyz; 0 for none.")
	flags.StringVar(&c.Profiling.BindAddress, "pprof-bind-address", c.Profiling.BindAddress, "Address of /debug/pprof, on the loopback interface; 0 for none.")
	flags.StringVar(&c.Webhook.Host, "webhook-host", c.Webhook.Host, "Address that the webhook server listens on; empty for all.")
	flags.IntVar(&c.Webhook.Port, "webhook-port", c.Webhook.Port, "Port of the webhook server.")
	flags.StringVar(&c.Webhook.CertDir, "webhook-cert-dir", c.Webhook.CertDir, "Folder with tls.crt and tls.key of the webhook server.")
	flags.BoolVar(&c.Webhook.CopyCert, "webhook-cert-copy", c.Webhook.CopyCert, "Write the certificate from its Secret to --webhook-cert-dir.")
	flags.BoolVar(&c.LeaderElection.Enabled, "leader-elect", c.LeaderElection.Enabled, "Elect a leader, so that several replicas may run.")
	flags.Var((*aliases)(&c.LabelAliases), "label-alias",
		"Further label with the value of one of Towpath's, as alias=label, such as cost-center=platform.towpath.dev/cost-center; may be given several times. Added to those of the file.")
	flags.IntVar(&c.Workers, "workers", c.Workers, "How many requests for what teams want are under way at once.")
}

// aliases are the values of --label-alias.
type aliases map[string]string

// String returns the aliases as they were given.
func (a *aliases) String() string {
	if a == nil {
		return ""
	}
	pairs := make([]string, 0, len(*a))
	for alias, label := range *a {
		pairs = append(pairs, alias+"="+label)
	}
	return strings.Join(pairs, ",")
}

// Set takes one alias.
func (a *aliases) Set(value string) error {
	alias, label, ok := strings.Cut(value, "=")
	if !ok || alias == "" || label == "" {
		return fmt.Errorf("%q must be of the form alias=label", value)
	}
	if *a == nil {
		*a = aliases{}
	}
	(*a)[alias] = label
	return nil
}
