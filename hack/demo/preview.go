package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	previewHome = "team-shop"
	previewPR   = "https://git.example/shop/catalogue/pull/7"
	// previewTimeout bounds each command of the preview.
	previewTimeout = "90s"
)

// previewFile holds what the preview printed: a second call has nothing to show any more, and changes nothing.
func (d *demo) previewFile() string { return filepath.Join(d.dir, "preview.txt") }

// runPreview makes the environment of a pull request as CI would, deletes it as CI would, and looks whether anything of
// it is left.
func (d *demo) runPreview(ctx context.Context) error {
	if _, err := os.Stat(d.previewFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var out strings.Builder
	fmt.Fprintln(&out, "\na preview: what CI runs for a pull request, of class preview in config/catalog/classes")
	if err := d.previewCommand(ctx, &out, "preview", "--pr", previewPR, "--component", "catalogue", "--image", "registry.example/shop/catalogue:pr-7", "--wait"); err != nil {
		return err
	}
	preview, err := d.findPreview(ctx)
	if err != nil {
		return err
	}
	if err := d.previewCommand(ctx, &out, "list", "--previews"); err != nil {
		return err
	}
	there, err := d.bearing(ctx, preview)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return fmt.Errorf("environment %s runs, and nothing bears its name: the demo looks for the wrong thing", preview)
	}
	if err := d.previewCommand(ctx, &out, "delete-preview", "--pr", previewPR, "--wait"); err != nil {
		return err
	}
	left, err := d.bearing(ctx, preview)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("environment %s left behind: %s", preview, strings.Join(left, ", "))
	}
	fmt.Fprintf(&out, "  nothing of it is left: %d objects of any kind bore %s while it ran, and none does now\n", len(there), preview)
	return os.WriteFile(d.previewFile(), []byte(out.String()), 0o600)
}

// showPreview prints what the preview printed.
func (d *demo) showPreview() error {
	text, err := os.ReadFile(d.previewFile())
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// previewCommand runs towpath env, and adds the command and what it prints, but for the steps that it proposes.
func (d *demo) previewCommand(ctx context.Context, out *strings.Builder, args ...string) error {
	args = append([]string{"env", args[0], "-n", previewHome}, args[1:]...)
	fmt.Fprintf(out, "  $ bin/towpath %s\n", strings.Join(args, " "))
	args = append(args, "--kubeconfig", d.plane.AdminKubeconfig())
	if slices.Contains(args, "--wait") {
		args = append(args, "--timeout", previewTimeout)
	}
	command := exec.CommandContext(ctx, filepath.Join(d.root, "bin", "towpath"), args...)
	var printed, failed bytes.Buffer
	command.Stdout, command.Stderr = &printed, &failed
	if err := command.Run(); err != nil {
		return fmt.Errorf("towpath %s: %w\n%s%s", strings.Join(args, " "), err, &printed, &failed)
	}
	text, _, _ := strings.Cut(printed.String(), "\nnext: ")
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Fprintf(out, "    %s\n", strings.TrimRight(line, "\n"))
	}
	return nil
}

// findPreview returns the name of the Environment that was made for the pull request, where it is Ready and has an end.
func (d *demo) findPreview(ctx context.Context) (string, error) {
	var list platformv1alpha1.EnvironmentList
	if err := d.client.List(ctx, &list, client.InNamespace(previewHome)); err != nil {
		return "", err
	}
	for i := range list.Items {
		e := &list.Items[i]
		if e.Spec.SourceRef == nil || e.Spec.SourceRef.PullRequest.URL != previewPR {
			continue
		}
		if !meta.IsStatusConditionTrue(e.Status.Conditions, platformv1alpha1.ConditionReady) || e.Status.ExpiresAt == nil {
			return "", fmt.Errorf("environment %s is not Ready, or has no end: %+v", e.Name, e.Status)
		}
		return e.Name, nil
	}
	return "", fmt.Errorf("no environment in %s is for %s", previewHome, previewPR)
}

// bearing lists what bears the name of a preview, by its own name, its namespace's or a label: among the objects of every
// resource that the cluster lists.
func (d *demo) bearing(ctx context.Context, preview string) (found []string, err error) {
	err = d.plane.EachObject(ctx, func(resource schema.GroupVersionResource, o *metav1.PartialObjectMetadata) {
		if bears(o, preview) {
			found = append(found, fmt.Sprintf("%s %s/%s", resource.Resource, o.Namespace, o.Name))
		}
	})
	return found, err
}

func bears(o *metav1.PartialObjectMetadata, name string) bool {
	if strings.Contains(o.Namespace, name) || strings.Contains(o.Name, name) {
		return true
	}
	for _, value := range o.Labels {
		if strings.Contains(value, name) {
			return true
		}
	}
	return false
}
