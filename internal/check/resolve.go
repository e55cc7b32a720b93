package check

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/render"
)

// jobTTL is how long the Job of a check stays after its end, in seconds, so that its logs can be read.
const jobTTL = 3600

// Defaults of a check.
const (
	defaultInterval, defaultQueryTimeout, defaultJobTimeout = 60, 10, 600
)

// Resolve gives the checks of a Release their values. All else of it must be set.
func Resolve(r *platformv1alpha1.Release, origin platformv1alpha1.CheckOrigin, checks []platformv1alpha1.Check) ([]platformv1alpha1.ReleaseCheck, error) {
	variables := render.CheckVariables(r)
	var all []platformv1alpha1.ReleaseCheck
	for i := range checks {
		resolved := platformv1alpha1.ReleaseCheck{Origin: origin, Check: *checks[i].DeepCopy()}
		snippet, errs := compile(&resolved.Check, field.NewPath("checks").Key(resolved.Name), nil)
		if len(errs) > 0 {
			return nil, errs.ToAggregate()
		}
		value, err := snippet.Evaluate(variables)
		if err != nil {
			return nil, err
		}
		if err := set(&resolved.Check, value); err != nil {
			return nil, fmt.Errorf("checks[%s]: %w", resolved.Name, err)
		}
		all = append(all, resolved)
	}
	return all, nil
}

// set puts the value of what holds expressions into a check.
func set(c *platformv1alpha1.Check, value any) error {
	if c.Prometheus != nil {
		query, ok := value.(string)
		if n := utf8.RuneCountInString(query); !ok || n == 0 || n > maxQuery {
			return fmt.Errorf("prometheus.query must be a string of 1 to %d characters with the values of its expressions", maxQuery)
		}
		c.Prometheus.Query = query
		return nil
	}
	object, _ := value.(map[string]any)
	spec, ok := object["spec"].(map[string]any)
	if !ok {
		return errors.New("job.spec must be an object")
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if len(raw) > 2*maxSpec {
		return fmt.Errorf("job.spec must not be larger than %d bytes with the values of its expressions, and has %d", 2*maxSpec, len(raw))
	}
	c.Job.Spec = &apiextensionsv1.JSON{Raw: raw}
	return nil
}

// JobName is the name of the Job of a check's n-th run: of every Release, check and run another one.
func JobName(r *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, run int32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%d", r.UID, c.Origin, c.Name, run))
	return fmt.Sprintf("%s-%s-%s", cut(r.Spec.Component.Name), cut(c.Name), hex.EncodeToString(sum[:])[:10])
}

func cut(name string) string {
	const most = 24
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-")
	}
	return name
}

// Job makes the Job of a check's n-th run.
func Job(r *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, run int32) (render.Object, error) {
	var spec map[string]any
	if err := utiljson.Unmarshal(c.Job.Spec.Raw, &spec); err != nil || spec == nil {
		return render.Object{}, errors.New("job.spec must be an object")
	}
	spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"] = int64(Timeout(&c.Check).Seconds()), int64(jobTTL)
	if _, ok := spec["backoffLimit"]; !ok {
		spec["backoffLimit"] = int64(0)
	}
	if template, ok := spec["template"].(map[string]any); ok {
		if pod, ok := template["spec"].(map[string]any); ok {
			for key, value := range map[string]any{"restartPolicy": "Never", "automountServiceAccountToken": false} {
				if _, ok := pod[key]; !ok {
					pod[key] = value
				}
			}
		}
	}
	return render.CheckJob(r, c.Name, JobName(r, c, run), spec)
}

// Policy is what the guard holds the Job of a check to, but for the scope of kinds, which the caller knows. What a class
// allows beyond the strictest rules it allows to golden paths, and to its own checks: a tenant writes every field of a
// Component's Job.
func Policy(r *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck) guard.Policy {
	policy := render.Policy(r)
	policy.Labels, policy.PodLabels = render.CheckLabels(r, c.Name), nil
	if r.Spec.ServiceAccountTokens == "" {
		policy.Tokens = platformv1alpha1.TokensForbidden
	}
	if c.Origin == platformv1alpha1.CheckOfClass {
		policy.AllowedKinds = nil // the class asks for the Job itself
	} else {
		policy.PodSecurity, policy.Tokens = platformv1alpha1.PodSecurityRestricted, platformv1alpha1.TokensForbidden
	}
	return policy
}

// MayAsk says why checks of an origin may not ask the Prometheus of a class; empty where they may.
func MayAsk(source *platformv1alpha1.PrometheusSource, origin platformv1alpha1.CheckOrigin) string {
	switch {
	case source == nil:
		return "names no Prometheus"
	case origin == platformv1alpha1.CheckOfComponent && source.ComponentQueries != platformv1alpha1.ComponentQueriesAllowed:
		return "does not let Components ask its Prometheus (prometheus.componentQueries)"
	}
	return ""
}
