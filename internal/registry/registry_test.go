package registry_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	server "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/outbound/dnstest"
	"github.com/towpath-dev/towpath/internal/registry"
)

// serve starts a registry that has shop/checkout:1, and returns its address and the digest of that.
func serve(t *testing.T, wrap func(http.Handler) http.Handler) (host, digest string) {
	t.Helper()
	open := httptest.NewServer(server.New())
	t.Cleanup(open.Close)
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(strings.TrimPrefix(open.URL, "http://") + "/shop/checkout:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	if wrap == nil {
		return tag.RegistryStr(), sum.String()
	}
	wrapped := httptest.NewServer(wrap(open.Config.Handler))
	t.Cleanup(wrapped.Close)
	return strings.TrimPrefix(wrapped.URL, "http://"), sum.String()
}

func resolver(t *testing.T, host, credentials string) *registry.Resolver {
	t.Helper()
	rules, err := outbound.NewRules(host)
	if err != nil {
		t.Fatal(err)
	}
	return registry.New(registry.Options{Rules: rules, CredentialsFile: credentials})
}

func TestResolve(t *testing.T) {
	host, digest := serve(t, nil)
	r := resolver(t, host, "")
	got, err := r.Resolve(t.Context(), host+"/shop/checkout:1")
	if want := host + "/shop/checkout:1@" + digest; err != nil || got != want {
		t.Errorf("it is %s (%v), want %s", got, err, want)
	}
	if again, err := r.Resolve(t.Context(), got); err != nil || again != got {
		t.Errorf("of an image by its digest it is %s (%v)", again, err)
	}
	if _, err := r.Resolve(t.Context(), host+"/shop/checkout:2"); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("of a tag that is not there it is %v", err)
	}
}

func TestResolve_AsksNobodyWhereADigestStands(t *testing.T) {
	image := "registry.invalid/shop/checkout:1@sha256:" + strings.Repeat("a", 64)
	if got, err := registry.New(registry.Options{}).Resolve(t.Context(), image); err != nil || got != image {
		t.Errorf("it is %s, %v", got, err)
	}
}

func TestResolve_ReachesOnlyWhatIsAllowed(t *testing.T) {
	asked := false
	host, _ := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = true; next.ServeHTTP(w, r) })
	})
	for _, image := range []string{host + "/shop/checkout:1", "169.254.169.254/latest/meta-data:1"} {
		var refused *outbound.RefusedError
		if _, err := registry.New(registry.Options{}).Resolve(t.Context(), image); !errors.As(err, &refused) {
			t.Errorf("of %s it is %v, want a refusal", image, err)
		}
	}
	if asked {
		t.Error("a registry at a loopback address was asked")
	}
}

func TestResolve_WithCredentials(t *testing.T) {
	const secret = "s3cr3t-of-ada"
	host, digest := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, ok := r.BasicAuth(); !ok || user != "ada" || password != secret {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				http.Error(w, fmt.Sprintf("you sent %s", r.Header.Get("Authorization")), http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(password string) {
		content := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ada:"+password)))
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret + "-of-last-year")
	r := resolver(t, host, file)
	_, err := r.Resolve(t.Context(), host+"/shop/checkout:1")
	if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "Basic") || !strings.Contains(err.Error(), "refuses with status 401") {
		t.Errorf("with a password that is old it is %v", err)
	}
	write(secret) // renewed while the manager runs
	if got, err := r.Resolve(t.Context(), host+"/shop/checkout:1"); err != nil || !strings.HasSuffix(got, digest) {
		t.Errorf("it is %s, %v", got, err)
	}
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), host+"/shop/checkout:1"); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("of a file that is none it is %v", err)
	}
	if _, err := resolver(t, host, filepath.Join(t.TempDir(), "none")).Resolve(t.Context(), host+"/shop/checkout:1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a file that is not there it is %v", err)
	}
}

func TestResolve_OfARegistryThatAnswersAnything(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"an error with much text": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for range 1000 {
				_, _ = w.Write([]byte(strings.Repeat("secret ", 1000)))
			}
		},
		"no digest": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
		"a digest that is none": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Content-Digest", "sha256:short")
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Content-Length", "3")
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, _ := serve(t, func(http.Handler) http.Handler { return handler })
			got, err := resolver(t, host, "").Resolve(t.Context(), host+"/shop/checkout:1")
			if err == nil || len(err.Error()) > 500 {
				t.Errorf("it is %s, %v", got, err)
			}
		})
	}
}

func TestResolve_OfWhatIsNoImage(t *testing.T) {
	if _, err := registry.New(registry.Options{}).Resolve(t.Context(), "UPPER/case"); err == nil || !registry.Final(err) {
		t.Errorf("it is %v", err)
	}
}

func TestFinal(t *testing.T) {
	dns, err := dnstest.Start() // knows no name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	denies, _ := serve(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	})
	fails, _ := serve(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	})
	serves, _ := serve(t, nil)
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for image, final := range map[string]bool{
		denies + "/shop/checkout:1": true, fails + "/shop/checkout:1": false, serves + "/shop/checkout:2": false,
		"nowhere.test/shop/checkout:1": true, "169.254.169.254/shop/checkout:1": true,
	} {
		_, err := registry.New(registry.Options{Rules: rules.WithResolver(dns.Resolver())}).Resolve(t.Context(), image)
		if err == nil || registry.Final(err) != final {
			t.Errorf("of %s it is %v, final: %t", image, err, registry.Final(err))
		}
	}
}
