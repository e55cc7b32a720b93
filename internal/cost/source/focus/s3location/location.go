// Package s3location reads bills from a bucket of S3, or of what speaks like it: objects below a prefix, a part at a time.
package s3location

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/awskeys"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Options say what is read, and how.
type Options struct {
	Bucket, Prefix, Region string
	// Endpoint is asked in place of AWS' own; empty: that of the region.
	Endpoint string
	// PathStyle names the bucket in the path rather than in the host.
	PathStyle   bool
	Credentials aws.CredentialsProvider
	// Client sends requests.
	Client *http.Client
	// Backoff says how long to wait between two tries; nil: up to 20 seconds, more each time.
	Backoff retry.BackoffDelayer
	// MaxKeys is how many keys may begin with the prefix; 0: 100,000.
	MaxKeys int
}

// Location is what begins with the prefix.
type Location struct {
	options Options
	client  *s3.Client
	files   map[string]focus.File
}

var _ focus.Location = &Location{}

const (
	attempts = 4
	maxKeys  = 100_000
)

// New returns the location of a prefix.
func New(options Options) *Location {
	if options.MaxKeys == 0 {
		options.MaxKeys = maxKeys
	}
	o := s3.Options{
		Region: options.Region, Credentials: options.Credentials, HTTPClient: options.Client, UsePathStyle: options.PathStyle,
		// Of a part of an object there is no checksum, and servers other than AWS' have none at all; files have their own.
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired, DisableLogOutputChecksumValidationSkipped: true,
		DisableS3ExpressSessionAuth: aws.Bool(true),
		Retryer: retry.NewStandard(awskeys.Retryer, func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			if options.Backoff != nil {
				o.Backoff = options.Backoff
			}
		}),
	}
	if options.Endpoint != "" {
		o.BaseEndpoint = &options.Endpoint
	}
	return &Location{options: options, client: s3.New(o), files: map[string]focus.File{}}
}

// List lists all objects, page by page. What begins with a dot or an underscore is none of a bill's.
func (l *Location) List(ctx context.Context) ([]focus.File, error) {
	pages := s3.NewListObjectsV2Paginator(l.client, &s3.ListObjectsV2Input{Bucket: &l.options.Bucket, Prefix: &l.options.Prefix})
	var all []focus.File
	keys, seen := 0, map[string]bool{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, l.failure(err)
		}
		if token := aws.ToString(page.NextContinuationToken); token != "" {
			if seen[token] {
				return nil, source.Fail(source.Incomplete, fmt.Errorf("the list of bucket %s leads from one page to one before it", l.options.Bucket), "Nothing of it counts; it is tried again.")
			}
			seen[token] = true
		}
		for i := range page.Contents {
			object := &page.Contents[i]
			key := aws.ToString(object.Key)
			if keys++; keys > l.options.MaxKeys {
				return nil, source.Fail(source.SourceInvalid, fmt.Errorf("%w: more than %d keys of bucket %s begin with %q", focus.ErrLimit, l.options.MaxKeys, l.options.Bucket, l.options.Prefix),
					"Name a longer prefix.")
			}
			if hidden(strings.TrimPrefix(key, l.options.Prefix)) || strings.HasSuffix(key, "/") {
				continue
			}
			file := focus.File{Path: key, Size: aws.ToInt64(object.Size), ModTime: aws.ToTime(object.LastModified).UTC(), Version: aws.ToString(object.ETag)}
			l.files[key] = file
			all = append(all, file)
		}
	}
	return all, nil
}

// hidden says whether a part of a name begins with a dot or an underscore.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") {
			return true
		}
	}
	return false
}

// Open opens an object that was listed. Each part is of the version that was.
func (l *Location) Open(ctx context.Context, key string) (focus.Content, error) {
	file, ok := l.files[key]
	if !ok {
		return nil, fmt.Errorf("%s was not listed", key)
	}
	info := focus.Info{Size: file.Size, ModTime: file.ModTime, Version: file.Version}
	return focus.NewRanged(info, func(from, to int64) ([]byte, error) { return l.part(ctx, file, from, to) }), nil
}

func (l *Location) part(ctx context.Context, file focus.File, from, to int64) ([]byte, error) {
	object, err := l.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &l.options.Bucket, Key: &file.Path, IfMatch: &file.Version, Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1)),
	})
	if err != nil {
		return nil, l.failure(err)
	}
	defer func() { _ = object.Body.Close() }()
	if is := aws.ToString(object.ETag); is != file.Version {
		return nil, fmt.Errorf("%w: it changed while it was read", focus.ErrIncomplete)
	}
	if object.ContentRange == nil && from > 0 {
		return nil, source.Fail(source.SourceInvalid, errors.New("the server gives no parts of an object"), "It must heed Range as S3 does.")
	}
	data, err := io.ReadAll(io.LimitReader(object.Body, to-from))
	if err != nil {
		return nil, fmt.Errorf("%w: it was cut off after %d bytes", focus.ErrIncomplete, from+int64(len(data)))
	}
	return data, nil
}

// failure says why the bucket cannot be read.
func (l *Location) failure(err error) error {
	if known := awskeys.Failure(err, "s3:ListBucket and s3:GetObject"); known != nil {
		return known
	}
	status := 0
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return source.Fail(source.NotReachable, fmt.Errorf("the bucket %s cannot be reached: %w", l.options.Bucket, outbound.Innermost(err)),
			"Look at spec.focus.s3.endpoint and region, and whether a NetworkPolicy lets the manager reach it.")
	}
	said := fmt.Errorf("the server of bucket %s answers %s: %s", l.options.Bucket, api.ErrorCode(), api.ErrorMessage())
	switch {
	case status == http.StatusPreconditionFailed, api.ErrorCode() == "NoSuchKey":
		return fmt.Errorf("%w: it changed, or went, while it was read", focus.ErrIncomplete)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return source.Fail(source.CredentialsRefused, said, "Whoever is asked as needs s3:ListBucket and s3:GetObject.")
	case status >= http.StatusInternalServerError:
		return source.Fail(source.NotReachable, said, "It is tried again.")
	}
	return source.Fail(source.SourceInvalid, said, "Correct bucket, prefix, region, endpoint or addressing in spec.focus.s3.")
}

// Close has nothing to close.
func (l *Location) Close() error { return nil }
