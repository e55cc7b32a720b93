package prometheus_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	testprometheus "github.com/towpath-dev/towpath/hack/prometheus"
	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/prometheus/credentials"
)

const (
	canary = "s3cr3t-canary"
	// ok is the answer to a query.
	ok = `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`
)

// source gives the same entries always.
type source struct{ set *credentials.Set }

func (s source) Get(context.Context) (*credentials.Set, error) { return s.set, nil }

// with is a Client that has these entries.
func with(entries ...map[string]any) *prometheus.Client {
	data := map[string][]byte{}
	for i, entry := range entries {
		text, err := json.Marshal(entry)
		if err != nil {
			panic(err)
		}
		data[fmt.Sprintf("entry-%d", i)] = text
	}
	return prometheus.New(source{credentials.Parse(data)})
}

// authorityOf is the certificate of a server, in PEM.
func authorityOf(server *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestQuery_OfARealPrometheusThatIsSecured(t *testing.T) {
	server, err := testprometheus.StartSecured(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	other := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	right := map[string]any{"username": testprometheus.Username, "password": testprometheus.Password}
	wrong := map[string]any{"username": testprometheus.Username, "password": canary}
	const secret = "Secret towpath-system/towpath-prometheus"
	for name, tc := range map[string]struct {
		client *prometheus.Client
		query  string
		err    []string
	}{
		"the right password":    {with(map[string]any{"address": server.Address, "basicAuth": right, "ca": server.CA}), "vector(1)", nil},
		"a query that is wrong": {with(map[string]any{"address": server.Address, "basicAuth": right, "ca": server.CA}), "sum(", []string{"parse error"}},
		"a wrong password": {with(map[string]any{"address": server.Address, "basicAuth": wrong, "ca": server.CA}), "vector(1)",
			[]string{"401 Unauthorized", "entry entry-0 of " + secret, server.Address}},
		"no password":  {with(map[string]any{"address": server.Address, "ca": server.CA}), "vector(1)", []string{"401 Unauthorized", "entry-0 of " + secret}},
		"no authority": {with(map[string]any{"address": server.Address, "basicAuth": right}), "vector(1)", []string{"signed its certificate", "set ca in entry entry-0 of " + secret}},
		"another's authority": {with(map[string]any{"address": server.Address, "basicAuth": right, "ca": authorityOf(other)}), "vector(1)",
			[]string{"set ca in entry entry-0"}},
		"none": {prometheus.New(nil), "vector(1)", []string{"signed its certificate", "add an entry with ca for its address, " + server.Address, secret}},
		"one that is broken": {with(map[string]any{"address": server.Address, "basicAuth": wrong, "bearerToken": canary}), "vector(1)",
			[]string{"in " + secret, "entry entry-0 cannot be used", "both bearerToken and basicAuth"}},
		"one that is lost": {with(map[string]any{"host": server.Address, "basicAuth": wrong}), "vector(1)", []string{"add an entry with ca", "entry-0 (it must be one object"}},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := tc.client.Query(t.Context(), server.Address, tc.query, 10*time.Second)
			if len(tc.err) == 0 && (err != nil || len(values) != 1) {
				t.Fatalf("it gives %v, %v", values, err)
			}
			for _, want := range tc.err {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), testprometheus.Password) {
					t.Errorf("it says %v, want %q", err, want)
				}
			}
		})
	}
}

func TestQuery_SendsATokenAndATenantToTheirAddressAlone(t *testing.T) {
	var asked []string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Scope-OrgID"))
		_, _ = w.Write([]byte(ok))
	})
	right, wrong := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	t.Cleanup(right.Close)
	t.Cleanup(wrong.Close)
	client := with(map[string]any{"address": right.URL + "/mimir", "bearerToken": canary, "tenant": "shop", "ca": authorityOf(right)},
		map[string]any{"address": right.URL, "ca": authorityOf(right)},
		map[string]any{"address": wrong.URL + "/open", "bearerToken": canary, "insecure": true})
	const none, all = " ", "Bearer " + canary + " "
	for address, want := range map[string]string{
		right.URL + "/mimir":         "/mimir/api/v1/query " + all + "shop",
		right.URL + "/mimir/a/":      "/mimir/a/api/v1/query " + all + "shop",
		right.URL + "/mimirs":        "/mimirs/api/v1/query " + none,
		right.URL:                    "/api/v1/query " + none,
		wrong.URL:                    "/api/v1/query " + none,
		wrong.URL + "/mimir":         "/mimir/api/v1/query " + none,
		wrong.URL + "/open":          "/open/api/v1/query " + all,
		wrong.URL + "/open/../other": "/other/api/v1/query " + none,
		wrong.URL + "/open%2f../oth": "/oth/api/v1/query " + none,
	} {
		asked = nil
		if _, err := client.Query(t.Context(), address, "1", 10*time.Second); err != nil || len(asked) != 1 || asked[0] != want {
			t.Errorf("%s is asked %q, want %q: %v", address, asked, want, err)
		}
	}
}

func TestQuery_WithCredentialsFollowsNoRedirect(t *testing.T) {
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Store(true)
		_, _ = w.Write([]byte(ok))
	}))
	t.Cleanup(other.Close)
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/below" {
				reached.Store(true)
			}
			target := "/below?" + r.Header.Get("Authorization")
			if code == http.StatusTemporaryRedirect {
				target = other.URL + "/?" + r.Header.Get("Authorization")
			}
			http.Redirect(w, r, target, code)
		}))
		_, err := with(map[string]any{"address": server.URL, "bearerToken": canary, "ca": authorityOf(server)}).Query(t.Context(), server.URL, "1", 10*time.Second)
		if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), canary) {
			t.Errorf("%d: it says %v", code, err)
		}
		server.Close()
	}
	if reached.Load() {
		t.Error("a redirect was followed")
	}
}

func TestQuery_SaysWhoRefused(t *testing.T) {
	var code atomic.Int32
	var methods []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method)
		if code.Load() == 0 && r.Method == http.MethodGet {
			_, _ = w.Write([]byte(ok))
			return
		}
		status := int(code.Load())
		if status == 0 {
			status = http.StatusForbidden
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":"you sent %s"}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	client := with(map[string]any{"address": server.URL + "/a", "bearerToken": canary, "ca": authorityOf(server)}, map[string]any{"address": server.URL, "ca": authorityOf(server)})
	for status, want := range map[int32]string{
		http.StatusUnauthorized: "401 Unauthorized with what entry entry-0 of Secret towpath-system/towpath-prometheus sends: correct that; the address is " + server.URL + "/a",
		http.StatusForbidden:    "403 Forbidden with what entry entry-0 of Secret",
		// Prometheus' own: a text that the developer needs.
		http.StatusBadRequest: "you sent Bearer [redacted]",
	} {
		code.Store(status)
		_, err := client.Query(t.Context(), server.URL+"/a", "1", 10*time.Second)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%d: it says %v, want %s", status, err, want)
		}
	}
	code.Store(0)
	methods = nil
	if _, err := client.Query(t.Context(), server.URL+"/a", "1", 10*time.Second); err != nil || fmt.Sprint(methods) != "[POST GET]" {
		t.Errorf("where POST is forbidden it asks by %s: %v", methods, err)
	}

	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(plain.Close)
	_, err := client.Query(t.Context(), plain.URL, "1", 10*time.Second)
	if want := "401 Unauthorized, and no entry of Secret towpath-system/towpath-prometheus is for its address, " + plain.URL + ": add one"; err == nil || err.Error() != want {
		t.Errorf("it says %v, want %s", err, want)
	}
}

// failing gives no credentials.
type failing struct{}

func (failing) Get(context.Context) (*credentials.Set, error) { return nil, errors.New("away") }

func TestQuery_AsksNothingWhileTheCredentialsAreUnknown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is asked") }))
	t.Cleanup(server.Close)
	var notAsked *prometheus.NotAskedError
	if _, err := prometheus.New(failing{}).Query(t.Context(), server.URL, "1", time.Second); !errors.As(err, &notAsked) || !notAsked.Unknown {
		t.Errorf("it says %v", err)
	}
	if _, err := with(map[string]any{"address": server.URL, "tenant": "a"}).Query(t.Context(), server.URL, "1", time.Second); !errors.As(err, &notAsked) || notAsked.Unknown {
		t.Errorf("it says %v", err)
	}
}
