package send

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	// maxWait is the longest time that a receiver is believed.
	maxWait = 24 * time.Hour
	// maxSkew is how far two clocks may differ before that is worth a word.
	maxSkew = 2 * time.Minute
)

// Error says why something was not delivered. It is made of words of ours, the target's name and its host: errors of the transport
// hold the whole URL, and answers may repeat what was sent.
type Error struct{ Target, Host, Text string }

func (e *Error) Error() string {
	if e.Host == "" {
		return fmt.Sprintf("target %s: %s", e.Target, e.Text)
	}
	return fmt.Sprintf("target %s at %s: %s", e.Target, e.Host, e.Text)
}

// problem is why one message was not received.
type problem struct {
	text       string
	refusal    notify.Refusal
	retryAfter time.Duration
}

// explain is what may be shown of an error of reading a target: these are words of ours, and name no more than the host.
func explain(err error) string {
	var refused *outbound.RefusedError
	if errors.As(err, &refused) {
		return strings.TrimPrefix(refused.Error(), refused.Host+" ")
	}
	return err.Error()
}

// unreached is the problem where there was no answer. Nothing of the error's own text is shown.
func unreached(err error) *problem {
	var refused *outbound.RefusedError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		return &problem{text: explain(err), refusal: notify.RefusedTarget}
	case errors.As(err, &unknown):
		return &problem{text: "nobody known signed its certificate: give its authority as CA"}
	case errors.As(err, &wrongName):
		return &problem{text: "its certificate is for another host"}
	case errors.As(err, &invalid), errors.As(err, &certificate):
		return &problem{text: "its certificate is not valid"}
	case errors.As(err, &name) && !name.IsTimeout:
		return &problem{text: "its name cannot be resolved"}
	case errors.Is(err, context.Canceled):
		return &problem{text: "the request was interrupted"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &problem{text: "it does not answer in time"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &problem{text: "it takes no connections at this port"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &problem{text: "no network leads to it"}
	}
	return &problem{text: "the connection failed"}
}

// slackWords are what Slack says of a message that it does not take. Any other text could hold what was sent, or what an address
// that somebody wanted to read says.
var slackWords = []string{
	"action_prohibited", "channel_is_archived", "channel_not_found", "invalid_blocks", "invalid_payload", "invalid_token",
	"no_active_hooks", "no_service", "no_service_id", "no_team", "no_text", "posting_to_general_channel_denied", "rate_limited",
	"team_disabled", "too_many_attachments", "user_not_found",
}

// refused is the problem where the answer is no success.
func refused(kind notify.Kind, answer *http.Response, text string, now time.Time) *problem {
	code := answer.StatusCode
	p := &problem{text: strings.TrimSpace(fmt.Sprintf("it answers %d %s", code, http.StatusText(code)))}
	if word := strings.TrimSpace(text); slices.Contains(slackWords, word) {
		p.text += " (" + word + ")"
	}
	ahead := time.Duration(0)
	if theirs, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		ahead = theirs.Sub(now)
	}
	switch {
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		p.retryAfter = retryAfter(answer.Header.Get("Retry-After"), now.Add(ahead))
		return p
	case code < 400:
		p.text += ", a redirect, which is not followed: set the address that it leads to"
		p.refusal = notify.RefusedTarget
	case slices.Contains([]int{401, 402, 403, 404, 405, 407, 410, 421, 426, 451}, code):
		p.refusal = notify.RefusedTarget
	default:
		p.refusal = notify.RefusedAlert
	}
	if kind == notify.Webhook && ahead.Abs() > maxSkew {
		p.text += fmt.Sprintf("; its clock differs from ours by %s, and a signature is good for some minutes alone", ahead.Abs().Round(time.Second))
	}
	return p
}

// retryAfter is how long the receiver wants to be left in peace: seconds, or a date by the receiver's own clock.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxWait/time.Second))) * time.Second
	} else if errors.Is(err, strconv.ErrRange) {
		return maxWait
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxWait)
}
