package build

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
)

// MaxMarks is how many references are known again.
const MaxMarks = 1000

// Mark is a short hash by which a tag or a pull request is known again. Two of them are the same by chance once in four billion times; then one
// that is new passes for known.
type Mark uint32

// MarkOf makes the mark of what texts tell.
func MarkOf(texts ...string) Mark {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return Mark(binary.BigEndian.Uint32(sum[:4]))
}

// Marks are those of what a repository had, within a scope: what was looked for.
type Marks struct {
	Scope Mark
	Of    []Mark
}

const markSize = 4

// Encode writes marks as a text, the same one for the same marks.
func (m Marks) Encode() string {
	marks := slices.Clone(m.Of)
	slices.Sort(marks)
	data := binary.BigEndian.AppendUint32(nil, uint32(m.Scope))
	for _, mark := range slices.Compact(marks) {
		data = binary.BigEndian.AppendUint32(data, uint32(mark))
	}
	return base64.RawStdEncoding.EncodeToString(data)
}

// DecodeMarks reads them. False where there are none of the scope: then nothing is known yet of what is looked for.
func DecodeMarks(text string, scope Mark) (Marks, bool) {
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(data) < markSize || len(data)%markSize != 0 || Mark(binary.BigEndian.Uint32(data)) != scope {
		return Marks{Scope: scope}, false
	}
	m := Marks{Scope: scope}
	for rest := data[markSize:]; len(rest) > 0; rest = rest[markSize:] {
		m.Of = append(m.Of, Mark(binary.BigEndian.Uint32(rest)))
	}
	return m, true
}

// Has says whether a mark is among them.
func (m Marks) Has(mark Mark) bool { return slices.Contains(m.Of, mark) }

// TagMatches says whether the name of a tag matches one of the patterns of a source: * stands for any text without a slash, ** for any text.
func TagMatches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*\*`, `.*`)
		matches, err := regexp.MatchString(`^(?:`+strings.ReplaceAll(expression, `\*`, `[^/]*`)+`)$`, name)
		return err == nil && matches
	})
}
