package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestToomCookFilters: the algorithm computes a filter of seven taps, whatever the
// instruction set; the error is that of its float32 transforms.
func TestToomCookFilters(t *testing.T) {
	for _, outputs := range []int{2, 4, 6} {
		eachISA(t, func(t *testing.T) {
			tc := NewToomCook(outputs)
			r := rand.New(rand.NewPCG(uint64(outputs), 1))
			w := NewPanels(random(r, PanelsLen(ToomCookTaps, 1, Width)), ToomCookTaps, 1, Width)
			var points []*Panels
			for range tc.Points {
				points = append(points, NewPanels(nil, 1, 1, Width))
			}
			tc.Weights(points, w.Data, 0, 0, 1)
			x, bias := random(r, tc.Points*Width), random(r, Width)
			v := make([]float32, tc.Points*Width)
			tc.Input(v, 0, Width, x, 0, Width, 1, Width)
			for p, u := range points {
				Mul(v[p*Width:][:Width], v[p*Width:][:Width], u.Data)
			}
			y := make([]float32, outputs*Width)
			tc.Output(y, 0, Width, v, 0, Width, 1, Width, bias)
			for k := range outputs {
				for c := range Width {
					want := float64(bias[c])
					for tap := range ToomCookTaps {
						want += float64(w.Data[w.Index(tap, 0, c)]) * float64(x[(k+tap)*Width+c])
					}
					if d := math.Abs(float64(y[k*Width+c]) - want); d > 1e-4 {
						t.Errorf("F(%d, 7), output %d of channel %d is %v, want %v", outputs, k, c, y[k*Width+c], want)
					}
				}
			}
		})
	}
}

// TestToomCookGradients: with the same points, the gradient of a filter is interpolated from
// products of what Input makes of the inputs and GradRows of the outputs' gradients.
func TestToomCookGradients(t *testing.T) {
	for _, outputs := range []int{2, 4, 6} {
		eachISA(t, func(t *testing.T) {
			tc := NewToomCook(outputs)
			r := rand.New(rand.NewPCG(uint64(outputs), 2))
			x, dy := random(r, tc.Points*Width), random(r, outputs*Width)
			m := make([]float32, tc.Points*Width)
			tc.Input(m, 0, Width, x, 0, Width, 1, Width)
			for p := range tc.Points {
				for c := range Width {
					var at float32
					for i, v := range tc.GradRows[p*outputs:][:outputs] {
						at += v * dy[i*Width+c]
					}
					m[p*Width+c] *= at
				}
			}
			dw := random(r, ToomCookTaps*Width) // is overwritten
			tc.GradWeights(dw, Width, m, Width, Width)
			for k := range ToomCookTaps {
				for c := range Width {
					want := 0.
					for i := range outputs {
						want += float64(dy[i*Width+c]) * float64(x[(i+k)*Width+c])
					}
					if d := math.Abs(float64(dw[k*Width+c]) - want); d > 1e-4 {
						t.Errorf("F(7, %d), tap %d of channel %d is %v, want %v", outputs, k, c, dw[k*Width+c], want)
					}
				}
			}
		})
	}
}

// TestToomCookAgainstGeneric compares the transforms with the plain loops, and those of
// many tiles and channels with those of each tile and panel computed alone.
func TestToomCookAgainstGeneric(t *testing.T) {
	type transform = func(dst []float32, step, ldDst int, x []float32, stepX, ldX, tiles, cols int)
	r := rand.New(rand.NewPCG(3, 5))
	bias := random(r, 1024)
	for _, outputs := range []int{2, 4, 6} {
		tc := NewToomCook(outputs)
		inputGeneric, outputGeneric := toomCook2InputGeneric, toomCook2OutputGeneric
		switch outputs {
		case 4:
			inputGeneric, outputGeneric = toomCook4InputGeneric, toomCook4OutputGeneric
		case 6:
			inputGeneric, outputGeneric = toomCook6InputGeneric, toomCook6OutputGeneric
		}
		for _, f := range []struct {
			name         string
			rows         int // of a tile of dst
			run, generic transform
			atColumn     func(c int) transform
		}{
			{"input", tc.Points, tc.Input, func(dst []float32, step, ldDst int, x []float32, stepX, ldX, tiles, cols int) {
				inputGeneric(dst, x, tc.input, step, ldDst, stepX, ldX, tiles, cols)
			}, func(int) transform { return tc.Input }},
			{"output", outputs, func(dst []float32, step, ldDst int, x []float32, stepX, ldX, tiles, cols int) {
				tc.Output(dst, step, ldDst, x, stepX, ldX, tiles, cols, bias)
			}, func(dst []float32, step, ldDst int, x []float32, stepX, ldX, tiles, cols int) {
				outputGeneric(dst, x, bias, tc.output, step, ldDst, stepX, ldX, tiles, cols)
			}, func(c int) transform {
				return func(dst []float32, step, ldDst int, x []float32, stepX, ldX, tiles, cols int) {
					tc.Output(dst, step, ldDst, x, stepX, ldX, tiles, cols, bias[c:])
				}
			}},
		} {
			eachISA(t, func(t *testing.T) {
				for _, cols := range []int{16, 48, 80} {
					for _, tiles := range []int{1, 2, 5} {
						t.Run(fmt.Sprintf("%s of F(%d, 7), %d tiles of %d", f.name, outputs, tiles, cols), func(t *testing.T) {
							ldX, stepX := cols+r.IntN(5), r.IntN(200)
							ldDst := cols + r.IntN(5)
							step := f.rows*ldDst + r.IntN(5)
							x := random(r, (tiles-1)*stepX+(tc.Points-1)*ldX+cols)
							out := random(r, tiles*step+2*Width)
							before := slices.Clone(out)
							dst := out[Width : Width+(tiles-1)*step+(f.rows-1)*ldDst+cols]
							f.run(dst, step, ldDst, x, stepX, ldX, tiles, cols)
							want := slices.Clone(before[Width : Width+len(dst)])
							f.generic(want, step, ldDst, x, stepX, ldX, tiles, cols)
							for i, v := range dst {
								if !near(v, want[i], 2e-5) {
									t.Fatalf("value %d is %v, want %v", i, v, want[i])
								}
							}
							same(t, "in front", out[:Width], before[:Width])
							same(t, "behind", out[Width+len(dst):], before[Width+len(dst):])
							alone := make([]float32, f.rows*Width)
							for i := range tiles {
								for c := 0; c < cols; c += Width {
									f.atColumn(c)(alone, 0, Width, x[i*stepX+c:], 0, ldX, 1, Width)
									for k := range f.rows {
										same(t, "alone", dst[i*step+k*ldDst+c:][:Width], alone[k*Width:][:Width])
									}
								}
							}
						})
					}
				}
			})
		}
	}
}

// TestToomCookBounds: slices that are too short, odd numbers of channels and algorithms
// that there are not are a panic, not memory beyond them.
func TestToomCookBounds(t *testing.T) {
	tc := NewToomCook(4)
	x := func(n int) []float32 { return make([]float32, n) }
	for name, f := range map[string]func(){
		"input, short x":     func() { tc.Input(x(320), 160, 16, x(16+160-1), 16, 16, 2, 16) },
		"input, short dst":   func() { tc.Input(x(319), 160, 16, x(16+160), 16, 16, 2, 16) },
		"output, short m":    func() { tc.Output(x(128), 64, 16, x(319), 160, 16, 2, 16, x(16)) },
		"output, short dst":  func() { tc.Output(x(127), 64, 16, x(320), 160, 16, 2, 16, x(16)) },
		"output, short bias": func() { tc.Output(x(128), 64, 16, x(320), 160, 16, 2, 16, make([]float32, 15)) },
		"15 channels":        func() { tc.Input(x(320), 160, 16, x(16+160), 16, 16, 2, 15) },
		"backward":           func() { tc.Input(x(320), -16, 16, x(16+160), 16, 16, 2, 16) },
		"three outputs":      func() { NewToomCook(3) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	tc.Input(nil, 16, 16, nil, 16, 16, 0, 16)
}
