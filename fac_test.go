package facodec

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// smallTokens are those of a short utterance, with their header and their file.
func smallTokens(t testing.TB, c *Codec, samples int) (*Tokens, FacHeader, []byte) {
	t.Helper()
	tokens, err := c.Encode(vowel(samples, 24000))
	if err != nil {
		t.Fatal(err)
	}
	h, err := c.FacHeader(3)
	if err != nil {
		t.Fatal(err)
	}
	return tokens, h, facBytes(t, h, tokens)
}

func facBytes(t testing.TB, h FacHeader, tokens *Tokens) []byte {
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
		w, err := NewFacWriter(&pieces, h)
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
			h := FacHeader{SampleRate: 24000, HopLength: 300, CodebookSize: size, Books: [NumParts]int{Prosody: 1, Content: 2}, TimbreLen: 1}
			codes := Codes{Prosody: [][]int32{nil}, Content: [][]int32{nil, nil}}
			for i := range 100 {
				codes[Prosody][0] = append(codes[Prosody][0], int32(size-1))
				codes[Content][0] = append(codes[Content][0], int32(i%size))
				codes[Content][1] = append(codes[Content][1], int32(7*i%size))
			}
			got, _, err := ReadTokens(bytes.NewReader(facBytes(t, h, &Tokens{Codes: codes, Timbre: []float32{-0.5}, Samples: 30000})))
			if err != nil || !reflect.DeepEqual(got.Codes, codes) || got.Timbre[0] != -0.5 {
				t.Errorf("%d entries: error %v, or other codes", size, err)
			}
		}
	}
	// By hand: 3 codes of 10 bits, lowest first.
	h := FacHeader{CodebookSize: 1024, Books: [NumParts]int{Content: 3}}
	b := h.pack(nil, Codes{Content: [][]int32{{0x2a5}, {0x001}, {0x3ff}}})
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
		if sameDecoder, err := c.CheckFac(gotHeader); err != nil || !sameDecoder {
			t.Errorf("%d samples: %v, the same decoder: %v", n, err, sameDecoder)
		}
		var pieces bytes.Buffer
		w, err := NewFacWriter(&pieces, h)
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
		"longer than it can be":   {[]byte{0xff, 0xff, 0x7f}, ErrFacCorrupt},
		"with a byte too many":    {[]byte{0x84, 0x00}, ErrFacCorrupt},
		"without an end":          {[]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, ErrFacCorrupt},
		"cut":                     {[]byte{0x84}, ErrFacTruncated},
		"of a block that is none": {[]byte{0x04}, ErrFacTruncated},
	} {
		w, err := NewFacWriter(io.Discard, h)
		if err != nil {
			t.Fatal(err)
		}
		file := append(append(bytes.Clone(w.buf), 1, 0), c.length...)
		if _, _, err := ReadTokens(bytes.NewReader(file)); !errors.Is(err, c.want) {
			t.Errorf("a length %s: %v, want %v", what, err, c.want)
		}
	}
	w, _ := NewFacWriter(io.Discard, h)
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
		"bytes after it":      {append(bytes.Clone(file), 0), ErrFacCorrupt},
		"a block twice":       {slices.Concat(file[:68+block], file[68:]), ErrFacCorrupt},
		"a block missing":     {slices.Concat(file[:68], file[68+block:]), ErrFacCorrupt},
		"another file":        {[]byte("RIFF....WAVEfmt "), ErrNotFac},
		"text mode transfers": {bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n")), ErrNotFac},
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
		if _, _, err := ReadTokens(bytes.NewReader(file[:n])); !errors.Is(err, ErrFacTruncated) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(file)
			bad[n] ^= flip
			_, _, err := ReadTokens(bytes.NewReader(bad))
			if !errors.Is(err, ErrNotFac) && !errors.Is(err, ErrFacVersion) && !errors.Is(err, ErrFacCorrupt) && !errors.Is(err, ErrFacTruncated) {
				t.Fatalf("byte %d changed by %#x: %v", n, flip, err)
			}
		}
	}
}

// TestFacClaims: a header that claims much, checksum and all, costs little.
func TestFacClaims(t *testing.T) {
	h := FacHeader{SampleRate: 24000, HopLength: 300, CodebookSize: 1 << 16, Books: [NumParts]int{32, 32, 32}, TimbreLen: 1 << 16}
	w, err := NewFacWriter(io.Discard, h)
	if err != nil {
		t.Fatal(err)
	}
	file := append(bytes.Clone(w.buf), 0, 4) // 1024 frames follow
	if _, _, err := ReadTokens(bytes.NewReader(file)); !errors.Is(err, ErrFacTruncated) {
		t.Errorf("%v", err)
	}
	if n := allocates(func() { ReadTokens(bytes.NewReader(file)) }); n > 1<<20 {
		t.Errorf("%d bytes are allocated for a file of %d", n, len(file))
	}
	for _, change := range []func(*FacHeader){
		func(h *FacHeader) { h.SampleRate = 0 }, func(h *FacHeader) { h.HopLength = 0 }, func(h *FacHeader) { h.HopLength = math.MaxInt32 },
		func(h *FacHeader) { h.CodebookSize = 1 }, func(h *FacHeader) { h.CodebookSize = 1<<16 + 1 }, func(h *FacHeader) { h.Books[Content] = 33 },
		func(h *FacHeader) { h.TimbreLen = 1 << 30 }, func(h *FacHeader) { h.TimbreLen = 0 },
		func(h *FacHeader) { h.Books = [NumParts]int{} },
	} {
		bad := h
		change(&bad)
		if _, err := NewFacWriter(io.Discard, bad); !errors.Is(err, ErrTokens) {
			t.Errorf("%+v is written: %v", bad, err)
		}
		f := &FacWriter{buf: bad.bytes()}
		f.seal(0)
		if _, err := NewFacReader(bytes.NewReader(f.buf)); !errors.Is(err, ErrFacCorrupt) {
			t.Errorf("%+v is read: %v", bad, err)
		}
	}
	f := &FacWriter{buf: h.bytes()}
	f.buf[10] = 2 // a flag
	f.seal(0)
	if _, err := NewFacReader(bytes.NewReader(f.buf)); !errors.Is(err, ErrFacVersion) {
		t.Errorf("a flag: %v", err)
	}
}

// TestFacContradictions: sound checksums over what cannot be.
func TestFacContradictions(t *testing.T) {
	tokens, h, _ := smallTokens(t, smallCodec(t), 1000)
	for what, change := range map[string]func(w *FacWriter){
		"a code past the codebook": func(w *FacWriter) {
			w.header.CodebookSize = 31
			w.buf = w.header.bytes()
			w.sum = 0
			w.seal(0)
			w.header.CodebookSize = 32
		},
		"other length": func(w *FacWriter) { w.header.HopLength = 400 },
	} {
		var b bytes.Buffer
		w, err := NewFacWriter(&b, h)
		if err != nil {
			t.Fatal(err)
		}
		change(w)
		high := Codes{}
		high.Append(tokens.Codes)
		high[Prosody][0][2] = 31
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
		if _, _, err := ReadTokens(&b); !errors.Is(err, ErrFacCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFacWriterRefuses what no reader would take.
func TestFacWriterRefuses(t *testing.T) {
	tokens, h, _ := smallTokens(t, smallCodec(t), 1000)
	write := func(change func(*Tokens)) error {
		bad := Tokens{Timbre: slices.Clone(tokens.Timbre), Samples: tokens.Samples}
		bad.Codes.Append(tokens.Codes)
		change(&bad)
		return WriteTokens(io.Discard, h, &bad)
	}
	for what, c := range map[string]struct{ got, want error }{
		"code too large":  {write(func(b *Tokens) { b.Codes[Content][1][0] = 32 }), ErrTokens},
		"code negative":   {write(func(b *Tokens) { b.Codes[Residual][2][3] = -1 }), ErrTokens},
		"a book missing":  {write(func(b *Tokens) { b.Codes[Residual] = b.Codes[Residual][:2] }), ErrTokens},
		"uneven books":    {write(func(b *Tokens) { b.Codes[Content][0] = b.Codes[Content][0][1:] }), ErrTokens},
		"no frames":       {write(func(b *Tokens) { b.Codes = Codes{} }), ErrTokens},
		"too many":        {write(func(b *Tokens) { b.Samples += 300 }), ErrTokens},
		"short timbre":    {write(func(b *Tokens) { b.Timbre = b.Timbre[1:] }), ErrTokens},
		"timbre of NaN":   {write(func(b *Tokens) { b.Timbre[0] = float32(math.NaN()) }), ErrNotFinite},
		"nothing changed": {write(func(*Tokens) {}), nil},
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
	f.Add([]byte(facMagic))
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
func TestFingerprints(t *testing.T) {
	a, err := Open(smallCheckpoint(t, "a.safetensors", smallConfig, false))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Open(smallCheckpoint(t, "b.pth", smallConfig, false))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	qa, da := a.Fingerprints()
	if qb, db := b.Fingerprints(); qa != qb || da != db || qa == da || qa == (Fingerprint{}) {
		t.Errorf("quantizer %v and %v, decoder %v and %v", qa, qb, da, db)
	}
	if len(qa.String()) != 32 || strings.Trim(qa.String(), "0123456789abcdef") != "" {
		t.Errorf("fingerprint %q", qa)
	}
}
