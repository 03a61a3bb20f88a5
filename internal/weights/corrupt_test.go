package weights

import (
	"archive/zip"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// smallFiles returns one small file of every kind.
func smallFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	var paths []string
	for _, name := range []string{"checkpoint_zip.pth", "checkpoint_legacy.pth", "checkpoint_bare.bin"} {
		paths = append(paths, filepath.Join("..", "..", "testdata", "golden", name))
	}
	dir := t.TempDir()
	ours := filepath.Join(dir, "ours.safetensors")
	if err := WriteSafetensors(ours, someArrays(), map[string]string{"config": "{}"}, nil); err != nil {
		t.Fatal(err)
	}
	torch := filepath.Join(dir, "ours.pth")
	if err := WriteTorch(torch, someArrays()[:3], Layout{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, ours, torch) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	files["compressed.pth"] = zipFile(t, zip.Deflate, map[string]string{
		"x/data.pkl": state(text("x"), oneTensor) + ".", "x/data/0": floats(1, 2, 3, 4, 5, 6)})
	return files
}

func TestTruncatedAtEveryByte(t *testing.T) {
	for name, data := range smallFiles(t) {
		for n := range data {
			f, err := OpenBytes(name, data[:n])
			if err == nil {
				t.Errorf("%s cut to %d of %d bytes was opened: %v", name, n, len(data), f.Names())
				break
			}
			wantError(t, err, name+": ")
		}
	}
}

// TestDamagedAtEveryByte changes each byte in several ways. Where the file
// still opens, what it holds can be read.
func TestDamagedAtEveryByte(t *testing.T) {
	for name, data := range smallFiles(t) {
		t.Run(name, func(t *testing.T) {
			damaged := make([]byte, len(data))
			for i := range data {
				for _, change := range []byte{0x01, 0x08, 0x80, 0xff, data[i]} { // the last makes it 0
					if change == 0 {
						continue
					}
					copy(damaged, data)
					damaged[i] ^= change
					f, err := OpenBytes(name, damaged)
					if err != nil {
						wantError(t, err, name+": ")
						continue
					}
					exercise(t, f)
				}
			}
		})
	}
}

func ExampleOpenBytes() {
	_, err := OpenBytes("model.pth", []byte("\x80\x02cposix\nsystem\n."))
	fmt.Println(err)
	// Output: model.pth: contains code: posix.system; refusing to run it
}
