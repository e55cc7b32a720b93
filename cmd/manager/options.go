package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/towpath-dev/towpath/internal/manager"
)

func defaultOptions() *manager.Options {
	return &manager.Options{
		MetricsAddress: "0", ProbeAddress: ":8081", WebhookPort: 9443,
		CertDir: filepath.Join(os.TempDir(), "towpath-webhook-cert"), LeaderElection: true, Workers: 8,
	}
}

// bind makes flags of the options.
func bind(o *manager.Options, flags *flag.FlagSet) {
	flags.StringVar(&o.MetricsAddress, "metrics-bind-address", o.MetricsAddress, "Address of the metrics endpoint; 0 for none.")
	flags.StringVar(&o.ProbeAddress, "health-probe-bind-address", o.ProbeAddress, "Address of /healthz and /readyz.")
	flags.StringVar(&o.WebhookHost, "webhook-host", o.WebhookHost, "Address that the webhook server listens on; empty for all.")
	flags.IntVar(&o.WebhookPort, "webhook-port", o.WebhookPort, "Port of the webhook server.")
	flags.StringVar(&o.CertDir, "webhook-cert-dir", o.CertDir, "Folder with tls.crt and tls.key of the webhook server.")
	flags.BoolVar(&o.CopyCert, "webhook-cert-copy", o.CopyCert,
		"Write the certificate from its Secret to --webhook-cert-dir: for a manager outside of the cluster, where no kubelet mounts it.")
	flags.BoolVar(&o.LeaderElection, "leader-elect", o.LeaderElection, "Elect a leader, so that several replicas may run.")
	flags.Var((*aliases)(&o.LabelAliases), "label-alias",
		"Further label with the value of one of Towpath's, as alias=label, such as cost-center=platform.towpath.dev/cost-center; may be given several times.")
	flags.IntVar(&o.Workers, "workers", o.Workers, "How many Components and how many Releases are reconciled at once.")
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
