package defaultmodel

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/known"
	"github.com/facodec-go/facodec/internal/metric"
	"github.com/facodec-go/facodec/internal/weights"
)

func open(t *testing.T) *facodec.Codec {
	t.Helper()
	c, err := Open(facodec.WithThreads(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestSpeech: what the model makes of speech that it never learned from is speech, and
// codes and samples are the same however the recording is cut.
func TestSpeech(t *testing.T) {
	c := open(t)
	stoi, err := metric.NewSTOI(c.SampleRate())
	if err != nil {
		t.Fatal(err)
	}
	clips, err := filepath.Glob("../testdata/speech/*.flac")
	if err != nil || len(clips) != 5 {
		t.Fatal(clips, err)
	}
	sum := 0.0
	for _, clip := range clips {
		x, err := audio.ReadFile(clip, c.SampleRate())
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := c.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		y, err := c.Decode(tokens)
		if err != nil {
			t.Fatal(err)
		}
		sum += stoi.Measure(x, y)

		e := c.NewEncoder()
		d, err := c.NewDecoder(tokens.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		var codes facodec.Codes
		var samples []float32
		push := func(more facodec.Codes) {
			out, err := d.Push(more)
			if err != nil {
				t.Fatal(err)
			}
			codes.Append(more)
			samples = append(samples, out...)
		}
		for i, rest := 0, x; len(rest) > 0; i++ {
			n := min([]int{1, 299, 300, 4801, 12345}[i%5], len(rest))
			more, err := e.Push(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			push(more)
			rest = rest[n:]
		}
		more, err := e.Flush()
		if err != nil {
			t.Fatal(err)
		}
		push(more)
		last, err := d.Flush()
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, last...)
		if !reflect.DeepEqual(codes, tokens.Codes) {
			t.Errorf("%s: other codes in pieces", clip)
		}
		if !slices.Equal(samples[:len(y)], y) {
			t.Errorf("%s: other samples in pieces", clip)
		}
	}
	card := ReadCard()
	if mean := sum / float64(len(clips)); mean < card.STOIFloor {
		t.Errorf("STOI %.4f, at least %.2f is asked for; it was %.4f", mean, card.STOIFloor, card.STOI)
	}
	if card.STOIFloor < 0.75 || card.STOIFloor > card.STOI {
		t.Errorf("the card's floor is %.2f of %.4f", card.STOIFloor, card.STOI)
	}
}

// TestCard: what is said of the model is what it is.
func TestCard(t *testing.T) {
	c, card := open(t), ReadCard()
	quantizer, decoder, err := c.Fingerprints()
	if err != nil {
		t.Fatal(err)
	}
	if card.Quantizer != quantizer.String() || card.Decoder != decoder.String() {
		t.Errorf("fingerprints %s, %s; the card's are %s, %s", quantizer, decoder, card.Quantizer, card.Decoder)
	}
	if card.Name != Name || card.Version != Version || card.License != License || FileName != "facodec-"+Name+"-"+Version+".safetensors" {
		t.Errorf("the card is of %s %s, %s; the file %s", card.Name, card.Version, card.License, FileName)
	}
	for _, f := range []facodec.Fingerprint{quantizer, decoder, c.TokensFingerprint()} {
		if name := known.NameOf(f.String()); name != Title {
			t.Errorf("%s is known as %q", f, name)
		}
	}
	for _, text := range []string{card.Architecture, card.Data, card.Training} {
		if text == "" {
			t.Errorf("the card has gaps: %+v", card)
		}
	}
	page, err := os.ReadFile("../docs/model.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| " + Title + " |", "| " + card.Training + " |", card.Quantizer, card.Decoder} {
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/model.md has no %q", want)
		}
	}
}

// TestCheckpoint: the file is small, its large matrices are of 8 bits, it opens by itself as the
// same model, and knows nothing of the machine that it was trained on.
func TestCheckpoint(t *testing.T) {
	data := Checkpoint()
	if len(data) > 12e6 {
		t.Errorf("%d bytes", len(data))
	}
	f, err := weights.OpenBytes(FileName, data)
	if err != nil {
		t.Fatal(err)
	}
	var parameters, wide int64
	for _, name := range f.Names() {
		tensor, _ := f.Lookup(name)
		n := int64(tensor.Elements())
		if parameters += n; tensor.DType != weights.I8 {
			wide += n
		}
	}
	if parameters != ReadCard().Parameters || wide > parameters/10 {
		t.Errorf("%d parameters, %d of them not in 8 bits; the card says %d", parameters, wide, ReadCard().Parameters)
	}
	config := f.Metadata()["config"]
	for _, want := range []string{`"dataset":""`, `"log_dir":"./runs/"`, `"pretrained_model":""`, `"exp_name":"facodec_` + Name + `"`} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration has no %s: %s", want, config)
		}
	}
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := facodec.Open(path, facodec.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	data[len(data)-1]++ // a copy: the model is what it was
	if a, b := again.TokensFingerprint(), open(t).TokensFingerprint(); a != b {
		t.Errorf("fingerprint %s, embedded %s", a, b)
	}
}

// spectrum returns the mean log-mel of the louder half of a recording's frames, less its mean: the
// color of a voice.
func spectrum(x []float32) []float64 {
	c := dsp.MelConfig{FilterRate: 24000, FFT: 2048, Window: 1200, Hop: 300, Mels: 40}
	var frames [][]float32
	dsp.NewMel(c).Stream().Push(x, true, func(frame []float32) { frames = append(frames, slices.Clone(frame)) })
	slices.SortFunc(frames, func(a, b []float32) int { return cmp.Compare(dsp.Energy(b), dsp.Energy(a)) })
	sum := make([]float64, c.Mels)
	total := 0.0
	for _, frame := range frames[:len(frames)/2] {
		for k, v := range frame {
			sum[k] += float64(v) / float64(len(frames)/2)
			total += float64(v) / float64(len(frames)/2*c.Mels)
		}
	}
	for k := range sum {
		sum[k] -= total
	}
	return sum
}

func distance(a, b []float64) (d float64) {
	for k, v := range a {
		d += (v - b[k]) * (v - b[k])
	}
	return math.Sqrt(d)
}

// TestConversion: frames of the reference bring a conversion nearer to its voice than the timbre
// alone does, by its mean spectrum, leave what is said to be understood, and are
// the same however the recording is cut.
func TestConversion(t *testing.T) {
	c := open(t)
	stoi, err := metric.NewSTOI(c.SampleRate())
	if err != nil {
		t.Fatal(err)
	}
	recordings := map[string][]float32{}
	for _, name := range []string{"en", "es", "fr"} {
		if recordings[name], err = audio.ReadFile("../testdata/speech/"+name+".flac", c.SampleRate()); err != nil {
			t.Fatal(err)
		}
	}
	const match = 0.5
	var clear float64
	pairs := [][2]string{{"en", "fr"}, {"fr", "es"}, {"es", "en"}}
	for _, pair := range pairs {
		x := recordings[pair[0]]
		voice, err := c.Voice(recordings[pair[1]])
		if err != nil {
			t.Fatal(err)
		}
		matched, err := c.ConvertTo(x, voice, match)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := c.Convert(x, voice.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		own, err := c.Reconstruct(x)
		if err != nil {
			t.Fatal(err)
		}
		want := spectrum(recordings[pair[1]])
		if with, without := distance(spectrum(matched), want), distance(spectrum(plain), want); with >= without {
			t.Errorf("%v: spectra differ by %.3f with frames of the reference, by %.3f without", pair, with, without)
		}
		clear += stoi.Measure(own, matched) / float64(len(pairs))

		d, err := c.NewVoiceDecoder(voice, match)
		if err != nil {
			t.Fatal(err)
		}
		s := c.NewStream(d, facodec.Prosody, facodec.Content)
		for rest := x; len(rest) > 0; {
			n := min(1234, len(rest))
			if err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		pieces := make([]float32, s.Buffered())
		s.Read(pieces)
		if !slices.Equal(pieces, matched) {
			t.Errorf("%v: other samples in pieces", pair)
		}
	}
	if clear < 0.7 {
		t.Errorf("STOI against the reconstruction %.3f", clear)
	}
	// Silence stays silent, before speech and after it.
	voice, err := c.Voice(recordings["fr"])
	if err != nil {
		t.Fatal(err)
	}
	for _, share := range []float64{match, 1} {
		pause := make([]float32, c.SampleRate())
		y, err := c.ConvertTo(slices.Concat(pause, recordings["en"], pause), voice, share)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range [][]float32{y[:len(pause)*9/10], y[len(y)-len(pause)/2:]} {
			sum := 0.0
			for _, v := range piece {
				sum += float64(v) * float64(v)
			}
			if rms := math.Sqrt(sum / float64(len(piece))); rms > 1e-3 {
				t.Errorf("share %g: silence comes out at %.1f dB", share, 20*math.Log10(rms))
			}
		}
	}
}
