package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitevent"
)

const (
	// perSecond and burst bound all requests together, before anything is read of them.
	perSecond, burst = 50, 200
	// readers is how many bodies are read at once: each may have a mebibyte.
	readers = 16
	// remembered is how many deliveries are known of a Component.
	remembered = 64
	// secretAge is how long a secret is used without being read again: else each request would ask the API server.
	secretAge = 15 * time.Second
	// failedAge is for how long one that cannot be read is not tried again.
	failedAge = time.Second
	// maxSenders is how many Components are remembered.
	maxSenders = 2000
)

// Receiver takes webhooks, at /hooks/<namespace>/<component>. What they say is used for one thing: to ask the repository now, and not at
// the end of the interval. Every replica serves it, also those that do not lead.
type Receiver struct {
	*Reconciler
	// Address is where it listens, as host:port.
	Address string
	// Calls are Components to look at.
	Calls chan event.GenericEvent

	limit   *rate.Limiter
	reading chan struct{}
	mu      sync.Mutex
	senders map[types.NamespacedName]*sender
}

// sender is who may tell of one Component.
type sender struct {
	uid    types.UID
	secret []byte
	read   time.Time
	// failed is why it could not be read, lags how often a right to read it was not there yet.
	failed error
	lags   int
	limit  *rate.Limiter
	seen   [][sha256.Size]byte
}

// NewReceiver makes one.
func NewReceiver(r *Reconciler, address string) *Receiver {
	return &Receiver{
		Reconciler: r, Address: address, Calls: make(chan event.GenericEvent, burst),
		limit: rate.NewLimiter(perSecond, burst), reading: make(chan struct{}, readers), senders: map[types.NamespacedName]*sender{},
	}
}

// NeedLeaderElection says that every replica serves it.
func (r *Receiver) NeedLeaderElection() bool { return false }

// Start serves until the context ends.
func (r *Receiver) Start(ctx context.Context) error {
	const header, whole, idle, grace = 5 * time.Second, 15 * time.Second, 30 * time.Second, 5 * time.Second
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.Address)
	if err != nil {
		return fmt.Errorf("listening for webhooks of repositories: %w", err)
	}
	server := &http.Server{
		Handler: r.Handler(), ReadHeaderTimeout: header, ReadTimeout: whole, WriteTimeout: whole, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context {
			return log.IntoContext(context.WithoutCancel(ctx), log.FromContext(ctx))
		},
	}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = server.Shutdown(end)
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving webhooks of repositories: %w", err)
	}
	return nil
}

// Handler answers.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/{namespace}/{component}", func(w http.ResponseWriter, request *http.Request) {
		name := types.NamespacedName{Namespace: request.PathValue("namespace"), Name: request.PathValue("component")}
		status, text := r.take(w, request, name)
		log.FromContext(request.Context()).V(1).Info("Took a webhook", "component", name, "status", status, "answer", text)
		deliveries.WithLabelValues(result(status, text)).Inc()
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "60")
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text+"\n")
	})
	return mux
}

// The answers. One of 401 does not tell whether there is such a Component.
const (
	answerUnproved  = "nobody with this secret is known here: give the webhook the secret of the key webhookSecret, and the path /hooks/<namespace>/<component>"
	answerMany      = "too many at once"
	answerLarge     = "an event may have at most a mebibyte"
	answerForm      = "the content type must be application/json"
	answerMalformed = "the body is not the JSON of an event"
	answerAgain     = "ignored: it was taken before"
	answerElse      = "ignored: it is of another repository, or of a branch, tag or pull request that is not built"
	answerTaken     = "the repository is asked"
)

// take takes one request, and says what to answer.
func (r *Receiver) take(w http.ResponseWriter, request *http.Request, name types.NamespacedName) (status int, text string) {
	if request.ContentLength > gitevent.MaxBody {
		return http.StatusRequestEntityTooLarge, answerLarge
	}
	if !r.limit.Allow() {
		return http.StatusTooManyRequests, answerMany
	}
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	default:
		return http.StatusTooManyRequests, answerMany
	}
	component, s, err := r.sender(request.Context(), name)
	if err != nil {
		log.FromContext(request.Context()).Error(err, "Reading the secret of a webhook", "component", name)
		return http.StatusServiceUnavailable, "the secret cannot be read now"
	}
	if s == nil {
		return http.StatusUnauthorized, answerUnproved
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, gitevent.MaxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return http.StatusRequestEntityTooLarge, answerLarge
	}
	if err != nil {
		return http.StatusBadRequest, answerMalformed
	}
	said, err := gitevent.Read(request.Header.Get, body, s.secret, r.Clock.Now())
	switch {
	case errors.Is(err, gitevent.ErrMalformed) && request.Header.Get("Content-Type") == "application/x-www-form-urlencoded":
		return http.StatusUnsupportedMediaType, answerForm
	case errors.Is(err, gitevent.ErrMalformed):
		return http.StatusBadRequest, answerMalformed
	case err != nil:
		return http.StatusUnauthorized, answerUnproved
	}
	// From here on it is known who asks: a stranger can use up nobody's share. What cannot be answered does not count as taken: the sender
	// tries again.
	about, err := r.about(request.Context(), component, said)
	if err != nil {
		return http.StatusServiceUnavailable, "the Components cannot be read now"
	}
	switch fresh, allowed := r.admit(name, s, sha256.Sum256(append([]byte(said.Delivery+"\n"), body...))); {
	case !fresh:
		return http.StatusAccepted, answerAgain
	case !allowed:
		return http.StatusTooManyRequests, answerMany
	case len(about) == 0:
		return http.StatusAccepted, answerElse
	}
	r.call(about, said)
	return http.StatusAccepted, answerTaken
}

// sender is who may tell of a Component; nil where nobody may.
func (r *Receiver) sender(ctx context.Context, name types.NamespacedName) (*platformv1alpha1.Component, *sender, error) {
	component := &platformv1alpha1.Component{}
	if err := r.Get(ctx, name, component); err != nil {
		return nil, nil, client.IgnoreNotFound(err)
	}
	if !r.asks(component) || component.Spec.Source.SecretRef == nil {
		return nil, nil, nil
	}
	r.mu.Lock()
	s := r.senders[name]
	if s == nil || s.uid != component.UID {
		if len(r.senders) >= maxSenders {
			clear(r.senders)
		}
		const each, atOnce = time.Second, 30
		s = &sender{uid: component.UID, limit: rate.NewLimiter(rate.Every(each), atOnce)}
		r.senders[name] = s
	}
	secret, failed, age := s.secret, s.failed, r.Clock.Now().Sub(s.read).Abs()
	t := &turn{lags: s.lags}
	r.mu.Unlock()
	switch {
	case failed != nil && age < failedAge: // strangers must not have it read each time
		return nil, nil, failed
	case failed != nil || age >= secretAge:
		read, err := r.secret(ctx, component, t)
		failed, secret = nil, nil
		if f := refusal(err); err != nil && (f == nil || f.soon > 0) {
			failed = err
		}
		if err == nil {
			secret = []byte(text(read, keyWebhookSecret))
		}
		r.mu.Lock()
		s.secret, s.failed, s.lags, s.read = secret, failed, t.lags, r.Clock.Now()
		r.mu.Unlock()
		if failed != nil {
			return nil, nil, failed
		}
	}
	if len(secret) == 0 {
		return component, nil, nil
	}
	return component, &sender{uid: s.uid, secret: secret, limit: s.limit}, nil
}

// admit says whether an event is new, and whether its sender may send one more.
func (r *Receiver) admit(name types.NamespacedName, s *sender, sum [sha256.Size]byte) (fresh, allowed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.senders[name]
	if known == nil || known.uid != s.uid {
		return true, s.limit.Allow() // forgotten meanwhile
	}
	if slices.Contains(known.seen, sum) {
		return false, false
	}
	if !known.limit.Allow() {
		return true, false
	}
	known.seen = append(known.seen, sum)
	known.seen = known.seen[max(0, len(known.seen)-remembered):]
	return true, true
}

// about are the Components that an event is about: those in the same namespace that are built from the same repository, and have built what it is of.
func (r *Receiver) about(ctx context.Context, component *platformv1alpha1.Component, said gitevent.Event) ([]*platformv1alpha1.Component, error) {
	if said.SHA == "" || !said.Names(component.Spec.Source.Repository) {
		return nil, nil
	}
	var all platformv1alpha1.ComponentList
	if err := r.List(ctx, &all, client.InNamespace(component.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var about []*platformv1alpha1.Component
	for i := range all.Items {
		c := &all.Items[i]
		if r.asks(c) && c.Spec.Source.Repository == component.Spec.Source.Repository && concerns(c, said) {
			about = append(about, c)
		}
	}
	return about, nil
}

// concerns says whether an event is of something that a Component has built.
func concerns(c *platformv1alpha1.Component, said gitevent.Event) bool {
	source := c.Spec.Source
	switch {
	case said.Branch != "":
		return said.Branch == build.Branch(source)
	case said.Tag != "":
		return Builds(c) && build.TagMatches(source.Tags, said.Tag)
	default: // a pull request that is open
		return Builds(c) && source.PullRequests == platformv1alpha1.PullRequestsSameRepository
	}
}

// call has the repositories of Components asked.
func (r *Receiver) call(about []*platformv1alpha1.Component, said gitevent.Event) {
	pull := pullRequest(said.Pull)
	for _, c := range about {
		r.Schedule.Call(c, said.SHA, pull)
		select {
		case r.Calls <- event.GenericEvent{Object: c.DeepCopy()}:
		default: // as many wait as can; the poll comes to it
		}
	}
}

// pullRequest is one as a Build records it.
func pullRequest(p *gitevent.Pull) *platformv1alpha1.BuildPullRequest {
	if p == nil {
		return nil
	}
	return &platformv1alpha1.BuildPullRequest{Number: p.Number, Title: p.Title, OpenedAt: timeOf(p.OpenedAt), MergedAt: timeOf(p.MergedAt)}
}
