// Package lazyregexp compiles regular expressions when they are first used. Many of the manager's are for what most clusters never
// see, and a compiled one stays in memory for as long as the manager runs.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns what gives the expression, compiled at the first call. One that cannot be panics then; so that none of these is found
// by a user, a test compiles all that there are in the sources: hence the text must be a constant.
func New(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
