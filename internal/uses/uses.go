// Package uses holds the rules by which Components use each other: the names under which they know each
// other, and that they do not go round in circles. It is pure.
package uses

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Alias returns the name under which a Component knows one that it uses: the one given, else the Component's
// name in camel case.
func Alias(use platformv1alpha1.Use) string {
	if use.As != "" {
		return use.As
	}
	var b strings.Builder
	for i, word := range strings.FieldsFunc(use.Component, func(r rune) bool { return r == '-' }) {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}

// Variable returns the name of the environment variable for an output: ORDERS_DB_HOST for host of ordersDb.
func Variable(alias, output string) string { return snake(alias) + "_" + snake(output) }

// snake turns camelCase into CAMEL_CASE. A run of capitals is one word, and begins another with its last
// letter where a small one follows: dbURL is DB_URL, and dbURLPath is DB_URL_PATH.
func snake(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		if i > 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// Check returns what is wrong with the uses of a Component, but for circles: one that uses itself, and two
// names that are one, also in environment variables.
func Check(component string, list []platformv1alpha1.Use) error {
	byName := map[string]string{}
	for _, use := range list {
		if use.Component == component {
			return fmt.Errorf("component %s must not use itself", component)
		}
		alias := Alias(use)
		name := snake(alias)
		if other, taken := byName[name]; taken {
			return fmt.Errorf("components %s and %s are both known as %s: give one of them another name with as", other, use.Component, alias)
		}
		byName[name] = use.Component
	}
	return nil
}

// Cycle returns a circle in which the Component uses itself in the end, as a path that begins and ends with
// it; nothing where there is none. of gives the names of the Components that one uses.
func Cycle(component string, of func(string) []string) []string {
	seen := map[string]bool{}
	var search func(path []string) []string
	search = func(path []string) []string {
		for _, next := range of(path[len(path)-1]) {
			if next == component {
				return append(slices.Clone(path), next)
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if found := search(append(slices.Clone(path), next)); found != nil {
				return found
			}
		}
		return nil
	}
	return search([]string{component})
}
