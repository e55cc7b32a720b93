package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// catalogue is a team with a Component, and another one.
func catalogue() []client.Object {
	shop := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	shop.Spec.CostCenter, shop.Status.Namespace = "cc-4711", "team-shop"
	shop.Spec.Members = []platformv1alpha1.TeamMember{{Kind: platformv1alpha1.MemberUser, Name: "ada", Role: platformv1alpha1.TeamOwner}}
	web := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	web.Spec.CostCenter, web.Status.Namespace = "cc-1", "team-web"
	other := component("site")
	other.Namespace = "team-web"
	return []client.Object{home(), shop, web, component("checkout"), other}
}

// rights lets the caller list Components and Environments in some namespaces alone, and no namespaces.
func rights(objects []client.Object, namespaces ...string) cluster.Connector {
	return func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).Build()
		refusing := interceptor.NewClient(fakes, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				asked := (&client.ListOptions{}).ApplyOptions(options)
				switch list.(type) {
				case *platformv1alpha1.ComponentList, *platformv1alpha1.EnvironmentList:
					if !slices.Contains(namespaces, asked.Namespace) {
						return apierrors.NewForbidden(schema.GroupResource{Group: "platform.towpath.dev", Resource: "components"}, "", nil)
					}
				case *platformv1alpha1.TeamList, *platformv1alpha1.ServiceTemplateList, *platformv1alpha1.EnvironmentClassList:
				default:
					return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "", nil)
				}
				return c.List(ctx, list, options...)
			},
		})
		return &cluster.Cluster{Client: refusing, Namespace: "default"}, nil
	}
}

func TestCatalogExportPrintsWhatIsThere(t *testing.T) {
	got := towpath(t, catalogue(), "catalog", "export", "-n", "team-shop", "--kinds", "Component,System")
	expect(t, got, exitOK, `
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata:
  annotations:
    platform.towpath.dev/object: team-shop
  description: What is in the home namespace team-shop
  labels:
    platform.towpath.dev/cost-center: cc-4711
    platform.towpath.dev/team: shop
  name: shop
  namespace: team-shop
spec:
  owner: group:default/shop
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  annotations:
    backstage.io/kubernetes-label-selector: platform.towpath.dev/component=checkout,platform.towpath.dev/team=shop
    platform.towpath.dev/object: team-shop/checkout
    platform.towpath.dev/template: web-service
  labels:
    platform.towpath.dev/cost-center: cc-4711
    platform.towpath.dev/team: shop
  name: checkout
  namespace: team-shop
  tags:
  - web-service
spec:
  lifecycle: experimental
  owner: group:default/shop
  system: system:team-shop/shop
  type: service
`, "")
}

func TestCatalogExportReadsWhatTheCallerMay(t *testing.T) {
	got := with(t, rights(catalogue(), "team-shop"), "", "towpath", "catalog", "export")
	if got.code != exitOK || !strings.Contains(got.out, "name: checkout\n") || strings.Contains(got.out, "name: site\n") ||
		!strings.Contains(got.err, "note: you may not read namespace team-web: it is missing\n") {
		t.Errorf("got %+v", got)
	}
	got = with(t, rights(catalogue()), "", "towpath", "catalog", "export")
	if got.code != exitTrouble || got.out != "" || !strings.Contains(got.err, "neither everywhere nor in one home namespace") || !strings.Contains(got.err, "next: kubectl auth can-i --list") {
		t.Errorf("got %+v", got)
	}
	got = with(t, rights(catalogue(), "team-shop"), "", "towpath", "catalog", "export", "-n", "team-web")
	if got.code != exitTrouble || !strings.Contains(got.err, "cannot list components and environments in namespace team-web") {
		t.Errorf("got %+v", got)
	}
}

func TestCatalogExportKeepsAFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "README.md"), "mine")
	put(t, filepath.Join(dir, "other.yaml"), "mine: true\n")
	put(t, filepath.Join(dir, ".git", "all.yaml"), "mine: true\n")
	if got := towpath(t, catalogue(), "catalog", "export", "--dir", dir); got.code != exitOK || got.out != "" {
		t.Fatalf("got %+v", got)
	}
	all := read(t, filepath.Join(dir, "all.yaml"))
	if !strings.Contains(all, "kind: Location\n") || !strings.Contains(all, "  - ./default/group-shop.yaml\n") || !strings.Contains(all, "  - ./team-web/component-site.yaml\n") {
		t.Errorf("all.yaml:\n%s", all)
	}
	before := listed(t, dir)
	if got := towpath(t, catalogue(), "catalog", "export", "--dir", dir); got.code != exitOK {
		t.Fatalf("once more: %+v", got)
	}
	if after := listed(t, dir); !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}

	// What is gone from the cluster goes from the folder, and nothing else.
	if got := towpath(t, catalogue()[:4], "catalog", "export", "--dir", dir); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "team-web")); err == nil {
		t.Error("the folder of a namespace without entities is still there")
	}
	for _, name := range []string{"README.md", "other.yaml", ".git/all.yaml", "team-shop/component-checkout.yaml"} {
		read(t, filepath.Join(dir, name))
	}

	put(t, filepath.Join(dir, "team-web", "component-site.yaml"), "mine: true\n")
	got := towpath(t, catalogue(), "catalog", "export", "--dir", dir)
	if got.code != exitTrouble || !strings.Contains(got.err, "has team-web/component-site.yaml, which no export wrote; nothing was written") {
		t.Errorf("got %+v", got)
	}
}

func TestCatalogExportRefusesWhatItCannotMake(t *testing.T) {
	for args, want := range map[string]string{
		"--kinds API":                  `--kinds "API": must be one of Group, User, System, Component, Resource`,
		"--link javascript:alert(1)":   "must be a title, an equals sign and a URL",
		"--link X=javascript:alert(1)": "the URL must be http:// or https://",
	} {
		got := towpath(t, catalogue(), append([]string{"catalog", "export"}, strings.Fields(args)...)...)
		if got.code != exitTrouble || got.out != "" || !strings.Contains(got.err, want) || !strings.Contains(got.err, "next: towpath catalog export --help") {
			t.Errorf("%s: got %+v", args, got)
		}
	}
}
