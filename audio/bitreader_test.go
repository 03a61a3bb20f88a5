package audio

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// The bit reader against bits taken one by one from the bytes.
func TestBitReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "content")
		br := newBitReader(bytes.NewReader(content))
		pos := 0
		bit := func() uint64 {
			x := uint64(content[pos/8]>>(7-pos%8)) & 1
			pos++
			return x
		}
		for {
			n := rapid.IntRange(0, 56).Draw(t, "bits")
			if pos+n > 8*len(content) {
				br.bits(n)
				if br.err != io.ErrUnexpectedEOF || br.bits(1) != 0 {
					t.Fatalf("at the end: %v", br.err)
				}
				return
			}
			var want uint64
			for range n {
				want = want<<1 | bit()
			}
			if got := br.bits(n); got != want || br.err != nil {
				t.Fatalf("%d bits before %d: %#x, want %#x (%v)", n, pos, got, want, br.err)
			}
			if last := content[len(content)-1]; pos < 8*len(content) && last&1 == 1 {
				want = 0
				for bit() == 0 {
					want++
				}
				if got := br.unary(); got != want {
					t.Fatalf("unary before %d: %d, want %d", pos, got, want)
				}
			}
		}
	})
}

func TestCRCTables(t *testing.T) {
	check := []byte("123456789")
	br := newBitReader(bytes.NewReader(check))
	br.startSum()
	br.bits(56)
	br.bits(16)
	// The published check values of CRC-8 (SMBUS) and CRC-16 (UMTS).
	if got := crc8(check); got != 0xF4 {
		t.Errorf("CRC-8 %#x, want 0xf4", got)
	}
	if got := br.sumUp(); got != 0xFEE8 {
		t.Errorf("CRC-16 %#x, want 0xfee8", got)
	}
}

// TestCRC16: eight bytes at a time are as one by one, wherever pieces end.
func TestCRC16(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "content")
		br := newBitReader(bytes.NewReader(content))
		br.startSum()
		var want uint16
		for len(content) > 0 {
			n := rapid.IntRange(1, len(content)).Draw(t, "bytes")
			for _, c := range content[:n] {
				want ^= uint16(c) << 8
				for range 8 {
					carry := want >> 15
					want = want<<1 ^ carry*0x8005
				}
				br.bits(8)
			}
			content = content[n:]
			if got := br.sumUp(); got != want {
				t.Fatalf("%#x, want %#x", got, want)
			}
		}
	})
}
