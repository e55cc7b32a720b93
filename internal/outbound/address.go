package outbound

import "net/netip"

// forbidden is the class of addresses that no rule opens.
const forbidden = "a forbidden"

// metadata are the addresses at which clouds answer any caller, with credentials among what they say: AWS, Google, Azure,
// DigitalOcean and others; those of containers and pods at AWS; Azure's wire server, which is a public address; Alibaba;
// Oracle; and the same by IPv6 at AWS and Google.
var metadata = addresses("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192",
	"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254")

// inside are networks of IANA's special-purpose registries that are not global. Of IPv6 it lists those within 2000::/3, outside
// of which nothing is global.
var inside = []struct {
	prefix netip.Prefix
	class  string
}{
	{netip.MustParsePrefix("100.64.0.0/10"), "a private"},
	{netip.MustParsePrefix("0.0.0.0/8"), "a reserved"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a reserved"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a reserved"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a reserved"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a reserved"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a reserved"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved"},
	// Teredo and others, documentation, and 6to4, which holds an address of IPv4.
	{netip.MustParsePrefix("2001::/23"), "a reserved"},
	{netip.MustParsePrefix("2001:db8::/32"), "a reserved"},
	{netip.MustParsePrefix("2002::/16"), "a reserved"},
	{netip.MustParsePrefix("3fff::/20"), "a reserved"},
}

var (
	global6 = netip.MustParsePrefix("2000::/3")
	// nat64 leads to the address of IPv4 in its last four bytes; clusters without IPv4 reach the world by it.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// plain is an address without what wraps it, and the class that it is of; none for a public one.
func plain(addr netip.Addr) (inner netip.Addr, class string) {
	addr = addr.Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr, classOf(addr)
}

func classOf(addr netip.Addr) string {
	switch {
	case !addr.IsValid(), addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}), metadata[addr.WithZone("")]:
		return forbidden
	case addr.IsLoopback():
		return "a loopback"
	case addr.IsLinkLocalUnicast():
		return "a link-local"
	case addr.IsPrivate():
		return "a private"
	case addr.Is6() && !global6.Contains(addr):
		return "a reserved"
	}
	for _, network := range inside {
		if network.prefix.Contains(addr) {
			return network.class
		}
	}
	return ""
}

func addresses(texts ...string) map[netip.Addr]bool {
	set := map[netip.Addr]bool{}
	for _, text := range texts {
		set[netip.MustParseAddr(text)] = true
	}
	return set
}
