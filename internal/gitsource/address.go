package gitsource

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/towpath-dev/towpath/internal/giturl"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// place is a URL that was checked.
type place struct{ *url.URL }

// String is the URL as it is shown: it has no password, since readURL refuses one.
func (p place) String() string { return "the repository " + p.Redacted() }

// readURL checks the URL of a repository as far as it can be without asking DNS; the rest is refused as the connection is made.
func readURL(rules outbound.Rules, raw string, plainHTTP bool) (place, error) {
	refuse := func(format string, args ...any) (place, error) {
		return place{}, problem(AddressRefused, "spec.source.repository %s", fmt.Sprintf(format, args...))
	}
	u, err := giturl.Parse(raw, plainHTTP)
	if err != nil {
		return refuse("%v", err)
	}
	// The rules know HTTP; a host and a port are the same for SSH.
	asked := url.URL{Scheme: "https", Host: u.Host, Path: "/"}
	if u.Port() == "" {
		asked.Host += map[string]string{"ssh": ":22", "http": ":80", "https": ""}[u.Scheme]
	}
	if _, err := rules.URL(asked.String()); err != nil {
		return refuse("is refused: %v", err)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.Host = strings.ToLower(u.Host)
	return place{u}, nil
}

const maxBranch = 255

// checkBranch refuses what Git would not take for a branch. Whatever else it holds is only compared with what the server lists.
func checkBranch(branch string) error {
	bad := branch == "" || len(branch) > maxBranch || strings.Contains(branch, "..") || strings.HasPrefix(branch, "/") ||
		strings.HasSuffix(branch, "/") || strings.ContainsFunc(branch, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) })
	if bad {
		return problem(BranchNotFound, "spec.source.branch %.80q is no name of a branch: write one such as main or release/1.2", branch)
	}
	return nil
}
