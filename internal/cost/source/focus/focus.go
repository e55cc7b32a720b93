// Package focus reads bills in the FinOps Open Cost and Usage Specification, 1.0 to 1.4: files in CSV, in CSV with gzip, and in
// Parquet. It reads them as a stream and keeps sums alone, so its memory does not grow with the file.
//
// A bill is all of the files of one folder. Either all of it counts or nothing does: a file that is cut off, or has a row that
// cannot be understood, is an error that names file, row, column and what to do. What a bill says of a billing period takes the
// place of what it said before, see Source.
package focus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
)

// Options say how bills are read.
type Options struct {
	// Attribution finds the owner of a charge by its tags.
	Attribution source.Attribution
	// Settle is how long after the end of its day a charge is provisional; 0: DefaultSettle.
	Settle time.Duration
	// Conversions are what amounts become in another currency.
	Conversions source.Conversions
	Limits      Limits
}

// DefaultSettle is how long providers mostly take until a day is complete.
const DefaultSettle = 48 * time.Hour

// Limits bound what a file can make of a manager. A field that is 0 has its default.
type Limits struct {
	// Bytes is how large a file may be, once it is unpacked: 64 GiB.
	Bytes int64
	// Ratio is how many times larger than packed a file may be: 250. Bills have 10 to 60.
	Ratio int64
	// Cell and Row are how many bytes one of them may have: 1 MiB and 4 MiB.
	Cell, Row int
	// Columns is how many a file may have: 1,000.
	Columns int
	// Page is how many bytes a page or dictionary of Parquet may have, unpacked: 64 MiB.
	Page int64
	// Groups is how many sums a bill may come to: source.MaxGroups.
	Groups int
	// Files is how many a location may have: 10,000.
	Files int
}

func (l Limits) orDefault() Limits {
	return Limits{
		Bytes: cmp.Or(l.Bytes, 64<<30), Ratio: cmp.Or(l.Ratio, 250), Cell: cmp.Or(l.Cell, 1<<20), Row: cmp.Or(l.Row, 4<<20),
		Columns: cmp.Or(l.Columns, 1000), Page: cmp.Or(l.Page, 64<<20), Groups: cmp.Or(l.Groups, source.MaxGroups),
		Files: cmp.Or(l.Files, 10_000),
	}
}

// Import is what a bill says.
type Import struct {
	Ledger *source.Ledger
	Report Report
}

// Report is what there is to say of a bill beside its sums.
type Report struct {
	Files int
	Rows  int64
	// Untagged are rows without a team's tag, BadTags those among them whose tags are no JSON object, and FirstBadTags the first
	// few of these.
	Untagged, BadTags int64
	FirstBadTags      []Place
	// UnknownTeams says how many rows name a team that does not exist; these rows are nobody's. It holds the first
	// MaxUnknownTeams; UnknownTeamRows counts all.
	UnknownTeams    map[string]int64
	UnknownTeamRows int64
	// NoAmount are rows of which a cost is absent, which counts as 0.
	NoAmount int64
	// Long are charges for more than a day. They stand on their first one.
	Long int64
	// Corrections are rows that correct an earlier billing period.
	Corrections int64
	// Providers are those whose services were charged, in order.
	Providers []string
}

// MaxUnknownTeams is how many teams that do not exist a Report names, maxPlaces how many bad tags, maxProviders how many
// providers.
const (
	MaxUnknownTeams = 50
	maxPlaces       = 5
	maxProviders    = 20
)

// Place is a row of a file. The first row is the one after the header.
type Place struct {
	File string
	Row  int64
}

// Error is what is wrong with a file. Row is 0 where it is not about one, Column empty likewise.
type Error struct {
	Place
	Column string
	Err    error
}

// Error names the place.
func (e *Error) Error() string {
	text := e.File
	if e.Row > 0 {
		text += fmt.Sprintf(", row %d", e.Row)
	}
	if e.Column != "" {
		text += ", column " + e.Column
	}
	return text + ": " + e.Err.Error()
}

// Unwrap is what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// ErrIncomplete is among the errors of a file that is cut off, or that changed while it was read.
var ErrIncomplete = errors.New("the file is not complete")

// ErrLimit is among the errors of a file that is larger than Limits let it be.
var ErrLimit = errors.New("it is larger than a bill may be")

// Read reads all files of a bill.
func Read(ctx context.Context, location Location, bill Bill, options Options) (*Import, error) {
	options.Limits = options.Limits.orDefault()
	options.Settle = cmp.Or(options.Settle, DefaultSettle)
	r := newReader(options)
	for _, file := range bill.Files {
		r.place = Place{File: file.Path}
		if err := r.readFile(ctx, location, file); err != nil {
			return nil, r.wrap(err)
		}
	}
	r.report.Files = len(bill.Files)
	r.report.Providers = slices.Sorted(maps.Keys(r.providers))
	return &Import{Ledger: r.ledger, Report: r.report}, nil
}

// wrap says in which file it was, where the error does not.
func (r *reader) wrap(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Place: Place{File: r.place.File}, Err: err}
}

func (r *reader) readFile(ctx context.Context, location Location, file File) (err error) {
	content, err := location.Open(ctx, file.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	before, err := content.Info()
	if err != nil {
		return err
	}
	if before != (Info{Size: file.Size, ModTime: file.ModTime, Version: file.Version}) {
		return fmt.Errorf("%w: it has changed since the folder was listed; it will be read again", ErrIncomplete)
	}
	if err := r.readContent(ctx, content, before.Size); err != nil {
		return err
	}
	after, err := content.Info()
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("%w: it changed while it was read; write a bill under another name and rename it when it is whole", ErrIncomplete)
	}
	return nil
}

// readContent looks at how a file begins: names say little.
func (r *reader) readContent(ctx context.Context, content Content, size int64) error {
	var begin [4]byte
	n, err := content.ReadAt(begin[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch head := string(begin[:n]); {
	case head == "PAR1":
		return r.readParquet(ctx, content, size)
	case n >= 2 && head[:2] == "\x1f\x8b":
		return r.readGzip(ctx, io.NewSectionReader(content, 0, size))
	case n >= 2 && head[:2] == "PK":
		return errors.New("it is a zip archive; a bill must be CSV, CSV packed by gzip, or Parquet: unpack it")
	case head == "\x28\xb5\x2f\xfd", n >= 3 && head[:3] == "BZh", head == "\xfd7zX":
		return errors.New("it is packed by zstd, bzip2 or xz; a bill must be CSV, CSV packed by gzip, or Parquet: pack it by gzip")
	case n >= 2 && (head[:2] == "\xff\xfe" || head[:2] == "\xfe\xff"):
		return errors.New("it is in UTF-16; CSV must be in UTF-8: export it so")
	}
	return r.readPlain(ctx, io.NewSectionReader(content, 0, size))
}
