package expr

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// testEnv has a typed variable, an optional one, and one of any type.
func testEnv(t testing.TB) *Env {
	t.Helper()
	field := func(name string, kind *apiservercel.DeclType) *apiservercel.DeclField {
		return apiservercel.NewDeclField(name, kind, false, nil, nil)
	}
	params := apiservercel.NewObjectType("@params", map[string]*apiservercel.DeclField{
		"port":   field("port", apiservercel.IntType),
		"name":   field("name", apiservercel.StringType),
		"labels": field("labels", apiservercel.NewMapType(apiservercel.StringType, apiservercel.StringType, -1)),
		"replicas": field("replicas", apiservercel.NewObjectType("object", map[string]*apiservercel.DeclField{
			"min": field("min", apiservercel.IntType), "max": field("max", apiservercel.IntType),
		})),
	}).MaybeAssignTypeName("@params")
	env, err := NewEnv([]Variable{
		{Name: "params", Type: params.CelType()},
		{Name: "any", Type: cel.DynType},
		{Name: "capabilities", Type: cel.ListType(cel.StringType)},
		{Name: "resources.deployment", Type: cel.DynType},
		{Name: "resources.route", Type: cel.OptionalType(cel.DynType)},
	}, params)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func values() map[string]any {
	long := make([]any, 50_000)
	for i := range long {
		long[i] = "element"
	}
	return map[string]any{
		"params": map[string]any{
			"port": int64(8080), "name": "shop", "labels": map[string]any{"b": "2", "a": "1", "c": "3"},
			"replicas": map[string]any{"min": int64(2)},
		},
		"any": map[string]any{
			"list2": long, "list": []any{int64(1), int64(2), int64(3)}, "text": strings.Repeat("x", 700_000),
			"map": map[string]any{"z": int64(1), "y": int64(2), "x": int64(3), "w": int64(4)},
		},
		"capabilities":         []string{"gateway.networking.k8s.io/v1/HTTPRoute"},
		"resources.deployment": map[string]any{"metadata": map[string]any{"name": "shop", "namespace": "shop-dev"}},
		"resources.route":      None,
	}
}

func evaluate(t testing.TB, source string) (any, error) {
	t.Helper()
	p, err := testEnv(t).Compile(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return p.Eval(values(), NewBudget())
}

func TestEval(t *testing.T) {
	for source, want := range map[string]string{
		"params.port":     `8080`,
		"params.port + 1": `8081`,
		"params.name + '-' + string(params.port)":                         `"shop-8080"`,
		"[1, 'a', true, {'b': null}]":                                     `[1,"a",true,{"b":null}]`,
		"{'a': 1, 'b': 'x'}":                                              `{"a":1,"b":"x"}`,
		"params.labels":                                                   `{"a":"1","b":"2","c":"3"}`,
		"params.labels.map(k, k)":                                         `["a","b","c"]`,
		"params.labels.map(k, k + params.labels[k])":                      `["a1","b2","c3"]`,
		"params.labels.transformList(k, v, k + v)":                        `["a1","b2","c3"]`,
		"params.labels.transformMap(k, v, v + v)":                         `{"a":"11","b":"22","c":"33"}`,
		"params.labels.transformMapEntry(k, v, {v: k})":                   `{"1":"a","2":"b","3":"c"}`,
		"{'q': 1, 'p': 2}.map(k, k)":                                      `["p","q"]`,
		"{3: 'c', 1: 'a', 2: 'b'}.map(k, k)":                              `[1,2,3]`,
		"any.map.map(k, k)":                                               `["w","x","y","z"]`,
		"any.list.map(x, x * 2)":                                          `[2,4,6]`,
		"any.list.transformMap(i, v, string(v)).transformList(i, v, [i])": `[[0],[1],[2]]`,
		"params.?nothing.orValue(1)":                                      ``,
		"any.?nothing.orValue('d')":                                       `"d"`,
		"any.?list.orValue(1 / 0)":                                        `[1,2,3]`,
		"resources.route.?spec.orValue('none')":                           `"none"`,
		"resources.deployment.metadata.name":                              `"shop"`,
		"resources.deployment.metadata.namespace":                         `"shop-dev"`,
		"'gateway.networking.k8s.io/v1/HTTPRoute' in capabilities":        `true`,
		"quantity('1Gi').add(quantity('512Mi'))":                          `"1536Mi"`,
		"duration('90s')":                                                 `"1m30s"`,
		"timestamp('2026-11-20T09:14:00Z')":                               `"2026-11-20T09:14:00Z"`,
		"b'ab'":                                                           `"YWI="`,
		"url('https://a.example/b').getHost()":                            `"a.example"`,
		"ip('10.0.0.1')":                                                  `"10.0.0.1"`,
		"{'a': optional.none(), 'b': optional.of(1)}":                     `{"b":1}`,
		"[optional.none(), optional.of(2), 3]":                            `[2,3]`,
		"{?'a': any.?nothing, 'b': 1}":                                    `{"b":1}`,
		"[1, 2, 3].exists(x, x > 2) ? 'yes' : 'no'":                       `"yes"`,
		"['b', 'a'].sort()":                                               `["a","b"]`,
		"1.5":                                                             `1.5`,
		"2u":                                                              `2`,
		"optional.of({'a': optional.none()})":                             `{}`,
		"any.text.size()":                                                 `700000`,
	} {
		if want == "" {
			continue
		}
		t.Run(source, func(t *testing.T) {
			got, err := evaluate(t, source)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if string(raw) != want {
				t.Errorf("got %s, want %s", raw, want)
			}
		})
	}
	if got, err := evaluate(t, "any.?nothing"); err != nil || got != Absent {
		t.Errorf("optional.none() is %v, %v; want Absent", got, err)
	}
}

func TestEvalErrors(t *testing.T) {
	for source, want := range map[string]string{
		"params.replicas.max":           "no such key: max: give it a value, or read it as .?max.orValue(…)",
		"any.list[2147483648]":          "index out of bounds: 2147483648: test the size first, or read it as [?…]",
		"any.list[9223372036854775807]": "index out of bounds: 9223372036854775807: test the size first, or read it as [?…]",
		"any.list + 1":                  "no such overload: an operand has a type that the operation does not take; convert it",
		"1 / (params.port - 8080)":      "division by zero",
		"1.0 / 0.0":                     "+Inf is no finite number: guard the division",
		"18446744073709551615u":         "18446744073709551615 is larger than the largest whole number of Kubernetes, 9223372036854775807",
		"{1: 'a'}":                      "the key 1 of a map must be a string: use string()",
		"int":                           "a value of type type cannot stand in an object: make a string, number, bool, list or map of it",
		"lists.range(1001)":             "the list has 1001 elements, at most 1000 are allowed: bound it with maxItems",
		"lists.range(20000)":            "lists.range: size 20000 exceeds maximum allowed (10000)",
	} {
		t.Run(source, func(t *testing.T) {
			got, err := evaluate(t, source)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, %v; want %s", got, err, want)
			}
		})
	}
}

// TestQuantities_EndWhateverAParameterHolds has amounts that Kubernetes' parser does not end with, and one that it reads.
func TestQuantities_EndWhateverAParameterHolds(t *testing.T) {
	for amount, fits := range map[string]bool{"1e-999999999": false, "1E999999999": false, strings.Repeat("9", 65): false, "many": false, "1e3": true, "250m": true} {
		t.Run(amount, func(t *testing.T) {
			given := values()
			given["params"].(map[string]any)["name"] = amount
			run := func(source string) (any, error) {
				p, err := testEnv(t).Compile(source)
				if err != nil {
					t.Fatal(err)
				}
				return p.Eval(given, NewBudget())
			}
			if got, err := run("isQuantity(params.name)"); err != nil || got != fits {
				t.Errorf("isQuantity: %v, %v", got, err)
			}
			got, err := run("quantity(params.name).isGreaterThan(quantity('1m'))")
			if fits != (err == nil) || fits && got != true {
				t.Errorf("quantity: %v, %v", got, err)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	for source, want := range map[string]string{
		"parms.port":                       "there is no variable parms here: use one of any, capabilities, params, resources.<id> (did you mean params?)",
		"params.prot":                      "params has no field prot: use one of labels, name, port, replicas (did you mean port?)",
		"params.replicas.mix":              "params.replicas has no field mix: use one of max, min (did you mean max?)",
		"resources.deploymet.a":            "there is no resources.deploymet here: use one of deployment, route (did you mean deployment?)",
		"resources":                        "resources cannot be used as a whole: use resources.<id> with one of deployment, route",
		"now()":                            "there is no function now: use one of CEL's or Kubernetes' functions",
		"params['port']":                   "[_] does not work on (object, string): convert the operands to types that fit",
		"params.port + 'a'":                "+ does not work on (int, string): convert the operands to types that fit",
		"params.port.map(x, x)":            "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
		"each.name":                        "there is no variable each here: it exists in the object of a resource with forEach",
		"self.status":                      "there is no variable self here: it exists in readyWhen, where it is the live object",
		"params.port +":                    "is no CEL expression (mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}): correct it",
		"'a'.matches('(')":                 "invalid matches argument",
		"duration('a')":                    "invalid duration argument",
		"'%.101f'.format([1.0])":           "precision 101 exceeds maximum allowed precision 100",
		"@sorted([1])":                     "is no CEL expression",
		strings.Repeat("1+", 20_000) + "1": "the expression has 40001 characters, at most 16384 are allowed: split it",
		strings.Repeat("(", 1_000) + "1" + strings.Repeat(")", 1_000): "is no CEL expression (expression recursion limit exceeded",
	} {
		_, err := testEnv(t).Compile(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", source, err, want)
		}
	}
}

// Expressions may be long: errors say where in them something is, when they are compiled and when they are evaluated.
func TestErrorsHaveAPlace(t *testing.T) {
	for source, want := range map[string]string{
		"1 + parms.port":                     "(did you mean params?) (line 1, column 5 of the expression)",
		"params.port == 1 ||\n  params.prot": "(did you mean port?) (line 2, column 9 of the expression)",
		"parms.a + parms.b + params.prot":    "(did you mean params?) (line 1, column 1 of the expression); params has no field prot: use one of labels, name, port, replicas (did you mean port?) (line 1, column 27 of the expression)",
		"params.port +":                      "correct it (line 1, column 14 of the expression)",
		"params.port + 'ä' + 'a'":            "(line 1, column 13 of the expression)",
		"1 +\n  [1, 2][params.port]":         "or read it as [?…] (line 2, column 9 of the expression)",
		"1 +\n {'a': 1}.b":                   "or read it as .?b.orValue(…) (line 2, column 10 of the expression)",
		"2 * (10 / (params.port - 8080))":    "division by zero (line 1, column 9 of the expression)",
	} {
		p, err := testEnv(t).Compile(source)
		if err == nil {
			_, err = p.Eval(values(), NewBudget())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", source, err, want)
		}
	}
	// cel-go has one such error for all programs, with the place of whichever met it first.
	for _, source := range []string{"any.text + 1", "1 + 1 + (any.text + 1)"} {
		if _, err := evaluate(t, source); err == nil || !strings.Contains(err.Error(), "no such overload") {
			t.Errorf("%s: got %v", source, err)
		}
	}
}

func TestProgramKnowsWhatItUses(t *testing.T) {
	p, err := testEnv(t).Compile(`"a/v1/B" in capabilities && resources.deployment.metadata.name == params.name && resources.route.hasValue()
		&& params.?port.hasValue() && params.labels["a"] == "1" && any["list"].size() > 0`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(p.Variables, " "), "any capabilities params resources.deployment resources.route"; got != want {
		t.Errorf("variables: got %s, want %s", got, want)
	}
	if got, want := strings.Join(p.Paths, " "),
		"any.list capabilities params.labels.a params.name params.port resources.deployment.metadata.name resources.route"; got != want {
		t.Errorf("paths: got %s, want %s", got, want)
	}
	if got, complete := p.Members("capabilities"); len(got) != 1 || got[0] != "a/v1/B" || !complete {
		t.Errorf("members: got %q, %v", got, complete)
	}
	if p, err = testEnv(t).Compile(`"a/v1/B" in capabilities || capabilities.size() > 1`); err != nil {
		t.Fatal(err)
	}
	if _, complete := p.Members("capabilities"); complete {
		t.Error("size() is a use besides the membership test")
	}
}

// nestedLists is a list that holds one list nine times, which holds one list nine times, and so on:
// a few hundred bytes in memory, 9^14 strings to walk.
var nestedLists = "['x']" + strings.Repeat(".map(a, [a, a, a, a, a, a, a, a, a])", 14)

// What costs too much must be stopped quickly, before it takes the memory or the time.
func TestLimits(t *testing.T) {
	hundred := "lists.range(100)"
	for name, source := range map[string]string{
		"triple loop":      "lists.range(1000).map(a, lists.range(1000).map(b, lists.range(1000).map(c, a + b + c).size()).size()).size()",
		"replace":          "any.text.replace('', any.text)",
		"replace with dyn": "dyn(any.text).replace('x', any.text)",
		"join":             hundred + ".map(x, any.text).join(any.text)",
		"doubling string":  "lists.range(40).map(x, any.text).join('').replace('x', 'yyyyyyyyyy')",
		"shared lists":     "[[[[[[[['x','x','x','x','x','x','x','x','x']]]]]]]].map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a])",
		"format":           "'%s'.format([[[[[[[[['x','x','x','x','x','x','x','x','x']]]]]]]].map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a]).map(a,[a,a,a,a,a,a,a,a,a])])",
		"comparison":       nestedLists + " == " + nestedLists,
		"difference":       nestedLists + " != " + nestedLists,
		"membership":       "dyn(" + nestedLists + "[0]) in " + nestedLists,
		"many comparisons": "lists.range(1000).all(i, any.list2 == any.list2)",
		"distinct":         "lists.range(10000).distinct()",
		"sets":             "sets.contains(lists.range(10000), lists.range(10000))",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := evaluate(t, source)
			if !errors.Is(err, ErrBudget) {
				t.Fatalf("got %v, want too expensive", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
			t.Log(err)
		})
	}
}

func TestBudgetIsOneForAll(t *testing.T) {
	p, err := testEnv(t).Compile("lists.range(30).all(a, lists.range(30).all(b, a + b >= 0))")
	if err != nil {
		t.Fatal(err)
	}
	budget, vars := NewBudget(), values()
	budget.cost = 20_000
	for n := range 100 {
		if _, err := p.Eval(vars, budget); err != nil {
			if !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), "together") {
				t.Fatal(err)
			}
			if n == 0 {
				t.Error("the first evaluation was stopped")
			}
			return
		}
	}
	t.Error("never stopped")
}

// What costs more than is left is ended where that is spent, and not once the limit of one expression is.
func TestABudgetEndsWhatIsUnderWay(t *testing.T) {
	p, err := testEnv(t).Compile("lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))")
	if err != nil {
		t.Fatal(err)
	}
	if _, cost, err := p.run(values(), 10_000); err == nil || cost < 10_000 || cost > 15_000 {
		t.Errorf("of 10,000 it spends %d, with %v", cost, err)
	}
	if _, err := p.Eval(values(), NewBudgetOf(10_000)); !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), "together are too expensive (their cost is over 10000)") {
		t.Errorf("got %v", err)
	}
	// The limit of one is not that of others, nor that of the next.
	if _, err := p.Eval(values(), NewBudget()); !errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), "its cost is over 1000000") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkBudget is how long it takes to find out that three loops in each other are too expensive.
func BenchmarkBudget(b *testing.B) {
	p, err := testEnv(b).Compile("any.list2.map(a, any.list2.map(b, any.list2.filter(c, a + b + c == 0).size()).size()).size()")
	if err != nil {
		b.Fatal(err)
	}
	numbers := make([]any, 1000)
	for i := range numbers {
		numbers[i] = int64(1)
	}
	vars := map[string]any{"any": map[string]any{"list2": numbers}}
	for b.Loop() {
		if _, err := p.Eval(vars, NewBudget()); !errors.Is(err, ErrBudget) {
			b.Fatal(err)
		}
	}
}

// cel-go goes through maps in random order: a thousand evaluations must give one result.
func TestMapsHaveOneOrder(t *testing.T) {
	env := testEnv(t)
	for _, source := range []string{
		"any.map.map(k, k)",
		"any.map.filter(k, any.map[k] > 1)",
		"any.map.transformList(k, v, k + string(v))",
		"any.map.transformList(k, v, v > 1, k)",
		"params.labels.map(k, k).join(',')",
		"{'d': 1, 'a': 2, 'c': 3, 'b': 4}.map(k, k)",
		"any.map.transformMap(k, v, v).map(k, k)",
		"any.map.transformMapEntry(k, v, {k + 'x': v}).map(k, k)",
		"dyn(any.map).map(k, any.map[k])",
		"{1: 'a', 'x': 'b', true: 'c', 2u: 'd'}.map(k, string(k))",
		"[any.map, params.labels].map(m, m.map(k, k))",
		"'%s'.format([any.map])",
		"optional.of(any.map).optMap(m, m.map(k, k)).orValue([])",
		"any.map.exists_one(k, k == 'w')",
	} {
		p, err := env.Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		results, vars := map[string]bool{}, values()
		for range 1000 {
			got, err := p.Eval(vars, NewBudget())
			if err != nil {
				t.Fatalf("%s: %v", source, err)
			}
			raw, _ := json.Marshal(got)
			results[string(raw)] = true
		}
		if len(results) != 1 {
			t.Errorf("%s has %d results: %v", source, len(results), results)
		}
	}
}

// An error must not depend on the order either: it stands in a condition, and would be written anew
// with each reconciliation.
func TestErrorsHaveOneOrder(t *testing.T) {
	env := testEnv(t)
	for _, source := range []string{
		"any.map.map(k, any.nothing[k])",
		"any.map.map(k, {'w': 1, 'x': 1}[k])",
		"any.map.transformMapEntry(k, v, {'w': 1, 'x': 1, 'y': 1, 'z': 1})",
		"any.map.transformMap(k, v, 1 / (v - v))",
	} {
		p, err := env.Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		messages, vars := map[string]bool{}, values()
		for range 200 {
			_, err := p.Eval(vars, NewBudget())
			if err == nil {
				t.Fatalf("%s: no error", source)
			}
			messages[err.Error()] = true
		}
		if len(messages) != 1 {
			t.Errorf("%s has %d errors: %v", source, len(messages), messages)
		}
	}
}

func TestProgramsAreSafeForConcurrentUse(t *testing.T) {
	p, err := testEnv(t).Compile("params.labels.map(k, k + params.labels[k]).join(',')")
	if err != nil {
		t.Fatal(err)
	}
	vars := values()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if got, err := p.Eval(vars, NewBudget()); err != nil || got != "a1,b2,c3" {
					t.Errorf("got %v, %v", got, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"prot": "port", "Port": "port", "replica": "replicas", "xyz": "", "": "", "p": ""} {
		if got := Nearest(name, []string{"port", "replicas", "image"}); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzCompileExpression(f *testing.F) {
	for _, seed := range []string{"params.port", "any.map(k, k)", "[1].map(x, [x, x])", "a.b[c](d)", "{'a': 1}.transformMap(k, v, v)", "'a'.matches('b')"} {
		f.Add(seed)
	}
	env := testEnv(f)
	f.Fuzz(func(_ *testing.T, source string) {
		if p, err := env.Compile(source); err == nil {
			_, _ = p.Eval(values(), NewBudget())
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	env := testEnv(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := env.Compile("params.labels.map(k, k + params.labels[k]).join(',')"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	p, err := testEnv(b).Compile("params.name + '-' + string(params.port)")
	if err != nil {
		b.Fatal(err)
	}
	vars, budget := values(), NewBudget()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(vars, budget); errors.Is(err, ErrBudget) {
			budget = NewBudget()
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
