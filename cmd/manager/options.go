package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// options are the flags of the manager.
type options struct {
	metricsAddress string
	probeAddress   string
	webhookHost    string
	webhookPort    int
	certDir        string
	copyCert       bool
	leaderElection bool
	labelAliases   aliases
	workers        int
}

func defaultOptions() *options {
	return &options{
		metricsAddress: "0", probeAddress: ":8081", webhookPort: 9443,
		certDir: filepath.Join(os.TempDir(), "towpath-webhook-cert"), leaderElection: true, workers: 8,
	}
}

func (o *options) bind(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "Address of the metrics endpoint; 0 for none.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", o.probeAddress, "Address of /healthz and /readyz.")
	flags.StringVar(&o.webhookHost, "webhook-host", o.webhookHost, "Address that the webhook server listens on; empty for all.")
	flags.IntVar(&o.webhookPort, "webhook-port", o.webhookPort, "Port of the webhook server.")
	flags.StringVar(&o.certDir, "webhook-cert-dir", o.certDir, "Folder with tls.crt and tls.key of the webhook server.")
	flags.BoolVar(&o.copyCert, "webhook-cert-copy", o.copyCert,
		"Write the certificate from its Secret to --webhook-cert-dir: for a manager outside of the cluster, where no kubelet mounts it.")
	flags.BoolVar(&o.leaderElection, "leader-elect", o.leaderElection, "Elect a leader, so that several replicas may run.")
	flags.Var(&o.labelAliases, "label-alias",
		"Further label with the value of one of Towpath's, as alias=label, such as cost-center=platform.towpath.dev/cost-center; may be given several times.")
	flags.IntVar(&o.workers, "workers", o.workers, "How many Components and how many Releases are reconciled at once.")
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
