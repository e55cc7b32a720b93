package render

import (
	"encoding/json"
	"math"
	"unicode/utf8"
)

// sizeOf is how many bytes a value has as JSON. An error says that it has no JSON.
func sizeOf(value any) (int, error) {
	switch v := value.(type) {
	case string:
		return sizeOfText(v), nil
	case int64:
		return digits(v), nil
	case map[string]any:
		size := 2 + max(0, len(v)-1)
		for key, item := range v {
			n, err := sizeOf(item)
			if err != nil {
				return 0, err
			}
			size += sizeOfText(key) + 1 + n
		}
		return size, nil
	case []any:
		if v == nil {
			return len("null"), nil
		}
		size := 2 + max(0, len(v)-1)
		for _, item := range v {
			n, err := sizeOf(item)
			if err != nil {
				return 0, err
			}
			size += n
		}
		return size, nil
	default:
		raw, err := json.Marshal(v)
		return len(raw), err
	}
}

func digits(n int64) int {
	if n == math.MinInt64 {
		return len("-9223372036854775808")
	}
	size := 1
	if n < 0 {
		n, size = -n, 2
	}
	for ; n >= 10; n /= 10 {
		size++
	}
	return size
}

// sizeOfText counts what encoding/json escapes.
func sizeOfText(s string) int {
	size := 2
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"', c == '\\', c == '\n', c == '\r', c == '\t', c == '\b', c == '\f':
				size += 2
			case c < ' ', c == '<', c == '>', c == '&':
				size += 6
			default:
				size++
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r == utf8.RuneError && n == 1 || r == 0x2028 || r == 0x2029 {
			size += 6
		} else {
			size += n
		}
	}
	return size
}
