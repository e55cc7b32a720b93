package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// format is the value of -o.
type format string

const (
	formatText format = ""
	formatJSON format = "json"
	formatYAML format = "yaml"
)

// addFormat gives a command the flag -o with the formats that it knows besides its default.
func addFormat(cmd *cobra.Command, value *format, usage string, known ...format) {
	names := make([]string, len(known))
	for i, name := range known {
		names[i] = string(name)
	}
	cmd.Flags().StringVarP((*string)(value), "output", "o", string(*value), usage)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if flag := cmd.Flags().Lookup("output"); flag.Changed && !slices.Contains(names, string(*value)) {
			return &trouble{
				err:  fmt.Errorf("-o %q: must be one of %s", *value, strings.Join(names, ", ")),
				next: cmd.CommandPath() + " --help",
			}
		}
		return nil
	}
}

// printValue writes a value as JSON or YAML.
func printValue(out io.Writer, as format, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	if as == formatYAML {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return err
		}
		_, err = out.Write(data)
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", data)
	return err
}
