package fetch_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	server "github.com/google/go-containerregistry/pkg/registry"

	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/fetch"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
)

// serve starts a registry with an image, and returns a source that may reach it.
func serve(t *testing.T, referrers bool, wrap func(http.Handler) http.Handler) (image string, source *fetch.Source) {
	t.Helper()
	handler := server.New(server.WithReferrersSupport(referrers), server.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		handler = wrap(handler)
	}
	open := httptest.NewServer(handler)
	t.Cleanup(open.Close)
	host := strings.TrimPrefix(open.URL, "http://")
	image, err := signtest.Image(host + "/shop/checkout")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := outbound.NewRules(host)
	if err != nil {
		t.Fatal(err)
	}
	return image, fetch.New(registry.New(registry.Options{Rules: rules}))
}

func digest(image string) string {
	_, digest, _ := strings.Cut(image, "@")
	return digest
}

// read are the artifacts beside an image, by what they hold.
func read(t *testing.T, source *fetch.Source, image string) (all map[string]supplychain.Artifact, leftOut []string, err error) {
	t.Helper()
	all = map[string]supplychain.Artifact{}
	leftOut, err = source.Fetch(t.Context(), image, func(a *supplychain.Artifact) { all[string(a.Content)] = *a })
	return all, leftOut, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFetch(t *testing.T) {
	for _, referrers := range []bool{true, false} {
		t.Run(fmt.Sprintf("referrers %t", referrers), func(t *testing.T) {
			image, source := serve(t, referrers, nil)
			if all, leftOut, err := read(t, source, image); err != nil || len(all) != 0 || len(leftOut) != 0 {
				t.Fatalf("beside an image without any there are %v, %v, %v", all, leftOut, err)
			}
			s := signtest.New()
			signature, again, sbom, bundle := s.Simple(digest(image)), s.Simple("sha256:other"), s.Envelope(digest(image), signtest.SPDX, "{}"), s.Bundle(digest(image), signtest.SLSA, "{}")
			must(t, signtest.Tag(image, "sig", signature))
			must(t, signtest.Tag(image, "sig", again))
			must(t, signtest.Tag(image, "att", sbom, supplychain.Artifact{MediaType: "application/json", Content: []byte("{}")}))
			must(t, signtest.Refer(image, bundle))
			all, leftOut, err := read(t, source, image)
			if err != nil || len(leftOut) != 0 || len(all) != 4 {
				t.Fatalf("there are %d, left out %v, %v", len(all), leftOut, err)
			}
			for _, want := range []supplychain.Artifact{signature, again, sbom, bundle} {
				got := all[string(want.Content)]
				if got.MediaType != want.MediaType || got.Signature != want.Signature || !strings.HasPrefix(got.Digest, "sha256:") {
					t.Errorf("one is %+v, want %+v", got, want)
				}
			}
		})
	}
}

func TestFetch_ReadsSoManyAndNoMore(t *testing.T) {
	image, source := serve(t, true, nil)
	var many []supplychain.Artifact
	for i := range 140 {
		many = append(many, supplychain.Artifact{MediaType: supplychain.Envelope, Content: fmt.Appendf(nil, "%d", i)})
	}
	must(t, signtest.Tag(image, "att", many...))
	all, leftOut, err := read(t, source, image)
	if err != nil || len(all) != 128 || len(leftOut) == 0 || !strings.Contains(leftOut[0], "no more were looked at") {
		t.Errorf("there are %d, left out %v, %v", len(all), leftOut, err)
	}
	if _, ok := all["139"]; !ok {
		t.Error("the newest is left out")
	}
}

func TestFetch_LeavesOutWhatIsTooLarge(t *testing.T) {
	image, source := serve(t, true, nil)
	large := supplychain.Artifact{MediaType: supplychain.Envelope, Content: make([]byte, supplychain.MaxArtifact+1)}
	small := supplychain.Artifact{MediaType: supplychain.Envelope, Content: []byte("small")}
	must(t, signtest.Tag(image, "att", small, large))
	all, leftOut, err := read(t, source, image)
	if err != nil || len(all) != 1 || len(leftOut) != 1 || !strings.Contains(leftOut[0], "more than is read") {
		t.Errorf("there are %d, left out %v, %v", len(all), leftOut, err)
	}
}

// Descriptors take some fifty times their JSON in memory, and a tag has no digest that an answer must meet.
func TestFetch_ReadsNoLargeManifest(t *testing.T) {
	flooded := false
	image, source := serve(t, true, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if flooded && strings.Contains(r.URL.Path, "/manifests/") {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				_, _ = io.WriteString(w, `{"layers":[{}`+strings.Repeat(",{}", 1<<20)+`]}`) // the test sees what came of it
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	flooded = true
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, _ = read(t, source, image) // whatever it says
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 64 {
		t.Errorf("it took %d MiB", took)
	}
}

func TestFetch_SaysNothingOfWhatARegistryAnswers(t *testing.T) {
	broken := false
	image, source := serve(t, true, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken {
				http.Error(w, `{"errors":[{"code":"DENIED","message":"s3cr3t"}]}`, http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	broken = true
	if _, _, err := read(t, source, image); err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "refuses with status 403") {
		t.Errorf("it says %v", err)
	}
}

func TestFetch_TakesNoContentForAnother(t *testing.T) {
	swapped := false
	image, source := serve(t, true, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if swapped && strings.Contains(r.URL.Path, "/blobs/") {
				_, _ = io.WriteString(w, "other") // the test sees what came of it
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	must(t, signtest.Tag(image, "att", supplychain.Artifact{MediaType: supplychain.Envelope, Content: []byte("right")}))
	swapped = true
	if all, _, err := read(t, source, image); err == nil || len(all) != 0 {
		t.Errorf("it takes %v, %v", all, err)
	}
}

func TestFetch_AsksNobodyWhomItMustNot(t *testing.T) {
	source := fetch.New(registry.New(registry.Options{}))
	if _, _, err := read(t, source, "127.0.0.1:1/shop/checkout@sha256:"+strings.Repeat("a", 64)); err == nil || !strings.Contains(err.Error(), "use a public one") {
		t.Errorf("it says %v", err)
	}
}

func TestNamed(t *testing.T) {
	denied := ""
	manifests := 0
	image, source := serve(t, true, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/") || strings.Contains(r.URL.Path, "/referrers/") {
				manifests++
			}
			if denied != "" && strings.HasSuffix(r.URL.Path, denied) {
				http.Error(w, "s3cr3t", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	sum := func(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }
	small, middle, large, secret := []byte("small"), make([]byte, 3<<20), make([]byte, supplychain.MaxArtifact+1), []byte("secret")
	for _, content := range [][]byte{small, middle, large, secret} {
		must(t, signtest.Tag(image, "att", supplychain.Artifact{MediaType: supplychain.Envelope, Content: content}))
	}
	absent := "sha256:" + strings.Repeat("b", 64)
	denied, manifests = sum(secret), 0
	said := map[string]string{}
	must(t, source.Named(t.Context(), image, []string{sum(small), sum(middle), sum(large), sum(secret), absent}, func(digest string, content []byte, err error) {
		if err != nil {
			said[digest] = err.Error()
			return
		}
		said[digest] = strconv.Itoa(len(content))
	}))
	for digest, want := range map[string]string{
		sum(small): "5", sum(middle): strconv.Itoa(3 << 20), absent: "0", sum(large): "it is larger than 16 MiB, which is more than is read", sum(secret): "refuses with status 403",
	} {
		if got := said[digest]; !strings.Contains(got, want) {
			t.Errorf("of %s it says %q, want %q", digest, got, want)
		}
	}
	if manifests != 0 {
		t.Errorf("it was asked for %d manifests", manifests)
	}
}
