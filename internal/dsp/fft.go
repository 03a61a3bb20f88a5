package dsp

import (
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/facodec-go/facodec/internal/kernel"
)

// An FFT transforms many frames of n real samples at once. Frames are interleaved
// as lanes: value i of lane l is x[i·lanes+l]. Each lane's result is independent of
// the number of lanes. A multiple of 16 lanes is best: fewer take as long.
//
// Even samples are taken as real and odd ones as imaginary parts of n/2 complex
// values, which are transformed by decimation in frequency in passes of radix 4
// and a last one of 4 or 8; a pass over both ends of the spectrum then takes the
// two apart (Sorensen et al., Real-valued fast Fourier transform algorithms,
// 1987, section V). The adjoint is this in reverse, with real and imaginary
// parts exchanged for the inverse transform.
//
// A plan is read-only and serves any number of goroutines. Scratch memory comes
// from a pool that belongs to the plan, so that calls allocate nothing once as
// many have run side by side.
type FFT struct {
	n       int
	stages  []fftStage
	last    int       // radix of the last pass
	rows    []int32   // where its blocks go
	split   []float32 // exp(-iπk/N)/2i for k up to N/2, where N = n/2
	merge   []float32 // i·exp(iπk/N)/2
	scratch sync.Pool // of *fftScratch
}

// fftStage is a pass of radix 4 over blocks of 4·quarter rows.
type fftStage struct {
	quarter int
	twiddle []float32 // exp(-2πi·j·m/(4·quarter)) for m = 1, 2, 3 of each j
}

// fftScratch holds the work of 16 lanes, and a copy of those that are no 16.
type fftScratch struct {
	re, im      []float32 // [n/2][16]
	x           []float32 // [n][16]
	binRe, binI []float32 // [n/2+1][16]
}

// The smallest and the largest size of an FFT; see FFTSizeSupported.
const (
	MinFFTSize = 8
	MaxFFTSize = 8192
)

// FFTSizeSupported reports whether NewFFT supports frames of n samples: powers of two
// from MinFFTSize to MaxFFTSize.
func FFTSizeSupported(n int) bool {
	return n >= MinFFTSize && n <= MaxFFTSize && n&(n-1) == 0
}

var fftPlans sync.Map // int to *FFT

// NewFFT returns the plan for frames of n samples, which is shared by all callers. It
// panics where FFTSizeSupported(n) is false.
func NewFFT(n int) *FFT {
	if !FFTSizeSupported(n) {
		panic(fmt.Sprintf("dsp: FFT of %d samples, not a power of two from %d to %d", n, MinFFTSize, MaxFFTSize))
	}
	if f, ok := fftPlans.Load(n); ok {
		return f.(*FFT)
	}
	f, _ := fftPlans.LoadOrStore(n, newFFT(n))
	return f.(*FFT)
}

func newFFT(n int) *FFT {
	size := n / 2
	f := &FFT{n: n, last: 4}
	if bits.TrailingZeros(uint(size))%2 == 1 {
		f.last = 8
	}
	for block := size; block > f.last; block /= 4 {
		s := fftStage{quarter: block / 4}
		for j := range s.quarter {
			for m := 1; m <= 3; m++ {
				s.twiddle = appendTwiddle(s.twiddle, 1, -2*math.Pi*float64(j*m)/float64(block))
			}
		}
		f.stages = append(f.stages, s)
	}
	f.rows = make([]int32, size/f.last)
	for b := range f.rows {
		// The digits of a block's position, from the highest on, are those of its
		// bins from the lowest on.
		bin, weight := 0, 1
		for span := len(f.rows) / 4; span > 0; span /= 4 {
			bin += b / span % 4 * weight
			weight *= 4
		}
		f.rows[b] = int32(bin)
	}
	for k := range size/2 + 1 {
		angle := math.Pi * float64(k) / float64(size)
		f.split = appendTwiddle(f.split, 0.5, -angle-math.Pi/2)
		f.merge = appendTwiddle(f.merge, 0.5, angle+math.Pi/2)
	}
	f.scratch.New = func() any {
		all := make([]float32, kernel.Width*(2*size+n+2*(size+1)))
		take := func(rows int) (v []float32) {
			v, all = all[:rows*kernel.Width], all[rows*kernel.Width:]
			return v
		}
		return &fftScratch{take(size), take(size), take(n), take(size + 1), take(size + 1)}
	}
	return f
}

// appendTwiddle appends size·exp(i·angle).
func appendTwiddle(v []float32, size, angle float64) []float32 {
	sin, cos := math.Sincos(angle)
	return append(v, float32(size*cos), float32(size*sin))
}

// Bins returns the number of bins of its spectrum, n/2+1.
func (f *FFT) Bins() int { return f.n/2 + 1 }

// Forward computes the spectra re and im, [n/2+1][lanes], of the frames x,
// [n][lanes]:
//
//	re[k] = Σ x[t]·cos(2πkt/n);  im[k] = -Σ x[t]·sin(2πkt/n)
//
// x stays as it is and does not overlap re and im. It panics where a slice is
// too short.
func (f *FFT) Forward(re, im, x []float32, lanes int) {
	re, im, x = f.cut(re, im, x, lanes)
	s := f.scratch.Get().(*fftScratch)
	lane := 0
	for ; lane+kernel.Width <= lanes; lane += kernel.Width {
		f.forward(s, re[lane:], im[lane:], x[lane:], lanes)
	}
	if rest := lanes - lane; rest > 0 {
		gatherLanes(s.x, x[lane:], lanes, rest)
		f.forward(s, s.binRe, s.binI, s.x, kernel.Width)
		scatterLanes(re[lane:], s.binRe, lanes, rest)
		scatterLanes(im[lane:], s.binI, lanes, rest)
	}
	f.scratch.Put(s)
}

// forward transforms 16 lanes of arrays of ld.
func (f *FFT) forward(s *fftScratch, re, im, x []float32, ld int) {
	p := fftPasses{f, s.re, s.im, re, im, ld}
	p.firstPass(x, x[ld:], 2*ld)
	kernel.FFTSplit(re, im, ld, f.n/2, f.split)
}

// Adjoint computes the transpose of the linear map Forward, the sum over all
// n/2+1 bins, each counted once:
//
//	x[t] = Σ re[k]·cos(2πkt/n) - im[k]·sin(2πkt/n)
//
// It takes gradients of spectra back to the frames. re and im stay as they are
// and do not overlap x. It panics where a slice is too short.
func (f *FFT) Adjoint(x, re, im []float32, lanes int) {
	re, im, x = f.cut(re, im, x, lanes)
	s := f.scratch.Get().(*fftScratch)
	lane := 0
	for ; lane+kernel.Width <= lanes; lane += kernel.Width {
		f.adjoint(s, x[lane:], re[lane:], im[lane:], lanes)
	}
	if rest := lanes - lane; rest > 0 {
		gatherLanes(s.binRe, re[lane:], lanes, rest)
		gatherLanes(s.binI, im[lane:], lanes, rest)
		f.adjoint(s, s.x, s.binRe, s.binI, kernel.Width)
		scatterLanes(x[lane:], s.x, lanes, rest)
	}
	f.scratch.Put(s)
}

// adjoint transforms 16 lanes of arrays of ld. The inverse transform is the
// forward one with real and imaginary parts exchanged, on both sides.
func (f *FFT) adjoint(s *fftScratch, x, re, im []float32, ld int) {
	kernel.FFTMerge(s.re, s.im, re, im, ld, f.n/2, f.merge)
	p := fftPasses{f, s.im, s.re, x[ld:], x, 2 * ld}
	p.firstPass(s.im, s.re, kernel.Width)
}

func (f *FFT) cut(re, im, x []float32, lanes int) (_, _, _ []float32) {
	if bins := f.Bins() * lanes; lanes < 0 || len(re) < bins || len(im) < bins || len(x) < f.n*lanes {
		panic(fmt.Sprintf("dsp: %d samples, %d and %d bins for an FFT of %d on %d lanes", len(x), len(re), len(im), f.n, lanes))
	}
	return re[:f.Bins()*lanes], im[:f.Bins()*lanes], x[:f.n*lanes]
}

// gatherLanes copies the last lanes of every row to rows of 16, where the others are
// zero.
func gatherLanes(dst, src []float32, ld, lanes int) {
	for i := 0; i < len(dst); i += kernel.Width {
		row := dst[i : i+kernel.Width]
		clear(row[copy(row, src[:lanes]):])
		src = src[min(ld, len(src)):]
	}
}

// scatterLanes copies them back.
func scatterLanes(dst, src []float32, ld, lanes int) {
	for i := 0; i < len(src); i += kernel.Width {
		copy(dst[:lanes], src[i:])
		dst = dst[min(ld, len(dst)):]
	}
}

// fftPasses are the passes of the complex transform of n/2 values of 16 lanes,
// through the scratch memory re and im to dstRe and dstIm.
type fftPasses struct {
	*FFT
	re, im       []float32
	dstRe, dstIm []float32
	ldDst        int
}

// firstPass begins with rows of src that lie ldSrc apart.
func (p *fftPasses) firstPass(srcRe, srcIm []float32, ldSrc int) {
	if len(p.stages) == 0 {
		p.lastPass(srcRe, srcIm, ldSrc, 0, len(p.rows))
		return
	}
	s := &p.stages[0]
	kernel.FFTRadix4(p.re, p.im, srcRe, srcIm, ldSrc, s.quarter, 1, s.twiddle)
	p.middlePasses(1, 0, 4)
}

// nearRows is the number of complex rows that stay in the first-level cache.
const nearRows = 256

// middlePasses takes blocks of a level, the rows from row on, to the end: one after the
// other as long as they do not stay in the first-level cache together.
func (p *fftPasses) middlePasses(level, row, blocks int) {
	if level == len(p.stages) {
		first := row / p.last
		p.lastPass(p.re[row*kernel.Width:], p.im[row*kernel.Width:], kernel.Width, first, first+blocks)
		return
	}
	s := &p.stages[level]
	if size := 4 * s.quarter; blocks > 1 && size*blocks > nearRows {
		for b := range blocks {
			p.middlePasses(level, row+b*size, 1)
		}
		return
	}
	re, im := p.re[row*kernel.Width:], p.im[row*kernel.Width:]
	kernel.FFTRadix4(re, im, re, im, kernel.Width, s.quarter, blocks, s.twiddle)
	p.middlePasses(level+1, row, 4*blocks)
}

// lastPass runs the last pass over blocks b0 to b1, which begin with src.
func (p *fftPasses) lastPass(srcRe, srcIm []float32, ldSrc, b0, b1 int) {
	kernel.FFTLast(p.last, p.dstRe, p.dstIm, p.ldDst, srcRe, srcIm, ldSrc, p.rows[b0:b1], len(p.rows))
}
