package remote

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Mode says how a Release gets to the branch.
type Mode string

// The modes.
const (
	// Push commits to the branch.
	Push Mode = "Push"
	// Propose commits to a branch of the Release's own, from which somebody opens a pull request. One for each Release, not one
	// for each Environment: who merges lets in one Release and nothing else, and who refuses holds up nothing else.
	Propose Mode = "Propose"
)

// Source is where Releases are delivered to.
type Source struct {
	// URL of the repository: https://host/path or ssh://user@host/path.
	URL string
	// Branch that is followed, such as main.
	Branch string
	// Mode is Push where it is empty.
	Mode Mode
	// Layout says which directory is whose.
	Layout delivery.Layout
	// Credentials of the URL's scheme.
	Credentials Credentials
	// CA are further authorities of HTTPS in PEM.
	CA []byte
}

// Credentials say who asks. They never print: whatever formats them gets a word in their place.
type Credentials struct {
	// Username and Password are those of HTTP. A token is a password; which user name goes with it, the forge says. Without a
	// user name the password is sent as a bearer token.
	Username, Password string
	// Key is a private key of SSH in PEM, and Passphrase what it is encrypted with, if it is.
	Key        []byte
	Passphrase string
	// KnownHosts are the host keys of the server, as in a file known_hosts. SSH needs them: without, anybody on the way could
	// pose as the server.
	KnownHosts []byte
}

const hidden = "[credentials]"

// Format writes no credential, by whatever verb.
func (Credentials) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalJSON writes no credential: structured logs are JSON.
func (Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// hider takes these credentials out of texts, in the spellings in which a server may repeat them. Very short ones stay: ordinary
// words would go with them.
func (c Credentials) hider() hider {
	var pairs []string
	for _, s := range []string{c.Password, c.Passphrase, string(c.Key)} {
		if len(s) < 4 {
			continue
		}
		basic := base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + s))
		for _, spelling := range []string{s, url.QueryEscape(s), url.PathEscape(s), basic} {
			pairs = append(pairs, spelling, "[hidden]")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// place is a URL that was checked.
type place struct{ *url.URL }

// String is the URL as it is shown: it has no password, since readURL refuses one.
func (p place) String() string { return "the repository " + p.Redacted() }

var (
	// plainPath leaves out what the shell at the far end of SSH, or a server, could take for something else.
	plainPath = lazyregexp.New(`^(/[A-Za-z0-9_~@+][A-Za-z0-9._~@+-]*)+/?$`)
	plainUser = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	scpURL    = lazyregexp.New(`^([A-Za-z0-9_][A-Za-z0-9._-]*)@([A-Za-z0-9.-]+):/?([A-Za-z0-9._~/-]+)$`)
	// plainBranch is stricter than Git, which allows more than is wise.
	plainBranch = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)
)

// readURL checks the URL of a repository as far as it can be without asking DNS; the rest is refused as the connection is made.
func readURL(rules outbound.Rules, raw string, plainHTTP bool) (place, error) {
	refuse := func(format string, args ...any) (place, error) {
		return place{}, problem(ReasonAddress, "the URL of the repository %s", fmt.Sprintf(format, args...))
	}
	if m := scpURL().FindStringSubmatch(raw); m != nil {
		return refuse("must be written as ssh://%s@%s/%s", m[1], m[2], m[3])
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("must be one such as https://host/path or ssh://git@host/path")
	}
	switch u.Scheme {
	case "https", "ssh":
	case "http":
		if !plainHTTP {
			return refuse("must begin with https:// or ssh://: http:// would send credentials and files unprotected")
		}
	default:
		return refuse("must begin with https:// or ssh://")
	}
	if u.RawQuery != "" || u.ForceQuery || u.RawPath != "" || !plainPath().MatchString(u.Path) || len(u.Path) > 1024 {
		return refuse("must have a path of letters, digits and ._~@+-, of which no part begins with a dot or a hyphen, and no query")
	}
	if u.User != nil {
		if _, has := u.User.Password(); has || u.Scheme != "ssh" || !plainUser().MatchString(u.User.Username()) {
			return refuse("must have no password, and a user with ssh:// alone, such as ssh://git@host/path: credentials stand apart")
		}
	} else if u.Scheme == "ssh" {
		return refuse("must name the user, such as ssh://git@%s", u.Host+u.Path)
	}
	// The rules know HTTP; a host and a port are the same for SSH.
	asked := url.URL{Scheme: "https", Host: u.Host, Path: "/"}
	if u.Scheme == "ssh" && u.Port() == "" {
		asked.Host += ":22"
	}
	if strings.Contains(raw, "#") {
		return refuse("must have no fragment (#)")
	}
	if _, err := rules.URL(asked.String()); err != nil {
		return refuse("is refused: %v", err)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.Host = strings.ToLower(u.Host)
	return place{u}, nil
}

func checkBranch(branch string) error {
	if len(branch) > 200 || !plainBranch().MatchString(branch) || strings.Contains(branch, "..") || strings.HasSuffix(branch, ".") ||
		strings.HasSuffix(branch, ".lock") || strings.Contains(branch, ".lock/") || strings.HasPrefix(branch, "refs/") {
		return problem(ReasonInvalid, "the branch %.80q must be the name of one, such as main: letters, digits, hyphens, underscores, dots and slashes", branch)
	}
	return nil
}
