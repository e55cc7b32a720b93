package override

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for text, want := range map[string]string{
		"spec.replicas": "spec.replicas",
		"spec.template.spec.containers[name=app].resources":            "spec.template.spec.containers[name=app].resources",
		`spec.template.spec.containers[name="app"].resources`:          "spec.template.spec.containers[name=app].resources",
		"spec.ports[port=80,protocol=TCP].appProtocol":                 "spec.ports[port=80,protocol=TCP].appProtocol",
		"spec.template.spec.containers[name=*].env":                    "spec.template.spec.containers[name=*].env",
		"spec.template.spec.containers[*].env":                         "spec.template.spec.containers[*].env",
		`spec.x[name="*"].env`:                                         `spec.x[name="*"].env`,
		`metadata.annotations["prometheus.io/scrape"]`:                 `metadata.annotations["prometheus.io/scrape"]`,
		`spec.a["plain"].b`:                                            "spec.a.plain.b",
		`spec.a[name="with \"quotes\", and ]"]`:                        `spec.a[name="with \"quotes\", and ]"]`,
		`spec.topology[topologyKey=kubernetes.io/hostname].minDomains`: `spec.topology[topologyKey=kubernetes.io/hostname].minDomains`,
		`["odd name"].x`:                                               `["odd name"].x`,
		`spec.a[name=""].b`:                                            `spec.a[name=""].b`,
	} {
		path, err := ParsePath(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := path.String(); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
	}
}

func TestParsePath_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "a field is missing",
		".":                                  "a field is missing",
		"spec.":                              "a field is missing",
		"spec..a":                            "a field is missing",
		"spec a":                             `"." is missing`,
		"$patch":                             "a field is missing",
		"spec[":                              "an element must be written",
		"spec[0]":                            `"=" is missing`,
		"spec[name]":                         `"=" is missing`,
		"spec[name=]":                        `an empty one is written ""`,
		"spec[name=app":                      "not closed",
		"spec[name=a,name=b]":                "twice",
		`spec["a]`:                           "not closed",
		`spec[""]`:                           "must not be empty",
		"[name=app]":                         "begin with a field",
		strings.Repeat("a.", 70) + "a":       "more than 64 steps",
		"spec." + strings.Repeat("a", 1<<11): "at most 1024",
	} {
		if _, err := ParsePath(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q gives %v, want %q", text, err, want)
		}
	}
}
