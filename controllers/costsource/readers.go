package costsource

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/awscostexplorer"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/cost/source/focus/httplocation"
	"github.com/towpath-dev/towpath/internal/cost/source/focus/s3location"
	"github.com/towpath-dev/towpath/internal/cost/source/opencost"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// world is what a reader must know of the cluster.
type world struct {
	// teams are those that exist: Teams, and the labels of home namespaces.
	teams []string
	// namespaces says whose a namespace is.
	namespaces map[string]source.Owner
}

// observe reads the world from the cache.
func (r *Reconciler) observe(ctx context.Context) (*world, error) {
	var teams platformv1alpha1.TeamList
	if err := r.List(ctx, &teams, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Teams: %w", err)
	}
	var namespaces corev1.NamespaceList
	if err := r.List(ctx, &namespaces, client.HasLabels{platformv1alpha1.LabelTeam}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	w := &world{namespaces: map[string]source.Owner{}}
	for i := range teams.Items {
		w.teams = append(w.teams, teams.Items[i].Name)
	}
	for i := range namespaces.Items {
		labels := namespaces.Items[i].Labels
		team := labels[platformv1alpha1.LabelTeam]
		w.namespaces[namespaces.Items[i].Name] = source.Owner{Team: team, Environment: labels[platformv1alpha1.LabelEnvironment]}
		if team != "" {
			w.teams = append(w.teams, team)
		}
	}
	slices.Sort(w.teams)
	w.teams = slices.Compact(w.teams)
	return w, nil
}

// readerOf is the reader of a source.
func (r *Reconciler) readerOf(ctx context.Context, cs *platformv1alpha1.CostSource, w *world, now time.Time) (source.Reader, error) {
	known, err := r.credentials(ctx)
	if err != nil {
		return nil, err
	}
	switch spec := &cs.Spec; {
	case spec.OpenCost != nil:
		u, err := r.Rules.URL(spec.OpenCost.URL)
		if err != nil {
			return nil, source.Fail(source.SourceInvalid, fmt.Errorf("spec.openCost.url: %w", err), "Name the Service of OpenCost.")
		}
		client, headers, err := known.endpoint(r.Rules, u)
		if err != nil {
			return nil, err
		}
		if err := cost.CheckCurrency(spec.OpenCost.Currency); err != nil {
			return nil, source.Fail(source.SourceInvalid, fmt.Errorf("spec.openCost.%w", err), "")
		}
		return &opencost.Source{URL: u, Client: client, Headers: headers, Currency: spec.OpenCost.Currency, Namespaces: w.namespaces}, nil
	case spec.AWSCostExplorer != nil:
		c := spec.AWSCostExplorer
		provider, err := known.aws(ctx, c.CredentialsKey, c.Region)
		if err != nil {
			return nil, err
		}
		return &awscostexplorer.Source{
			Region: c.Region, Endpoint: c.Endpoint, TeamTag: c.TeamTag, Reread: int(c.RereadDays), Credentials: provider,
			Client: r.Rules.Client(nil, requestTimeout),
		}, nil
	case spec.FOCUS != nil:
		return r.bills(ctx, spec.FOCUS, known, now)
	}
	return nil, source.Fail(source.SourceInvalid, fmt.Errorf("spec.type %s cannot be read", cs.Spec.Type), "")
}

// bills is the reader of FOCUS files.
func (r *Reconciler) bills(ctx context.Context, spec *platformv1alpha1.FOCUSSource, known *known, now time.Time) (source.Reader, error) {
	switch {
	case spec.Volume != nil:
		path := spec.Volume.Path
		return &focus.Source{
			Place: "volume " + path,
			Open:  func(ctx context.Context) (focus.Location, error) { return focus.Open(ctx, path) },
		}, nil
	case spec.HTTP != nil:
		options := httplocation.Options{
			Now:      now,
			Endpoint: func(u *url.URL) (*http.Client, map[string]string, error) { return known.endpoint(r.Rules, u) },
		}
		for _, raw := range spec.HTTP.URLs {
			u, err := r.Rules.URL(raw)
			if err != nil {
				return nil, source.Fail(source.SourceInvalid, fmt.Errorf("spec.focus.http.urls: %s: %w", raw, err), "")
			}
			options.URLs = append(options.URLs, u)
		}
		return &focus.Source{
			Place: "http " + strings.Join(slices.Sorted(slices.Values(spec.HTTP.URLs)), " "),
			Open:  func(context.Context) (focus.Location, error) { return httplocation.New(options) },
		}, nil
	}
	provider, err := known.aws(ctx, spec.S3.CredentialsKey, spec.S3.Region)
	if err != nil {
		return nil, err
	}
	options := s3location.Options{
		Bucket: spec.S3.Bucket, Prefix: spec.S3.Prefix, Region: spec.S3.Region, Endpoint: spec.S3.Endpoint,
		PathStyle: spec.S3.Addressing == platformv1alpha1.S3Path, Credentials: provider, Client: r.Rules.Client(nil, requestTimeout),
	}
	return &focus.Source{
		Place: fmt.Sprintf("s3 %s %s %s", spec.S3.Endpoint, spec.S3.Bucket, spec.S3.Prefix),
		Open:  func(context.Context) (focus.Location, error) { return s3location.New(options), nil },
	}, nil
}

// Rules say which addresses a source may be at: public ones, private ones of the cluster and of what is around it, and what is
// allowed beside. Who writes CostSources is the platform team, and names services inside; but neither loopback, where the
// manager's own servers are, nor link-local addresses, and never those at which clouds give out credentials.
func Rules(allowed ...string) (outbound.Rules, error) {
	private := []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}
	return outbound.NewRules(append(private, allowed...)...)
}

// attributionOf is the attribution that a source asks for.
func attributionOf(spec *platformv1alpha1.CostAttribution, teams []string) source.Attribution {
	attribution := source.DefaultAttribution(teams...)
	if spec == nil {
		return attribution
	}
	or := func(keys, standard []string) []string {
		if len(keys) == 0 {
			return standard
		}
		return keys
	}
	attribution.TeamKeys = or(spec.TeamKeys, attribution.TeamKeys)
	attribution.EnvironmentKeys = or(spec.EnvironmentKeys, attribution.EnvironmentKeys)
	attribution.ComponentKeys = or(spec.ComponentKeys, attribution.ComponentKeys)
	return attribution
}

// conversionsOf are the conversions that a source asks for.
func conversionsOf(spec []platformv1alpha1.CurrencyConversion) (source.Conversions, error) {
	conversions := source.Conversions{}
	for i := range spec {
		c := &spec[i]
		rate, err := decimal.NewFromString(c.Rate)
		if err = cmp.Or(err, cost.CheckCurrency(c.From), cost.CheckCurrency(c.To)); err != nil {
			return nil, source.Fail(source.SourceInvalid, fmt.Errorf("spec.conversions[%s]: %w", c.From, err), "")
		}
		conversions[c.From] = source.Conversion{To: c.To, Rate: rate}
	}
	return conversions, nil
}
