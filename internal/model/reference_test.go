package model

import (
	"math"
	"slices"
	"sort"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
)

// referenceCase is a small codec that takes references, with the codes of a source and a
// reference of another length.
func referenceCase(t *testing.T, threads int) (codec *Codec, pool *parallel.Pool, source, reference Codes, timbre []float32) {
	pool = parallel.New(threads)
	t.Cleanup(pool.Close)
	c := frameRate(true, config.EncoderSTFT, config.DecoderSourceFilter)
	c.Model.ConvNeXt.DecoderTimbre = true
	codec = loadRandomAt(t, nn.Exact, CodecConfigOf(c), 7, pool)
	wave := speechlike(30000)
	source = codec.NewEncoderStream(pool).Push(wave[:20000], true)
	loud := slices.Clone(wave[20000:])
	for i := range loud {
		loud[i] *= 3 * float32(math.Sin(float64(i)/40))
	}
	return codec, pool, source, codec.NewEncoderStream(pool).Push(loud, true), timbreOf(codec, pool, loud)
}

func partRows(r *op.Run, codec *Codec, codes Codes) (parts [NumParts][][]float64) {
	for part, x := range codec.Quantizer.DecodeParts(r, codes) {
		for t := range x.T {
			row := make([]float64, x.C)
			for k, v := range x.Row(0, t) {
				row[k] = float64(v)
			}
			parts[part] = append(parts[part], row)
		}
	}
	return parts
}

// voicing is what a decoder tells of codes, in one go.
func voicing(codec *Codec, pool *parallel.Pool, codes Codes, timbre []float32) (pitch, levels []float64, harmonic []bool) {
	r := op.NewRun(pool)
	m := codec.Modulation(r, timbre)
	semitones, share, power := codec.voicing(r, codec.Quantizer.Decode(r, codes), m)
	for t := range semitones.T {
		pitch = append(pitch, float64(semitones.Row(0, t)[0]))
		levels = append(levels, float64(power.Row(0, t)[0]))
		harmonic = append(harmonic, share.Row(0, t)[0] > voicedShare)
	}
	return pitch, levels, harmonic
}

// TestReferenceFrames compares the frames of a conversion with those of the definition,
// written out: every distance of every frame.
func TestReferenceFrames(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 2)
	if !codec.TakesReferences() {
		t.Fatal("takes no references")
	}
	r := op.NewRun(pool)
	xs, ys := partRows(r, codec, source), partRows(r, codec, reference)
	conversion := source
	conversion[Residual] = nil
	pitchX, levelX, voicedX := voicing(codec, pool, conversion, timbre)
	pitchY, levelY, voicedY := voicing(codec, pool, reference, timbre)
	loudest := slices.Max(levelY)
	for t, level := range levelY {
		voicedY[t] = voicedY[t] && level > loudest-voicedBelow
	}
	for t, level := range levelX {
		voicedX[t] = voicedX[t] && level > slices.Max(levelX[:t+1])-voicedBelow && level > loudest-loudestBelow
	}
	if !slices.Contains(voicedX, true) || !slices.Contains(voicedY, true) || !slices.Contains(voicedX, false) || !slices.Contains(voicedY, false) {
		t.Fatal("all frames are voiced, or none: nothing is tested of the means")
	}
	latent := len(xs[0][0])
	mean := func(part int) []float64 {
		m, n := make([]float64, latent), 0.0
		for t, row := range ys[part] {
			if voicedY[t] {
				n++
				for k, v := range row {
					m[k] += v
				}
			}
		}
		for k := range m {
			m[k] /= n
		}
		return m
	}
	var means [2][]float64
	for part := range means {
		means[part] = mean(part)
	}
	square := func(part, t, j int) (d float64) {
		own, n := make([]float64, latent), float64(meanFrames)
		for k := range own {
			own[k] = meanFrames * means[part][k]
		}
		for s := range t + 1 {
			if voicedX[s] {
				n++
				for k, v := range xs[part][s] {
					own[k] += v
				}
			}
		}
		for k := range own {
			e := xs[part][t][k] - own[k]/n - (ys[part][j][k] - means[part][k])
			d += e * e
		}
		return d
	}
	var content, prosody [][]float64
	for t := range xs[0] {
		var c, p []float64
		for j := range ys[0] {
			e := pitchX[t] - pitchY[j]
			d := square(int(Content), t, j)
			c = append(c, d+contentPitch*e*e)
			p = append(p, d+square(int(Prosody), t, j)+prosodyPitch*e*e)
		}
		content, prosody = append(content, c), append(prosody, p)
	}
	// nearest also returns by how much the last one taken is nearer than the next.
	nearest := func(d [][]float64, t int) (list []int, margin float64) {
		at := make([]float64, len(ys[0]))
		for j := range at {
			n := 0.0
			for o := 0; o <= matchPast && o <= t && o <= j; o++ {
				at[j] += d[t-o][j-o]
				n++
			}
			at[j] /= n
			list = append(list, j)
		}
		sort.SliceStable(list, func(a, b int) bool { return at[list[a]] < at[list[b]] })
		return list[:matchFrames], at[list[matchFrames]] - at[list[matchFrames-1]]
	}
	f := codec.NewReference(reference, timbre, pool)
	for _, strength := range []float64{0.9, 1} {
		s := codec.NewDecoderStream(timbre, pool)
		s.SetReference(f, strength)
		s.run.Last = true
		got, levels := s.match.frames(s.run, conversion, s.modulation)
		for t2, want := range levelX {
			if v := float64(levels.Row(0, t2)[0]); math.Abs(v-want) > 1e-4 {
				t.Fatalf("frame %d: level %g, want %g", t2, v, want)
			}
		}
		differ := 0
		for t2 := range xs[0] {
			js, marginC := nearest(content, t2)
			ps, marginP := nearest(prosody, t2)
			if min(marginC, marginP) < 1e-4 {
				continue // either may be taken
			}
			for k := range latent {
				want := (1 - strength) * (xs[Prosody][t2][k] + xs[Content][t2][k])
				for i := range matchFrames {
					want += strength / matchFrames * (ys[Content][js[i]][k] + ys[Residual][js[i]][k] + ys[Prosody][ps[i]][k])
				}
				if v := float64(got.Row(0, t2)[k]); math.Abs(v-want) > 1e-4*(1+math.Abs(want)) {
					t.Fatalf("strength %g, frame %d, channel %d: %g, want %g", strength, t2, k, v, want)
				}
			}
			differ++
		}
		if differ < len(xs[0])/2 {
			t.Errorf("only %d of %d frames were compared", differ, len(xs[0]))
		}
	}
}

// TestReferenceInChunks: conversions with a reference do not depend on how codes arrive, nor
// on the number of threads; with strength 0 they are those of the timbre alone.
func TestReferenceInChunks(t *testing.T) {
	var want []float32
	for _, threads := range []int{1, 2, 3} {
		codec, pool, source, reference, timbre := referenceCase(t, threads)
		source[Residual] = nil
		f := codec.NewReference(reference, timbre, pool)
		s := codec.NewDecoderStream(timbre, pool)
		s.SetReference(f, 0.9)
		whole := s.Push(source, true)
		if want == nil {
			want = whole
		}
		if !slices.Equal(whole, want) {
			t.Errorf("%d threads: other samples", threads)
		}
		if len(whole) != source.Frames()*codec.Hop() {
			t.Errorf("%d samples of %d frames", len(whole), source.Frames())
		}
		for name, next := range sizes(codec.Hop()) {
			s.Reset()
			var got []float32
			chunked(source.Frames(), func() int { return (next() + codec.Hop() - 1) / codec.Hop() }, func(from, to int, last bool) {
				got = append(got, s.Push(source.Slice(from, to), last)...)
			})
			if !slices.Equal(got, want) {
				t.Errorf("in chunks of %s: other samples", name)
			}
		}
		plain := codec.NewDecoderStream(timbre, pool).Push(source, true)
		if slices.Equal(plain, want) {
			t.Error("the reference changes nothing")
		}
		s.Reset()
		s.SetReference(f, 0)
		if !slices.Equal(s.Push(source, true), plain) {
			t.Error("with strength 0 it is not the timbre alone")
		}
		s.Reset()
		s.SetReference(f, 1)
		for _, part := range ConversionParts {
			some := source
			some[part] = nil
			s.Reset()
			if got := s.Push(some, true); !slices.Equal(got, codec.NewDecoderStream(timbre, pool).Push(some, true)) {
				t.Errorf("without %v it is not the timbre alone", part)
			}
		}
	}
}

// TestReferenceChanges: what is known of the source stays known where the reference changes, but for
// the frames before, and so does everything where the share alone changes.
func TestReferenceChanges(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 2)
	source[Residual] = nil
	f, same := codec.NewReference(reference, timbre, pool), codec.NewReference(reference, timbre, pool)
	const at = 30
	// frames are those that the decoder gets from frame at on, where change is called.
	frames := func(change func(s *DecoderStream)) [][]float32 {
		s := codec.NewDecoderStream(timbre, pool)
		s.SetReference(f, 0.9)
		var rows [][]float32
		for _, piece := range []Codes{source.Slice(0, at), source.Slice(at, source.Frames())} {
			if len(rows) > 0 {
				change(s)
			}
			z, levels := s.match.frames(s.run, piece, s.modulation)
			for t := range z.T {
				rows = append(rows, slices.Clone(z.Row(0, t)))
			}
			s.run.Free(z)
			s.match.guide.Free(levels)
		}
		return rows[at:]
	}
	equal := func(a, b []float32) bool { return slices.Equal(a, b) }
	want := frames(func(*DecoderStream) {})
	if got := frames(func(s *DecoderStream) { s.SetReference(f, 0.9) }); !slices.EqualFunc(got, want, equal) {
		t.Error("the reference that is set already changes something")
	}
	got := frames(func(s *DecoderStream) { s.SetReference(same, 0.9) })
	if !slices.EqualFunc(got[matchPast:], want[matchPast:], equal) {
		t.Error("what was learned of the source is lost with the reference")
	}
	if slices.EqualFunc(frames(func(s *DecoderStream) { s.match = newMatcher(codec, f, 0.9, pool) })[matchPast:], want[matchPast:], equal) {
		t.Error("nothing was learned of the source: nothing is tested")
	}
	for name, without := range map[string]func(s *DecoderStream){
		"a share of 0": func(s *DecoderStream) { s.SetReference(f, 0) }, "no reference": func(s *DecoderStream) { s.SetReference(nil, 1) },
	} {
		frames(func(s *DecoderStream) {
			before := s.match
			without(s)
			if s.match != nil {
				t.Errorf("%s: frames are matched", name)
			}
			s.SetReference(same, 0.9)
			if m := s.match; m.voiced != before.voiced || m.voiced == 0 || m.loudest != before.loudest || !slices.EqualFunc(m.sums[:], before.sums[:], slices.Equal) {
				t.Errorf("%s for a moment: what was learned of the source is lost", name)
			}
			s.Reset()
			s.SetReference(f, 0.9)
			if s.match.voiced != 0 {
				t.Errorf("%s: what was learned outlives the utterance", name)
			}
			s.SetReference(f, 0)
			s.Reset()
			if s.SetReference(f, 0.9); s.match.voiced != 0 {
				t.Errorf("%s: what was learned outlives the utterance", name)
			}
		})
	}
	half := frames(func(s *DecoderStream) { s.SetReference(f, 0.45) })
	whole := frames(func(s *DecoderStream) { s.SetReference(f, 1) })
	none := frames(func(s *DecoderStream) { s.match.strength = 0 })
	for t2, row := range half {
		for k, v := range row {
			if mean := 0.45*whole[t2][k] + 0.55*none[t2][k]; math.Abs(float64(v-mean)) > 1e-4*(1+math.Abs(float64(mean))) {
				t.Fatalf("frame %d, channel %d: %g, want %g", t2, k, v, mean)
			}
		}
	}
}

// TestReferenceShort: references of fewer frames than are averaged.
func TestReferenceShort(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 2)
	for n := 1; n <= matchFrames+1; n++ {
		s := codec.NewDecoderStream(timbre, pool)
		s.SetReference(codec.NewReference(reference.Slice(0, n), timbre, pool), 1)
		for i, v := range s.Push(source, true) {
			if v-v != 0 {
				t.Fatalf("%d frames: sample %d is %v", n, i, v)
			}
		}
	}
}

// TestReferenceAllocatesNothing frame by frame.
func TestReferenceAllocatesNothing(t *testing.T) {
	codec, pool, source, reference, timbre := referenceCase(t, 1)
	s := codec.NewDecoderStream(timbre, pool)
	s.SetReference(codec.NewReference(reference, timbre, pool), 0.9)
	samples := make([]float32, 0, 10*codec.Hop())
	frame := source.Slice(20, 21)
	step := func() { samples = s.Append(samples[:0], frame, false) }
	for range 20 {
		step()
	}
	if n := testing.AllocsPerRun(50, step); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

// TestReferenceLevels: frames are decoded at the level that they are asked for, if that is not far
// above their own.
func TestReferenceLevels(t *testing.T) {
	codec, pool, source, _, timbre := referenceCase(t, 2)
	d := codec.Decoder.(voicedDecoder)
	decode := func(change float32) (power float64) {
		r := op.NewRun(pool)
		m := codec.Modulation(r, timbre)
		frames := func() tensor.Tensor { return m.apply(r, codec.Quantizer.Decode(r, source)) }
		r.Last = true
		s := d.Predict(r, frames(), m.blocks)
		_, _, levels := d.Voicing(r, s)
		for t := range levels.T {
			levels.Row(0, t)[0] += change
		}
		s.setLevels(r, levels)
		wave := d.Synthesize(r, s)
		for t := range wave.T {
			power += float64(wave.Row(0, t)[0]) * float64(wave.Row(0, t)[0])
		}
		return power
	}
	same := decode(0)
	for change, want := range map[float32]float64{-3: -3, -50: -50, 1: 1, 20: 2 * mostGain} {
		if got := math.Log(decode(change) / same); math.Abs(got-want) > 0.01 {
			t.Errorf("levels %g higher change the power by %g, want %g", change, got, want)
		}
	}
}
