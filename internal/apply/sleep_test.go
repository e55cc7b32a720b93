package apply

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const asleepFields = `{"f:metadata":{"f:annotations":{"f:platform.towpath.dev/awake":{}}},"f:spec":{"f:paused":{},"f:replicas":{}}}`

// dozing is the metadata of an object of a kind that says what it goes back to.
func dozing(kind, awake string, entries ...metav1.ManagedFieldsEntry) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{Kind: kind},
		ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: "7", Annotations: map[string]string{platformv1alpha1.AnnotationAwake: awake}, ManagedFields: entries,
		},
	}
}

func TestAsleep_OnlyWhereWeSaySo(t *testing.T) {
	for name, tc := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		want    bool
	}{
		"we do":                     {[]metav1.ManagedFieldsEntry{entry(FieldOwner, applies, "", asleepFields)}, true},
		"somebody else does":        {[]metav1.ManagedFieldsEntry{entry("kubectl-edit", updates, "", asleepFields), entry(FieldOwner, applies, "", `{"f:spec":{"f:replicas":{}}}`)}, false},
		"somebody under our name":   {[]metav1.ManagedFieldsEntry{entry(FieldOwner, updates, "", asleepFields)}, false},
		"nobody":                    {nil, false},
		"we do, with others beside": {[]metav1.ManagedFieldsEntry{entry("kube-controller-manager", updates, "status", `{}`), entry(FieldOwner, applies, "", asleepFields)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Asleep(tc.entries); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestWaking(t *testing.T) {
	ours := entry(FieldOwner, applies, "", asleepFields)
	const gone = `{"op":"remove","path":"/metadata/annotations/platform.towpath.dev~1awake"}`
	for name, tc := range map[string]struct {
		live *metav1.PartialObjectMetadata
		want string
	}{
		"a Deployment":              {dozing("Deployment", "3", ours), `[` + gone + `,{"op":"replace","path":"/spec/replicas","value":3}]`},
		"one that had no pods":      {dozing("Deployment", "0", ours), `[` + gone + `,{"op":"replace","path":"/spec/replicas","value":0}]`},
		"one of which nobody knows": {dozing("StatefulSet", "", ours), `[` + gone + `,{"op":"replace","path":"/spec/replicas","value":1}]`},
		"a CronJob":                 {dozing("CronJob", "false", ours), `[` + gone + `,{"op":"replace","path":"/spec/suspend","value":false}]`},
		"one that was suspended":    {dozing("CronJob", "true", ours), `[` + gone + `,{"op":"replace","path":"/spec/suspend","value":true}]`},
		"a ScaledObject":            {dozing("ScaledObject", "running", ours), `[` + gone + `,{"op":"remove","path":"/metadata/annotations/autoscaling.keda.sh~1paused-replicas"}]`},
		"one that was paused":       {dozing("ScaledObject", "paused", ours), `[` + gone + `]`},
		"one that is awake":         {dozing("Deployment", "99", entry("kubectl-edit", updates, "", asleepFields)), `null`},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(waking(tc.live.Kind, tc.live))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(raw)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whoever applies the manifests next must neither meet a conflict, nor set an autoscaler's pods back to one.
func TestHandedOn_NobodyOwnsThePodsOfWhatSleeps(t *testing.T) {
	live := dozing("Deployment", "3", entry(FieldOwner, applies, "", asleepFields))
	entries, err := handedOn(live.ManagedFields, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"kubectl": `{"f:spec":{"f:paused":{}}}`}, owners(entries)); diff != "" {
		t.Error(diff)
	}
}
