package remote

import "testing"

func TestDeclined_PassesWhereSomebodyElsePushed(t *testing.T) {
	for status, want := range map[string]bool{
		"cannot lock ref 'refs/heads/main': is at 3f1c but expected 9ab0": true,
		"Unable to create '/srv/a.git/refs/heads/main.lock': File exists": true,
		"failed to update ref":         true,
		"non-fast-forward":             true,
		"fetch first":                  true,
		"incorrect old value provided": true,
		"reference already exists":     true,
		"stale info":                   true,

		"pushes to main are blocked":     false,
		"protected branch hook declined": false,
		"pre-receive hook declined":      false,
		"file locking is required":       false,
		"":                               false,
	} {
		if got := (&declinedError{status: status}).passing(); got != want {
			t.Errorf("%q: passing is %v, want %v", status, got, want)
		}
	}
}
