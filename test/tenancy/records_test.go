package tenancy_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// forgedRelease is a record of mallory's Component that claims to have made another team's objects.
func forgedRelease(ctx context.Context) (*platformv1alpha1.Release, error) {
	var live platformv1alpha1.Release
	if err := admin.Get(ctx, client.ObjectKeyFromObject(evil.release), &live); err != nil {
		return nil, err
	}
	forged := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: evil.home, Name: "forged"}, Spec: live.Spec}
	forged.Spec.Environment.Namespace = victim.work
	return forged, nil
}

func anyRelease(name string) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: evil.home, Name: name}}
}

// records are attempts to forge what Towpath wrote down, and goes by.
func records() []attack {
	theRelease := func() client.Object { return evil.release.DeepCopy() }
	theEnvironment := func() client.Object { return evil.environment.DeepCopy() }
	theComponent := func() client.Object { return evil.component.DeepCopy() }
	patch := func(what string, of func() client.Object, text func() string) attack {
		return attack{what: what, by: byGreta, wall: byPolicy("towpath-records"), target: of,
			do: func(ctx context.Context, c client.Client) error { return c.Patch(ctx, of(), merge(text())) }}
	}
	status := func(what string, of func() client.Object, text func() string) attack {
		return attack{what: what, by: byGreta, wall: byPolicy("towpath-records"), target: of,
			do: func(ctx context.Context, c client.Client) error { return c.Status().Patch(ctx, of(), merge(text())) }}
	}
	literal := func(text string) func() string { return func() string { return text } }
	create := func(ctx context.Context, c client.Client) error {
		forged, err := forgedRelease(ctx)
		if err != nil {
			return err
		}
		return c.Create(ctx, forged)
	}
	return []attack{
		{what: "a Release that one wrote oneself, by a developer", by: byMallory, do: create, wall: byRBAC(),
			target:  func() client.Object { return anyRelease("forged") },
			control: func(ctx context.Context) error { return create(ctx, client.NewDryRunClient(fooled)) }},
		{what: "a Release that one wrote oneself, into another team's namespace", by: byGreta, do: create, wall: byPolicy("towpath-records"),
			target: func() client.Object { return anyRelease("forged") }},
		patch("another inventory of a Release", theRelease, literal(
			`{"spec":{"inventory":[{"resource":"config","apiVersion":"v1","kind":"ConfigMap","name":"foreign"}]}}`)),
		status("the UID of a foreign object in a Release's inventory", theRelease, func() string {
			return fmt.Sprintf(`{"status":{"objects":[{"resource":"config","apiVersion":"v1","kind":"ConfigMap","name":"foreign","health":"Ready","uid":%q}]}}`, evil.component.UID)
		}),
		patch("a Release's finalizer, so that what it made stays", theRelease, literal(`{"metadata":{"finalizers":null}}`)),
		patch("another team on a Release", theRelease, literal(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"other"}}}`)),
		patch("another Component's name on a Release", theRelease, literal(`{"metadata":{"labels":{"`+platformv1alpha1.LabelComponent+`":"other"}}}`)),
		patch("an owner reference out of a Release", theRelease, literal(
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"kube-system","uid":"x"}]}}`)),
		status("another team's namespace in an Environment's status", theEnvironment, func() string {
			return fmt.Sprintf(`{"status":{"namespace":%q}}`, victim.work)
		}),
		status("weaker pod security in an Environment's status", theEnvironment, literal(`{"status":{"podSecurity":"Privileged"}}`)),
		status("another cost centre in an Environment's status", theEnvironment, literal(`{"status":{"costCenter":"other"}}`)),
		status("another end in an Environment's status", theEnvironment, literal(`{"status":{"expiresAt":"2020-01-01T00:00:00Z"}}`)),
		status("a lower ceiling in an Environment's status, which leaves the team more", theEnvironment, literal(`{"status":{"ceiling":{"pods":"0"}}}`)),
		status("a Component's status", theComponent, literal(`{"status":{"environments":[{"name":"dev","release":"other","ready":"True"}]}}`)),
		{what: "an Environment's status, by a developer", by: byMallory, wall: byRBAC(), target: theEnvironment,
			do: func(ctx context.Context, c client.Client) error {
				return c.Status().Patch(ctx, theEnvironment(), merge(`{"status":{"podSecurity":"Privileged"}}`))
			},
			control: func(ctx context.Context) error {
				return fooled.Status().Patch(ctx, theEnvironment(), merge(`{"status":{"podSecurity":"Privileged"}}`), client.DryRunAll)
			}},
		{what: "a revision of a golden path that was never compiled", by: byGreta, wall: byRBAC(),
			target: func() client.Object { return revisionOf("mine") },
			do:     func(ctx context.Context, c client.Client) error { return c.Create(ctx, revisionOf("mine")) },
			control: func(ctx context.Context) error {
				return fooled.Create(ctx, revisionOf("mine"), client.DryRunAll)
			}},
	}
}

// finalizers are attempts to leave behind what somebody else then pays for.
func finalizers() []attack {
	of := func() client.Object { return leaving.environment.DeepCopy() }
	by := func(what string, do func(context.Context, client.Client) error) attack {
		return attack{what: "the finalizer of an Environment that is being deleted, by " + what, by: byGreta, do: do,
			wall: byPolicy("towpath-finalizers"), target: of}
	}
	return []attack{
		by("merge patch", func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, of(), merge(`{"metadata":{"finalizers":null}}`))
		}),
		by("JSON patch", func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, of(), client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`)))
		}),
		by("update", func(ctx context.Context, c client.Client) error {
			live := leaving.environment.DeepCopy()
			if err := admin.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
				return err
			}
			live.Finalizers = nil
			return c.Update(ctx, live)
		}),
	}
}

// labels are attempts to forge whose something is.
func labels() []attack {
	forged := map[string]string{platformv1alpha1.LabelOwnerUID: "forged", platformv1alpha1.LabelTeam: "other"}
	const label = `{"metadata":{"labels":{"` + platformv1alpha1.LabelCostCenter + `":"other"}}}`
	own := func() client.Object { return configMap(evil.work, "orders-config", nil) }
	foreign := func() client.Object { return configMap(evil.work, "foreign", nil) }
	made := func() client.Object { return configMap(evil.work, "forged", forged) }
	labelled := func(what string, of func() client.Object, do func(context.Context, client.Client) error) attack {
		return attack{what: what, by: byGreta, wall: byPolicy("towpath-labels"), target: of, do: do}
	}
	template := func(what, text string) attack {
		of := func() client.Object {
			u := object(text)
			u.SetNamespace(evil.work)
			return u
		}
		return attack{what: what, by: byGreta, wall: byPolicy("towpath-templates"), target: of,
			do: func(ctx context.Context, c client.Client) error { return c.Create(ctx, of()) }}
	}
	const pod = `{metadata: {labels: {app: x, platform.towpath.dev/team: other}}, spec: {restartPolicy: Never, containers: [{name: app, image: "app:1"}]}}`
	const plainPod = `{metadata: {labels: {app: x}}, spec: {containers: [{name: app, image: "app:1"}]}}`
	return []attack{
		labelled("an object with a forged owner", made, func(ctx context.Context, c client.Client) error { return c.Create(ctx, made()) }),
		labelled("the owner's label on an object that is nobody's", foreign, func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, foreign(), merge(fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, platformv1alpha1.LabelOwnerUID, evil.component.UID)))
		}),
		labelled("another cost centre on an object, by merge patch", own, func(ctx context.Context, c client.Client) error { return c.Patch(ctx, own(), merge(label)) }),
		labelled("another cost centre on an object, by server-side apply", own, func(ctx context.Context, c client.Client) error {
			intent := object(`{apiVersion: v1, kind: ConfigMap, metadata: {name: orders-config, labels: {platform.towpath.dev/cost-center: other}}}`)
			intent.SetNamespace(evil.work)
			return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(intent), client.FieldOwner("greta"), client.ForceOwnership)
		}),
		labelled("an object without its labels, by update", own, func(ctx context.Context, c client.Client) error {
			var live corev1.ConfigMap
			if err := admin.Get(ctx, client.ObjectKeyFromObject(own()), &live); err != nil {
				return err
			}
			live.Labels = nil
			return c.Update(ctx, &live)
		}),
		labelled("an object without its owner, by JSON patch", own, func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, own(), client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/labels/platform.towpath.dev~1owner-uid"}]`)))
		}),
		labelled("a pod with a forged Component, whose calls others would let in",
			func() client.Object { return podOf("forged") },
			func(ctx context.Context, c client.Client) error {
				forger := podOf("forged")
				forger.Labels = map[string]string{platformv1alpha1.LabelComponent: "orders"}
				return c.Create(ctx, forger)
			}),
		template("a Deployment whose pods bear another team",
			`{apiVersion: apps/v1, kind: Deployment, metadata: {name: forged}, spec: {selector: {matchLabels: {app: x}}, template: `+
				`{metadata: {labels: {app: x, platform.towpath.dev/team: other}}, spec: {containers: [{name: app, image: "app:1"}]}}}}`),
		template("a Job whose pods bear another team", `{apiVersion: batch/v1, kind: Job, metadata: {name: forged, labels: {app: x}}, spec: {template: `+pod+`}}`),
		template("a CronJob whose Jobs bear another team",
			`{apiVersion: batch/v1, kind: CronJob, metadata: {name: forged}, spec: {schedule: "* * * * *", jobTemplate: {metadata: {labels: `+
				`{platform.towpath.dev/team: other}}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: "app:1"}]}}}}}}`),
		template("a StatefulSet whose claims bear another cost centre",
			`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: forged}, spec: {serviceName: x, selector: {matchLabels: {app: x}}, template: `+plainPod+
				`, volumeClaimTemplates: [{metadata: {name: data, labels: {platform.towpath.dev/cost-center: other}}, spec: `+
				`{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}`),
		template("a Deployment whose ephemeral claims bear another cost centre",
			`{apiVersion: apps/v1, kind: Deployment, metadata: {name: forged}, spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: `+
				`{containers: [{name: app, image: "app:1"}], volumes: [{name: data, ephemeral: {volumeClaimTemplate: {metadata: {labels: `+
				`{platform.towpath.dev/cost-center: other}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]}}}}`),
	}
}
