package source

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/condition"
)

const maxMessage = 1024

// report writes status.source where it differs, and nothing else of the status: the rest is the Component controller's.
func (r *Reconciler) report(ctx context.Context, c *platformv1alpha1.Component, found *finding) error {
	if found != nil && found.soon > 0 {
		return nil
	}
	before := r.Schedule.lastWritten(c)
	after := r.status(c, before, found)
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": c.UID}, "status": map[string]any{"source": fields(after)}})
	if err != nil {
		return err
	}
	written := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}}
	if err := r.Status().Patch(ctx, written, client.RawPatch(types.MergePatchType, patch), fieldOwner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing status.source of Component %s: %w", c.Name, err))
	}
	if found != nil {
		r.Schedule.wrote(c, after, written.ResourceVersion)
		if reason(before) != reason(after) && after.Reason != "" {
			r.tell(c, "Warning", after.Reason, after.Message)
		}
	}
	return nil
}

func reason(s *platformv1alpha1.SourceStatus) string {
	if s == nil {
		return ""
	}
	return s.Reason
}

// fields is what to write: a merge patch removes only what it names.
func fields(s *platformv1alpha1.SourceStatus) any {
	if s == nil {
		return nil
	}
	all := map[string]any{"repository": s.Repository, "branch": s.Branch, "head": nil, "headSince": nil, "reason": nil, "message": nil, "pipeline": nil, "seen": nil}
	if s.Head != "" {
		all["head"], all["headSince"] = s.Head, s.HeadSince
	}
	if s.Reason != "" {
		all["reason"], all["message"] = s.Reason, s.Message
	}
	if s.Seen != nil {
		seen := map[string]any{"tags": nil, "pullRequests": nil, "message": nil}
		for name, text := range map[string]string{"tags": s.Seen.Tags, "pullRequests": s.Seen.PullRequests, "message": s.Seen.Message} {
			if text != "" {
				seen[name] = text
			}
		}
		all["seen"] = seen
	}
	if p := s.Pipeline; p != nil {
		pipeline := map[string]any{"state": p.State, "revision": nil, "message": nil}
		if p.Revision != 0 {
			pipeline["revision"] = p.Revision
		}
		if p.Message != "" {
			pipeline["message"] = p.Message
		}
		all["pipeline"] = pipeline
	}
	return all
}

// status is what is known of the repository now. What was known stays while it cannot be asked.
func (r *Reconciler) status(c *platformv1alpha1.Component, before *platformv1alpha1.SourceStatus, found *finding) *platformv1alpha1.SourceStatus {
	if found == nil {
		return nil
	}
	after := &platformv1alpha1.SourceStatus{Repository: c.Spec.Source.Repository, Branch: build.Branch(c.Spec.Source)}
	if before != nil && before.Repository == after.Repository && before.Branch == after.Branch {
		after.Head, after.HeadSince, after.Pipeline, after.Seen = before.Head, before.HeadSince, before.Pipeline, before.Seen
	}
	if found.head != "" && found.head != after.Head {
		now := metav1.NewTime(r.Clock.Now()).Rfc3339Copy()
		after.Head, after.HeadSince = found.head, &now
	}
	if !found.failed {
		after.Pipeline, after.Seen = found.pipeline, found.seen
	}
	if found.failed {
		after.Reason, after.Message = string(found.reason), condition.Clip(found.message, maxMessage)
	}
	return after
}

// lastWritten is the status as it is: that of the cache, unless that is older than what was written last.
func (s *Schedule) lastWritten(c *platformv1alpha1.Component) *platformv1alpha1.SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[key(c)]
	if t == nil || t.version == "" {
		return c.Status.Source
	}
	if order, err := resourceversion.CompareResourceVersion(c.ResourceVersion, t.version); err == nil && order < 0 {
		return t.written
	}
	return c.Status.Source
}

func (s *Schedule) wrote(c *platformv1alpha1.Component, status *platformv1alpha1.SourceStatus, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.all[key(c)]; t != nil {
		t.written, t.version = status, version
	}
}

// tell emits an event about a Component.
func (r *Reconciler) tell(c *platformv1alpha1.Component, kind, reason, message string) {
	if r.Recorder != nil {
		r.Recorder.Eventf(c, nil, kind, reason, "Poll", "%s", message)
	}
}
