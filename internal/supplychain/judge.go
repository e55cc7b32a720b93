package supplychain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// skew is by how much clocks of builders may be ahead.
	skew = 5 * time.Minute
	// shown is how many images, and how many reasons of a proof, a message names.
	shown = 3
)

// What to do where another proof does not help.
const (
	mendIt  = "Build an image with packages in which it is mended, and scan that; or have the platform team list it in ignore of the proof Scan in the class, until a date."
	clearIt = "Take from its registry what is beside it and is not needed, or is larger than is read."
)

// Missing is a proof that an image lacks.
type Missing struct {
	Type platformv1alpha1.ProofType
	// Why none of what there is counts.
	Why string
	// next is what to do where it is not enough to bring it.
	next string
	// keyless says that no key can bring it: the class asks for who signs without one.
	keyless bool
}

// Judge holds what is known of an image against what a class asks for: the proofs by which it may enter, and those that it lacks.
// Where what has run before comes back, ageless lets scans of any age count.
func Judge(c *platformv1alpha1.SupplyChain, e *Evidence, now time.Time, ageless bool) (proofs []Proof, missing []Missing) {
	for i := range c.Proofs {
		need := &c.Proofs[i]
		best, why := find(need, e, now, ageless)
		if best == nil {
			missing = append(missing, Missing{Type: need.Type, Why: why, keyless: len(need.Keys) == 0 && (len(c.Keys) == 0 || len(need.Identities) > 0)})
			continue
		}
		if why := limits(need, best, now); why != "" {
			next := ""
			if best.Found != nil {
				next = mendIt
			}
			missing = append(missing, Missing{Type: need.Type, Why: why, next: next})
			continue
		}
		if need.MaxSeverity != "" && e.Incomplete != "" {
			missing = append(missing, Missing{
				Type: need.Type, Why: "not all that is beside the image was read, and a newer one may be among that: " + e.Incomplete, next: clearIt,
			})
			continue
		}
		proofs = append(proofs, Proof{Type: best.Type, By: allowed(need, best), Artifact: best.Artifact, At: best.At})
	}
	return proofs, missing
}

// find finds the proof that counts, of scans the newest; nil for none, and why.
func find(need *platformv1alpha1.RequiredProof, e *Evidence, now time.Time, ageless bool) (*Proof, string) {
	var best *Proof
	var why []string
	say := func(text string) {
		if len(why) < shown && !slices.Contains(why, text) {
			why = append(why, text)
		}
	}
	for i := range e.Proofs {
		p := &e.Proofs[i]
		by := allowed(need, p)
		switch {
		case p.Type != need.Type:
		case by.None():
			must := By{need.Keys, need.Identities}
			say(fmt.Sprintf("one was signed by %s, and must be by %s", p.all(" and "), must.all(" or ")))
		case p.At.After(now.Add(skew)):
			say(fmt.Sprintf("one states a time in the future, %s", p.At.UTC().Format(time.RFC3339)))
		case best == nil || p.At.After(best.At):
			best = p
		}
	}
	age := time.Duration(need.MaxAgeSeconds) * time.Second
	if best != nil && age > 0 && !ageless && now.Sub(best.At) > age {
		say(fmt.Sprintf("the newest is of %s, and may be no older than %s", best.At.UTC().Format(time.RFC3339), ageText(age)))
		best = nil
	}
	if best != nil {
		return best, ""
	}
	for _, r := range e.Rejected {
		if r.Type == need.Type || r.Type == "" {
			say(r.Why)
		}
	}
	if len(why) == 0 {
		return nil, "there is none"
	}
	return nil, strings.Join(why, "; ")
}

// allowed are those who signed a proof and by whom it may be signed.
func allowed(need *platformv1alpha1.RequiredProof, p *Proof) By {
	if len(need.Keys)+len(need.Identities) == 0 {
		return p.By
	}
	named := func(all, names []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(names, name) })
	}
	return By{named(p.Keys, need.Keys), named(p.Identities, need.Identities)}
}

// ageText writes an age in days where it is whole ones.
func ageText(age time.Duration) string {
	const day = 24 * time.Hour
	switch days := age / day; {
	case age%day != 0:
		return age.String()
	case days == 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", days)
	}
}

// Ask says what an image lacks and how to bring it, as a sentence.
func Ask(image string, missing []Missing) string {
	parts := make([]string, len(missing))
	for i, m := range missing {
		parts[i] = fmt.Sprintf("%s (%s)", m.Type, m.Why)
	}
	said := fmt.Sprintf("Image %s lacks %s. ", image, strings.Join(parts, ", "))
	if missing[0].next != "" {
		return said + missing[0].next
	}
	if missing[0].keyless {
		return said + fmt.Sprintf("Bring it as an identity of the class with: %s.", strings.Replace(command(missing[0].Type, image), "--key KEY", "--yes", 1))
	}
	return said + fmt.Sprintf("Bring it with: %s.", command(missing[0].Type, image))
}

// command brings a proof.
func command(kind platformv1alpha1.ProofType, image string) string {
	switch kind {
	case platformv1alpha1.ProofSBOM:
		return "cosign attest --key KEY --type spdxjson --predicate sbom.spdx.json " + image
	case platformv1alpha1.ProofProvenance:
		return "cosign attest --key KEY --type slsaprovenance1 --predicate provenance.json " + image
	case platformv1alpha1.ProofScan:
		return "cosign attest --key KEY --type vuln --predicate scan.json " + image
	}
	return "cosign sign --key KEY " + image
}

// Sentences joins what is said of images, and leaves out what would make it too long.
func Sentences(all []string) string {
	if more := len(all) - shown; more > 0 {
		all = append(slices.Clone(all[:shown]), fmt.Sprintf("And %d more images.", more))
	}
	return strings.Join(all, " ")
}
