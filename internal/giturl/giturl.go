// Package giturl checks the addresses of Git repositories that tenants write. It is pure: which of them may be reached, others say.
package giturl

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

var (
	// plainHost begins with no hyphen, which ssh would take for an option.
	plainHost = lazyregexp.New(`^([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$`)
	// plainPath leaves out what the shell at the far end of SSH, or a server, could take for something else, and what clients resolve
	// before they ask: which repository it is, and so whether credentials are for it, can be told by how it begins.
	plainPath = lazyregexp.New(`^(/[A-Za-z0-9_~@+][A-Za-z0-9._~@+-]*)+/?$`)
	plainUser = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
)

const maxPath = 1024

// Parse reads the address of a repository, as spec.source.repository has it. The definition of Components has the same rule; this one
// holds for what was written before it had. The error goes on from the name of the field.
func Parse(raw string, plainHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Opaque != "":
		return nil, fmt.Errorf("must be a URL such as https://host/path or ssh://git@host/path")
	case u.Scheme == "https", u.Scheme == "ssh", u.Scheme == "http" && plainHTTP:
	case u.Scheme == "http":
		return nil, fmt.Errorf("must begin with https:// or ssh://: http:// would send credentials unprotected; the platform team may allow it by sources.plainHTTP")
	default:
		return nil, fmt.Errorf("must begin with https:// or ssh://")
	}
	if u.User != nil {
		if _, has := u.User.Password(); has || u.Scheme != "ssh" || !plainUser().MatchString(u.User.Username()) {
			return nil, fmt.Errorf("must have no password, and a user with ssh:// alone: credentials stand in the Secret of spec.source.secretRef")
		}
	}
	if strings.ContainsAny(raw, "%?#") || !plainPath().MatchString(u.Path) || len(u.Path) > maxPath {
		return nil, fmt.Errorf("must have a path of letters, digits and ._~@+-, of which no part begins with a dot or a hyphen, no %%, and neither ? nor #")
	}
	if !plainHost().MatchString(u.Host) {
		return nil, fmt.Errorf("must name a host of letters, digits, dots and hyphens that begins with a letter or a digit")
	}
	return u, nil
}
