package preview

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]platformv1alpha1.PullRequest{
		"7":  {Number: 7},
		"#7": {Number: 7},
		"!7": {Number: 7},
		"https://github.com/shop/checkout/pull/7":                        {Number: 7, URL: "https://github.com/shop/checkout/pull/7"},
		"https://GitHub.com/shop/checkout/pull/7/files?w=1#diff":         {Number: 7, URL: "https://github.com/shop/checkout/pull/7"},
		"https://gitlab.example:8443/a/b/c/-/merge_requests/12/diffs":    {Number: 12, URL: "https://gitlab.example:8443/a/b/c/-/merge_requests/12"},
		"https://bitbucket.org/shop/checkout/pull-requests/3":            {Number: 3, URL: "https://bitbucket.org/shop/checkout/pull-requests/3"},
		"http://git.example/shop/checkout/pulls/9":                       {Number: 9, URL: "http://git.example/shop/checkout/pulls/9"},
		"https://dev.azure.com/org/project/_git/checkout/pullrequest/41": {Number: 41, URL: "https://dev.azure.com/org/project/_git/checkout/pullrequest/41"},
		"https://review.example/c/shop/checkout/+/4711":                  {Number: 4711, URL: "https://review.example/c/shop/checkout/+/4711"},
		"https://user:secret@git.example/shop/checkout/pull/7":           {Number: 7, URL: "https://git.example/shop/checkout/pull/7"},
		"https://git.example/pull/9/checkout/pull/7":                     {Number: 7, URL: "https://git.example/pull/9/checkout/pull/7"},
		"https://git.example/shop/checkout/pull/2147483647":              {Number: 2147483647, URL: "https://git.example/shop/checkout/pull/2147483647"},
		"https://git.example/shop/check%20out/pull/1":                    {Number: 1, URL: "https://git.example/shop/check%20out/pull/1"},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "0", "-1", "seven", "2147483648", "https://git.example/shop/checkout", "https://git.example/shop/checkout/pull/0", "https://git.example/shop/checkout/issues/7",
		"ssh://git.example/shop/checkout/pull/7", "/shop/checkout/pull/7", "javascript://git.example/shop/checkout/pull/7",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%s is taken for %+v", text, got)
		}
	}
	for _, text := range []string{"ftp://user:secret@git.example/x", "user:secret@git.example/x", "https://git.example/x?token=secret", "https://git.example/x#secret", "https://user:sec%ret@git.example/x"} {
		if _, err := Parse(text); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

var (
	environmentName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$`)
	componentName   = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)
)

func TestNamesAreValidStableAndApart(t *testing.T) {
	a := platformv1alpha1.PullRequest{Number: 7, URL: "https://git.example/shop/checkout/pull/7"}
	if got := EnvironmentName(a, "checkout"); got != "pr-7-eaaebc96" {
		t.Errorf("the name of an environment changed: %s", got)
	}
	if got := ComponentName(a, "checkout", "checkout"); got != "checkout-pr-7-133b0ba3" {
		t.Errorf("the name of a copy changed: %s", got)
	}
	plain := a
	plain.URL = "http://git.example/shop/checkout/pull/7"
	if EnvironmentName(plain, "x") != EnvironmentName(a, "y") {
		t.Error("the protocol, or the Component that was named first, makes another environment of one pull request")
	}
	long := strings.Repeat("a", 16) + "-" + strings.Repeat("b", 22)
	seen := map[string]string{}
	for _, pr := range []platformv1alpha1.PullRequest{
		a,
		{Number: 8, URL: "https://git.example/shop/checkout/pull/8"},
		{Number: 7, URL: "https://git.example/shop/cart/pull/7"},
		{Number: 7, URL: "https://other.example/shop/checkout/pull/7"},
		{Number: 2147483647, URL: "https://git.example/shop/checkout/pull/2147483647"},
		{Number: 7}, {Number: 77},
	} {
		for _, root := range []string{"checkout", "cart", long} {
			name := EnvironmentName(pr, root)
			if !environmentName.MatchString(name) {
				t.Errorf("%q is no name of an Environment", name)
			}
			key := pr.URL
			if key == "" {
				key = root + " " + strconv.Itoa(int(pr.Number))
			}
			if other, taken := seen[name]; taken && other != key {
				t.Errorf("%s and %s both are %s", other, key, name)
			}
			seen[name] = key
			copies := map[string]bool{}
			for _, component := range []string{"checkout", "a", "a-b", long, long + "c", strings.Repeat("a", 17) + strings.Repeat("b", 23)} {
				name := ComponentName(pr, root, component)
				if !componentName.MatchString(name) || copies[name] {
					t.Errorf("the copy of %s is called %q, which is no name or is taken", component, name)
				}
				copies[name] = true
			}
		}
	}
}

func TestCopy(t *testing.T) {
	revision := int64(3)
	original := &platformv1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-shop", Name: "checkout", UID: "u", ResourceVersion: "9", Finalizers: []string{"f"},
			Labels:      map[string]string{"argocd.argoproj.io/instance": "shop"},
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"},
		},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef: platformv1alpha1.TemplateReference{Name: "web-service", Revision: &revision},
			Image:       "registry.example/checkout:1", Commit: &platformv1alpha1.Commit{SHA: "abcdef1"},
			Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"port":8080}`)},
			Env:        []platformv1alpha1.EnvVar{{Name: "A", Value: "b"}},
			Uses:       []platformv1alpha1.Use{{Component: "orders-db"}, {Component: "cart", As: "basket"}},
			Overrides:  []platformv1alpha1.Override{{Resource: "deployment", Reason: "r"}},
			Environments: []platformv1alpha1.PathEnvironment{
				{Name: "dev"}, {Name: "prod", RollbackTo: 4, Promote: "checkout-prod-5", Gate: &platformv1alpha1.Gate{Approvals: 2}, Adopt: &platformv1alpha1.Adoption{}},
			},
			RequestedBy: "ada", DeletionPolicy: platformv1alpha1.DeletionOrphan,
		},
	}
	before := original.DeepCopy()
	environment := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "pr-7", UID: "e"}}
	got := Copy(original, environment, func(name string) string { return name + "-copy" }, Changes{Image: "registry.example/checkout:pr", RequestedBy: "ci"})
	if !equality.Semantic.DeepEqual(original, before) {
		t.Error("copying changed the original")
	}
	want := original.Spec.DeepCopy()
	want.Image, want.Commit, want.RequestedBy, want.DeletionPolicy = "registry.example/checkout:pr", nil, "ci", platformv1alpha1.DeletionDelete
	want.Environments = []platformv1alpha1.PathEnvironment{{Name: "pr-7"}}
	want.Uses = []platformv1alpha1.Use{{Component: "orders-db-copy", As: "ordersDb"}, {Component: "cart-copy", As: "basket"}}
	if !equality.Semantic.DeepEqual(&got.Spec, want) {
		t.Errorf("got %+v\nwant %+v", got.Spec, want)
	}
	if got.Name != "checkout-copy" || got.Namespace != "team-shop" || got.UID != "" || got.ResourceVersion != "" || len(got.Finalizers)+len(got.Annotations) > 0 ||
		len(got.Labels) != 1 || got.Labels["platform.towpath.dev/preview-of"] != "checkout" {
		t.Errorf("got %+v", got.ObjectMeta)
	}
	if !CopiedInto(got, "pr-7") || CopiedInto(got, "pr-8") || CopiedInto(original, "pr-7") {
		t.Error("a copy is not known by its label and owner")
	}
	used := Copy(original, environment, func(name string) string { return name }, Changes{})
	if used.Spec.Image != original.Spec.Image || used.Spec.Commit == nil {
		t.Errorf("without an image it does not run the original's: %+v", used.Spec)
	}
}

func TestUntil(t *testing.T) {
	made := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		now        time.Time
		more, most time.Duration
		seconds    int32
		clamped    bool
	}{
		"from now on":                   {made.Add(5 * time.Hour), 24 * time.Hour, 0, 29 * 3600, false},
		"no longer than the class":      {made.Add(5 * time.Hour), 24 * time.Hour, 24 * time.Hour, 24 * 3600, true},
		"no longer than the definition": {made, 9000 * time.Hour, 0, 31536000, true},
		"rounded up":                    {made.Add(time.Hour + time.Millisecond), time.Hour, 0, 7201, false},
		"at least a minute":             {made, time.Second, 0, 60, false},
	} {
		seconds, end, clamped := Until(made, tc.now, tc.more, tc.most)
		if seconds != tc.seconds || clamped != tc.clamped || !end.Equal(made.Add(time.Duration(seconds)*time.Second)) {
			t.Errorf("%s: got %d, %s, %v", name, seconds, end, clamped)
		}
	}
}
