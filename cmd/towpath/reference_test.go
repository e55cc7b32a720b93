package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var updateReference = flag.Bool("update", false, "write docs/reference/cli.md instead of comparing it")

// TestReference holds docs/reference/cli.md to the commands.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "cli.md")
	var b strings.Builder
	b.WriteString("# Commands\n\n" +
		"Every command of `towpath` with its flags, as `--help` prints them. Made by `make generate`: change the commands instead.\n" +
		"[The CLI](../cli.md) shows what they are for, and what they answer.\n")
	root := newRoot("towpath", nil, streams{})
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	reference(&b, root)
	if *updateReference {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != b.String() {
		t.Errorf("%s is not up to date: run make generate", path)
	}
}

// reference writes a command and those below it.
func reference(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.IsAvailableCommand() && cmd.HasParent() {
		return
	}
	cmd.InitDefaultHelpFlag()
	fmt.Fprintf(b, "\n## %s\n\n", cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	// The help is set for a terminal, with examples and columns.
	fmt.Fprintf(b, "```\n%s\n", strings.TrimSpace(text))
	if cmd.Runnable() {
		fmt.Fprintf(b, "\nusage: %s\n", cmd.UseLine())
	}
	if cmd.HasExample() {
		fmt.Fprintf(b, "\n%s\n", strings.Trim(cmd.Example, "\n"))
	}
	b.WriteString("```\n")
	if flags := cmd.NonInheritedFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(b, "\n```\n%s```\n", flags.FlagUsages())
	}
	for _, below := range cmd.Commands() {
		reference(b, below)
	}
}
