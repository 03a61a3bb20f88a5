package facodec

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/facodec-go/facodec/internal/codectest"
)

// TestStreamIsTheUtterance writes in pieces of all sizes and compares with the
// whole.
func TestStreamIsTheUtterance(t *testing.T) {
	c := smallCodec(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 299, 300, 301, 2999, 3300, 10000} {
		x := codectest.Vowel(n, 24000)
		tokens, _ := c.Encode(x)
		d, err := c.NewDecoder(tokens.Timbre)
		if err != nil {
			t.Fatal(err)
		}
		for _, residual := range []bool{true, false} {
			want, _ := c.Reconstruct(x)
			if !residual {
				want, _ = c.Convert(x, tokens.Timbre)
			}
			var parts []Part // all
			if !residual {
				parts = []Part{Prosody, Content}
			}
			s := c.NewStream(d, parts...)
			for range 2 { // a stream serves one utterance after the other
				var got []float32
				buf := make([]float32, 700)
				drain := func() {
					for s.Buffered() > 0 {
						got = append(got, buf[:s.Read(buf)]...)
					}
				}
				for at := 0; at < n; {
					to := min(n, at+rng.IntN(900))
					if err := s.Write(x[at:to]); err != nil {
						t.Fatal(err)
					}
					at = to
					drain()
				}
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				drain()
				if !slices.Equal(got, want) {
					t.Fatalf("%d samples, residual %v: %d samples came out, or others", n, residual, len(got))
				}
			}
		}
	}
}

func TestStreamDelay(t *testing.T) {
	c := smallCodec(t)
	x := codectest.Vowel(24000, 24000)
	tokens, _ := c.Encode(x)
	d, _ := c.NewDecoder(tokens.Timbre)
	s := c.NewStream(d)
	first := 0
	for at := range x {
		if err := s.Write(x[at : at+1]); err != nil {
			t.Fatal(err)
		}
		if s.Buffered() > 0 {
			first = at + 1
			break
		}
	}
	// Ten frames, and the 25 ms that the prosody's mel looks ahead.
	if first != 3300 {
		t.Errorf("the first sound comes after %d samples, want 3300", first)
	}
	heard := s.Buffered()
	if err := s.Write(x[first : first+300]); err != nil {
		t.Fatal(err)
	}
	if s.Buffered() != heard+300 {
		t.Errorf("a frame more brought %d samples", s.Buffered()-heard)
	}
	if err := s.Write([]float32{float32(math.NaN())}); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
	s.Reset()
	if s.Buffered() != 0 {
		t.Error("something is left after Reset")
	}
}

// TestEncoderIsTheUtterance encodes in pieces of all sizes, one utterance after the
// other, and compares with the whole.
func TestEncoderIsTheUtterance(t *testing.T) {
	c := smallCodec(t)
	rng := rand.New(rand.NewPCG(2, 1))
	e := c.NewEncoder()
	for _, n := range []int{1, 299, 300, 301, 2999, 3300, 10000} {
		x := codectest.Vowel(n, 24000)
		tokens, _ := c.Encode(x)
		var codes Codes
		for at := 0; at < n; {
			to := min(n, at+rng.IntN(900))
			more, err := e.Push(x[at:to])
			if err != nil {
				t.Fatal(err)
			}
			codes.Append(more)
			at = to
		}
		last, err := e.Flush()
		if err != nil {
			t.Fatal(err)
		}
		codes.Append(last)
		if !reflect.DeepEqual(codes, tokens.Codes) {
			t.Fatalf("%d samples: %d frames, or other codes", n, codes.Frames())
		}
	}
}

// TestStreamKeepsNothing: a stream that is read holds as much after minutes as it does
// after a second.
func TestStreamKeepsNothing(t *testing.T) {
	c := smallCodec(t)
	x := codectest.Vowel(24000, 24000)
	timbre, err := c.Timbre(x)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	s := c.NewStream(d)
	buf := make([]float32, len(x))
	held := func(seconds int) int64 {
		for range seconds {
			if err := s.Write(x); err != nil {
				t.Fatal(err)
			}
			for s.Read(buf) > 0 {
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held(2)
	// 80 frames of 6 codes of 4 bytes each second: 77 kB, were they kept.
	if grown := held(40) - before; grown > 40<<10 {
		t.Errorf("%d bytes more after 40 seconds", grown)
	}
	runtime.KeepAlive(s)
}
