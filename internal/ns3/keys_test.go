package ns3

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// upstreamShapes returns the keys of the published networks with their shapes.
func upstreamShapes(t testing.TB, path string) map[Kind]map[string][]int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var shapes map[Kind]map[string][]int
	if err := json.Unmarshal(data, &shapes); err != nil {
		t.Fatal(err)
	}
	return shapes
}

// ofShapes returns tensors that have shapes and no values.
func ofShapes(shapes map[string][]int) weights.Source {
	return weights.NewGenerated(shapes, func(string) []float32 { panic("read") })
}

// TestGoldenNS3Keys compares names and shapes of every parameter with upstream's:
// each network is known by its keys, its sizes are read off them, and nothing is
// missing or too much on either side.
func TestGoldenNS3Keys(t *testing.T) {
	for _, path := range golden.NS3Files(t, "state_dict_ns3*.json") {
		shapes := upstreamShapes(t, path)
		if got, want := slices.Sorted(maps.Keys(shapes)), slices.Sorted(slices.Values(Kinds)); !slices.Equal(got, want) {
			t.Errorf("%s: networks %v, want %v", filepath.Base(path), got, want)
		}
		for kind, keys := range shapes {
			if got, ok := KindOf(ofShapes(keys)); !ok || got != kind {
				t.Errorf("%s is taken for %q, %v", kind, got, ok)
			}
		}
		for _, v2 := range []bool{false, true} {
			want := Published(v2)
			encoder, decoder := shapes[want.EncoderKind()], shapes[want.DecoderKind()]
			if !v2 {
				want.ProsodyMels, want.Prosody = 0, TransformerConfig{}
			}
			c, err := ConfigOf(ofShapes(encoder), ofShapes(decoder))
			if err != nil || !reflect.DeepEqual(c, want) {
				t.Errorf("v2=%v: %+v, %v", v2, c, err)
			}
			codec := NewCodec(c)
			if err := codec.Check(both(c, encoder, decoder)); err != nil {
				t.Error(err)
			}
			checkParams(t, codec.Params(), shapes)
		}
		c, err := RedecoderConfigOf(ofShapes(shapes[KindRedecoder]))
		if err != nil || !reflect.DeepEqual(c, PublishedRedecoder()) {
			t.Errorf("redecoder: %+v, %v", c, err)
		}
		redecoder := NewRedecoder(c)
		if err := redecoder.Check(Named(ofShapes(shapes[KindRedecoder]), KindRedecoder)); err != nil {
			t.Error(err)
		}
		checkParams(t, redecoder.Params(), shapes)
	}
}

// TestGoldenNS3ParameterCounts compares the parameters used with those of spec and
// papers: 4.2 million for an encoder, 24.6 and 32.0 for the decoders, 36.3 for the
// redecoder.
func TestGoldenNS3ParameterCounts(t *testing.T) {
	count := func(params []*nn.Param, kind Kind) (n int) {
		for _, p := range params {
			if strings.HasPrefix(p.Name, string(kind)+".") {
				n += p.Len()
			}
		}
		return n
	}
	for kind, want := range map[Kind]int{
		KindEncoder: 4210528, KindDecoder: 24634082, KindEncoderV2: 4210528, KindDecoderV2: 31993314, KindRedecoder: 36328994,
	} {
		params := NewRedecoder(PublishedRedecoder()).Params()
		for _, v2 := range []bool{false, true} {
			params = append(params, NewCodec(Published(v2)).Params()...)
		}
		if got := count(params, kind); got != want {
			t.Errorf("%v: %d parameters, want %d", kind, got, want)
		}
	}
}

// checkParams says where a parameter's shape is not upstream's.
func checkParams(t *testing.T, params []*nn.Param, shapes map[Kind]map[string][]int) {
	t.Helper()
	for _, p := range params {
		kind, key, _ := strings.Cut(p.Name, ".")
		if want := shapes[Kind(kind)][key]; !slices.Equal(p.Shape, want) {
			t.Errorf("%s is %v, want %v", p.Name, p.Shape, want)
		}
	}
}

// both returns the tensors of a codec's two checkpoints.
func both(c Config, encoder, decoder map[string][]int) weights.Source {
	return Join(Named(ofShapes(encoder), c.EncoderKind()), Named(ofShapes(decoder), c.DecoderKind()))
}

// without returns shapes with changes: nil for a key that is missing.
func without(shapes map[string][]int, changes map[string][]int) map[string][]int {
	shapes = maps.Clone(shapes)
	for key, shape := range changes {
		if shape == nil {
			delete(shapes, key)
		} else {
			shapes[key] = shape
		}
	}
	return shapes
}

// shapesOf returns the shapes of parameters of a kind under their bare keys.
func shapesOf(params []*nn.Param, kind Kind) map[string][]int {
	shapes := map[string][]int{}
	for _, p := range params {
		if key, ok := strings.CutPrefix(p.Name, string(kind)+"."); ok {
			shapes[key] = p.Shape
		}
	}
	return shapes
}

// TestBadCheckpoints: each fault is an error that names the key, before anything is
// read or much memory taken.
func TestBadCheckpoints(t *testing.T) {
	c := small(true)
	params := NewCodec(c).Params()
	encoder, decoder := shapesOf(params, KindEncoderV2), shapesOf(params, KindDecoderV2)
	redecoder := shapesOf(NewRedecoder(smallRedecoder()).Params(), KindRedecoder)
	open := func(encoder, decoder map[string][]int) error {
		c, err := ConfigOf(ofShapes(encoder), ofShapes(decoder))
		if err != nil {
			return err
		}
		return NewCodec(c).Check(both(c, encoder, decoder))
	}
	if err := open(without(encoder, map[string][]int{"mel_transform.mel_basis": {80, 513}}),
		without(decoder, map[string][]int{"x_timbre_predictor.1.heads.0.bias": {7}, "timbre_encoder.position_emb.pe": {50, 1, 16}})); err != nil {
		t.Errorf("with what takes no part: %v", err)
	}
	for _, fault := range []struct {
		key     string
		shape   []int
		message string
	}{
		{"block.0.weight_g", nil, "missing: block.0.weight_g"},
		{"block.0.weight_g", []int{4}, "block.0.weight_g is [4] and should have 3 dimensions"},
		{"block.0.weight_g", []int{0, 1, 1}, "block.0.weight_g is [0 1 1]"},
		{"block.0.weight_g", []int{1 << 40, 1, 1}, "block.0.weight_g is"},
		{"block.2.block.4.weight_v", []int{16, 8, 10}, "strides [2 5 5 5]"},
		{"block.2.block.4.weight_v", []int{16, 8, 1}, "strides [2 0 5 5]"},
		{"block.6.weight_g", []int{20, 1, 1}, "frames of 20 channels for a decoder of 16"},
		{"block.3.block.1.block.2.act.beta", nil, "missing: ns3_encoder_v2.block.3.block.1.block.2.act.beta"},
		{"block.9.bias", []int{1}, "not of this network: ns3_encoder_v2.block.9.bias"},
		{"model.0.weight_v", []int{33, 16, 7}, "model.0.weight_v is [33 16 7]"},
		{"model.1.block.1.bias", []int{3}, "ns3_decoder_v2.model.1.block.1.bias is [3] and should be [16]"},
		{"quantizer.1.layers.1._codebook.weight", []int{50, 6}, "quantizer.1.layers.1._codebook.weight is [50 6]"},
		{"quantizer.2.layers.0._codebook.weight", nil, "missing: quantizer.2.layers.0._codebook.weight"},
		{"timbre_encoder.layers.0.ffn.ffn_1.weight", []int{24, 16}, "timbre_encoder.layers.0.ffn.ffn_1.weight is [24 16]"},
		{"melspec_linear.weight", []int{16, 81}, "81 bands of 80"},
		{"melspec_encoder.last_ln.weight", nil, "missing: ns3_decoder_v2.melspec_encoder.last_ln.weight"},
	} {
		change := map[string][]int{fault.key: fault.shape}
		var err error
		if strings.HasPrefix(fault.key, "block.") {
			err = open(without(encoder, change), decoder)
		} else {
			err = open(encoder, without(decoder, change))
		}
		if !errors.Is(err, nn.ErrTensors) || !strings.Contains(err.Error(), fault.message) {
			t.Errorf("%s of %v: %v, want %q", fault.key, fault.shape, err, fault.message)
		}
	}
	for key, message := range map[string]string{
		"content_embs.0.weight":                            "missing: content_embs.0.weight",
		"prosody_embs.0.weight":                            "missing: prosody_embs.0.weight",
		"timbre_cond_prosody_enc.layers.1.ln_2.style.bias": "missing: ns3_redecoder.timbre_cond_prosody_enc.layers.1.ln_2.style.bias",
	} {
		src := ofShapes(without(redecoder, map[string][]int{key: nil}))
		c, err := RedecoderConfigOf(src)
		if err == nil {
			err = NewRedecoder(c).Check(Named(src, KindRedecoder))
		}
		if !errors.Is(err, nn.ErrTensors) || !strings.Contains(err.Error(), message) {
			t.Errorf("without %s: %v, want %q", key, err, message)
		}
	}
	if kind, ok := KindOf(ofShapes(map[string][]int{"encoder.block.0.conv.conv.weight_g": {64, 1, 1}})); ok {
		t.Errorf("a checkpoint of the first family is taken for the %v", kind)
	}
}

// TestPartsOfAFile: a codec without its decoder or encoder wants nothing of it, and
// nothing that is not there.
func TestPartsOfAFile(t *testing.T) {
	c := small(false)
	all := NewCodec(c).Params()
	encoder, decoder := shapesOf(all, KindEncoder), shapesOf(all, KindDecoder)
	maps.DeleteFunc(decoder, func(key string, _ []int) bool { return isSynthesis(key) })
	codec := NewCodec(c)
	if err := codec.Check(both(c, encoder, decoder)); !errors.Is(err, nn.ErrTensors) {
		t.Errorf("a decoder's file without synthesis: %v", err)
	}
	codec.LeaveOut(partDecoder)
	if err := codec.Check(both(c, encoder, decoder)); err != nil {
		t.Errorf("without synthesis: %v", err)
	}
	src := Named(ofShapes(shapesOf(all, KindDecoder)), KindDecoder)
	codec = NewCodec(c)
	if err := codec.Check(src); !errors.Is(err, nn.ErrTensors) || !strings.Contains(err.Error(), "there is no network ns3_encoder") {
		t.Errorf("an encoder is needed: %v", err)
	}
	codec.LeaveOut(partEncoder)
	if err := codec.Check(src); err != nil {
		t.Errorf("without an encoder: %v", err)
	}
}

// TestPublished: the names of the published files.
func TestPublished(t *testing.T) {
	for kind, want := range map[Kind]string{
		KindEncoder: "ns3_facodec_encoder.bin", KindDecoder: "ns3_facodec_decoder.bin", KindRedecoder: "ns3_facodec_redecoder.bin",
		KindEncoderV2: "ns3_facodec_encoder_v2.bin", KindDecoderV2: "ns3_facodec_decoder_v2.bin",
	} {
		if got := kind.Published(); got != want {
			t.Errorf("%s is published as %s", string(kind), got)
		}
	}
	if got := KindDecoderV2.String(); got != "decoder v2" {
		t.Errorf("messages say %q", got)
	}
}

// small is a configuration of every layer that takes milliseconds.
func small(v2 bool) Config {
	transformer := TransformerConfig{Hidden: 24, Kernel: 5, Layers: 2}
	c := Config{
		V2:        v2,
		Encoder:   EncoderConfig{Dim: 4, Rates: []int{2, 4, 5, 5}, Latent: 16},
		Quantizer: QuantizerConfig{Latent: 16, CodebookSize: 50, CodebookDim: 5, Books: [model.NumParts]int{1, 2, 3}},
		Decoder:   DecoderConfig{Latent: 16, Dim: 32, Rates: []int{5, 5, 4, 2}},
		Timbre:    transformer,
	}
	if v2 {
		c.ProsodyMels, c.Prosody = 20, transformer
	}
	return c
}

func smallRedecoder() RedecoderConfig {
	return RedecoderConfig{
		CodebookSize: 50, Books: [model.NumParts]int{1, 2, 3},
		Prosody: TransformerConfig{Hidden: 24, Kernel: 5, Layers: 2},
		Decoder: DecoderConfig{Latent: 16, Dim: 48, Rates: []int{5, 5, 4, 2}},
	}
}
