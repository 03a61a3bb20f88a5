package kernel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestEveryKernelIsCompared: each kernel of the dispatch table is compared with its
// generic twin in some test.
func TestEveryKernelIsCompared(t *testing.T) {
	names, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, text...)
	}
	table, err := parser.ParseFile(token.NewFileSet(), "dispatch_generic.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kernels := 0
	for _, d := range table.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		kernels++
		if !regexp.MustCompile(`\b` + f.Name.Name + `Generic\b`).Match(tests) {
			t.Errorf("no test compares %s with %sGeneric", f.Name.Name, f.Name.Name)
		}
	}
	if kernels < 25 {
		t.Errorf("%d kernels in the table", kernels)
	}
}
