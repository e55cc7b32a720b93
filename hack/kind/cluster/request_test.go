package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		arguments string
		want      request
		refused   string
	}{
		{arguments: "up", want: request{verb: "up"}},
		{arguments: "down", want: request{verb: "down"}},
		{arguments: "load towpath:dev app:1", want: request{verb: "load", operands: []string{"towpath:dev", "app:1"}}},
		{arguments: "logs build/kind", want: request{verb: "logs", operands: []string{"build/kind"}}},
		{arguments: "", refused: "cluster up "},
		{arguments: "load", refused: "at least one image"},
		{arguments: "logs", refused: "one folder"},
		{arguments: "logs a b", refused: `one folder, and was given ["a" "b"]`},
		{arguments: "down towpath", refused: `takes nothing, and was given ["towpath"]`},
		{arguments: "delete", refused: "cluster delete is no command"},
	} {
		got, err := parse(strings.Fields(test.arguments))
		if test.refused != "" {
			if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("cluster %s: got %v, want an error with %q and how to call it", test.arguments, err, test.refused)
			}
			continue
		}
		if err != nil || got.verb != test.want.verb || len(got.operands)+len(test.want.operands) > 0 && !reflect.DeepEqual(got.operands, test.want.operands) {
			t.Errorf("cluster %s: got %+v, %v, want %+v", test.arguments, got, err, test.want)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		image, timeout string
		want           settings
		refused        bool
	}{
		{want: settings{pullTimeout: 10 * time.Minute}},
		{image: "mine:1", timeout: "5", want: settings{image: "mine:1", pullTimeout: 5 * time.Second}},
		{timeout: "5m", refused: true},
		{timeout: "0", refused: true},
	} {
		got, err := settingsOf(func(name string) string {
			return map[string]string{"KIND_IMAGE": test.image, "KIND_PULL_TIMEOUT": test.timeout}[name]
		})
		if test.refused {
			if err == nil || !strings.Contains(err.Error(), "must be a number of seconds") {
				t.Errorf("KIND_PULL_TIMEOUT=%s: got %v", test.timeout, err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("KIND_IMAGE=%s KIND_PULL_TIMEOUT=%s: got %+v, %v, want %+v", test.image, test.timeout, got, err, test.want)
		}
	}
}
