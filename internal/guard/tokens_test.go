package guard_test

import (
	"slices"
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
)

const (
	account = `{apiVersion: v1, kind: ServiceAccount, metadata: {name: own, $META}, automountServiceAccountToken: false}`
	spec    = "spec.template.spec"
)

// podWith is a pod specification that is fine but for what is said of tokens and accounts.
func podWith(fields string) string {
	return strings.Replace(deployment, "$POD", strings.Replace(restricted, "automountServiceAccountToken: false", fields, 1), 1)
}

func projected(account, token string) string {
	return podWith("automountServiceAccountToken: false, serviceAccountName: " + account +
		", volumes: [{name: plain, emptyDir: {}}, {name: t, projected: {sources: [{configMap: {name: x}}, {serviceAccountToken: " + token + "}]}}]")
}

func TestTokensAndAccounts(t *testing.T) {
	const (
		forbidden = platformv1alpha1.TokensForbidden
		bound     = platformv1alpha1.TokensAudienceBound
		allowed   = platformv1alpha1.TokensAllowed
		source    = spec + ".volumes[1].projected.sources[1].serviceAccountToken"
	)
	custom := `{apiVersion: example.com/v1, kind: Rollout, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: ` +
		strings.Replace(restricted, "automountServiceAccountToken: false, ", "", 1) + `}}}`
	for name, c := range map[string]struct {
		object string
		// refused is what each class refuses: rule, path, and a part of the message.
		forbidden, bound, allowed []string
	}{
		"no token":                      {object: deployment},
		"one by default":                {podWith("priorityClassName: a"), []string{guard.RuleTokens, spec + ".automountServiceAccountToken", "set it to false"}, []string{guard.RuleTokens, spec + ".automountServiceAccountToken", "must be false"}, nil},
		"one that is asked for":         {podWith("automountServiceAccountToken: true"), []string{guard.RuleTokens, spec + ".automountServiceAccountToken", "serviceAccountTokens: Allowed"}, []string{guard.RuleTokens, spec + ".automountServiceAccountToken", ""}, nil},
		"null, which is the default":    {podWith("automountServiceAccountToken: null"), []string{guard.RuleTokens, spec + ".automountServiceAccountToken", ""}, []string{guard.RuleTokens, spec + ".automountServiceAccountToken", ""}, nil},
		"in a kind of a CRD":            {custom, []string{guard.RuleTokens, spec + ".automountServiceAccountToken", ""}, []string{guard.RuleTokens, spec + ".automountServiceAccountToken", ""}, nil},
		"an account that mounts":        {strings.Replace(account, "false", "true", 1), []string{guard.RuleTokens, "automountServiceAccountToken", "must be false"}, []string{guard.RuleTokens, "automountServiceAccountToken", ""}, nil},
		"an account that says nothing":  {strings.Replace(account, ", automountServiceAccountToken: false", "", 1), []string{guard.RuleTokens, "automountServiceAccountToken", "must be false"}, []string{guard.RuleTokens, "automountServiceAccountToken", ""}, nil},
		"the default account":           {object: podWith("automountServiceAccountToken: false, serviceAccountName: default")},
		"its own account":               {object: podWith("automountServiceAccountToken: false, serviceAccountName: own, serviceAccount: own")},
		"the account of another":        {podWith("automountServiceAccountToken: false, serviceAccountName: other"), []string{guard.RuleAccount, spec + ".serviceAccountName", `"other"`}, []string{guard.RuleAccount, spec + ".serviceAccountName", ""}, nil},
		"the same by its older name":    {podWith("automountServiceAccountToken: false, serviceAccount: other"), []string{guard.RuleAccount, spec + ".serviceAccount", `"other"`}, []string{guard.RuleAccount, spec + ".serviceAccount", ""}, nil},
		"a projected one":               {projected("own", "{path: token}"), []string{guard.RuleTokens, source, "AudienceBound"}, []string{guard.RuleTokens, source + ".audience", "without audience"}, nil},
		"one for an audience":           {projected("own", "{path: token, audience: vault}"), []string{guard.RuleTokens, source, "forbids"}, nil, nil},
		"one for the API server":        {projected("own", "{path: token, audience: 'https://kubernetes.default.svc.cluster.local'}"), []string{guard.RuleTokens, source, ""}, []string{guard.RuleTokens, source + ".audience", "the API server itself"}, nil},
		"one of the shared account":     {projected("default", "{path: token, audience: vault}"), []string{guard.RuleTokens, source, ""}, []string{guard.RuleTokens, source, "serviceAccountName"}, nil},
		"one of the account of another": {projected("other", "{path: token, audience: vault}"), []string{guard.RuleAccount, spec + ".serviceAccountName", ""}, []string{guard.RuleAccount, spec + ".serviceAccountName", ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, class := range []struct {
				tokens platformv1alpha1.ServiceAccountTokens
				want   []string
			}{{"", c.forbidden}, {forbidden, c.forbidden}, {bound, c.bound}, {allowed, c.allowed}} {
				p := policy()
				p.Tokens = class.tokens
				objects := []guard.Object{object(t, c.object)}
				if !strings.Contains(c.object, "ServiceAccount,") {
					objects = append(objects, object(t, account))
				}
				refusals := guard.Check(objects, p)
				switch {
				case class.want == nil && len(refusals) > 0:
					t.Errorf("%s refuses %v", class.tokens, refusals)
				case len(class.want) > 0 && !slices.ContainsFunc(refusals, func(r guard.Refusal) bool {
					return r.Rule == class.want[0] && r.Path == class.want[1] && strings.Contains(r.Message, class.want[2])
				}):
					t.Errorf("%s gives %v, want %v", class.tokens, refusals, class.want)
				}
			}
		})
	}
}

// An account counts as the Component's own only where it is one.
func TestAccounts_ThatAreOfAnotherKind(t *testing.T) {
	other := strings.Replace(configMap, "name: a", "name: own", 1)
	if refusals := guard.Check([]guard.Object{object(t, podWith("automountServiceAccountToken: false, serviceAccountName: own")), object(t, other)}, policy()); len(refusals) != 1 || refusals[0].Rule != guard.RuleAccount {
		t.Errorf("refusals: %v", refusals)
	}
}

func TestMounts(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no pods":                      {configMap, nil},
		"pods without a token":         {deployment, nil},
		"pods with one":                {podWith("priorityClassName: a"), []string{spec + ".automountServiceAccountToken"}},
		"one that is said":             {podWith("automountServiceAccountToken: true"), []string{spec + ".automountServiceAccountToken"}},
		"rendering decides":            {podWith("automountServiceAccountToken: '${params.token}'"), nil},
		"an account":                   {strings.Replace(account, "false", "true", 1), []string{"automountServiceAccountToken"}},
		"a template that is no object": {`{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: '${params.t}'}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := guard.Mounts(object(t, c.text).Object.Object); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
