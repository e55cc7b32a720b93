package supplychain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// maxFindings is how many findings of a scan are kept, the worst first. More than that are more than anybody ignores one by one.
const maxFindings = 128

// rank is how bad a severity is. What a scanner cannot rate counts as Grype has it, below all others.
type rank int

const (
	unrated rank = iota
	negligible
	low
	medium
	high
	critical
)

// severities are those that scanners name, in lower case.
var severities = map[string]rank{
	"": unrated, "unknown": unrated, "negligible": negligible, "low": low, "medium": medium, "high": high, "critical": critical,
}

// names of severities for people.
var severityNames = map[rank]string{low: "Low", medium: "Medium", high: "High", critical: "Critical"}

// rated is how bad a severity is. One that nobody knows counts as the worst.
func rated(severity string) rank {
	if known, ok := severities[strings.ToLower(severity)]; ok {
		return known
	}
	return critical
}

// Finding is a vulnerability that a scan found in a package.
type Finding struct {
	Vulnerability, Package, Version string
	severity                        rank
}

func (f *Finding) text() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s in %s %s", severityNames[f.severity], f.Vulnerability, cmp.Or(f.Package, "a package without a name"), f.Version))
}

// Findings are those of a scan that any class may ask of: of severity Low and more, the worst first.
type Findings struct {
	list []Finding
	// more is how many worse than Negligible are not in the list, which are no worse than the last of it.
	more int
}

// add adds a finding once for each package.
func (f *Findings) add(vulnerability, pkg, version, severity string) {
	const long = 128
	found := Finding{clip(vulnerability, long), clip(pkg, long), clip(version, long), rated(severity)}
	if found.severity < low {
		return
	}
	f.list = append(f.list, found)
}

// clip bounds what a message repeats, and takes out what is not to be shown.
func clip(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.Clone(text)
}

// bounded sorts the findings, and keeps so many.
func (f *Findings) bounded() *Findings {
	slices.SortStableFunc(f.list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.severity, a.severity), strings.Compare(a.Vulnerability, b.Vulnerability), strings.Compare(a.Package, b.Package))
	})
	f.list = slices.CompactFunc(f.list, func(a, b Finding) bool {
		return a.Vulnerability == b.Vulnerability && a.Package == b.Package && a.severity == b.severity
	})
	if f.more = len(f.list) - maxFindings; f.more > 0 {
		f.list = f.list[:maxFindings]
	}
	f.more = max(f.more, 0)
	f.list = slices.Clone(f.list) // it is remembered for long
	return f
}

// match is a finding of Grype's.
type match struct {
	Vulnerability struct {
		ID       string `json:"id"`
		Severity string `json:"severity"`
	} `json:"vulnerability"`
	Artifact struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"artifact"`
}

// findings reads the result of a scan, as Grype or Trivy writes it as JSON; nil where it is of neither.
func findings(result json.RawMessage) *Findings {
	var r struct {
		// Grype's.
		Matches *[]match `json:"matches"`
		Ignored []struct {
			match
			Rules []struct {
				Vulnerability string `json:"vulnerability"`
				Reason        string `json:"reason"`
				FixState      string `json:"fix-state"`
				VexStatus     string `json:"vex-status"`
				Package       *struct {
				} `json:"package"`
			} `json:"appliedIgnoreRules"`
		} `json:"ignoredMatches"`
		// Trivy's.
		SchemaVersion int `json:"SchemaVersion"`
		Results       []struct {
			Vulnerabilities []struct {
				ID       string `json:"VulnerabilityID"`
				Package  string `json:"PkgName"`
				Version  string `json:"InstalledVersion"`
				Severity string `json:"Severity"`
			} `json:"Vulnerabilities"`
		} `json:"Results"`
	}
	if len(result) == 0 || json.Unmarshal(result, &r) != nil {
		return nil
	}
	f := &Findings{}
	switch {
	case r.Matches != nil:
		for i := range *r.Matches {
			m := &(*r.Matches)[i]
			f.add(m.Vulnerability.ID, m.Artifact.Name, m.Artifact.Version, m.Vulnerability.Severity)
		}
		for i := range r.Ignored { // what the pipeline ignores is not for it to say here; what Grype itself holds for no match has a reason, or a package
			m := &r.Ignored[i]
			for _, rule := range m.Rules {
				if rule.Vulnerability != "" && rule.Reason == "" && rule.FixState == "" && rule.VexStatus == "" && rule.Package == nil {
					f.add(m.Vulnerability.ID, m.Artifact.Name, m.Artifact.Version, m.Vulnerability.Severity)
				}
			}
		}
	case r.SchemaVersion > 0:
		for i := range r.Results {
			for j := range r.Results[i].Vulnerabilities {
				v := &r.Results[i].Vulnerabilities[j]
				f.add(v.ID, v.Package, v.Version, v.Severity)
			}
		}
	default:
		return nil
	}
	return f.bounded()
}

// limits says what a scan found beyond what a class allows; empty for nothing.
func limits(need *platformv1alpha1.RequiredProof, proof *Proof, now time.Time) string {
	if need.MaxSeverity == "" {
		return ""
	}
	at := proof.At.UTC().Format(time.RFC3339)
	if proof.Found == nil {
		return fmt.Sprintf("the newest, of %s, does not say what it found as Grype or Trivy writes it as JSON, in scanner.result", at)
	}
	most := rated(string(need.MaxSeverity))
	var texts []string
	more := 0
	for i := range proof.Found.list {
		f := &proof.Found.list[i]
		switch {
		case f.severity <= most || ignored(need.Ignore, f, now):
		case len(texts) == shown:
			more++
		default:
			texts = append(texts, f.text())
		}
	}
	if last := len(proof.Found.list) - 1; proof.Found.more > 0 && proof.Found.list[last].severity > most {
		more += proof.Found.more // some of them may be no worse than what is allowed: there is more than anybody ignores all the same
	}
	if more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	if len(texts) == 0 {
		return ""
	}
	return fmt.Sprintf("the newest, of %s, found %s, and may find nothing worse than %s", at, strings.Join(texts, ", "), need.MaxSeverity)
}

// ignored says whether a class ignores a finding now.
func ignored(list []platformv1alpha1.IgnoredVulnerability, f *Finding, now time.Time) bool {
	return slices.ContainsFunc(list, func(i platformv1alpha1.IgnoredVulnerability) bool {
		expires, err := time.Parse(time.DateOnly, i.Expires)
		return err == nil && now.Before(expires) && i.Vulnerability == f.Vulnerability && (i.Package == "" || i.Package == f.Package)
	})
}
