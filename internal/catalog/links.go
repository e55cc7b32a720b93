package catalog

import (
	"fmt"
	"net/url"
	"strings"
)

// maxLinks bounds the links of one entity that come from patterns.
const maxLinks = 16

// LinkPattern makes a Link of each Component.
type LinkPattern struct {
	Title string
	// URL with {name}, {namespace} and {team}.
	URL string
}

// ParseLink reads TITLE=URL.
func ParseLink(text string) (LinkPattern, error) {
	title, address, found := strings.Cut(text, "=")
	pattern := LinkPattern{Title: title, URL: address}
	if !found || title == "" || len(title) > 100 || len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return pattern, fmt.Errorf("%q: must be a title, an equals sign and a URL, such as 'Dashboard=https://grafana.example/d/component?var-component={name}'", text)
	}
	if !webURL(pattern.of("name", "namespace", "team").URL) {
		return pattern, fmt.Errorf("%q: the URL must be http:// or https:// with a host, and without credentials", text)
	}
	return pattern, nil
}

// of puts names in. They are those of objects: nothing in them means anything in a URL.
func (p LinkPattern) of(name, namespace, team string) Link {
	names := strings.NewReplacer("{name}", url.QueryEscape(name), "{namespace}", url.QueryEscape(namespace), "{team}", url.QueryEscape(team))
	return Link{URL: names.Replace(p.URL), Title: p.Title}
}

// webURL says whether a browser may be sent there: what teams write must not become a script.
func webURL(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && len(address) <= 2048 && (parsed.Scheme == "https" || parsed.Scheme == "http") && parsed.Host != "" && parsed.User == nil
}

// repositoryOf is the URL of a source-location that may be shown; empty for any other.
func repositoryOf(location string) string {
	address, found := strings.CutPrefix(location, "url:")
	if !found || !strings.HasPrefix(address, "https://") || !webURL(address) {
		return ""
	}
	return address
}
