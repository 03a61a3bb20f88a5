package facodec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/facodec-go/facodec"

// testOnly are packages that only tests import: no rooms of the house.
var testOnly = []string{"internal/golden", "internal/codectest"}

// floors reads the tables of docs/architecture.md: the floor of each package, by its
// path in the module, and of each of the root's files.
func floors(t *testing.T) (packages, files map[string]int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	packages, files = map[string]int{}, map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d+) \\| \\[`([^`]+)`\\]").FindAllStringSubmatch(string(text), -1) {
		floor, _ := strconv.Atoi(row[1])
		list, name := packages, row[2]
		if strings.HasSuffix(name, ".go") {
			list = files
		}
		if name == "facodec" {
			name = "."
		}
		if _, twice := list[name]; twice {
			t.Errorf("docs/architecture.md: %s stands twice", name)
		}
		list[name] = floor
	}
	return packages, files
}

// TestNoImportUpward: every package imports only those of lower floors.
func TestNoImportUpward(t *testing.T) {
	floor, _ := floors(t)
	imports := map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || slices.Contains([]string{"testdata", "scripts", "gen"}, name)) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if imports[pkg] == nil {
			imports[pkg] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); path == module {
				imports[pkg]["."] = true
			} else if rest, ours := strings.CutPrefix(path, module+"/"); ours {
				imports[pkg][rest] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, list := range imports {
		if slices.Contains(testOnly, pkg) {
			continue
		}
		at, known := floor[pkg]
		if !known {
			t.Errorf("%s stands on no floor: add it to the table in docs/architecture.md", pkg)
			continue
		}
		for imported := range list {
			if slices.Contains(testOnly, imported) {
				t.Errorf("%s imports %s, which is for tests", pkg, imported)
			} else if below, known := floor[imported]; known && below >= at {
				t.Errorf("%s (floor %d) imports %s (floor %d)", pkg, at, imported, below)
			}
		}
	}
	for pkg := range floor {
		if imports[pkg] == nil {
			t.Errorf("docs/architecture.md: there is no package %s", pkg)
		}
	}
}

// TestNoFileUpward: what a file of the root package names of the others is declared on
// a lower floor.
func TestNoFileUpward(t *testing.T) {
	_, floor := floors(t)
	fset := token.NewFileSet()
	paths, _ := filepath.Glob("*.go")
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || path == "doc.go" {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if files = append(files, file); floor[path] == 0 {
			t.Errorf("%s stands on no floor: add it to the table in docs/architecture.md", path)
		}
	}
	if len(files) != len(floor) {
		t.Errorf("docs/architecture.md has %d files, the root package %d", len(floor), len(files))
	}
	// Imports are left empty: only what the package itself declares is of interest,
	// and what cannot be resolved is someone else's.
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	c := types.Config{Importer: nothing{}, Error: func(error) {}}
	pkg, _ := c.Check(module, fset, files, info)
	arrows := 0
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := fset.Position(ident.Pos()).Filename, fset.Position(object.Pos()).Filename
		if from == to {
			continue
		}
		arrows++
		if floor[from] <= floor[to] {
			t.Errorf("%s (floor %d) names %s of %s (floor %d)", fset.Position(ident.Pos()), floor[from], ident.Name, to, floor[to])
		}
	}
	if arrows < 50 {
		t.Errorf("only %d names of one file in another were found", arrows)
	}
}

// nothing imports every package without what it declares.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	pkg.MarkComplete()
	return pkg, nil
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if name, ok := t.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

// TestSmallAPI: the root package is read in ten minutes.
func TestSmallAPI(t *testing.T) {
	paths, _ := filepath.Glob("*.go")
	files, typeNames, functions, methods := 0, 0, 0, 0
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				switch {
				case !d.Name.IsExported():
				case d.Recv == nil:
					functions++
				case ast.IsExported(receiver(d)):
					methods++
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
						typeNames++
					}
				}
			}
		}
	}
	t.Logf("%d files, %d types, %d functions, %d methods", files, typeNames, functions, methods)
	if files > 14 || typeNames > 17 || functions > 14 || methods > 64 {
		t.Errorf("%d files, %d types, %d functions, %d methods: at most 14, 17, 14 and 64", files, typeNames, functions, methods)
	}
}
