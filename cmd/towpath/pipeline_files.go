package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

// maxGenerated is more than any file of ours has.
const maxGenerated = 4 << 20

// readGenerated reads what of a repository may have been generated.
func readGenerated(root *os.Root) (actions.Files, error) {
	files := actions.Files{}
	for _, folder := range []string{".github/workflows", ".github/towpath"} {
		err := fs.WalkDir(root.FS(), folder, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && name == folder:
				return nil
			case err != nil:
				return err
			case entry.Type()&fs.ModeSymlink != 0 && strings.Contains(name, "towpath"):
				return fmt.Errorf("%s is a symbolic link, and must be a file or a folder", name)
			case !entry.Type().IsRegular():
				return nil
			}
			file, err := root.Open(name)
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // it was only read
			content, err := io.ReadAll(io.LimitReader(file, maxGenerated))
			files[name] = content
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// writeWorkflows writes what differs, and removes what is stale. It never leaves the repository: a link that leads out of it is an error.
func writeWorkflows(root *os.Root, out io.Writer, differences []actions.Difference, wanted actions.Files) error {
	for _, difference := range differences {
		name, verb := difference.Path, "wrote"
		if difference.State == actions.Stale {
			verb = "removed"
			if err := root.Remove(name); err != nil {
				return err
			}
			_ = root.Remove(path.Dir(name)) // stays where it holds anything else
		} else {
			if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
				return err
			}
			if err := root.WriteFile(name, wanted[name], 0o644); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", verb, name); err != nil {
			return err
		}
	}
	return nil
}

// showDrift shows what differs, and fails where anything does.
func showDrift(std streams, differences []actions.Difference, wanted, found actions.Files, command string) error {
	for _, difference := range differences {
		if _, err := io.WriteString(std.out, lines(difference.Path, found[difference.Path], wanted[difference.Path])); err != nil {
			return err
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return &trouble{
		err:  fmt.Errorf("the repository is behind its golden path in %s", plural(len(differences), "file")),
		next: command + ", and commit what it writes", code: exitFindings,
	}
}

// lines shows how a file differs: in one piece, from the first line that does to the last, with some around it. It is a patch that
// git apply takes.
func lines(name string, before, after []byte) string {
	const around = 3
	old, current := split(before), split(after)
	same := 0
	for same < len(old) && same < len(current) && old[same] == current[same] {
		same++
	}
	end := 0
	for end < len(old)-same && end < len(current)-same && old[len(old)-1-end] == current[len(current)-1-end] {
		end++
	}
	first, last := max(0, same-around), max(0, end-around)
	var text strings.Builder
	from, to := "a/"+name, "b/"+name
	if before == nil {
		from = "/dev/null"
	}
	if after == nil {
		to = "/dev/null"
	}
	fmt.Fprintf(&text, "--- %s\n+++ %s\n@@ -%s +%s @@\n", from, to, span(first, len(old)-last-first), span(first, len(current)-last-first))
	write := func(mark string, some []string) {
		for _, line := range some {
			text.WriteString(mark + line + "\n")
		}
	}
	write(" ", old[first:same])
	write("-", old[same:len(old)-end])
	write("+", current[same:len(current)-end])
	write(" ", old[len(old)-end:len(old)-last])
	return text.String()
}

func span(first, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", first)
	}
	return fmt.Sprintf("%d,%d", first+1, count)
}

func split(content []byte) []string {
	if len(content) == 0 {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(content, []byte("\n"))), "\n")
}
