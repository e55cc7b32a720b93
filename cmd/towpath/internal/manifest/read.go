package manifest

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFileSize bounds a file of many documents.
const maxFileSize = 64 << 20

// Stdin is the name that stands for standard input, as with kubectl.
const Stdin = "-"

// Read reads files, folders with all they hold, and standard input. The error is one of input and
// output; what cannot be understood is a Problem.
func Read(names []string, stdin io.Reader) ([]*Document, []Problem, error) {
	var documents []*Document
	var problems []Problem
	for _, name := range names {
		files := []string{name}
		if name != Stdin {
			var err error
			if files, err = expandFolder(name); err != nil {
				return nil, nil, err
			}
		}
		for _, file := range files {
			data, err := load(file, stdin)
			if err != nil {
				return nil, nil, err
			}
			shown := file
			if file == Stdin {
				shown = "stdin"
			}
			found, unreadable := Parse(shown, data)
			documents = append(documents, found...)
			problems = append(problems, unreadable...)
		}
	}
	return documents, problems, nil
}

// expandFolder lists the YAML and JSON files in a folder, or names the file itself.
func expandFolder(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if hidden := strings.HasPrefix(entry.Name(), ".") && path != name; hidden && entry.IsDir() {
			return fs.SkipDir
		} else if hidden || !entry.Type().IsRegular() {
			return nil
		}
		if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no file that ends in .yaml, .yml or .json", name)
	}
	return files, err
}

func load(name string, stdin io.Reader) ([]byte, error) {
	source := stdin
	if name != Stdin {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // it was only read
		source = file
	}
	data, err := io.ReadAll(io.LimitReader(source, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s has more than %d bytes; split it", name, maxFileSize)
	}
	return data, nil
}
