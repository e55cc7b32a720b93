// Package prometheus asks a Prometheus for the values of a query, within bounds: whom it asks is the platform's to say,
// and what is asked may be a tenant's. Credentials come from a Secret, and go to the address alone that they are bound to.
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

	"github.com/towpath-dev/towpath/internal/prometheus/credentials"
)

// maxSeries is how many series an answer may have.
const maxSeries = 100

// Source gives the credentials that are there.
type Source interface {
	Get(ctx context.Context) (*credentials.Set, error)
}

// NotAskedError says why an address was not asked at all.
type NotAskedError struct {
	// Unknown says that the credentials could not be read just now. Else the Secret must be corrected first.
	Unknown bool
	// Err is the cause.
	Err error
}

func (e *NotAskedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NotAskedError) Unwrap() error { return e.Err }

// Client asks. It is safe for concurrent use.
type Client struct {
	source     Source
	transports transports
}

// New returns a Client with the credentials of a source; nil for none. It goes straight to the address that it is given:
// through no proxy, and to no other host.
func New(source Source) *Client { return &Client{source: source} }

// Query returns the values of a query as of now, one a series; none where the answer is empty. A series that has a
// histogram in place of a value gives NaN.
func (c *Client) Query(ctx context.Context, address, query string, timeout time.Duration) ([]float64, error) {
	value, err := c.ask(ctx, address, query, timeout)
	if err != nil {
		return nil, err
	}
	return values(value)
}

// Series is one series of an answer.
type Series struct {
	Labels map[string]string
	Value  float64
}

// QuerySeries returns the series of a query as of now, with their labels, at most so many.
func (c *Client) QuerySeries(ctx context.Context, address, query string, timeout time.Duration, most int) ([]Series, error) {
	value, err := c.ask(ctx, address, query, timeout)
	if err != nil {
		return nil, err
	}
	vector, ok := value.(model.Vector)
	if !ok || len(vector) > most {
		return nil, fmt.Errorf("the query gives a %s of %d series, and must give an instant vector of at most %d", value.Type(), len(vector), most)
	}
	series := make([]Series, len(vector))
	for i, sample := range vector {
		series[i] = Series{Labels: make(map[string]string, len(sample.Metric)), Value: float64(sample.Value)}
		for name, label := range sample.Metric {
			series[i].Labels[string(name)] = string(label)
		}
	}
	return series, nil
}

// ask gives what the answer to a query is.
func (c *Client) ask(ctx context.Context, address, query string, timeout time.Duration) (model.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	set := &credentials.Set{}
	if c.source != nil {
		var err error
		if set, err = c.source.Get(ctx); err != nil {
			return nil, &NotAskedError{Unknown: true, Err: err}
		}
	}
	entry, err := set.For(address)
	if err != nil {
		return nil, &NotAskedError{Err: fmt.Errorf("in %s, %w", secretTitle, err)}
	}
	caller := &http.Client{
		Transport: &authorized{next: c.transports.of(set, entry), entry: entry},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it answers with a redirect, which is not followed: correct the address in the class")
		},
	}
	client, err := api.NewClient(api.Config{Address: address, Client: caller})
	if err != nil {
		return nil, fmt.Errorf("the address %s: %w", address, err)
	}
	value, _, err := prometheusv1.NewAPI(client).Query(ctx, query, time.Time{}, prometheusv1.WithTimeout(timeout))
	if err != nil {
		return nil, explain(err, address, set, entry)
	}
	return value, nil
}

func values(value model.Value) ([]float64, error) {
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
