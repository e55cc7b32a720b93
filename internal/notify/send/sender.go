package send

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	// maxAnswer is how many bytes of an answer that is no success are read.
	maxAnswer = 4 << 10
	// maxGates is of how many targets the rate is remembered before those that are idle are forgotten.
	maxGates = 1024
)

// Options are what a Sender is made with. Zero values stand for the defaults.
type Options struct {
	// Rules say which addresses may be reached.
	Rules outbound.Rules
	// Clock is the time of signatures and rates.
	Clock clock.PassiveClock
	// Source tells this installation from others in CloudEvents, such as https://towpath.example or /clusters/prod.
	Source string
	// Timeout is that of one request (10 s), Budget that of one call (30 s).
	Timeout, Budget time.Duration
	// Rate is how many requests a second a target gets (1), and Burst how many at once (10).
	Rate  rate.Limit
	Burst int
}

// Sender delivers. It is safe for concurrent use.
type Sender struct {
	options Options

	mu    sync.Mutex
	gates map[string]*gate
}

// gate says when a target may be asked.
type gate struct {
	limiter *rate.Limiter
	// shut is until when the target wants to be left in peace.
	shut time.Time
}

// New returns a Sender.
func New(o Options) *Sender {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.Timeout, o.Budget = cmp.Or(o.Timeout, 10*time.Second), cmp.Or(o.Budget, 30*time.Second)
	o.Rate, o.Burst = cmp.Or(o.Rate, 1), cmp.Or(o.Burst, 10)
	return &Sender{options: o, gates: map[string]*gate{}}
}

// message is one request, which tells of some alerts.
type message struct {
	alerts      int
	contentType string
	body        []byte
	// sign adds what belongs to the moment.
	sign func(http.Header, time.Time)
}

// Deliver sends alerts to a target, in order, and says how far it came. It tries each once: what is to be tried again, and when,
// is up to notify.Record. Where not all are delivered the error says why, without a secret.
func (s *Sender) Deliver(ctx context.Context, target Target, alerts []notify.Alert) (notify.Result, error) {
	to, host, err := target.read(s.options.Rules)
	if err != nil {
		return notify.Result{Failed: len(alerts), Refusal: notify.RefusedTarget}, &Error{Target: target.Name, Host: host, Text: explain(err)}
	}
	messages, err := s.messages(target, to, alerts)
	if err != nil {
		return notify.Result{Failed: len(alerts), Refusal: notify.RefusedAlert}, &Error{Target: target.Name, Host: host, Text: "the message cannot be written"}
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Budget)
	defer cancel()
	client := s.options.Rules.Client(to.roots, s.options.Timeout)
	result := notify.Result{}
	for _, m := range messages {
		if ctx.Err() != nil {
			return result, &Error{Target: target.Name, Host: host, Text: "there was no time left"}
		}
		if wait := s.enter(target.Key); wait > 0 {
			result.RetryAfter = wait
			return result, &Error{Target: target.Name, Host: host, Text: "gets no more for now: its rate is limited, or it asked to wait"}
		}
		if p := s.post(ctx, client, target, to, m); p != nil {
			result.Failed, result.Refusal, result.RetryAfter = m.alerts, p.refusal, p.retryAfter
			if p.refusal == notify.RefusedTarget {
				result.Failed = len(alerts) - result.Delivered
			}
			s.shut(target.Key, p.retryAfter)
			return result, &Error{Target: target.Name, Host: host, Text: p.text}
		}
		result.Delivered += m.alerts
	}
	return result, nil
}

func (s *Sender) messages(target Target, to address, alerts []notify.Alert) ([]message, error) {
	now := s.options.Clock.Now()
	switch target.Kind {
	case notify.Slack:
		return slackMessage(alerts)
	case notify.Alertmanager:
		return alertmanagerMessage(alerts, now)
	default:
		return cloudEvents(alerts, s.options.Source, to.keys)
	}
}

// post sends one message. It returns nil where that was received.
func (s *Sender) post(ctx context.Context, client *http.Client, target Target, to address, m message) *problem {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url.String(), bytes.NewReader(m.body))
	if err != nil {
		return &problem{text: "its URL cannot be used", refusal: notify.RefusedTarget}
	}
	request.Header.Set("Content-Type", m.contentType)
	request.Header.Set("User-Agent", "Towpath")
	target.authorize(request)
	if m.sign != nil {
		m.sign(request.Header, s.options.Clock.Now())
	}
	answer, err := client.Do(request)
	if err != nil {
		return unreached(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode/100 == 2 {
		// It has it, whatever else it says: to wait for the body could only turn this into an error.
		return nil
	}
	var text []byte
	if target.Kind == notify.Slack {
		text, _ = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	}
	return refused(target.Kind, answer, string(text), s.options.Clock.Now())
}

// enter takes a turn at a target, or says how long to wait for one.
func (s *Sender) enter(key string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Clock.Now()
	g := s.gate(key, now)
	if wait := g.shut.Sub(now); wait > 0 {
		return wait
	}
	turn := g.limiter.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > 0 {
		turn.CancelAt(now)
	}
	return wait
}

func (s *Sender) shut(key string, wait time.Duration) {
	if wait <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Clock.Now()
	s.gate(key, now).shut = now.Add(wait)
}

func (s *Sender) gate(key string, now time.Time) *gate {
	if g := s.gates[key]; g != nil {
		return g
	}
	if len(s.gates) >= maxGates {
		for other, g := range s.gates {
			if !g.shut.After(now) && g.limiter.TokensAt(now) >= float64(s.options.Burst) {
				delete(s.gates, other)
			}
		}
	}
	g := &gate{limiter: rate.NewLimiter(s.options.Rate, s.options.Burst)}
	s.gates[key] = g
	return g
}
