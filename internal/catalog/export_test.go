package catalog_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/catalog"
)

var update = flag.Bool("update", false, "write testdata instead of comparing it")

func component(namespace, name, template string, environments ...string) platformv1alpha1.Component {
	c := platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	c.Spec.TemplateRef.Name = template
	for _, environment := range environments {
		c.Spec.Environments = append(c.Spec.Environments, platformv1alpha1.PathEnvironment{Name: environment})
	}
	return c
}

func environment(namespace, name, class string) platformv1alpha1.Environment {
	e := platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	e.Spec.ClassRef.Name = class
	return e
}

func class(name string, tier platformv1alpha1.Tier) platformv1alpha1.EnvironmentClass {
	c := platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Spec.Tier = tier
	return c
}

func servicetemplate(name, kind, what string) platformv1alpha1.ServiceTemplate {
	t := platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
		platformv1alpha1.AnnotationCatalogKind: kind, platformv1alpha1.AnnotationCatalogType: what,
	}}}
	t.Spec.Summary = "What " + name + " is."
	return t
}

func team(name, home string, members ...platformv1alpha1.TeamMember) platformv1alpha1.Team {
	t := platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: name}}
	t.Spec.CostCenter, t.Spec.Members, t.Status.Namespace = "cc-"+name, members, home
	return t
}

// everything is a platform with two teams, and a home without a Team.
func everything() *catalog.Input {
	checkout := component("team-shop", "checkout", "web-service", "dev", "prod")
	checkout.Annotations = map[string]string{catalog.AnnotationSourceLocation: "url:https://git.example/shop/checkout/"}
	checkout.Spec.Uses = []platformv1alpha1.Use{{Component: "orders-db"}, {Component: "not-there"}}
	preview := component("team-shop", "checkout-pr-7", "web-service", "pr-7")
	preview.Labels = map[string]string{platformv1alpha1.LabelPreviewOf: "checkout"}
	shown := environment("team-shop", "pr-7", "preview")
	shown.Spec.SourceRef = &platformv1alpha1.SourceReference{}
	prod := environment("team-shop", "prod", "production")
	prod.Status.Namespace = "shop-prod"
	going := component("team-shop", "going", "web-service", "dev")
	going.DeletionTimestamp = &metav1.Time{}
	going.DeletionTimestamp.Time = going.DeletionTimestamp.AddDate(2026, 1, 1)
	old := servicetemplate("old-service", "", "")
	old.Spec.Maturity = platformv1alpha1.MaturityDeprecated
	shop := team("shop", "team-shop", platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: "Ada@shop.example", Emails: []string{"ada@shop.example"}},
		platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberGroup, Name: "developers"})
	shop.Spec.Contacts = []platformv1alpha1.TeamContact{{Name: "chat", Address: "https://chat.example/shop"}, {Name: "phone", Address: "+49 30 1"}, {Name: "evil", Address: "javascript:alert(1)"}}
	return &catalog.Input{
		Components: []platformv1alpha1.Component{
			checkout, preview, going, component("team-shop", "orders-db", "postgres", "dev", "prod"),
			component("team-web", "checkout", "web-service", "dev"), component("legacy", "billing", "old-service", "prod"),
		},
		Environments: []platformv1alpha1.Environment{environment("team-shop", "dev", "development"), prod, shown, environment("team-web", "dev", "development")},
		Teams:        []platformv1alpha1.Team{shop, team("web", "team-web", platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: "Ada@shop.example"}), team("idle", "")},
		Classes:      []platformv1alpha1.EnvironmentClass{class("development", platformv1alpha1.TierDevelopment), class("production", platformv1alpha1.TierProduction)},
		Templates:    []platformv1alpha1.ServiceTemplate{servicetemplate("web-service", "", ""), servicetemplate("postgres", "Resource", "database"), old},
		Kinds:        catalog.Kinds,
		Links:        []catalog.LinkPattern{{Title: "Dashboard", URL: "https://grafana.example/d/c?var-namespace={namespace}&var-component={name}&var-team={team}"}},
	}
}

func export(t *testing.T, in *catalog.Input) (entities []*catalog.Entity, text string) {
	t.Helper()
	entities, _, err := catalog.Export(in)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, entity := range entities {
		document, err := yaml.Marshal(entity)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n" + string(document))
	}
	return entities, all.String()
}

// The file is what `make backstage-schemas` shows to Backstage's own rules.
func TestExportOfEverything(t *testing.T) {
	in := everything()
	entities, text := export(t, in)
	for _, entity := range entities {
		validate(t, entity)
	}
	path := filepath.Join("testdata", "everything.yaml")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("%s differs (%v): go test ./internal/catalog -update writes it anew; got:\n%s", path, err, text)
	}
	if _, unowned, _ := catalog.Export(in); !slices.Equal(unowned, []string{"legacy"}) {
		t.Errorf("without a team: %v", unowned)
	}
}

func TestTheOrderOfObjectsMeansNothing(t *testing.T) {
	_, want := export(t, everything())
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		in := everything()
		random.Shuffle(len(in.Components), func(i, j int) { in.Components[i], in.Components[j] = in.Components[j], in.Components[i] })
		random.Shuffle(len(in.Environments), func(i, j int) { in.Environments[i], in.Environments[j] = in.Environments[j], in.Environments[i] })
		random.Shuffle(len(in.Teams), func(i, j int) { in.Teams[i], in.Teams[j] = in.Teams[j], in.Teams[i] })
		if _, got := export(t, in); got != want {
			t.Fatalf("another order gave:\n%s", got)
		}
	}
}

// Every relation to what Towpath knows leads to an entity of the export.
func TestRelationsLeadSomewhere(t *testing.T) {
	entities, _ := export(t, everything())
	refs := map[string]bool{"component:team-shop/not-there": true} // used, and not made yet
	for _, entity := range entities {
		refs[entity.Ref()] = true
	}
	for _, entity := range entities {
		for _, to := range relations(entity) {
			if !refs[to] {
				t.Errorf("%s leads to %s, which is not there", entity.Ref(), to)
			}
		}
	}
}

func relations(entity *catalog.Entity) []string {
	var found []string
	for _, field := range []string{"owner", "system", "dependsOn", "memberOf"} {
		switch value := entity.Spec[field].(type) {
		case string:
			found = append(found, value)
		case []string:
			found = append(found, value...)
		}
	}
	return found
}

func TestUsersComeOnlyWhenAskedFor(t *testing.T) {
	in := everything()
	in.Kinds = nil
	_, text := export(t, in)
	if strings.Contains(text, "ada@") || strings.Contains(text, "kind: User") {
		t.Errorf("people in the export:\n%s", text)
	}
	in.Kinds = []string{catalog.KindSystem}
	entities, _ := export(t, in)
	for _, entity := range entities {
		if entity.Kind != catalog.KindSystem {
			t.Errorf("%s in an export of systems", entity.Ref())
		}
	}
}

// Whoever may label a namespace does not take what a Team owns, and a Team does not take what it only is named after.
func TestTheStatusOfATeamSaysWhoOwnsAHome(t *testing.T) {
	in := everything()
	in.Homes = map[string]catalog.Home{"team-shop": {Team: "web"}, "legacy": {Team: "accounting"}}
	in.Teams = append(in.Teams, team("legacy", ""))
	entities, _ := export(t, in)
	for _, entity := range entities {
		want := map[string]string{"component:team-shop/checkout": "group:default/shop", "component:legacy/billing": "group:default/accounting"}[entity.Ref()]
		if want != "" && entity.Spec["owner"] != want {
			t.Errorf("%s belongs to %s", entity.Ref(), entity.Spec["owner"])
		}
	}
}

func TestASourceLocationIsOneThatABrowserMayOpen(t *testing.T) {
	for location, wanted := range map[string]bool{
		"url:https://git.example/shop/": true, "url:http://git.example/": false, "https://git.example/": false, "dir:../../etc": false,
		"url:javascript:alert(1)": false, "url:https://user:token@git.example/": false, "url:https:///x": false, "": false,
	} {
		in := everything()
		in.Components[0].Annotations[catalog.AnnotationSourceLocation] = location
		_, text := export(t, in)
		if got := strings.Contains(text, catalog.AnnotationSourceLocation); got != wanted {
			t.Errorf("%q: taken %t", location, got)
		}
	}
}

// A Component that is built has its repository in its source.
func TestTheRepositoryOfTheSourceIsShownWhereNothingElseIsSaid(t *testing.T) {
	for name, tc := range map[string]struct{ location, repository, want string }{
		"of the source":           {"", "https://git.example/shop/built", "url:https://git.example/shop/built/"},
		"the annotation first":    {"url:https://git.example/shop/said/", "https://git.example/shop/built", "url:https://git.example/shop/said/"},
		"one that nobody may see": {"url:https://user:token@git.example/", "https://git.example/shop/built", "url:https://git.example/shop/built/"},
		"of SSH":                  {"", "ssh://git@git.example/shop/built", ""},
		"over plain HTTP":         {"", "http://git.example/shop/built", ""},
	} {
		in := everything()
		in.Components[0].Annotations[catalog.AnnotationSourceLocation] = tc.location
		in.Components[0].Spec.Source = &platformv1alpha1.Source{Repository: tc.repository}
		_, text := export(t, in)
		got := ""
		for line := range strings.Lines(text) {
			if _, after, found := strings.Cut(line, catalog.AnnotationSourceLocation+": "); found {
				got = strings.TrimSpace(after)
			}
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestParseLink(t *testing.T) {
	for text, want := range map[string]string{
		"Dashboard=https://grafana.example/d/{name}": "",
		"Dashboard":               "must be a title",
		"=https://x.example":      "must be a title",
		"X=javascript:alert(1)":   "must be http:// or https://",
		"X=https://u:p@x.example": "without credentials",
		"X=https://{name}":        "",
		"X\n=https://x.example":   "must be a title",
	} {
		if _, err := catalog.ParseLink(text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
