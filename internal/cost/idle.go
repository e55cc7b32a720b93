package cost

import "strings"

// IdlePrefix begins the names of services under which stands what a cluster was paid for and nobody used, such as Idle CPU.
const IdlePrefix = "Idle "

// IsIdle says whether a service of nobody's is such a one.
func IsIdle(service string) bool { return strings.HasPrefix(service, IdlePrefix) }
