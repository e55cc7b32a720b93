package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// numbered is a Release of shop in prod.
func numbered(number int64, name, version string, how func(*platformv1alpha1.Release)) *platformv1alpha1.Release {
	r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, UID: "uid-of-release", Labels: map[string]string{
		platformv1alpha1.LabelComponent: "shop", platformv1alpha1.LabelEnvironment: "prod",
	}}}
	r.Spec.Number, r.Spec.Version = number, version
	r.Spec.Component.Name, r.Spec.Environment.Name = "shop", "prod"
	if how != nil {
		how(r)
	}
	return r
}

func waits(r *platformv1alpha1.Release) { r.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1} }

// repeats is a Release that brought another one back.
func repeats(number int64, name, version, to string) *platformv1alpha1.Release {
	return numbered(number, name, version, func(r *platformv1alpha1.Release) {
		r.Spec.Cause, r.Spec.Rollback = platformv1alpha1.CauseRollback, &platformv1alpha1.ReleaseRollback{To: to}
	})
}

func wasReady(r *platformv1alpha1.Release) { r.Status.ReadyAt = &metav1.Time{Time: time.Unix(1, 0)} }

// inProd is a Component whose last step is prod, where shop-prod-3 waits.
func inProd(how func(*platformv1alpha1.Component)) *platformv1alpha1.Component {
	c := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "shop"}}
	c.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}, {Name: "prod"}}
	c.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "dev"}, {Name: "prod", Release: "shop-prod-2", Pending: "shop-prod-3"}}
	if how != nil {
		how(c)
	}
	return c
}

// asBob runs the CLI for a user whom the cluster knows as bob, and returns what is there afterwards.
func asBob(t *testing.T, objects []client.Object, args ...string) (call, client.Client) {
	t.Helper()
	fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if review, ok := o.(*authenticationv1.SelfSubjectReview); ok {
				review.Status.UserInfo.Username = "bob"
				return nil
			}
			return c.Create(ctx, o, options...)
		},
	}).Build()
	connect := func(cluster.Flags) (*cluster.Cluster, error) {
		return &cluster.Cluster{Client: fakes, Namespace: "team-shop"}, nil
	}
	return with(t, connect, "", append([]string{"towpath"}, args...)...), fakes
}

func TestApprove_MakesARecordInTheCallersName(t *testing.T) {
	for verb, decision := range map[string]platformv1alpha1.Decision{"approve": "Approve", "reject": "Reject"} {
		got, fakes := asBob(t, []client.Object{numbered(3, "shop-prod-3", "v2", waits)}, verb, "shop-prod-3", "--reason", "Seen.")
		var list platformv1alpha1.ApprovalList
		if err := fakes.List(t.Context(), &list); err != nil || got.code != exitOK || len(list.Items) != 1 {
			t.Fatalf("%s: %+v, %d Approvals, %v", verb, got, len(list.Items), err)
		}
		want := platformv1alpha1.ApprovalSpec{
			ReleaseRef: platformv1alpha1.ReleaseReference{Name: "shop-prod-3", UID: "uid-of-release"}, Approver: "bob", Decision: decision, Reason: "Seen.",
		}
		if a := list.Items[0]; a.Spec != want || a.Namespace != "team-shop" || len(a.OwnerReferences) != 1 || a.OwnerReferences[0].UID != "uid-of-release" {
			t.Errorf("%s made %+v", verb, a)
		}
		if !strings.Contains(got.out, "bob: "+string(decision)+" of release shop-prod-3 for prod") {
			t.Errorf("%s says %q", verb, got.out)
		}
	}
}

func TestApprove_OnlyWhatWaits(t *testing.T) {
	superseded := numbered(2, "shop-prod-2", "v1", waits)
	superseded.Status.SupersededAt = &metav1.Time{Time: time.Unix(1, 0)}
	objects := []client.Object{numbered(1, "shop-prod-1", "v0", nil), superseded}
	for name, want := range map[string]string{
		"shop-prod-1": "waits for no gate", "shop-prod-2": "waits no more", "shop-prod-9": "does not exist in namespace team-shop",
	} {
		for _, verb := range []string{"approve", "promote"} {
			if got, _ := asBob(t, objects, verb, name); got.code != exitFindings || !strings.Contains(got.err, want) {
				t.Errorf("%s %s: %+v", verb, name, got)
			}
		}
	}
}

func TestPromote(t *testing.T) {
	held := inProd(func(c *platformv1alpha1.Component) {
		c.Spec.Environments[1].RollbackTo, c.Status.Environments[1].Pending = 1, ""
	})
	nothing := inProd(func(c *platformv1alpha1.Component) { c.Status.Environments[1].Pending = "" })
	asked := inProd(func(c *platformv1alpha1.Component) { c.Spec.RequestedBy = "ada" })
	for name, tc := range map[string]struct {
		component *platformv1alpha1.Component
		args      []string
		code      int
		promote   string
		by        string
	}{
		"a Release":                              {inProd(nil), []string{"shop-prod-3"}, exitOK, "shop-prod-3", ""},
		"what waits in an environment":           {inProd(nil), []string{"shop", "prod"}, exitOK, "shop-prod-3", ""},
		"in one's own name":                      {asked, []string{"shop", "prod"}, exitOK, "shop-prod-3", "bob"},
		"an environment that is held":            {held, []string{"shop", "prod"}, exitOK, "", ""},
		"where nothing waits":                    {nothing, []string{"shop", "prod"}, exitFindings, "", ""},
		"an environment that is not in the path": {inProd(nil), []string{"shop", "moon"}, exitFindings, "", ""},
		"a Component that does not exist":        {inProd(nil), []string{"cart", "prod"}, exitFindings, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, fakes := asBob(t, []client.Object{tc.component.DeepCopy(), numbered(3, "shop-prod-3", "v2", waits)}, append([]string{"promote"}, tc.args...)...)
			live := inProd(nil)
			if err := fakes.Get(t.Context(), client.ObjectKeyFromObject(live), live); err != nil {
				t.Fatal(err)
			}
			step := live.Spec.Environments[1]
			if got.code != tc.code || step.Promote != tc.promote || step.RollbackTo != 0 || live.Spec.RequestedBy != tc.by {
				t.Errorf("got %+v, and the Component has %+v, asked for by %q", got, step, live.Spec.RequestedBy)
			}
		})
	}
}

func TestRollback(t *testing.T) {
	releases := []client.Object{
		numbered(1, "shop-prod-1", "v0", wasReady), numbered(2, "shop-prod-2", "v1", nil), numbered(3, "shop-prod-3", "v2", waits),
	}
	for name, tc := range map[string]struct {
		objects []client.Object
		args    []string
		code    int
		want    int64
	}{
		"to what was Ready last":      {releases, nil, exitOK, 1},
		"to a number":                 {append(releases[1:], numbered(7, "shop-prod-7", "v0", wasReady)), []string{"--to", "7"}, exitOK, 7},
		"to one that is not there":    {releases, []string{"--to", "7"}, exitFindings, 0},
		"to one that was never Ready": {releases, []string{"--to", "2"}, exitFindings, 0},
		"to one that never entered":   {releases, []string{"--to", "3"}, exitFindings, 0},
		"again, further back":         {append(slices.Clone(releases), numbered(4, "shop-prod-4", "v3", wasReady), numbered(5, "shop-prod-5", "v4", wasReady), repeats(6, "shop-prod-6", "v3", "shop-prod-4")), nil, exitOK, 1},
		"again, where nothing was Ready before what was brought back": {append(slices.Clone(releases), numbered(4, "shop-prod-4", "v4", wasReady), repeats(5, "shop-prod-5", "v0", "shop-prod-1")), nil, exitFindings, 0},
		"where nothing was Ready before":                              {releases[1:], nil, exitFindings, 0},
		"where nothing ever ran":                                      {nil, nil, exitFindings, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, fakes := asBob(t, append([]client.Object{inProd(nil)}, tc.objects...), append([]string{"rollback", "shop", "prod"}, tc.args...)...)
			live := inProd(nil)
			if err := fakes.Get(t.Context(), client.ObjectKeyFromObject(live), live); err != nil {
				t.Fatal(err)
			}
			if got.code != tc.code || live.Spec.Environments[1].RollbackTo != tc.want {
				t.Errorf("got %+v, and the Component has %+v", got, live.Spec.Environments[1])
			}
		})
	}
}

func TestRollback_SaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		text string
	}{
		"a number below 1":                       {[]string{"shop", "prod", "--to", "-1"}, exitTrouble, "--to must be the number of a Release"},
		"an environment that is not in the path": {[]string{"shop", "moon"}, exitFindings, "moon is not in the path of component shop, which is dev, prod"},
		"a Component that does not exist":        {[]string{"cart", "prod"}, exitFindings, "component cart does not exist in namespace team-shop"},
		"a Release that was never Ready":         {[]string{"shop", "prod", "--to", "9"}, exitFindings, "get releases"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := asBob(t, []client.Object{inProd(nil)}, append([]string{"rollback"}, tc.args...)...); got.code != tc.code || !strings.Contains(got.err, tc.text) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestApprove_SaysWhatTheReleaseStillWaitsFor(t *testing.T) {
	const message = "Release shop-prod-3 needs 1 approval to enter prod; bob made the change, and cannot approve it."
	waiting := inProd(func(c *platformv1alpha1.Component) { c.Status.Environments[1].Message = message })
	got, _ := asBob(t, []client.Object{waiting, numbered(3, "shop-prod-3", "v2", waits)}, "approve", "shop-prod-3")
	if got.code != exitOK || !strings.Contains(got.out, "it still waits: "+message) {
		t.Errorf("got %+v", got)
	}
	entered := inProd(func(c *platformv1alpha1.Component) { c.Status.Environments[1].Pending = "" })
	if got, _ = asBob(t, []client.Object{entered, numbered(3, "shop-prod-3", "v2", waits)}, "approve", "shop-prod-3"); got.code != exitOK || strings.Contains(got.out, "waits") {
		t.Errorf("got %+v", got)
	}
}

func TestApproveAndPromote_SayThatSomebodyRejectedIt(t *testing.T) {
	const message = "eve rejected the version for prod (Release shop-prod-3), since: It is broken."
	rejected := inProd(func(c *platformv1alpha1.Component) {
		c.Status.Environments[1].Reason, c.Status.Environments[1].Message = platformv1alpha1.ReasonRejected, message
	})
	for verb, says := range map[string]bool{"approve": true, "promote": true, "reject": false} {
		got, _ := asBob(t, []client.Object{rejected.DeepCopy(), numbered(3, "shop-prod-3", "v2", waits)}, verb, "shop-prod-3")
		if got.code != exitOK || strings.Contains(got.out, "it does not enter: "+message) != says || strings.Contains(got.out, "still waits") {
			t.Errorf("%s: got %+v", verb, got)
		}
	}
}

func TestPromote_SaysWhatTheReleaseStillWaitsFor(t *testing.T) {
	const message = "The version must have been Ready in dev for 1h0m0s."
	waiting := inProd(func(c *platformv1alpha1.Component) { c.Status.Environments[1].Message = message })
	for _, args := range [][]string{{"shop-prod-3"}, {"shop", "prod"}} {
		got, _ := asBob(t, []client.Object{waiting.DeepCopy(), numbered(3, "shop-prod-3", "v2", waits)}, append([]string{"promote"}, args...)...)
		if got.code != exitOK || !strings.Contains(got.out, "promoted release shop-prod-3 into prod\nit still waits: "+message) {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}
