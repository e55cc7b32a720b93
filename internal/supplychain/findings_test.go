package supplychain_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
)

// grype is a result of Grype's with findings, each as vulnerability/package/severity.
func grype(findings ...string) string { return `{"matches":[` + matches(findings, "") + `]}` }

func matches(findings []string, also string) string {
	all := make([]string, len(findings))
	for i, f := range findings {
		parts := strings.Split(f, "/")
		all[i] = fmt.Sprintf(`{"vulnerability":{"id":%s,"severity":%s},"artifact":{"name":%s,"version":"1.0"}%s}`, quoted(parts[0]), quoted(parts[2]), quoted(parts[1]), also)
	}
	return strings.Join(all, ",")
}

func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestJudge_WhatAScanFound(t *testing.T) {
	ci := signtest.New()
	need := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityMedium}
	ignoring := func(entries ...platformv1alpha1.IgnoredVulnerability) platformv1alpha1.RequiredProof {
		n := need
		n.Ignore = entries
		return n
	}
	var many []string
	for i := range 140 {
		many = append(many, fmt.Sprintf("CVE-%03d/p/High", i))
	}
	ignored := func(rule string) string {
		return `{"matches":[],"ignoredMatches":[` + matches([]string{"CVE-1/openssl/High"}, `,"appliedIgnoreRules":[`+rule+`]`) + `]}`
	}
	for name, tc := range map[string]struct {
		need   platformv1alpha1.RequiredProof
		result string
		want   string // what is said to be missing, empty for nothing
	}{
		"nothing":                                  {need, grype(), ""},
		"what is allowed":                          {need, grype("CVE-1/openssl/Medium", "CVE-2/zlib/Low", "CVE-3/zlib/Negligible", "CVE-4/zlib/Unknown"), ""},
		"something worse":                          {need, grype("CVE-2/zlib/Low", "CVE-1/openssl/High"), "found High CVE-1 in openssl 1.0, and may find nothing worse than Medium"},
		"the worst first":                          {need, grype("CVE-1/a/High", "CVE-2/b/Critical"), "found Critical CVE-2 in b 1.0, High CVE-1 in a 1.0,"},
		"three, and how many more":                 {need, grype("CVE-1/a/High", "CVE-2/a/High", "CVE-3/a/High", "CVE-4/a/High", "CVE-5/a/High"), "CVE-3 in a 1.0, 2 more,"},
		"the same twice":                           {need, grype("CVE-1/a/High", "CVE-1/a/High"), "found High CVE-1 in a 1.0, and may"},
		"a severity that nobody knows":             {need, grype("CVE-1/a/Terrible"), "found Critical CVE-1"},
		"a limit that lets less in":                {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityNegligible}, grype("CVE-1/a/Low"), "found Low CVE-1"},
		"a limit that lets more in":                {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityHigh}, grype("CVE-1/a/High"), ""},
		"no limit":                                 {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan}, grype("CVE-1/a/Critical"), ""},
		"something that is ignored":                {ignoring(platformv1alpha1.IgnoredVulnerability{Vulnerability: "CVE-1", Expires: "2026-12-01"}), grype("CVE-1/a/High"), ""},
		"something that is ignored no more":        {ignoring(platformv1alpha1.IgnoredVulnerability{Vulnerability: "CVE-1", Expires: "2026-11-30"}), grype("CVE-1/a/High"), "found High CVE-1"},
		"something ignored in this package":        {ignoring(platformv1alpha1.IgnoredVulnerability{Vulnerability: "CVE-1", Package: "a", Expires: "2026-12-01"}), grype("CVE-1/a/High"), ""},
		"something ignored in another package":     {ignoring(platformv1alpha1.IgnoredVulnerability{Vulnerability: "CVE-1", Package: "b", Expires: "2026-12-01"}), grype("CVE-1/a/High"), "found High CVE-1 in a"},
		"something else beside what is ignored":    {ignoring(platformv1alpha1.IgnoredVulnerability{Vulnerability: "CVE-1", Expires: "2026-12-01"}), grype("CVE-1/a/High", "CVE-2/a/High"), "found High CVE-2 in a 1.0, and may"},
		"more than is kept":                        {need, grype(many...), "CVE-002 in p 1.0, 137 more,"},
		"what the pipeline ignores":                {need, ignored(`{"vulnerability":"CVE-1","namespace":""}`), "found High CVE-1"},
		"what it ignores with a reason":            {need, ignored(`{"vulnerability":"CVE-1","reason":"DistroPackageFixed","namespace":""}`), "found High CVE-1"},
		"what it ignores in a package":             {need, ignored(`{"vulnerability":"CVE-1","namespace":"","package":{"name":"openssl","language":""}}`), "found High CVE-1"},
		"what it ignores as not mended":            {need, ignored(`{"namespace":"","fix-state":"not-fixed"}`), "found High CVE-1"},
		"what is ignored by no rule":               {need, ignored(``), "found High CVE-1"},
		"what it ignores, and VEX too":             {need, ignored(`{"vulnerability":"CVE-1","namespace":""},{"namespace":"vex","vex-status":"fixed"}`), ""},
		"what Grype holds for none by itself":      {need, ignored(`{"namespace":"","package":{"name":"linux-libc-dev","language":"","type":"deb","upstream-name":"linux"},"match-type":"exact-indirect-match"}`), ""},
		"what is like that for another package":    {need, ignored(`{"namespace":"","package":{"name":"openssl","language":"","type":"deb","upstream-name":"linux"},"match-type":"exact-indirect-match"}`), "found High CVE-1"},
		"what a VEX document says is none":         {need, ignored(`{"vulnerability":"CVE-1","vex-status":"not_affected"}`), ""},
		"Trivy's":                                  {need, `{"SchemaVersion":2,"Results":[{"Target":"x"},{"Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"a","InstalledVersion":"2","Severity":"HIGH"},{"VulnerabilityID":"CVE-2","Severity":"UNKNOWN"}]}]}`, "found High CVE-1 in a 2, and may"},
		"nothing of Trivy's":                       {need, `{"SchemaVersion":2}`, ""},
		"a result of something else":               {need, `{"findings":[]}`, "does not say what it found as Grype or Trivy"},
		"a result of something else, and no limit": {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan}, `{"findings":[]}`, ""},
		"a result that is no object":               {need, `"all fine"`, "does not say what it found"},
		"matches that are none":                    {need, `{"matches":{"a":1}}`, "does not say what it found"},
		"text that would break a line":             {need, grype("CVE-1\n- x/a\u001b/High"), "found High CVE-1- x in a 1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			c := class(ci, ci, tc.need)
			var e supplychain.Evidence
			old := ci.Envelope(digest, signtest.Vuln, signtest.Found(grype(), noon.AddDate(0, 0, -2)))
			a := ci.Envelope(digest, signtest.Vuln, signtest.Found(tc.result, noon))
			for _, a := range []supplychain.Artifact{a, old} {
				e.Look(&a, digest, supplychain.SignersOf(c, nil))
			}
			_, missing := supplychain.Judge(c, &e, noon, false)
			switch {
			case tc.want == "" && len(missing) > 0:
				t.Errorf("it lacks %v", missing)
			case tc.want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, tc.want)):
				t.Errorf("it lacks %v, want %q", missing, tc.want)
			}
		})
	}
}

// Who may push could hide the newest scan behind what is read before it.
func TestJudge_TakesNoOlderScanWhereTheNewestMayNotHaveBeenRead(t *testing.T) {
	ci := signtest.New()
	for most, want := range map[platformv1alpha1.Severity]string{"": "", platformv1alpha1.SeverityMedium: "not all that is beside the image was read, and a newer one may be among that: 70 manifests"} {
		c := class(ci, ci, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: most})
		e := supplychain.Evidence{Incomplete: "70 manifests refer to the image, and 64 were looked at"}
		a := ci.Envelope(digest, signtest.Vuln, signtest.Found(grype(), noon))
		e.Look(&a, digest, supplychain.SignersOf(c, nil))
		_, missing := supplychain.Judge(c, &e, noon, false)
		switch {
		case want == "" && len(missing) > 0:
			t.Errorf("without a limit it lacks %v", missing)
		case want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, want)):
			t.Errorf("it lacks %v, want %q", missing, want)
		case want != "" && !strings.Contains(supplychain.Ask("a@"+digest, missing), "Take from its registry what is beside it"):
			t.Errorf("it says %q", supplychain.Ask("a@"+digest, missing))
		}
	}
}

func TestNewest(t *testing.T) {
	ci, cd := signtest.New(), signtest.New()
	c := class(ci, cd, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityMedium})
	var e supplychain.Evidence
	add := func(s *signtest.Signer, days int, found ...string) {
		a := s.Envelope(digest, signtest.Vuln, signtest.Found(grype(found...), noon.AddDate(0, 0, days)))
		e.Look(&a, digest, supplychain.SignersOf(c, nil))
	}
	add(ci, -3, "CVE-1/a/High", "CVE-2/a/High", "CVE-3/a/High")
	add(ci, -1, "CVE-1/a/Low")
	add(ci, -2, "CVE-1/a/High")
	add(cd, -4, "CVE-4/a/Low", "CVE-5/a/Low")
	add(ci, 2, "CVE-6/a/High")
	sbom := ci.Envelope(digest, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`)
	e.Look(&sbom, digest, supplychain.SignersOf(c, nil))
	e.Newest(noon)
	if len(e.Proofs) != 4 || e.Findings() != 4 {
		t.Errorf("there are %d proofs with %d findings", len(e.Proofs), e.Findings())
	}
	if _, missing := supplychain.Judge(c, &e, noon, false); len(missing) > 0 {
		t.Errorf("it lacks %v", missing)
	}
	if _, missing := supplychain.Judge(c, &e, noon.AddDate(0, 0, 3), false); len(missing) != 1 || !strings.Contains(missing[0].Why, "CVE-6") {
		t.Errorf("once the time has come that a scan states it lacks %v", missing)
	}
}

func TestAsk_SaysWhatToDoAboutAVulnerability(t *testing.T) {
	ci := signtest.New()
	c := class(ci, ci, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityMedium})
	var e supplychain.Evidence
	a := ci.Envelope(digest, signtest.Vuln, signtest.Found(grype("CVE-1/openssl/High"), noon))
	e.Look(&a, digest, supplychain.SignersOf(c, nil))
	_, missing := supplychain.Judge(c, &e, noon, true) // also of what comes beside a version that comes back
	got := supplychain.Ask("registry.example/a@"+digest, missing)
	for _, want := range []string{"Image registry.example/a@" + digest + " lacks Scan", "High CVE-1 in openssl 1.0", "Build an image with packages in which it is mended", "in ignore of the proof Scan"} {
		if !strings.Contains(got, want) {
			t.Errorf("it says %q, want %q in it", got, want)
		}
	}
}

func TestJudge_RemembersAllKeys(t *testing.T) {
	ci, cd := signtest.New(), signtest.New()
	c := class(ci, cd, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature})
	c.Keys = append(c.Keys, platformv1alpha1.SupplyChainKey{Name: "ci-too", PublicKey: ci.Public()})
	var e supplychain.Evidence
	keys := supplychain.SignersOf(c, nil)
	for _, a := range []supplychain.Artifact{ci.Simple(digest), ci.And(cd, digest, signtest.SLSA, `{"buildDefinition":{}}`)} {
		e.Look(&a, digest, keys)
	}
	for _, want := range [][]string{nil, {"ci"}, {"ci-too"}, {"cd"}} {
		c.Proofs = []platformv1alpha1.RequiredProof{{Type: platformv1alpha1.ProofProvenance, Keys: want}}
		proofs, missing := supplychain.Judge(c, &e, noon, false)
		if len(missing) > 0 || len(want) > 0 && strings.Join(proofs[0].Keys, " ") != want[0] || want == nil && strings.Join(proofs[0].Keys, " ") != "ci cd ci-too" {
			t.Errorf("by %v it lacks %v, and is by %v", want, missing, proofs)
		}
	}
	c.Proofs = []platformv1alpha1.RequiredProof{{Type: platformv1alpha1.ProofSignature, Keys: []string{"cd"}}}
	if _, missing := supplychain.Judge(c, &e, noon, false); len(missing) != 1 || !strings.Contains(missing[0].Why, "by key ci and ci-too, and must be by key cd") {
		t.Errorf("it lacks %v", missing)
	}
}

func TestStated(t *testing.T) {
	s := signtest.New()
	for _, tc := range []struct {
		artifact supplychain.Artifact
		want     platformv1alpha1.ProofType
	}{
		{s.Simple(digest), platformv1alpha1.ProofSignature}, {s.Bundle(digest, signtest.Sign, "{}"), platformv1alpha1.ProofSignature},
		{s.Envelope(digest, signtest.SPDX, "{}"), platformv1alpha1.ProofSBOM}, {s.Bundle(digest, signtest.Vuln, "{}"), platformv1alpha1.ProofScan},
		{s.Simple(beside), ""}, {s.Bundle(beside, signtest.Sign, "{}"), ""}, {s.Envelope(digest, "https://example.com/tests/v1", "{}"), ""},
		{supplychain.Artifact{MediaType: "text/plain"}, ""}, {supplychain.Artifact{MediaType: signtest.BundleType, Content: []byte("{}")}, ""},
		{supplychain.Artifact{MediaType: supplychain.Envelope, Content: []byte("{")}, ""},
	} {
		if got, ok := supplychain.Stated(tc.artifact.Content, digest); ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("%s: it states %q, %t", tc.artifact.Content, got, ok)
		}
	}
}
