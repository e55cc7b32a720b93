package actions

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// The actions of others that a workflow uses. Each must be pinned by the platform's configuration.
const (
	actionCheckout = "actions/checkout"
	actionCache    = "actions/cache"
	actionUpload   = "actions/upload-artifact"
	actionDownload = "actions/download-artifact"
)

// Config is what the platform team says about workflows.
type Config struct {
	// Pins are the commits of the actions that workflows may use, by owner/name: 40 hexadecimal digits. They are what the platform team
	// has reviewed; Towpath brings none along. Workflows of a simple pipeline need actions/checkout alone, those with artifacts
	// actions/upload-artifact and actions/download-artifact, those with a cache actions/cache.
	Pins map[string]string `json:"pins,omitempty"`
	// Image is a container image whose entry point is towpath, for conditions and for recording Builds. By digest, it is pinned as the
	// actions are.
	Image string `json:"image,omitempty"`
	// RunsOn are the labels of the runners. Default: ubuntu-24.04. They need bash, git, curl, jq and docker, as GitHub's own have them.
	RunsOn []string `json:"runsOn,omitempty"`
	// Images are those of the standard stages as runners can pull them, by their names in lower case. Default: those of pipeline.images.
	Images map[string]string `json:"images,omitempty"`
	// Buildkitd is the address of the buildkitd as runners reach it. Default: pipeline.buildkitd.
	Buildkitd string `json:"buildkitd,omitempty"`
	// Record says how the last job reaches the cluster to record the Build.
	Record Record `json:"record"`
}

// Record says how a workflow reaches the cluster to record a Build.
type Record struct {
	// Server is the https:// address of the API server, as runners reach it.
	Server string `json:"server,omitempty"`
	// CertificateAuthority is the API server's, as PEM. Default: those that the image trusts.
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
	// Audience has the workflow show GitHub's OIDC token, which the API server must trust for that audience. Default: none, it shows TokenSecret.
	Audience string `json:"audience,omitempty"`
	// TokenSecret is the name of the repository's secret that holds a token of the team's namespace. Default: TOWPATH_TOKEN, where Audience is empty.
	TokenSecret string `json:"tokenSecret,omitempty"`
}

var (
	pinPattern    = lazyregexp.New(`^[0-9a-f]{40}$`)
	actionPattern = lazyregexp.New(`^[A-Za-z0-9][-A-Za-z0-9]*(/[-_.A-Za-z0-9]+)+$`)
	secretPattern = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	labelPattern  = lazyregexp.New(`^[-_.A-Za-z0-9]+$`)
)

// maxLabel is how long a label of runners may be. An expression that counts to it would be compiled to as many copies of its class.
const maxLabel = 256

// Check says all that is wrong with a configuration. where names it in the messages, such as the file that it stands in.
func (c *Config) Check(where string) error {
	var errs []error
	report := func(field, message string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s: %s", where, field, fmt.Sprintf(message, args...)))
	}
	for _, action := range slices.Sorted(maps.Keys(c.Pins)) {
		if !actionPattern().MatchString(action) {
			report("pins", "%q must be an action as owner/name, without @", action)
		}
		if !pinPattern().MatchString(c.Pins[action]) {
			report("pins."+action, "%q must be a commit of it, 40 hexadecimal digits: a tag can be moved by whoever owns the action", c.Pins[action])
		}
	}
	if c.Image == "" || strings.ContainsFunc(c.Image, func(r rune) bool { return r <= ' ' || r == 0x7f }) || strings.HasPrefix(c.Image, "-") {
		report("image", "%q must be a container image whose entry point is towpath, at best by digest", c.Image)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Images)) {
		if !slices.Contains(imageNames, name) {
			report("images", "%q must be one of %s", name, strings.Join(imageNames, ", "))
		}
	}
	for _, label := range c.RunsOn {
		if len(label) > maxLabel || !labelPattern().MatchString(label) {
			report("runsOn", "%q must be a label of runners: letters, digits and -_., at most %d", label, maxLabel)
		}
	}
	if !strings.HasPrefix(c.Record.Server, "https://") || strings.ContainsAny(c.Record.Server, " \t\r\n\"'") {
		report("record.server", "%q must be the https:// address of the API server, as runners reach it", c.Record.Server)
	}
	if secret := c.Record.TokenSecret; secret != "" && !secretPattern().MatchString(secret) {
		report("record.tokenSecret", "%q must be the name of a secret of GitHub: letters, digits and _, not beginning with a digit", secret)
	}
	if c.Record.Audience != "" && c.Record.TokenSecret != "" {
		report("record", "must have either audience or tokenSecret")
	}
	return errors.Join(errs...)
}

// imageNames are the standard stages that have images of their own, as they are written in settings.
var imageNames = []string{"image", "sbom", "scan", "sign", "provenance"}

// Standard is what the standard stages run with on runners, where the platform says something else for those than for its clusters.
func (c *Config) Standard(of pipeline.Standard) pipeline.Standard {
	images := map[platformv1alpha1.StandardStage]string{}
	maps.Copy(images, of.Images)
	of.Images = images
	for _, stage := range []platformv1alpha1.StandardStage{
		platformv1alpha1.StageImage, platformv1alpha1.StageSBOM, platformv1alpha1.StageScan, platformv1alpha1.StageSign, platformv1alpha1.StageProvenance,
	} {
		if image := c.Images[strings.ToLower(string(stage))]; image != "" {
			of.Images[stage] = image
		}
	}
	of.Buildkitd = cmp.Or(c.Buildkitd, of.Buildkitd)
	return of
}

// use gives the uses: of an action.
func (c *Config) use(action string) (string, error) {
	if pin := c.Pins[action]; pin != "" {
		return action + "@" + pin, nil
	}
	return "", &PinError{Action: action}
}

// PinError says that a workflow needs an action for which the platform has named no commit.
type PinError struct{ Action string }

// Error names the action and where its commit is set.
func (e *PinError) Error() string {
	return fmt.Sprintf("the workflow uses %s, and the platform's configuration does not say which commit of it: set pipeline.actions.pins[%q] to the 40 hexadecimal digits of one that you have reviewed",
		e.Action, e.Action)
}

func (c *Config) runners() []string {
	if len(c.RunsOn) == 0 {
		return []string{"ubuntu-24.04"}
	}
	return c.RunsOn
}

// tokenSecret is the repository's secret whose token records the Build; empty where GitHub's own token does.
func (r *Record) tokenSecret() string {
	if r.Audience == "" && r.TokenSecret == "" {
		return "TOWPATH_TOKEN"
	}
	return r.TokenSecret
}
