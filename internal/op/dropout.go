package op

import (
	"math"

	"github.com/facodec-go/facodec/internal/tensor"
)

// Random is the source of the random numbers of a recording. They are a function of
// these numbers and of the place in the network only, not of the threads or of how a
// batch is split for gradient accumulation.
type Random struct {
	Seed, Step uint64
	Sample     int  // the number in the batch of the recording's first sequence
	Off        bool // no dropout
}

// mix is the output function of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

const splitMix = 0x9E3779B97F4A7C15 // SplitMix64's increment

// Key returns the key of the sequence of random numbers of one sample and one site
// of a step (see Uniform).
func (n Random) Key(site uint64, sample int) uint64 {
	z := mix(n.Seed + splitMix)
	z = mix(z ^ n.Step*splitMix)
	z = mix(z ^ site*0xD1342543DE82EF95)
	return mix(z ^ uint64(n.Sample+sample)*splitMix)
}

// Uniform returns random number i of the sequence of a key, in [0, 1).
func Uniform(key, i uint64) float64 { return float64(mix(key+i*splitMix)>>11) / (1 << 53) }

// EachSample calls f for each of n sequences of different lengths, which networks
// process one by one: each gets the random numbers that it would get in a batch.
func (r *Run) EachSample(n int, f func(b int)) {
	t := r.tape
	if t == nil {
		t = &tape{}
	}
	first, sample := t.sites, t.random.Sample
	for b := range n {
		t.sites, t.random.Sample = first, sample+b
		f(b)
	}
	t.random.Sample = sample
}

// Dropout zeroes each value with probability p in a recording, and multiplies the
// rest by 1/(1-p); otherwise it returns x itself. It takes x.
func (r *Run) Dropout(x tensor.Tensor, p float64) tensor.Tensor {
	if !r.Recording() || p == 0 || r.tape.random.Off {
		return x
	}
	r.tape.sites++
	site := r.tape.sites
	random := r.tape.random
	drop := func(dst, src tensor.Tensor) {
		threshold := uint64(p * (1 << 32))
		scale := float32(1 / (1 - p))
		r.pool.Split(src.B*src.T, max(1, grainValues/(8*src.Stride)), func(from, to int) {
			for row := from; row < to; row++ {
				b, t := row/src.T, row%src.T
				d := dst.Row(b, t)
				at := random.Key(site, b) + uint64(t*src.C)*splitMix
				var drawn uint64 // what is left of a random number, which serves two values
				for i, v := range src.Row(b, t) {
					if drawn >>= 32; i%2 == 0 {
						at += splitMix
						drawn = mix(at)
					}
					// All ones where the value is dropped: a branch would be mispredicted.
					dropped := uint32(int64(drawn&(1<<32-1)-threshold) >> 63)
					d[i] = math.Float32frombits(math.Float32bits(v*scale) &^ dropped)
				}
			}
		})
	}
	y := r.New(x.B, x.T, x.C)
	drop(y, x)
	if r.needsGrad(x) {
		r.record(&y, func(dy tensor.Tensor) {
			dx := r.New(dy.B, dy.T, dy.C)
			drop(dx, dy)
			r.accumulateGrad(x, dx)
		})
	}
	r.Free(x)
	return y
}
