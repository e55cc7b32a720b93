package quantity_test

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/quantity"
)

// TestParse_EndsWhateverItIsGiven has amounts that Kubernetes' parser, or what compares its results, would not end with.
func TestParse_EndsWhateverItIsGiven(t *testing.T) {
	for text, fits := range map[string]bool{
		"1": true, "250m": true, "2Gi": true, "1e3": true, "1E": true, "5Ei": true, "1e-9": true, "1e99": true, "1e003": true, "-1": true,
		"1e-999999999": false, "1e999999999": false, "0e999999999": false, "1E+100": false, "1e000100": false, "1e9223372036854775807": false,
		strings.Repeat("9", 65): false, "": false, "many": false,
	} {
		q, err := quantity.Parse(text)
		if fits != (err == nil) {
			t.Errorf("%.40q: %v", text, err)
		}
		_ = q.CmpInt64(1)
		_ = q.AsDec()
	}
}

// TestCheck_LeavesWhatIsNoNumber has names that end as amounts do, as maps named limits of other people's kinds have them.
func TestCheck_LeavesWhatIsNoNumber(t *testing.T) {
	nines := strings.Repeat("9", 65)
	for text, fits := range map[string]bool{
		"node100": true, "3f2ae123": true, "urn:1e123": true, "": true, strings.Repeat("a long name ", 10): true, nines + "-" + nines: true,
		"e123": false, "-.5E+0123": false, "+1.e999": false, nines: false, nines + "Gi": false, nines + "m": false, "." + nines + "e1": false,
		strings.Repeat("0", 65): false, "1e" + strings.Repeat("0", 65): false,
	} {
		if err := quantity.Check(text); fits != (err == nil) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
