// Command openapi writes internal/openapi/snapshot from the OpenAPI documents of an API server: of
// the one that --kubeconfig names, else of one that it starts itself (KUBEBUILDER_ASSETS).
//
//	go run ./hack/openapi [--kubeconfig FILE] [--out DIR]
package main

import (
	"flag"
	"fmt"
	"os"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func main() {
	// An own set, since a library registers --kubeconfig with the global one.
	flags := flag.NewFlagSet("openapi", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig of the API server to read; empty starts one")
	out := flags.String("out", "", "folder to write to; default internal/openapi/snapshot of this module")
	_ = flags.Parse(os.Args[1:])
	if err := run(*kubeconfig, *out); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, out string) error {
	if out == "" {
		var err error
		if out, err = snapshotFolder(); err != nil {
			return err
		}
	}
	config, stop, err := server(kubeconfig)
	if err != nil {
		return err
	}
	defer stop()
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	result, err := take(client)
	if err != nil {
		return err
	}
	return result.write(out)
}

// server connects to the API server of a kubeconfig, or starts one.
func server(kubeconfig string) (*rest.Config, func(), error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		return config, func() {}, err
	}
	environment := &envtest.Environment{}
	config, err := environment.Start()
	if err != nil {
		return nil, nil, fmt.Errorf("starting an API server (KUBEBUILDER_ASSETS=%q): %w", os.Getenv("KUBEBUILDER_ASSETS"), err)
	}
	return config, func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "openapi: stopping the API server:", err)
		}
	}, nil
}
