package kernel

import (
	"testing"
)

// TestOutOfBounds: a slice that is too short panics before assembly runs.
func TestOutOfBounds(t *testing.T) {
	v, w := make([]float32, 100), make([]float32, 400)
	for name, f := range map[string]func(){
		"short dx":           func() { SnakeGradRows(v[:39], v, v, 20, 2, 20, v, v, v, v) },
		"short dy":           func() { SnakeGradRows(v, v[:39], v, 20, 2, 20, v, v, v, v) },
		"short x":            func() { SnakeGradRows(v, v, v[:39], 20, 2, 20, v, v, v, v) },
		"short sums":         func() { SnakeGradRows(v, v, v, 20, 2, 20, v, v, v[:19:19], v) },
		"narrow stride":      func() { SnakeGradRows(v, v, v, 10, 2, 20, v, v, v, v) },
		"short gradient":     func() { AdamW(v, v[:99:99], v, v, AdamWStep{}) },
		"short factor":       func() { Dot(v, v[:99:99]) },
		"short source":       func() { Transpose(w, 20, w[:399], 20, 20, 20) },
		"short destination":  func() { Transpose(w[:399], 20, w, 20, 20, 20) },
		"short magnitude":    func() { MagnitudeGrad(v, v, v, v[:99:99]) },
		"short rows":         func() { ScaleRows(v, v) },
		"short loss":         func() { L1Rows(v, v, v[:99:99], v, len(v), 1, 1) },
		"narrow destination": func() { Transpose(w, 19, w, 20, 20, 20) },
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
}
