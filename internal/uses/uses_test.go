package uses_test

import (
	"slices"
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/uses"
)

func TestAlias(t *testing.T) {
	for use, want := range map[platformv1alpha1.Use]string{
		{Component: "db"}:                          "db",
		{Component: "orders-db"}:                   "ordersDb",
		{Component: "orders-db-2"}:                 "ordersDb2",
		{Component: "a--b"}:                        "aB",
		{Component: "orders-db", As: "db"}:         "db",
		{Component: "x-" + strings.Repeat("y", 5)}: "xYyyyy",
	} {
		if got := uses.Alias(use); got != want {
			t.Errorf("%+v is known as %s, want %s", use, got, want)
		}
	}
}

func TestVariable(t *testing.T) {
	for name, want := range map[string]string{
		"db host": "DB_HOST", "ordersDb secretName": "ORDERS_DB_SECRET_NAME", "db URL": "DB_URL",
		"ordersDB host": "ORDERS_DB_HOST", "db dbURLPath": "DB_DB_URL_PATH", "db2 port": "DB2_PORT",
	} {
		alias, output, _ := strings.Cut(name, " ")
		if got := uses.Variable(alias, output); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		list []platformv1alpha1.Use
		want string
	}{
		"good":                 {[]platformv1alpha1.Use{{Component: "db"}, {Component: "cache"}}, ""},
		"itself":               {[]platformv1alpha1.Use{{Component: "shop"}}, "component shop must not use itself"},
		"one name for two":     {[]platformv1alpha1.Use{{Component: "db"}, {Component: "cache", As: "db"}}, "components db and cache are both known as db"},
		"one variable for two": {[]platformv1alpha1.Use{{Component: "orders-db"}, {Component: "x", As: "ordersDB"}}, "both known as ordersDB"},
	} {
		err := uses.Check("shop", c.list)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestCycle(t *testing.T) {
	graph := map[string][]string{
		"a": {"b", "c"}, "b": {"c"}, "c": nil, // a diamond is no circle
		"d": {"e"}, "e": {"f"}, "f": {"d"},
		"g": {"d"}, // uses a circle, and is not in it
		"h": {"h"},
	}
	for component, want := range map[string][]string{
		"a": nil, "b": nil, "c": nil, "d": {"d", "e", "f", "d"}, "f": {"f", "d", "e", "f"}, "g": nil, "h": {"h", "h"}, "unknown": nil,
	} {
		if got := uses.Cycle(component, func(name string) []string { return graph[name] }); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", component, got, want)
		}
	}
}
