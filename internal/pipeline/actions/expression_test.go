package actions_test

import (
	"fmt"
	"strings"
	"testing"
)

// expressions evaluates what of GitHub's expressions the workflows use, in contexts such as github and needs.
type expressions map[string]any

// expand evaluates the expressions in a text.
func (e expressions) expand(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		end, quoted := 0, false
		for ; quoted || !strings.HasPrefix(rest[end:], "}}"); end++ {
			if rest[end] == '\'' {
				quoted = !quoted
			}
		}
		out.WriteString(show(e.evaluate(t, rest[:end])))
		text = rest[end+2:]
	}
}

// holds evaluates a condition.
func (e expressions) holds(t *testing.T, condition string) bool {
	t.Helper()
	condition = strings.TrimSuffix(strings.TrimPrefix(condition, "${{"), "}}")
	return truthy(e.evaluate(t, condition))
}

func (e expressions) evaluate(t *testing.T, source string) any {
	t.Helper()
	p := &parser{t: t, contexts: e, rest: source}
	value := p.or()
	if p.space(); p.rest != "" {
		t.Fatalf("%q is left over of the expression %q", p.rest, source)
	}
	return value
}

// parser evaluates while it reads: nothing that it evaluates has effects.
type parser struct {
	t        *testing.T
	contexts map[string]any
	rest     string
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *parser) take(token string) bool {
	p.space()
	rest, found := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return found
}

func (p *parser) or() any {
	value := p.and()
	for p.take("||") {
		if next := p.and(); !truthy(value) {
			value = next
		}
	}
	return value
}

func (p *parser) and() any {
	value := p.equal()
	for p.take("&&") {
		if next := p.equal(); truthy(value) {
			value = next
		}
	}
	return value
}

func (p *parser) equal() any {
	value := p.unary()
	switch {
	case p.take("=="):
		return strings.EqualFold(show(value), show(p.unary()))
	case p.take("!="):
		return !strings.EqualFold(show(value), show(p.unary()))
	}
	return value
}

func (p *parser) unary() any {
	if p.space(); strings.HasPrefix(p.rest, "!") && !strings.HasPrefix(p.rest, "!=") {
		p.take("!")
		return !truthy(p.unary())
	}
	return p.primary()
}

func (p *parser) primary() any {
	switch {
	case p.take("("):
		value := p.or()
		p.must(")")
		return value
	case p.take("'"):
		text, rest, _ := strings.Cut(p.rest, "'")
		p.rest = rest
		return text
	}
	name := p.name()
	if p.take("(") {
		return p.call(name)
	}
	value, known := p.contexts[name]
	if !known {
		p.t.Fatalf("there is no context %q", name)
	}
	for p.take(".") {
		if p.take("*") {
			p.must(".")
			value = each(value, p.name())
			continue
		}
		fields, _ := value.(map[string]any)
		value = fields[p.name()]
	}
	return value
}

func (p *parser) call(name string) any {
	switch name {
	case "always", "cancelled":
		p.must(")")
		return name == "always"
	case "contains":
		all, _ := p.or().([]any)
		p.must(",")
		item := show(p.or())
		p.must(")")
		for _, one := range all {
			if strings.EqualFold(show(one), item) {
				return true
			}
		}
		return false
	}
	p.t.Fatalf("there is no function %q", name)
	return nil
}

func (p *parser) must(token string) {
	if !p.take(token) {
		p.t.Fatalf("%q must come before %q", token, p.rest)
	}
}

func (p *parser) name() string {
	p.space()
	end := 0
	for end < len(p.rest) && (p.rest[end] == '_' || p.rest[end] == '-' || p.rest[end] >= '0' && p.rest[end] <= '9' || p.rest[end]|0x20 >= 'a' && p.rest[end]|0x20 <= 'z') {
		end++
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

func each(value any, field string) []any {
	var all []any
	fields, _ := value.(map[string]any)
	for _, one := range fields {
		all = append(all, one.(map[string]any)[field])
	}
	return all
}

func truthy(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	}
	return true
}

func show(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
