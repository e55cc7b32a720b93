package lazyregexp

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestNew_CompilesOnce(t *testing.T) {
	get := New(`^a+$`)
	if !get().MatchString("aa") || get().MatchString("b") {
		t.Error("it is not the expression")
	}
	if first, second := get(), get(); first != second {
		t.Error("it is compiled again")
	}
}

func TestNew_PanicsWhereItCannotBe(t *testing.T) {
	get := New(`(`)
	defer func() {
		if recover() == nil {
			t.Error("it says nothing")
		}
	}()
	get()
}

// A wrong expression would be found by whoever needs it first.
func TestAllExpressionsOfTheSourcesCanBe(t *testing.T) {
	found := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "bin" || entry.Name() == "build" || entry.Name() == "hack" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".git")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || types.ExprString(call.Fun) != "lazyregexp.New" || len(call.Args) != 1 {
				return true
			}
			found++
			value, err := types.Eval(files, nil, token.NoPos, types.ExprString(call.Args[0]))
			if err != nil || value.Value == nil {
				t.Errorf("%s: %s is no constant", files.Position(call.Pos()), types.ExprString(call.Args[0]))
				return true
			}
			if _, err := regexp.Compile(constant.StringVal(value.Value)); err != nil {
				t.Errorf("%s: %v", files.Position(call.Pos()), err)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("there are none: the walk is not of the sources")
	}
}
