package api_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The kinds that the controllers write.

const releaseSpec = `
number: 1
component: {name: checkout, uid: uid-1}
environment: {name: prod, uid: uid-2, namespace: shop-prod, class: production, tier: Production}
template: web-service
revision: {name: web-service-1, number: 1}
version: abc
cause: ImageChange
image: app:1
commit: {sha: 3f2c1ab}
parameters: {port: 8080, replicas: {min: 2}}
env: [{name: A, value: b}]
secretEnv: [{name: C, secretKeyRef: {name: d, key: e}}]
capabilities: [gateway.networking.k8s.io/v1/HTTPRoute]
team: shop
costCenter: cc-1
labelAliases: {team: platform.towpath.dev/team}
podSecurity: Restricted
overrides: [{resource: deployment, patch: {spec: {replicas: 3}}, reason: x, merge: [{path: spec.x, strategy: Keyed, keys: [{name: id}]}]}]
inventory: [{resource: deployment, apiVersion: apps/v1, kind: Deployment, name: checkout}]`

var revisionSpec = `
templateName: web-service
number: 1
hash: ` + strings.Repeat("a", 64) + `
template: {summary: A service., parameters: {type: object}, resources: [{id: settings, object: {kind: ConfigMap, data: {key: value}}}]}`

var _ = Describe("A Release", func() {
	long := func(n int) string { return strings.Repeat("a", n) }

	DescribeTable("accepts", func(ctx context.Context, line, replacement string) {
		Expect(create(ctx, object("Release", "checkout-prod-1", instead(releaseSpec, line, replacement)))).To(Succeed())
	},
		Entry("everything", "image:", "image:"),
		Entry("each longest name", "{name: checkout, uid: uid-1}", "{name: "+long(40)+", uid: "+long(36)+"}"),
		Entry("the longest environment", "name: prod, uid: uid-2, namespace: shop-prod, class: production", "name: "+long(30)+", uid: "+long(36)+", namespace: "+long(63)+", class: "+long(63)),
		Entry("the most objects", "[{resource: deployment, apiVersion: apps/v1, kind: Deployment, name: checkout}]", list(512, "{resource: r, apiVersion: v1, kind: ConfigMap, name: $i}")),
		Entry("a preview", "tier: Production", "tier: Preview"),
		Entry("the most aliases", "{team: platform.towpath.dev/team}", "{"+strings.Trim(list(16, "$i: b"), "[]")+"}"),
	)

	DescribeTable("refuses", func(ctx context.Context, line, replacement, message string) {
		Expect(create(ctx, object("Release", "checkout-prod-1", instead(releaseSpec, line, replacement)))).To(refuse(message))
	},
		Entry("number zero", "number: 1\ncomponent", "number: 0\ncomponent", "spec.number"),
		Entry("no number", "number: 1\ncomponent", "component", "spec.number: Required"),
		Entry("no component", "component: {name: checkout, uid: uid-1}", "", "spec.component: Required"),
		Entry("no uid", "{name: checkout, uid: uid-1}", "{name: checkout}", "spec.component.uid: Required"),
		Entry("a uid that is too long", "uid: uid-1", "uid: "+long(37), "spec.component.uid: Too long"),
		Entry("a component name that is too long", "{name: checkout,", "{name: "+long(41)+",", "spec.component.name: Too long"),
		Entry("no namespace", "namespace: shop-prod, ", "", "spec.environment.namespace: Required"),
		Entry("an unknown tier", "tier: Production", "tier: Test", "spec.environment.tier: Unsupported value"),
		Entry("no template", "template: web-service\n", "", "spec.template: Required"),
		Entry("no revision", "revision: {name: web-service-1, number: 1}", "", "spec.revision: Required"),
		Entry("revision zero", "{name: web-service-1, number: 1}", "{name: web-service-1, number: 0}", "spec.revision.number"),
		Entry("no version", "version: abc", "", "spec.version: Required"),
		Entry("a version that is too long", "version: abc", "version: "+long(65), "spec.version: Too long"),
		Entry("an unknown cause", "ImageChange", "Because", "spec.cause: Unsupported value"),
		Entry("no image", "image: app:1", "", "spec.image: Required"),
		Entry("no team", "team: shop", "", "spec.team: Required"),
		Entry("no cost centre", "costCenter: cc-1", "", "spec.costCenter: Required"),
		Entry("no pod security", "podSecurity: Restricted", "", "spec.podSecurity: Required"),
		Entry("an unknown pod security", "podSecurity: Restricted", "podSecurity: None", "spec.podSecurity: Unsupported value"),
		Entry("an empty inventory", "[{resource: deployment, apiVersion: apps/v1, kind: Deployment, name: checkout}]", "[]", "spec.inventory"),
		Entry("too many objects", "[{resource: deployment, apiVersion: apps/v1, kind: Deployment, name: checkout}]", list(513, "{resource: r, apiVersion: v1, kind: ConfigMap, name: $i}"), "spec.inventory: Too many"),
		Entry("an object without kind", "kind: Deployment, ", "", "spec.inventory[0].kind: Required"),
		Entry("a capability twice", "[gateway.networking.k8s.io/v1/HTTPRoute]", "[a, a]", "spec.capabilities[1]: Duplicate"),
		Entry("an unknown strategy", "strategy: Keyed", "strategy: Merge", "spec.overrides[0].merge[0].strategy: Unsupported value"),
		Entry("a merge rule twice", "keys: [{name: id}]}]", "keys: [{name: id}]}, {path: spec.x, strategy: Set}]", "spec.overrides[0].merge[1]: Duplicate"),
		Entry("too many aliases", "{team: platform.towpath.dev/team}", "{"+strings.Trim(list(17, "$i: b"), "[]")+"}", "spec.labelAliases"),
	)
})

var _ = Describe("A ServiceTemplateRevision", func() {
	DescribeTable("refuses", func(ctx context.Context, line, replacement, message string) {
		Expect(create(ctx, object("ServiceTemplateRevision", "web-service-1", instead(revisionSpec, line, replacement)))).To(refuse(message))
	},
		Entry("no template name", "templateName: web-service", "", "spec.templateName: Required"),
		Entry("number zero", "number: 1", "number: 0", "spec.number"),
		Entry("a hash that is too short", strings.Repeat("a", 64), strings.Repeat("a", 63), "spec.hash"),
		Entry("a hash that is not hexadecimal", strings.Repeat("a", 64), strings.Repeat("g", 64), "spec.hash"),
		Entry("a template without resources", "[{id: settings, object: {kind: ConfigMap, data: {key: value}}}]", "[]", "spec.template.resources"),
		Entry("no summary", "summary: A service., ", "", "spec.template.summary: Required"),
	)

	It("never changes, down to its objects", func(ctx context.Context) {
		u := made(ctx, object("ServiceTemplateRevision", "web-service-1", revisionSpec))
		for _, change := range []string{
			`{"number":2}`, `{"template":{"summary":"Another."}}`, `{"template":{"parameters":{"properties":{}}}}`,
			`{"template":{"resources":[{"id":"settings","object":{"kind":"ConfigMap","data":{"key":"other"}}}]}}`,
		} {
			Expect(patch(ctx, u, `{"spec":`+change+`}`)).To(refuse("spec must not change: a revision is an immutable record"), change)
		}
		Expect(patch(ctx, u, `{"metadata":{"annotations":{"a":"b"}}}`)).To(Succeed())
	})
})
