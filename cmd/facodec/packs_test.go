package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/parquet"
)

// shardSamples reads WebDataset shards: the members of each key, by extension.
func shardSamples(t *testing.T, shards []string) (keys []string, members map[string]map[string][]byte) {
	t.Helper()
	members = map[string]map[string][]byte{}
	for _, shard := range shards {
		r := tar.NewReader(bytes.NewReader(read(t, shard)))
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			dir, base := filepath.Split(h.Name)
			stem, extension, _ := strings.Cut(base, ".")
			key := dir + stem
			if members[key] == nil {
				keys = append(keys, key)
				members[key] = map[string][]byte{}
			}
			if members[key][extension], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return keys, members
}

// TestExtractShards: files of many recordings hold, to the byte, what a file for each does,
// under the keys, are split by size, and a run again is a run again.
func TestExtractShards(t *testing.T) {
	in, paths := recordings(t, 9)
	loose := filepath.Join(t.TempDir(), "npz")
	reported(t, 0, "extract", in, "--output-dir", loose, "--checkpoint-path", fixture("small.safetensors"))
	for _, format := range []string{"webdataset", "parquet"} {
		out := filepath.Join(t.TempDir(), "out")
		most := map[string]int{"webdataset": 16000, "parquet": 5000}[format]
		args := []string{"extract", in, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"), "--format", format, "--max-shard-size", fmt.Sprintf("%dB", most), "--threads", "3"}
		reported(t, 0, args...)
		extension := map[string]string{"webdataset": "tar", "parquet": "parquet"}[format]
		shards, _ := filepath.Glob(filepath.Join(out, "codes-00000?."+extension))
		if len(shards) < 3 || len(shards) > 5 {
			t.Fatalf("%s: %q", format, shards)
		}
		held := map[string]int{}
		for _, e := range entries(t, filepath.Join(out, "manifest.jsonl")) {
			held[e.Output]++
		}
		for _, shard := range shards {
			if size := len(read(t, shard)); size > most && held[filepath.Base(shard)] > 1 {
				t.Errorf("%s: %d bytes of %d recordings, and %d are the most", shard, size, held[filepath.Base(shard)], most)
			}
		}
		if got := pathsOf(entries(t, filepath.Join(out, "manifest.jsonl"))); !slices.Equal(got, paths) {
			t.Errorf("%s: the manifest has %q", format, got)
		}
		var keys []string
		if format == "webdataset" {
			var members map[string]map[string][]byte
			keys, members = shardSamples(t, shards)
			for key, m := range members {
				if want := read(t, filepath.Join(loose, key+".npz")); !bytes.Equal(m["npz"], want) {
					t.Errorf("%s has other arrays than its own file", key)
				}
				var about struct {
					Key, Path, Model string
					Frames           int
				}
				if err := json.Unmarshal(m["json"], &about); err != nil || about.Key != key || about.Path != key+".wav" || about.Frames < 1 || about.Model == "" {
					t.Errorf("%s: %s, %v", key, m["json"], err)
				}
			}
		} else {
			for _, shard := range shards { // what lists hold, pyarrow reads: scripts/interop/shards.py
				data := read(t, shard)
				f, err := parquet.Open(bytes.NewReader(data), int64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				for group := range f.Groups() {
					chunk, err := f.Chunk(group, f.Column("key"))
					if err != nil {
						t.Fatal(err)
					}
					values, err := chunk.Read(0)
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range values {
						keys = append(keys, string(v))
					}
				}
			}
		}
		for i, p := range paths {
			if i >= len(keys) || keys[i] != strings.TrimSuffix(p, ".wav") {
				t.Fatalf("%s: keys %q", format, keys)
			}
		}
		before := read(t, shards[1])
		if r := reported(t, 0, args...); len(r.Files) != 0 || len(r.Skipped) != 9 {
			t.Errorf("%s: made %d again", format, len(r.Files))
		}
		if err := os.Remove(shards[1]); err != nil {
			t.Fatal(err)
		}
		if r := reported(t, 0, args...); len(r.Files) == 0 || len(r.Files) > 4 {
			t.Errorf("%s: made %d again of a file that was gone", format, len(r.Files))
		}
		again, _ := filepath.Glob(filepath.Join(out, "codes-00000?."+extension))
		if last := read(t, again[len(again)-1]); len(again) != len(shards) || !bytes.Equal(last, before) {
			t.Errorf("%s: %q, and the file that was gone is another", format, again)
		}
	}
	for _, test := range []struct{ args, want string }{
		{"--format webdataset --what codes,quantized", "into files of their own"},
		{"--format parquet --max-shard-size x", `"x" is no size`},
		{"--max-shard-size 1GB", "files of --format npz are not split"},
	} {
		r := run(t, append([]string{"extract", in, "--output-dir", t.TempDir(), "--checkpoint-path", fixture("small.safetensors")}, strings.Fields(test.args)...)...)
		if r.code != 1 || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: exit %d, %s", test.args, r.code, r.stderr)
		}
	}
}

// TestSameNames: files that differ in their extensions alone keep them in the names of
// their outputs, with a notice, and in every run.
func TestSameNames(t *testing.T) {
	in := t.TempDir()
	for _, name := range []string{"a.wav", "a.flac", "b.wav", "sub/a.wav"} {
		x := tone(400, 4800)
		wav(t, filepath.Join(in, name), 24000, 1, x)
	}
	for command, want := range map[string]string{
		"extract":     "a.flac.npz a.wav.npz b.npz sub/a.npz",
		"encode":      "a.flac.fac a.wav.fac b.fac sub/a.fac",
		"reconstruct": "reconstructed_a.flac.wav reconstructed_a.wav.wav reconstructed_b.wav sub/reconstructed_a.wav",
	} {
		out := filepath.Join(t.TempDir(), "out")
		for round := range 2 {
			r := run(t, command, "--source", in, "--output-dir", out, "--checkpoint-path", fixture("small.safetensors"))
			if r.code != 0 || round == 0 && !strings.Contains(r.stderr, "2 sources of one name: their outputs keep the extension; the first is ") {
				t.Fatalf("%s: exit %d, %s", command, r.code, r.stderr)
			}
			var got []string
			for _, name := range files(t, out) {
				if !strings.Contains(name, "manifest") && !strings.HasPrefix(filepath.Base(name), ".") {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %q, want %s", command, got, want)
			}
		}
	}
}

// TestFailingPack: a file of many recordings that cannot be written is named, and not there.
func TestFailingPack(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no limit of file sizes")
	}
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(os.Args[0], "extract", clip("en.flac"), "--checkpoint-path", fixture("small.safetensors"), "--what", "codes", "--format", "webdataset", "--output-dir", out)
	cmd.Env = append(os.Environ(), "FACODEC_TEST_COMMAND=1", "FACODEC_TEST_FILE_SIZE=5000")
	text, err := cmd.CombinedOutput()
	shard := filepath.Join(out, "codes-000000.tar")
	if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(text), "facodec: write "+shard+": file too large") {
		t.Errorf("%v: %s", err, text)
	}
	absent(t, shard)
}
