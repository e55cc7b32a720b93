package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// archiveName is the layout as one file: what skopeo calls oci-archive, and what ctr imports.
const archiveName = "towpath-manager-image.tar"

// write leaves the index in a folder: as a layout in oci, and as one file.
func write(index v1.ImageIndex, a about, out string) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	folder := filepath.Join(out, "oci")
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": a.Version})); err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	file, err := os.Create(filepath.Join(out, archiveName))
	if err != nil {
		return err
	}
	if err := pack(file, folder, a); err != nil {
		_ = file.Close() // the first error says more
		return fmt.Errorf("writing %s: %w", archiveName, err)
	}
	return file.Close()
}

// pack writes the files of a folder, in the order of their names, with nothing of the machine that they lie on.
func pack(w io.Writer, folder string, a about) error {
	archive := tar.NewWriter(w)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: filepath.ToSlash(relative), Mode: 0o644, Size: int64(len(content)), ModTime: a.Created, Format: tar.FormatPAX,
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	return archive.Close()
}
