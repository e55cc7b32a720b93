package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// offlineCall runs a command line that needs no cluster.
func offlineCall(t *testing.T, stdin string, args ...string) call {
	t.Helper()
	return with(t, nil, stdin, append([]string{"towpath"}, args...)...)
}

func TestLintOfGoodFilesIsSilent(t *testing.T) {
	expect(t, offlineCall(t, "", "lint", "testdata/component.yaml", "--templates", "testdata/template.yaml"), exitOK, "", `
2 documents, 0 errors, 0 warnings
`)
}

func TestLintNamesEveryMistakeWithItsLine(t *testing.T) {
	expect(t, offlineCall(t, "", "lint", "testdata/wrong.yaml", "--templates", "testdata/template.yaml"), exitFindings, `
testdata/wrong.yaml:8: Component/one: spec.parameters.greetng: Invalid value: no such parameter; did you mean greeting?
testdata/wrong.yaml:9: Component/one: spec.parameters.size: Invalid value: 12: must be less than or equal to 9
testdata/wrong.yaml:12: warning: Component/one: spec.environments[1].name: "qa": the files have no such Environment in namespace team-shop; they have prod
testdata/wrong.yaml:14: Component/one: spec.environments[1].parameters.greeting: Too long: may not be more than 20 bytes
testdata/wrong.yaml:20: Component/two: spec.templateRef.name: Invalid value: "web-servce": must be a ServiceTemplate of the files, of --templates or of the catalogue, which have broken, postgres, scheduled-job, settings, stateful-service, static-site, web-service, worker
testdata/wrong.yaml:27: Component/Three: metadata.name: Invalid value: "Three": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
testdata/wrong.yaml:28: Component/Three: spec.environments: Required value
testdata/wrong.yaml:31: Component/Three: spec.replicas: Forbidden: there is no such field; check its spelling and its indentation
testdata/wrong.yaml:33: not readable as YAML: did not find expected node content
testdata/wrong.yaml:45: ServiceTemplate/broken: spec.resources[config].object.metadata.name: Invalid value: "${component.nme}": component has no field nme: use one of connections, costCenter, env, name, namespace, team (did you mean name?) (line 1, column 10 of the expression)
testdata/wrong.yaml:50: warning: Environment/prod: spec.classRef.name: "gold": neither the files nor the catalogue have such an EnvironmentClass; they have development, preview, production, staging
`, `
7 documents, 9 errors, 2 warnings
`)
}

// What stands twice hides nothing else.
func TestLintGoesOnAfterWhatStandsTwice(t *testing.T) {
	got := offlineCall(t, `apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: shop, namespace: team-shop}
spec:
  templateRef: {name: web-service}
  image: registry.example/shop:1
  parameters: {prot: 80, replicas: {min: 5, max: 2}}
  environments: [{name: dev}, {name: dev}]
`, "lint", "-")
	for _, want := range []string{"spec.environments[1]: Duplicate value", "spec.parameters.prot: Invalid value: no such parameter; did you mean port?", "1 document, 3 errors, 0 warnings"} {
		if got.code != exitFindings || !strings.Contains(got.out+got.err, want) {
			t.Errorf("want %q in\n%s%s", want, got.out, got.err)
		}
	}
}

// What polls, Builds and workflows refuse is refused before.
func TestLintRefusesSourcesThatNothingCouldFetch(t *testing.T) {
	lint := func(repository, branch string) call {
		return offlineCall(t, fmt.Sprintf(`apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: shop, namespace: team-shop}
spec:
  templateRef: {name: web-service}
  source: {repository: %q, branch: %q, image: registry.example/shop}
  environments: [{name: dev}]
`, repository, branch), "lint", "-")
	}
	for _, branch := range []string{"main", "release/1.2", "feature_#12-$(id)", "ä"} {
		if got := lint("https://git.example:8443/shop/checkout.git", branch); got.code != exitOK {
			t.Errorf("branch %q: %s%s", branch, got.out, got.err)
		}
	}
	for _, branch := range []string{"--upload-pack=id", "a..b", "a b", "a\tb", "/a", "a/", "a//b", "a.lock", "a.", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{1}", "a\x7f"} {
		if got := lint("https://git.example/shop/checkout", branch); got.code != exitFindings || !strings.Contains(got.out, "spec.source.branch: Invalid value") {
			t.Errorf("branch %q: %s%s", branch, got.out, got.err)
		}
	}
	for _, repository := range []string{
		"https://git.example/shop/../other/secret", "https://git.example/shop/%2e%2e/other", "https://git.example/shop?x=y", "https://git.example/shop#f",
		"ssh://-oProxyCommand=id/x", "ssh://git@-oProxyCommand=id/x", "https://git.example/shop/..", `https://git.example/shop/..\other`, "https://git.example/",
	} {
		if got := lint(repository, "main"); got.code != exitFindings || !strings.Contains(got.out, "spec.source.repository: Invalid value") {
			t.Errorf("repository %q: %s%s", repository, got.out, got.err)
		}
	}
}

func TestLintReadsStandardInputAndPrintsAStableStructure(t *testing.T) {
	expect(t, offlineCall(t, "apiVersion: platform.towpath.dev/v1alpha1\nkind: EnvironmentClass\nmetadata: {name: a}\nspec: {tier: Gold}\n", "lint", "-", "-o", "yaml"), exitFindings, `
apiVersion: cli.platform.towpath.dev/v1alpha1
documents: 1
errors: 1
findings:
- file: stdin
  kind: EnvironmentClass
  line: 4
  message: 'Unsupported value: "Gold": supported values: "Development", "Staging",
    "Production", "Preview"'
  name: a
  path: spec.tier
  severity: error
kind: Lint
warnings: 0
`, "")
}

func TestLintFindsAnObjectThatStandsTwice(t *testing.T) {
	got := offlineCall(t, "", "lint", "testdata/team.yaml", "testdata/wrong.yaml", "--templates", "testdata/template.yaml")
	want := "testdata/wrong.yaml:49: Environment/prod: metadata.name: the same object stands in testdata/team.yaml:7 already; take one out\n"
	if !strings.Contains(got.out, want) {
		t.Errorf("got:\n%s", got.out)
	}
}

func TestLintFailsOnWarningsOnlyWhenStrict(t *testing.T) {
	environment := "apiVersion: platform.towpath.dev/v1alpha1\nkind: Environment\nmetadata: {name: a, namespace: team}\nspec: {classRef: {name: gold}}\n"
	if got := offlineCall(t, environment, "lint", "-"); got.code != exitOK || !strings.Contains(got.out, "warning") {
		t.Errorf("got %+v", got)
	}
	if got := offlineCall(t, environment, "lint", "-", "--strict"); got.code != exitFindings {
		t.Errorf("got %+v", got)
	}
}

func TestLintHoldsTheRenderedObjectsToTheGuard(t *testing.T) {
	got := offlineCall(t, `
apiVersion: platform.towpath.dev/v1alpha1
kind: ServiceTemplate
metadata: {name: exposed}
spec:
  summary: A Service that takes over addresses.
  resources:
  - id: service
    object:
      apiVersion: v1
      kind: Service
      metadata: {name: "${component.name}"}
      spec: {externalIPs: [192.0.2.1], ports: [{port: 80}]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: hello, namespace: team-shop}
spec:
  templateRef: {name: exposed}
  image: registry.example/shop/hello:1.0.0
  environments: [{name: prod}]
`, "lint", "-")
	expect(t, got, exitFindings, `
stdin:21: Component/hello: spec.environments[0]: template exposed makes what is refused: Service hello (resource service): spec.externalIPs: external addresses take over traffic of the whole cluster; use type LoadBalancer, or a route of the gateway
`, `
2 documents, 1 error, 0 warnings
`)
}

func TestLintWithoutFilesOrWithUnreadableOnesIsTrouble(t *testing.T) {
	expect(t, offlineCall(t, "", "lint"), exitTrouble, "", `
towpath: name a file, a folder, or - for standard input
next: towpath lint --help
`)
	expect(t, offlineCall(t, "", "lint", "testdata/none.yaml"), exitTrouble, "", `
towpath: stat testdata/none.yaml: no such file or directory
next: check the path; - reads standard input
`)
}

func TestLintRefusesHostileFilesQuickly(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ","))
	}
	path := filepath.Join(t.TempDir(), "bomb.yaml")
	if err := os.WriteFile(path, []byte(bomb), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	got := offlineCall(t, "", "lint", path)
	if got.code != exitFindings || !strings.Contains(got.out, "once its aliases are expanded; write it without anchors") {
		t.Errorf("got %+v", got)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestTheShippedCatalogueAndSamplesAreInOrder(t *testing.T) {
	got := offlineCall(t, "", "lint", "../../config/catalog/web-service", "../../config/catalog/classes", "../../config/samples")
	if got.code != exitOK || strings.Count(got.out, "\n") != 1 || !strings.Contains(got.out, "gateway.networking.k8s.io/v1/HTTPRoute") {
		t.Errorf("want one warning, about HTTPRoute; got %d:\n%s", got.code, got.out)
	}
}

func TestLintOfAnEmptyFolderIsTrouble(t *testing.T) {
	folder := t.TempDir()
	expect(t, offlineCall(t, "", "lint", folder), exitTrouble, "", `
towpath: `+folder+` holds no file that ends in .yaml, .yml or .json
next: check the path; - reads standard input
`)
}

// deviating is a Component of web-service with an override.
func deviating(patch, expires string) string {
	return `apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: hello, namespace: team-shop}
spec:
  templateRef: {name: web-service}
  image: registry.example/shop/hello:1.0.0
  environments: [{name: prod}]
  overrides:
  - resource: deployment
    reason: test
    expires: "` + expires + `"
    patch: ` + patch + "\n"
}

func TestLintChecksOverrides(t *testing.T) {
	fits := "{spec: {template: {spec: {containers: [{name: app, resources: {limits: {memory: 2Gi}}}]}}}}"
	expect(t, offlineCall(t, deviating(fits, "9999-01-01"), "lint", "-"), exitOK, "", `
1 document, 0 errors, 0 warnings
`)
	expect(t, offlineCall(t, deviating(fits, "2020-01-01"), "lint", "-"), exitOK, `
stdin:11: warning: Component/hello: spec.overrides[0].expires: "2020-01-01": the override has expired; it is dropped in environments whose class says dropExpiredOverrides, and rendered here all the same: take it out, or set a later date
`, `
1 document, 0 errors, 1 warning
`)
	expect(t, offlineCall(t, deviating("{spec: {replicas: 9}}", "9999-01-01"), "lint", "-"), exitFindings, `
stdin:12: Component/hello: spec.overrides[0].patch: Forbidden: sets what the template does not open: spec.replicas; open of resource deployment: spec.template.spec.containers[name=app].resources. Set only what is open, or ask the platform team to open more in spec.overrides.allow of the ServiceTemplate
`, `
1 document, 1 error, 0 warnings
`)
	expect(t, offlineCall(t, deviating("{spec: {$patch: replace}}", "soon"), "lint", "-"), exitFindings, `
stdin:11: Component/hello: spec.overrides[0].expires: Invalid value: "soon": spec.overrides[0].expires in body must be of type date: "soon"
`, `
1 document, 1 error, 0 warnings
`)
}

func TestRenderMergesOverrides(t *testing.T) {
	got := offlineCall(t, deviating("{spec: {template: {spec: {containers: [{name: app, resources: {limits: {memory: 2Gi}}}]}}}}", "2020-01-01"),
		"render", "-f", "-", "--team", "shop", "--cost-center", "c", "--tier", "Production")
	if got.code != exitOK || !strings.Contains(got.out, "memory: 2Gi") || strings.Count(got.out, "- env:") != 1 {
		t.Errorf("got %+v", got)
	}
}

// A first template that says nothing of tokens: the template is warned of, and the Component says what would happen.
func TestLintTellsOfTokens(t *testing.T) {
	files := func(said, tokens string) string {
		return `apiVersion: platform.towpath.dev/v1alpha1
kind: ServiceTemplate
metadata: {name: mine}
spec:
  summary: A first template.
  resources:
  - id: deployment
    object:
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: "${component.name}"}
      spec:
        selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
        template: {spec: {` + said + `securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: app, image: "${release.image}", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: mine}
spec: {tier: Development, serviceAccountTokens: ` + tokens + `}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: dev, namespace: team-shop}
spec: {classRef: {name: mine}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: hello, namespace: team-shop}
spec: {templateRef: {name: mine}, image: "registry.example/hello:1", environments: [{name: dev}]}
`
	}
	const warning = `
stdin:14: warning: ServiceTemplate/mine: spec.resources[deployment].object.spec.template.spec.automountServiceAccountToken: must be false but for classes with serviceAccountTokens: Allowed: else pods get a token of the API server, and what is rendered is refused: set it to false
`
	expect(t, offlineCall(t, files("automountServiceAccountToken: false, ", "Forbidden"), "lint", "-"), exitOK, "", `
4 documents, 0 errors, 0 warnings
`)
	expect(t, offlineCall(t, files("automountServiceAccountToken: true, ", "Allowed"), "lint", "-"), exitOK, warning, `
4 documents, 0 errors, 1 warning
`)
	expect(t, offlineCall(t, files("", "Forbidden"), "lint", "-"), exitFindings, warning+`stdin:29: Component/hello: spec.environments[0]: template mine makes what is refused: Deployment hello (resource deployment): spec.template.spec.automountServiceAccountToken: it must be false: else pods get a token of the API server, and with it whoever gets into one; set it to false in the template, or ask the platform team for a class with serviceAccountTokens: Allowed where the workload calls the API server
`, `
4 documents, 1 error, 1 warning
`)
}

// A class that allows some kinds alone is told of by whatever renders for it.
func TestLintTellsOfKindsThatTheClassDoesNotAllow(t *testing.T) {
	files := func(allowed string) string {
		return `apiVersion: platform.towpath.dev/v1alpha1
kind: ServiceTemplate
metadata: {name: mine}
spec:
  summary: A first template.
  resources:
  - id: config
    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}"}, data: {image: "${release.image}"}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: mine}
spec: {tier: Development, allowedKinds: [` + allowed + `]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: dev, namespace: team-shop}
spec: {classRef: {name: mine}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: hello, namespace: team-shop}
spec: {templateRef: {name: mine}, image: "registry.example/hello:1", environments: [{name: dev}]}
`
	}
	expect(t, offlineCall(t, files("{kind: ConfigMap}"), "lint", "-"), exitOK, "", `
4 documents, 0 errors, 0 warnings
`)
	for _, verb := range []string{"lint", "render"} {
		arguments := []string{"lint", "-"}
		if verb == "render" {
			arguments = []string{"render", "-f", "-", "--team", "shop", "--cost-center", "c"}
		}
		got := offlineCall(t, files("{kind: Service}, {group: apps, kind: Deployment}"), arguments...)
		const want = "ConfigMap hello (resource config): kind: class mine does not allow objects of kind ConfigMap, only Deployment.apps, Service"
		if got.code == exitOK || !strings.Contains(got.out+got.err, want) {
			t.Errorf("%s: got %+v, want %s", verb, got, want)
		}
	}
}
