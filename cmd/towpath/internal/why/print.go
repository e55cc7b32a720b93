package why

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Print writes an answer for people. What pods and webhooks said is shown without control characters: it comes from
// tenants, and must not steer the terminal.
func Print(out io.Writer, a *Answer) error {
	var b strings.Builder
	where := ""
	if a.Environment != "" {
		where = " in " + a.Environment
	}
	if a.Ready {
		fmt.Fprintf(&b, "%s is ready%s: %s\n", a.Component, where, plain(a.Message))
		for _, step := range a.Next {
			fmt.Fprintf(&b, "next: %s\n", plain(step))
		}
		_, err := io.WriteString(out, b.String())
		return err
	}
	reason := a.Reason
	if reason == "" {
		reason = "Unknown"
	}
	fmt.Fprintf(&b, "%s is not ready%s: %s\n  %s\n\n", a.Component, where, reason, plain(a.Message))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, link := range a.Path {
		_, _ = fmt.Fprintf(table, "%s%s\t%s\t%s\n", strings.Repeat("  ", i), link.Kind, link.Name, plain(link.State))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if a.Logs != nil {
		when := "last"
		if a.Logs.Previous {
			when = "before it was started again"
		}
		fmt.Fprintf(&b, "\nwhat container %s of pod %s said %s\n", a.Logs.Container, a.Logs.Pod, when)
		for _, line := range a.Logs.Lines {
			fmt.Fprintf(&b, "  %s\n", plain(line))
		}
		if len(a.Logs.Lines) == 0 {
			b.WriteString("  (nothing)\n")
		}
	}
	b.WriteString("\n")
	for _, note := range a.Notes {
		fmt.Fprintf(&b, "note: %s\n", plain(note))
	}
	for _, step := range a.Next {
		fmt.Fprintf(&b, "next: %s\n", plain(step))
	}
	if a.Reason != "" {
		fmt.Fprintf(&b, "      docs/runbooks/%s.md says more\n", a.Reason)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// plain replaces what a terminal would act on.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '�'
		}
		return r
	}, text)
}
