package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestNodeImage(t *testing.T) {
	for _, test := range []struct {
		name  string
		asked string
		// has are the images of Docker, and registry those that one hands out.
		has, registry []string
		builds        error

		want    string
		calls   []string
		refused []string
	}{
		{name: "the one that was asked for", asked: "mine", has: []string{"mine", "stock"}, want: "mine"},
		{name: "the one that was asked for, of a registry", asked: "mine", has: []string{"stock"}, registry: []string{"mine"}, want: "mine", calls: []string{"pull mine"}},
		{name: "never another than was asked for", asked: "mine", has: []string{"stock"}, calls: []string{"pull mine"}, refused: []string{"KIND_IMAGE is mine", "not found", "without KIND_IMAGE"}},
		{name: "kind's own, without asking anybody", has: []string{"stock"}, want: "stock"},
		{name: "kind's own, of a registry", registry: []string{"stock"}, want: "stock", calls: []string{"pull stock"}},
		{name: "ours where no registry has kind's", want: "ours", calls: []string{"pull stock", "build"}},
		{name: "neither", builds: errors.New("debootstrap is missing"), calls: []string{"pull stock", "build"}, refused: []string{"not found", "debootstrap is missing"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var calls []string
			got, err := source{
				asked: test.asked, stock: "stock", tell: func(string) {},
				has: func(image string) bool { return slices.Contains(test.has, image) },
				pull: func(image string) error {
					calls = append(calls, "pull "+image)
					if !slices.Contains(test.registry, image) {
						return fmt.Errorf("%s: not found", image)
					}
					return nil
				},
				build: func() (string, error) {
					calls = append(calls, "build")
					return "ours", test.builds
				},
			}.image()
			if len(test.refused) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, words := range test.refused {
				if err == nil || !strings.Contains(err.Error(), words) {
					t.Errorf("got %v, want an error with %q", err, words)
				}
			}
			if got != test.want || !slices.Equal(calls, test.calls) {
				t.Errorf("got %q by %q, want %q by %q", got, calls, test.want, test.calls)
			}
		})
	}
}

func TestAbsent(t *testing.T) {
	docker := map[string]string{"same:1": "a", "changed:1": "b", "new:1": "c"}
	node := map[string]string{"same:1": "a", "changed:1": "z"}
	got := absent([]string{"new:1", "same:1", "changed:1", "new:1"}, func(image string) string { return docker[image] }, func(image string) string { return node[image] })
	if want := []string{"new:1", "changed:1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
