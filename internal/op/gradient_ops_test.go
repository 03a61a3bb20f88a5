package op

import (
	"math"
	"slices"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/tensor"
)

// gradientCases is the table of all cases.
func gradientCases() []gradientCase {
	return slices.Concat(convCases(), transposeCases(), conv2DCases(), lstmCases(), attentionCases(),
		activationCases(), combineCases(), rowCases(), quantizeCases(), lossCases(), spectrumCases(), frameCases())
}

// on returns the case of an operation on one tensor.
func on(op, name string, b, t, c int, f func(r *Run, x tensor.Tensor) tensor.Tensor) gradientCase {
	return gradientCase{op, name, func(p *problem) {
		p.input(b, t, c)
		p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, f(r, x[0])) }
	}}
}

// onTwo returns that of one on two tensors of the same shape.
func onTwo(op, name string, b, t, c int, f func(r *Run, x, y tensor.Tensor) tensor.Tensor) gradientCase {
	return gradientCase{op, name, func(p *problem) {
		p.input(b, t, c)
		p.input(b, t, c)
		p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, f(r, x[0], x[1])) }
	}}
}

// double returns 2·x of memory of its own, for an operation that takes it.
func double(r *Run, x tensor.Tensor) tensor.Tensor { return r.Add(x, x) }

func activationCases() []gradientCase {
	activate := func(name, act string, b, t, c int) gradientCase {
		return gradientCase{"Activate", name, func(p *problem) {
			p.input(b, t, c).scale(2)
			act := p.activation(act, c)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.Activate(act, x[0])) }
		}}
	}
	leaky := func(name string, b, t, c int) gradientCase {
		return gradientCase{"LeakyReLU", name, func(p *problem) {
			x := p.input(b, t, c)
			for i := range x.value {
				x.value[i] = p.away(0.1, 1)
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.LeakyReLU(double(r, x[0]), 0.1)) }
		}}
	}
	return []gradientCase{
		activate("tanh", "tanh", 3, 4, 5),
		activate("mish", "mish", 3, 4, 17),
		activate("snake", "snake", 3, 4, 5),
		activate("snake, 33 channels", "snake", 1, 9, 33),
		activate("snake, long", "snake", 2, 1100, 3),
		activate("mish, long", "mish", 1, 2100, 2),
		activate("gelu", "gelu", 3, 4, 17),
		leaky("short", 2, 3, 5),
		leaky("long", 2, 1100, 3),
		on("Gate", "short", 2, 3, 10, (*Run).Gate),
		on("Gate", "long", 2, 400, 34, (*Run).Gate),
		on("GLU", "short", 2, 3, 10, (*Run).GLU),
		on("GLU", "long", 2, 400, 34, (*Run).GLU),
		on("Dropout", "short", 3, 4, 5, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.Dropout(double(r, x), 0.3) }),
		on("Dropout", "long", 2, 300, 17, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.Dropout(double(r, x), 0.7) }),
		on("Dropout", "twice", 2, 5, 5, func(r *Run, x tensor.Tensor) tensor.Tensor {
			a, b := r.Dropout(double(r, x), 0.5), r.Dropout(double(r, x), 0.5)
			defer r.Free(a, b)
			return r.Sub(a, b)
		}),
	}
}

func combineCases() []gradientCase {
	modulate := func(name string, b, t, c, modulations int) gradientCase {
		return gradientCase{"AdaptiveLayerNorm", name, func(p *problem) {
			p.input(b, t, c).scale(4) // rows that are nearly constant are far from linear
			p.input(modulations, 1, 2*c)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.AdaptiveLayerNorm(x[0], x[1])) }
		}}
	}
	return []gradientCase{
		onTwo("Add", "short", 2, 3, 5, (*Run).Add),
		on("Add", "to itself", 2, 3, 17, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.Add(x, x) }),
		on("Add", "used five times, long", 2, 1100, 3, func(r *Run, x tensor.Tensor) tensor.Tensor {
			// What was freed is used again by what follows.
			y := r.Activate(Tanh, x)
			for _, act := range []Activation{Mish, Tanh} {
				a := r.Activate(act, x)
				b := r.Activate(act, y)
				r.Free(y)
				c := r.Sub(a, b)
				r.Free(a, b)
				y = r.Add(c, x)
				r.Free(c)
			}
			return y
		}),
		onTwo("Sub", "short", 2, 3, 5, (*Run).Sub),
		on("Sub", "with a scaled self", 2, 3, 5, func(r *Run, x tensor.Tensor) tensor.Tensor {
			y := r.Scale(x, []float32{0.25, -1.5})
			defer r.Free(y)
			return r.Sub(y, x)
		}),
		{"ReverseGradient", "short", func(p *problem) {
			p.input(2, 3, 5).factor = -0.5
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.ReverseGradient(x[0], 0.5)) }
		}},
		{"ScaleGradient", "short", func(p *problem) {
			p.input(1, 3, 5).factor = 0.25
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, r.ScaleGradient(x[0], []float32{0.25}))
			}
		}},
		on("Scale", "short", 3, 4, 5, func(r *Run, x tensor.Tensor) tensor.Tensor {
			return r.Scale(x, []float32{0.5, 0, -1.25})
		}),
		on("SliceChannels", "short", 2, 3, 33, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.SliceChannels(x, 5, 22) }),
		{"AddHalves", "short", func(p *problem) {
			p.input(2, 3, 5)
			p.input(2, 3, 17)
			p.input(2, 3, 22)
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				a, b := r.AddHalves(x[0], x[1], x[2])
				return p.probe(r, a, b)
			}
		}},
		modulate("a modulation for each", 3, 4, 5, 3),
		modulate("one modulation", 3, 4, 17, 1),
		modulate("long", 1, 2100, 3, 1),
		on("Mean", "short", 3, 7, 5, (*Run).Mean),
		{"AddEmbedding", "short", func(p *problem) {
			p.input(2, 5, 3)
			entries := p.learn("entries", p.uniform(4*3, -1, 1))
			codes := [][]int32{{0, 3, 3, 1, 2}, {2, 2, 0, 3, 3}}
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, r.AddEmbedding(double(r, x[0]), EmbeddingTable{Entries: entries.value, Grad: entries.grad}, codes))
			}
		}},
		{"AddEmbedding", "of what is not learned", func(p *problem) {
			p.input(2, 4, 17)
			table, codes := EmbeddingTable{Entries: p.uniform(3*17, -1, 1)}, p.labels(2, 4, 3)
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, r.AddEmbedding(double(r, x[0]), table, codes))
			}
		}},
	}
}

// cropped is Crop of what it takes.
func cropped(r *Run, x Image) tensor.Tensor {
	defer r.Free(x.Tensor)
	return r.Crop(x)
}

func rowCases() []gradientCase {
	level := func(name string, loudest ...float32) gradientCase {
		return gradientCase{"PeakNormalize", name, func(p *problem) {
			n := 20
			x := p.input(len(loudest), 1, n)
			for b, v := range loudest { // one sample that stays the loudest
				x.value[b*n+3+5*b] = v
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.PeakNormalize(x[0])) }
		}}
	}
	fold := func(name string, n, period int) gradientCase {
		return on("ReshapeByPeriod", name, 2, 1, n, func(r *Run, x tensor.Tensor) tensor.Tensor { return cropped(r, r.ReshapeByPeriod(x, period)) })
	}
	joined := func(op, name string, rows []int, f func(r *Run, x []tensor.Tensor) tensor.Tensor) gradientCase {
		return gradientCase{op, name, func(p *problem) {
			for i, t := range rows {
				if op == "ConcatBatch" {
					p.input(i+1, t, 5)
				} else {
					p.input(2, t, 5)
				}
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, f(r, x)) }
		}}
	}
	antiAlias := func(name string, b, t, c int) gradientCase {
		return gradientCase{"AntiAlias", name, func(p *problem) {
			p.input(b, t, c)
			f := &AntiAlias{Snake: *p.snake(c)}
			for i := range f.Up {
				f.Up[i], f.Down[i] = p.value(-0.5, 0.5), p.value(-0.5, 0.5)
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return p.probe(r, r.AntiAlias(NewSlot(), f, x[0])) }
		}}
	}
	return []gradientCase{
		on("SliceTime", "short", 3, 7, 5, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.SliceTime(x, 2, 6) }),
		on("SliceBatch", "short", 4, 3, 5, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.SliceBatch(x, 1, 3) }),
		joined("ConcatTime", "three", []int{2, 1, 4}, func(r *Run, x []tensor.Tensor) tensor.Tensor { return r.ConcatTime(x...) }),
		joined("ConcatTime", "twice the same", []int{3, 2}, func(r *Run, x []tensor.Tensor) tensor.Tensor { return r.ConcatTime(x[0], x[1], x[0]) }),
		{"Band", "of images", func(p *problem) {
			p.input(2*3, 9, 3)
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				image := r.Image(x[0], 3, 1)
				defer r.Free(image.Tensor)
				return p.probe(r, cropped(r, r.Band(image, 3, 8)))
			}
		}},
		{"JoinBands", "with an overlap", func(p *problem) {
			p.input(2*3, 9, 3)
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				image := r.Image(x[0], 3, 1)
				a, b := r.Band(image, 2, 7), r.Band(image, 6, 9)
				joined := r.JoinBands(a, b, a)
				r.Free(image.Tensor, a.Tensor, b.Tensor)
				return p.probe(r, cropped(r, joined))
			}
		}},
		joined("ConcatBatch", "three", []int{3, 3, 3}, func(r *Run, x []tensor.Tensor) tensor.Tensor { return r.ConcatBatch(x...) }),
		fold("filled up", 23, 5),
		fold("a whole period more", 20, 5),
		fold("by one", 13, 7),
		level("loudest above and below", 4, -4),
		level("loudest below", -4),
		antiAlias("one row", 2, 1, 5),
		antiAlias("fewer rows than the filter", 1, 4, 16),
		antiAlias("short", 3, 9, 5),
		antiAlias("long", 2, 300, 70),
	}
}

func quantizeCases() []gradientCase {
	const size, dim = 4, 3
	loss := func(name string, weights []float32) gradientCase {
		return gradientCase{"QuantizationLoss", name, func(p *problem) {
			const commitment, codebook = 0.25, 1.5
			p.input(2, 5, dim).factor = commitment
			entries := p.learn("entries", p.uniform(size*dim, -1, 1))
			entries.factor = codebook
			c := NewCodebook(entries.value, size, dim)
			c.Grad = entries.grad
			codes := [][]int32{{0, 3, 3, 1, 2}, {2, 2, 0, 3, 3}}
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return r.QuantizationLoss(c, codes, x[0], weights, commitment, codebook)
			}
		}}
	}
	return []gradientCase{
		loss("of all", nil),
		loss("weighted", []float32{0.5, 2}),
		{"QuantizationLoss", "of entries that are not learned", func(p *problem) {
			p.input(2, 5, dim).factor = 0.25
			c := NewCodebook(p.uniform(size*dim, -1, 1), size, dim)
			codes := p.labels(2, 5, size)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return r.QuantizationLoss(c, codes, x[0], nil, 0.25, 1) }
		}},
		{"StraightThrough", "short", func(p *problem) {
			p.input(2, 5, dim)
			c := NewCodebook(p.uniform(size*dim, -1, 1), size, dim)
			codes, weight := p.labels(2, 5, size), p.constant(2, 5, dim)
			// The entries do not depend on the input; the gradient is as if they were it.
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				y := r.StraightThrough(c, codes, x[0])
				probe(r, y, weight)
				r.Free(y)
				return probe(r, r.Detach(x[0]), weight)
			}
		}},
	}
}

func lossCases() []gradientCase {
	const weight = 0.75
	// apart has a target that stays on its side of the input, as far away as one of
	// distances says.
	apart := func(op, name string, b, t, c int, distances [][2]float64, f func(r *Run, x, target tensor.Tensor, weight float64) float64) gradientCase {
		return gradientCase{op, name, func(p *problem) {
			x := p.input(b, t, c)
			target := &leaf{b: b, t: t, c: c}
			for _, v := range x.value {
				d := distances[p.IntN(len(distances))]
				target.value = append(target.value, v+p.away(d[0], d[1]))
			}
			want := target.tensor(tensor.New(b, t, c))
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return weight * f(r, x[0], want, weight) }
		}}
	}
	classify := func(op, name string, b, t, c int, f func(r *Run, x tensor.Tensor, labels [][]int32) float64) gradientCase {
		return gradientCase{op, name, func(p *problem) {
			p.input(b, t, c)
			labels := p.labels(b, t, c)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return f(r, x[0], labels) }
		}}
	}
	near, far := [2]float64{0.1, 0.8}, [2]float64{1.2, 2}
	return []gradientCase{
		apart("L1", "short", 2, 3, 5, [][2]float64{near, far}, (*Run).L1),
		apart("L1", "long", 2, 1100, 3, [][2]float64{near, far}, (*Run).L1),
		{"LeakyReLUImage", "of few channels", func(p *problem) {
			x := p.input(4, 6, 3)
			for i := range x.value {
				x.value[i] = p.away(0.1, 1)
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 {
				return p.probe(r, cropped(r, r.LeakyReLUImage(r.Image(x[0], 2, 1), 0.25)))
			}
		}},
		apart("L1Images", "of few channels", 4, 6, 3, [][2]float64{near, far}, func(r *Run, x, target tensor.Tensor, weight float64) float64 {
			a, b := r.Image(x, 2, 1), r.Image(target, 2, 1)
			defer r.Free(a.Tensor, b.Tensor)
			return r.L1Images(a, b, weight)
		}),
		apart("L1Images", "of many channels", 3, 2, 256, [][2]float64{near, far}, func(r *Run, x, target tensor.Tensor, weight float64) float64 {
			a, b := r.Image(x, 1, 0), r.Image(target, 1, 0)
			defer r.Free(a.Tensor, b.Tensor)
			return r.L1Images(a, b, weight)
		}),
		apart("SmoothL1", "short", 2, 5, 5, [][2]float64{near, far}, (*Run).SmoothL1),
		{"MSE", "short", func(p *problem) {
			p.input(2, 3, 5)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return weight * r.MSE(x[0], 1, weight) }
		}},
		{"MSE", "none, and a seeded gradient", func(p *problem) {
			p.input(2, 3, 5)
			weights := p.constant(2, 3, 5)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return probe(r, x[0], weights) }
		}},
		{"MSE", "and a seeded gradient of one tensor", func(p *problem) {
			p.input(2, 3, 5)
			weights := p.constant(2, 3, 5)
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return probe(r, x[0], weights) + 0.5*r.MSE(x[0], 0.25, 0.5) }
		}},
		classify("CrossEntropy", "short", 2, 3, 5, func(r *Run, x tensor.Tensor, labels [][]int32) float64 {
			return weight * r.CrossEntropy(x, labels, weight)
		}),
		classify("CrossEntropy", "long", 2, 110, 20, func(r *Run, x tensor.Tensor, labels [][]int32) float64 {
			return weight * r.CrossEntropy(x, labels, weight)
		}),
		classify("Focal", "short", 2, 3, 5, func(r *Run, x tensor.Tensor, labels [][]int32) float64 {
			return weight * r.Focal(x, labels, math.NaN(), weight)
		}),
		classify("Focal", "a piece of a batch", 2, 3, 5, func(r *Run, x tensor.Tensor, labels [][]int32) float64 {
			// The derivative with respect to the batch's ce, 1.25, times the piece's ce.
			const batch, h = 1.25, 1e-4
			focal := func(ce float64) float64 { return math.Pow(1-math.Exp(-ce), 2) * ce }
			r.Focal(x, labels, batch, weight)
			return weight * (focal(batch+h) - focal(batch-h)) / (2 * h) * r.CrossEntropy(r.Detach(x), labels, 0)
		}),
	}
}

func spectrumCases() []gradientCase {
	stft := func(name string, b, n, window, hop, side, skip int) gradientCase {
		return on("STFT", name, b, 1, n, func(r *Run, x tensor.Tensor) tensor.Tensor {
			s := NewSTFT(window, hop)
			return cropped(r, r.STFT(s, x, s.ReflectPadded(side, side), skip))
		})
	}
	bands := dsp.NewFilterbank([]dsp.MelFilter{
		{First: 0, Weights: []float64{0.5, 1}},
		{First: 1, Weights: []float64{0.25, 0.75, 0.5}},
		{First: 9, Weights: []float64{1}},
		{First: 12, Weights: []float64{0.5, 1, 1.5, 1, 0.5}},
	})
	spectral := func(name string, log, linear float64, bands dsp.Filterbank, louder ...float32) gradientCase {
		return gradientCase{"Spectral", name, func(p *problem) {
			const n, weight = 300, 0.75
			s := &SpectralLoss{STFT: NewSTFT(32, 8), Filters: bands, Log: log, Linear: linear}
			x := p.input(len(louder), 1, n)
			// Magnitudes near zero are far from linear; a click in every frame leaves none.
			for i := range x.value {
				if t := i % n; t%24 == 0 {
					x.value[i] += []float32{32, -64}[t/24%2]
				}
			}
			p.step = 1. / 16
			target := tensor.New(len(louder), 1, n)
			for i, v := range x.value {
				target.Row(i/n, 0)[i%n] = v * louder[i/n] // no magnitude comes near that of x
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return weight * r.Spectral(s, x[0], target, weight) }
		}}
	}
	envelope := func(name string, b, n, segment int) gradientCase {
		return gradientCase{"Envelope", name, func(p *problem) {
			const weight = 0.75
			s := &EnvelopeLoss{STFT: NewSTFT(32, 16), Bands: bands, Segment: segment}
			x := p.input(b, 1, n)
			target := tensor.New(b, 1, n)
			for i, v := range x.value { // a noise that rises and falls, and silence
				target.Row(i/n, 0)[i%n] = float32(math.Sin(float64(i*i))) * max(0, 1+v) * float32(1-i/n)
			}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return weight * r.Envelope(s, x[0], target, weight) }
		}}
	}
	return []gradientCase{
		{"Contrast", "among others", func(p *problem) {
			const weight = 0.75
			p.input(3, 1, 5)
			p.input(3, 1, 5)
			c := &Contrast{Mean: p.uniform(5, -0.2, 0.2), Others: [][]float32{p.uniform(5, -1, 1), p.uniform(5, -1, 1)}, Temperature: 0.5}
			p.loss = func(r *Run, x []tensor.Tensor) float64 { return weight * r.Contrast(c, x[0], x[1], weight) }
		}},
		envelope("segments", 2, 300, 9),
		envelope("shorter than a segment", 1, 100, 30),
		stft("whole", 2, 160, 16, 4, 0, 0),
		stft("without two frames at each end", 2, 61, 32, 8, 12, 2),
		spectral("log", 1, 0, nil, 0.25),
		spectral("linear", 0, 1.5, nil, 0.25, 3),
		spectral("log and linear", 0.5, 1, nil, 3),
		spectral("bands, log and linear", 1, 0.5, bands, 0.25, 3),
		on("Waveforms", "two", 2, 33, 1, func(r *Run, x tensor.Tensor) tensor.Tensor { return r.Waveforms(x) }),
		on("LogMel", "two, of a short window", 2, 1, 301, func(r *Run, x tensor.Tensor) tensor.Tensor {
			return r.LogMel(&MelSpectrogram{NewPaddedSTFT(32, 24, 8), bands}, x)
		}),
	}
}
