// Package awskeys says as whom AWS, or what speaks like it, is asked: with keys of a Secret, or with the identity of the manager
// itself. Nothing that it says or prints holds a key.
package awskeys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Keys are credentials.
type Keys struct{ id, secret, token string }

// document is how they are written.
type document struct {
	AccessKeyID     string `json:"accessKeyID"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
}

// errDocument is a fixed text: those of parsers quote what they read.
var errDocument = errors.New("it must be one object in YAML or JSON with accessKeyID, secretAccessKey and perhaps sessionToken, and no other field")

// Parse reads them.
func Parse(text []byte) (*Keys, error) {
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, errDocument
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var d document
	if decoder.Decode(&d) != nil || d.AccessKeyID == "" || d.SecretAccessKey == "" {
		return nil, errDocument
	}
	trim := strings.TrimSpace // what was read from a file ends with a line break
	return &Keys{trim(d.AccessKeyID), trim(d.SecretAccessKey), trim(d.SessionToken)}, nil
}

// Format implements fmt.Formatter: no verb prints a key.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "keys") }

// Provider gives the keys, or, where there are none, what the manager's own environment has: a role of its service account (IRSA),
// EKS Pod Identity, or the role of the node.
func Provider(ctx context.Context, keys *Keys, region string) (aws.CredentialsProvider, error) {
	if keys != nil {
		return credentials.NewStaticCredentialsProvider(keys.id, keys.secret, keys.token), nil
	}
	found, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, source.Fail(source.CredentialsRefused, fmt.Errorf("the manager's own identity at AWS cannot be read: %w", err), nextKeys)
	}
	return found.Credentials, nil
}

const nextKeys = "Give the manager's service account a role, or name a key of the Secret towpath-costsources in credentialsKey."

// Retryer tries a request again, a few times, where AWS is busy or away. What we refuse ourselves is not tried again.
func Retryer(o *retry.StandardOptions) {
	ours := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
		if _, ok := errors.AsType[*source.Failure](err); ok {
			return aws.FalseTernary
		}
		if _, ok := errors.AsType[*outbound.RefusedError](err); ok {
			return aws.FalseTernary
		}
		return aws.UnknownTernary
	})
	o.Retryables = append([]retry.IsErrorRetryable{ours}, o.Retryables...)
}

// refused are the codes of AWS for callers whom it does not know or let in.
var refused = map[string]bool{
	"AccessDenied": true, "AccessDeniedException": true, "AuthFailure": true, "ExpiredToken": true, "ExpiredTokenException": true,
	"IncompleteSignature": true, "InvalidAccessKeyId": true, "InvalidClientTokenId": true, "MissingAuthenticationToken": true,
	"NotAuthorized": true, "OptInRequired": true, "UnauthorizedOperation": true, "UnrecognizedClientException": true,
}

// skewed are those for callers whose clock, or whose secret key, is wrong.
var skewed = map[string]bool{
	"InvalidSignatureException": true, "RequestExpired": true, "RequestTimeTooSkewed": true, "SignatureDoesNotMatch": true,
}

// Failure says why a request failed, as far as all services of AWS say it the same way; nil where they do not.
func Failure(err error, right string) error {
	if found, ok := errors.AsType[*source.Failure](err); ok {
		return found
	}
	if found, ok := errors.AsType[*outbound.RefusedError](err); ok {
		return source.Fail(source.SourceInvalid, found, "Correct endpoint.")
	}
	api, isAPI := errors.AsType[smithy.APIError](err)
	code := ""
	if isAPI {
		code = api.ErrorCode()
	}
	said := func() error { return fmt.Errorf("AWS answers %s: %s", code, api.ErrorMessage()) }
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case refused[code]:
		return source.Fail(source.CredentialsRefused, said(), "Whoever is asked as needs "+right+". "+nextKeys)
	case skewed[code]:
		return source.Fail(source.CredentialsRefused, said(), "The secret key is another one, or the clock of the manager's node is wrong.")
	case throttled:
		return source.Fail(source.Throttled, said(), "It is tried again later. If that stays, something else asks too often with this account.")
	case strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "get identity"):
		return source.Fail(source.CredentialsRefused, outbound.Innermost(err), nextKeys)
	}
	if broken, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return source.Fail(source.Incomplete, fmt.Errorf("the answer was cut off, or is none: %w", broken.Err), "Nothing of it counts; it is asked for again.")
	}
	return nil
}
