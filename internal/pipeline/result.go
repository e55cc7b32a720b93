package pipeline

import (
	"strings"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// digestPattern is a complete digest.
var digestPattern = lazyregexp.New(`^sha256:[0-9a-f]{64}$`)

// tagPattern is a tag.
var tagPattern = lazyregexp.New(`^[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127}$`)

// ReadResult reads what a stage wrote to TOWPATH_RESULT: a digest, or a reference with a digest, of the image that the Component names.
// Anything else is no result, and is shown nowhere: the stage may have written what it likes.
func ReadResult(written, image string) (reference string, ok bool) {
	written = strings.TrimSpace(written)
	if image == "" {
		return "", false
	}
	name, digest, found := strings.Cut(written, "@")
	if !found {
		name, digest = image, written
	}
	rest, ours := strings.CutPrefix(name, image)
	if rest != "" {
		tag, tagged := strings.CutPrefix(rest, ":")
		ours = ours && tagged && tagPattern().MatchString(tag)
	}
	if !ours || !digestPattern().MatchString(digest) {
		return "", false
	}
	return image + "@" + digest, true
}
