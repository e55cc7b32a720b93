package override

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Bounds of a path.
const (
	maxPathBytes = 1024
	maxSteps     = 64
)

// Path is a place in an object: fields, and elements of lists by their keys.
type Path []Step

// Step is a field, or an element of a list.
type Step struct {
	// Field is the name of the field; empty for an element.
	Field string
	// Keys select the element, in the order in which they are written. None selects any.
	Keys []Key
}

// Key is a field of an element, and the value that selects it.
type Key struct {
	Name, Value string
	// Any says that any value does.
	Any bool
}

// element says that the step is an element of a list.
func (s Step) element() bool { return s.Field == "" }

// ParsePath reads a path such as spec.template.spec.containers[name=app].resources: names joined by dots,
// ["…"] around a name that is not a plain one, [key=value] or [key="…"] for an element, * for any value.
func ParsePath(text string) (Path, error) {
	if len(text) > maxPathBytes {
		return nil, fmt.Errorf("it has %d bytes, and at most %d are allowed", len(text), maxPathBytes)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not valid UTF-8")
	}
	p := parser{rest: text}
	var path Path
	for first := true; first || p.rest != ""; first = false {
		step, err := p.step(first)
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", len(text)-len(p.rest), err)
		}
		if path = append(path, step); len(path) > maxSteps {
			return nil, fmt.Errorf("it has more than %d steps", maxSteps)
		}
	}
	if path[0].element() {
		return nil, errors.New("it must begin with a field")
	}
	return path, nil
}

// parser holds what is still to be read.
type parser struct{ rest string }

func (p *parser) step(first bool) (Step, error) {
	switch {
	case strings.HasPrefix(p.rest, `["`):
		p.rest = p.rest[1:]
		name, err := p.quoted()
		if err != nil {
			return Step{}, err
		}
		if name == "" {
			return Step{}, errors.New("a name must not be empty")
		}
		return Step{Field: name}, p.expect("]")
	case strings.HasPrefix(p.rest, "["):
		p.rest = p.rest[1:]
		return p.element()
	case !first:
		if err := p.expect("."); err != nil {
			return Step{}, err
		}
	}
	name := p.plain()
	if name == "" {
		return Step{}, errors.New(`a field is missing: write a name of letters, digits, - and _, or ["…"] around any other`)
	}
	return Step{Field: name}, nil
}

// element reads what follows the bracket of an element.
func (p *parser) element() (Step, error) {
	step := Step{}
	if strings.HasPrefix(p.rest, "*]") {
		p.rest = p.rest[2:]
		return step, nil
	}
	for {
		key := Key{Name: p.plain()}
		if key.Name == "" {
			return Step{}, errors.New("an element must be written [key=value], such as [name=app]")
		}
		for _, other := range step.Keys {
			if other.Name == key.Name {
				return Step{}, fmt.Errorf("the key %s stands there twice", key.Name)
			}
		}
		if err := p.expect("="); err != nil {
			return Step{}, err
		}
		var err error
		if strings.HasPrefix(p.rest, `"`) {
			key.Value, err = p.quoted()
		} else {
			end := strings.IndexAny(p.rest, `,]["`)
			if end < 0 {
				return Step{}, errors.New("the bracket is not closed")
			}
			key.Value, p.rest = p.rest[:end], p.rest[end:]
			if key.Value == "" {
				err = fmt.Errorf("the value of %s is missing; an empty one is written \"\"", key.Name)
			}
			if key.Any = key.Value == "*"; key.Any {
				key.Value = ""
			}
		}
		if err != nil {
			return Step{}, err
		}
		step.Keys = append(step.Keys, key)
		if !strings.HasPrefix(p.rest, ",") {
			return step, p.expect("]")
		}
		p.rest = p.rest[1:]
	}
}

// plain reads a name that needs no quotes; empty where there is none.
func (p *parser) plain() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !plainRune(r) })
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

func plainRune(r rune) bool {
	return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// quoted reads a JSON string.
func (p *parser) quoted() (string, error) {
	for end := 1; end < len(p.rest); end++ {
		switch p.rest[end] {
		case '\\':
			end++
		case '"':
			var text string
			if err := json.Unmarshal([]byte(p.rest[:end+1]), &text); err != nil {
				return "", errors.New("the quoted name is no JSON string")
			}
			p.rest = p.rest[end+1:]
			return text, nil
		}
	}
	return "", errors.New("the quote is not closed")
}

func (p *parser) expect(text string) error {
	rest, ok := strings.CutPrefix(p.rest, text)
	if !ok {
		return fmt.Errorf("%q is missing", text)
	}
	p.rest = rest
	return nil
}

// String writes the path as ParsePath reads it.
func (p Path) String() string {
	var b strings.Builder
	for i, step := range p {
		switch {
		case step.element():
			b.WriteString(step.selector())
		case strings.IndexFunc(step.Field, func(r rune) bool { return !plainRune(r) }) >= 0:
			b.WriteString("[" + quote(step.Field) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step.Field)
		}
	}
	return b.String()
}

func (s Step) selector() string {
	if len(s.Keys) == 0 {
		return "[*]"
	}
	keys := make([]string, len(s.Keys))
	for i, key := range s.Keys {
		switch {
		case key.Any:
			keys[i] = key.Name + "=*"
		case key.Value == "" || key.Value == "*" || strings.ContainsAny(key.Value, "\",[]\\") || strconv.Quote(key.Value) != `"`+key.Value+`"`:
			keys[i] = key.Name + "=" + quote(key.Value)
		default:
			keys[i] = key.Name + "=" + key.Value
		}
	}
	return "[" + strings.Join(keys, ",") + "]"
}

// quote writes a JSON string.
func quote(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		return strconv.Quote(text)
	}
	return string(raw)
}

// covers says whether a place is the path, or below it.
func (p Path) covers(place fieldpath.Path) bool {
	return len(p) <= len(place) && p.along(place)
}

// along says whether the path and a place agree as far as both go: one is above the other, or they are the same.
func (p Path) along(place fieldpath.Path) bool {
	for i := range min(len(p), len(place)) {
		if !p[i].matches(place[i]) {
			return false
		}
	}
	return true
}

// matches says whether a step leads to an element of a place.
func (s Step) matches(at fieldpath.PathElement) bool {
	if !s.element() {
		return at.FieldName != nil && *at.FieldName == s.Field
	}
	if at.Key == nil {
		return false
	}
	for _, key := range s.Keys {
		found := false
		for _, field := range *at.Key {
			found = found || field.Name == key.Name && (key.Any || text(field.Value) == key.Value)
		}
		if !found {
			return false
		}
	}
	return true
}

// text is a scalar as people write it.
func text(v value.Value) string {
	if v.IsString() {
		return v.AsString()
	}
	return value.ToString(v)
}

// show is a place as a path, so that a message can be copied into a template. A value of a set is shown as the
// set: it opens as a whole.
func show(place fieldpath.Path) string {
	var path Path
	for _, at := range place {
		switch {
		case at.FieldName != nil:
			path = append(path, Step{Field: *at.FieldName})
		case at.Key != nil:
			var step Step
			for _, field := range *at.Key {
				step.Keys = append(step.Keys, Key{Name: field.Name, Value: text(field.Value)})
			}
			path = append(path, step)
		}
	}
	return path.String()
}
