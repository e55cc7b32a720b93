// Package version says which build this is. The linker sets the variables.
package version

// Set by -ldflags "-X github.com/towpath-dev/towpath/internal/version.Version=…".
var (
	// Version of the release, such as v0.1.0.
	Version = "dev"
	// Commit that was built.
	Commit = "unknown"
	// Date of the commit, in RFC 3339.
	Date = "unknown"
)
