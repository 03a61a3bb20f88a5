package model

import (
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/op"
)

// TestShortestCrop: crops of at least the length that the config asks for have every
// sample that a discriminator's window reflects, and shorter ones do not.
func TestShortestCrop(t *testing.T) {
	for _, windows := range [][]int{{32}, {512, 256}, {2048, 1024, 512}, {4096}, {8192}} {
		for _, hop := range []int{1, 200, 256, 275, 300, 320, 480, 3000} {
			c := config.Default()
			c.Preprocess.Spect.HopLength, c.Model.Discriminator.FFTSizes = hop, windows
			fits := func(n int) bool {
				return n > 1024 && !slices.ContainsFunc(windows, func(w int) bool {
					s := op.NewSTFT(w, w/4)
					return !s.ReflectPadded(reflectedSides(s, n)).Fits(n)
				})
			}
			need := c.ShortestCrop()
			if need%hop != 0 {
				t.Fatalf("%v, hop %d: %d samples are no whole frames", windows, hop, need)
			}
			for _, n := range []int{need, need + hop, need + 2*hop, need + 37*hop} {
				if !fits(n) {
					t.Errorf("%v, hop %d: %d samples are too few", windows, hop, n)
				}
			}
			if n := need - hop; n > 0 && fits(n) {
				t.Errorf("%v, hop %d: %d samples are enough, %d are asked for", windows, hop, n, need)
			}
		}
	}
}
