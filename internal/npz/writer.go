package npz

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/facodec-go/facodec/internal/float16"
	"github.com/facodec-go/facodec/internal/plural"
)

// A Writer writes a .npz archive front to back, without seeking and without
// holding an array in memory. Members are stored, not packed, as numpy.savez
// does: codes and samples hardly pack, and a stored member can be mapped.
type Writer struct {
	zip  *zip.Writer
	seen map[string]bool
	err  error // the first; nothing is written after it
}

// NewWriter starts an archive on w. It is whole only after Close.
func NewWriter(w io.Writer) *Writer {
	return &Writer{zip: zip.NewWriter(w), seen: map[string]bool{}}
}

// Write adds an array. Data is a slice of float32, float64, int32 or int64 in
// row-major order, as long as the shape says; an empty shape is a single number.
func (w *Writer) Write(name string, shape []int, data any) error {
	switch data := data.(type) {
	case []float32:
		return writeSlice(w, name, shape, Float32, data, func(b []byte, v float32) []byte {
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		})
	case []float64:
		return writeSlice(w, name, shape, Float64, data, func(b []byte, v float64) []byte {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		})
	case []int32:
		return writeSlice(w, name, shape, Int32, data, func(b []byte, v int32) []byte {
			return binary.LittleEndian.AppendUint32(b, uint32(v))
		})
	case []int64:
		return writeSlice(w, name, shape, Int64, data, func(b []byte, v int64) []byte {
			return binary.LittleEndian.AppendUint64(b, uint64(v))
		})
	}
	return w.fail(name, fmt.Errorf("elements of %T are not supported", data))
}

// WriteFloat16 adds an array rounded to half precision.
func (w *Writer) WriteFloat16(name string, shape []int, data []float32) error {
	return writeSlice(w, name, shape, Float16, data, func(b []byte, v float32) []byte {
		return binary.LittleEndian.AppendUint16(b, float16.FromFloat32(v))
	})
}

func writeSlice[T any](w *Writer, name string, shape []int, dtype DType, data []T, put func([]byte, T) []byte) error {
	return w.WriteFunc(name, shape, dtype, func(out io.Writer) error {
		var buf []byte
		for len(data) > 0 {
			n := min(len(data), 4096)
			buf = buf[:0]
			for _, v := range data[:n] {
				buf = put(buf, v)
			}
			data = data[n:]
			if _, err := out.Write(buf); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteFunc adds an array whose bytes, row-major and little-endian, fill writes
// bit by bit: exactly as many as shape and dtype say, or it is an error.
func (w *Writer) WriteFunc(name string, shape []int, dtype DType, fill func(io.Writer) error) error {
	if w.err != nil {
		return w.err
	}
	if name == "" || w.seen[name] {
		return w.fail(name, errors.New("the name is empty or used already"))
	}
	head, size, err := encodeHeader(shape, dtype)
	if err != nil {
		return w.fail(name, err)
	}
	w.seen[name] = true
	// NumPy's own constant date: equal arrays make equal files.
	out, err := w.zip.CreateHeader(&zip.FileHeader{
		Name: name + ".npy", Method: zip.Store,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return w.fail(name, err)
	}
	body := &exactWriter{w: bufio.NewWriterSize(out, 1<<16), left: size}
	if _, err := body.w.Write(head); err != nil {
		return w.fail(name, err)
	}
	if err := fill(body); err != nil {
		return w.fail(name, err)
	}
	if body.left != 0 {
		return w.fail(name, fmt.Errorf("%s of data missing for %s %v", plural.Of(body.left, "byte"), dtype, shape))
	}
	if err := body.w.Flush(); err != nil {
		return w.fail(name, err)
	}
	return nil
}

// Close ends the archive, unless a write failed: then it returns that error.
// It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.zip.Close(); err != nil {
		w.err = fmt.Errorf("write npz: %w", err)
		return w.err
	}
	w.err = errors.New("write npz: already closed")
	return nil
}

func (w *Writer) fail(name string, err error) error {
	if w.err == nil {
		w.err = fmt.Errorf("write array %q: %w", name, err)
	}
	return w.err
}

// An exactWriter refuses what goes over its size, so that a wrong shape shows
// where it is made and not where the file is read.
type exactWriter struct {
	w    *bufio.Writer
	left int64
}

func (e *exactWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > e.left {
		return 0, fmt.Errorf("%s of data too many", plural.Of(int64(len(p))-e.left, "byte"))
	}
	n, err := e.w.Write(p)
	e.left -= int64(n)
	return n, err
}

// encodeHeader makes a version 1.0 header, padded with spaces to a multiple of
// 64 bytes as NumPy does, so that the data can be mapped and are aligned.
func encodeHeader(shape []int, dtype DType) (head []byte, size int64, err error) {
	if !dtype.known() {
		return nil, 0, fmt.Errorf("%s is not an element type", dtype)
	}
	if len(shape) > maxDims {
		return nil, 0, fmt.Errorf("%d axes are more than NumPy's %d", len(shape), maxDims)
	}
	dims := make([]string, len(shape))
	size = int64(dtype.Size())
	for i, n := range shape {
		if n < 0 || (n > 0 && size > math.MaxInt64/int64(n)) {
			return nil, 0, fmt.Errorf("shape %v is not possible", shape)
		}
		size *= int64(n)
		dims[i] = strconv.Itoa(n)
	}
	tuple := strings.Join(dims, ", ")
	if len(dims) == 1 {
		tuple += "," // Python's tuple of one
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype.descr(), tuple)
	const fixed = len(magic) + 2 + 2 // magic, version, length
	total := (fixed + len(dict) + 1 + 63) / 64 * 64
	head = append(head, magic...)
	head = append(head, 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(total-fixed))
	head = append(head, dict...)
	for len(head) < total-1 {
		head = append(head, ' ')
	}
	return append(head, '\n'), size, nil
}
