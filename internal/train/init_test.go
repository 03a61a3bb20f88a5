package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
)

// TestInitialWeightsOfSeed holds the weights that a seed stands for: a run that is
// begun again, with another version too, must begin from the same ones.
func TestInitialWeightsOfSeed(t *testing.T) {
	tiny, err := config.Preset("tiny")
	if err != nil {
		t.Fatal(err)
	}
	recurrent, err := config.Preset("tiny")
	if err != nil {
		t.Fatal(err)
	}
	tiny.Model.SpeakerClasses, recurrent.Model.SpeakerClasses = 64, 64 // the preset follows the data
	recurrent.Model.LSTM, recurrent.Model.Causal = 1, false
	redecoder := RedecoderFor(tiny)
	for _, c := range []struct {
		name   string
		params []*nn.Param
		want   string
	}{
		{"tiny", model.NewCodecTraining(CodecTrainingConfigOf(tiny)).Params(), "dfe4a533ddcbfc47058728d4"},
		{"tiny with LSTM", model.NewCodecTraining(CodecTrainingConfigOf(recurrent)).Params(), "d81ac541ae66beeddc0477e4"},
		{"redecoder", model.NewRedecoderTraining(RedecoderTrainingConfigOf(redecoder)).Params(), "cffc841b28dfe387c976ca03"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hashOfWeights(t, c.params, 1234); got != c.want {
				t.Errorf("weights of seed 1234: %s, want %s", got, c.want)
			}
		})
	}
}

// hashOfWeights is of names and values, in the order in which they are declared.
func hashOfWeights(t *testing.T, params []*nn.Param, seed uint64) string {
	t.Helper()
	src := nn.InitialWeights(params, seed)
	h := sha256.New()
	for _, p := range params {
		tensor, ok := src.Lookup(p.Name)
		if !ok {
			t.Fatalf("no %s", p.Name)
		}
		values, err := tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte(p.Name))
		b := make([]byte, 0, 4*len(values))
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// TestWholeNetworks: a network of which nothing is there is named once, in place of its parameters.
func TestWholeNetworks(t *testing.T) {
	var params []*nn.Param
	for _, name := range []string{"encoder.a", "encoder.b", "fa_predictors.a", "fa_predictors.b", "discriminator.a"} {
		params = append(params, &nn.Param{Name: name})
	}
	networks, rest := wholeNetworks(params, []string{"encoder.b", "fa_predictors.a", "fa_predictors.b", "discriminator.a"})
	if !slices.Equal(networks, []string{"fa_predictors", "discriminator"}) || !slices.Equal(rest, []string{"encoder.b"}) {
		t.Errorf("networks %q, parameters %q", networks, rest)
	}
	if networks, rest = wholeNetworks(params, nil); networks != nil || rest != nil {
		t.Errorf("of none: %q, %q", networks, rest)
	}
}
