package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/plural"
)

// Validate says what is wrong with a config that was made or changed in code;
// Parse has done it already. The error names the key, its value and the cure.
func (c *Config) Validate() error {
	if err := c.checkRanges("", c.top()); err != nil {
		return err
	}
	for _, check := range []func(*Config) error{
		(*Config).checkKind, (*Config).checkPreprocess, (*Config).checkWidths,
		(*Config).checkDiscriminator, (*Config).checkTrain, (*Config).checkOptimizer, (*Config).checkConversion, (*Config).checkTeachers,
	} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

// checkRanges holds numbers and list lengths against the fields' tags. The
// upper bounds are far above any use: they keep a hostile file from asking for
// all memory.
func (c *Config) checkRanges(path string, fields []field) error {
	for _, f := range fields {
		if f.noEffect {
			continue
		}
		key := path + f.key
		switch f.value.Kind() {
		case reflect.Struct:
			if err := c.checkRanges(key+".", c.sub(f)); err != nil {
				return err
			}
		case reflect.Int:
			if v := int(f.value.Int()); v < f.min || v > f.max {
				return &keyError{key, strconv.Itoa(v), "is not supported; want " + want(f)}
			}
		case reflect.Float64:
			if v := f.value.Float(); !f.holds(v) {
				return &keyError{key, number(v), "is not supported; want " + want(f)}
			}
		case reflect.Array:
			for i := range f.value.Len() {
				if v := f.value.Index(i).Float(); !f.holds(v) {
					return &keyError{fmt.Sprintf("%s[%d]", key, i), number(v), "is not supported; want " + wantElement(f, reflect.Float64)}
				}
			}
		case reflect.Slice:
			list := f.value.Interface().([]int)
			if len(list) < f.lenMin || len(list) > f.lenMax {
				return &keyError{key, show(list), "is not supported; want " + want(f)}
			}
			for i, v := range list {
				if v < f.min || v > f.max {
					return &keyError{fmt.Sprintf("%s[%d]", key, i), strconv.Itoa(v), "is not supported; want " + wantElement(f, reflect.Int)}
				}
			}
		}
	}
	return nil
}

// holds says whether a number is in the field's range. NaN is in none.
func (f field) holds(v float64) bool { return !f.bounded || v >= f.fmin && v <= f.fmax }

func (c *Config) checkKind() error {
	const problem = "is not supported; want true"
	switch {
	case !c.Model.SeparateProsodyEncoder:
		return &keyError{"model_params.separate_prosody_encoder", "false", problem}
	case !c.Model.TimbreNorm:
		return &keyError{"model_params.timbre_norm", "false", problem}
	}
	if p := c.Train.Precision; p != PrecisionFloat32 && p != PrecisionExact && p != PrecisionBF16 {
		return &keyError{"train.precision", strconv.Quote(shorten(p)), `is not supported; want "float32", "exact" or "bf16"`}
	}
	if r := c.Redecoder; r != nil && r.EncoderType != "wavenet" {
		return &keyError{"model_params.encoder_type", strconv.Quote(shorten(r.EncoderType)), `is not supported; want "wavenet"`}
	}
	encoderKey := "model_params.encoder_type"
	if c.IsRedecoder() {
		encoderKey = "model_params.codec_encoder_type"
	}
	switch m := &c.Model; {
	case m.EncoderType != EncoderDAC && m.EncoderType != EncoderSTFT:
		return &keyError{encoderKey, strconv.Quote(shorten(m.EncoderType)), `is not supported; want "dac" or "stft"`}
	case !slices.Contains([]string{DecoderDAC, DecoderISTFT, DecoderHarmonic, DecoderSourceFilter}, m.DecoderType):
		return &keyError{"model_params.decoder_type", strconv.Quote(shorten(m.DecoderType)), `is not supported; want "dac", "istft", "harmonic" or "source_filter"`}
	}
	kind := TypeCodec
	if c.IsRedecoder() {
		kind = TypeRedecoder
	}
	if c.ModelType != kind {
		return &keyError{"model_type", strconv.Quote(shorten(c.ModelType)), "is not supported; want " + kind}
	}
	return nil
}

func (c *Config) checkPreprocess() error {
	p, m := &c.Preprocess, &c.Model
	hop := p.Spect.HopLength
	const spect = "preprocess_params.spect_params."
	rate := func(key string, rates []int) error {
		product := 1.0 // not int, which eight large rates overflow
		for _, r := range rates {
			product *= float64(r)
		}
		if product != float64(hop) {
			return &keyError{"model_params.DAC." + key, show(rates), fmt.Sprintf("multiply to %.6g; want a product of %d, which is %shop_length", product, hop, spect)}
		}
		return nil
	}
	stft, istft := m.EncoderType == EncoderSTFT, m.DecoderType != DecoderDAC
	if !stft {
		if err := rate("encoder_rates", m.DAC.EncoderRates); err != nil {
			return err
		}
	}
	if !istft {
		if err := rate("decoder_rates", m.DAC.DecoderRates); err != nil {
			return err
		}
	}
	const window = "model_params.convnext.window"
	switch w := m.ConvNeXt.Window; {
	case (stft || istft) && hop%2 != 0:
		return &keyError{spect + "hop_length", strconv.Itoa(hop), `is not supported with networks at the frame rate, such as "stft" and "istft"; want an even number`}
	case (stft || istft) && w%(2*hop) != 0:
		return &keyError{window, strconv.Itoa(w), fmt.Sprintf("is not supported; want an even multiple of %d, which is %shop_length", hop, spect)}
	case stft && m.ConvNeXt.PhaseBins > w/2+1:
		return &keyError{"model_params.convnext.phase_bins", strconv.Itoa(m.ConvNeXt.PhaseBins), fmt.Sprintf("is not supported; want at most window/2 + 1, %d", w/2+1)}
	}
	switch {
	case m.DAC.SampleRate != p.SampleRate:
		return &keyError{"model_params.DAC.sr", strconv.Itoa(m.DAC.SampleRate), fmt.Sprintf("is not supported; want %d, as preprocess_params.sr is", p.SampleRate)}
	case !(math.Abs(p.FrameRate-c.FrameRate()) <= 1e-3):
		return &keyError{"preprocess_params.frame_rate", number(p.FrameRate), fmt.Sprintf("is not supported; want %s, which is sr / hop_length = %d / %d, or leave the key out", number(c.FrameRate()), p.SampleRate, hop)}
	case p.Spect.NFFT%2 != 0:
		return &keyError{spect + "n_fft", strconv.Itoa(p.Spect.NFFT), "is not supported; want an even number"}
	case p.Spect.WinLength > p.Spect.NFFT:
		return &keyError{spect + "win_length", strconv.Itoa(p.Spect.WinLength), fmt.Sprintf("is not supported; want at most n_fft, %d", p.Spect.NFFT)}
	case p.Spect.NMels > p.Spect.NFFT/2+1:
		return &keyError{spect + "n_mels", strconv.Itoa(p.Spect.NMels), fmt.Sprintf("is not supported; want at most n_fft/2 + 1, %d", p.Spect.NFFT/2+1)}
	case m.ProsodyMels > p.Spect.NMels:
		return &keyError{"model_params.prosody_mel_bins", strconv.Itoa(m.ProsodyMels), fmt.Sprintf("is not supported; want at most n_mels, %d", p.Spect.NMels)}
	}
	return nil
}

// checkWidths follows the channels through encoder and decoder: doubled and
// halved by each block.
func (c *Config) checkWidths() error {
	m := &c.Model
	const maxWidth = 4096
	if width := m.DAC.EncoderDim << len(m.DAC.EncoderRates); width > maxWidth {
		return &keyError{"model_params.DAC.encoder_dim", strconv.Itoa(m.DAC.EncoderDim), fmt.Sprintf("is not supported: doubled by each of %d encoder_rates it gives %s; want at most %d", len(m.DAC.EncoderRates), plural.Of(width, "channel"), maxWidth)}
	}
	if div := 1 << len(m.DAC.DecoderRates); m.DAC.DecoderDim%div != 0 {
		return &keyError{"model_params.DAC.decoder_dim", strconv.Itoa(m.DAC.DecoderDim), fmt.Sprintf("is not supported: it is halved by each of %d decoder_rates; want a multiple of %d", len(m.DAC.DecoderRates), div)}
	}
	if m.TimbreHidden%2 != 0 {
		return &keyError{"model_params.timbre_hidden_dim", strconv.Itoa(m.TimbreHidden), "is not supported: its attention has two heads; want an even number"}
	}
	return nil
}

func (c *Config) checkDiscriminator() error {
	d := &c.Model.Discriminator
	if len(d.Periods)+len(d.FFTSizes) == 0 {
		return &keyError{"model_params.discriminator.periods", "[]", "is not supported with no fft_sizes either; want one of them"}
	}
	for i, w := range d.FFTSizes {
		if !dsp.FFTSizeSupported(w) {
			return &keyError{fmt.Sprintf("model_params.discriminator.fft_sizes[%d]", i), strconv.Itoa(w), fmt.Sprintf("is not supported; want %s", fftSizes)}
		}
	}
	return nil
}

// fftSizes says in a message which windows there are.
var fftSizes = fmt.Sprintf("a power of two from 32 to %d", dsp.MaxFFTSize)

func (c *Config) checkTrain() error {
	lo, hi := c.Preprocess.DurationRange[0], c.Preprocess.DurationRange[1]
	if !(lo >= 0 && lo < hi && !math.IsInf(hi, 0)) {
		return &keyError{"preprocess_params.duration_range", showPair(c.Preprocess.DurationRange), "is not supported; want the shortest and the longest duration in seconds"}
	}
	if c.Train.MaxEpoch == 0 {
		return &keyError{"train.max_epoch", "0", "is not supported; want -1 for no limit, or at least 1"}
	}
	return nil
}

func (c *Config) checkOptimizer() error {
	for i, beta := range c.Optimizer.Betas {
		if beta == 1 {
			return &keyError{fmt.Sprintf("optimizer.betas[%d]", i), "1", "is not supported: the mean would never move; want less than 1"}
		}
	}
	if c.EMA.Decay == 1 {
		return &keyError{"ema.decay", "1", "is not supported: the average would never move; want less than 1, or 0 for none"}
	}
	if gain := c.Augment.GainDB; gain[0] > gain[1] {
		return &keyError{"augment.gain_db", showPair(gain), "is not supported; want the smallest and the largest gain in dB"}
	}
	if a := &c.Augment; a.Parallel != "" && a.Voice == 0 {
		return &keyError{"augment.parallel", strconv.Quote(a.Parallel), "has no effect while augment.voice is 0; want the share of clips that are encoded in another voice, 0.5 say"}
	}
	return nil
}

// checkConversion: the log-mel of decoded waveforms is computed by the FFT of the
// losses, which has fewer sizes than that of recordings, and of crops that may be no
// longer than the mel loss's longest window.
func (c *Config) checkConversion() error {
	for _, loss := range []struct {
		key    string
		weight float64
	}{{"loss_weights.conversion", c.Loss.Conversion}, {"loss_weights.identity", c.Loss.Identity}} {
		if n := c.Preprocess.Spect.NFFT; loss.weight > 0 && (n > melWindow || !dsp.FFTSizeSupported(n)) {
			return &keyError{loss.key, number(loss.weight), fmt.Sprintf("is not supported with preprocess_params.spect_params.n_fft %d; want 0, or for n_fft a power of two from %d to %d", n, dsp.MinFFTSize, melWindow)}
		}
	}
	if c.Loss.Identity > 0 && c.Loss.Voice == 0 {
		return &keyError{"loss_weights.identity", number(c.Loss.Identity), "is not supported without loss_weights.voice, which teaches the timbre encoder to tell voices apart; want that above 0, or 0"}
	}
	if c.Train.DetachContent && c.Augment.Voice == 0 {
		return &keyError{"train.detach_content", "true", "is not supported without augment.voice: content would learn from nothing that is decoded; want that above 0, or false"}
	}
	return nil
}

// checkTeachers holds the labels that the teachers give against the classes that
// the predictors have for them.
func (c *Config) checkTeachers() error {
	if c.IsRedecoder() { // has no predictors
		return nil
	}
	t, m := &c.Teachers, &c.Model
	if t.ContentUnits > m.PhoneClasses {
		return &keyError{"teachers.content_units", strconv.Itoa(t.ContentUnits), fmt.Sprintf("is not supported: each unit is a class of the phone predictors; want at most model_params.phone_classes, %d", m.PhoneClasses)}
	}
	if n := len(c.Augment.Speeds()); m.SpeakerClasses > 0 && t.Speakers*n > m.SpeakerClasses {
		each := "each"
		if n > 1 {
			each = "each, at each speed (augment.speed),"
		}
		return &keyError{"teachers.speakers", strconv.Itoa(t.Speakers), fmt.Sprintf("is not supported: %s is a class of the speaker predictors; want at most model_params.speaker_classes, %d", each, m.SpeakerClasses)}
	}
	return nil
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func show(list []int) string {
	text := make([]string, len(list))
	for i, v := range list {
		text[i] = strconv.Itoa(v)
	}
	return "[" + shorten(strings.Join(text, ", ")) + "]"
}

func showPair(p [2]float64) string { return "[" + number(p[0]) + ", " + number(p[1]) + "]" }
