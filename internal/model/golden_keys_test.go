package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/golden"
	"github.com/facodec-go/facodec/internal/nn"
)

// TestGoldenKeys compares names and shapes of every parameter with the
// originals' state dicts.
func TestGoldenKeys(t *testing.T) {
	codec := NewCodec(CodecConfigOf(config.Default()))
	redecoder := NewRedecoder(RedecoderConfigOf(config.DefaultRedecoder()))
	for file, c := range map[string]struct {
		networks []string
		params   []*nn.Param
		buffers  []string
	}{
		"state_dict.json": {[]string{"encoder", "quantizer", "decoder"}, codec.Params(),
			[]string{"quantizer.to_mel.spectrogram.window", "quantizer.to_mel.mel_scale.fb"}},
		"state_dict_redecoder.json": {[]string{"encoder", "decoder"}, redecoder.Params(), nil},
	} {
		data, err := os.ReadFile(filepath.Join(golden.Dir(t), file))
		if err != nil {
			t.Fatal(err)
		}
		var dict map[string]map[string][]int
		if err := json.Unmarshal(data, &dict); err != nil {
			t.Fatal(err)
		}
		want := map[string][]int{}
		for _, network := range c.networks {
			for key, shape := range dict[network] {
				if name := network + "." + key; !slices.Contains(c.buffers, name) {
					want[name] = shape
				}
			}
		}
		got := map[string][]int{}
		for _, p := range c.params {
			got[p.Name] = p.Shape
		}
		for name, shape := range want {
			if !reflect.DeepEqual(got[name], shape) {
				t.Errorf("%s: %s is %v, want %v", file, name, got[name], shape)
			}
		}
		for name := range got {
			if want[name] == nil {
				t.Errorf("%s: %s is not in the original", file, name)
			}
		}
	}
}

// TestGoldenFolder fails for a file that no golden test knows the form of.
func TestGoldenFolder(t *testing.T) {
	forms := []string{
		"README.md", "features*.npz", "inference_full_*.npz", "module_*.npz", "redecoder_*.npz",
		"checkpoint_*", "state_dict*.json", // read here and in package weights
		"jdc*.npz", "train_step_*.npz", "train_step_*.json", // training's
	}
	for _, path := range golden.Files(t, "*") {
		name := filepath.Base(path)
		if !slices.ContainsFunc(forms, func(form string) bool {
			ok, _ := filepath.Match(form, name)
			return ok
		}) {
			t.Errorf("%s: no test knows this form", name)
		}
	}
}
