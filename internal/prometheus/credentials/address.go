package credentials

import (
	"cmp"
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// place is where something is asked: what of two addresses must be the same, in one spelling.
type place struct {
	scheme, host, port string
	// path has a slash at its begin and none at its end.
	path string
}

const https = "https"

var (
	plainHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	// plainPath has no percent, semicolon or backslash: programs read these in more than one way, and a path that means
	// another one to the server than to us would take the credentials out of the prefix.
	plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~:@+=,$-]+)*$`)

	// None of these errors says what the address is: one with a password in it is an error too.
	errAddress = errors.New("address must be https://host[:port][/path], without user, query or fragment")
	errHost    = errors.New("the host of address must be a name in ASCII or an IP address")
	errPort    = errors.New("the port of address must be a number from 1 to 65535")
	errPath    = errors.New("the path of address must have no part that is empty, . or .., and letters, digits and -._~:@+=,$ alone")
)

// parsePlace reads an address.
func parsePlace(address string) (place, error) {
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(address, "?#") {
		return place{}, errAddress
	}
	return placeOf(u)
}

// placeOf is the place of a URL, whatever is asked there.
func placeOf(u *url.URL) (place, error) {
	if u.Scheme != https && u.Scheme != "http" || u.User != nil || u.Opaque != "" || u.Host == "" {
		return place{}, errAddress
	}
	p := place{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), path: strings.TrimSuffix(u.EscapedPath(), "/")}
	if ip, err := netip.ParseAddr(p.host); err == nil && ip.Zone() == "" {
		p.host = ip.String()
	} else if !plainHost.MatchString(p.host) || strings.Contains(p.host, "..") {
		return place{}, errHost
	}
	standard := map[string]string{https: "443", "http": "80"}[p.scheme]
	port, err := strconv.ParseUint(cmp.Or(u.Port(), standard), 10, 16)
	if err != nil || port == 0 {
		return place{}, errPort
	}
	p.port = strconv.FormatUint(port, 10)
	parts := strings.Split(p.path, "/")
	if !plainPath.MatchString(p.path) || slices.Contains(parts, ".") || slices.Contains(parts, "..") {
		return place{}, errPath
	}
	return p, nil
}

// covers says whether another place is this one, or below it.
func (p place) covers(other place) bool {
	return p.scheme == other.scheme && p.host == other.host && p.port == other.port &&
		(p.path == other.path || strings.HasPrefix(other.path, p.path+"/"))
}
