package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const kustomization = "kustomization.yaml"

// addManifests adds the files of one environment.
func addManifests(files map[string][]byte, environment string, objects []*unstructured.Unstructured) error {
	var names []string
	for _, object := range objects {
		name := strings.ToLower(object.GetKind()) + "-" + object.GetName() + ".yaml"
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return err
		}
		path := filepath.Join(environment, name)
		if _, taken := files[path]; taken {
			return fmt.Errorf("two objects are called %s in environment %s", strings.TrimSuffix(name, ".yaml"), environment)
		}
		files[path] = text
		names = append(names, name)
	}
	slices.Sort(names)
	return addKustomization(files, environment, names)
}

// addRoot adds the kustomization of all environments.
func addRoot(files map[string][]byte, releases []*platformv1alpha1.Release) error {
	var names []string
	for _, release := range releases {
		names = append(names, release.Spec.Environment.Name)
	}
	return addKustomization(files, "", names)
}

func addKustomization(files map[string][]byte, folder string, resources []string) error {
	text, err := yaml.Marshal(map[string]any{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources})
	if err == nil {
		files[filepath.Join(folder, kustomization)] = text
	}
	return err
}

// same says whether a folder holds these files, as the call without --yes left them, and no others.
func same(dir string, files map[string][]byte) bool {
	count := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if wanted, ok := files[name]; !ok || !bytes.Equal(wanted, text) {
			return fs.ErrExist
		}
		count++
		return nil
	})
	return err == nil && count == len(files)
}

// writeFiles writes into a folder that is empty or does not exist. On an error it leaves nothing behind.
func writeFiles(dir string, files map[string][]byte) (err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if same(dir, files) {
			return nil
		}
		return fmt.Errorf("%s is not empty: manifests of others could mix with these", dir)
	}
	existed := err == nil
	defer func() {
		if err == nil {
			return
		}
		for path := range files { // only what was to be written here
			_ = os.RemoveAll(filepath.Join(dir, strings.Split(path, string(filepath.Separator))[0]))
		}
		if !existed {
			_ = os.Remove(dir)
		}
	}()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		target := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(target, files[path], 0o600); err != nil {
			return err
		}
	}
	return nil
}
