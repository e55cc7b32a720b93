package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		want      request
	}{
		{[]string{"up"}, request{verb: "up"}},
		{[]string{"down"}, request{verb: "down"}},
		{[]string{"load", "towpath:dev", "app:1"}, request{verb: "load", operands: []string{"towpath:dev", "app:1"}}},
		{[]string{"logs", "build/kind"}, request{verb: "logs", operands: []string{"build/kind"}}},
		{[]string{"with", "build/kind", "make", "--keep"}, request{verb: "with", operands: []string{"build/kind", "make", "--keep"}}},
		{[]string{"with", "--keep", "build/kind", "make"}, request{verb: "with", operands: []string{"build/kind", "make"}, keep: true}},
	} {
		got, err := parse(test.arguments)
		if len(got.operands) == 0 {
			got.operands = nil
		}
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("cluster %q: got %+v, %v, want %+v", test.arguments, got, err, test.want)
		}
	}
}

// Nothing of this gets as far as Docker.
func TestCallsThatAreWrongEndWithTheUsage(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		code      int
		says      string
	}{
		{[]string{"--help"}, 0, ""},
		{[]string{"-h"}, 0, ""},
		{[]string{"help"}, 0, ""},
		{[]string{"up", "--help"}, 0, ""},
		{[]string{"load", "-h"}, 0, ""},

		{nil, 2, ""},
		{[]string{""}, 2, "is no command"},
		{[]string{"delete"}, 2, "cluster delete is no command"},
		{[]string{"--name", "up"}, 2, "cluster --name is no command"},
		{[]string{"up", "towpath"}, 2, `takes nothing, and was given ["towpath"]`},
		{[]string{"up", "--wait"}, 2, `takes nothing, and was given ["--wait"]`},
		{[]string{"down", ""}, 2, `takes nothing, and was given [""]`},
		{[]string{"load"}, 2, "at least one image"},
		{[]string{"load", ""}, 2, "is empty (is a variable unset?)"},
		{[]string{"load", "towpath:dev", " "}, 2, "is empty (is a variable unset?)"},
		{[]string{"load", "--all"}, 2, "begins with -, and there is no such option"},
		{[]string{"logs"}, 2, "one folder"},
		{[]string{"logs", ""}, 2, "is empty (is a variable unset?)"},
		{[]string{"logs", "--all"}, 2, "begins with -"},
		{[]string{"logs", "a", "b"}, 2, `one folder, and was given ["a" "b"]`},
		{[]string{"with"}, 2, "a folder and a command"},
		{[]string{"with", "--keep", "build"}, 2, `a folder and a command, and was given ["build"]`},
		{[]string{"with", "", "make"}, 2, "is empty"},
		{[]string{"with", "--kept", "make"}, 2, "begins with -"},
		{[]string{"with", "build", ""}, 2, "a command whose name is empty"},
	} {
		var out, complaints bytes.Buffer
		code := call(test.arguments, &out, &complaints)
		usageIn, silent := &complaints, &out
		if test.code == 0 {
			usageIn, silent = &out, &complaints
		}
		if code != test.code || silent.Len() > 0 || !strings.HasSuffix(usageIn.String(), usage+"\n") || !strings.Contains(complaints.String(), test.says) {
			t.Errorf("cluster %q: got %d and\n%s\n%s\nwant %d, %q and the usage", test.arguments, code, &out, &complaints, test.code, test.says)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		cluster, image, timeout string
		want                    settings
		refused                 string
	}{
		{want: settings{pullTimeout: 10 * time.Minute}},
		{cluster: "mine-2", image: "mine:1", timeout: "5", want: settings{cluster: "mine-2", image: "mine:1", pullTimeout: 5 * time.Second}},
		{timeout: "5m", refused: "must be a number of seconds"},
		{timeout: "0", refused: "must be a number of seconds"},
		{cluster: "Mine", refused: "small letters"},
		{cluster: "../mine", refused: "small letters"},
		{cluster: "-mine", refused: "small letters"},
		{cluster: strings.Repeat("m", 49), refused: "48 of them at most"},
	} {
		got, err := settingsOf(func(name string) string {
			return map[string]string{nameVariable: test.cluster, "KIND_IMAGE": test.image, "KIND_PULL_TIMEOUT": test.timeout}[name]
		})
		if test.refused != "" {
			if err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%+v: got %v", test, err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%+v: got %+v, %v", test, got, err)
		}
	}
}

func TestEachCloneHasAClusterOfItsOwn(t *testing.T) {
	folder := t.TempDir()
	for _, clone := range []string{"one", "two"} {
		if err := os.MkdirAll(filepath.Join(folder, clone), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("one", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	of := func(clone string, s settings) *site {
		s2, err := newSite(filepath.Join(folder, clone), s)
		if err != nil {
			t.Fatal(err)
		}
		return s2
	}
	one, two, link := of("one", settings{}), of("two", settings{}), of("link", settings{})
	if !names.MatchString(one.name) || !strings.HasPrefix(one.name, "towpath-") || one.name == two.name || one.name != link.name {
		t.Errorf("got %s, %s for another clone, and %s for a link to the first", one.name, two.name, link.name)
	}
	asked := of("one", settings{cluster: "mine"})
	if asked.name != "mine" || asked.kubeconfig != filepath.Join(folder, "one", "bin", "kind", "mine.kubeconfig") {
		t.Errorf("got %s with %s", asked.name, asked.kubeconfig)
	}
	if want := filepath.Join(folder, "one", "bin", "kind", "kubeconfig"); one.kubeconfig != want {
		t.Errorf("got %s, want %s", one.kubeconfig, want)
	}
}
