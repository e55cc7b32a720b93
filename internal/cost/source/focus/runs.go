package focus

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// together is within which time the files of one run are written where each of them has a UUID of its own in its name, as those of
// a query's result have. Two runs of a bill are further apart. A run of which nothing came for as long is whole.
const together = 10 * time.Minute

var (
	uuid = lazyregexp.New(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// clock are dates with hours and minutes, perhaps seconds and parts of them: such that a T, a Z or a colon tells them from
	// two dates and from a date with a number, or that are six numbers, or digits alone. A date alone is none: it is the period's
	// mostly, as are two of them. Other digits match too, so that none begins within a longer number.
	clock = lazyregexp.New(`(?i)20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}(?:[0-9]{2}(?:[0-9]{2})?|:[0-9]{2}(?::[0-9]{2})?|[-_][0-9]{2}(?:[-_][0-9]{2})?)Z?` +
		`|20[0-9]{2}-[0-9]{2}-[0-9]{2}[-_ ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?Z?` +
		`|20[0-9]{2}-[0-9]{2}-[0-9]{2}[-_](?:[01][0-9]|2[0-3])[-_][0-5][0-9](?:[-_][0-5][0-9]Z?|Z)` +
		`|20[0-9]{6}T[0-9]{4}(?:[0-9]{2}(?:[0-9]{3}|[0-9]{6})?)?Z?` +
		`|20[0-9]{6}[-_][0-9]{4}(?:[0-9]{2}(?:[0-9]{3}|[0-9]{6})?)?Z` +
		`|20[0-9]{10}(?:[0-9]{2}(?:[0-9]{3}|[0-9]{6})?)?Z?` +
		`|([0-9]+)`)
)

// withoutRuns is a path with each identifier of a run as *.
func withoutRuns(name string) string {
	parts := strings.Split(uuid().ReplaceAllString(name, "*"), "/")
	for i, part := range parts {
		parts[i] = withoutTime(part)
	}
	return strings.Join(parts, "/")
}

// withoutTime is the name of a file or folder with the time of a run as *. Two times are from when to when the bill is; of more, the
// last one is the run's.
func withoutTime(name string) string {
	var found [][]int
	for _, at := range clock().FindAllStringSubmatchIndex(name, -1) {
		other := at[2] >= 0 || at[1] < len(name) && name[at[1]] >= '0' && name[at[1]] <= '9'
		if !other {
			found = append(found, at)
		}
	}
	if len(found) == 0 || len(found) == 2 {
		return name
	}
	last := found[len(found)-1]
	return name[:last[0]] + "*" + name[last[1]:]
}

func newest(files []File) time.Time {
	return slices.MaxFunc(files, func(a, b File) int { return a.ModTime.Compare(b.ModTime) }).ModTime
}

// latest parts files whose names differ by the identifier of a run into those of the newest run, and the others.
func latest(files []File) (kept, older []File) {
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(strings.Compare(withoutRuns(a.Path), withoutRuns(b.Path)), b.ModTime.Compare(a.ModTime), strings.Compare(b.Path, a.Path))
	})
	first := 0
	for i, file := range files {
		if i == 0 || withoutRuns(file.Path) != withoutRuns(files[first].Path) {
			first = i
		}
		lead := files[first]
		if i == first || uuid().ReplaceAllString(file.Path, "*") == uuid().ReplaceAllString(lead.Path, "*") && lead.ModTime.Sub(file.ModTime) <= together {
			kept = append(kept, file)
		} else {
			older = append(older, file)
		}
	}
	return kept, older
}
