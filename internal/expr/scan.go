package expr

import (
	"fmt"
	"strings"
)

// Part is a piece of a scanned string: literal text, or the expression between ${ and }.
type Part struct {
	// Text is the literal with $${ already turned into ${, or the expression without ${ and },
	// trimmed of white space.
	Text string
	// Expression says which of the two it is.
	Expression bool
}

// Scan splits a string into literals and expressions. ${ begins an expression, which ends at the
// matching brace: braces inside nested braces, CEL strings and comments do not count. $${ is a
// literal ${. A string without expressions gives at most one part. The error names the offset, the
// rule and the next step.
func Scan(s string) ([]Part, error) {
	var parts []Part
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			parts = append(parts, Part{Text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(s); {
		rest := s[i:]
		switch {
		case strings.HasPrefix(rest, "$${"):
			literal.WriteString("${")
			i += 3
		case strings.HasPrefix(rest, "${"):
			length, err := closing(rest[2:])
			if err != nil {
				return nil, fmt.Errorf("the ${ at offset %d %w", i, err)
			}
			text := strings.TrimSpace(rest[2 : 2+length])
			if text == "" {
				return nil, fmt.Errorf("the ${ at offset %d holds no expression: write one, or $${ for a literal ${", i)
			}
			flush()
			parts = append(parts, Part{Text: text, Expression: true})
			i += 2 + length + 1
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	flush()
	return parts, nil
}

// Whole returns the expression of a string that is nothing but one ${…}.
func Whole(s string) (string, error) {
	parts, err := Scan(s)
	if err != nil {
		return "", err
	}
	if len(parts) != 1 || !parts[0].Expression {
		return "", fmt.Errorf("%q must be exactly one ${…}, with nothing before or after it", s)
	}
	return parts[0].Text, nil
}

// closing returns the offset of the brace that closes the expression at the beginning of s.
func closing(s string) (int, error) {
	depth := 0
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '{':
			depth++
			i++
		case '}':
			if depth == 0 {
				return i, nil
			}
			depth--
			i++
		case '\'', '"':
			length := quoted(s[i:], raw(s[:i]))
			if length < 0 {
				return 0, fmt.Errorf("holds a string that is never closed: add the missing %c", c)
			}
			i += length
		case '/':
			// A comment reaches to the end of its line.
			if strings.HasPrefix(s[i:], "//") {
				end := strings.IndexByte(s[i:], '\n')
				if end < 0 {
					end = len(s) - i
				}
				i += end
				continue
			}
			i++
		default:
			i++
		}
	}
	return 0, fmt.Errorf("is never closed: add the missing }, or write $${ for a literal ${")
}

// quoted returns the length of the CEL string literal at the beginning of s, quotes included, or -1
// when it is never closed.
func quoted(s string, raw bool) int {
	quote := s[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s, triple) {
		quote = triple
	}
	for i := len(quote); i < len(s); {
		switch {
		case s[i] == '\\' && !raw:
			i += 2
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		default:
			i++
		}
	}
	return -1
}

// raw says whether what stands before a quote makes the string a raw one: r, or r with b, that is
// not the end of a longer name.
func raw(before string) bool {
	end := len(before)
	isRaw := false
	for n := 0; n < 2 && end > 0; n++ {
		c := before[end-1] | 0x20 // in lower case
		if c != 'r' && c != 'b' {
			break
		}
		isRaw = isRaw || c == 'r'
		end--
	}
	return isRaw && (end == 0 || !nameByte(before[end-1]))
}

func nameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
