package convert_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/convert"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestConvertLeavesStateOut: the optimizer of a training checkpoint is not
// converted, nor the networks that only it could move on.
func TestConvertLeavesStateOut(t *testing.T) {
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	output := filepath.Join(t.TempDir(), "out.pth")
	r, err := convert.Convert(context.Background(), codectest.TrainingCheckpoint(t, small), output, convert.Options{})
	if err != nil || !slices.Equal(r.LeftOut, []string{"adamw", "train", "train_*"}) {
		t.Errorf("left out %q, %v", r.LeftOut, err)
	}
	f := codectest.Open(t, output)
	if want := len(codectest.Open(t, small).Names()) + 2; len(f.Names()) != want { // and a predictor and a discriminator
		t.Errorf("%d tensors, want %d", len(f.Names()), want)
	}
	if _, ok := f.Values()["train_state"]; ok {
		t.Error("the state of the run came along")
	}
}

// TestConvertUnknown: what no command could open is not converted.
func TestConvertUnknown(t *testing.T) {
	dir := t.TempDir()
	values := func() ([]float32, error) { return []float32{1}, nil }
	for name, names := range map[string][]string{
		"another network": {"bert.embeddings.weight", "bert.pooler.bias"},
		"a discriminator": {"discriminator.mpd.weight"},
		"a pitch network": {"conv_block.0.weight"}, // with all else missing
		"nothing":         nil,
	} {
		input, output := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out.pth")
		var arrays []weights.Array
		for _, n := range names {
			arrays = append(arrays, weights.Array{Name: n, Shape: []int{1}, Values: values})
		}
		if err := weights.WriteSafetensors(input, arrays, nil, nil); err != nil {
			t.Fatal(err)
		}
		_, err := convert.Convert(context.Background(), input, output, convert.Options{})
		if !errors.Is(err, facodec.ErrTensors) || !strings.Contains(err.Error(), input) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("%s: an output was written", name)
		}
	}
}

// TestConvertUnreadable: tensors without values are left out, unless a network that
// runs needs them.
func TestConvertUnreadable(t *testing.T) {
	output := filepath.Join(t.TempDir(), "out.safetensors")
	file := func(header string) string {
		data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		path := filepath.Join(t.TempDir(), "in.safetensors")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const of = `"shape":[0],"data_offsets":[0,0]}`
	complexEncoder := file(`{"encoder.x":{"dtype":"C64",` + of + `,"decoder.x":{"dtype":"F32",` + of + `}`)
	if _, err := convert.Convert(context.Background(), complexEncoder, output, convert.Options{}); !errors.Is(err, weights.ErrOpaque) || !strings.Contains(err.Error(), complexEncoder+": encoder.x: ") {
		t.Error(err)
	}
	beside := file(`{"encoder.x":{"dtype":"F32",` + of + `,"decoder.x":{"dtype":"F32",` + of + `,"spectrum.x":{"dtype":"C64",` + of + `}`)
	r, err := convert.Convert(context.Background(), beside, output, convert.Options{})
	if err != nil || !slices.Equal(r.LeftOut, []string{"spectrum.x"}) || r.Tensors != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}
