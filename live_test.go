package facodec

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// TestStreamIsTheUtterance writes in pieces of all sizes and compares with the
// whole.
func TestStreamIsTheUtterance(t *testing.T) {
	c := smallCodec(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 299, 300, 301, 2999, 3300, 10000} {
		x := vowel(n, 24000)
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
			s := c.NewStream().SpeakWith(d, residual)
			for range 2 { // a stream serves one utterance after the other
				var got []float32
				var codes Codes
				buf := make([]float32, 700)
				drain := func() {
					for s.Buffered() > 0 {
						got = append(got, buf[:s.Read(buf)]...)
					}
					codes.Append(s.ReadCodes())
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
				if !slices.Equal(got, want) || !reflect.DeepEqual(codes, tokens.Codes) {
					t.Fatalf("%d samples, residual %v: %d samples heard, %d frames, or others", n, residual, len(got), codes.Frames())
				}
			}
		}
	}
}

func TestStreamDelay(t *testing.T) {
	c := smallCodec(t)
	x := vowel(24000, 24000)
	tokens, _ := c.Encode(x)
	d, _ := c.NewDecoder(tokens.Timbre)
	s := c.NewStream().SpeakWith(d, true)
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
	if s.Buffered() != 0 || s.ReadCodes().Frames() != 0 {
		t.Error("something is left after Reset")
	}
}
