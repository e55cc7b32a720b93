// Package send carries alerts to their targets. The addresses come from Secrets of tenants, and are secrets themselves: who has
// the URL of a Slack webhook can write there. So none stands in an error, and a Target can be logged.
package send

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Secret is a text that is not shown, however it is printed, logged or written.
type Secret string

const redacted = "[redacted]"

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, and so how it stands in JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Target is where alerts go.
type Target struct {
	// Key tells it from all others: by it the rate is limited. It is no secret.
	Key string
	// Name is what errors call it.
	Name string
	Kind notify.Kind
	// URL is the incoming webhook of Slack, the base of an Alertmanager, or the address of a webhook.
	URL Secret
	// SigningKeys are those of a Webhook, as Standard Webhooks writes them: whsec_ and 24 to 64 bytes in base64. It is signed with
	// each, so that one can be replaced while both are there.
	SigningKeys []Secret
	// Bearer is sent to an Alertmanager or Webhook as authorization; empty for none.
	Bearer Secret
	// Username and Password are sent in its place, where they are set.
	Username string
	Password Secret
	// CA are authorities in PEM, beside those of the system.
	CA []byte
}

const (
	maxSigningKeys = 3
	maxCredential  = 8 << 10
	maxURL         = 2 << 10
)

// address is a target that can be asked.
type address struct {
	url   *url.URL
	roots *x509.CertPool
	keys  [][]byte
}

// read checks a target. The host is empty where the URL is wrong: nothing of it may be shown then.
func (t Target) read(rules outbound.Rules) (a address, host string, err error) {
	if len(t.URL) > maxURL {
		return a, "", errors.New("its URL must not be longer than 2048 bytes")
	}
	if a.url, err = rules.URL(string(t.URL)); err != nil {
		var refused *outbound.RefusedError
		if errors.As(err, &refused) {
			host = refused.Host
		}
		return a, host, err
	}
	host = a.url.Hostname()
	if a.roots, err = outbound.Roots(t.CA); err != nil {
		return a, host, err
	}
	if err := t.checkCredentials(); err != nil {
		return a, host, err
	}
	switch t.Kind {
	case notify.Slack:
	case notify.Alertmanager:
		if !strings.HasSuffix(strings.TrimSuffix(a.url.Path, "/"), alertsPath) {
			a.url = a.url.JoinPath(alertsPath)
		}
	case notify.Webhook:
		a.keys, err = signingKeys(t.SigningKeys)
	default:
		err = errors.New("its kind must be Slack, Alertmanager or Webhook")
	}
	return a, host, err
}

func (t Target) checkCredentials() error {
	switch {
	case len(t.Bearer) > maxCredential || strings.ContainsFunc(string(t.Bearer), func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("its bearer token must be printable ASCII without spaces")
	case len(t.Username)+len(t.Password) > maxCredential || (t.Username == "") != (t.Password == "") || strings.Contains(t.Username, ":"):
		return errors.New("it must have both a user name without a colon and a password, or neither")
	case t.Bearer != "" && t.Username != "":
		return errors.New("it must have a bearer token or a user name, not both")
	}
	return nil
}

// authorize adds the credentials. Slack has none: its URL is one.
func (t Target) authorize(request *http.Request) {
	switch {
	case t.Kind == notify.Slack:
	case t.Bearer != "":
		request.Header.Set("Authorization", "Bearer "+string(t.Bearer))
	case t.Username != "":
		request.SetBasicAuth(t.Username, string(t.Password))
	}
}

func signingKeys(texts []Secret) ([][]byte, error) {
	if len(texts) == 0 || len(texts) > maxSigningKeys {
		return nil, errors.New("a webhook must have 1 to 3 signing keys")
	}
	var keys [][]byte
	for _, text := range texts {
		encoded, found := strings.CutPrefix(string(text), "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) < 24 || len(key) > 64 {
			return nil, errors.New("its signing keys must be whsec_ and 24 to 64 bytes in base64")
		}
		keys = append(keys, key)
	}
	return keys, nil
}
