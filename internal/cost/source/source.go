// Package source is what the readers of bills have in common: a charge as they yield it, whom it is allocated to, and the sums
// that internal/history stores. Each reader is a package below this one, turns what it reads into Charges, adds them to a Ledger,
// and hands the ledger's slices to the history.
package source

import (
	"fmt"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/history"
)

// Charge is one line of a bill, or a sum of several for the same day.
type Charge struct {
	// Period is the billing period, as 2026-11 or 2026-11-15: what is told anew at once. See PeriodOf.
	Period string
	Day    history.Day
	// Owner is whom it is allocated to.
	Owner
	Service  string
	Category history.Category
	Currency string
	// Unused is set for the part of a commitment that nobody used.
	Unused            bool
	Billed, Effective Amount
	// Settles is when it is final, as in history.Figure.
	Settles time.Time
}

// Owner is whom a charge is allocated to. The zero Owner is nobody.
type Owner struct {
	Team, Environment, Component string
}

// PeriodOf names the billing period that begins at a time: by its month where it begins with one, else by its day.
func PeriodOf(start time.Time) string {
	if start = start.UTC(); start.Day() == 1 {
		return start.Format("2006-01")
	}
	return start.Format(time.DateOnly)
}

// Attribution finds the owner of a charge by its tags.
type Attribution struct {
	// TeamKeys, EnvironmentKeys and ComponentKeys are the keys of tags, in the order in which they are tried.
	TeamKeys, EnvironmentKeys, ComponentKeys []string
	// Teams are those that exist. A charge of another one is nobody's.
	Teams map[string]bool
}

// DefaultAttribution reads the labels that Towpath sets, and after them the tags that most have.
func DefaultAttribution(teams ...string) Attribution {
	known := make(map[string]bool, len(teams))
	for _, team := range teams {
		known[team] = true
	}
	return Attribution{
		TeamKeys:        []string{"platform.towpath.dev/team", "team"},
		EnvironmentKeys: []string{"platform.towpath.dev/environment", "environment"},
		ComponentKeys:   []string{"platform.towpath.dev/component", "component"},
		Teams:           known,
	}
}

// Owner is whom tags name, and the name of the team where that does not exist. Names of Kubernetes are in lower case, and
// tags often are not.
func (a Attribution) Owner(tag func(key string) string) (owner Owner, unknown string) {
	team := first(a.TeamKeys, tag)
	if team == "" {
		return Owner{}, ""
	}
	if !a.Teams[team] {
		if team = strings.ToLower(team); !a.Teams[team] {
			return Owner{}, team
		}
	}
	return Owner{
		Team:        team,
		Environment: strings.ToLower(first(a.EnvironmentKeys, tag)),
		Component:   strings.ToLower(first(a.ComponentKeys, tag)),
	}, ""
}

// maxName is the longest name that is taken from a tag. Names of Kubernetes are no longer.
const maxName = 253

func first(keys []string, tag func(string) string) string {
	for _, key := range keys {
		if value := strings.TrimSpace(Plain(tag(key))); value != "" && len(value) <= maxName {
			return value
		}
	}
	return ""
}

// Plain is a text that each database takes: valid UTF-8, and without U+0000, which PostgreSQL has no room for.
func Plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

// Check says what is wrong with a charge.
func (c *Charge) Check() error {
	switch {
	case !c.Category.Known():
		return fmt.Errorf("the charge category must be Usage, Purchase, Tax, Credit or Adjustment, not %q", c.Category)
	case !cost.KnownCurrency(c.Currency):
		return fmt.Errorf("the currency must be a code of ISO 4217, such as USD, not %q", c.Currency)
	case c.Period == "":
		return fmt.Errorf("a charge of %s must have a billing period", c.Day)
	}
	return nil
}
