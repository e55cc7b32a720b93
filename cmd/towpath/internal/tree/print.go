package tree

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gittext"
)

// maxAuthor is how many bytes of who committed are shown.
const maxAuthor = 80

// Style is how a Report is printed.
type Style struct {
	// Colour paints healths with ANSI codes.
	Colour bool
	// Brief leaves out objects that are Ready.
	Brief bool
	// Now is what ages count to.
	Now time.Time
}

// node is one line of the tree and what hangs below it.
type node struct {
	text     string
	children []*node
}

func (n *node) add(format string, args ...any) *node {
	child := &node{text: fmt.Sprintf(format, args...)}
	n.children = append(n.children, child)
	return child
}

// Print writes a Report for people.
func Print(out io.Writer, report *Report, style Style) error {
	var text strings.Builder
	for i := range report.Teams {
		if i > 0 {
			text.WriteString("\n")
		}
		team := style.team(&report.Teams[i])
		text.WriteString(team.text + "\n")
		write(&text, team.children, "")
	}
	if len(report.Teams) == 0 {
		text.WriteString("no Component, and no home of a team\n")
	}
	if report.assumes() {
		text.WriteString("\n" + assumedPrices + style.faint(" by OpenCost's default prices, which may not be yours: the manager's configuration has none") + "\n")
	}
	if len(report.Next) > 0 {
		text.WriteString("\n")
		for _, step := range report.Next {
			fmt.Fprintf(&text, "next: %s\n      %s\n", step.Command, style.faint("# "+step.Why))
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func write(text *strings.Builder, nodes []*node, indent string) {
	for i, n := range nodes {
		branch, below := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, below = "└─ ", "   "
		}
		text.WriteString(indent + branch + n.text + "\n")
		write(text, n.children, indent+below)
	}
}

func (s Style) team(team *Team) *node {
	root := &node{text: fmt.Sprintf("team %s, cost centre %s, namespace %s", orNone(team.Name), orNone(team.CostCenter), team.Namespace)}
	for i := range team.Components {
		s.component(root, &team.Components[i])
	}
	for i := range team.Unused {
		environment := &team.Unused[i]
		s.environmentLine(root, environment, environment.Health, "environment ", "no Component runs here"+because(environment.Ready, environment.Health))
	}
	if len(root.children) == 0 {
		root.add("no Component")
	}
	return root
}

func (s Style) component(root *node, component *Component) {
	promoted := ""
	switch component.Promoted.Status {
	case "True":
		promoted = ", promoted"
	case "False":
		promoted = ", not promoted"
		if component.Promoted.Message != component.Ready.Message {
			promoted += because(component.Promoted, Progressing)
		}
	}
	why := because(component.Ready, component.Health)
	if promoted != "" {
		why = strings.TrimSuffix(why, ".") // the sentence goes on
	}
	branch := root.add("%s %s  %s  %s%s%s%s", s.mark(component.Health), component.Name, component.revisions(),
		s.paint(component.Health), why, promoted, costOfAll(component.EstimatedCost))
	if expiring := component.OverridesExpiring; expiring != nil {
		branch.add("%s %s: %s", s.ansi(colours[Progressing], "!"), expiring.Reason, oneLine(expiring.Message))
	}
	if behind := component.PipelineBehind; behind != nil {
		branch.add("%s %s: %s", s.ansi(colours[Progressing], "!"), behind.Reason, oneLine(behind.Message))
	}
	for i := range component.Environments {
		environment := &component.Environments[i]
		health, note := environment.Health, because(environment.Ready, environment.Health)
		switch {
		case environment.Health == Missing:
			note = "does not exist"
		case environment.Waiting != nil:
			note = because(*environment.Waiting, Progressing)
			if release := environment.Release; release != nil && environment.Waiting.Reason == release.Ready.Reason {
				note = "" // the release's own line says it
			}
			if note != "" && strings.HasSuffix(component.Ready.Message, environment.Waiting.Message) {
				note = ": " + environment.Waiting.Reason // the Component's own line says the rest
			}
			if health == Ready {
				health = Progressing
			}
		case environment.Release == nil && environment.Health == Ready:
			health, note = Progressing, "no release yet"
		}
		if environment.Waiting == nil && environment.Release != nil && health == Ready {
			health = environment.Release.Health
		}
		below := s.environmentLine(branch, environment, health, "", strings.TrimPrefix(note, ": "))
		if environment.Release != nil {
			s.release(below, environment.Release)
		}
		if environment.Pending != nil {
			s.pending(below, environment.Pending)
		}
	}
}

func (s Style) environmentLine(parent *node, environment *Environment, health Health, prefix, note string) *node {
	var facts []string
	if environment.Tier != "" {
		facts = append(facts, string(environment.Tier))
	}
	if environment.Class != "" {
		facts = append(facts, "class "+environment.Class)
	}
	if environment.Namespace != "" {
		facts = append(facts, "namespace "+environment.Namespace)
	}
	if environment.ExpiresAt != nil {
		facts = append(facts, s.ends(environment.ExpiresAt.Time))
	}
	line := s.mark(health) + " " + prefix + environment.Name
	if len(facts) > 0 {
		line += "  " + strings.Join(facts, ", ")
	}
	if environment.Sleep != nil {
		line += "  " + environment.Sleep.String()
	}
	if note != "" {
		line += "  " + note
	}
	branch := parent.add("%s", line)
	if expiring := environment.Expiring; expiring != nil {
		branch.add("%s %s: %s", s.ansi(colours[Progressing], "!"), expiring.Reason, oneLine(expiring.Message))
	}
	return branch
}

// ends says in how long an environment ends.
func (s Style) ends(at time.Time) string {
	if left := at.Sub(s.Now); left > 0 {
		return "ends in " + duration.HumanDuration(left)
	}
	return "has ended"
}

// String says until when an environment sleeps.
func (s *Sleep) String() string {
	if s.Until == nil {
		return "asleep"
	}
	return "asleep until " + s.Until.UTC().Format(time.RFC3339)
}

func (s Style) release(parent *node, release *Release) {
	age := duration.HumanDuration(s.Now.Sub(release.CreatedAt.Time))
	branch := parent.add("%s release %d  %s  %s, %s ago%s  %s%s", s.mark(release.Health), release.Number, release.Image,
		release.Cause, age, costOf(release.EstimatedCost), s.paint(release.Health), because(release.Ready, release.Health))
	if release.Commit != nil {
		branch.add("%s", release.Commit.text())
	}
	width := 0
	for _, object := range release.Objects {
		width = max(width, utf8.RuneCountInString(object.Kind+"/"+object.Name))
	}
	for _, object := range release.Objects {
		if s.Brief && object.Health == Ready {
			continue
		}
		note := ""
		if object.Message != "" && object.Health != Ready {
			note = ": " + oneLine(object.Message)
		}
		branch.add("%s %-*s  %s%s", s.mark(object.Health), width, object.Kind+"/"+object.Name, s.paint(object.Health), note)
	}
	for i := range release.Checks {
		if c := &release.Checks[i]; !s.Brief || c.Health != Ready {
			branch.add("%s %s", s.mark(c.Health), c.text())
		}
	}
}

// text says what was committed, by whom, and how long it took until it ran. The author is what somebody wrote: it stays on its line.
func (c *Commit) text() string {
	const short = 12
	text := "commit " + c.SHA[:min(len(c.SHA), short)]
	if author := gittext.Line(c.Author, maxAuthor); author != "" {
		text += " by " + author
	}
	if c.LeadTimeSeconds != nil {
		text += "  lead time " + lasted(*c.LeadTimeSeconds)
		if c.several() && c.LongestLeadTimeSeconds != nil {
			text += fmt.Sprintf(", of the oldest of %d new commits %s", *c.New, lasted(*c.LongestLeadTimeSeconds))
		}
	}
	return text
}

func lasted(seconds int64) string {
	return duration.HumanDuration(time.Duration(seconds) * time.Second)
}

// several says that the Build brought more than the commit that it is of.
func (c *Commit) several() bool { return c.New != nil && *c.New > 1 }

// waiting says since when the oldest commit waits that a Release would bring; nothing where that is not known.
func (c *Commit) waiting(now time.Time) string {
	if c == nil || c.OldestCommittedAt == nil || now.Before(c.OldestCommittedAt.Time) {
		return ""
	}
	since := duration.HumanDuration(now.Sub(c.OldestCommittedAt.Time))
	if !c.several() {
		return fmt.Sprintf(", its commit waits for %s", since)
	}
	return fmt.Sprintf(", the oldest of %d new commits waits for %s", *c.New, since)
}

// text says how far a check is, and what it found last.
func (c *Check) text() string {
	text := "check " + c.Name
	if c.Origin == platformv1alpha1.CheckOfClass {
		text += " of the class"
	}
	text += fmt.Sprintf("  succeeded %d of %d", c.Succeeded, c.Count)
	if c.Succeeded > c.Count {
		text = strings.TrimSuffix(text, fmt.Sprintf(" of %d", c.Count)) + " times"
	}
	if c.Failed > 0 {
		text += fmt.Sprintf(", failed %d", c.Failed)
	}
	if c.Message != "" && c.Health != Ready {
		text += ": " + oneLine(c.Message)
	}
	return text
}

func (s Style) pending(parent *node, pending *Pending) {
	approved := ""
	if len(pending.ApprovedBy) > 0 {
		approved = ", approved by " + strings.Join(pending.ApprovedBy, ", ")
	}
	parent.add("%s release %d  %s  waits to enter, made %s ago%s%s", s.mark(Progressing), pending.Number, pending.Image,
		duration.HumanDuration(s.Now.Sub(pending.CreatedAt.Time)), pending.Commit.waiting(s.Now), approved)
}

// because explains a condition that is not as it should be.
func because(condition Condition, health Health) string {
	if health == Ready || condition.Reason == "" {
		return ""
	}
	if condition.Message == "" {
		return ": " + condition.Reason
	}
	if condition.Reason == string(health) {
		return ": " + oneLine(condition.Message) // the health stands before it
	}
	return ": " + condition.Reason + ": " + oneLine(condition.Message)
}

// oneLine keeps a message from breaking the tree. Of one with several lines it gives the first.
func oneLine(message string) string {
	first, rest, several := strings.Cut(strings.TrimSpace(message), "\n")
	first = strings.Join(strings.Fields(first), " ")
	if several {
		first += fmt.Sprintf(" (and %d more)", strings.Count(rest, "\n")+1)
	}
	return first
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}

// marks tell healths apart without colours.
var marks = map[Health]string{Ready: "✔", Progressing: "…", Unknown: "?", Missing: "✘", Failed: "✘"}

// colours are green, yellow and red.
var colours = map[Health]string{Ready: "32", Progressing: "33", Unknown: "33", Missing: "31", Failed: "31"}

func (s Style) mark(health Health) string { return s.ansi(colours[health], marks[health]) }

func (s Style) paint(health Health) string { return s.ansi(colours[health], string(health)) }

func (s Style) faint(text string) string { return s.ansi("2", text) }

func (s Style) ansi(code, text string) string {
	if !s.Colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
