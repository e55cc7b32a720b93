package webhookcert

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTheRotationAsksForItsSecretAlone(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.RequestURI() }))
	t.Cleanup(server.Close)
	caller := &http.Client{Transport: narrow{http.DefaultTransport}}
	const secrets, selected = "/api/v1/namespaces/towpath-system/secrets", "fieldSelector=metadata.name%3Dtowpath-webhook-cert"
	for path, want := range map[string]string{
		secrets:                                  secrets + "?" + selected,
		secrets + "?watch=true":                  secrets + "?" + selected + "&watch=true",
		secrets + "/towpath-prometheus":          secrets + "/towpath-prometheus",
		"/api/v1/namespaces/other/secrets":       "/api/v1/namespaces/other/secrets",
		"/api/v1/namespaces/towpath-system/pods": "/api/v1/namespaces/towpath-system/pods",
	} {
		answer, err := caller.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if asked != want {
			t.Errorf("%s asks for %s, want %s", path, asked, want)
		}
	}
}
