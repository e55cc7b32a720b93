package compatibility_test

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/compatibility"
)

// made is a template that makes one object.
func made(t *testing.T, object string) *platformv1alpha1.ServiceTemplateSpec {
	t.Helper()
	return spec(t, "summary: x\nparameters: {type: object, properties: {size: {type: string, default: 1Gi}}}\nresources:\n- id: it\n  object: {metadata: {name: a}, "+object+"}\n")
}

// TestCompare_WhatTheAPIServerFixes compares objects in fields that the API server does not let be changed, some of them by
// what their values are.
func TestCompare_WhatTheAPIServerFixes(t *testing.T) {
	const safe, risky, breaking = platformv1alpha1.ChangeSafe, platformv1alpha1.ChangeRisky, platformv1alpha1.ChangeBreaking
	const (
		config = "apiVersion: v1, kind: ConfigMap"
		claim  = "apiVersion: v1, kind: PersistentVolumeClaim, spec: {resources: {requests: {storage: %}}}"
		job    = "apiVersion: batch/v1, kind: Job, spec: {parallelism: 1"
	)
	sized := func(size string) string { return strings.Replace(claim, "%", size, 1) }
	for name, c := range map[string]struct {
		old, new string
		level    platformv1alpha1.ChangeLevel
		want     string
	}{
		"data":                             {config + ", data: {a: b}", config + ", data: {a: c}", safe, "data.a changes in place"},
		"data that became immutable":       {config + ", data: {a: b}", config + ", data: {a: c}, immutable: true", safe, "data.a, immutable changes in place"},
		"immutable data":                   {config + ", immutable: true, data: {a: b}", config + ", immutable: true, data: {a: c}", breaking, "data.a cannot be changed"},
		"immutable data, said so":          {config + ", immutable: false, data: {a: b}", config + ", immutable: false, data: {a: c}", safe, "data.a changes in place"},
		"perhaps immutable data":           {config + `, immutable: "${params.size == ''}", binaryData: {a: b}`, config + `, immutable: "${params.size == ''}", binaryData: {a: c}`, breaking, "binaryData.a cannot be changed"},
		"immutable no more":                {config + ", immutable: true", config, breaking, "immutable cannot be changed"},
		"the rest of what is immutable":    {config + ", immutable: true", config + ", immutable: true, extra: a", safe, "extra changes in place"},
		"the type of a Secret":             {"apiVersion: v1, kind: Secret, type: Opaque", "apiVersion: v1, kind: Secret, type: tls", breaking, "type cannot be changed"},
		"an immutable Secret":              {"apiVersion: v1, kind: Secret, immutable: true, stringData: {a: b}", "apiVersion: v1, kind: Secret, immutable: true, stringData: {a: c}", breaking, "stringData.a cannot be changed"},
		"a claim that shrinks":             {sized("2Gi"), sized("1024Mi"), breaking, "spec.resources.requests.storage cannot be changed"},
		"a claim that grows":               {sized("1024Mi"), sized("2Gi"), risky, "spec.resources.requests.storage changes: a claim grows only where"},
		"a claim of who knows what size":   {sized("2Gi"), sized(`"${params.size}"`), risky, "spec.resources.requests.storage changes: a claim grows only where"},
		"when a Job has succeeded":         {job + "}", job + ", successPolicy: {rules: [{succeededCount: 1}]}}", breaking, "spec.successPolicy cannot be changed"},
		"who runs a Job":                   {job + "}", job + ", managedBy: kueue.x-k8s.io/multikueue}", breaking, "spec.managedBy cannot be changed"},
		"how many pods of a Job run":       {job + "}", strings.Replace(job, "parallelism: 1", "parallelism: 2", 1) + "}", safe, "spec.parallelism changes in place"},
		"what a Job runs":                  {job + ", template: {spec: {containers: [{name: a, image: b}]}}}", job + ", template: {spec: {containers: [{name: a, image: c}]}}}", breaking, "spec.template.spec.containers cannot be changed"},
		"another kind named like one here": {"apiVersion: example.org/v1, kind: ConfigMap, immutable: true, data: {a: b}", "apiVersion: example.org/v1, kind: ConfigMap, immutable: true, data: {a: c}", safe, "data.a changes in place"},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := compatibility.Compare(made(t, c.old), made(t, c.new))
			if err != nil {
				t.Fatal(err)
			}
			if len(changes) != 1 || changes[0].Level != c.level || !strings.HasPrefix(changes[0].Message, c.want) {
				t.Errorf("got %v\nwant only %s %s", changes, c.level, c.want)
			}
		})
	}
}
