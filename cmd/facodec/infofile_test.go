package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestInfoOfOutputs: info knows what encode and voice enroll write, under any name,
// and refuses what is damaged.
func TestInfoOfOutputs(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	succeed(t, small("encode", clip("en.flac"), "-o", in("x.fac"), "--residual-books", "1", "--entropy-coding")...)
	succeed(t, "voice", "enroll", "--source", clip("en.flac"), "-o", in("x.voice"), "--checkpoint-path", fixture("small.safetensors"))
	fac, voice := read(t, in("x.fac")), read(t, in("x.voice"))
	write(t, in("fac"), fac)

	for _, name := range []string{"x.fac", "fac"} {
		r := succeed(t, "info", in(name))
		for _, want := range []string{in(name) + ": compressed recording, ", "2.079 s: 49,884 samples of 24000 Hz", "167, 80 a second",
			"1 prosody, 2 content, 1 residual, of 50 entries", ", entropy coded", "quantizer      "} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s: no %q in\n%s", name, want, r.stdout)
			}
		}
	}
	var d tokensDescription
	if err := json.Unmarshal([]byte(succeed(t, "info", "--json", in("x.fac")).stdout), &d); err != nil {
		t.Fatal(err)
	}
	if d.Bytes != int64(len(fac)) || d.Frames != 167 || d.Samples != 49884 || !d.EntropyCoded || len(d.Decoder) != 32 || d.Bitrate != 8*float64(len(fac))/(49884.0/24000) {
		t.Errorf("%+v", d)
	}

	r := succeed(t, "info", in("x.voice"))
	if !strings.HasPrefix(r.stdout, in("x.voice")+": voice, ") || !strings.Contains(r.stdout, "2.079 s of speech") {
		t.Errorf("%s", r.stdout)
	}
	var v voiceDescription
	if err := json.Unmarshal([]byte(succeed(t, "info", "--json", in("x.voice")).stdout), &v); err != nil {
		t.Fatal(err)
	}
	if v.Bytes != int64(len(voice)) || v.Kind != "voice" || v.TimbreLen == 0 {
		t.Errorf("%+v", v)
	}

	write(t, in("cut.fac"), fac[:len(fac)-9])
	write(t, in("bad.voice"), voice[:20])
	write(t, in("other.fac"), []byte("RIFF"))
	for name, want := range map[string]string{"cut.fac": "cut short", "bad.voice": "cut short", "other.fac": "not a .fac file", "none.fac": "no such file"} {
		fail(t, want, "info", in(name))
	}
}

// TestInfoOfArrays: info says what codes are in arrays; weights stay a checkpoint.
func TestInfoOfArrays(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for format, told := range map[string][]string{
		"npz":         {"quantizer      not told"},
		"safetensors": {"samples        49,884", "quantizer      "},
	} {
		succeed(t, small("extract", "--source", clip("en.flac"), "--output-dir", dir, "--what", "codes,timbre", "--format", format)...)
		r := succeed(t, "info", in("en."+format))
		for _, want := range append(told, in("en."+format)+": codes in arrays, ", "167, 2.087 s at 80 a second", "1 prosody, 2 content, 3 residual", "largest code   prosody_1 ", "timbre         40 values") {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s: no %q in\n%s", format, want, r.stdout)
			}
		}
		var d arraysDescription
		if err := json.Unmarshal([]byte(succeed(t, "info", "--json", in("en."+format)).stdout), &d); err != nil {
			t.Fatal(err)
		}
		if d.Kind != "codes" || d.Frames != 167 || d.TimbreLen != 40 || len(d.Distinct) != 6 || len(d.Largest) != 6 || (d.Samples == 49884) != (format == "safetensors") {
			t.Errorf("%+v", d)
		}
		for name, largest := range d.Largest {
			if n := d.Distinct[name]; n < 1 || n > largest+1 || largest >= 50 {
				t.Errorf("%s: %d entries up to %d", name, n, largest)
			}
		}
	}
	if r := succeed(t, "info", fixture("small.safetensors")); strings.Contains(r.stdout, "codes in arrays") {
		t.Errorf("weights are described as codes:\n%s", r.stdout)
	}
	write(t, in("none.npz"), []byte("PK"))
	fail(t, "not a NumPy archive", "info", in("none.npz"))
}
