package remote

import (
	"errors"
	"fmt"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Reason is a kind of problem that does not go away by trying again: somebody has to act.
type Reason string

// The reasons.
const (
	// ReasonCredentials: the server does not know who asks, or does not let them.
	ReasonCredentials Reason = "Credentials"
	// ReasonHostKey: the server of SSH has another key than known_hosts says, or none that it says.
	ReasonHostKey Reason = "HostKey"
	// ReasonNotFound: there is no such repository, or these credentials do not see it.
	ReasonNotFound Reason = "NotFound"
	// ReasonNoBranch: the repository has branches, and not this one.
	ReasonNoBranch Reason = "NoBranch"
	// ReasonDeclined: the server refuses the push, by a protected branch or a hook.
	ReasonDeclined Reason = "Declined"
	// ReasonOccupied: what stands in the repository where the files belong is not Towpath's.
	ReasonOccupied Reason = "Occupied"
	// ReasonSuperseded: the branch holds a newer Release of the same Component.
	ReasonSuperseded Reason = "Superseded"
	// ReasonAddress: the URL must not be reached, or leads elsewhere.
	ReasonAddress Reason = "Address"
	// ReasonTooLarge: the repository, or an answer of the server, is larger than what is read.
	ReasonTooLarge Reason = "TooLarge"
	// ReasonUnsupported: the server lacks something that is needed.
	ReasonUnsupported Reason = "Unsupported"
	// ReasonInvalid: the Release or the settings cannot be delivered.
	ReasonInvalid Reason = "Invalid"
)

// Problem is an error that stays until somebody acts. Its message says who and how, and holds no credential.
type Problem struct {
	Reason  Reason
	Message string
}

func (p *Problem) Error() string { return p.Message }

// ReasonOf is the reason of an error; none where trying again later may help.
func ReasonOf(err error) Reason {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Reason
	}
	return ""
}

func problem(reason Reason, format string, args ...any) error {
	return &Problem{reason, fmt.Sprintf(format, args...)}
}

// errMoved says that the branch is no longer where it was seen, so that nothing was written.
var errMoved = errors.New("the branch moved while the push was on its way")

// maxRemoteText is how much of what a server says is shown.
const maxRemoteText = 300

// hider takes credentials out of a text. It is a function, since a value would be printed with whatever holds it.
type hider func(string) string

// said is what a server told, fit to be shown: in one line, short, and without the credentials, should it repeat them.
func said(text string, hide hider) string {
	return delivery.OneLine(hide(text), maxRemoteText)
}

// connecting makes an error of connecting or speaking fit to be shown. Errors of net/http name the URL, and those of net the
// address that a name leads to; neither is repeated here.
func (p place) connecting(err error, hide hider) error {
	switch {
	case err == nil:
		return nil
	case ReasonOf(err) != "":
		return err
	}
	if refused, ok := errors.AsType[*outbound.RefusedError](err); ok {
		return problem(ReasonAddress, "%s must not be reached: %s", p, refused.Error())
	}
	return &unreachableError{place: p.String(), why: said(outbound.Innermost(err).Error(), hide), cause: err}
}

// unreachableError is one that may pass. It unwraps, so that a cancelled context is known, and prints nothing of its cause but
// the innermost words.
type unreachableError struct {
	place, why string
	cause      error
}

func (e *unreachableError) Error() string { return e.place + " cannot be reached: " + e.why }
func (e *unreachableError) Unwrap() error { return e.cause }
