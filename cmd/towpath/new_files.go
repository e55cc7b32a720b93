package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// checkNew says what keeps files, named by paths with slashes, from being written as new ones: files that exist, and folders
// that are no folders. A folder that is a symbolic link is none: what is written there would land elsewhere.
func checkNew(dir string, files map[string][]byte) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link; nothing was written", dir)
	case !info.IsDir():
		return fmt.Errorf("%s is no folder; nothing was written", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	return conflicts(root, files)
}

// conflicts lists what is in the way, in the order of the paths.
func conflicts(root *os.Root, files map[string][]byte) error {
	var taken, strange []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			if info, err := root.Lstat(folder); err == nil && !info.IsDir() && !slices.Contains(strange, folder) {
				strange = append(strange, folder)
			}
		}
		if _, err := root.Lstat(name); err == nil {
			taken = append(taken, name)
		}
	}
	switch {
	case len(strange) > 0:
		return fmt.Errorf("in %s, %s must be a folder and no symbolic link; nothing was written", root.Name(), strings.Join(strange, ", "))
	case len(taken) > 0:
		return fmt.Errorf("%s has %s already; nothing was written", root.Name(), strings.Join(taken, ", "))
	}
	return nil
}

// writeNew writes files into a folder that has none of them. On an error it leaves nothing behind of what it made.
func writeNew(dir string, files map[string][]byte) (err error) {
	if err := checkNew(dir, files); err != nil {
		return err
	}
	_, before := os.Lstat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	var made []string
	defer func() {
		if err != nil {
			for _, name := range slices.Backward(made) {
				_ = root.Remove(name) // a folder that others wrote into stays
			}
		}
		_ = root.Close() // every file is closed on its own
		if err != nil && errors.Is(before, fs.ErrNotExist) {
			_ = os.Remove(dir)
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var missing []string
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			if _, err := root.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
				missing = append(missing, folder)
			}
		}
		for _, folder := range slices.Backward(missing) {
			if err := root.Mkdir(folder, 0o755); err != nil {
				return err
			}
			made = append(made, folder)
		}
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		made = append(made, name)
		_, err = file.Write(files[name])
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}
