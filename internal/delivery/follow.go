package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The kinds by which tools follow a repository, as group/version/Kind.
const (
	ApplicationKind   = "argoproj.io/v1alpha1/Application"
	GitRepositoryKind = "source.toolkit.fluxcd.io/v1/GitRepository"
	KustomizationKind = "kustomize.toolkit.fluxcd.io/v1/Kustomization"
)

const (
	// maxFollower is how long the name of what follows a Component may be: Argo CD makes a label of it.
	maxFollower = 63
	// fluxInterval is how often Flux looks at a repository, and applyInterval how often it applies again what has not changed.
	fluxInterval, applyInterval, retryInterval = "1m0s", "10m0s", "1m0s"
)

// Follower is what has a tool follow the directory of a Component in an Environment.
type Follower struct {
	Target
	// Namespace is where the objects are, and Labels what they bear.
	Namespace string
	Labels    map[string]string
	// URL, Branch and Path are of the repository.
	URL, Branch, Path string
	// Project is that of Argo CD; the one named default if empty.
	Project string
	// Account is the one that applies, which Flux has beside its Kustomization. Secret is what Flux reads the repository with, if any.
	Account, Secret string
}

// Name of the Application or Kustomization. Those of two Components never meet.
func (f Follower) Name() string {
	return named(f.Environment.Namespace+"-"+f.Component.Name, f.Environment.Namespace, f.Component.Name)
}

// source is the name of the GitRepository, which is one for all that follow a branch of a repository with a Secret.
func (f Follower) source() string { return named("towpath", f.URL, f.Branch, f.Secret) }

// named ends in a hash of what it stands for.
func named(name string, of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	suffix := "-" + hex.EncodeToString(sum[:])[:8]
	return strings.TrimRight(name[:min(len(name), maxFollower-len(suffix))], "-") + suffix
}

// AnnotationFetch has Flux fetch a repository at once, and not with its next look, whenever its value changes. Here it is the time at which
// what has to be fetched was delivered.
const AnnotationFetch = "reconcile.fluxcd.io/requestedAt"

// GitRepository is the one of Flux that all Kustomizations of the branch share.
func (f Follower) GitRepository() *unstructured.Unstructured {
	spec := map[string]any{"url": f.URL, "interval": fluxInterval, "ref": map[string]any{"branch": f.Branch}}
	if f.Secret != "" {
		spec["secretRef"] = map[string]any{"name": f.Secret}
	}
	o := f.object("source.toolkit.fluxcd.io/v1", "GitRepository", f.source(), spec)
	o.SetLabels(map[string]string{"app.kubernetes.io/managed-by": f.Labels["app.kubernetes.io/managed-by"]})
	return o
}

// Kustomization is the one of Flux. Deleting it deletes what it applied.
func (f Follower) Kustomization() *unstructured.Unstructured {
	return f.object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", f.Name(), map[string]any{
		"interval": applyInterval, "retryInterval": retryInterval, "path": "./" + f.Path, "prune": true,
		"sourceRef":          map[string]any{"kind": "GitRepository", "name": f.source()},
		"serviceAccountName": f.Account,
	})
}

func (f Follower) object(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "spec": spec}}
	o.SetName(name)
	o.SetNamespace(f.Namespace)
	o.SetLabels(f.Labels)
	return o
}

// Holds says whether an object has all that another one says: what others add is theirs.
func Holds(live, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		for key, value := range want {
			if !ok || !Holds(have[key], value) {
				return false
			}
		}
		return ok
	case []any:
		have, ok := live.([]any)
		return ok && len(have) == len(want) && !slices.ContainsFunc(want, func(value any) bool {
			return !slices.ContainsFunc(have, func(other any) bool { return Holds(other, value) })
		})
	default:
		return live == want
	}
}

// Followed is what a tool says of what follows a directory.
type Followed struct {
	// Revision is the one that it last applied; empty where it has applied none.
	Revision string
	// Failure is why it cannot apply the newest; empty where it can, or has not tried.
	Failure string
	// Suspended says that the failure is that somebody has suspended it.
	Suspended bool
}

// ReadFlux reads what Flux says of a commit that was delivered at a time, in the GitRepository and the Kustomization of its directory. A
// Kustomization speaks of what was fetched last, and a directory that is new is missing there: until the repository was fetched after the
// commit, its failures are of what was there before, and none are told.
func ReadFlux(repository, kustomization *unstructured.Unstructured, commit string, delivered time.Time) Followed {
	f := Followed{Revision: text(kustomization, "status", "lastAppliedRevision")}
	for _, o := range []*unstructured.Unstructured{repository, kustomization} {
		if suspended, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend"); suspended {
			f.Suspended = true
			f.Failure = fmt.Sprintf("%s %s/%s is suspended, so nothing new is applied; resume it when it may be", o.GetKind(), o.GetNamespace(), o.GetName())
			return f
		}
	}
	if f.Failure, _ = refusal(repository); f.Failure != "" {
		return f
	}
	fetched := moment(repository, "status", "artifact", "lastUpdateTime")
	if !strings.HasSuffix(text(repository, "status", "artifact", "revision"), ":"+commit) && !fetched.After(delivered) && !looked(repository, commit, delivered) {
		return f
	}
	// Times are of seconds. What was missing in what was fetched before may have been so in the same one.
	failure, at := refusal(kustomization)
	if missing := strings.Contains(failure, " says: ArtifactFailed: "); at.After(fetched) || at.Equal(fetched) && !missing {
		f.Failure = failure
	}
	return f
}

// looked says whether Flux has looked at a repository as it was asked to for a commit, or later. Where it finds nothing new it fetches
// nothing: it may have had the commit, in a newer one, before the push of that was heard of. What it was asked while it was suspended
// does not count: resuming makes another generation, and that is observed once it has looked.
func looked(repository *unstructured.Unstructured, commit string, delivered time.Time) bool {
	observed, _, _ := unstructured.NestedInt64(repository.Object, "status", "observedGeneration")
	handled := text(repository, "status", "lastHandledReconcileAt")
	at, _ := time.Parse(time.RFC3339, handled)
	return observed == repository.GetGeneration() && (handled == FetchRequest(commit, delivered) || at.Truncate(time.Second).After(delivered))
}

// Fetched says whether Flux has fetched a branch since a commit was delivered to it, or was asked to since. Times are of seconds, so what
// happened in the same one does not count.
func Fetched(repository *unstructured.Unstructured, commit string, delivered time.Time) bool {
	asked := repository.GetAnnotations()[AnnotationFetch]
	at, _ := time.Parse(time.RFC3339, asked)
	return asked == FetchRequest(commit, delivered) || at.Truncate(time.Second).After(delivered) ||
		moment(repository, "status", "artifact", "lastUpdateTime").After(delivered) ||
		strings.HasSuffix(text(repository, "status", "artifact", "revision"), ":"+commit)
}

// FetchRequest is the value of AnnotationFetch for a commit: when it was delivered, with a fraction of a second that differs from commit to commit.
func FetchRequest(commit string, delivered time.Time) string {
	sum := sha256.Sum256([]byte(commit))
	return delivered.UTC().Format("2006-01-02T15:04:05") + fmt.Sprintf(".%03d%03d%03dZ", sum[0], sum[1], sum[2])
}

// refusal is why an object of Flux is not Ready, and since when; nothing where it is, or is at it.
func refusal(o *unstructured.Unstructured) (failure string, at time.Time) {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		reason, _ := condition["reason"].(string)
		passing := slices.Contains([]string{"Progressing", "ProgressingWithRetry", "DependencyNotReady"}, reason)
		if condition["type"] == "Ready" && condition["status"] == "False" && !passing {
			message, _ := condition["message"].(string)
			since, _ := condition["lastTransitionTime"].(string)
			at, _ = time.Parse(time.RFC3339, since)
			return fmt.Sprintf("%s %s/%s says: %s: %s", o.GetKind(), o.GetNamespace(), o.GetName(), reason, message), at
		}
	}
	return "", time.Time{}
}

// moment is a time of an object; the zero time where there is none.
func moment(o *unstructured.Unstructured, path ...string) time.Time {
	at, _ := time.Parse(time.RFC3339, text(o, path...))
	return at
}

func text(o *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(o.Object, path...)
	return found
}
