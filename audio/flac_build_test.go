package audio

import (
	"crypto/md5"
	"encoding/binary"
)

// flacFile builds FLAC files that use all that the format has, sound ones and
// others. Samples are [channel][time].
type flacFile struct {
	rate, bits int
	samples    [][]int64
	block      int      // samples per block, 4096 unless set
	blocks     []int    // sizes of blocks that vary, instead
	stereo     int      // stereoPlain, ...
	subframe   subframe // for all channels
	inHeader   bool     // frames leave rate and bits to STREAMINFO
	noMD5      bool
	count      *int64 // the sample count in STREAMINFO instead of the true one
	before     []byte // metadata blocks between STREAMINFO and the padding
}

// subframe says how a channel is coded.
type subframe struct {
	kind       string // "constant", "verbatim", "fixed", "lpc"
	order      int
	wasted     int
	partitions int // exponent
	param      int // Rice parameter; -1: escaped
	wide       bool
	precision  int // of LPC coefficients
	shift      int
	coefs      []int64
}

type bitWriter struct {
	bytes []byte
	used  int // bits of the last byte
}

func (w *bitWriter) put(x int64, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.used == 0 {
			w.bytes = append(w.bytes, 0)
		}
		bit := byte(uint64(x) >> i & 1)
		w.bytes[len(w.bytes)-1] |= bit << (7 - w.used)
		w.used = (w.used + 1) % 8
	}
}

func (w *bitWriter) unary(n int64) {
	for ; n > 0; n-- {
		w.put(0, 1)
	}
	w.put(1, 1)
}

func (f flacFile) build() []byte {
	n := len(f.samples[0])
	block, largest := f.block, 0
	if block == 0 {
		block = 4096
	}
	var frames []byte
	for at, number := 0, 0; at < n; number++ {
		size := min(block, n-at)
		if f.blocks != nil {
			size = min(f.blocks[number%len(f.blocks)], n-at)
		}
		frames = append(frames, f.frame(number, at, size)...)
		at += size
		largest = max(largest, size)
	}
	sum := md5.New()
	for i := range n {
		for _, c := range f.samples {
			word := binary.LittleEndian.AppendUint64(nil, uint64(c[i]))
			sum.Write(word[:(f.bits+7)/8])
		}
	}
	var info bitWriter
	info.put(16, 16)
	info.put(int64(max(largest, 16)), 16)
	info.put(0, 24)
	info.put(0, 24)
	info.put(int64(f.rate), 20)
	info.put(int64(len(f.samples)-1), 3)
	info.put(int64(f.bits-1), 5)
	count := int64(n)
	if f.count != nil {
		count = *f.count
	}
	info.put(count, 36)
	if f.noMD5 {
		info.bytes = append(info.bytes, make([]byte, 16)...)
	} else {
		info.bytes = append(info.bytes, sum.Sum(nil)...)
	}
	b := append([]byte("fLaC\x00\x00\x00\x22"), info.bytes...)
	b = append(b, f.before...)
	b = append(b, "\x81\x00\x00\x03abc"...) // padding, and the last
	return append(b, frames...)
}

func (f flacFile) frame(number, at, size int) []byte {
	var w bitWriter
	w.put(0x3FFE, 14)
	w.put(0, 1)
	variable := f.blocks != nil
	if variable {
		w.put(1, 1)
		number = at
	} else {
		w.put(0, 1)
	}
	w.put(7, 4) // 16 bits of size follow
	rateCode, bitsCode := int64(13), map[int]int64{8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}[f.bits]
	if f.rate > 65535 {
		rateCode = 14
	}
	if f.inHeader {
		rateCode, bitsCode = 0, 0
	}
	w.put(rateCode, 4)
	channels := int64(len(f.samples) - 1)
	if f.stereo != stereoPlain {
		channels = int64(8 + f.stereo - stereoLeftSide)
	}
	w.put(channels, 4)
	w.put(bitsCode, 3)
	w.put(0, 1)
	// The number, as UTF-8 would code a character.
	if number < 0x80 {
		w.put(int64(number), 8)
	} else {
		more := 1
		for number >= 1<<(5*more+6) {
			more++
		}
		w.put(0xFF80>>more&0xFF|int64(number>>(6*more)), 8)
		for more--; more >= 0; more-- {
			w.put(int64(0x80|number>>(6*more)&0x3F), 8)
		}
	}
	w.put(int64(size-1), 16)
	switch rateCode {
	case 13:
		w.put(int64(f.rate), 16)
	case 14:
		w.put(int64(f.rate/10), 16)
	}
	w.put(int64(slowCRC(w.bytes, 8, 0x07)), 8)
	for c := range f.samples {
		x := append([]int64(nil), f.samples[c][at:at+size]...)
		bits := f.bits
		if f.stereo != stereoPlain {
			other := f.samples[1-c][at : at+size]
			side := f.stereo == stereoSideRight && c == 0 || f.stereo != stereoSideRight && c == 1
			for i := range x {
				left, right := x[i], other[i]
				if c == 1 {
					left, right = right, left
				}
				if side {
					x[i] = left - right
				} else if f.stereo == stereoMidSide {
					x[i] = (left + right) >> 1
				}
			}
			if side {
				bits++
			}
		}
		f.subframe.write(&w, x, bits)
	}
	w.put(0, (8-w.used)%8)
	w.put(int64(slowCRC(w.bytes, 16, 0x8005)), 16)
	return w.bytes
}

// slowCRC divides bit by bit.
func slowCRC(b []byte, width int, poly uint32) uint32 {
	var crc uint32
	for _, c := range b {
		for i := 7; i >= 0; i-- {
			top := crc >> (width - 1) & 1
			crc = crc << 1 & (1<<width - 1)
			if top^uint32(c>>i&1) == 1 {
				crc ^= poly
			}
		}
	}
	return crc
}

func (s subframe) write(w *bitWriter, x []int64, bits int) {
	w.put(0, 1)
	kind, coefs := int64(0), s.coefs
	order := min(s.order, len(x))
	switch s.kind {
	case "verbatim":
		kind = 1
	case "fixed":
		kind = int64(8 + order)
		coefs = flacFixed[order]
	case "lpc":
		kind = int64(31 + order)
	}
	w.put(kind, 6)
	if s.wasted > 0 {
		w.put(1, 1)
		w.unary(int64(s.wasted - 1))
		bits -= s.wasted
		for i := range x {
			x[i] >>= s.wasted
		}
	} else {
		w.put(0, 1)
	}
	switch s.kind {
	case "constant":
		w.put(x[0], bits)
		return
	case "verbatim":
		for _, v := range x {
			w.put(v, bits)
		}
		return
	}
	for _, v := range x[:order] {
		w.put(v, bits)
	}
	if s.kind == "lpc" {
		w.put(int64(s.precision-1), 4)
		w.put(int64(s.shift), 5)
		for _, c := range coefs[:order] {
			w.put(c, s.precision)
		}
	}
	s.writeResidual(w, x, coefs, order)
}

func (s subframe) writeResidual(w *bitWriter, x, coefs []int64, order int) {
	paramBits := 4
	w.put(0, 1)
	if s.wide {
		w.put(1, 1)
		paramBits = 5
	} else {
		w.put(0, 1)
	}
	exponent := s.partitions
	for exponent > 0 && (len(x)%(1<<exponent) != 0 || len(x)>>exponent < order) {
		exponent--
	}
	w.put(int64(exponent), 4)
	length := len(x) >> exponent
	for i := order; i < len(x) || i == order; i++ {
		if i == order || i%length == 0 {
			if s.param < 0 {
				w.put(-1, paramBits)
				w.put(31, 5)
			} else {
				w.put(int64(s.param), paramBits)
			}
		}
		if i == len(x) {
			break
		}
		var sum int64
		for k, c := range coefs[:order] {
			sum += c * x[i-1-k]
		}
		r := x[i] - sum>>s.shift
		if s.param < 0 {
			w.put(r, 31)
			continue
		}
		folded := r<<1 ^ r>>63
		w.unary(folded >> s.param)
		w.put(folded, s.param)
	}
}
