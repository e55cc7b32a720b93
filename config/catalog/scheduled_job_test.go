package catalog_test

import (
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var scheduledJob = &goldenPath{
	name: "scheduled-job",
	inputs: map[string]input{
		"defaults":              {parameters: `{schedule: "30 2 * * *"}`},
		"suspended":             {parameters: `{schedule: "@daily", suspend: true}`},
		"exit-codes":            {parameters: `{schedule: "@hourly", nonRetriableExitCodes: [42, 3, 100], retries: 0}`},
		"indexed":               {parameters: `{schedule: "0 * * * *", indexed: {completions: 8}}`},
		"queue":                 {parameters: `{schedule: "0 * * * *", queue: batch}`, change: with(localQueue)},
		"queue-v1beta2":         {parameters: `{schedule: "0 * * * *", queue: batch}`, change: with("kueue.x-k8s.io/v1beta2/LocalQueue")},
		"queue-without-kueue":   {parameters: `{schedule: "0 * * * *", queue: batch}`},
		"kueue-without-queue":   {parameters: `{schedule: "0 * * * *"}`, change: with(localQueue)},
		"environment-variables": {parameters: `{schedule: "0 * * * *", args: [run, --all], imagePullSecrets: [registry]}`, change: variables},
		"everything": {
			parameters: `
schedule: 0,30 8-18/2 1-15 JAN-jun,12 MON-FRI
timeZone: America/Argentina/Buenos_Aires
concurrencyPolicy: Replace
startingDeadlineSeconds: 60
deadlineSeconds: 7200
retries: 1
nonRetriableExitCodes: [42]
indexed: {completions: 100, parallelism: 10, maxFailedIndexes: 5}
history: {successful: 1, failed: 10, keepSeconds: 86400}
queue: batch
resources: {cpu: 2, memory: 1Gi, memoryLimit: 2Gi}
shutdown: {drainSeconds: 120}
tmpSize: 1Gi
runAsUser: 1001
network:
  egress: Restricted
  allowTo: [{cidr: 10.20.0.0/16, port: 5432}]
`,
			change: with(localQueue),
		},
		"cloud-metadata": {parameters: `{schedule: "@weekly", network: {cloudMetadata: Allowed}}`},
		"longest-names": {
			parameters: `{schedule: "@yearly", network: {egress: Restricted, allowTo: [{cidr: 10.0.0.0/8, port: 443}]}}`,
			change:     longestNames,
		},
	},
	wrong: map[string]string{
		`{}`:                                                                   "parameters.schedule: Required value",
		`{schedule: hourly}`:                                                   `parameters.schedule: Invalid value: "hourly": must be five fields with one space between them`,
		`{schedule: "@every 5m"}`:                                              `parameters.schedule: Invalid value: "@every 5m": must be one of @hourly, @daily`,
		`{schedule: "* * * * * *"}`:                                            "must be five fields with one space between them",
		`{schedule: "60 * * * *"}`:                                             "the first field must be minutes from 0 to 59",
		`{schedule: "*/0 * * * *"}`:                                            "the first field must be minutes from 0 to 59",
		`{schedule: "0 24 * * *"}`:                                             "the second field must be hours from 0 to 23",
		`{schedule: "0 0 0 * *"}`:                                              "the third field must be days of the month from 1 to 31",
		`{schedule: "0 0 1 JANUARY *"}`:                                        "the fourth field must be months from 1 to 12 or JAN to DEC",
		`{schedule: "0 0 * * 7"}`:                                              "the fifth field must be days of the week from 0 (Sunday) to 6 or SUN to SAT",
		`{schedule: "0 22-5 * * *"}`:                                           "a range must not end before it begins",
		`{schedule: "0 0 * * SAT-SUN"}`:                                        "a range must not end before it begins; write SAT,SUN for a weekend",
		`{schedule: "0 0 1 dec-jan *"}`:                                        "a range must not end before it begins",
		`{schedule: "0 0 * * 5-SUN"}`:                                          "a range must be of two numbers or of two names",
		`{schedule: "TZ=UTC 0 0 * * *"}`:                                       "must be five fields",
		`{schedule: "@daily", timeZone: local}`:                                "must be the name of a place such as Europe/Berlin or Etc/UTC",
		`{schedule: "@daily", timeZone: ../UTC}`:                               `parameters.timeZone: Invalid value: "../UTC": must match`,
		`{schedule: "@daily", startingDeadlineSeconds: 5}`:                     "must be greater than or equal to 10",
		`{schedule: "@daily", nonRetriableExitCodes: [0]}`:                     "must be greater than or equal to 1",
		`{schedule: "@daily", nonRetriableExitCodes: [3, 3]}`:                  "parameters.nonRetriableExitCodes[1]: Duplicate value: 3",
		`{schedule: "@daily", indexed: {}}`:                                    `parameters.indexed.completions: Required value`,
		`{schedule: "@daily", indexed: {completions: 3, maxFailedIndexes: 4}}`: "parameters.indexed.maxFailedIndexes: Invalid value: 4: must be at most completions",
		`{schedule: "@daily", queue: Batch}`:                                   "parameters.queue: Invalid value",
	},
}

func jobOf(t *testing.T, r rendered) batchv1.JobTemplateSpec {
	t.Helper()
	return get[batchv1.CronJob](t, r, "cronJob").Spec.JobTemplate
}

func TestGoodSchedulesAreAccepted(t *testing.T) {
	_, compiled := scheduledJob.load(t)
	for _, schedule := range []string{
		"* * * * *", "*/5 * * * *", "0,5,10,15,20,25,30,35,40,45,50,55 * * * *", "00 09 * * *", "5/15 * * * *", "30 2 1,15 * *",
		"0 0 1 1 *", "0 0 * * sun", "0 0 * * SUN-sat", "0 0 1 Jan-DEC *", "0 8-18 * * MON-FRI", "0 22-23,0-5 * * *", "0 0 1 */3 *", "@hourly", "@midnight", "@annually",
	} {
		if _, errs := compiled.ResolveParameters(map[string]any{"schedule": schedule}, field.NewPath("parameters")); len(errs) > 0 {
			t.Errorf("%s: %v", schedule, errs)
		}
	}
}

// The API server holds a failure policy to these; the first two decide about data as well.
func TestAFailurePolicyIsWhatKubernetesTakes(t *testing.T) {
	scheduledJob.each(t, func(t *testing.T, r rendered) {
		job := jobOf(t, r).Spec
		if *job.PodReplacementPolicy != batchv1.Failed || job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			t.Error("a pod must be replaced once it is gone, and not restart")
		}
		if first := job.PodFailurePolicy.Rules[0]; first.Action != batchv1.PodFailurePolicyActionIgnore || first.OnPodConditions[0].Type != corev1.DisruptionTarget {
			t.Errorf("a disruption must not count as a failure, whatever the code: %+v", first)
		}
		indexed := job.CompletionMode != nil && *job.CompletionMode == batchv1.IndexedCompletion
		for _, rule := range job.PodFailurePolicy.Rules[1:] {
			if !slices.IsSorted(rule.OnExitCodes.Values) {
				t.Errorf("exit codes must be in order: %v", rule.OnExitCodes.Values)
			}
			if (rule.Action == batchv1.PodFailurePolicyActionFailIndex) != indexed {
				t.Errorf("indexed: %v, action: %s", indexed, rule.Action)
			}
		}
		if (job.BackoffLimitPerIndex != nil) != indexed || (job.BackoffLimit != nil) == indexed || (job.Completions != nil) != indexed {
			t.Errorf("indexed: %v, retries: %v or %v, completions: %v", indexed, job.BackoffLimitPerIndex, job.BackoffLimit, job.Completions)
		}
	})
}

func TestAJobWaitsInAQueueOnlyWhereThereIsKueue(t *testing.T) {
	scheduledJob.each(t, func(t *testing.T, r rendered) {
		job := jobOf(t, r)
		queue, _ := r.Parameters["queue"].(string)
		queued := queue != "" && len(r.Capabilities) > 0
		label, labelled := job.Labels["kueue.x-k8s.io/queue-name"]
		if labelled != queued || queued && label != queue || (job.Spec.Suspend != nil && *job.Spec.Suspend) != queued {
			t.Errorf("queued: %v, label: %q, suspended: %v", queued, label, job.Spec.Suspend)
		}
		if _, onPods := job.Spec.Template.Labels["kueue.x-k8s.io/queue-name"]; onPods {
			t.Error("pods with the label would be queued once more, each for itself")
		}
	})
}

func TestNobodyCallsAJob(t *testing.T) {
	scheduledJob.each(t, func(t *testing.T, r rendered) {
		spec := get[networkingv1.NetworkPolicy](t, r, "networkPolicy").Spec
		if len(spec.Ingress) > 0 || !slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeIngress) || has(r, "service") {
			t.Errorf("it can be called: %+v", spec)
		}
	})
}
