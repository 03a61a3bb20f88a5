package npz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/facodec-go/facodec/internal/plural"
)

const (
	magic     = "\x93NUMPY"
	maxHeader = 1 << 16
	maxDims   = 32 // as NumPy
	// maxArray bounds one array in memory: far above what any file of ours
	// holds, far below what would take a machine down.
	maxArray = 4 << 30
)

// An Array is one array in row-major (C) order, whatever its order in the file.
type Array struct {
	DType DType
	Shape []int // empty: a single number
	// The elements, in the one slice that fits the type:
	F32 []float32 // float16 and float32
	F64 []float64 // float64
	Int []int64   // integers, and booleans as 0 and 1
}

// Len returns the number of elements.
func (a *Array) Len() int { return len(a.F32) + len(a.F64) + len(a.Int) }

// header is what stands before an array's bytes.
type header struct {
	dtype     DType
	bigEndian bool
	fortran   bool
	shape     []int
	count     int // elements
}

// ReadNPY reads the one array of a .npy file, to the end of r.
func ReadNPY(r io.Reader) (*Array, error) { return readNPY(r, maxArray) }

// readNPY refuses arrays of over limit bytes before it reads their elements.
func readNPY(r io.Reader, limit int64) (*Array, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	size := int64(h.count) * int64(h.dtype.Size())
	if size > limit {
		return nil, fmt.Errorf("array %s %v would take %s, more than the file can hold", h.dtype, h.shape, plural.Of(size, "byte"))
	}
	// Not make([]byte, size): the header may lie, and a buffer that grows with
	// what is there costs no more than the file does.
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.LimitReader(r, size+1)); err != nil {
		return nil, fmt.Errorf("read array data: %w", err)
	}
	if int64(buf.Len()) != size {
		state := "too short"
		if int64(buf.Len()) > size {
			state = "followed by more bytes"
		}
		return nil, fmt.Errorf("array data is %s: %s %v takes %s", state, h.dtype, h.shape, plural.Of(size, "byte"))
	}
	return decode(h, buf.Bytes()), nil
}

func readHeader(r io.Reader) (*header, error) {
	var start [8]byte // magic, major, minor
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:6]) != magic {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		return nil, errors.New("not a NumPy array")
	}
	var lenBytes [4]byte
	width := 4
	switch start[6] {
	case 1:
		width = 2
	case 2, 3:
	default:
		return nil, fmt.Errorf("NumPy format version %d.%d is not supported", start[6], start[7])
	}
	if _, err := io.ReadFull(r, lenBytes[:width]); err != nil {
		return nil, fmt.Errorf("read array header: %w", noEOF(err))
	}
	n := binary.LittleEndian.Uint32(lenBytes[:])
	if n > maxHeader {
		return nil, fmt.Errorf("array header of %s is not supported", plural.Of(n, "byte"))
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("read array header: %w", noEOF(err))
	}
	return parseHeader(string(text))
}

// noEOF keeps a file that ends too early from looking like one that ended.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHeader reads the Python dictionary that describes the array, of which
// NumPy writes three keys in the alphabet's order and others any.
func parseHeader(s string) (*header, error) {
	p := dictParser{s: s}
	h := &header{count: 1}
	seen := map[string]bool{}
	p.expect("{")
	for p.err == nil && !p.accept("}") {
		key := p.str()
		p.expect(":")
		if seen[key] {
			return nil, fmt.Errorf("array header has %q twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			if descr := p.str(); p.err == nil {
				h.dtype, h.bigEndian, p.err = parseDescr(descr)
			}
		case "fortran_order":
			h.fortran = p.boolean()
		case "shape":
			h.shape = p.tuple()
		default:
			p.fail()
		}
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	if p.err == nil && strings.TrimSpace(p.s) != "" {
		p.fail()
	}
	if p.err != nil {
		return nil, p.err
	}
	if len(seen) != 3 {
		return nil, errors.New("array header lacks descr, fortran_order or shape")
	}
	for _, n := range h.shape {
		if n != 0 && h.count > math.MaxInt32/n {
			return nil, fmt.Errorf("array shape %v is too large", h.shape)
		}
		h.count *= n
	}
	return h, nil
}

// dictParser takes tokens off the front of s. After an error it stands still.
type dictParser struct {
	s   string
	err error
}

func (p *dictParser) fail() {
	if p.err == nil {
		p.err = fmt.Errorf("array header is not understood at %.20q", p.s)
	}
}

func (p *dictParser) accept(tok string) bool {
	p.s = strings.TrimLeft(p.s, " \n")
	if p.err != nil || !strings.HasPrefix(p.s, tok) {
		return false
	}
	p.s = p.s[len(tok):]
	return true
}

func (p *dictParser) expect(tok string) {
	if !p.accept(tok) {
		p.fail()
	}
}

func (p *dictParser) str() string {
	quote := "'"
	if !p.accept(quote) {
		quote = `"`
		p.expect(quote)
	}
	text, rest, ok := strings.Cut(p.s, quote)
	if !ok || p.err != nil {
		p.fail()
		return ""
	}
	p.s = rest
	return text
}

func (p *dictParser) boolean() bool {
	if p.accept("True") {
		return true
	}
	p.expect("False")
	return false
}

func (p *dictParser) tuple() []int {
	dims := []int{}
	p.expect("(")
	for p.err == nil && !p.accept(")") {
		end := 0
		for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' {
			end++
		}
		n, err := strconv.ParseInt(p.s[:end], 10, 32)
		if err != nil || len(dims) == maxDims {
			p.fail()
			break
		}
		dims = append(dims, int(n))
		p.s = p.s[end:]
		if !p.accept(",") {
			p.expect(")")
			break
		}
	}
	return dims
}
