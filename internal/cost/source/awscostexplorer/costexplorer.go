// Package awscostexplorer reads the bill of AWS from Cost Explorer: what each day cost each team, by service, as it is billed and
// with commitments spread over their use. Each request costs money, so days that are final are not asked for again, and all the
// others by two requests together, as long as each answer fits on a page.
package awscostexplorer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/costexplorer"
	"github.com/aws/aws-sdk-go-v2/service/costexplorer/types"
	"github.com/aws/smithy-go"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/awskeys"
	"github.com/towpath-dev/towpath/internal/history"
)

// Source is a source.Reader of one account, or of all that an account pays for.
type Source struct {
	Region string
	// Endpoint is asked in place of AWS' own; empty: that of the region.
	Endpoint string
	// TeamTag is the cost allocation tag of teams.
	TeamTag string
	// Reread is how many days before today are read again though they are final.
	Reread      int
	Credentials aws.CredentialsProvider
	// Client sends requests.
	Client *http.Client
	// Backoff says how long to wait between two tries; nil: up to 20 seconds, more each time.
	Backoff retry.BackoffDelayer
}

var _ source.Reader = &Source{}

// attempts is how often a request is tried at most.
const attempts = 4

// months is how far Cost Explorer goes back.
const months = 13

// Import reads all days that are not final at once. Only once all pages are there does anything count.
func (s *Source) Import(ctx context.Context, store history.Store, task source.Task) (source.Outcome, error) {
	same := source.Outcome{Cursor: task.Cursor}
	today := history.DayOf(task.Now)
	oldest := history.DayOf(task.Now.AddDate(0, -months, 0)) + 1
	task.Backfill = min(task.Backfill, int(today-oldest))
	before := source.ParseDays(task.Cursor)
	same.UnknownTeams = before.Unknown
	from, _ := before.Plan(&task, s.TeamTag, s.Reread)
	from = max(from, oldest)
	b := &bill{source: s, task: &task, from: from, to: today, days: map[history.Day]*day{}, unknown: source.Teams{}}
	client := s.client(&task)
	for _, question := range []question{usage, others} {
		if err := b.ask(ctx, client, question); err != nil {
			return same, failure(err)
		}
	}
	final, err := b.store(ctx, store)
	if err != nil {
		return same, err
	}
	now := before.Read(&task, s.TeamTag, from, final, b.unknown)
	return source.Outcome{Cursor: now.String(), Rows: b.rows, UnknownTeams: now.Unknown, Warnings: b.warnings()}, nil
}

// client is one whose requests are counted before they are sent.
func (s *Source) client(task *source.Task) *costexplorer.Client {
	options := costexplorer.Options{
		Region: s.Region, Credentials: s.Credentials, HTTPClient: counted{s.Client, task.Spend},
		Retryer: retry.NewStandard(awskeys.Retryer, func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			if s.Backoff != nil {
				o.Backoff = s.Backoff
			}
		}),
	}
	if s.Endpoint != "" {
		options.BaseEndpoint = &s.Endpoint
	}
	return costexplorer.New(options)
}

// counted asks before each request whether it may be sent.
type counted struct {
	client *http.Client
	spend  func(context.Context) error
}

// Do sends a request.
func (c counted) Do(request *http.Request) (*http.Response, error) {
	if c.spend != nil {
		if err := c.spend(request.Context()); err != nil {
			return nil, err
		}
	}
	return c.client.Do(request)
}

// question is one of the two that are asked. Cost Explorer groups by two things: the one is the team; the other is the service for
// what was used, and the type of charge for all else, of which the service says little. Together they are the whole bill, and
// nothing is in both.
type question struct {
	groupBy string
	filter  *types.Expression
}

var (
	notUsage = types.Expression{Dimensions: &types.DimensionValues{Key: types.DimensionRecordType, Values: recordTypes()}}
	usage    = question{groupBy: "SERVICE", filter: &types.Expression{Not: &notUsage}}
	others   = question{groupBy: "RECORD_TYPE", filter: &notUsage}
)

// The names of metrics.
const (
	unblended    = "UnblendedCost"
	netAmortized = "NetAmortizedCost"
)

// ask asks a question, page by page.
func (b *bill) ask(ctx context.Context, client *costexplorer.Client, q question) error {
	input := &costexplorer.GetCostAndUsageInput{
		TimePeriod:  &types.DateInterval{Start: aws.String(b.from.String()), End: aws.String((b.to + 1).String())},
		Granularity: types.GranularityDaily, Metrics: []string{unblended, netAmortized}, Filter: q.filter,
		GroupBy: []types.GroupDefinition{
			{Type: types.GroupDefinitionTypeTag, Key: aws.String(b.source.TeamTag)},
			{Type: types.GroupDefinitionTypeDimension, Key: aws.String(q.groupBy)},
		},
	}
	seen := map[string]bool{}
	for {
		page, err := client.GetCostAndUsage(ctx, input)
		if err != nil {
			return err
		}
		for i := range page.ResultsByTime {
			if err := b.add(&page.ResultsByTime[i], q); err != nil {
				return source.Fail(source.BillInvalid, err, "Nothing of this import counts.")
			}
		}
		token := aws.ToString(page.NextPageToken)
		if token == "" {
			return nil
		}
		if seen[token] {
			return source.Fail(source.Incomplete, errors.New("Cost Explorer leads from one page to one before it"), "Nothing of this import counts; it is tried again.") //nolint:staticcheck // a name
		}
		seen[token] = true
		input.NextPageToken = &token
	}
}

// failure says why Cost Explorer cannot be read.
func failure(err error) error {
	if known := awskeys.Failure(err, "ce:GetCostAndUsage"); known != nil {
		return known
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return source.Fail(source.NotReachable, fmt.Errorf("Cost Explorer does not answer: %w", sent(err)), //nolint:staticcheck // a name
			"Look whether the manager may reach ce.us-east-1.amazonaws.com, or set spec.awsCostExplorer.endpoint.")
	}
	said := fmt.Errorf("Cost Explorer answers %s: %s", api.ErrorCode(), api.ErrorMessage()) //nolint:staticcheck // a name
	switch api.ErrorCode() {
	case "DataUnavailableException":
		return source.Fail(source.NotReachable, said, "Open Cost Explorer once in AWS' billing console, in the account that pays: it has data a day later.")
	case "BillExpirationException", "RequestChangedException", "InvalidNextTokenException":
		return source.Fail(source.Incomplete, said, "The bill changed while it was read. Nothing of this import counts; it is tried again.")
	case "BillingViewHealthStatusException", "ResourceNotFoundException", "ValidationException":
		return source.Fail(source.SourceInvalid, said, "Look whether spec.awsCostExplorer.teamTag is an activated cost allocation tag, and whether the clock of the manager's node is right.")
	}
	return source.Fail(source.NotReachable, said, "It is tried again.")
}

// sent is why a request did not get through, without the request.
func sent(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if _, ok := inner.(*smithy.OperationError); ok { //nolint:errorlint // each layer is looked at
			continue
		}
		err = inner
	}
	return err
}

// settles is when a day is final. What AWS estimates is not, until it says otherwise.
func (b *bill) settles(on history.Day, estimated bool) time.Time {
	if estimated {
		return history.Never
	}
	return source.Final(on, b.task.Settle)
}
