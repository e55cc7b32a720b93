// Package credentials says which credentials go with a request to a Prometheus: it reads the entries of a Secret, each of
// them bound to an address, and finds the one for an address. It is pure, and nothing that it says or prints holds what
// an entry keeps secret.
package credentials

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// maxDocument is how many bytes an entry may have: what is longer holds no bundle that is meant for one address.
	maxDocument = 256 << 10
	// maxTenant is how many characters Mimir takes as the name of a tenant, and some for joined ones.
	maxTenant = 512
	// TenantHeader names the tenant to Mimir, Cortex, Loki and what is built like these.
	TenantHeader = "X-Scope-OrgID"
)

// document is an entry as it is written.
type document struct {
	Address     string `json:"address"`
	BearerToken string `json:"bearerToken"`
	BasicAuth   *struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"basicAuth"`
	Tenant   string `json:"tenant"`
	CA       string `json:"ca"`
	Insecure bool   `json:"insecure"`
}

// Entry is what goes with requests to one address, and to those below it.
type Entry struct {
	key           string
	place         place
	authorization string
	tenant        string
	ca            string
	roots         *x509.CertPool
	// secrets are the texts that nobody may read.
	secrets []string
}

var (
	printable = regexp.MustCompile(`^[\x21-\x7e]+$`)
	control   = regexp.MustCompile(`[[:cntrl:]]`)

	// The errors are fixed texts: those of parsers quote what they read.
	errDocument = errors.New("it must be one object in YAML or JSON with address, bearerToken or basicAuth {username, password}, tenant, ca and insecure " +
		"and no other field; quote what looks like a number")
	errInsecure = errors.New("address is http://, where anybody on the way reads the credentials: use https://, or say insecure: true")
	errSecure   = errors.New("insecure is for addresses with http:// alone: for a certificate of an authority of your own, set ca")
	errCA       = errors.New("ca must be certificates in PEM, and nothing else")
)

// parse reads an entry. An error without a place means that nobody knows for which address the entry was meant.
func parse(key string, text []byte) (*Entry, *place, error) {
	if len(text) > maxDocument {
		return nil, nil, fmt.Errorf("it must not be larger than %d bytes", maxDocument)
	}
	d, err := decode(text)
	if err != nil {
		return nil, nil, errDocument
	}
	if d.Address == "" {
		return nil, nil, errors.New("address must be set")
	}
	where, err := parsePlace(d.Address)
	if err != nil {
		return nil, nil, err
	}
	e := &Entry{key: key, place: where}
	for _, step := range []func(*document) error{e.security, e.authorize, e.setTenant} {
		if err := step(d); err != nil {
			return nil, &where, err
		}
	}
	if e.authorization == "" && e.tenant == "" && e.roots == nil {
		return nil, &where, errors.New("it must have bearerToken, basicAuth, tenant or ca")
	}
	return e, &where, nil
}

// decode reads what is written. A number does not become a text on the way: that of 0123 would be 83.
func decode(text []byte) (*document, error) {
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var d document
	return &d, decoder.Decode(&d)
}

// security takes what keeps the connection safe.
func (e *Entry) security(d *document) error {
	switch {
	case e.place.scheme != https && !d.Insecure:
		return errInsecure
	case e.place.scheme == https && d.Insecure:
		return errSecure
	case d.CA == "":
		return nil
	case e.place.scheme != https:
		return errors.New("ca is for addresses with https:// alone")
	}
	e.ca, e.roots = d.CA, x509.NewCertPool()
	rest := []byte(d.CA)
	for len(strings.TrimSpace(string(rest))) > 0 {
		block, more := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return errCA
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return errCA
		}
		e.roots.AddCert(certificate)
		rest = more
	}
	return nil
}

// authorize takes the token, or user and password.
func (e *Entry) authorize(d *document) error {
	token := strings.TrimSpace(d.BearerToken) // one that was read from a file ends with a line break
	switch {
	case d.BearerToken != "" && d.BasicAuth != nil:
		return errors.New("it must not have both bearerToken and basicAuth")
	case d.BearerToken != "" && !printable.MatchString(token):
		return errors.New("bearerToken must be printable ASCII without spaces")
	case d.BearerToken != "":
		e.authorization, e.secrets = "Bearer "+token, []string{token}
	case d.BasicAuth != nil:
		user, password := d.BasicAuth.Username, d.BasicAuth.Password
		if user == "" || password == "" {
			return errors.New("basicAuth must have username and password")
		}
		if strings.Contains(user, ":") || control.MatchString(user+password) {
			return errors.New("basicAuth must have no colon in username, and no control characters (such as a line break at the end)")
		}
		both := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		e.authorization, e.secrets = "Basic "+both, []string{both, password}
	}
	return nil
}

func (e *Entry) setTenant(d *document) error {
	if d.Tenant != "" && (len(d.Tenant) > maxTenant || !printable.MatchString(d.Tenant)) {
		return fmt.Errorf("tenant must be at most %d characters of printable ASCII without spaces", maxTenant)
	}
	e.tenant = d.Tenant
	return nil
}

// Key is the key of the entry in the Secret.
func (e *Entry) Key() string { return e.key }

// Covers says whether a request to a URL may have what the entry holds.
func (e *Entry) Covers(u *url.URL) bool {
	where, err := placeOf(u)
	return err == nil && e.place.covers(where)
}

// Headers are what a request to the address gets.
func (e *Entry) Headers() map[string]string {
	headers := map[string]string{}
	if e.authorization != "" {
		headers["Authorization"] = e.authorization
	}
	if e.tenant != "" {
		headers[TenantHeader] = e.tenant
	}
	return headers
}

// Roots are the authorities that the address is checked against, nil for those of the system; the sum tells them from
// others.
func (e *Entry) Roots() (*x509.CertPool, [sha256.Size]byte) {
	return e.roots, sha256.Sum256([]byte(e.ca))
}

// Redact takes what is secret out of a text, such as one that the address answered with.
func (e *Entry) Redact(text string) string {
	for _, secret := range e.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return text
}

// Format implements fmt.Formatter: no verb prints more than the key.
func (e *Entry) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "entry %s", e.key) }
