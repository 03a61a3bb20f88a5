package kernel

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestEncodings assembles the instructions that arm64's assembly has as bits from the text
// beside them, with GNU as, and compares. It is skipped without that.
func TestEncodings(t *testing.T) {
	const tools = "aarch64-linux-gnu-"
	for _, tool := range []string{"as", "objcopy"} {
		if _, err := exec.LookPath(tools + tool); err != nil {
			t.Skip(err)
		}
	}
	files, err := filepath.Glob("*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatal("no assembly:", err)
	}
	line := regexp.MustCompile(`(?m)^\tWORD \$0x([0-9a-f]{8}) // (.*)$`)
	var source bytes.Buffer
	var words []uint32
	var texts []string
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(text, []byte("WORD $")) != len(line.FindAll(text, -1)) {
			t.Errorf("%s: a word without text", name)
		}
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			if seen[m[0]] {
				continue
			}
			seen[m[0]] = true
			word, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			words, texts = append(words, uint32(word)), append(texts, m[2])
			source.WriteString(m[2] + "\n")
		}
	}
	dir := t.TempDir()
	object, raw := filepath.Join(dir, "o"), filepath.Join(dir, "raw")
	as := exec.Command(tools+"as", "-o", object, "-")
	as.Stdin = &source
	if out, err := as.CombinedOutput(); err != nil {
		t.Fatalf("as: %v\n%s", err, out)
	}
	if out, err := exec.Command(tools+"objcopy", "-O", "binary", "-j", ".text", object, raw).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v\n%s", err, out)
	}
	code, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(code) != 4*len(words) {
		t.Fatalf("%d bytes for %d instructions", len(code), len(words))
	}
	for i, word := range words {
		if got := binary.LittleEndian.Uint32(code[4*i:]); got != word {
			t.Errorf("%s is %#08x, not %#08x", texts[i], got, word)
		}
	}
	t.Logf("%d different instructions of %d files", len(words), len(files))
}
