package supplychain

import "slices"

// ignoreRule is why Grype holds a match for none.
type ignoreRule struct {
	Vulnerability string          `json:"vulnerability"`
	Reason        string          `json:"reason"`
	Namespace     string          `json:"namespace"`
	FixState      string          `json:"fix-state"`
	VexStatus     string          `json:"vex-status"`
	MatchType     string          `json:"match-type"`
	Package       ignoredPackages `json:"package"`
}

// ignoredPackages are those that a rule is of.
type ignoredPackages struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Language     string `json:"language"`
	Type         string `json:"type"`
	Location     string `json:"location"`
	UpstreamName string `json:"upstream-name"`
}

// ofGrype says whether a rule stands for a VEX document, or is one of those that Grype has in its settings by itself (as of 0.110.0). All others come
// from settings that the pipeline chose, whatever reason they give: what Grype's own database holds for no match is in no result.
func (r ignoreRule) ofGrype() bool {
	return r.VexStatus != "" || slices.Contains(kernelHeaders, r)
}

// kernelHeaders are the rules for packages of which Grype takes no match over the kernel that they are made from, unless it is told to.
var kernelHeaders = []ignoreRule{
	{MatchType: "exact-indirect-match", Package: ignoredPackages{Name: "kernel-headers", UpstreamName: "kernel", Type: "rpm"}},
	{MatchType: "exact-indirect-match", Package: ignoredPackages{Name: "linux(-.*)?-headers-.*", UpstreamName: "linux.*", Type: "deb"}},
	{MatchType: "exact-indirect-match", Package: ignoredPackages{Name: "linux-libc-dev", UpstreamName: "linux", Type: "deb"}},
}
