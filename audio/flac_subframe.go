package audio

import (
	"errors"
	"math"
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
		predict(dst, coefs[:order], shift)
	}
	return nil
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
	for i := range part {
		high := br.unary()
		if high > math.MaxUint32>>param {
			return false
		}
		x := high<<param | br.bits(param)
		part[i] = int64(x>>1) ^ -int64(x&1)
	}
	return true
}
