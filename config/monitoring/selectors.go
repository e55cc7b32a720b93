package monitoring

import (
	"regexp"
	"slices"
	"strings"
)

// Asked is a metric that a query asks for, with the labels by which it does.
type Asked struct {
	Metric string
	Labels []string
}

var (
	quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	ranges = regexp.MustCompile(`\[[^\]]*\]`)
	// grouping is what a query groups or matches by.
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	// selector is a word, the matchers after it, and whether it is a function.
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?(\s*\()?`)
	word     = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`)
)

// notMetrics are words of the language that stand alone.
var notMetrics = []string{"and", "or", "unless", "bool", "offset", "inf", "nan"}

// AskedBy are the metrics that a query asks for. It knows as much of PromQL as the queries here need; that they are
// PromQL, promtool says.
func AskedBy(promQL string) []Asked {
	rest := ranges.ReplaceAllString(quoted.ReplaceAllString(promQL, `""`), "")
	var grouped []string
	rest = grouping.ReplaceAllStringFunc(rest, func(clause string) string {
		m := grouping.FindStringSubmatch(clause)
		if m[1] == "by" {
			grouped = append(grouped, word.FindAllString(m[2], -1)...)
		}
		return ""
	})
	var asked []Asked
	for _, m := range selector.FindAllStringSubmatch(rest, -1) {
		if m[3] != "" || slices.Contains(notMetrics, strings.ToLower(m[1])) {
			continue
		}
		asked = append(asked, Asked{Metric: m[1], Labels: append(word.FindAllString(m[2], -1), grouped...)})
	}
	return asked
}
