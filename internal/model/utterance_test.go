package model

import (
	"reflect"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestUtterances: each utterance is what fresh streams make of it, whatever came
// before, also after the codec was loaded anew; and memory stays what it was.
func TestUtterances(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	c := CodecConfigOf(small(true, 1))
	codec := NewCodec(c)
	region := &tensor.Region{}
	defer region.Free()
	u := codec.NewUtteranceCodec(pool)
	var early int64
	for round, seed := range []uint64{7, 8, 7, 8} {
		region.Free()
		if err := codec.Load(madeUp(codec, seed), region, pool); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{20017, 1, 3001} {
			wave := speechlike(n)
			codes, timbre := u.Encode(wave), u.Timbre(wave)
			if want := codec.NewEncoderStream(pool).Push(wave, true); !reflect.DeepEqual(codes, want) {
				t.Errorf("round %d, %d samples: other codes", round, n)
			}
			if !slices.Equal(timbre, timbreOf(codec, pool, wave)) {
				t.Errorf("round %d, %d samples: another timbre", round, n)
			}
			if want := codec.NewDecoderStream(timbre, pool).Push(codes, true)[:n]; !slices.Equal(u.Decode(codes, timbre, n), want) {
				t.Errorf("round %d, %d samples: another wave", round, n)
			}
		}
		held := u.encoder.run.Memory() + u.timbre.run.Memory() + u.decoder.run.Memory()
		if round == 1 {
			early = held
		}
		if round > 1 && held != early {
			t.Errorf("round %d: %d bytes, %d before", round, held, early)
		}
	}
}

func TestBookNames(t *testing.T) {
	names := QuantizerConfig{Books: [NumParts]int{1, 2, 3}}.BookNames()
	want := []string{"prosody_1", "content_1", "content_2", "residual_1", "residual_2", "residual_3"}
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	codes := Codes{Prosody: [][]int32{{1}}, Content: [][]int32{{2}, {3}}, Residual: [][]int32{{4}, {5}, {6}}}
	if got := codes.Books(); !reflect.DeepEqual(got, [][]int32{{1}, {2}, {3}, {4}, {5}, {6}}) || len(codes[Prosody]) != 1 {
		t.Errorf("books %v", got)
	}
}

// madeUp returns weights of the golden recipe.
func madeUp(codec *Codec, seed uint64) weights.Source {
	var specs []weights.Spec
	for _, p := range codec.Params() {
		specs = append(specs, weights.Spec{Name: p.Name, Shape: p.Shape})
	}
	return weights.NewRandom(seed, specs)
}
