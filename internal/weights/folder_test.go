package weights

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolve(t *testing.T) {
	const commit = "0123456789012345678901234567890123456789"
	for _, c := range []struct {
		files map[string]string
		want  string // in the folder
	}{
		{map[string]string{"model.safetensors": "", "optimizer.bin": "", "x.pth": ""}, "model.safetensors"},
		{map[string]string{"model.safetensors.index.json": "", "model.safetensors": ""}, "model.safetensors.index.json"},
		{map[string]string{"pytorch_model.bin": "", "config.yml": ""}, "pytorch_model.bin"},
		{map[string]string{"checkpoints/best.safetensors": "", "checkpoints/step_00000010.safetensors": "", "log.jsonl": ""}, "checkpoints/best.safetensors"},
		{map[string]string{"checkpoints/step_00000010.safetensors": "", "checkpoints/step_00000200.safetensors": "", "config.json": ""}, "checkpoints/step_00000200.safetensors"},
		{map[string]string{"step_00000010.safetensors": "", "step_00000200.safetensors": ""}, "step_00000200.safetensors"},
		{map[string]string{"FAcodec_v2.PTH": "", "config.yml": "", "optimizer.pt": "", "rng_state.pth": ""}, "FAcodec_v2.PTH"},
		{map[string]string{"refs/main": commit, "snapshots/" + commit + "/pytorch_model.bin": "", "blobs/abc": ""}, "snapshots/" + commit + "/pytorch_model.bin"},
	} {
		dir := tree(t, c.files)
		if got, err := Resolve(dir); err != nil || got != filepath.Join(dir, c.want) {
			t.Errorf("%v: %s, %v", c.files, got, err)
		}
	}
	for _, c := range []struct {
		files map[string]string
		want  []string
	}{
		{map[string]string{".metadata": "", "__0_0.distcp": "", "meta.pt": ""}, []string{"DCP", "dcp_to_torch_save"}},
		{map[string]string{"pytorch_model_fsdp_0/.metadata": "", "random_states_0.pkl": ""}, []string{"pytorch_model_fsdp_0", "dcp_to_torch_save"}},
		{map[string]string{"zero_to_fp32.py": "", "latest": ""}, []string{"DeepSpeed", "zero_to_fp32.py"}},
		{map[string]string{"a.ckpt": "", "b.ckpt": ""}, []string{"2 checkpoints", "a.ckpt, b.ckpt"}},
		{map[string]string{"optimizer.bin": "", "scheduler.bin": ""}, []string{"without a checkpoint"}},
		{nil, []string{"without a checkpoint"}},
	} {
		dir := tree(t, c.files)
		_, err := Open(dir)
		wantError(t, err, append(c.want, dir)...)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestIndexFaults(t *testing.T) {
	part := string(safetensors(`{"encoder.x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, floats(1)))
	for _, c := range []struct {
		index string
		want  string
	}{
		{`{`, "not valid JSON"},
		{`{}`, "no weight_map"},
		{`{"weight_map":{"a":1}}`, "not valid JSON"},
		{`{"weight_map":{"encoder.x":"none.safetensors"}}`, "none.safetensors is missing"},
		{`{"weight_map":{"encoder.x":"../part.safetensors"}}`, "not a file next to it"},
		{`{"weight_map":{"encoder.x":"/etc/passwd"}}`, "not a file next to it"},
		{`{"weight_map":{"encoder.x":"model.safetensors.index.json"}}`, "not a file next to it"},
		{`{"weight_map":{"encoder.y":"part.safetensors"}}`, "part.safetensors holds no encoder.y"},
		{`{"weight_map":{"encoder.x":"bad.safetensors"}}`, "bad.safetensors: not a checkpoint"},
		{`{"weight_map":{"encoder.x":"part.safetensors","encoder._orig_mod.x":"more.safetensors"}}`, "are both encoder.x"},
	} {
		dir := tree(t, map[string]string{
			"model.safetensors.index.json": c.index, "part.safetensors": part, "bad.safetensors": "bad",
			"more.safetensors": string(safetensors(`{"encoder._orig_mod.x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, floats(1))),
		})
		path := filepath.Join(dir, "model.safetensors.index.json")
		_, err := Open(path)
		wantError(t, err, path+": ", c.want)
	}
}

func FuzzIndex(f *testing.F) {
	part := safetensors(`{"encoder.x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, floats(1))
	f.Add([]byte(`{"metadata":{},"weight_map":{"encoder.x":"part.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"encoder.x":"../part.safetensors","a":""}}`))
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "part.safetensors"), part, 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, index []byte) {
		file, err := openIndex(filepath.Join(dir, "model.safetensors.index.json"), index)
		if err == nil {
			err = file.finish()
			defer file.Close()
		}
		if err == nil {
			exercise(t, file)
		}
	})
}
