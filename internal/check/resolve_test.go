package check_test

import (
	"encoding/json"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// smoke is the spec of a Job that may run under the strictest rules.
const smoke = `{"template": {"spec": {
  "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
  "containers": [{"name": "smoke", "image": "registry.example/smoke:1", "args": ["${component.name}.${environment.namespace}", "${release.image}"],
    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}}`

func jobOf(spec string) platformv1alpha1.Check {
	return platformv1alpha1.Check{Name: "smoke", Job: &platformv1alpha1.JobCheck{Spec: &apiextensionsv1.JSON{Raw: []byte(spec)}}}
}

func asking(text string) platformv1alpha1.Check {
	c := query("errors")
	c.Prometheus.Query = text
	return c
}

func complete() *platformv1alpha1.Release {
	r := &platformv1alpha1.Release{}
	r.Namespace, r.UID = "team-shop", "1-2-3"
	r.Spec.Component = platformv1alpha1.ReleaseComponent{Name: "checkout", UID: "4-5-6"}
	r.Spec.Environment = platformv1alpha1.ReleaseEnvironment{Name: "prod", Namespace: "shop-prod", Class: "production", Tier: platformv1alpha1.TierProduction}
	r.Spec.Template, r.Spec.Image, r.Spec.Team, r.Spec.CostCenter = "web-service", "registry.example/shop:1.4.2", "shop", "cc-1"
	r.Spec.PodSecurity, r.Spec.ServiceAccountTokens = platformv1alpha1.PodSecurityRestricted, platformv1alpha1.TokensForbidden
	return r
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		check platformv1alpha1.Check
		want  string
	}{
		"a query":                 {asking(`sum(rate(http_requests_total{namespace="${environment.namespace}", code=~"5.."}[5m]))`), ""},
		"a query with a dollar":   {asking(`label_replace(up, "a", "$1", "b", "(.*)") + $${x}`), ""},
		"an unknown variable":     {asking(`up{a="${params.port}"}`), "checks[errors].prometheus.query"},
		"an unknown field":        {asking(`up{a="${component.nam}"}`), "checks[errors].prometheus.query"},
		"an expression not whole": {asking(`up{a="${component.name"}`), "checks[errors].prometheus.query"},
		"a list in a query":       {asking(`up{a="${component.env}"}`), "checks[errors].prometheus.query"},
		"a job":                   {jobOf(smoke), ""},
		"a job of no pods":        {jobOf(`{}`), "checks[smoke].job.spec.template"},
		"a job that is a list":    {jobOf(`[]`), "checks[smoke].job.spec"},
		"an unknown field of one": {jobOf(strings.Replace(smoke, `"args"`, `"arguments"`, 1)), "checks[smoke].job.spec.template.spec.containers[0].arguments"},
		"a field that is ours":    {jobOf(`{"suspend": true, ` + smoke[1:]), "checks[smoke].job.spec.suspend"},
		"a deadline of its own":   {jobOf(`{"activeDeadlineSeconds": 5, ` + smoke[1:]), "timeoutSeconds of the check bounds the Job"},
		"a wrong expression":      {jobOf(strings.Replace(smoke, "release.image", "release.imag", 1)), "checks[smoke].job.spec.template.spec.containers[0].args[1]"},
		"much too large":          {jobOf(`{"a": "` + strings.Repeat("x", 16<<10) + `"}`), "must not be larger than 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := check.Validate([]platformv1alpha1.Check{tc.check}, field.NewPath("checks"), openapi.Kubernetes())
			if got := errs.ToAggregate(); tc.want == "" && got != nil || tc.want != "" && (got == nil || !strings.Contains(got.Error(), tc.want)) {
				t.Errorf("it says %v, want %q", got, tc.want)
			}
		})
	}
}

func TestResolveAndJob(t *testing.T) {
	r := complete()
	resolved, err := check.Resolve(r, platformv1alpha1.CheckOfComponent, []platformv1alpha1.Check{asking(`up{ns="${environment.namespace}"}`), jobOf(smoke)})
	if err != nil {
		t.Fatal(err)
	}
	if got := resolved[0].Prometheus.Query; got != `up{ns="shop-prod"}` {
		t.Errorf("the query is %s", got)
	}
	job, err := check.Job(r, &resolved[1], 2)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(job.Object)
	for _, want := range []string{
		`"checkout.shop-prod"`, `"activeDeadlineSeconds":600`, `"ttlSecondsAfterFinished":3600`, `"backoffLimit":0`, `"restartPolicy":"Never"`, `"automountServiceAccountToken":false`,
		`"platform.towpath.dev/check":"smoke"`, `"platform.towpath.dev/component":"checkout.check"`, `"platform.towpath.dev/owner-uid":"4-5-6"`, `"namespace":"shop-prod"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the Job lacks %s: %s", want, raw)
		}
	}
	pod := job.Object.Object["spec"].(map[string]any)["template"].(map[string]any)["metadata"].(map[string]any)["labels"].(map[string]any)
	if pod[platformv1alpha1.LabelOwnerUID] != nil || pod["app.kubernetes.io/name"] != "checkout.check" {
		t.Errorf("the labels of its pods are %v", pod)
	}
	policy := check.Policy(r, &resolved[1])
	policy.Namespaced = func(schema.GroupKind) (bool, bool) { return true, true }
	if refusals := guard.Check([]guard.Object{{Resource: job.Resource, Object: job.Object}}, policy); len(refusals) > 0 {
		t.Errorf("the guard refuses it: %v", refusals)
	}
	if other := check.JobName(r, &resolved[1], 3); other == job.Object.GetName() {
		t.Errorf("two runs have the name %s", other)
	}
}

// TestATenantsJobIsHeldToTheRules has the guard refuse what would leave the namespace, or take rights, also where the class
// allows all of that to golden paths.
// A class that lists kinds asks for its own checks all the same.
func TestAllowedKindsBindTheJobsOfComponents(t *testing.T) {
	for origin, wanted := range map[platformv1alpha1.CheckOrigin]int{platformv1alpha1.CheckOfClass: 0, platformv1alpha1.CheckOfComponent: 1} {
		r := complete()
		r.Spec.AllowedKinds = []platformv1alpha1.AllowedKind{{Group: "apps", Kind: "Deployment"}}
		resolved, err := check.Resolve(r, origin, []platformv1alpha1.Check{jobOf(smoke)})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(check.Policy(r, &resolved[0]).AllowedKinds); got != wanted {
			t.Errorf("of %s: %d kinds are allowed, want %d (none for every one)", origin, got, wanted)
		}
	}
}

func TestATenantsJobIsHeldToTheRules(t *testing.T) {
	for name, change := range map[string][2]string{
		"privileged":                {`"allowPrivilegeEscalation": false`, `"privileged": true`},
		"the network of the node":   {`"securityContext": {"runAsNonRoot"`, `"hostNetwork": true, "securityContext": {"runAsNonRoot"`},
		"a file of the node":        {`"containers"`, `"volumes": [{"name": "x", "hostPath": {"path": "/"}}], "containers"`},
		"a token":                   {`"containers"`, `"automountServiceAccountToken": true, "containers"`},
		"a projected token":         {`"containers"`, `"volumes": [{"name": "x", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}], "containers"`},
		"another's account":         {`"containers"`, `"serviceAccountName": "other", "containers"`},
		"a label of ours on a pod":  {`"template": {`, `"template": {"metadata": {"labels": {"platform.towpath.dev/owner-uid": "x"}}, `},
		"an annotation of ours too": {`"template": {`, `"template": {"metadata": {"annotations": {"platform.towpath.dev/keep": "true"}}, `},
	} {
		t.Run(name, func(t *testing.T) {
			r := complete()
			r.Spec.PodSecurity, r.Spec.ServiceAccountTokens = platformv1alpha1.PodSecurityPrivileged, platformv1alpha1.TokensAllowed
			spec := strings.Replace(smoke, change[0], change[1], 1)
			resolved, err := check.Resolve(r, platformv1alpha1.CheckOfComponent, []platformv1alpha1.Check{jobOf(spec)})
			if err != nil {
				t.Fatal(err)
			}
			job, err := check.Job(r, &resolved[0], 1)
			if err != nil {
				return // refused earlier
			}
			policy := check.Policy(r, &resolved[0])
			policy.Namespaced = func(schema.GroupKind) (bool, bool) { return true, true }
			if refusals := guard.Check([]guard.Object{{Resource: job.Resource, Object: job.Object}}, policy); len(refusals) == 0 {
				t.Errorf("the guard lets it run: %s", spec)
			}
		})
	}
}

func TestJobName(t *testing.T) {
	r := complete()
	r.Spec.Component.Name = strings.Repeat("c", 23) + "-" + strings.Repeat("c", 16)
	c := &platformv1alpha1.ReleaseCheck{Check: platformv1alpha1.Check{Name: strings.Repeat("k", 40)}}
	if name := check.JobName(r, c, 99); len(validation.IsDNS1123Label(name)) > 0 || strings.Contains(name, "--") {
		t.Errorf("%s is no name", name)
	}
	class := *c
	class.Origin = platformv1alpha1.CheckOfClass
	if check.JobName(r, c, 1) == check.JobName(r, &class, 1) {
		t.Error("checks of a class and of a Component share a name")
	}
}
