package focus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// Location is where bills are. A folder of a volume is one; a web server or a bucket can be another. Parquet is read from its end,
// so what cannot be read at any place must be fetched first.
type Location interface {
	// List are all files, in any order.
	List(ctx context.Context) ([]File, error)
	Open(ctx context.Context, path string) (Content, error)
	Close() error
}

// File is a file of a location; Path is its path below it, with slashes.
type File struct {
	Path    string
	Size    int64
	ModTime time.Time
	// Version is another one when the content is, where the location has such, as the ETag of a web server; else empty.
	Version string
}

// Content is an open file.
type Content interface {
	io.ReaderAt
	io.Closer
	// Info is what the file is like now.
	Info() (Info, error)
}

// Info tells whether a file has changed.
type Info struct {
	Size    int64
	ModTime time.Time
	Version string
}

// Open opens a location by its name: the path of a folder, or of a single file.
func Open(_ context.Context, name string) (Location, error) {
	if scheme, _, ok := strings.Cut(name, "://"); ok {
		return nil, fmt.Errorf("location %s: it must be the path of a folder or file in a volume of the manager; %s has a package of its own", name, scheme)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("location %s: %w; it must be the path of a folder or file in a volume of the manager", name, err)
	}
	dir, only := name, ""
	if !info.IsDir() {
		dir, only = path.Split(name)
		dir = cmp.Or(dir, ".")
	}
	// A link that leads out of the folder is refused: bills come from others.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("location %s: %w", name, err)
	}
	return &volume{root: root, only: only}, nil
}

// volume is a folder.
type volume struct {
	root *os.Root
	only string
}

func (v *volume) List(ctx context.Context) ([]File, error) {
	var files []File
	err := fs.WalkDir(v.root.FS(), cmp.Or(v.only, "."), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if hidden(name) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		// Stat follows links within the folder, by which volumes of ConfigMaps and the like are made.
		info, err := v.root.Stat(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if info.Mode().IsRegular() {
			files = append(files, File{Path: name, Size: info.Size(), ModTime: info.ModTime()})
		}
		return nil
	})
	return files, err
}

// hidden says whether a file is none of a bill's: half-written ones and folders of tools begin with a dot or an underscore.
func hidden(name string) bool {
	base := path.Base(name)
	return base != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"))
}

func (v *volume) Open(_ context.Context, name string) (Content, error) {
	file, err := v.root.Open(name)
	if err != nil {
		return nil, err
	}
	return opened{file}, nil
}

func (v *volume) Close() error { return v.root.Close() }

type opened struct{ *os.File }

func (o opened) Info() (Info, error) {
	info, err := o.Stat()
	if err != nil {
		return Info{}, err
	}
	return Info{Size: info.Size(), ModTime: info.ModTime()}, nil
}

// Bill is what is read at once: the files of one folder.
type Bill struct {
	// Name is the folder's path below the location, with each identifier of a run in it as *. It is the Part of its slices, so a
	// bill that is issued again under the name of another run takes the place of what that run said.
	Name  string
	Files []File
	// Older are files that do not count, since a newer run tells of the same.
	Older []File
}

// Fingerprint is another one when the bill would say something else: when its files or the attribution change. It is for a source's
// cursor, so that what has not changed is not read again.
func (b Bill) Fingerprint(a source.Attribution) string {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%q %q %q %q\n", a.TeamKeys, a.EnvironmentKeys, a.ComponentKeys, slices.Sorted(maps.Keys(a.Teams)))
	for _, file := range b.Files {
		_, _ = fmt.Fprintf(hash, "%q %d %d %q\n", file.Path, file.Size, file.ModTime.UnixNano(), file.Version)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Bills lists the bills of a location, by name. Where there are several runs of one, such as
// focus/20261101-20261130/<uuid>/part_0.csv.gz, the newest run counts alone, and where a folder has several files whose names
// differ by the identifier of a run, the newest of these; with those that differ by a UUID alone and were written at the same time.
func Bills(ctx context.Context, location Location, limits Limits) ([]Bill, error) {
	files, err := location.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the location: %w", err)
	}
	most := limits.orDefault().Files
	var found []File
	for _, file := range files {
		if billFile().MatchString(file.Path) {
			found = append(found, file)
		}
	}
	switch {
	case len(found) > most:
		return nil, fmt.Errorf("%w: the location has %d files, and may have %d: name a folder below it", ErrLimit, len(found), most)
	case len(found) == 0 && len(files) > 0:
		return nil, errors.New("the location has files, but none that ends in .csv, .csv.gz, .gz or .parquet")
	}
	folders := map[string][]File{}
	for _, file := range found {
		folders[path.Dir(file.Path)] = append(folders[path.Dir(file.Path)], file)
	}
	runs, older := map[string]string{}, map[string][]File{}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		name := withoutRuns(folder)
		other, ok := runs[name]
		switch {
		case !ok:
			runs[name] = folder
		case newest(folders[other]).Compare(newest(folders[folder])) <= 0:
			runs[name], older[name] = folder, append(older[name], folders[other]...)
		default:
			older[name] = append(older[name], folders[folder]...)
		}
	}
	var bills []Bill
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		kept, others := latest(folders[runs[name]])
		bills = append(bills, Bill{Name: name, Files: kept, Older: append(older[name], others...)})
	}
	return bills, nil
}

var billFile = lazyregexp.New(`(?i)\.(csv|gz|parquet)$`)
