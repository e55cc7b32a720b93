package prometheus_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	testprometheus "github.com/towpath-dev/towpath/hack/prometheus"
	"github.com/towpath-dev/towpath/internal/prometheus"
)

// TestQuery_OfARealPrometheus asks one for what it scraped a moment ago.
func TestQuery_OfARealPrometheus(t *testing.T) {
	server, err := testprometheus.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.Set(`errors{component="a"}`, 0.25)
	server.Set(`errors{component="b"}`, 0.5)
	if err := server.Await(t.Context(), "count(errors) == 2"); err != nil {
		t.Fatal(err)
	}
	client := prometheus.New(nil)
	for name, tc := range map[string]struct {
		query string
		want  []float64
		err   string
	}{
		"one series":     {`errors{component="a"}`, []float64{0.25}, ""},
		"several series": {`sort(errors)`, []float64{0.25, 0.5}, ""},
		"a sum":          {`sum(errors)`, []float64{0.75}, ""},
		"a scalar":       {`scalar(sum(errors)) * 2`, []float64{1.5}, ""},
		"nothing":        {`errors{component="c"}`, nil, ""},
		"not a number":   {`errors{component="a"} * NaN`, []float64{math.NaN()}, ""},
		"infinite":       {`errors{component="a"} / 0`, []float64{math.Inf(1)}, ""},
		"a range":        {`errors[1m]`, nil, "must give a scalar or an instant vector"},
		"a string":       {`"text"`, nil, "unexpected value type"},
		"no PromQL":      {`sum(`, nil, "parse error"},
		"far too many":   {`label_replace(vector(1), "a", "b", "", "") or ` + many(150), nil, "at most 100 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := client.Query(t.Context(), server.Address, tc.query, 10*time.Second)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("it says %v, want %q", err, tc.err)
				}
				return
			}
			slices.Sort(got)
			if err != nil || !slices.EqualFunc(got, tc.want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
				t.Errorf("it gives %v, %v, want %v", got, err, tc.want)
			}
		})
	}
	server.Stop()
	if _, err := client.Query(t.Context(), server.Address, "up", time.Second); err == nil {
		t.Error("one that is away answers")
	}
}

// many is a query of n series.
func many(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`label_replace(vector(%d), "n", "%d", "", "")`, i, i)
	}
	return strings.Join(parts, " or ")
}

// TestQuery_IsBounded has an address answer as nobody should.
func TestQuery_IsBounded(t *testing.T) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(other.Close)
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/latest/meta-data", http.StatusTemporaryRedirect)
		}, "redirect"},
		"an answer without an end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 4 << 10 {
				if _, err := w.Write([]byte(strings.Repeat("x", 1024))); err != nil {
					return
				}
			}
		}, "too large"},
		"an answer that is none": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, ""},
		"an answer that never comes": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}, "deadline"},
		"a refusal": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "403"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			begin, timeout := time.Now(), 30*time.Second
			if tc.want == "deadline" {
				timeout = 500 * time.Millisecond
			}
			_, err := prometheus.New(nil).Query(t.Context(), server.URL, "up", timeout)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("it says %v, want %q", err, tc.want)
			}
			if took := time.Since(begin); took > 25*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if reached {
		t.Error("the redirect was followed")
	}
}
