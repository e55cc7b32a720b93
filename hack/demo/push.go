package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
)

const (
	pusherNamespace = "team-dock"
	pushedName      = "ferry"
	pusher          = "Ada <ada@dock.example>"
)

// pushFile holds what was shown of the push: a second call has nothing to push any more, and changes nothing.
func (d *demo) pushFile() string { return filepath.Join(d.dir, "push.txt") }

// sources are what the first commit has. Nothing of it is built where pods are simulated.
var sources = map[string]string{
	"Dockerfile": "FROM registry.example/base/static\nCOPY ferry /ferry\nENTRYPOINT [\"/ferry\"]\n",
	"go.mod":     "module dock.example/ferry\n\ngo 1.26\n",
	"main.go":    "package main\n\nfunc main() { println(\"ahoy\") }\n",
}

// applyPush makes an empty repository and a golden path with a pipeline, pushes a first commit, and has a Component built from it.
func (d *demo) applyPush(ctx context.Context) error {
	if err := d.git.start(ctx); err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: pusherNamespace, Name: pushedName}
	if err := d.client.Get(ctx, key, &platformv1alpha1.Component{}); !apierrors.IsNotFound(err) {
		return err
	}
	if _, err := install.Files(ctx, d.client, filepath.Join(d.root, "hack", "demo", "push")); err != nil {
		return err
	}
	url, err := d.git.url(pushedName)
	if err != nil {
		return err
	}
	if err := d.makeRepository(ctx, url); err != nil {
		return err
	}
	component := &platformv1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef:  platformv1alpha1.TemplateReference{Name: "built-service"},
			Source:       &platformv1alpha1.Source{Repository: url, IntervalSeconds: 30, Image: "registry.example/dock/" + pushedName},
			Environments: []platformv1alpha1.PathEnvironment{{Name: "dev"}},
		},
	}
	return d.client.Create(ctx, component)
}

// work is the working tree that the demo pushes from.
func (d *demo) work() string { return d.git.file(pushedName) }

// makeRepository makes a bare repository that takes pushes, and pushes a first commit by HTTP.
func (d *demo) makeRepository(ctx context.Context, url string) error {
	bare := d.git.file(pushedName + ".git")
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", bare},
		{"-C", bare, "config", "http.receivepack", "true"},
		{"-C", bare, "config", "uploadpack.allowFilter", "true"},
		{"init", "--quiet", "--initial-branch=main", d.work()},
		{"-C", d.work(), "remote", "add", "origin", url},
	} {
		if _, err := d.runGit(ctx, args...); err != nil {
			return err
		}
	}
	_, err := d.push(ctx, "A ferry that greets", sources)
	return err
}

// push commits files, and pushes the commit by HTTP to the Git server.
func (d *demo) push(ctx context.Context, message string, files map[string]string) (string, error) {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(d.work(), name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	for _, args := range [][]string{
		{"add", "--all"}, {"commit", "--quiet", "-m", message}, {"push", "--quiet", "origin", "main"},
	} {
		if _, err := d.runGit(ctx, append([]string{"-C", d.work()}, args...)...); err != nil {
			return "", err
		}
	}
	return d.runGit(ctx, "-C", d.work(), "rev-parse", "HEAD")
}

func (d *demo) runGit(ctx context.Context, args ...string) (string, error) {
	name, address, _ := strings.Cut(strings.TrimSuffix(pusher, ">"), " <")
	command := exec.CommandContext(ctx, "git", args...)
	command.Env = append(append(os.Environ(), plainGit(d.git.dir)...),
		"GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+address, "GIT_COMMITTER_NAME="+name, "GIT_COMMITTER_EMAIL="+address)
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// pushChange pushes a second commit once the first one runs. The poll finds it while the demo goes on.
func (d *demo) pushChange(ctx context.Context) error {
	if _, err := os.Stat(d.pushFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := d.await(ctx, func(ctx context.Context) []string {
		return all(d.waitsFor(ctx, client.ObjectKey{Namespace: pusherNamespace, Name: pushedName}))
	})
	if err != nil {
		return err
	}
	d.pushed, err = d.push(ctx, "Greet in Welsh", map[string]string{"main.go": "package main\n\nfunc main() { println(\"ahoi\") }\n"})
	return err
}

// awaitPush waits until what was pushed is built and runs, and keeps what there is to show of it.
func (d *demo) awaitPush(ctx context.Context) error {
	if d.pushed == "" {
		return nil
	}
	var build *platformv1alpha1.Build
	err := d.await(ctx, func(ctx context.Context) []string {
		var why string
		build, why = d.delivered(ctx)
		return all(why, d.waitsFor(ctx, client.ObjectKey{Namespace: pusherNamespace, Name: pushedName}))
	})
	if err != nil {
		return err
	}
	text, err := d.describe(ctx, build, "  The pods are simulated: no stage ran. Nothing was cloned, tested, built or pushed, so no stage could name a digest, and\n"+
		"  the Build takes the image as given: spec.source.image with the commit as its tag. Commit, author and times are real.\n")
	if err != nil {
		return err
	}
	return os.WriteFile(d.pushFile(), []byte(text), 0o600)
}

// describe tells of a Build that was pushed, and of its Component. note says what of it is real.
func (d *demo) describe(ctx context.Context, build *platformv1alpha1.Build, note string) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "\nteam dock: a push to a Git repository, which becomes a Build, and a Release in dev\n  $ git push origin main    # commit %s by %s: %s\n",
		d.pushed[:12], build.Spec.Commit.Author, build.Spec.Commit.Message)
	fmt.Fprintf(&out, "  build %s  %s: %s\n", build.Name, build.Status.Result, build.Status.Image)
	width := 6
	for i := range build.Status.Stages {
		width = max(width, len(build.Status.Stages[i].Name))
	}
	for i := range build.Status.Stages {
		stage := &build.Status.Stages[i]
		fmt.Fprintf(&out, "    %-*s  %s%s  Job %s\n", width, stage.Name, stage.State, took(stage), stage.Job)
	}
	out.WriteString(note)
	shown, err := d.towpath(ctx, "status", "-n", pusherNamespace, "--brief", pushedName)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "  $ bin/towpath status -n %s --brief %s\n", pusherNamespace, pushedName)
	shown, _, _ = strings.Cut(shown, "\n\n") // what follows the tree is not of the push
	out.WriteString(indented(shown) + "\n")
	return out.String(), nil
}

// took says how long a stage took.
func took(stage *platformv1alpha1.BuildStage) string {
	if stage.StartedAt == nil || stage.CompletedAt == nil {
		return ""
	}
	return fmt.Sprintf(" in %s", stage.CompletedAt.Sub(stage.StartedAt.Time).Round(time.Second))
}

// delivered returns the Build of what was pushed, and says what is still waited for until a Release of it is Ready in dev, with its
// commit, its author and the time of both.
func (d *demo) delivered(ctx context.Context) (*platformv1alpha1.Build, string) {
	var builds platformv1alpha1.BuildList
	if err := d.client.List(ctx, &builds, client.InNamespace(pusherNamespace)); err != nil {
		return nil, err.Error()
	}
	var build *platformv1alpha1.Build
	for i := range builds.Items {
		if builds.Items[i].Spec.Commit.SHA == d.pushed {
			build = &builds.Items[i]
		}
	}
	switch {
	case build == nil:
		return nil, "no Build is of the commit " + d.pushed
	case build.Status.Result == "":
		return build, fmt.Sprintf("Build %s has not ended: %+v", build.Name, build.Status.Conditions)
	}
	var releases platformv1alpha1.ReleaseList
	if err := d.client.List(ctx, &releases, client.InNamespace(pusherNamespace)); err != nil {
		return build, err.Error()
	}
	for i := range releases.Items {
		release := &releases.Items[i]
		commit := release.Spec.Commit
		if commit == nil || commit.SHA != d.pushed || release.Status.ReadyAt == nil {
			continue
		}
		if commit.Author == "" || commit.CommittedAt == nil || release.Spec.Image != build.Status.Image {
			return build, fmt.Sprintf("Release %s lacks the author, the time or the image of its commit: %+v", release.Name, release.Spec)
		}
		return build, ""
	}
	return build, fmt.Sprintf("no Release of Build %s is Ready: it is %s", build.Name, build.Status.Result)
}

// admin is the administrator's kubeconfig.
func (d *demo) admin() string {
	if d.kubeconfig != "" {
		return d.kubeconfig
	}
	return d.plane.AdminKubeconfig()
}

// towpath runs the CLI, and returns what it prints.
func (d *demo) towpath(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(d.root, "bin", "towpath"), append(args, "--kubeconfig", d.admin())...)
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("towpath %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// showPush prints what was kept, and how to push more.
func (d *demo) showPush() error {
	text, err := os.ReadFile(d.pushFile())
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	return err
}
