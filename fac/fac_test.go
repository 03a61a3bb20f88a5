package fac

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codectest"
)

func smallCodec(t testing.TB, opts ...facodec.Option) *facodec.Codec {
	t.Helper()
	c, err := facodec.Open(codectest.Checkpoint(t, "small.safetensors", codectest.Config), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// smallTokens are those of a short utterance, with their header and their file.
func smallTokens(t testing.TB, c *facodec.Codec, samples int) (*facodec.Tokens, Header, []byte) {
	t.Helper()
	tokens, err := c.Encode(codectest.Vowel(samples, 24000))
	if err != nil {
		t.Fatal(err)
	}
	h, err := HeaderFor(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	return tokens, h, facBytes(t, h, tokens)
}

func facBytes(t testing.TB, h Header, tokens *facodec.Tokens) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTokens(&b, h, tokens); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFacRoundTrip: what was written is read, whatever the length and the pieces,
// and the file is of the size that docs/fac.md gives.
func TestFacRoundTrip(t *testing.T) {
	c := smallCodec(t)
	for _, n := range []int{1, 300, 301, 19200, 19201, 40000} {
		tokens, h, file := smallTokens(t, c, n)
		got, gotHeader, err := ReadTokens(iotest.OneByteReader(bytes.NewReader(file)))
		if err != nil || gotHeader != h || !reflect.DeepEqual(got, tokens) {
			t.Fatalf("%d samples: error %v, or other tokens", n, err)
		}
		frames := tokens.Frames()
		codes := 0
		for left := frames; left > 0; left -= 64 {
			codes += 6 + (min(left, 64)*6*5+7)/8
		}
		if want := 68 + codes + 14 + 4*24; len(file) != want {
			t.Errorf("%d samples: %d bytes, want %d", n, len(file), want)
		}
		var pieces bytes.Buffer
		w, err := NewWriter(&pieces, h)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < frames; at += 7 {
			if err := w.Write(tokens.Slice(at, min(at+7, frames))); err != nil {
				t.Fatal(err)
			}
			if full := min(at+7, frames) / 64; full > 0 && w.Bytes() != int64(68+full*(6+240)) {
				t.Fatalf("after %d frames: %d bytes", at+7, w.Bytes())
			}
		}
		if err := w.Finish(tokens.Timbre, int64(n)); err != nil || !bytes.Equal(pieces.Bytes(), file) {
			t.Errorf("%d samples in pieces: error %v, or another file", n, err)
		}
		if w.Bytes() != int64(len(file)) || w.Write(tokens.Codes) == nil {
			t.Error("the writer counts otherwise, or goes on after the end")
		}
	}
}

// TestFacBits: codes of any width, of the largest values.
func TestFacBits(t *testing.T) {
	for width := 1; width <= 16; width++ {
		for _, size := range []int{1 << width, 1<<width - 1} {
			if size < 2 {
				continue
			}
			h := Header{SampleRate: 24000, HopLength: 300, CodebookSize: size, Books: [facodec.NumParts]int{facodec.Prosody: 1, facodec.Content: 2}, TimbreLen: 1}
			codes := facodec.Codes{facodec.Prosody: [][]int32{nil}, facodec.Content: [][]int32{nil, nil}}
			for i := range 100 {
				codes[facodec.Prosody][0] = append(codes[facodec.Prosody][0], int32(size-1))
				codes[facodec.Content][0] = append(codes[facodec.Content][0], int32(i%size))
				codes[facodec.Content][1] = append(codes[facodec.Content][1], int32(7*i%size))
			}
			got, _, err := ReadTokens(bytes.NewReader(facBytes(t, h, &facodec.Tokens{Codes: codes, Timbre: []float32{-0.5}, Samples: 30000})))
			if err != nil || !reflect.DeepEqual(got.Codes, codes) || got.Timbre[0] != -0.5 {
				t.Errorf("%d entries: error %v, or other codes", size, err)
			}
		}
	}
	// By hand: 3 codes of 10 bits, lowest first.
	h := Header{CodebookSize: 1024, Books: [facodec.NumParts]int{facodec.Content: 3}}
	b := h.pack(nil, facodec.Codes{facodec.Content: [][]int32{{0x2a5}, {0x001}, {0x3ff}}})
	if want := []byte{0xa5, 0x06, 0xf0, 0x3f}; !bytes.Equal(b, want) {
		t.Errorf("packed % x, want % x", b, want)
	}
}

// allocates returns the bytes that f allocates.
func allocates(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestFacEntropy: entropy coded files hold the same, whatever the pieces, and in fewer
// bytes where there is something to guess.
func TestFacEntropy(t *testing.T) {
	c := smallCodec(t)
	for _, n := range []int{1, 300, 19201, 200000} {
		tokens, h, plain := smallTokens(t, c, n)
		h.EntropyCoded = true
		file := facBytes(t, h, tokens)
		got, gotHeader, err := ReadTokens(iotest.OneByteReader(bytes.NewReader(file)))
		if err != nil || gotHeader != h || !reflect.DeepEqual(got, tokens) {
			t.Fatalf("%d samples: error %v, or other tokens", n, err)
		}
		if sameDecoder, err := gotHeader.Check(c); err != nil || !sameDecoder {
			t.Errorf("%d samples: %v, the same decoder: %v", n, err, sameDecoder)
		}
		var pieces bytes.Buffer
		w, err := NewWriter(&pieces, h)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < tokens.Frames(); at += 7 {
			if err := w.Write(tokens.Slice(at, min(at+7, tokens.Frames()))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(tokens.Timbre, int64(n)); err != nil || !bytes.Equal(pieces.Bytes(), file) {
			t.Errorf("%d samples in pieces: error %v, or another file", n, err)
		}
		// A vowel's codes repeat.
		t.Logf("%d samples: %d bytes, plain %d", n, len(file), len(plain))
		if n == 200000 && len(file) > len(plain)*2/3 {
			t.Errorf("%d bytes, plain %d", len(file), len(plain))
		}
	}
}

// TestFacEntropyLength: lengths of blocks that no writer has written.
func TestFacEntropyLength(t *testing.T) {
	_, h, _ := smallTokens(t, smallCodec(t), 300)
	h.EntropyCoded = true
	for what, c := range map[string]struct {
		length []byte
		want   error
	}{
		"longer than it can be":   {[]byte{0xff, 0xff, 0x7f}, ErrCorrupt},
		"with a byte too many":    {[]byte{0x84, 0x00}, ErrCorrupt},
		"without an end":          {[]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, ErrCorrupt},
		"cut":                     {[]byte{0x84}, ErrTruncated},
		"of a block that is none": {[]byte{0x04}, ErrTruncated},
	} {
		w, err := NewWriter(io.Discard, h)
		if err != nil {
			t.Fatal(err)
		}
		file := append(append(bytes.Clone(w.buf), 1, 0), c.length...)
		if _, _, err := ReadTokens(bytes.NewReader(file)); !errors.Is(err, c.want) {
			t.Errorf("a length %s: %v, want %v", what, err, c.want)
		}
	}
	w, _ := NewWriter(io.Discard, h)
	broken := errors.New("broken")
	if _, _, err := ReadTokens(io.MultiReader(bytes.NewReader(append(bytes.Clone(w.buf), 1, 0)), iotest.ErrReader(broken))); err != broken {
		t.Errorf("a read that fails: %v", err)
	}
}

// TestFacDamage: cut at every byte, and each byte changed, is an error.
func TestFacDamage(t *testing.T) {
	tokens, h, file := smallTokens(t, smallCodec(t), 20000)
	h.EntropyCoded = true
	facDamage(t, facBytes(t, h, tokens))
	facDamage(t, file)
	block := 6 + 240
	for what, c := range map[string]struct {
		data []byte
		want error
	}{
		"bytes after it":      {append(bytes.Clone(file), 0), ErrCorrupt},
		"a block twice":       {slices.Concat(file[:68+block], file[68:]), ErrCorrupt},
		"a block missing":     {slices.Concat(file[:68], file[68+block:]), ErrCorrupt},
		"another file":        {[]byte("RIFF....WAVEfmt "), ErrFormat},
		"text mode transfers": {bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n")), ErrFormat},
	} {
		if _, _, err := ReadTokens(bytes.NewReader(c.data)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, _, err := ReadTokens(io.MultiReader(bytes.NewReader(file[:200]), iotest.ErrReader(broken))); err != broken {
		t.Errorf("a read that fails: %v", err)
	}
}

// facDamage cuts a file at every byte, and changes each.
func facDamage(t *testing.T, file []byte) {
	t.Helper()
	for n := range file {
		if _, _, err := ReadTokens(bytes.NewReader(file[:n])); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(file)
			bad[n] ^= flip
			_, _, err := ReadTokens(bytes.NewReader(bad))
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
				t.Fatalf("byte %d changed by %#x: %v", n, flip, err)
			}
		}
	}
}

// TestFacClaims: a header that claims much, checksum and all, costs little.
func TestFacClaims(t *testing.T) {
	h := Header{SampleRate: 24000, HopLength: 300, CodebookSize: 1 << 16, Books: [facodec.NumParts]int{32, 32, 32}, TimbreLen: 1 << 16}
	w, err := NewWriter(io.Discard, h)
	if err != nil {
		t.Fatal(err)
	}
	file := append(bytes.Clone(w.buf), 0, 4) // 1024 frames follow
	if _, _, err := ReadTokens(bytes.NewReader(file)); !errors.Is(err, ErrTruncated) {
		t.Errorf("%v", err)
	}
	if n := allocates(func() { ReadTokens(bytes.NewReader(file)) }); n > 1<<20 {
		t.Errorf("%d bytes are allocated for a file of %d", n, len(file))
	}
	for _, change := range []func(*Header){
		func(h *Header) { h.SampleRate = 0 }, func(h *Header) { h.HopLength = 0 }, func(h *Header) { h.HopLength = math.MaxInt32 },
		func(h *Header) { h.CodebookSize = 1 }, func(h *Header) { h.CodebookSize = 1<<16 + 1 }, func(h *Header) { h.Books[facodec.Content] = 33 },
		func(h *Header) { h.TimbreLen = 1 << 30 }, func(h *Header) { h.TimbreLen = 0 },
		func(h *Header) { h.Books = [facodec.NumParts]int{} },
	} {
		bad := h
		change(&bad)
		if _, err := NewWriter(io.Discard, bad); !errors.Is(err, facodec.ErrTokens) {
			t.Errorf("%+v is written: %v", bad, err)
		}
		f := &Writer{buf: bad.bytes()}
		f.appendChecksum(0)
		if _, err := NewReader(bytes.NewReader(f.buf)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v is read: %v", bad, err)
		}
	}
	for what, test := range map[string]struct {
		flags, precision byte
		want             error
	}{
		"a later flag":             {8, 0, ErrVersion},
		"a precision":              {4, 3, nil},
		"a later precision":        {4, 4, ErrVersion},
		"no precision":             {4, 0, ErrCorrupt},
		"a precision without flag": {0, 1, ErrCorrupt},
	} {
		f := &Writer{buf: h.bytes()}
		f.buf[10], f.buf[27] = test.flags, test.precision
		f.appendChecksum(0)
		if _, err := NewReader(bytes.NewReader(f.buf)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFacPrecision: a file names the precision that it was made with, but for the default,
// whose files are those of before there was a choice; codecs of any precision decode it.
func TestFacPrecision(t *testing.T) {
	for precision, want := range map[string]string{facodec.Exact: facodec.Exact, facodec.Fast: "", facodec.BF16: facodec.BF16, facodec.Int8: facodec.Int8} {
		_, h, file := smallTokens(t, smallCodec(t, facodec.WithPrecision(precision)), 1000)
		_, got, err := ReadTokens(bytes.NewReader(file))
		if err != nil || h.Precision != want || got != h {
			t.Errorf("%s: %v, header %+v, read %+v", precision, err, h, got)
		}
		if _, err := got.Check(smallCodec(t)); err != nil {
			t.Errorf("%s: %v", precision, err)
		}
	}
	bad := Header{SampleRate: 24000, HopLength: 300, CodebookSize: 16, Books: [facodec.NumParts]int{1}, TimbreLen: 1, Precision: "half"}
	if _, err := NewWriter(io.Discard, bad); err == nil {
		t.Error("a precision that there is not is written")
	}
}

// TestFacContradictions: sound checksums over what cannot be.
func TestFacContradictions(t *testing.T) {
	tokens, h, _ := smallTokens(t, smallCodec(t), 1000)
	for what, change := range map[string]func(w *Writer){
		"a code past the codebook": func(w *Writer) {
			w.header.CodebookSize = 31
			w.buf = w.header.bytes()
			w.sum = 0
			w.appendChecksum(0)
			w.header.CodebookSize = 32
		},
		"other length": func(w *Writer) { w.header.HopLength = 400 },
	} {
		var b bytes.Buffer
		w, err := NewWriter(&b, h)
		if err != nil {
			t.Fatal(err)
		}
		change(w)
		high := facodec.Codes{}
		high.Append(tokens.Codes)
		high[facodec.Prosody][0][2] = 31
		if err := w.Write(high); err != nil {
			t.Fatal(err)
		}
		samples := int64(1000)
		if what == "other length" {
			samples = 1500
		}
		if err := w.Finish(tokens.Timbre, samples); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadTokens(&b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFacWriterRefuses what no reader would take.
func TestFacWriterRefuses(t *testing.T) {
	tokens, h, _ := smallTokens(t, smallCodec(t), 1000)
	write := func(change func(*facodec.Tokens)) error {
		bad := facodec.Tokens{Timbre: slices.Clone(tokens.Timbre), Samples: tokens.Samples}
		bad.Codes.Append(tokens.Codes)
		change(&bad)
		return WriteTokens(io.Discard, h, &bad)
	}
	for what, c := range map[string]struct{ got, want error }{
		"code too large":  {write(func(b *facodec.Tokens) { b.Codes[facodec.Content][1][0] = 32 }), facodec.ErrTokens},
		"code negative":   {write(func(b *facodec.Tokens) { b.Codes[facodec.Residual][2][3] = -1 }), facodec.ErrTokens},
		"a book missing":  {write(func(b *facodec.Tokens) { b.Codes[facodec.Residual] = b.Codes[facodec.Residual][:2] }), facodec.ErrTokens},
		"uneven books":    {write(func(b *facodec.Tokens) { b.Codes[facodec.Content][0] = b.Codes[facodec.Content][0][1:] }), facodec.ErrTokens},
		"no frames":       {write(func(b *facodec.Tokens) { b.Codes = facodec.Codes{} }), facodec.ErrTokens},
		"too many":        {write(func(b *facodec.Tokens) { b.Samples += 300 }), facodec.ErrTokens},
		"short timbre":    {write(func(b *facodec.Tokens) { b.Timbre = b.Timbre[1:] }), facodec.ErrTokens},
		"timbre of NaN":   {write(func(b *facodec.Tokens) { b.Timbre[0] = float32(math.NaN()) }), facodec.ErrNotFinite},
		"nothing changed": {write(func(*facodec.Tokens) {}), nil},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
}

// FuzzFac reads anything without a panic, and what it accepts it writes again to
// the same bytes, but for the lengths of blocks.
func FuzzFac(f *testing.F) {
	c := smallCodec(f)
	for _, n := range []int{1, 5000, 20000} {
		tokens, h, file := smallTokens(f, c, n)
		f.Add(file)
		h.EntropyCoded = true
		f.Add(facBytes(f, h, tokens))
	}
	f.Add([]byte(magic))
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tokens, h, err := ReadTokens(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, hAgain, err := ReadTokens(bytes.NewReader(facBytes(t, h, tokens)))
		if err != nil || hAgain != h || !reflect.DeepEqual(again, tokens) {
			t.Fatalf("written again: %v", err)
		}
	})
}

// TestFingerprints: equal for equal weights in either container, and each its own.
