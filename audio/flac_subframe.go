package audio

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
)

// The coefficients of the fixed predictors (RFC 9639, section 9.2.5), nearest
// sample first.
var flacFixed = [5][]int64{{}, {1}, {2, -1}, {3, -3, 1}, {4, -6, 4, -1}}

// readSubframe decodes one channel of a frame into dst (section 9.2). The end of
// the stream shows in d.br.err.
func (d *flacDecoder) readSubframe(dst []int64, bits int) error {
	br := d.br
	if br.bits(1) != 0 {
		return errors.New("damaged subframe header")
	}
	kind := int(br.bits(6))
	wasted := 0
	if br.bits(1) == 1 {
		wasted = int(min(br.unary(), 64)) + 1
	}
	bits -= wasted
	if bits < 1 {
		return errors.New("subframe of no bits")
	}
	var err error
	switch {
	case kind == 0: // constant
		x := br.signed(bits)
		for i := range dst {
			dst[i] = x
		}
	case kind == 1: // verbatim
		for i := range dst {
			dst[i] = br.signed(bits)
		}
	case kind >= 8 && kind <= 12:
		err = d.readPredicted(dst, bits, kind-8, false)
	case kind >= 32:
		err = d.readPredicted(dst, bits, kind-31, true)
	default:
		err = errors.New("reserved subframe type")
	}
	if wasted > 0 {
		for i := range dst {
			dst[i] <<= wasted
		}
	}
	return err
}

// readPredicted decodes a subframe with a linear predictor: its first samples,
// the coefficients if they are not fixed, and the residual.
func (d *flacDecoder) readPredicted(dst []int64, bits, order int, coded bool) error {
	br := d.br
	if order > len(dst) {
		return errors.New("predictor longer than its block")
	}
	for i := range dst[:order] {
		dst[i] = br.signed(bits)
	}
	var coefs [maxPredictor]int64 // the nearest sample's first
	shift := 0
	if coded {
		precision := int(br.bits(4)) + 1
		if shift = int(br.signed(5)); precision == 16 || shift < 0 {
			return errors.New("reserved predictor precision or shift")
		}
		for i := range coefs[:order] {
			coefs[i] = br.signed(precision)
		}
	} else {
		copy(coefs[:], flacFixed[order])
	}
	if err := d.readResidual(dst, order); err != nil {
		return err
	}
	if br.err == nil {
		d.predict(dst, coefs[:order], shift, bits)
	}
	return nil
}

// predict is the function predict for samples of so many bits.
func (d *flacDecoder) predict(dst []int64, coefs []int64, shift, bits int) {
	var reach int64 // of sums, relative to the largest sample
	for _, c := range coefs {
		reach += max(c, -c)
	}
	if len(coefs) < 2 || len(coefs) > maxPaired || reach<<(bits-1) >= 1<<31 {
		predict(dst, coefs, shift)
		return
	}
	d.pairs = slices.Grow(d.pairs[:0], len(dst))[:len(dst)]
	predictPairs(dst, coefs, shift, d.pairs)
}

// maxPredictor is the largest order of a predictor.
const maxPredictor = 32

// predict adds to every residual in dst, from the first that has enough samples
// before it, what the predictor makes of those.
func predict(dst []int64, coefs []int64, shift int) {
	// Four at a time: coefficients of 0 go with older samples, but for the first ones, that
	// have no older.
	order := len(coefs)
	wide := (order + 3) / 4 * 4
	var memory [maxPredictor]int64
	oldest := memory[:wide] // the coefficients in the order of the samples
	for k, c := range coefs {
		oldest[wide-1-k] = c
	}
	for i := order; i < min(wide, len(dst)); i++ {
		var sum int64
		for k, c := range coefs {
			sum += c * dst[i-1-k]
		}
		dst[i] += sum >> shift
	}
	for i := wide; i < len(dst); i++ {
		before := dst[i-wide : i]
		var sum int64
		for k := 0; k+4 <= len(oldest) && k+4 <= len(before); k += 4 {
			c, x := (*[4]int64)(oldest[k:]), (*[4]int64)(before[k:])
			sum += c[0]*x[0] + c[1]*x[1] + c[2]*x[2] + c[3]*x[3]
		}
		dst[i] += sum >> shift
	}
}

// maxPaired is the largest order that predictPairs takes, that of the encoders' presets.
const maxPaired = 12

// predictPairs is predict for two samples at a time, where sums of products are less than
// 1<<31: every multiplication serves both. pairs, as long as dst, holds samples with the ones
// behind them, x[i] + x[i+1]<<32. A sample out of range, which only a damaged file has, is
// right if all before it are in range.
func predictPairs(dst []int64, coefs []int64, shift int, pairs []int64) {
	// All but the nearest sample's coefficient, in the order of the samples; coefficients of 0
	// go with older samples.
	order := len(coefs)
	wide := (order + 2) / 4 * 4
	var oldest [maxPaired]int64
	for k, c := range coefs[1:] {
		oldest[wide-1-k] = c
	}
	first := min(wide+1, len(dst)) // with so many samples before it
	for i := order; i < first; i++ {
		var sum int64
		for k, c := range coefs {
			sum += c * dst[i-1-k]
		}
		dst[i] += sum >> shift
	}
	for i := range first - 1 {
		pairs[i] = dst[i] + dst[i+1]<<32
	}
	nearest := coefs[0]
	shift &= 63
	i, last := first, dst[first-1]
	for ; i+2 <= len(dst); i += 2 {
		var sum int64
		switch wide {
		case 4:
			p := (*[4]int64)(pairs[i-5:])
			sum = oldest[0]*p[0] + oldest[1]*p[1] + oldest[2]*p[2] + oldest[3]*p[3]
		case 8:
			p := (*[8]int64)(pairs[i-9:])
			sum = oldest[0]*p[0] + oldest[1]*p[1] + oldest[2]*p[2] + oldest[3]*p[3] +
				oldest[4]*p[4] + oldest[5]*p[5] + oldest[6]*p[6] + oldest[7]*p[7]
		default:
			p := (*[12]int64)(pairs[i-13:])
			sum = oldest[0]*p[0] + oldest[1]*p[1] + oldest[2]*p[2] + oldest[3]*p[3] +
				oldest[4]*p[4] + oldest[5]*p[5] + oldest[6]*p[6] + oldest[7]*p[7] +
				oldest[8]*p[8] + oldest[9]*p[9] + oldest[10]*p[10] + oldest[11]*p[11]
		}
		low := int64(int32(sum)) // of the first of the two; above it, that of the second
		high := (sum - low) >> 32
		x := (*[2]int64)(dst[i:])
		a := x[0] + (low+nearest*last)>>shift
		b := x[1] + (high+nearest*a)>>shift
		x[0], x[1] = a, b
		p := (*[2]int64)(pairs[i-1:])
		p[0], p[1] = last+a<<32, a+b<<32
		last = b
	}
	if i < len(dst) {
		var sum int64
		for k, c := range coefs {
			sum += c * dst[i-1-k]
		}
		dst[i] += sum >> shift
	}
}

// readResidual reads the Rice-coded residual behind the first samples (section
// 9.2.7): partitions of equal size, each with its own parameter.
func (d *flacDecoder) readResidual(dst []int64, order int) error {
	br := d.br
	method := br.bits(2)
	if method > 1 {
		return errors.New("reserved residual coding")
	}
	paramBits := 4 + int(method)
	escape := uint64(1)<<paramBits - 1
	partitions := 1 << br.bits(4)
	length := len(dst) / partitions
	if length*partitions != len(dst) || length < order {
		return errors.New("residual partitions do not fit the block")
	}
	from := order
	for p := 1; p <= partitions; p++ {
		part := dst[from : p*length]
		from = p * length
		param := br.bits(paramBits)
		if param == escape {
			raw := int(br.bits(5))
			for i := range part {
				part[i] = br.signed(raw)
			}
		} else if !readRice(br, part, int(param)) {
			return errors.New("residual out of range")
		}
		if br.err != nil {
			return nil
		}
	}
	return nil
}

// readRice reads one partition: the high part in unary, the low in binary, and the
// sign in the lowest bit. False means a residual of more than 32 bits.
func readRice(br *bitReader, part []int64, param int) bool {
	highest := uint64(math.MaxUint32) >> param
	buf, pos, loadable := br.buf, br.pos, br.loadable()
	for i := range part {
		var high, low uint64
		word, zeros := uint64(0), 64
		if pos <= loadable {
			word = binary.BigEndian.Uint64(buf[pos>>3:]) << (pos & 7)
			zeros = bits.LeadingZeros64(word)
		}
		if zeros+1+param <= loadedBits { // nearly always
			high = uint64(zeros)
			low = word << ((zeros + 1) & 63) >> 1 >> ((63 - param) & 63)
			pos += zeros + 1 + param
		} else {
			br.pos = pos
			high = br.unary()
			if high > highest {
				return false
			}
			low = br.bits(param)
			pos, loadable = br.pos, br.loadable()
		}
		if high > highest {
			return false
		}
		x := high<<param | low
		part[i] = int64(x>>1) ^ -int64(x&1)
	}
	br.pos = pos
	return true
}
