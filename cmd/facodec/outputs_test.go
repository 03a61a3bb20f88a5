package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/lockfile"
)

// stereo writes a file whose channels differ.
func stereo(t *testing.T, path string) string {
	t.Helper()
	left, right := tone(6000, 24000), tone(6000, 17000)
	both := make([]float32, 0, 12000)
	for i := range left {
		both = append(both, left[i], right[i]/2)
	}
	return wav(t, path, 24000, 2, both)
}

// TestOutputFormats: the format, the rate and the channels of outputs are those asked
// for, and -o names one.
func TestOutputFormats(t *testing.T) {
	dir := t.TempDir()
	source := stereo(t, filepath.Join(dir, "s.wav"))
	for _, c := range []struct {
		args     []string
		output   string
		format   string
		rate     int
		channels int
		frames   int64
		ffmpeg   bool
	}{
		{nil, "reconstructed_s.wav", "wav pcm_s16", 24000, 1, 6000, false},
		{[]string{"--channels", "keep"}, "reconstructed_s.wav", "wav pcm_s16", 24000, 2, 6000, false},
		{[]string{"--output-format", "flac", "--output-rate", "44100"}, "reconstructed_s.flac", "flac pcm_s16", 44100, 1, 11025, false},
		{[]string{"--sample-format", "s24", "--channels", "keep", "--output-rate", "48000", "--normalize"}, "reconstructed_s.wav", "wav pcm_s24", 48000, 2, 12000, false},
		{[]string{"--output-format", "mp3", "--output-rate", "44100"}, "reconstructed_s.mp3", "mp3 layer3", 44100, 1, 11025, true},
		{[]string{"--output-format", "opus", "--channels", "keep"}, "reconstructed_s.opus", "ogg opus", 48000, 2, -1, true},
	} {
		if _, err := exec.LookPath("ffmpeg"); err != nil && c.ffmpeg {
			continue
		}
		out := t.TempDir()
		args := small(append([]string{"reconstruct", source, "--output-dir", out}, c.args...)...)
		succeed(t, args...)
		checkFiles(t, out, c.output)
		r, err := audio.Open(filepath.Join(out, c.output))
		if err != nil {
			t.Fatal(err)
		}
		i := r.Info()
		r.Close()
		if got := i.Format + " " + i.Encoding; got != c.format || i.SampleRate != c.rate || i.Channels != c.channels || i.Frames != c.frames {
			t.Errorf("%v: %+v", c.args, i)
		}
		if r := reported(t, 0, args...); r.Totals.Skipped != 1 {
			t.Errorf("%v: not kept", c.args)
		}
	}
	// By -o, in every command that has it.
	flac := filepath.Join(dir, "o.flac")
	for _, args := range [][]string{
		small("reconstruct", source, "-o", flac, "--force"),
		small("convert", "--source", source, "--reference", source, "-o", flac, "--channels", "keep", "--force"),
	} {
		succeed(t, args...)
		if _, info := samplesOf(t, flac); info.Format != "flac" {
			t.Errorf("%v: %+v", args, info)
		}
	}
	succeed(t, small("encode", source, "-o", filepath.Join(dir, "s.fac"))...)
	succeed(t, small("decode", filepath.Join(dir, "s.fac"), "-o", flac, "--output-rate", "48000", "--force")...)
	if _, info := samplesOf(t, flac); info.Format != "flac" || info.SampleRate != 48000 {
		t.Errorf("decoded: %+v", info)
	}
	for want, args := range map[string][]string{
		`"ogg" is not one of`:       {"--output-format", "ogg"},
		"FLAC holds integers":       {"--output-format", "flac", "--sample-format", "f32"},
		`"both" is not mix or keep`: {"--channels", "both"},
		"--output-rate: 100 Hz":     {"--output-rate", "100"},
	} {
		fail(t, want, small(append([]string{"reconstruct", source, "--output-dir", filepath.Join(dir, "none")}, args...)...)...)
	}
	fail(t, "the file extension of -o", small("reconstruct", source, "-o", flac, "--output-format", "wav")...)
	fail(t, "--output-format with -o -: a pipe gets a WAV file", small("decode", filepath.Join(dir, "s.fac"), "-o", "-", "--output-format", "flac")...)
	fail(t, "sources are read twice", small("reconstruct", "--source", "-", "-o", flac)...)
	absent(t, filepath.Join(dir, "none"))
}

// TestChannels: each channel that is kept is what it is by itself.
func TestChannels(t *testing.T) {
	dir := t.TempDir()
	source := stereo(t, filepath.Join(dir, "s.wav"))
	right := make([]float32, 6000)
	for i, x := range tone(6000, 17000) {
		right[i] = x / 2
	}
	out := filepath.Join(dir, "out")
	succeed(t, small("reconstruct", source, wav(t, filepath.Join(dir, "l.wav"), 24000, 1, tone(6000, 24000)), wav(t, filepath.Join(dir, "r.wav"), 24000, 1, right),
		"--output-dir", out, "--channels", "keep", "--sample-format", "f32")...)
	l, _ := samplesOf(t, filepath.Join(out, "reconstructed_l.wav"))
	r, _ := samplesOf(t, filepath.Join(out, "reconstructed_r.wav"))
	kept, err := audio.OpenWith(t.Context(), filepath.Join(out, "reconstructed_s.wav"), audio.Options{KeepChannels: true})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	var got []float32
	buf := make([]float32, 4096)
	for {
		n, err := kept.Read(buf)
		if err != nil {
			break
		}
		got = append(got, buf[:n]...)
	}
	if len(got) != 12000 {
		t.Fatalf("%d samples", len(got))
	}
	for i := range l {
		if got[2*i] != l[i] || got[2*i+1] != r[i] {
			t.Fatalf("sample %d: %v, %v; by themselves %v, %v", i, got[2*i], got[2*i+1], l[i], r[i])
		}
	}
}

// TestStrict: what is odd is a notice, once, and an error where asked for.
func TestStrict(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "odd.wav")
	write(t, source, append([]byte("ID3\x03\x00\x00\x00\x00\x00\x00"), read(t, short(t, filepath.Join(dir, "a.wav")))...))
	for _, command := range []string{"reconstruct", "extract", "encode"} {
		args := small(command, source, "--output-dir", filepath.Join(dir, command))
		if r := succeed(t, args...); strings.Count(r.stderr, "notice: "+source+": an ID3 tag") != 1 {
			t.Errorf("%s: %s", command, r.stderr)
		}
		failWith(t, exitSomeFailed, "an ID3 tag", append(args, "--strict", "--force")...)
	}
}

// TestLinks: linked folders are followed, each once, and loops end; what is passed over
// is counted.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	in, elsewhere := filepath.Join(dir, "in"), filepath.Join(dir, "elsewhere")
	for _, path := range []string{"in/a.wav", "in/sub/b.wav", "elsewhere/c.wav", "elsewhere/deep/d.WAV", "outside.wav"} {
		short(t, filepath.Join(dir, filepath.FromSlash(path)))
	}
	for _, name := range []string{"n.txt", "m.txt", "README", "x.JSON"} {
		write(t, filepath.Join(in, name), nil)
	}
	for from, to := range map[string]string{
		"in/linked": elsewhere, "elsewhere/back": in, "in/up": dir, "in/self": in, "in/again": elsewhere, "in/file.wav": filepath.Join(elsewhere, "c.wav"), "in/sub/loop": "../sub",
	} {
		if err := os.Symlink(to, filepath.Join(dir, filepath.FromSlash(from))); err != nil {
			t.Skip(err)
		}
	}
	out := filepath.Join(dir, "out")
	r := reported(t, 0, small("extract", in, "--output-dir", out)...)
	checkFiles(t, out, "a.npz", "again/c.npz", "again/deep/d.npz", "file.npz", "manifest.jsonl", "sub/b.npz")
	if got := fmt.Sprint(map[string]int(r.PassedOver)); got != "map[:1 .json:1 .txt:2]" {
		t.Errorf("passed over: %s", got)
	}
	r2 := succeed(t, small("extract", in, "--output-dir", out)...)
	if !strings.Contains(r2.stderr, "5 outputs kept (--force overwrites them); 4 passed over (2 .txt, 1 without extension, 1 .json)") {
		t.Errorf("stderr: %s", r2.stderr)
	}
}

// TestNames: outputs whose names would be too long are shortened, and stay apart and the
// same; names that are not UTF-8 have no place in a manifest.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	long := strings.Repeat("ö", 122)
	for _, name := range []string{long + "aaa.wav", long + "bbb.wav"} {
		short(t, filepath.Join(in, name))
	}
	for _, args := range [][]string{
		{"reconstruct", in},
		{"convert", "--source", in, "--reference", filepath.Join(in, long+"aaa.wav")},
	} {
		out := filepath.Join(dir, args[0])
		args = small(append(args, "--output-dir", out)...)
		r := succeed(t, args...)
		if !strings.Contains(r.stderr, "notice: 2 output names of more than 255 bytes shortened") {
			t.Errorf("stderr: %s", r.stderr)
		}
		made := files(t, out)
		if len(made) != 2 || len(made[0]) > 255 || len(made[0]) < 250 || !strings.HasSuffix(made[0], ".wav") || strings.Contains(made[0], "\ufffd") {
			t.Errorf("made %q", made)
		}
		if r := reported(t, 0, args...); r.Totals.Skipped != 2 {
			t.Error("the second run finds other names")
		}
	}
	if err := os.WriteFile(filepath.Join(in, "\xff.wav"), read(t, filepath.Join(in, long+"aaa.wav")), 0o600); err != nil {
		t.Skip(err)
	}
	r := run(t, small("extract", in, "--output-dir", filepath.Join(dir, "npz"))...)
	if r.code != exitSomeFailed || !strings.Contains(r.stderr, "its name is not UTF-8") || len(files(t, filepath.Join(dir, "npz"))) != 3 {
		t.Errorf("%d: %s", r.code, r.stderr)
	}
	succeed(t, small("reconstruct", in, "--output-dir", filepath.Join(dir, "raw"))...)
	if made := files(t, filepath.Join(dir, "raw")); !slices.Contains(made, "reconstructed_\xff.wav") {
		t.Errorf("made %q", made)
	}
}

// TestCancelingSource: a source that is silent because its channels cancel is told of, is an error with --strict, and is none
// where channels are kept.
func TestCancelingSource(t *testing.T) {
	dir := t.TempDir()
	var samples []float32
	for _, x := range tone(6000, 24000) {
		samples = append(samples, x, -x)
	}
	cancel := wav(t, filepath.Join(dir, "cancel.wav"), 24000, 2, samples)
	silent := wav(t, filepath.Join(dir, "silent.wav"), 24000, 2, make([]float32, len(samples)))
	const told = "its 2 channels cancel each other when they are mixed; take one of them alone, channel 1 say"
	for _, c := range []struct {
		command string
		args    []string
	}{
		{"reconstruct", []string{"--output-dir", filepath.Join(dir, "r")}},
		{"convert", []string{"--reference", clip("it.flac"), "--output-dir", filepath.Join(dir, "c")}},
		{"encode", []string{"-o", filepath.Join(dir, "e.fac")}},
		{"extract", []string{"--output-dir", filepath.Join(dir, "x")}},
	} {
		t.Run(c.command, func(t *testing.T) {
			with := func(source string, more ...string) result {
				return run(t, small(append(append([]string{c.command, "--source", source}, c.args...), more...)...)...)
			}
			if r := with(cancel, "--strict"); r.code == 0 || !strings.Contains(r.stderr, told) {
				t.Errorf("strict: %d: %s", r.code, r.stderr)
			}
			if r := with(cancel); r.code != 0 || !strings.Contains(r.stderr, "notice: ") || !strings.Contains(r.stderr, told) {
				t.Errorf("%d: %s", r.code, r.stderr)
			}
			if r := with(silent, "--force"); strings.Contains(r.stderr, "cancel each other") {
				t.Errorf("silence: %s", r.stderr)
			}
		})
	}
	r := run(t, small("reconstruct", "--source", cancel, "--channels", "keep", "--output-dir", filepath.Join(dir, "kept"))...)
	if r.code != 0 || strings.Contains(r.stderr, "cancel each other") {
		t.Errorf("kept: %d: %s", r.code, r.stderr)
	}
}

// TestSilentReference: a voice of nothing is an error that leaves no output, one of which some is
// silent or that is short a warning, and channels that cancel are told with what to do.
func TestSilentReference(t *testing.T) {
	dir := t.TempDir()
	canceling := make([]float32, 0, 12000)
	for _, x := range tone(6000, 24000) {
		canceling = append(canceling, x, -x)
	}
	silent := wav(t, filepath.Join(dir, "silent.wav"), 24000, 1, make([]float32, 24000))
	cancel := wav(t, filepath.Join(dir, "cancel.wav"), 24000, 2, canceling)
	good, brief := clip("it.flac"), stereo(t, filepath.Join(dir, "brief.wav"))
	const nothing, channels = "silent.wav: nothing is heard: its peak is 0 of full scale; take another clip", "cancel.wav: nothing is heard: its 2 channels cancel each other when they are mixed; take one of them alone, channel 1"
	for _, c := range []struct {
		files  []string
		fails  bool
		wanted string
	}{
		{[]string{silent}, true, nothing},
		{[]string{cancel}, true, channels},
		{[]string{silent, cancel}, true, nothing + " of the voice (nor is anything heard in the other clips, 2 in all)"},
		{[]string{silent, good}, false, "silent.wav: nothing is heard; left out"},
		{[]string{good, cancel}, false, channels + " say; left out"},
		{[]string{brief}, false, " s is too little for a voice: it may resemble another speaker more; take 1 s at least"},
		{[]string{brief, silent}, false, "brief.wav: 0."},
		{[]string{good}, false, ""},
	} {
		for _, args := range [][]string{
			small("convert", "--source", clip("en.flac"), "--output-dir", filepath.Join(t.TempDir(), "out")),
			small("voice", "enroll", "-o", filepath.Join(t.TempDir(), "x.voice")),
		} {
			flag := "--reference"
			if args[0] == "voice" {
				flag = "--source"
			}
			for _, file := range c.files {
				args = append(args, flag, file)
			}
			r := run(t, args...)
			if failed := r.code != 0; failed != c.fails || !strings.Contains(r.stderr, c.wanted) || c.wanted == "" && strings.Contains(r.stderr, "warning: ") {
				t.Errorf("%v of %v: %d: %s", args[0], c.files, r.code, r.stderr)
			}
			if output := args[slices.IndexFunc(args, func(s string) bool { return s == "-o" || s == "--output-dir" })+1]; c.fails && exists(output) {
				t.Errorf("%v of %v: %s is there", args[0], c.files, output)
			}
		}
	}
}

// TestSilentReferenceLeftOut: a silent file in a folder of references changes no sample.
func TestSilentReferenceLeftOut(t *testing.T) {
	dir := t.TempDir()
	source := short(t, filepath.Join(dir, "a.wav"))
	convert := func(name string, silence int) []byte {
		folder := filepath.Join(dir, name, "alice")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "it.flac"), read(t, clip("it.flac")), 0o600); err != nil {
			t.Fatal(err)
		}
		if silence > 0 {
			wav(t, filepath.Join(folder, "silent.wav"), 24000, 1, make([]float32, silence))
		}
		out := filepath.Join(dir, name, "out")
		r := succeed(t, small("convert", "--source", source, "--reference", folder, "--output-dir", out)...)
		if told := strings.Contains(r.stderr, "silent.wav: nothing is heard; left out"); told != (silence > 0) {
			t.Errorf("%s: %s", name, r.stderr)
		}
		return read(t, filepath.Join(out, files(t, out)[0]))
	}
	if !slices.Equal(convert("alone", 0), convert("beside", 96000)) {
		t.Error("silence is part of the voice")
	}
}

// TestOneProcess: a process that writes to the same manifest, or divides the corpus
// otherwise, is named; another shard is not in the way.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	in, _ := recordings(t, 9)
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	args := func(shard string) []string {
		return small("extract", in, "--output-dir", out, "--format", "jsonl", "--shard", shard)
	}
	for held, c := range map[string]struct{ blocked, free []string }{
		".manifest.lock":                {[]string{"0/1", "1/2"}, nil},
		".manifest-00000-of-00002.lock": {[]string{"0/2", "0/1", "0/3"}, []string{"1/2"}},
	} {
		lock, err := lockfile.Acquire(filepath.Join(out, held))
		if err != nil {
			t.Fatal(err)
		}
		for _, shard := range c.blocked {
			fail(t, fmt.Sprintf("in use by another process: process %d on", os.Getpid()), args(shard)...)
		}
		for _, shard := range c.free {
			succeed(t, args(shard)...)
		}
		lock.Release()
	}
	for _, name := range files(t, out) {
		if strings.HasSuffix(name, ".lock") {
			t.Errorf("%s stays", name)
		}
	}
}

// TestOutputStreams: -o writes through links and to devices, which are never kept.
func TestOutputStreams(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target.wav"), filepath.Join(dir, "link.wav")
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	args := small("reconstruct", clip("en.flac"), "-o", link)
	succeed(t, args...)
	if _, info := samplesOf(t, target); info.Frames != 49884 {
		t.Errorf("%+v", info)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	if r := reported(t, 0, args...); r.Totals.Skipped != 1 {
		t.Error("not kept behind a link")
	}
	source := filepath.Join(dir, "source.wav")
	write(t, source, read(t, target))
	toSource := filepath.Join(dir, "to-source.wav")
	if err := os.Symlink(source, toSource); err != nil {
		t.Fatal(err)
	}
	fail(t, "is the source, and the output", small("reconstruct", source, "-o", toSource)...)
	for range 2 {
		if r := reported(t, 0, small("reconstruct", clip("en.flac"), "-o", os.DevNull)...); len(r.Files) != 1 {
			t.Errorf("%+v", r)
		}
	}
}
