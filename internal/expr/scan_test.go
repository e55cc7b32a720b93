package expr

import (
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	e := func(s string) Part { return Part{Text: s, Expression: true} }
	l := func(s string) Part { return Part{Text: s} }
	for _, test := range []struct {
		name, in string
		want     []Part
	}{
		{"empty", "", nil},
		{"literal", "plain", []Part{l("plain")}},
		{"whole", "${params.port}", []Part{e("params.port")}},
		{"trimmed", "${  a\n }", []Part{e("a")}},
		{"inside", "a-${b}-c", []Part{l("a-"), e("b"), l("-c")}},
		{"two", "${a}${b}", []Part{e("a"), e("b")}},
		{"escaped", "$${a}", []Part{l("${a}")}},
		{"escaped before expression", "$${a}${b}", []Part{l("${a}"), e("b")}},
		{"dollar alone", "cost $5 or $ or {}", []Part{l("cost $5 or $ or {}")}},
		{"two dollars", "$$", []Part{l("$$")}},
		{"map literal", "${{'a': {'b': 1}}}", []Part{e("{'a': {'b': 1}}")}},
		{"brace in single quotes", "${'}'}", []Part{e("'}'")}},
		{"brace in double quotes", `${"}" + '{'}`, []Part{e(`"}" + '{'`)}},
		{"escaped quote", `${'it\'s }'}x`, []Part{e(`'it\'s }'`), l("x")}},
		{"raw string", `${r'\'}x`, []Part{e(`r'\'`), l("x")}},
		{"raw bytes", `${br'\'}x`, []Part{e(`br'\'`), l("x")}},
		{"name that ends in r is no raw string", `${bar'\'}'}x`, []Part{e(`bar'\'}'`), l("x")}},
		{"triple quotes", `${'''a'}'''}x`, []Part{e(`'''a'}'''`), l("x")}},
		{"triple double quotes", "${\"\"\"a\"}\"\"\"}x", []Part{e("\"\"\"a\"}\"\"\""), l("x")}},
		{"empty string", `${''}x`, []Part{e(`''`), l("x")}},
		{"comment", "${a // }\n}x", []Part{e("a // }"), l("x")}},
		{"division", "${4/2}x", []Part{e("4/2"), l("x")}},
		{"unicode", "ü${'ü'}ü", []Part{l("ü"), e("'ü'"), l("ü")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Scan(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(test.want) {
				t.Fatalf("got %+v, want %+v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("part %d: got %+v, want %+v", i, got[i], test.want[i])
				}
			}
		})
	}
}

func TestScanErrors(t *testing.T) {
	for in, want := range map[string]string{
		"a${b":      "the ${ at offset 1 is never closed: add the missing }, or write $${ for a literal ${",
		"${'a}":     "the ${ at offset 0 holds a string that is never closed: add the missing '",
		`${"""a"}`:  `the ${ at offset 0 holds a string that is never closed: add the missing "`,
		"${}":       "the ${ at offset 0 holds no expression: write one, or $${ for a literal ${",
		"x${ \n }":  "the ${ at offset 1 holds no expression: write one, or $${ for a literal ${",
		"${a // }":  "the ${ at offset 0 is never closed: add the missing }, or write $${ for a literal ${",
		"${{a: 1}":  "the ${ at offset 0 is never closed: add the missing }, or write $${ for a literal ${",
		"${'a\\'}":  "the ${ at offset 0 holds a string that is never closed: add the missing '",
		"${r'a\\'x": "the ${ at offset 0 is never closed: add the missing }, or write $${ for a literal ${",
	} {
		if _, err := Scan(in); err == nil || err.Error() != want {
			t.Errorf("Scan(%q): got %v, want %s", in, err, want)
		}
	}
}

func TestWhole(t *testing.T) {
	if got, err := Whole("${ a }"); err != nil || got != "a" {
		t.Errorf("got %q, %v", got, err)
	}
	for in, want := range map[string]string{
		"a":        `"a" must be exactly one ${…}, with nothing before or after it`,
		" ${a}":    `" ${a}" must be exactly one ${…}, with nothing before or after it`,
		"${a}${b}": `"${a}${b}" must be exactly one ${…}, with nothing before or after it`,
		"":         `"" must be exactly one ${…}, with nothing before or after it`,
	} {
		if _, err := Whole(in); err == nil || err.Error() != want {
			t.Errorf("Whole(%q): got %v, want %s", in, err, want)
		}
	}
}

// FuzzScan holds that a string without expressions comes back as it was when its literals are
// written again, and that what Scan calls an expression is in the string.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{"", "a", "${a}", "$${a}", "x-${'}'}-${r'\\'}", "${{'a':1}}", "${'''}'''}", "$$${", "${//\n}", "${"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts, err := Scan(s)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, p := range parts {
			if p.Expression {
				if p.Text == "" || !strings.Contains(s, p.Text) {
					t.Fatalf("%q is no expression of %q", p.Text, s)
				}
				again.WriteString("${" + p.Text + "\n}")
				continue
			}
			again.WriteString(strings.ReplaceAll(p.Text, "${", "$${"))
		}
		second, err := Scan(again.String())
		if err != nil {
			t.Fatalf("%q does not scan again as %q: %v", s, again.String(), err)
		}
		if len(second) != len(parts) {
			t.Fatalf("%q: %+v, then %+v", s, parts, second)
		}
		for i := range parts {
			if parts[i] != second[i] {
				t.Fatalf("%q: part %d is %+v, then %+v", s, i, parts[i], second[i])
			}
		}
	})
}
