package opencost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// maxAnswer is how many bytes a day may have: about 50,000 allocations.
const maxAnswer = 128 << 20

// answer is what OpenCost answers. A code beside that of HTTP says whether it is one.
type answer struct {
	Code    int                      `json:"code"`
	Message string                   `json:"message"`
	Data    []map[string]*allocation `json:"data"`
}

// allocation is what one aggregate cost. An amount that is none is null.
type allocation struct {
	Window *struct {
		Start *time.Time `json:"start"`
		End   *time.Time `json:"end"`
	} `json:"window"`
	CPU           figure `json:"cpuCost"`
	CPUAdjustment figure `json:"cpuCostAdjustment"`
	RAM           figure `json:"ramCost"`
	RAMAdjustment figure `json:"ramCostAdjustment"`
	GPU           figure `json:"gpuCost"`
	GPUAdjustment figure `json:"gpuCostAdjustment"`
	PV            figure `json:"pvCost"`
	PVAdjustment  figure `json:"pvCostAdjustment"`
	Network       figure `json:"networkCost"`
	NetworkAdjust figure `json:"networkCostAdjustment"`
	LoadBalancer  figure `json:"loadBalancerCost"`
	LBAdjustment  figure `json:"loadBalancerCostAdjustment"`
	Shared        figure `json:"sharedCost"`
	External      figure `json:"externalCost"`
	Total         figure `json:"totalCost"`
}

// check says whether the allocation is of the day that was asked for, and of no longer.
func (a *allocation) check(day history.Day) error {
	if a.Window == nil {
		return nil
	}
	if start := a.Window.Start; start != nil && history.DayOf(*start) != day {
		return fmt.Errorf("it is of a window that begins at %s", start.UTC().Format(time.RFC3339))
	}
	if end := a.Window.End; end != nil && end.After((day + 1).Time()) {
		return fmt.Errorf("it is of a window that ends at %s, after the day", end.UTC().Format(time.RFC3339))
	}
	return nil
}

// begin is when its window begins; empty where it does not say.
func (a *allocation) begin() string {
	if a.Window == nil || a.Window.Start == nil {
		return ""
	}
	return " " + a.Window.Start.UTC().Format(time.RFC3339Nano)
}

// part is what one kind of resource cost.
type part struct {
	service string
	amount  source.Amount
}

// rounding is by how much the parts may differ from the total: OpenCost rounds each to five places.
var rounding = decimal.New(1, -4)

// costs are the parts that are not 0, and how many amounts are none. What the total has beyond the parts that we know is a part
// of its own, so that nothing is lost where OpenCost adds another.
func (a *allocation) costs() (all []part, bad int) {
	var sum decimal.Decimal
	for _, p := range []struct {
		service string
		amounts []figure
	}{
		{"CPU", []figure{a.CPU, a.CPUAdjustment}}, {"Memory", []figure{a.RAM, a.RAMAdjustment}},
		{"GPU", []figure{a.GPU, a.GPUAdjustment}}, {"Storage", []figure{a.PV, a.PVAdjustment}},
		{"Network", []figure{a.Network, a.NetworkAdjust}}, {"Load balancer", []figure{a.LoadBalancer, a.LBAdjustment}},
		{"Shared", []figure{a.Shared}}, {"External", []figure{a.External}},
	} {
		var amount source.Amount
		for _, number := range p.amounts {
			one, err := number.read()
			if err != nil {
				bad++
			}
			amount = amount.Add(one)
		}
		if d := amount.Decimal(); !d.IsZero() {
			sum = sum.Add(d)
			all = append(all, part{p.service, amount})
		}
	}
	total, err := a.Total.read()
	if err != nil || a.Total == "" {
		return all, bad
	}
	if rest := total.Decimal().Sub(sum); rest.Abs().GreaterThan(rounding) {
		all = append(all, part{"Other", source.AmountOf(rest)})
	}
	return all, bad
}

// figure is an amount as it is written; empty where there is none.
type figure string

// UnmarshalJSON keeps the text.
func (f *figure) UnmarshalJSON(text []byte) error {
	*f = figure(text)
	return nil
}

// read reads the amount. One that is not there is 0, one that is null is an error.
func (f figure) read() (source.Amount, error) {
	if f == "" {
		return source.Amount{}, nil
	}
	return source.ParseAmount([]byte(f))
}

// ask asks for a day.
func (i *session) ask(ctx context.Context, day history.Day) ([]map[string]*allocation, error) {
	host := i.URL.Host
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.query(day).String(), http.NoBody)
	if err != nil {
		return nil, source.Fail(source.SourceInvalid, err, "Correct spec.openCost.url.")
	}
	for name, value := range i.Headers {
		request.Header.Set(name, value)
	}
	response, err := i.Client.Do(request)
	if err != nil {
		if refused, ok := errors.AsType[*outbound.RefusedError](err); ok {
			return nil, source.Fail(source.SourceInvalid, refused, "Name the Service of OpenCost in spec.openCost.url.")
		}
		return nil, source.Fail(source.NotReachable, fmt.Errorf("%s does not answer: %w", host, plain(err)),
			"Look whether OpenCost runs, and whether a NetworkPolicy lets the manager reach it.")
	}
	defer func() { _ = response.Body.Close() }()
	i.measure(response)
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, source.Fail(source.Incomplete, fmt.Errorf("the answer of %s for %s was cut off after %d bytes: %w", host, day, len(body), plain(err)),
			"Nothing of the day counts; it is asked for again.")
	case len(body) > maxAnswer:
		return nil, source.Fail(source.BillInvalid, fmt.Errorf("the answer of %s for %s has more than %d bytes", host, day, maxAnswer),
			"Have spec.attribution name labels with fewer values.")
	}
	return decode(host, day, response.StatusCode, response.Header.Get("Retry-After"), body, i.task.Now)
}

// measure takes how far the other clock is behind, if it says.
func (i *session) measure(response *http.Response) {
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return
	}
	if behind := i.task.Now.Sub(date); behind > tolerance {
		i.skew = behind
	}
}

// decode reads an answer.
func decode(host string, day history.Day, status int, retryAfter string, body []byte, now time.Time) ([]map[string]*allocation, error) {
	var a answer
	err := json.Unmarshal(denan(body), &a)
	said := ""
	if a.Message != "" {
		said = ": " + shortened(a.Message)
	}
	code := status
	if err == nil && a.Code != 0 && status == http.StatusOK {
		code = a.Code
	}
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return nil, source.Fail(source.CredentialsRefused, fmt.Errorf("%s answers %d%s", host, code, said),
			"Put an entry with its address and a token into the Secret towpath-costsources of towpath-system.")
	case code == http.StatusTooManyRequests:
		failure := &source.Failure{Reason: source.Throttled, Err: fmt.Errorf("%s answers %d%s", host, code, said), Next: "It is tried again later."}
		failure.NotBefore = source.RetryAfter(retryAfter, now)
		return nil, failure
	case code == http.StatusNotFound, code >= 300 && code < 400:
		return nil, source.Fail(source.SourceInvalid, fmt.Errorf("%s answers %d to /allocation%s", host, code, said),
			"spec.openCost.url must be OpenCost's API, on port 9003, and not its page.")
	case code != http.StatusOK:
		return nil, source.Fail(source.NotReachable, fmt.Errorf("%s answers %d for %s%s", host, code, day, said),
			"Look at the log of OpenCost, and at whether its Prometheus answers.")
	case err != nil:
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset >= int64(len(body)) {
			return nil, source.Fail(source.Incomplete, fmt.Errorf("the answer of %s for %s was cut off after %d bytes", host, day, len(body)),
				"Nothing of the day counts; it is asked for again.")
		}
		return nil, source.Fail(source.BillInvalid, fmt.Errorf("the answer of %s for %s is not what OpenCost answers: %w", host, day, err),
			"spec.openCost.url must be OpenCost's API, on port 9003, and not its page.")
	case a.Data == nil:
		return nil, source.Fail(source.BillInvalid, fmt.Errorf("%s for %s: %w", host, day, errNothing),
			"spec.openCost.url must be OpenCost's API, on port 9003, and not its page.")
	}
	return a.Data, nil
}

// plain is an error without the URL, which says nothing new.
func plain(err error) error {
	var inner interface{ Unwrap() error }
	if errors.As(err, &inner) && inner.Unwrap() != nil {
		return inner.Unwrap()
	}
	return err
}

func shortened(text string) string {
	const most = 300
	if text = source.Plain(text); len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// denan has null in place of NaN and infinities, which are no JSON and which OpenCost writes all the same where it divides by
// nothing.
func denan(body []byte) []byte {
	if !bytes.Contains(body, []byte("NaN")) && !bytes.Contains(body, []byte("Inf")) {
		return body
	}
	out := make([]byte, 0, len(body))
	quoted := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case quoted && c == '\\' && i+1 < len(body):
			out = append(out, c)
			i++
			c = body[i]
		case c == '"':
			quoted = !quoted
		case !quoted:
			if length := noNumber(body[i:]); length > 0 {
				out = append(out, "null"...)
				i += length - 1
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// noNumber is how long a word at the begin is that stands for no number; 0 where there is none.
func noNumber(b []byte) int {
	for _, word := range []string{"NaN", "-Infinity", "+Infinity", "Infinity", "-Inf", "+Inf", "Inf"} {
		if bytes.HasPrefix(b, []byte(word)) {
			return len(word)
		}
	}
	return 0
}
