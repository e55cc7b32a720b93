// Package quantity reads amounts of resources that others write. Kubernetes' own parser, and what reckons with its results, take hours and
// gigabytes for 1e-999999999 and its like: a developer's parameter must not stop the manager by one. It is pure.
package quantity

import (
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/api/resource"
)

// longest is how many bytes an amount may have: what lies beyond is no amount of anything.
const longest = 64

var (
	// number is what the parser reckons with. It refuses the rest by its form, at once.
	number = regexp.MustCompile(`^[+-]?[0-9.]+([eE][+-]?[0-9]+|[A-Za-z]{0,2})$`)
	// huge is a number whose exponent has more than two digits. The parser takes one without digits for zero.
	huge = regexp.MustCompile(`^[+-]?[0-9.]*[eE][+-]?0*[1-9][0-9]{2,}$`)
)

// Check refuses what must not be parsed. It does not say that the rest can be: other text passes, however long.
func Check(text string) error {
	if huge.MatchString(text) || len(text) > longest && number.MatchString(text) {
		return fmt.Errorf("%.40q must be an amount of at most %d characters, whose exponent has at most two digits, such as 250m or 2Gi", text, longest)
	}
	return nil
}

// Parse reads an amount.
func Parse(text string) (resource.Quantity, error) {
	if err := Check(text); err != nil {
		return resource.Quantity{}, err
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return q, fmt.Errorf("%.40q must be a quantity, such as 250m or 2Gi", text)
	}
	return q, nil
}
