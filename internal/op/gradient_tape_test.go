package op

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// withoutCase are the methods of Run that return a tensor and have no gradient to
// be checked.
var withoutCase = map[string]string{
	"New":              "memory",
	"Zeros":            "memory",
	"Borrow":           "its argument",
	"RequireGrad":      "its argument",
	"Detach":           "its argument as a constant (TestDetach)",
	"Grad":             "what is checked",
	"Align":            "its argument, in a recording",
	"Image":            "the inputs of the cases of Conv2D",
	"Crop":             "the results of the cases of Conv2D",
	"ResidualBF16":     "inference alone; Conv has its gradient",
	"Semitones":        "inference alone; PitchLoss has the gradient of pitches",
	"SquaredDistances": "inference alone",
	"LogPower":         "inference alone",
	"Entries":          "constants; StraightThrough has their gradient",
}

// TestEveryOperationHasACase looks for exported methods of Run that return tensors,
// images or losses and are not in the table.
func TestEveryOperationHasACase(t *testing.T) {
	cases := map[string]bool{}
	for _, c := range gradientCases() {
		cases[c.op] = true
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.IsExported() && isOperation(f) {
				found[f.Name.Name] = true
			}
		}
	}
	for name := range found {
		if !cases[name] && withoutCase[name] == "" {
			t.Errorf("%s has no gradient case", name)
		}
	}
	for name := range cases {
		if !found[name] {
			t.Errorf("a case of %s, which is not an operation", name)
		}
	}
	for name := range withoutCase {
		if !found[name] || cases[name] {
			t.Errorf("%s needs no exception", name)
		}
	}
}

// isOperation says whether f is a method of *Run whose first result is a
// tensor.Tensor or a float64.
func isOperation(f *ast.FuncDecl) bool {
	if f.Recv == nil || f.Type.Results == nil {
		return false
	}
	star, ok := f.Recv.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	if recv, ok := star.X.(*ast.Ident); !ok || recv.Name != "Run" {
		return false
	}
	switch result := f.Type.Results.List[0].Type.(type) {
	case *ast.Ident:
		return result.Name == "float64" || result.Name == "Image"
	case *ast.SelectorExpr:
		return result.Sel.Name == "Tensor"
	}
	return false
}

// TestMemoryOfRecordings runs all cases on one run, again and again.
func TestMemoryOfRecordings(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	var problems []*problem
	for _, c := range gradientCases() {
		problems = append(problems, c.problem())
	}
	var early int64
	for i := range 20 {
		for _, p := range problems {
			p.gradients(r, variant{inputs: true})
			r.Reset()
		}
		if i == 2 {
			early = r.Memory()
		}
	}
	if r.Memory() > early {
		t.Errorf("%d bytes after 20 steps, %d after 3", r.Memory(), early)
	}
}

// filled returns a tensor of the run's memory.
func filled(r *Run, b, t, c int, f func(i int) float64) tensor.Tensor {
	x := r.New(b, t, c)
	for i := range b * t {
		for j := range c {
			x.Row(i/t, i%t)[j] = float32(f(i*c + j))
		}
	}
	return x
}

func wave(i int) float64 { return math.Sin(float64(i)) }

// TestFreedTensorsKeepTheirValues frees what a backward pass needs, twice, and
// writes over whatever memory is free.
func TestFreedTensorsKeepTheirValues(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	gradientOf := func(free bool) []float32 {
		r := NewRun(pool)
		r.Record(Random{})
		raw := filled(r, 1, 4, 5, wave)
		x := r.RequireGrad(r.Borrow(raw))
		chain := []tensor.Tensor{raw, r.Activate(Tanh, x)}
		for _, act := range []Activation{Mish, Tanh, Mish} {
			y := r.Activate(act, chain[len(chain)-1])
			chain = append(chain, r.Add(y, x), y)
		}
		r.MSE(chain[len(chain)-2], 0.5, 1)
		if free {
			r.Free(chain...)
			r.Free(chain...)
			for range 2 * len(chain) {
				filled(r, 1, 4, 5, func(int) float64 { return math.Inf(1) })
			}
		}
		r.Backward()
		return slices.Clone(r.Grad(x).Data[:20])
	}
	if got, want := gradientOf(true), gradientOf(false); !slices.Equal(got, want) {
		t.Errorf("gradient %v with memory freed, %v without", got, want)
	}
}

// TestDetach adds a tensor that counts and one that does not.
func TestDetach(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	r := NewRun(pool)
	r.Record(Random{})
	x, other := r.RequireGrad(filled(r, 2, 3, 5, wave)), r.RequireGrad(filled(r, 2, 3, 5, wave))
	y := r.Add(r.Scale(x, []float32{2, -3}), r.Detach(r.Scale(r.Add(x, other), []float32{5, 7})))
	probe := filled(r, 2, 3, 5, func(i int) float64 { return float64(i) - 7 })
	r.SeedGrad(y, probe)
	if r.Detach(y).Var != 0 || !r.Detach(y).Borrowed {
		t.Error("a detached tensor is a variable, or is freed")
	}
	r.Backward()
	for b, factor := range []float32{2, -3} {
		for i := range 3 {
			for c, v := range r.Grad(x).Row(b, i) {
				if want := factor * probe.Row(b, i)[c]; v != want {
					t.Fatalf("gradient [%d %d %d] is %v, want %v", b, i, c, v, want)
				}
				if v := r.Grad(other).Row(b, i)[c]; v != 0 {
					t.Fatalf("gradient [%d %d %d] of what was detached is %v", b, i, c, v)
				}
			}
		}
	}
}

// TestLayersTwiceInARecording compares a layer's second utterance of a recording
// with its first.
func TestLayersTwiceInARecording(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	for _, c := range []string{"LSTM/5 units", "LSTM/one unit, long", "Conv/causal, dilation 9, batch", "ConvTranspose/causal"} {
		p := problemOf(t, c)
		r := NewRun(pool)
		r.Record(Random{})
		xs := []tensor.Tensor{}
		for _, l := range p.inputs {
			xs = append(xs, r.RequireGrad(l.tensor(r.New(l.b, l.t, l.c))))
		}
		first := p.loss(r, xs)
		p.probed = 0
		if second := p.loss(r, xs); second != first {
			t.Errorf("%s: %v the second time, %v the first", c, second, first)
		}
	}
}

// problemOf returns a problem of the table.
func problemOf(t *testing.T, name string) *problem {
	cases := gradientCases()
	i := slices.IndexFunc(cases, func(c gradientCase) bool { return c.op+"/"+c.name == name })
	if i < 0 {
		t.Fatalf("no case %q", name)
	}
	return cases[i].problem()
}

// TestDropout looks at the values that a mask leaves, their number, and their
// gradient.
func TestDropout(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	const p, b, n, c = 0.3, 2, 400, 17
	one := func(int) float64 { return 1 }
	r.Record(Random{Seed: 5})
	x := r.RequireGrad(filled(r, b, n, c, one))
	y := r.Dropout(r.Borrow(x), p)
	r.SeedGrad(y, filled(r, b, n, c, one))
	r.Backward()
	dropped := 0
	for i := range b * n {
		for j, v := range y.Row(i/n, i%n) {
			if v == 0 {
				dropped++
			} else if v != float32(1/(1-p)) {
				t.Fatalf("1 becomes %v", v)
			}
			if d := r.Grad(x).Row(i/n, i%n)[j]; d != v {
				t.Fatalf("the mask is %v, of the gradient %v", v, d)
			}
		}
	}
	// Five standard deviations of a binomial distribution.
	if total := float64(b * n * c); math.Abs(float64(dropped)-p*total) > 5*math.Sqrt(total*p*(1-p)) {
		t.Errorf("%d of %v dropped", dropped, total)
	}

	z := filled(r, 1, 3, 5, wave)
	if y := r.Dropout(z, 0); &y.Data[0] != &z.Data[0] {
		t.Error("a probability of 0 makes another tensor")
	}
	r.Record(Random{Off: true})
	z = filled(r, 1, 3, 5, wave)
	if y := r.Dropout(z, p); &y.Data[0] != &z.Data[0] {
		t.Error("drops though it is off")
	}
	r.Reset()
	if y := r.Dropout(z, p); &y.Data[0] != &z.Data[0] {
		t.Error("drops outside recordings")
	}
}

// TestDropoutOfPieces compares a batch with its pieces, and with other steps,
// seeds and places.
func TestDropoutOfPieces(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	r := NewRun(pool)
	const n, c = 10, 17
	mask := func(random Random, b, before int) []float32 {
		r.Record(random)
		for range before {
			r.Dropout(filled(r, b, n, c, wave), 0.5)
		}
		y := r.Dropout(filled(r, b, n, c, func(int) float64 { return 1 }), 0.5)
		var v []float32
		for i := range b * n {
			v = append(v, y.Row(i/n, i%n)...)
		}
		return v
	}
	whole := mask(Random{Seed: 1, Step: 1, Sample: 2}, 4, 1)
	pieces := slices.Concat(mask(Random{Seed: 1, Step: 1, Sample: 2}, 1, 1), mask(Random{Seed: 1, Step: 1, Sample: 3}, 3, 1))
	if !slices.Equal(whole, pieces) {
		t.Error("the pieces of a batch have another mask")
	}
	r.Record(Random{Seed: 1, Step: 1, Sample: 2})
	r.Dropout(filled(r, 4, n, c, wave), 0.5)
	var single []float32
	r.EachSample(4, func(int) {
		y := r.Dropout(filled(r, 1, n, c, func(int) float64 { return 1 }), 0.5)
		for i := range n {
			single = append(single, y.Row(0, i)...)
		}
	})
	if !slices.Equal(whole, single) {
		t.Error("sequences one by one have another mask")
	}
	masks := [][]float32{
		whole[:n*c], whole[n*c : 2*n*c],
		mask(Random{Seed: 1, Step: 1, Sample: 2}, 1, 0), mask(Random{Seed: 1, Step: 2, Sample: 2}, 1, 1), mask(Random{Seed: 2, Step: 1, Sample: 2}, 1, 1),
	}
	for i, a := range masks {
		for j, b := range masks[:i] {
			equal := 0
			for k := range a {
				if a[k] == b[k] {
					equal++
				}
			}
			// Of 170 independent halves 85 are equal, give or take five deviations of 6.5.
			if equal < 52 || equal > 118 {
				t.Errorf("masks %d and %d agree in %d of %d values", i, j, equal, len(a))
			}
		}
	}
}

// TestSpectralOfSilence has magnitudes of zero, which have no derivative.
func TestSpectralOfSilence(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	r := NewRun(pool)
	r.Record(Random{})
	x := r.RequireGrad(r.Zeros(1, 1, 100))
	target := filled(r, 1, 1, 100, wave)
	loss := r.Spectral(&SpectralLoss{STFT: NewSTFT(16, 4), Log: 1, Linear: 1}, x, target, 1)
	r.Backward()
	if !(loss > 0) || math.IsInf(loss, 0) {
		t.Errorf("loss %v", loss)
	}
	for i := range 100 {
		if v := r.Grad(x).Row(0, 0)[i]; v != 0 {
			t.Fatalf("gradient %d is %v", i, v)
		}
	}
}

// TestGradsReady: gradients are reported where the backward pass comes back to their first
// use, in the opposite order of first uses, and not otherwise.
func TestGradsReady(t *testing.T) {
	pool := parallel.New(1)
	t.Cleanup(pool.Close)
	r := NewRun(pool)
	a, b, c := make([]float32, 2), make([]float32, 2), make([]float32, 2)
	r.UsesGrad(a) // without a recording
	var order []string
	step := func(name string) {
		y := r.RequireGrad(r.Zeros(1, 1, 1))
		r.record(&y, func(dy tensor.Tensor) { order = append(order, name) })
		r.SeedGrad(y, tensor.New(1, 1, 1))
	}
	r.OnGradReady = func(grad []float32) {
		for name, g := range map[string][]float32{"a": a, "b": b, "c": c} {
			if &g[0] == &grad[0] {
				order = append(order, name)
			}
		}
	}
	r.Record(Random{})
	r.UsesGrad(nil) // a parameter that is not trained
	r.UsesGrad(a)
	step("first")
	r.UsesGrad(b)
	r.UsesGrad(a)
	step("second")
	r.UsesGrad(c)
	step("third")
	r.Backward()
	if want := []string{"third", "c", "second", "b", "first", "a"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	if used := r.GradsInUse(); len(used) != 3 || &used[0][0] != &a[0] || &used[1][0] != &b[0] || &used[2][0] != &c[0] {
		t.Errorf("in use: %v", used)
	}
	order = nil
	r.Record(Random{})
	r.Backward()
	if order != nil {
		t.Errorf("a recording without them reports %q", order)
	}
}
