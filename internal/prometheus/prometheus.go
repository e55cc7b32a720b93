// Package prometheus asks a Prometheus for the values of a query, within bounds: whom it asks is the platform's to say,
// and what is asked may be a tenant's.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 1 << 20
	// maxSeries is how many series an answer may have.
	maxSeries = 100
)

// Client asks. It is safe for concurrent use.
type Client struct {
	http *http.Client
}

// New returns a Client. It goes straight to the address that it is given: through no proxy, and to no other host.
func New() *Client {
	return &Client{http: &http.Client{
		Transport: bounded{&http.Transport{
			MaxIdleConns: 32, MaxConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it answers with a redirect, which is not followed: correct the address in the class")
		},
	}}
}

// bounded reads no more of an answer than it may have.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	return answer, nil
}

// Query returns the values of a query as of now, one a series; none where the answer is empty. A series that has a
// histogram in place of a value gives NaN.
func (c *Client) Query(ctx context.Context, address, query string, timeout time.Duration) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := api.NewClient(api.Config{Address: address, Client: c.http})
	if err != nil {
		return nil, fmt.Errorf("the address %s: %w", address, err)
	}
	value, _, err := prometheusv1.NewAPI(client).Query(ctx, query, time.Time{}, prometheusv1.WithTimeout(timeout))
	if err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case *model.Scalar:
		return []float64{float64(v.Value)}, nil
	case model.Vector:
		if len(v) > maxSeries {
			return nil, fmt.Errorf("the query gives %d series, and at most %d are allowed: aggregate them", len(v), maxSeries)
		}
		values := make([]float64, len(v))
		for i, sample := range v {
			values[i] = float64(sample.Value)
			if sample.Histogram != nil {
				values[i] = math.NaN()
			}
		}
		return values, nil
	}
	return nil, fmt.Errorf("the query gives a %s, and must give a scalar or an instant vector", value.Type())
}
