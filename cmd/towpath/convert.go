package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/score"
)

func newConvert(std streams) *cobra.Command {
	var options score.Options
	output := formatYAML
	cmd := &cobra.Command{
		Use:   "convert SCORE.YAML|-",
		Short: "Turn a Score workload into a Component",
		Long: `Turn a Score workload (score.dev/v1b1) into a Component of the golden path that fits.

Resources of type postgres and service become Components that it uses. What no
golden path has a place for is named, and left out; the exit code is 1 then.`,
		Example: "  towpath convert score.yaml -n team-shop -e dev,prod | towpath lint -",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readWorkload(args[0], std.in)
			if err != nil {
				return &trouble{err: err, next: "name the file of a Score workload, or - for standard input: " + cmd.CommandPath() + " --help"}
			}
			result, err := score.Convert(data, options)
			if err != nil {
				return &trouble{err: fmt.Errorf("%s: %w", args[0], err), next: "change the workload as that says, or see what is taken: " + cmd.CommandPath() + " --help"}
			}
			return printConverted(std, output, result)
		},
	}
	cmd.Flags().StringVarP(&options.Namespace, "namespace", "n", "", "team namespace to write into the Component")
	cmd.Flags().StringSliceVarP(&options.Environments, "environment", "e", []string{"dev"}, "environments of the path, in order")
	cmd.Flags().StringVar(&options.Image, "image", "", "image to run, where the workload's comes from a build")
	addFormat(cmd, &output, "yaml or json", formatYAML, formatJSON)
	return cmd
}

// maxWorkload is more than any workload has.
const maxWorkload = 1 << 20

func readWorkload(path string, in io.Reader) ([]byte, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxWorkload+1))
	if err == nil && len(data) > maxWorkload {
		err = errors.New("the file is larger than 1 MiB")
	}
	return data, err
}

func printConverted(std streams, as format, result *score.Result) error {
	if as == formatJSON {
		if err := printValue(std.out, as, map[string]any{"apiVersion": "v1", "kind": "List", "items": documents(result)}); err != nil {
			return err
		}
	} else {
		for i, document := range documents(result) {
			text, err := yaml.Marshal(document)
			if err != nil {
				return err
			}
			separator := ""
			if i > 0 {
				separator = "---\n"
			}
			if _, err := io.WriteString(std.out, separator+string(text)); err != nil {
				return err
			}
		}
	}
	var said strings.Builder
	for _, note := range result.Notes {
		fmt.Fprintf(&said, "note: %s\n", note)
	}
	for _, what := range result.Unmapped {
		fmt.Fprintf(&said, "not mapped: %s\n", what)
	}
	if _, err := io.WriteString(std.err, said.String()); err != nil {
		return err
	}
	if len(result.Unmapped) > 0 {
		return errFindings
	}
	return nil
}

// documents are the Components as a person would write them: without status.
func documents(result *score.Result) []map[string]any {
	list := make([]map[string]any, 0, len(result.Components))
	for _, component := range result.Components {
		list = append(list, written(component))
	}
	return list
}

func written(component *platformv1alpha1.Component) map[string]any {
	metadata := map[string]any{"name": component.Name}
	if component.Namespace != "" {
		metadata["namespace"] = component.Namespace
	}
	return map[string]any{
		"apiVersion": component.APIVersion, "kind": component.Kind, "metadata": metadata, "spec": component.Spec,
	}
}
