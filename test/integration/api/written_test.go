package api_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The kinds that people write.

const (
	componentSpec = `
templateRef: {name: web-service}
image: registry.example/shop/checkout:1.4.2
environments: [{name: dev}, {name: prod, parameters: {replicas: {max: 4}, empty: null}}]
parameters: {port: 8080, nested: {deep: [1, two, {three: 3}]}}
commit: {sha: 3f2c1ab, committedAt: "2026-11-20T09:14:00Z", author: ada@shop.example}
env: [{name: LOG_LEVEL, value: info}]
secretEnv: [{name: TOKEN, secretKeyRef: {name: checkout, key: token}}]
overrides: [{resource: deployment, patch: {spec: {replicas: 3, deep: [1, {a: b}]}}, reason: Load., expires: "2027-03-01"}]`
	environmentSpec = `classRef: {name: production}`
	classSpec       = `tier: Production`
	templateSpec    = `
summary: A service.
parameters: {type: object, properties: {port: {type: integer, default: 8080}}}
resources:
- {id: settings, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}", labels: {port: "${params.port}"}}}}`
)

var _ = Describe("Names", func() {
	DescribeTable("are accepted to the last character, and no further", func(ctx context.Context, kind, spec string, longest int, message string) {
		name := func(n int) string { return "a" + strings.Repeat("b", n-1) }
		Expect(create(ctx, object(kind, name(longest), spec))).To(Succeed())
		Expect(create(ctx, object(kind, name(longest+1), spec))).To(refuse(message))
		Expect(create(ctx, object(kind, "a", spec))).To(Succeed())
	},
		Entry("of a Component", "Component", componentSpec, 40, "metadata.name must be a DNS-1035 label of at most 40 characters"),
		Entry("of an Environment", "Environment", environmentSpec, 30, "metadata.name must be a DNS-1035 label of at most 30 characters"),
		Entry("of a ServiceTemplate", "ServiceTemplate", templateSpec, 40, "metadata.name must be a DNS-1035 label of at most 40 characters"),
		Entry("of an EnvironmentClass", "EnvironmentClass", classSpec, 63, "metadata.name must be at most 63 characters"),
	)

	DescribeTable("are DNS-1035 labels", func(ctx context.Context, kind, spec string) {
		Expect(create(ctx, object(kind, "a-1", spec))).To(Succeed())
		for _, name := range []string{"1a", "a.b"} {
			Expect(create(ctx, object(kind, name, spec))).To(refuse("DNS-1035"), name)
		}
		for _, name := range []string{"a-", "-a", "A", "a_b"} {
			Expect(create(ctx, object(kind, name, spec))).NotTo(Succeed(), name)
		}
	},
		Entry("of a Component", "Component", componentSpec),
		Entry("of an Environment", "Environment", environmentSpec),
		Entry("of a ServiceTemplate", "ServiceTemplate", templateSpec),
	)
})

var _ = Describe("A Component", func() {
	DescribeTable("accepts", func(ctx context.Context, line, replacement string) {
		Expect(create(ctx, object("Component", "checkout", instead(componentSpec, line, replacement)))).To(Succeed())
	},
		Entry("everything", "image:", "image:"),
		Entry("a pinned revision", "{name: web-service}", "{name: web-service, revision: 1}"),
		Entry("the longest name of a template", "web-service", strings.Repeat("a", 40)),
		Entry("a digest", "checkout:1.4.2", "checkout@sha256:"+strings.Repeat("a", 64)),
		Entry("a registry with a port, a tag and a digest", "registry.example/shop/checkout:1.4.2", "Registry.example:5000/a_b/c--d.e:V1@sha256:"+strings.Repeat("a", 64)),
		Entry("the longest image", "registry.example/shop/checkout:1.4.2", strings.Repeat("a", 512)),
		Entry("the shortest and the longest commit", "3f2c1ab", strings.Repeat("a", 64)),
		Entry("the longest author", "ada@shop.example", strings.Repeat("a", 254)),
		Entry("no commit", `commit: {sha: 3f2c1ab, committedAt: "2026-11-20T09:14:00Z", author: ada@shop.example}`, ""),
		Entry("no parameters", "parameters: {port: 8080, nested: {deep: [1, two, {three: 3}]}}", ""),
		Entry("an empty variable", "{name: LOG_LEVEL, value: info}", "{name: _}"),
		Entry("the longest variable", "{name: LOG_LEVEL, value: info}", "{name: "+strings.Repeat("A", 128)+", value: "+strings.Repeat("a", 8192)+"}"),
		Entry("the most variables", "[{name: LOG_LEVEL, value: info}]", list(128, "{name: A$i}")),
		Entry("the most secrets", "[{name: TOKEN, secretKeyRef: {name: checkout, key: token}}]", list(128, "{name: B$i, secretKeyRef: {name: a, key: b}}")),
		Entry("the longest secret and key", "{name: checkout, key: token}", "{name: "+strings.Repeat("a", 253)+", key: "+strings.Repeat("a", 253)+"}"),
		Entry("the most environments", "[{name: dev}, {name: prod, parameters: {replicas: {max: 4}, empty: null}}]", list(16, "{name: $i}")),
		Entry("the longest environment", "{name: dev}", "{name: "+strings.Repeat("a", 30)+"}"),
	)

	DescribeTable("refuses", func(ctx context.Context, line, replacement, message string) {
		Expect(create(ctx, object("Component", "checkout", instead(componentSpec, line, replacement)))).To(refuse(message))
	},
		Entry("no template", "templateRef: {name: web-service}", "", "spec.templateRef: Required"),
		Entry("a template without name", "{name: web-service}", "{}", "spec.templateRef.name: Required"),
		Entry("a template with an empty name", "{name: web-service}", `{name: ""}`, "spec.templateRef.name"),
		Entry("a template name that is too long", "web-service", strings.Repeat("a", 41), "spec.templateRef.name: Too long"),
		Entry("revision zero", "{name: web-service}", "{name: web-service, revision: 0}", "spec.templateRef.revision"),
		Entry("no image", "image: registry.example/shop/checkout:1.4.2", "", "image must be set where there is no source to build it from"),
		Entry("an empty image", "registry.example/shop/checkout:1.4.2", `""`, "spec.image"),
		Entry("an image with a blank", "registry.example/shop/checkout:1.4.2", `"checkout :1.4.2"`, "spec.image"),
		Entry("an image with an expression", "registry.example/shop/checkout:1.4.2", `"a${b}"`, "spec.image"),
		Entry("an image with two tags", "checkout:1.4.2", "checkout:1:2", "image must be [host[:port]/]path[:tag][@digest]"),
		Entry("an image in upper case", "shop/checkout:1.4.2", "Shop/checkout:1.4.2", "the path in lower case"),
		Entry("half a digest", "checkout:1.4.2", "checkout@sha256:abc", "a digest complete"),
		Entry("an image that is too long", "registry.example/shop/checkout:1.4.2", strings.Repeat("a", 513), "spec.image: Too long"),
		Entry("a commit without sha", "sha: 3f2c1ab, ", "", "spec.commit.sha: Required"),
		Entry("a commit that is too short", "3f2c1ab", "3f2c1a", "spec.commit.sha"),
		Entry("a commit that is too long", "3f2c1ab", strings.Repeat("a", 65), "spec.commit.sha"),
		Entry("a commit that is not hexadecimal", "3f2c1ab", "main-branch", "spec.commit.sha"),
		Entry("a time that is none", "2026-11-20T09:14:00Z", "yesterday", "spec.commit.committedAt"),
		Entry("an author that is too long", "ada@shop.example", strings.Repeat("a", 255), "spec.commit.author: Too long"),
		Entry("parameters that are no object", "parameters: {port: 8080, nested: {deep: [1, two, {three: 3}]}}", "parameters: [1]", "spec.parameters"),
		Entry("parameters of an environment that are no object", "{replicas: {max: 4}, empty: null}", "text", "spec.environments[1].parameters"),
		Entry("a variable without name", "{name: LOG_LEVEL, value: info}", "{value: info}", "spec.env[0].name: Required"),
		Entry("a variable with a bad name", "LOG_LEVEL", "LOG-LEVEL", "spec.env[0].name"),
		Entry("a variable name that is too long", "LOG_LEVEL", strings.Repeat("A", 129), "spec.env[0].name: Too long"),
		Entry("a variable value that is too long", "value: info", "value: "+strings.Repeat("a", 8193), "spec.env[0].value: Too long"),
		Entry("a variable twice", "[{name: LOG_LEVEL, value: info}]", "[{name: A}, {name: A}]", "spec.env[1]: Duplicate"),
		Entry("too many variables", "[{name: LOG_LEVEL, value: info}]", list(129, "{name: A$i}"), "spec.env: Too many"),
		Entry("a secret without reference", ", secretKeyRef: {name: checkout, key: token}", "", "spec.secretEnv[0].secretKeyRef: Required"),
		Entry("a secret without key", "{name: checkout, key: token}", "{name: checkout}", "spec.secretEnv[0].secretKeyRef.key: Required"),
		Entry("a secret with a bad key", "key: token", "key: a/b", "spec.secretEnv[0].secretKeyRef.key"),
		Entry("a secret key that is too long", "key: token", "key: "+strings.Repeat("a", 254), "spec.secretEnv[0].secretKeyRef.key: Too long"),
		Entry("a secret name that is too long", "{name: checkout,", "{name: "+strings.Repeat("a", 254)+",", "spec.secretEnv[0].secretKeyRef.name: Too long"),
		Entry("a secret variable with a bad name", "name: TOKEN", "name: 1TOKEN", "spec.secretEnv[0].name"),
		Entry("a secret variable twice", "[{name: TOKEN, secretKeyRef: {name: checkout, key: token}}]", list(2, "{name: A, secretKeyRef: {name: a, key: b}}"), "spec.secretEnv[1]: Duplicate"),
		Entry("too many secrets", "[{name: TOKEN, secretKeyRef: {name: checkout, key: token}}]", list(129, "{name: B$i, secretKeyRef: {name: a, key: b}}"), "spec.secretEnv: Too many"),
		Entry("a name in env and secretEnv", "name: TOKEN", "name: LOG_LEVEL", "a name must not stand in both env and secretEnv"),
		Entry("no environments", "[{name: dev}, {name: prod, parameters: {replicas: {max: 4}, empty: null}}]", "[]", "spec.environments"),
		Entry("too many environments", "[{name: dev}, {name: prod, parameters: {replicas: {max: 4}, empty: null}}]", list(17, "{name: $i}"), "spec.environments: Too many"),
		Entry("a path that comes back", "[{name: dev}, {name: prod, parameters: {replicas: {max: 4}, empty: null}}]", "[{name: dev}, {name: prod}, {name: dev}]", "spec.environments[2]: Duplicate"),
		Entry("an environment twice", "{name: dev}", "{name: prod}", "spec.environments[1]: Duplicate"),
		Entry("an environment name that no Environment can have", "{name: dev}", "{name: Bad_Name}", "spec.environments[0].name"),
		Entry("an environment name that is too long", "{name: dev}", "{name: "+strings.Repeat("a", 31)+"}", "spec.environments[0].name: Too long"),
		Entry("an override without resource", "resource: deployment, ", "", "spec.overrides[0].resource: Required"),
		Entry("an override without reason", "reason: Load., ", "", "spec.overrides[0].reason: Required"),
		Entry("an override with an empty reason", "reason: Load.", `reason: ""`, "spec.overrides[0].reason"),
		Entry("an override with too long a reason", "reason: Load.", "reason: "+strings.Repeat("a", 513), "spec.overrides[0].reason: Too long"),
		Entry("an override without patch", "patch: {spec: {replicas: 3, deep: [1, {a: b}]}}, ", "", "spec.overrides[0].patch: Required"),
		Entry("a patch that is no object", "{spec: {replicas: 3, deep: [1, {a: b}]}}", "[1]", "spec.overrides[0].patch"),
		Entry("an expiry that is no date", `"2027-03-01"`, "soon", "spec.overrides[0].expires"),
		Entry("an expiry on a day that is not", `"2027-03-01"`, `"2027-02-30"`, "spec.overrides[0].expires"),
		Entry("an expiry with a time", `"2027-03-01"`, `"2027-03-01T00:00:00Z"`, "spec.overrides[0].expires"),
		Entry("too many overrides", `[{resource: deployment, patch: {spec: {replicas: 3, deep: [1, {a: b}]}}, reason: Load., expires: "2027-03-01"}]`, list(17, "{resource: a, patch: {a: $i}, reason: a}"), "spec.overrides: Too many"),
		Entry("a field that does not exist", "image:", "imge: x\nimage:", `unknown field "spec.imge"`),
	)

	It("stays with its template, and changes all the rest", func(ctx context.Context) {
		u := made(ctx, object("Component", "checkout", componentSpec))
		Expect(patch(ctx, u, `{"spec":{"templateRef":{"name":"worker"}}}`)).To(refuse("templateRef.name must not change: make another Component"))
		Expect(patch(ctx, u, `{"spec":{"templateRef":{"revision":7},"image":"a:2","environments":[{"name":"prod"}],"parameters":{"port":1}}}`)).To(Succeed())
	})

	It("keeps its parameters and patches as they were written", func(ctx context.Context) {
		u := made(ctx, object("Component", "checkout", componentSpec))
		Expect(u.Object["spec"].(map[string]any)["overrides"].([]any)[0]).To(HaveKeyWithValue("patch", HaveKeyWithValue("spec", HaveKeyWithValue("deep", HaveLen(2)))))
		Expect(u.Object["spec"]).To(HaveKeyWithValue("parameters", HaveKeyWithValue("nested", HaveKeyWithValue("deep", HaveLen(3)))))
		Expect(u.Object["spec"].(map[string]any)["environments"].([]any)[1]).To(HaveKeyWithValue("parameters", HaveKeyWithValue("empty", BeNil())),
			"null deletes a key when parameters merge, so that it must survive")
	})
})

var _ = Describe("An Environment", func() {
	It("needs a class, and stays with it", func(ctx context.Context) {
		Expect(create(ctx, object("Environment", "prod", `{}`))).To(refuse("spec.classRef: Required"))
		Expect(create(ctx, object("Environment", "prod", `classRef: {}`))).To(refuse("spec.classRef.name: Required"))
		Expect(create(ctx, object("Environment", "prod", `classRef: {name: ""}`))).To(refuse("spec.classRef.name"))
		Expect(create(ctx, object("Environment", "prod", `classRef: {name: `+strings.Repeat("a", 63)+`}`))).To(Succeed())
		Expect(create(ctx, object("Environment", "prod", `classRef: {name: `+strings.Repeat("a", 64)+`}`))).To(refuse("spec.classRef.name: Too long"))
		u := made(ctx, object("Environment", "prod", environmentSpec))
		Expect(patch(ctx, u, `{"spec":{"classRef":{"name":"staging"}}}`)).To(refuse("classRef must not change: make another Environment"))
		Expect(patch(ctx, u, `{"metadata":{"labels":{"a":"b"}}}`)).To(Succeed())
	})

	It("lives for a minute to a year", func(ctx context.Context) {
		for seconds, message := range map[string]string{"60": "", "31536000": "", "59": "spec.lifetimeSeconds", "31536001": "spec.lifetimeSeconds", "-1": "spec.lifetimeSeconds"} {
			err := create(ctx, object("Environment", "pr", environmentSpec+"\nlifetimeSeconds: "+seconds))
			if message == "" {
				Expect(err).NotTo(HaveOccurred(), seconds)
			} else {
				Expect(err).To(refuse(message), seconds)
			}
		}
	})

	DescribeTable("says for which pull request it is", func(ctx context.Context, pr, message string) {
		err := create(ctx, object("Environment", "pr", environmentSpec+"\nsourceRef: "+pr))
		if message == "" {
			Expect(err).NotTo(HaveOccurred())
		} else {
			Expect(err).To(refuse(message))
		}
	},
		Entry("by its number", "{pullRequest: {number: 7}}", ""),
		Entry("by its address too", "{pullRequest: {number: 2147483647, url: 'https://git.example:8443/a/b/-/merge_requests/2147483647'}}", ""),
		Entry("by the longest address", "{pullRequest: {number: 7, url: 'http://a/"+strings.Repeat("b", 2048-9)+"'}}", ""),
		Entry("not by an address that is too long", "{pullRequest: {number: 7, url: 'http://a/"+strings.Repeat("b", 2048-8)+"'}}", "spec.sourceRef.pullRequest.url: Too long"),
		Entry("not by the number zero", "{pullRequest: {number: 0}}", "spec.sourceRef.pullRequest.number"),
		Entry("not by an address alone", "{pullRequest: {url: 'https://git.example/a/b/pull/7'}}", "spec.sourceRef.pullRequest.number: Required"),
		Entry("not by nothing", "{}", "spec.sourceRef.pullRequest: Required"),
		Entry("not by a script", "{pullRequest: {number: 7, url: 'javascript:alert(1)//'}}", "url must be http:// or https://"),
		Entry("not with credentials", "{pullRequest: {number: 7, url: 'https://user:token@git.example/a/b/pull/7'}}", "without credentials"),
		Entry("not with a query", "{pullRequest: {number: 7, url: 'https://git.example/a/b/pull/7?private_token=x'}}", "query"),
		Entry("not with a quote", `{pullRequest: {number: 7, url: 'https://git.example/a"><b'}}`, "url must be"),
	)

	It("stays that of its pull request", func(ctx context.Context) {
		u := made(ctx, object("Environment", "pr", environmentSpec+"\nsourceRef: {pullRequest: {number: 7}}"))
		for _, change := range []string{`{"pullRequest":{"number":8}}`, `{"pullRequest":{"url":"https://git.example/a/pull/7"}}`, `null`} {
			Expect(patch(ctx, u, `{"spec":{"sourceRef":`+change+`}}`)).To(refuse("sourceRef must not change"), change)
		}
		Expect(patch(ctx, u, `{"spec":{"lifetimeSeconds":3600}}`)).To(Succeed())
	})
})

var _ = Describe("An EnvironmentClass", func() {
	It("has one of the tiers, and keeps it", func(ctx context.Context) {
		for _, tier := range []string{"Development", "Staging", "Production", "Preview"} {
			Expect(create(ctx, object("EnvironmentClass", "c", "tier: "+tier))).To(Succeed())
		}
		Expect(create(ctx, object("EnvironmentClass", "c", "tier: production"))).To(refuse("spec.tier: Unsupported value"))
		Expect(create(ctx, object("EnvironmentClass", "c", "{}"))).To(refuse("spec.tier: Required"))
		u := made(ctx, object("EnvironmentClass", "c", classSpec))
		Expect(patch(ctx, u, `{"spec":{"tier":"Staging"}}`)).To(refuse("tier must not change: make another EnvironmentClass"))
		Expect(patch(ctx, u, `{"spec":{"podSecurity":"Baseline"}}`)).To(Succeed())
	})

	DescribeTable("bounds how long environments live, and what a team has", func(ctx context.Context, spec, message string) {
		err := create(ctx, object("EnvironmentClass", "c", classSpec+"\n"+spec))
		if message == "" {
			Expect(err).NotTo(HaveOccurred())
		} else {
			Expect(err).To(refuse(message))
		}
	},
		Entry("by a default", "lifetime: {defaultSeconds: 60}", ""),
		Entry("by a maximum", "lifetime: {maxSeconds: 31536000}", ""),
		Entry("by both", "lifetime: {defaultSeconds: 3600, maxSeconds: 3600}", ""),
		Entry("not by neither", "lifetime: {}", "spec.lifetime"),
		Entry("not by a default above the maximum", "lifetime: {defaultSeconds: 3601, maxSeconds: 3600}", "defaultSeconds must not exceed maxSeconds"),
		Entry("not by less than a minute", "lifetime: {maxSeconds: 59}", "spec.lifetime.maxSeconds"),
		Entry("by the most environments", "maxPerTeam: 1000", ""),
		Entry("not by more", "maxPerTeam: 1001", "spec.maxPerTeam"),
		Entry("not by less than one", "maxPerTeam: -1", "spec.maxPerTeam"),
		Entry("by resources of a team", "teamQuota: {requests.cpu: 10, requests.nvidia.com/gpu: 2, count/deployments.apps: 9}", ""),
		Entry("not by limits.cpu", "teamQuota: {limits.cpu: 10}", "teamQuota must not hold limits.cpu"),
		Entry("not by what is not counted", "teamQuota: {happiness: 10}", "teamQuota must hold resources that Kubernetes counts"),
		Entry("not by nothing", "teamQuota: {}", "spec.teamQuota"),
	)

	It("has one of the levels of pod security, by default the strictest", func(ctx context.Context) {
		u := made(ctx, object("EnvironmentClass", "c", classSpec))
		Expect(u.Object["spec"]).To(HaveKeyWithValue("podSecurity", "Restricted"))
		for _, level := range []string{"Restricted", "Baseline", "Privileged"} {
			Expect(create(ctx, object("EnvironmentClass", "d", classSpec+"\npodSecurity: "+level))).To(Succeed())
		}
		Expect(create(ctx, object("EnvironmentClass", "d", classSpec+"\npodSecurity: restricted"))).To(refuse("spec.podSecurity: Unsupported value"))
	})
})

var _ = Describe("A ServiceTemplate", func() {
	const settings = `- {id: settings, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}", labels: {port: "${params.port}"}}}}`

	DescribeTable("accepts", func(ctx context.Context, line, replacement string) {
		Expect(create(ctx, object("ServiceTemplate", "web", instead(templateSpec, line, replacement)))).To(Succeed())
	},
		Entry("everything", "summary:", "summary:"),
		Entry("the longest summary", "A service.", strings.Repeat("a", 256)),
		Entry("no parameters", "parameters: {type: object, properties: {port: {type: integer, default: 8080}}}", ""),
		Entry("the longest id", "id: settings", "id: "+strings.Repeat("a", 63)),
		Entry("an id of several words", "id: settings", "id: appSettings2"),
		Entry("expressions", "id: settings,", "id: settings, includeWhen: '${true}', forEach: '${[1]}', readyWhen: '${"+strings.Repeat("a", 4093)+"}',"),
		Entry("the most resources", settings, "  "+list(64, "{id: $i, object: {kind: A}}")),
	)

	DescribeTable("refuses", func(ctx context.Context, line, replacement, message string) {
		Expect(create(ctx, object("ServiceTemplate", "web", instead(templateSpec, line, replacement)))).To(refuse(message))
	},
		Entry("no summary", "summary: A service.", "", "spec.summary: Required"),
		Entry("an empty summary", "A service.", `""`, "spec.summary"),
		Entry("a summary that is too long", "A service.", strings.Repeat("a", 257), "spec.summary: Too long"),
		Entry("parameters that are no object", "{type: object, properties: {port: {type: integer, default: 8080}}}", "[1]", "spec.parameters"),
		Entry("too many open paths", "summary: A service.", "summary: A service.\noverrides: {allow: "+list(65, "{resource: a, path: a$i}")+"}", "spec.overrides.allow: Too many"),
		Entry("an open path without resource", "summary: A service.", "summary: A service.\noverrides: {allow: [{path: a}]}", "spec.overrides.allow[0].resource: Required"),
		Entry("an open path that is too long", "summary: A service.", "summary: A service.\noverrides: {allow: [{resource: a, path: "+strings.Repeat("a", 513)+"}]}", "spec.overrides.allow[0].path: Too long"),
		Entry("no resources", settings, "  []", "spec.resources"),
		Entry("too many resources", settings, "  "+list(65, "{id: $i, object: {kind: A}}"), "spec.resources: Too many"),
		Entry("an id twice", settings, settings+"\n"+settings, "spec.resources[1]: Duplicate"),
		Entry("no id", "id: settings, ", "", "spec.resources[0].id: Required"),
		Entry("an id with a hyphen", "id: settings", "id: app-settings", "spec.resources[0].id"),
		Entry("an id in upper case", "id: settings", "id: Settings", "spec.resources[0].id"),
		Entry("an id that is too long", "id: settings", "id: "+strings.Repeat("a", 64), "spec.resources[0].id"),
		Entry("no object", settings, "- {id: settings}", "spec.resources[0].object: Required"),
		Entry("an object that is none", settings, "- {id: settings, object: text}", "spec.resources[0].object"),
		Entry("an empty condition", "id: settings,", `id: settings, includeWhen: "",`, "spec.resources[0].includeWhen"),
		Entry("a condition that is too long", "id: settings,", "id: settings, includeWhen: "+strings.Repeat("a", 4097)+",", "spec.resources[0].includeWhen: Too long"),
		Entry("a loop that is too long", "id: settings,", "id: settings, forEach: "+strings.Repeat("a", 4097)+",", "spec.resources[0].forEach: Too long"),
		Entry("a readiness that is too long", "id: settings,", "id: settings, readyWhen: "+strings.Repeat("a", 4097)+",", "spec.resources[0].readyWhen: Too long"),
	)

	It("may change, and keeps its objects as they were written", func(ctx context.Context) {
		u := made(ctx, object("ServiceTemplate", "web", templateSpec))
		Expect(u.Object["spec"].(map[string]any)["resources"].([]any)[0]).To(HaveKeyWithValue("object",
			HaveKeyWithValue("metadata", HaveKeyWithValue("labels", HaveKeyWithValue("port", "${params.port}")))))
		Expect(patch(ctx, u, `{"spec":{"summary":"Another.","parameters":null}}`)).To(Succeed())
	})
})
