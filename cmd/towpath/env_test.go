package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	prURL  = "https://git.example/shop/checkout/pull/7"
	prEnv  = "pr-7-eaaebc96"
	prCopy = "checkout-pr-7-133b0ba3"
)

// checkoutOf is a Component checkout, which uses orders-db.
func checkoutOf(how func(*platformv1alpha1.Component)) []client.Object {
	checkout := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout"}}
	checkout.Spec.TemplateRef.Name, checkout.Spec.Image = "web-service", "registry.example/checkout:1"
	checkout.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}, {Name: "prod"}}
	checkout.Spec.Uses = []platformv1alpha1.Use{{Component: "orders-db"}}
	db := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "orders-db"}}
	db.Spec.TemplateRef.Name, db.Spec.Image = "postgres", "registry.example/postgres:18"
	db.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}}
	if how != nil {
		how(checkout)
	}
	class := &platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: "preview"}}
	class.Spec.Tier = platformv1alpha1.TierPreview
	class.Spec.Lifetime = &platformv1alpha1.Lifetime{DefaultSeconds: 86400, MaxSeconds: 7 * 86400}
	return []client.Object{checkout, db, class}
}

func previewArgs(image string, more ...string) []string {
	return append([]string{"env", "preview", "--pr", prURL, "--component", "checkout", "--image", image}, more...)
}

// left is what a preview that was made left, as if the API server had set its UID.
func left(t *testing.T, c client.Client) []client.Object {
	t.Helper()
	var environments platformv1alpha1.EnvironmentList
	var components platformv1alpha1.ComponentList
	if err := c.List(t.Context(), &environments); err != nil {
		t.Fatal(err)
	}
	if err := c.List(t.Context(), &components); err != nil {
		t.Fatal(err)
	}
	objects := checkoutOf(nil)[2:]
	for i := range environments.Items {
		environments.Items[i].ResourceVersion = ""
		objects = append(objects, &environments.Items[i])
	}
	for i := range components.Items {
		components.Items[i].ResourceVersion = ""
		objects = append(objects, &components.Items[i])
	}
	return objects
}

func componentOf(t *testing.T, c client.Client, name string) *platformv1alpha1.Component {
	t.Helper()
	found := &platformv1alpha1.Component{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: name}, found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEnvPreview_MakesTheEnvironmentAndCopiesWhatIsUsed(t *testing.T) {
	got, fakes := asBob(t, checkoutOf(nil), previewArgs("registry.example/checkout:pr", "--for", "48h", "--parameters", "port: 9090", "--commit", "3f2a9c1")...)
	if got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	for _, text := range []string{
		"environment " + prEnv + " created, for " + prURL + ", class preview\n",
		"component " + prCopy + " created: a copy of checkout with image registry.example/checkout:pr\n",
		"a copy of orders-db with image registry.example/postgres:18\n",
		"next: towpath status -n team-shop " + prCopy + "\n",
	} {
		if !strings.Contains(got.out, text) {
			t.Errorf("it does not say %q:\n%s", text, got.out)
		}
	}
	var environment platformv1alpha1.Environment
	if err := fakes.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: prEnv}, &environment); err != nil {
		t.Fatal(err)
	}
	if source := environment.Spec.SourceRef; source == nil || source.PullRequest.Number != 7 || source.PullRequest.URL != prURL || environment.Spec.LifetimeSeconds != 48*3600 {
		t.Errorf("the environment is %+v", environment.Spec)
	}
	copied := componentOf(t, fakes, prCopy)
	if copied.Spec.Uses[0].As != "ordersDb" || !strings.HasPrefix(copied.Spec.Uses[0].Component, "orders-db-pr-7-") ||
		string(copied.Spec.Environments[0].Parameters.Raw) != `{"port":9090}` || copied.Spec.Commit.SHA != "3f2a9c1" {
		t.Errorf("the copy is %+v", copied.Spec)
	}
}

func TestEnvPreview_IsIdempotentAndUpdatesTheImage(t *testing.T) {
	_, fakes := asBob(t, checkoutOf(nil), previewArgs("registry.example/checkout:1")...)
	objects := left(t, fakes)
	again, fakes := asBob(t, objects, previewArgs("registry.example/checkout:1")...)
	if again.code != exitOK || strings.Count(again.out, " unchanged") != 3 {
		t.Errorf("the same call changes something: %+v", again)
	}
	next, fakes := asBob(t, left(t, fakes), previewArgs("registry.example/checkout:2", "-o", "json")...)
	var report previewReport
	if err := json.Unmarshal([]byte(next.out), &report); err != nil || next.code != exitOK {
		t.Fatalf("%+v: %v", next, err)
	}
	if report.Environment.Action != "unchanged" || len(report.Components) != 2 || report.Components[0].Action != "updated" || report.Components[1].Action != "unchanged" || report.Kind != "Preview" {
		t.Errorf("%+v", report)
	}
	if image := componentOf(t, fakes, prCopy).Spec.Image; image != "registry.example/checkout:2" {
		t.Errorf("the copy runs %s", image)
	}
	if image := componentOf(t, fakes, "checkout").Spec.Image; image != "registry.example/checkout:1" {
		t.Errorf("the original runs %s", image)
	}
}

// What the pull request gave an image of its own keeps it when something that uses it is copied.
func TestEnvPreview_LeavesWhatIsUsedAsItIs(t *testing.T) {
	_, fakes := asBob(t, checkoutOf(nil), "env", "preview", "--pr", prURL, "--component", "orders-db", "--image", "registry.example/postgres:pr")
	got, fakes := asBob(t, left(t, fakes), previewArgs("registry.example/checkout:pr")...)
	name := componentOf(t, fakes, prCopy).Spec.Uses[0].Component
	if image := componentOf(t, fakes, name).Spec.Image; got.code != exitOK || image != "registry.example/postgres:pr" {
		t.Errorf("%+v, and %s runs %s", got, name, image)
	}
}

func TestEnvPreview_AsksInTheCallersName(t *testing.T) {
	asked := checkoutOf(func(c *platformv1alpha1.Component) { c.Spec.RequestedBy = "ada" })
	_, fakes := asBob(t, asked, previewArgs("registry.example/checkout:1")...)
	if by := componentOf(t, fakes, prCopy).Spec.RequestedBy; by != "bob" {
		t.Errorf("the copy is asked for by %q", by)
	}
}

func TestEnvPreview_SaysWhichSecretsItTakes(t *testing.T) {
	secret := checkoutOf(func(c *platformv1alpha1.Component) {
		c.Spec.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "TOKEN", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "payment", Key: "token"}}}
	})
	got, _ := asBob(t, secret, previewArgs("registry.example/checkout:1")...)
	if !strings.Contains(got.out, "payment must be in the namespace of environment "+prEnv) {
		t.Errorf("%+v", got)
	}
}

func TestEnvPreview_Refuses(t *testing.T) {
	foreign := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: prEnv}}
	foreign.Spec.SourceRef = &platformv1alpha1.SourceReference{PullRequest: platformv1alpha1.PullRequest{Number: 7, URL: "https://git.example/other/pull/7"}}
	ours := foreign.DeepCopy()
	ours.Spec.SourceRef.PullRequest.URL, ours.Spec.ClassRef.Name = prURL, "preview"
	taken := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: prCopy}}
	copied := checkoutOf(func(c *platformv1alpha1.Component) {
		c.Labels = map[string]string{platformv1alpha1.LabelPreviewOf: "cart"}
	})
	production := &platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: "production"}}
	production.Spec.Tier = platformv1alpha1.TierProduction
	lost := checkoutOf(func(c *platformv1alpha1.Component) { c.Spec.Uses[0].Component = "moon" })
	for name, tc := range map[string]struct {
		objects []client.Object
		args    []string
		code    int
		text    string
	}{
		"an environment of another pull request": {append(checkoutOf(nil), foreign), previewArgs("i:1"), exitFindings, "is not that of " + prURL},
		"another class":                          {append(checkoutOf(nil), ours), previewArgs("i:1", "--class", "big"), exitFindings, "is of class preview, which cannot change"},
		"a class that does not exist":            {checkoutOf(nil), previewArgs("i:1", "--class", "big"), exitFindings, "EnvironmentClass big does not exist"},
		"a class of production":                  {append(checkoutOf(nil), production), previewArgs("i:1", "--class", "production"), exitFindings, "is of tier Production, which is for no previews"},
		"the same, tried":                        {checkoutOf(nil), previewArgs("i:1", "--class", "big", "--dry-run"), exitFindings, "EnvironmentClass big does not exist"},
		"a name that is taken":                   {append(checkoutOf(nil), taken), previewArgs("i:1"), exitFindings, "exists, and is no copy of checkout"},
		"a copy of a copy":                       {copied, previewArgs("i:1"), exitFindings, "is a copy itself"},
		"what is used and does not exist":        {lost, previewArgs("i:1"), exitFindings, "component moon does not exist"},
		"a Component that does not exist":        {nil, previewArgs("i:1"), exitFindings, "component checkout does not exist in namespace team-shop"},
		"what is no pull request":                {nil, []string{"env", "preview", "--pr", "main", "--component", "checkout", "--image", "i"}, exitTrouble, `--pr: "main" is neither`},
		"parameters that are no object":          {nil, previewArgs("i:1", "--parameters", "7"), exitTrouble, "--parameters must be an object"},
		"no image":                               {nil, []string{"env", "preview", "--pr", "7", "--component", "checkout"}, exitTrouble, "image"},
		"a number without its Component":         {nil, []string{"env", "delete-preview", "--pr", "7"}, exitTrouble, "--component must say"},
		"deleting that of another":               {append(checkoutOf(nil), foreign), []string{"env", "delete-preview", "--pr", prURL}, exitFindings, "is not that of"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := asBob(t, tc.objects, tc.args...); got.code != tc.code || !strings.Contains(got.err, tc.text) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A preview whose environment was deleted a moment ago is made anew, and does not go with the old one.
func TestEnvPreview_MakesAnewWhatBelongsToOneThatIsGone(t *testing.T) {
	_, fakes := asBob(t, checkoutOf(nil), previewArgs("registry.example/checkout:1")...)
	objects := left(t, fakes)
	for _, object := range objects {
		if e, ok := object.(*platformv1alpha1.Environment); ok {
			e.UID = "another"
		}
		if c, ok := object.(*platformv1alpha1.Component); ok && c.Name == prCopy {
			c.Labels["old"] = "yes"
		}
	}
	got, fakes := asBob(t, objects, previewArgs("registry.example/checkout:1")...)
	copied := componentOf(t, fakes, prCopy)
	if got.code != exitOK || copied.Labels["old"] != "" || copied.OwnerReferences[0].UID != "another" || !strings.Contains(got.out, prCopy+" created") {
		t.Errorf("%+v, and the copy is %+v", got, copied.ObjectMeta)
	}
}

func TestEnvDeletePreview(t *testing.T) {
	_, fakes := asBob(t, checkoutOf(nil), previewArgs("registry.example/checkout:1")...)
	objects := left(t, fakes)
	dry, fakes := asBob(t, objects, "env", "delete-preview", "--pr", prURL, "--dry-run")
	if err := fakes.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: prEnv}, &platformv1alpha1.Environment{}); err != nil || !strings.Contains(dry.out, "deleted (dry run)") {
		t.Errorf("%+v, %v", dry, err)
	}
	got, fakes := asBob(t, left(t, fakes), "env", "delete-preview", "--pr", prURL+"/files")
	if got.code != exitOK || !strings.Contains(got.out, "environment "+prEnv+" deleted") || !strings.Contains(got.out, "component "+prCopy+" deleted") {
		t.Errorf("%+v", got)
	}
	again, _ := asBob(t, left(t, fakes)[:1], "env", "delete-preview", "--pr", prURL, "--wait")
	if again.code != exitOK || !strings.Contains(again.out, "environment "+prEnv+" gone, for "+prURL) {
		t.Errorf("%+v", again)
	}
}

// ends is an environment that was made an hour ago and ends in that time.
func ends(in time.Duration, seconds int32) *platformv1alpha1.Environment {
	now := time.Now().Truncate(time.Second)
	e := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "pr-7", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))}}
	e.Spec.ClassRef.Name, e.Spec.LifetimeSeconds = "preview", seconds
	e.Status.ExpiresAt = &metav1.Time{Time: now.Add(in)}
	return e
}

func TestEnvExtend(t *testing.T) {
	never := ends(0, 0)
	never.Status.ExpiresAt = nil
	for name, tc := range map[string]struct {
		environment *platformv1alpha1.Environment
		lasts       string
		code        int
		least, most int32
		text        string
	}{
		"from now on":                   {ends(time.Hour, 0), "24h", exitOK, 25 * 3600, 25*3600 + 30, "lives until"},
		"as far as the class allows":    {ends(time.Hour, 0), "999h", exitOK, 7 * 86400, 7 * 86400, "class preview allows no longer"},
		"never nearer":                  {ends(48*time.Hour, 7), "1h", exitOK, 7, 7, "as it is"},
		"what has no end":               {never, "1h", exitOK, 0, 0, "has no end"},
		"by nothing":                    {never, "0s", exitTrouble, 0, 0, "--for must be positive"},
		"an environment that is not so": {nil, "1h", exitFindings, 0, 0, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			objects := checkoutOf(nil)
			if tc.environment != nil {
				objects = append(objects, tc.environment)
			}
			got, fakes := asBob(t, objects, "env", "extend", "pr-7", "--for", tc.lasts)
			live := &platformv1alpha1.Environment{}
			if tc.environment != nil {
				if err := fakes.Get(t.Context(), client.ObjectKeyFromObject(tc.environment), live); err != nil {
					t.Fatal(err)
				}
			}
			if s := live.Spec.LifetimeSeconds; got.code != tc.code || s < tc.least || s > tc.most || !strings.Contains(got.out+got.err, tc.text) {
				t.Errorf("%+v, with a lifetime of %d", got, s)
			}
		})
	}
}

func TestEnvList(t *testing.T) {
	e := ends(time.Hour, 0)
	e.Spec.SourceRef = &platformv1alpha1.SourceReference{PullRequest: platformv1alpha1.PullRequest{Number: 7, URL: prURL}}
	e.Status.ExpiresAt = &metav1.Time{Time: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}
	e.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Ready"}, {Type: "Expiring", Status: "True", Reason: "Expiring"}}
	dev := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "dev"}}
	dev.Spec.ClassRef.Name = "development"
	dev.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "TeamLimitReached"}}
	night := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "night"}}
	night.Spec.ClassRef.Name = "development"
	night.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Ready"}}
	night.Status.Sleep = &platformv1alpha1.EnvironmentSleepStatus{State: platformv1alpha1.StateAsleep, Until: e.Status.ExpiresAt}
	objects := append(checkoutOf(nil), e, dev, night)
	got, _ := asBob(t, objects, "env", "list")
	expect(t, got, exitOK, `
NAME   CLASS        STATUS                             EXPIRES                      PULL REQUEST                              COMPONENTS
dev    development  TeamLimitReached                   never                        -                                         checkout, orders-db
night  development  Asleep until 2026-12-01T09:00:00Z  never                        -                                         -
pr-7   preview      Ready                              2026-12-01T09:00:00Z (soon)  https://git.example/shop/checkout/pull/7  -
`, "")
	only, _ := asBob(t, objects, "env", "list", "--previews", "-o", "json")
	var report envReport
	if err := json.Unmarshal([]byte(only.out), &report); err != nil || len(report.Environments) != 1 || report.Environments[0].PullRequest.Number != 7 || !report.Environments[0].Expiring {
		t.Errorf("%+v: %v", only, err)
	}
	if none, _ := asBob(t, nil, "env", "list"); none.out != "no environment\n" {
		t.Errorf("%+v", none)
	}
}
