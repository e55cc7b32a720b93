package delivery

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// DefaultLayout gives each Component in each Environment of each team a directory of its own.
const DefaultLayout = "{team}/{environment}/{component}"

const (
	// maxSegment is how long a name may be on the file systems that a repository is checked out to.
	maxSegment = 255
	maxPattern = 512
	maxDepth   = 16
)

// Layout is a pattern that says in which directory of the repository the files of a Component stand. The zero value is none:
// ParseLayout makes one.
type Layout struct {
	pattern  string
	segments []segment
}

// segment is one name of the path: text around a variable, which may be none.
type segment struct{ before, variable, after string }

var (
	variables = map[string]func(Target) string{
		"team":        func(t Target) string { return t.Team },
		"component":   func(t Target) string { return t.Component.Name },
		"environment": func(t Target) string { return t.Environment.Name },
		"namespace":   func(t Target) string { return t.Environment.Namespace },
		"class":       func(t Target) string { return t.Environment.Class },
		"tier":        func(t Target) string { return t.Environment.Tier },
	}
	// plainName leaves out all that a shell, a file system or Git gives a meaning: it begins with no dot (.git, .github, ..) and
	// no hyphen (an option), ends with no dot (which Windows drops), and has no tilde (GIT~1), space, colon or backslash.
	plainName   = lazyregexp.New(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_-])?$`)
	plainText   = lazyregexp.New(`^[A-Za-z0-9._-]*$`)
	placeholder = lazyregexp.New(`\{([^{}]*)\}`)
)

// ParseLayout reads a pattern such as {team}/{environment}/{component}. Its variables are team, component, environment,
// namespace (the workload namespace), class and tier, at most one between two slashes. It must have {component}, and
// {namespace} or both {team} and {environment}: so no two Components can meet in one directory.
func ParseLayout(pattern string) (Layout, error) {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("the layout %.80q %s; write for example %s", pattern, fmt.Sprintf(format, args...), DefaultLayout)
	}
	if pattern == "" || len(pattern) > maxPattern {
		return Layout{}, refuse("must have 1 to %d characters", maxPattern)
	}
	if strings.HasPrefix(pattern, "/") || strings.HasSuffix(pattern, "/") {
		return Layout{}, refuse("must be a path inside of the repository, which neither begins nor ends with a slash")
	}
	layout, used := Layout{pattern: pattern}, map[string]bool{}
	for name := range strings.SplitSeq(pattern, "/") {
		s := segment{before: name}
		if found := placeholder().FindAllStringSubmatchIndex(name, -1); len(found) > 1 {
			return Layout{}, refuse("has more than one variable in %q: put a slash between them, or a-b and c would meet a and b-c", name)
		} else if len(found) == 1 {
			at := found[0]
			s = segment{before: name[:at[0]], variable: name[at[2]:at[3]], after: name[at[1]:]}
			if variables[s.variable] == nil {
				return Layout{}, refuse("has the variable {%s}; there are %s", s.variable, strings.Join(slices.Sorted(maps.Keys(variables)), ", "))
			}
			used[s.variable] = true
		}
		if !plainText().MatchString(s.before+s.after) || !plainName().MatchString(s.name("x")) {
			return Layout{}, refuse("has %q between two slashes: only letters, digits, hyphens, underscores and dots may stand there, "+
				"with no dot or hyphen first and no dot last", name)
		}
		layout.segments = append(layout.segments, s)
	}
	switch {
	case len(layout.segments) > maxDepth:
		return Layout{}, refuse("must have at most %d directories", maxDepth)
	case !used["component"]:
		return Layout{}, refuse("must have {component}: each Component needs a directory of its own")
	case !used["namespace"] && (!used["team"] || !used["environment"]):
		return Layout{}, refuse("must have {team} and {environment}, or {namespace}: each Environment needs directories of its own")
	}
	return layout, nil
}

func (s segment) name(value string) string {
	if s.variable == "" {
		return s.before
	}
	return s.before + value + s.after
}

// String is the pattern.
func (l Layout) String() string { return l.pattern }

// Directory is where the files of a Target stand: a path of plain names, separated by slashes. A value that would leave the
// directory, or hide in it, is refused.
func (l Layout) Directory(t Target) (string, error) {
	if len(l.segments) == 0 {
		return "", fmt.Errorf("%s has no layout; write for example %s", t, DefaultLayout)
	}
	names := make([]string, 0, len(l.segments))
	for _, s := range l.segments {
		value := ""
		if s.variable != "" {
			value = variables[s.variable](t)
			// The value alone must be a name too: x. before .git would pass otherwise, and so would nothing.
			if !plainName().MatchString(value) {
				return "", fmt.Errorf("the %s of %s is %.80q, which cannot stand in the layout %s: it must be letters, digits, hyphens, "+
					"underscores and dots, with no dot or hyphen first and no dot last", s.variable, t, value, l.pattern)
			}
		}
		name := s.name(value)
		if !plainName().MatchString(name) || len(name) > maxSegment {
			return "", fmt.Errorf("the layout %s of %s gives the name %.80q, which must have at most %d characters", l.pattern, t, name, maxSegment)
		}
		names = append(names, name)
	}
	return strings.Join(names, "/"), nil
}
