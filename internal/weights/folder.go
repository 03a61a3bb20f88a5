package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

// usualNames are what checkpoints are called in the folders that trainers and the
// hub write, in order of preference. A checkpoint that is split has an index.
var usualNames = []string{
	"model.safetensors.index.json", "model.safetensors",
	"pytorch_model.bin.index.json", "pytorch_model.bin",
	"facodec.safetensors", "pytorch_model_fsdp.bin",
	filepath.Join("checkpoints", "best.safetensors"), // of a training run here
	"best.safetensors",
}

// besides begin the names of files that trainers write next to the networks.
var besides = []string{"optimizer", "scheduler", "sampler", "scaler", "random_states", "rng_state", "training_args", "custom_checkpoint"}

// Resolve returns the checkpoint that a path stands for: a file for itself, and a
// folder for the one in it that has one of the usual names, or for the only one.
// The folder of a model in the hub's cache stands for what its main branch has.
func Resolve(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, nil // opening it says what is wrong
	}
	path = Folder(path)
	for _, name := range usualNames {
		if file := filepath.Join(path, name); isFile(file) {
			return file, nil
		}
	}
	if newest := newestStep(path); newest != "" {
		return newest, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", naming(path, err)
	}
	var found []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case isDistributed(filepath.Join(path, name)), name == ".metadata", strings.HasSuffix(name, ".distcp"):
			folder := path
			if e.IsDir() {
				folder = filepath.Join(path, name)
			}
			return "", fmt.Errorf("%s: is a distributed checkpoint of PyTorch (DCP); write it as one file first, "+
				"with torch.distributed.checkpoint.format_utils.dcp_to_torch_save(folder, \"model.pth\")", folder)
		case name == "zero_to_fp32.py":
			return "", fmt.Errorf("%s: is a checkpoint of DeepSpeed; write it as one file first, with the zero_to_fp32.py in it", path)
		case IsCheckpointName(name) && isFile(filepath.Join(path, name)):
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: is a folder without a checkpoint; name a file (.safetensors, .pth, .pt, .bin or .ckpt)", path)
	case 1:
		return filepath.Join(path, found[0]), nil
	}
	const most = 5
	more := ""
	if len(found) > most {
		more = ", …"
	}
	return "", fmt.Errorf("%s: is a folder with %s; name one of them: %s%s", path, plural.Of(len(found), "checkpoint"), strings.Join(found[:min(len(found), most)], ", "), more)
}

// newestStep returns the newest checkpoint of a training run here, in its folder or in
// that of its checkpoints; "" for none. The steps in the names have leading zeros.
func newestStep(path string) string {
	for _, dir := range []string{filepath.Join(path, "checkpoints"), path} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range slices.Backward(entries) { // sorted by name
			name := e.Name()
			if strings.HasPrefix(name, "step_") && strings.HasSuffix(name, ".safetensors") && isFile(filepath.Join(dir, name)) {
				return filepath.Join(dir, name)
			}
		}
	}
	return ""
}

// Folder returns the folder with a model's files: a folder for itself, and that of a
// model in the hub's cache for what its main branch has.
func Folder(path string) string {
	commit, err := os.ReadFile(filepath.Join(path, "refs", "main"))
	if err != nil {
		return path
	}
	snapshot := filepath.Join(path, "snapshots", filepath.Base(strings.TrimSpace(string(commit))))
	if info, err := os.Stat(snapshot); err != nil || !info.IsDir() {
		return path
	}
	return snapshot
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// isDistributed tells a folder of torch.distributed.checkpoint.
func isDistributed(path string) bool { return isFile(filepath.Join(path, ".metadata")) }

// IsCheckpointName tells by its name what may be a checkpoint of networks.
func IsCheckpointName(name string) bool {
	for _, front := range besides {
		if strings.HasPrefix(name, front) {
			return false
		}
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".safetensors", ".pth", ".pt", ".bin", ".ckpt":
		return true
	}
	return false
}

// isIndex tells the index of a checkpoint that is split over several files.
func isIndex(path string, data []byte) bool {
	return strings.HasSuffix(path, ".index.json") && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}

// openIndex opens the files of an index, as Transformers and Accelerate write it:
//
//	{"metadata": {"total_size": …}, "weight_map": {"encoder.conv.weight": "model-00001-of-00002.safetensors", …}}
//
// and takes from each file the tensors that the index lists for it.
func openIndex(path string, data []byte) (_ *File, err error) {
	if len(data) > maxHeader {
		return nil, fmt.Errorf("an index of %s; %d may be", plural.Of(len(data), "byte"), maxHeader)
	}
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("index: not valid JSON: %w", err)
	}
	if len(index.Map) == 0 {
		return nil, errors.New("index: no weight_map, which says in which file a tensor lies")
	}
	f := &File{name: path}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	wanted := map[string][]string{} // tensors by file
	for name, file := range index.Map {
		wanted[file] = append(wanted[file], name)
	}
	for _, file := range slices.Sorted(maps.Keys(wanted)) {
		if !filepath.IsLocal(filepath.FromSlash(file)) || strings.HasSuffix(file, ".json") {
			return nil, fmt.Errorf("index: %q is not a file next to it", file)
		}
		shard, err := open(filepath.Join(filepath.Dir(path), filepath.FromSlash(file)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s is missing, one of the %s that the index lists", file, plural.Of(len(wanted), "file"))
		case err != nil:
			return nil, naming(file, err)
		}
		f.shards = append(f.shards, shard)
		f.take(shard)
		held := make(map[string]*Tensor, len(shard.entries))
		for _, e := range shard.entries {
			held[e.name] = e.tensor
		}
		slices.Sort(wanted[file])
		for _, name := range wanted[file] {
			t, ok := held[name]
			if !ok {
				return nil, fmt.Errorf("%s holds no %s, which the index has in it", file, plain(name))
			}
			f.entries = append(f.entries, entry{name, t})
		}
	}
	return f, nil
}

// take adds what a shard says of itself beside its tensors.
func (f *File) take(shard *File) {
	f.format = shard.format
	f.flat = f.flat || shard.flat
	if f.metadata == nil {
		f.metadata = map[string]string{}
	}
	for key, text := range shard.metadata {
		f.metadata[key] = text
	}
	if f.values == nil {
		f.values = map[string]any{}
	}
	for key, v := range shard.values {
		f.values[key] = v
	}
}
