package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/impact"
)

const (
	// maxValue is how much of a value is shown, maxNamed how many places of a group.
	maxValue, maxNamed = 100, 3
)

// Breaking says that the change needs leave that the template does not give.
func (r *Report) Breaking() bool { return r.breaks() && !r.Allowed }

func (r *Report) breaks() bool {
	return len(r.Changes) > 0 && r.Changes[0].Level == platformv1alpha1.ChangeBreaking
}

// Print writes a report for people.
func Print(out io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "template %s\n", r.Template)
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "  %-8s  %s: %s\n", c.Level, c.Path, c.Message)
	}
	if len(r.Changes) == 0 {
		b.WriteString("  nothing changes\n")
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	for _, g := range r.Objects {
		fmt.Fprintf(&b, "\n%s (resource %s): %s\n", g.ObjectKind, g.Resource, g.what())
		for _, f := range g.Fields {
			fmt.Fprintf(&b, "  %s\n", line(f))
		}
		fmt.Fprintf(&b, "  in %s\n", g.where())
	}
	b.WriteString(r.rest("", "\n%s\n", "  %s\n"))
	_, err := io.WriteString(out, b.String())
	return err
}

// Markdown writes a report as a comment of a pull request.
func Markdown(out io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### Golden path `%s`\n\n%s\n", r.Template, r.summary())
	if len(r.Changes) > 0 {
		b.WriteString("\n| level | where | what |\n|---|---|---|\n")
		for _, c := range r.Changes {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", c.Level, cell(c.Path), cell(c.Message))
		}
	}
	for _, g := range r.Objects {
		fmt.Fprintf(&b, "\n<details><summary><b>%s</b> (<code>%s</code>): %s in %s</summary>\n\n", g.ObjectKind, g.Resource, g.what(), g.where())
		if len(g.Fields) > 0 {
			b.WriteString("```diff\n")
			for _, f := range g.Fields {
				if f.Had {
					fmt.Fprintf(&b, "- %s: %s\n", f.Path, value(f.Old))
				}
				if f.Has {
					fmt.Fprintf(&b, "+ %s: %s\n", f.Path, value(f.New))
				}
			}
			b.WriteString("```\n")
		}
		b.WriteString("</details>\n")
	}
	b.WriteString(r.rest("`", "\n**%s**\n\n", "- %s\n"))
	_, err := io.WriteString(out, b.String())
	return err
}

// summary is the report in a sentence.
func (r *Report) summary() string {
	text := fmt.Sprintf("Followed in %s; something changes in %d of them, and pods restart in %d.", count(r.Following, "environment"), r.Changed, r.Restarting)
	if r.Refused > 0 {
		text += fmt.Sprintf(" %d of them cannot get it.", r.Refused)
	}
	if r.Invalid > 0 {
		text += fmt.Sprintf(" %d of them cannot be compared, since the Component is not valid as it is.", r.Invalid)
	}
	switch {
	case r.Breaking():
		text += " The change is BREAKING, and is refused unless the template allows it (spec.rollout.allowBreaking)."
	case r.breaks() && r.AllowedFrom > 0:
		text += fmt.Sprintf(" The change is BREAKING, and allowed only from revision %d: the files do not tell whether that is the newest.", r.AllowedFrom)
	}
	if r.Cost != nil && (!r.Cost.Before.IsZero() || !r.Cost.After.IsZero()) {
		text += " " + r.Cost.String()
	}
	return text
}

// rest lists who cannot get the change, what is wrong without it, and who is pinned.
func (r *Report) rest(quote, title, item string) string {
	var b strings.Builder
	list := func(name string, items []string) {
		if len(items) == 0 {
			return
		}
		fmt.Fprintf(&b, title, name)
		for _, i := range items {
			fmt.Fprintf(&b, item, quote+i+quote)
		}
	}
	list("cannot get it", r.Cannot)
	list("not valid as it is, whatever changes", r.Already)
	list("pinned, and stay as they are", r.Pinned)
	return b.String()
}

func (g *Group) what() string {
	text := string(g.Action)
	switch {
	case g.Refused:
		text += ", and REFUSED by the API server where it exists"
	case g.Restarts && g.Action == impact.Removed:
		text += ", its pods end"
	case g.Restarts:
		text += ", pods restart"
	}
	return text
}

func (g *Group) where() string {
	named := g.Places[:min(len(g.Places), maxNamed)]
	text := strings.Join(named, ", ")
	if more := len(g.Places) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if g.OtherValues {
		text += ", each with values of its own: those of the first are shown"
	}
	return text
}

// line shows a field: + for one that comes, - for one that goes, ~ for another value.
func line(f impact.Field) string {
	switch {
	case !f.Had:
		return fmt.Sprintf("+ %s: %s", f.Path, value(f.New))
	case !f.Has:
		return fmt.Sprintf("- %s: was %s", f.Path, value(f.Old))
	}
	return fmt.Sprintf("~ %s: %s -> %s", f.Path, value(f.Old), value(f.New))
}

func value(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if text := []rune(string(raw)); len(text) > maxValue {
		return string(text[:maxValue]) + "…"
	}
	return string(raw)
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "`", "'").Replace(text)
}

func count(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
