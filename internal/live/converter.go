package live

import (
	"fmt"
	"slices"
	"time"

	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
)

const (
	// crossfade is how long a change between the codec and the bypass takes.
	crossfade = 10 * time.Millisecond
	// glideFrames is over how many frames a voice changes into another.
	glideFrames = 4
	// probeLimit is how much a codec may want to hear before it says anything: one that
	// waits for the end of the utterance is no use here.
	probeLimit = time.Second
)

// A converter sends samples through the codec at the codec's rate. Output sample n belongs
// to input sample n.
type converter struct {
	codec   *codec.Codec
	encoder codec.EncoderStream
	decoder codec.DecoderStream
	conceal *concealer

	dry          ring // input whose output is still to come
	samples      int  // pushed to the encoder: the codec's time line, without what was skipped
	decoded      int  // samples that the decoder has returned of it
	gaps         []gap
	codes        model.Codes // of one push
	wet          []float32   // of one push
	mode         Mode
	gain         float64 // of the codec's voice against the bypass: 0 to 1
	step         float64 // of gain, for a sample
	timbre, goal []float32
	from         []float32 // where a glide began
	glide        int       // frames of it that are still to come
	spectrum     []float32 // of the decoder
}

// A gap is what was skipped at a place of the codec's time line.
type gap struct{ at, n int }

func newConverter(c *codec.Codec, mode Mode, voice *Voice) *converter {
	v := &converter{
		codec: c, conceal: newConcealer(c.SampleRate), mode: mode,
		step:   1 / (crossfade.Seconds() * float64(c.SampleRate)),
		timbre: slices.Clone(voice.Timbre), goal: slices.Clone(voice.Timbre), from: slices.Clone(voice.Timbre),
	}
	if mode != Bypass {
		v.gain = 1
	}
	v.encoder = c.NewEncoder(c.Pool)
	v.decoder = c.NewDecoder(voice.Timbre, c.Pool)
	v.setManner(voice)
	return v
}

// probe returns by how much output is behind input that comes sample by sample and is
// converted in blocks of frames, and how long a block takes. It must be called first.
func (v *converter) probe(frames int) (delay int, took time.Duration, err error) {
	const settled = 8 // blocks after the first frames, which come together
	block := make([]float32, frames*v.codec.Hop)
	in, out, after := 0, 0, 0
	var times []time.Duration
	for after < settled {
		start := time.Now()
		codes := v.encoder.Push(block, false)
		n := 0
		if codes.Frames() > 0 {
			n = len(v.decoder.Push(codes, false))
		}
		in, out = in+len(block), out+n
		switch {
		case out > 0:
			if after++; after > 1 {
				times = append(times, time.Since(start))
				delay = max(delay, in-out+len(block))
			}
		case float64(in-len(block)) > probeLimit.Seconds()*float64(v.codec.SampleRate):
			return 0, 0, fmt.Errorf("%s: %w", v.codec.Name(), ErrNotLive)
		}
	}
	v.encoder.Reset()
	v.decoder.Reset()
	slices.Sort(times)
	return delay, times[len(times)/2], nil
}

// set changes what is heard. It is called between two pushes.
func (v *converter) set(mode Mode, voice *Voice) {
	v.mode = mode
	v.setManner(voice)
	if slices.Equal(voice.Timbre, v.goal) {
		return
	}
	copy(v.from, v.timbre)
	copy(v.goal, voice.Timbre)
	v.glide = glideFrames
}

// setManner changes what conversions are filtered toward, and whose frames they have.
func (v *converter) setManner(voice *Voice) {
	spectrum, reference := voice.Spectrum, voice.reference
	if v.mode == Reconstruct {
		spectrum, reference = nil, nil
	}
	if !slices.Equal(spectrum, v.spectrum) {
		v.spectrum = spectrum
		codec.SetSpectrum(v.decoder, spectrum)
	}
	codec.SetReference(v.decoder, reference, voice.match)
}

// push converts samples and appends to dst what is ready. With last the input ends.
func (v *converter) push(dst, samples []float32, last bool) []float32 {
	v.dry.push(samples)
	v.samples += len(samples)
	for _, books := range v.codes {
		for i := range books {
			books[i] = books[i][:0]
		}
	}
	v.encoder.Append(&v.codes, samples, last)
	codes := v.codes
	if v.mode != Reconstruct {
		codes[model.Residual] = nil
	}
	v.wet = v.wet[:0]
	for frames := codes.Frames(); v.glide > 0 && frames > 0; frames-- {
		v.glideOn()
		v.wet = v.decoder.Append(v.wet, codes.Slice(0, 1), false)
		codes = codes.Slice(1, frames)
	}
	if codes.Frames() > 0 || last {
		v.wet = v.decoder.Append(v.wet, codes, last)
	}
	return v.emit(dst, v.wet)
}

// skip leaves out n samples: what the codec would have made of them is concealed.
func (v *converter) skip(dst, samples []float32) []float32 {
	v.dry.push(samples)
	if k := len(v.gaps); k > 0 && v.gaps[k-1].at == v.samples {
		v.gaps[k-1].n += len(samples)
	} else {
		v.gaps = append(v.gaps, gap{v.samples, len(samples)})
	}
	return v.emit(dst, nil)
}

// glideOn brings the decoder's voice a frame nearer to its goal.
func (v *converter) glideOn() {
	v.glide--
	x := float32(glideFrames-v.glide) / glideFrames
	for i, to := range v.goal {
		v.timbre[i] = v.from[i] + (to-v.from[i])*x
	}
	if v.glide == 0 {
		copy(v.timbre, v.goal)
	}
	v.decoder.SetTimbre(v.timbre)
}

// emit appends what the decoder returned to dst, and what fills the gaps that it reaches.
func (v *converter) emit(dst, wet []float32) []float32 {
	for {
		n := len(wet)
		if len(v.gaps) > 0 {
			n = min(n, v.gaps[0].at-v.decoded)
		}
		// The last frame may reach past the end of the input.
		n = min(n, v.dry.n)
		v.conceal.good(wet[:n])
		dst = v.mix(dst, wet[:n])
		v.decoded += n
		wet = wet[n:]
		if len(v.gaps) == 0 || v.gaps[0].at > v.decoded {
			return dst
		}
		at := len(dst)
		dst = slices.Grow(dst, v.gaps[0].n)[:at+v.gaps[0].n]
		v.conceal.fill(dst[at:])
		dst = v.mix(dst[:at], dst[at:])
		v.gaps = slices.Delete(v.gaps, 0, 1)
	}
}

// mix appends the codec's samples, or the input of the same time, or what lies between
// the two where one changes to the other. wet may be what lies behind dst.
func (v *converter) mix(dst, wet []float32) []float32 {
	at := len(dst)
	dst = append(dst, wet...)
	out := dst[at:]
	goal := 1.0
	if v.mode == Bypass {
		goal = 0
	}
	if v.gain == goal && goal == 1 {
		v.dry.drop(len(out))
		return dst
	}
	for i := range out {
		dry := v.dry.buf[v.dry.head]
		v.dry.drop(1)
		if v.gain < goal {
			v.gain = min(goal, v.gain+v.step)
		} else {
			v.gain = max(goal, v.gain-v.step)
		}
		switch v.gain {
		case 0:
			out[i] = dry
		case 1:
		default:
			g := smooth(v.gain)
			out[i] = dry*(1-g) + out[i]*g
		}
	}
	return dst
}
