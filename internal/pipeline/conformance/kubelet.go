package conformance

import "strings"

// Expand does what the kubelet does to arguments and values of variables, as Kubernetes documents it: $(NAME) becomes the value of a
// variable that is known, $$ a dollar, and all else stays.
func Expand(text string, env map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		rest := text[i+1:]
		switch name, _, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")"); {
		case text[i] != '$' || rest == "":
			out.WriteByte(text[i])
		case rest[0] == '$':
			out.WriteByte('$')
			i++
		default:
			value, known := env[name]
			if rest[0] != '(' || !closed || !known {
				out.WriteByte('$')
				continue
			}
			out.WriteString(value)
			i += len(name) + len("()")
		}
	}
	return out.String()
}
