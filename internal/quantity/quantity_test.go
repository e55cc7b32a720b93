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
