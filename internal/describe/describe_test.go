package describe

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/weights"
)

// TestDescribeTraining: networks are one thing, the state of a run another.
func TestDescribeTraining(t *testing.T) {
	small := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	d, err := Describe(codectest.TrainingCheckpoint(t, small), "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Describe(small, "")
	if err != nil {
		t.Fatal(err)
	}
	names := func(networks []Network) (names []string) {
		for _, n := range networks {
			names = append(names, n.Name)
		}
		return names
	}
	if got := names(d.Networks); !slices.Equal(got, []string{"encoder", "quantizer", "decoder", "discriminator", "fa_predictors"}) {
		t.Errorf("networks %q", got)
	}
	if d.Parameters != want.Parameters+4 || d.Tensors != want.Tensors+2 || d.Problem != "" || d.Step == nil || *d.Step != 1200 {
		t.Errorf("%d parameters in %d tensors, step %v, %q", d.Parameters, d.Tensors, d.Step, d.Problem)
	}
	if got := names(d.State); !slices.Equal(got, []string{"adamw", "train"}) || d.State[0].Parameters != 2*want.Parameters+8 || d.State[1].Parameters != want.Parameters {
		t.Errorf("state %+v", d.State)
	}
	if want.State != nil {
		t.Errorf("a small checkpoint has the state %+v", want.State)
	}
}

// TestDescribeManyNetworks: the time to describe a checkpoint grows with its names,
// not with their square.
func TestDescribeManyNetworks(t *testing.T) {
	var arrays []weights.Array
	for i := range 120_000 {
		arrays = append(arrays, weights.Array{Name: fmt.Sprintf("n%d.x", i), Shape: []int{0}, Values: func() ([]float32, error) { return nil, nil }})
	}
	path := filepath.Join(t.TempDir(), "many.safetensors")
	if err := weights.WriteSafetensors(path, arrays, nil, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d, err := Describe(path, "")
	if err != nil || len(d.Networks) != len(arrays) {
		t.Fatal(len(d.Networks), err)
	}
	if took := time.Since(began); took > time.Minute { // half a second; the square of the names takes two minutes
		t.Errorf("%v", took)
	}
}

// TestInMemory: a checkpoint in memory is described as the file is.
func TestInMemory(t *testing.T) {
	path := codectest.Checkpoint(t, "small.safetensors", codectest.Config)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Describe(path, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := InMemory("a model", data)
	if err != nil {
		t.Fatal(err)
	}
	want.File = "a model"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := InMemory("a model", data[:len(data)-1]); err == nil || !strings.HasPrefix(err.Error(), "a model: ") {
		t.Error(err)
	}
}
