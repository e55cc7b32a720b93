package render

import (
	"encoding/json"
	"math"
	"testing"
)

func TestASizeIsThatOfTheJSON(t *testing.T) {
	for _, value := range []any{
		nil, true, false, "", "text", "a\"b\\c\n\r\t\b\f\x00\x1f<>&\x7f", "äöü €", "\u2028\u2029", "\xff\xfe", "\ufffd", int64(0), int64(-1), int64(9), int64(10), int64(-10),
		int64(math.MaxInt64), int64(math.MinInt64), 1.5, 1e30, math.Copysign(0, -1), map[string]any{}, []any{}, map[string]any(nil), []any(nil), []any{"a", int64(1), nil},
		map[string]any{"a": "b", "<c>": []any{map[string]any{"d": 2.25}, false}, "": nil},
	} {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		want := len(raw)
		if m, ok := value.(map[string]any); ok && m == nil {
			want = len("{}") // which no object is
		}
		if got, err := sizeOf(value); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", raw, got, err, want)
		}
	}
	for _, value := range []any{math.NaN(), []any{math.Inf(1)}, map[string]any{"a": func() {}}} {
		if _, err := sizeOf(value); err == nil {
			t.Errorf("%v has no JSON", value)
		}
	}
}

func FuzzSizeOfText(f *testing.F) {
	f.Add("a\"b\x00<\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := sizeOfText(s); got != len(raw) {
			t.Errorf("%q: got %d, want %d", s, got, len(raw))
		}
	})
}
