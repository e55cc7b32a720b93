// Package httplocation reads bills from web servers: a list of files by their URLs. A server that gives parts of a file is asked for
// these; from any other one a file is fetched first, and nothing of it counts before all of it is there.
package httplocation

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Options say what is read, and how.
type Options struct {
	URLs []*url.URL
	// Endpoint gives the client for a URL, and the headers that go with each request to it. The client must bound the time of a
	// request, and follow no redirect.
	Endpoint func(*url.URL) (*http.Client, map[string]string, error)
	// Dir is where files are fetched to; empty: where temporary files are.
	Dir string
	// MaxBytes is how large a file may be that is fetched; 0: 2 GiB.
	MaxBytes int64
	// Now is the time, from which waits are counted.
	Now time.Time
}

// Location is the list.
type Location struct {
	options Options
	files   map[string]*file
}

var _ focus.Location = &Location{}

// file is a file of the list.
type file struct {
	url     *url.URL
	info    focus.Info
	etag    string
	ranges  bool
	fetched string
}

var named = regexp.MustCompile(`(?i)\.(csv|gz|parquet)$`)

// New returns the location of a list, each file of which has a name of its own.
func New(options Options) (*Location, error) {
	options.MaxBytes = cmp.Or(options.MaxBytes, 2<<30)
	l := &Location{options: options, files: map[string]*file{}}
	for _, u := range options.URLs {
		path := u.Host + u.Path
		switch {
		case !named.MatchString(path):
			return nil, source.Fail(source.SourceInvalid, fmt.Errorf("%s does not end in .csv, .gz or .parquet", u), "Correct spec.focus.http.urls.")
		case l.files[path] != nil:
			return nil, source.Fail(source.SourceInvalid, fmt.Errorf("%s stands in the list twice", u), "Correct spec.focus.http.urls.")
		}
		l.files[path] = &file{url: u}
	}
	return l, nil
}

// List asks what each file is like.
func (l *Location) List(ctx context.Context) ([]focus.File, error) {
	var all []focus.File
	for _, path := range source.Sorted(l.files) {
		f := l.files[path]
		if err := l.look(ctx, f); err != nil {
			return nil, err
		}
		all = append(all, focus.File{Path: path, Size: f.info.Size, ModTime: f.info.ModTime, Version: f.info.Version})
	}
	return all, nil
}

// look asks what a file is like. Where the server does not say enough, the file is fetched, and its content is its version.
func (l *Location) look(ctx context.Context, f *file) error {
	response, err := l.send(ctx, f, http.MethodHead, nil)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		if f.take(response) {
			return nil
		}
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
	default:
		return l.refused(f, response)
	}
	return l.fetch(ctx, f)
}

// take takes what an answer says of a file, and whether that is enough to tell its content from another.
func (f *file) take(response *http.Response) bool {
	f.etag = response.Header.Get("ETag")
	f.info = focus.Info{Size: response.ContentLength, Version: f.etag}
	if modified, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		f.info.ModTime = modified.UTC()
	}
	strong := strings.HasPrefix(f.etag, `"`)
	f.ranges = strong && response.Header.Get("Accept-Ranges") == "bytes"
	return f.info.Size >= 0 && (f.etag != "" || !f.info.ModTime.IsZero())
}

// Open opens a file that was listed.
func (l *Location) Open(ctx context.Context, path string) (focus.Content, error) {
	f := l.files[path]
	if f == nil {
		return nil, fmt.Errorf("%s is not in the list", path)
	}
	if f.ranges && f.fetched == "" {
		return focus.NewRanged(f.info, func(from, to int64) ([]byte, error) { return l.part(ctx, f, from, to) }), nil
	}
	if f.fetched == "" {
		listed := f.info
		if err := l.fetch(ctx, f); err != nil {
			return nil, err
		}
		if listed != f.info {
			return nil, fmt.Errorf("%w: it has changed since it was listed", focus.ErrIncomplete)
		}
	}
	opened, err := os.Open(f.fetched)
	if err != nil {
		return nil, err
	}
	return local{opened, f.info}, nil
}

// local is a file that was fetched.
type local struct {
	*os.File
	info focus.Info
}

// Info is what the server said of it.
func (l local) Info() (focus.Info, error) { return l.info, nil }

// part is a part of a file, if that is still what it was.
func (l *Location) part(ctx context.Context, f *file, from, to int64) ([]byte, error) {
	response, err := l.send(ctx, f, http.MethodGet, map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, to-1), "If-Match": f.etag})
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusPreconditionFailed,
		response.StatusCode == http.StatusPartialContent && response.Header.Get("ETag") != f.etag:
		return nil, fmt.Errorf("%w: it changed while it was read", focus.ErrIncomplete)
	case response.StatusCode == http.StatusOK:
		return nil, source.Fail(source.SourceInvalid, fmt.Errorf("%s says that it gives parts of a file, and gives all of it", f.url.Host),
			"Have the server not send Accept-Ranges, or heed Range.")
	case response.StatusCode != http.StatusPartialContent:
		return nil, l.refused(f, response)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, to-from))
	if err != nil {
		return nil, fmt.Errorf("%w: it was cut off after %d bytes: %w", focus.ErrIncomplete, from+int64(len(data)), err)
	}
	return data, nil
}

// fetch fetches all of a file.
func (l *Location) fetch(ctx context.Context, f *file) (err error) {
	response, err := l.send(ctx, f, http.MethodGet, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return l.refused(f, response)
	}
	enough := f.take(response)
	if f.info.Size > l.options.MaxBytes {
		return l.tooLarge(f)
	}
	to, err := os.CreateTemp(l.options.Dir, "towpath-bill-")
	if err != nil {
		return source.Fail(source.SourceInvalid, fmt.Errorf("%s gives no parts of a file, and there is no room to fetch it to: %w", f.url.Host, err),
			"Mount an emptyDir at /tmp of the manager, or have the server send Accept-Ranges: bytes and an ETag.")
	}
	defer func() {
		if closeErr := to.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			_ = os.Remove(to.Name())
		}
	}()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(response.Body, l.options.MaxBytes+1))
	switch {
	case err != nil, f.info.Size >= 0 && n < f.info.Size:
		return fmt.Errorf("%w: it was cut off after %d bytes; nothing of it counts", focus.ErrIncomplete, n)
	case n > l.options.MaxBytes:
		return l.tooLarge(f)
	}
	if !enough {
		f.info = focus.Info{Size: n, Version: "sha256:" + hex.EncodeToString(hash.Sum(nil))}
	}
	f.ranges, f.fetched = false, to.Name()
	return nil
}

func (l *Location) tooLarge(f *file) error {
	return fmt.Errorf("%w: %s has more than %d bytes, and its server gives no parts of it", focus.ErrLimit, f.url, l.options.MaxBytes)
}

// send sends a request.
func (l *Location) send(ctx context.Context, f *file, method string, further map[string]string) (*http.Response, error) {
	client, headers, err := l.options.Endpoint(f.url)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, f.url.String(), http.NoBody)
	if err != nil {
		return nil, source.Fail(source.SourceInvalid, err, "Correct spec.focus.http.urls.")
	}
	for _, set := range []map[string]string{headers, further} {
		for name, value := range set {
			request.Header.Set(name, value)
		}
	}
	// As it is: a file that is packed on the way would have another size.
	request.Header.Set("Accept-Encoding", "identity")
	response, err := client.Do(request)
	if err == nil {
		return response, nil
	}
	if refused, ok := errors.AsType[*outbound.RefusedError](err); ok {
		return nil, source.Fail(source.SourceInvalid, refused, "Correct spec.focus.http.urls.")
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return nil, source.Fail(source.NotReachable, fmt.Errorf("%s does not answer: %w", f.url.Host, err),
		"Look whether the server runs, and whether a NetworkPolicy lets the manager reach it.")
}

// refused says why a server gives no file.
func (l *Location) refused(f *file, response *http.Response) error {
	said := fmt.Errorf("%s answers %d for %s", f.url.Host, response.StatusCode, f.url.Path)
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return source.Fail(source.CredentialsRefused, said, "Put an entry with its address and a token into the Secret towpath-costsources of towpath-system.")
	case code == http.StatusTooManyRequests:
		failure := &source.Failure{Reason: source.Throttled, Err: said, Next: "It is tried again later."}
		failure.NotBefore = source.RetryAfter(response.Header.Get("Retry-After"), l.options.Now)
		return failure
	case code >= http.StatusInternalServerError:
		return source.Fail(source.NotReachable, said, "It is tried again.")
	case code >= http.StatusMultipleChoices && code < http.StatusBadRequest:
		return source.Fail(source.SourceInvalid, said, "Redirects are not followed: name the URL that it leads to.")
	}
	return source.Fail(source.SourceInvalid, said, "Correct spec.focus.http.urls.")
}

// Close removes what was fetched.
func (l *Location) Close() error {
	var errs []error
	for _, f := range l.files {
		if f.fetched != "" {
			errs = append(errs, os.Remove(f.fetched))
		}
	}
	return errors.Join(errs...)
}
