// Package outbound makes requests to addresses that tenants name. The manager stands inside of the cluster, where much answers
// without asking who calls; so such a request reaches public addresses alone, unless the platform allows another.
package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Rules say which addresses may be reached. The zero value allows public ones alone.
type Rules struct {
	// hosts are names that are allowed, in lower case, without or with a port.
	hosts []string
	// networks are addresses that are allowed.
	networks []network
	// resolver is that of the system where it is nil.
	resolver *net.Resolver
}

// network is one that is allowed, at a port; at all where that is empty.
type network struct {
	prefix netip.Prefix
	port   string
}

// RefusedError says that an address must not be reached. It names the host, never the rest of a URL, nor the address that a
// name leads to: who wrote the name must not learn by it what the cluster's DNS knows.
type RefusedError struct{ Host, Reason string }

func (e *RefusedError) Error() string { return e.Host + " " + e.Reason }

// NewRules returns rules that also allow what the platform lists: names (am.monitoring.svc), addresses, each also with a port
// (am.monitoring.svc:9093), and networks (10.20.0.0/16). A name is allowed wherever it leads, and an address whatever name leads
// there. Addresses that give out credentials of the cloud, multicast and unspecified ones are never reached, whatever is listed. Its
// error names the first entry that cannot be, and wraps what is wrong with it.
func NewRules(allowed ...string) (Rules, error) {
	var r Rules
	for _, entry := range allowed {
		if err := r.add(entry); err != nil {
			return Rules{}, fmt.Errorf("%q %w", entry, err)
		}
	}
	return r, nil
}

// entryForm is what NewRules takes.
const entryForm = "must be a name such as am.monitoring.svc, an address such as 10.20.0.9, either with a port (am.monitoring.svc:9093), or a network such as 10.20.0.0/16"

// add allows what one entry says.
func (r *Rules) add(entry string) error {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		if prefix.Addr().Is4In6() {
			return errors.New("must be written as a network of IPv4, such as 10.20.0.0/16")
		}
		r.networks = append(r.networks, network{prefix: prefix.Masked()})
		return nil
	}
	host, port := entry, ""
	if h, p, err := net.SplitHostPort(entry); err == nil {
		host, port = h, p
		if checkPort(port) != nil && !strings.Contains(entry, "/") { // else it is a URL, of which more can be said below
			return errors.New("must have a port from 1 to 65535 after its last colon, or none")
		}
	}
	host, err := hostOf(host)
	if err != nil || strings.Contains(entry, "/") {
		return errors.New(entryForm + instead(entry))
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		r.networks = append(r.networks, network{netip.PrefixFrom(addr, addr.BitLen()), port})
		return nil
	}
	if port != "" {
		host = net.JoinHostPort(host, port)
	}
	r.hosts = append(r.hosts, host)
	return nil
}

// instead says what to write in place of an entry that cannot be, where that can be told.
func instead(entry string) string {
	switch u, err := url.Parse(entry); {
	case strings.Contains(entry, "*"):
		return ": there are no wildcards, so list each name, or the network that they lead to"
	case err == nil && u.Scheme != "" && u.Hostname() != "":
		if _, err := hostOf(u.Hostname()); err == nil {
			return fmt.Sprintf(": write %s, without scheme, user and path", u.Host)
		}
	case strings.ContainsFunc(entry, unicode.IsSpace) || strings.Contains(entry, ","):
		return ": one in each item of the list"
	case strings.Contains(entry, "/"):
		if host, _, _ := strings.Cut(entry, "/"); net.ParseIP(host) == nil {
			return ": without a path"
		}
		return ": the number after / is how many bits the network has in common, at most 32, or 128 for IPv6"
	}
	return ""
}

// WithResolver returns the rules with another resolver of names.
func (r Rules) WithResolver(resolver *net.Resolver) Rules {
	r.resolver = resolver
	return r
}

// URL reads one, and refuses what can be told without asking DNS; the rest is refused as the connection is made. No error
// says more of it than its host, for the rest may be a secret.
func (r Rules) URL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("it must be a URL such as https://host/path")
	case u.Scheme != "https" && u.Scheme != "http", u.Opaque != "":
		return nil, errors.New("its URL must begin with https:// or http://")
	case u.User != nil:
		return nil, errors.New("its URL must have no user and no password")
	case strings.Contains(raw, "#"):
		return nil, errors.New("its URL must have no fragment (#)")
	}
	host, err := hostOf(u.Hostname())
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(u.Host, ":") {
		return nil, errPort
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	if err := checkPort(port); err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := r.check(host, port, addr); err != nil {
			return nil, err
		}
	}
	return u, nil
}

var (
	plainHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	// number is the last part of a name that some programs read as an address: 2130706433, 0x7f.1, 127.1.
	number = regexp.MustCompile(`^(0x[0-9a-f]*|[0-9]+)$`)

	errHost = errors.New("its host must be a name in ASCII, or an address in its usual form")
	errPort = errors.New("its port must be a number from 1 to 65535")
)

// hostOf is a host in one spelling.
func hostOf(host string) (string, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", errHost
		}
		return addr.Unmap().String(), nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if len(host) > 253 || !plainHost.MatchString(host) || strings.Contains(host, "..") || number.MatchString(last) {
		return "", errHost
	}
	return host, nil
}

func checkPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errPort
	}
	return nil
}

// check says whether an address may be reached, by the host that was asked for.
func (r Rules) check(host, port string, addr netip.Addr) error {
	addr, inner := plain(addr)
	if inner == forbidden || addr.Zone() != "" {
		return &RefusedError{host, "leads to an address that is never reached: use a public one"}
	}
	if inner == "" || r.allows(host, port, addr) {
		return nil
	}
	return &RefusedError{host, "leads to " + inner + " address: use a public one, or ask the platform team to allow the host"}
}

func (r Rules) allows(host, port string, addr netip.Addr) bool {
	if slices.Contains(r.hosts, host) || slices.Contains(r.hosts, net.JoinHostPort(host, port)) {
		return true
	}
	return slices.ContainsFunc(r.networks, func(n network) bool {
		return n.prefix.Contains(addr) && (n.port == "" || n.port == port)
	})
}
