package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/cmd"
)

// patience is how long a cluster may take until it is ready.
const patience = 5 * time.Minute

// site is where the cluster is: Docker on this machine, and folders of the repository.
type site struct {
	settings
	// name is the cluster's, scripts is hack/kind, and kubeconfig is a file of ours.
	name, scripts, kubeconfig string
	provider                  *cluster.Provider
}

func newSite(root string, s settings) (*site, error) {
	name := s.cluster
	if name == "" {
		var err error
		if name, err = nameOf(root); err != nil {
			return nil, err
		}
	}
	return &site{
		settings: s, name: name, scripts: filepath.Join(root, "hack", "kind"), kubeconfig: kubeconfigOf(root, s.cluster),
		provider: cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(cmd.NewLogger())),
	}, nil
}

func tell(text string) { fmt.Fprintln(os.Stderr, text) }

func (s *site) up() error {
	if _, err := s.script("docker.sh", "start"); err != nil {
		return err
	}
	all, err := s.provider.ListNodes(s.name)
	if err != nil {
		return explained(err)
	}
	if len(all) == 0 {
		err = s.create()
	} else {
		err = s.goOn(all)
	}
	if err != nil {
		return err
	}
	return s.awaitReady()
}

func (s *site) create() error {
	image, err := s.nodeImage()
	if err != nil {
		return err
	}
	if err := s.useShimIfNeeded(image); err != nil {
		return err
	}
	return explained(s.provider.Create(s.name,
		cluster.CreateWithConfigFile(filepath.Join(s.scripts, "cluster.yaml")),
		cluster.CreateWithNodeImage(image),
		cluster.CreateWithKubeconfigPath(s.kubeconfig),
		cluster.CreateWithWaitForReady(patience),
		cluster.CreateWithDisplayUsage(true),
	))
}

func (s *site) nodeImage() (string, error) {
	return source{
		asked: s.image, stock: defaults.Image, tell: tell,
		has: func(image string) bool { return imageID(image) != "" },
		pull: func(image string) error {
			ctx, cancel := context.WithTimeoutCause(context.Background(), s.pullTimeout, fmt.Errorf("took longer than KIND_PULL_TIMEOUT, %s", s.pullTimeout))
			defer cancel()
			_, err := docker(ctx, "pull", "-q", image)
			return err
		},
		build: func() (string, error) {
			if _, err := s.script("node-image.sh", "build"); err != nil {
				return "", err
			}
			return s.script("node-image.sh", "name")
		},
	}.image()
}

// goOn starts what was stopped, and writes the kubeconfig anew: somebody may have removed it.
func (s *site) goOn(all []nodes.Node) error {
	for _, node := range all {
		if _, err := docker(context.Background(), "start", node.String()); err != nil {
			return fmt.Errorf("the node of the kind cluster %s cannot be started: %w%s", s.name, err, advice(err.Error()))
		}
	}
	if err := s.useShimIfNeededBy(all[0]); err != nil {
		return err
	}
	if err := s.provider.ExportKubeConfig(s.name, s.kubeconfig, false); err != nil {
		return fmt.Errorf("%w\nThe kind cluster %s was never finished, as after a make kind-up that was interrupted: make kind-down, and then make kind-up", explained(err), s.name)
	}
	return nil
}

// served are what must be ready before a cluster is of use: the node, and what answers for Services and their names. After a restart a
// node is said to be ready while it is not yet; these are not.
var served = [][]string{
	{"nodes", "--all"},
	{"pods", "--namespace=kube-system", "--selector=k8s-app in (kube-proxy, kube-dns)"},
}

// awaitReady waits until the API server answers and all that is served is ready. Library and container each return before that.
func (s *site) awaitReady() error {
	all, err := s.provider.ListNodes(s.name)
	if err != nil {
		return explained(err)
	}
	node, err := nodeutils.BootstrapControlPlaneNode(all)
	if err != nil {
		return explained(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, what := range served {
		for {
			wait := append([]string{"--kubeconfig=/etc/kubernetes/admin.conf", "wait", "--for=condition=Ready", "--timeout=10s"}, what...)
			err := node.CommandContext(ctx, "kubectl", wait...).Run()
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the kind cluster %s is not ready after %s: %w\nmake kind-logs copies what its node logged; make kind-down and then make kind-up begins anew",
					s.name, patience, explained(err))
			case <-time.After(time.Second):
			}
		}
	}
	return nil
}

// running are the nodes of the cluster, all of which run; else the error says how to come by them.
func (s *site) running() ([]nodes.Node, error) {
	if err := answers(); err != nil {
		return nil, fmt.Errorf("no Docker daemon answers, and make kind-up starts one: %w%s", err, advice(err.Error()))
	}
	all, err := s.provider.ListInternalNodes(s.name)
	if err != nil {
		return nil, explained(err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no kind cluster %s: make kind-up makes one", s.name)
	}
	for _, node := range all {
		state, err := docker(context.Background(), "inspect", "-f", "{{.State.Status}}", node.String())
		if err != nil {
			return nil, err
		}
		if state != "running" {
			return nil, fmt.Errorf("the node %s of the kind cluster %s is %s: make kind-up starts it", node, s.name, state)
		}
	}
	return all, s.useShimIfNeededBy(all[0])
}

func (s *site) load(images []string) error {
	all, err := s.running()
	if err != nil {
		return err
	}
	ids := map[string]string{}
	var unknown []string
	for _, image := range images {
		if ids[image] = imageID(image); ids[image] == "" {
			unknown = append(unknown, image)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("Docker has no image %s: build it first (make docker-build IMG=<image> builds the manager's), or docker pull it", strings.Join(unknown, ", "))
	}
	for _, node := range all {
		missing := absent(images, func(image string) string { return ids[image] }, func(image string) string {
			id, err := nodeutils.ImageID(node, image)
			if err != nil {
				return "" // as crictl says it of an image that is not there; what is wrong otherwise is seen as it is loaded
			}
			return id
		})
		if len(missing) == 0 {
			tell(fmt.Sprintf("%s has all of them: %s", node, strings.Join(images, " ")))
			continue
		}
		tell(fmt.Sprintf("loading into %s: %s", node, strings.Join(missing, " ")))
		if err := loadInto(node, missing); err != nil {
			return err
		}
	}
	return nil
}

// loadInto hands an archive of images from Docker to a node, without a copy on the disk.
func loadInto(node nodes.Node, images []string) error {
	save := exec.Command("docker", append([]string{"save"}, images...)...)
	var complaint bytes.Buffer
	save.Stderr = &complaint
	archive, err := save.StdoutPipe()
	if err != nil {
		return err
	}
	if err := save.Start(); err != nil {
		return err
	}
	loaded := nodeutils.LoadImageArchive(node, archive)
	// What nobody reads any more must not keep docker save waiting.
	_ = archive.Close()
	saved := save.Wait()
	if loaded == nil && saved == nil {
		return nil
	}
	if saved != nil {
		saved = fmt.Errorf("docker save: %w%s%s", saved, indented(complaint.String()), advice(complaint.String()))
	}
	return fmt.Errorf("%s could not be loaded into %s: %w", strings.Join(images, ", "), node, errors.Join(explained(loaded), saved))
}

func (s *site) logs(folder string) error {
	if _, err := s.running(); err != nil {
		return err
	}
	if err := s.provider.CollectLogs(s.name, folder); err != nil {
		return explained(err)
	}
	tell("the logs of the node are in " + folder)
	return nil
}

func (s *site) down() error {
	if err := answers(); err != nil {
		tell("no Docker daemon answers: nothing runs that could be removed")
	} else if err := s.provider.Delete(s.name, s.kubeconfig); err != nil {
		return explained(err)
	}
	_, err := s.script("docker.sh", "stop")
	return err
}

func answers() error {
	_, err := docker(context.Background(), "version")
	return err
}

// imageID is the ID of an image of Docker, or nothing.
func imageID(image string) string {
	id, err := docker(context.Background(), "image", "inspect", "-f", "{{.Id}}", image)
	if err != nil {
		return ""
	}
	return id
}

// script runs a script of hack/kind, whose complaints are seen as they come, and returns what it printed.
func (s *site) script(script, verb string) (string, error) {
	command := exec.Command(filepath.Join(s.scripts, script), verb)
	command.Stderr = os.Stderr
	var printed bytes.Buffer
	command.Stdout = &printed
	if verb != "name" {
		command.Stdout = os.Stderr // progress
	}
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("hack/kind/%s %s failed, as said above: %w", script, verb, err)
	}
	return strings.TrimSpace(printed.String()), nil
}

func (s *site) useShimIfNeededBy(node nodes.Node) error {
	image, err := docker(context.Background(), "inspect", "-f", "{{.Config.Image}}", node.String())
	if err != nil {
		return err
	}
	return s.useShimIfNeeded(image)
}

// useShimIfNeeded has whatever runs a node, or runs something in one, go through the shim where this Docker cannot give --privileged:
// kind calls the first docker on PATH.
func (s *site) useShimIfNeeded(image string) error {
	if _, err := docker(context.Background(), "run", "--rm", "--privileged", "--entrypoint", "/bin/true", image); err == nil {
		return nil
	}
	return os.Setenv("PATH", filepath.Join(s.scripts, "shim")+string(os.PathListSeparator)+os.Getenv("PATH"))
}
