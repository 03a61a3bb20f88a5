package weights

import (
	"archive/zip"
	"io"
	"math"
	"strconv"
	"strings"
)

// A Layout says what a PyTorch file holds around the tensors.
type Layout struct {
	// Flat puts all tensors into one state dict under "net", with their names
	// as they are, like the file of the pitch network. Otherwise the part of
	// the name before the first dot is the network that a tensor belongs to.
	Flat bool
	// Bare is Flat without "net" and without Values: the file is a state dict, as one
	// network alone is published.
	Bare bool
	// Values stand beside "net": bool, int, int64, float64, string or nil. The
	// upstream scripts expect "iters" and "epoch", which are 0 unless given.
	Values map[string]any
}

// WriteTorch writes PyTorch's zip format, which torch.load opens, with
// weights_only too:
//
//	{"net": {"encoder": {key: tensor}, …}, "epoch": 0, "iters": 0}
func WriteTorch(path string, arrays []Array, layout Layout, progress func(done, total int64)) error {
	return write(path, func(out io.Writer) error {
		total, err := check(arrays)
		if err != nil {
			return err
		}
		pickle, err := layout.pickle(arrays)
		if err != nil {
			return err
		}
		z := newTorchWriter(out)
		if err := z.text("data.pkl", pickle); err != nil {
			return err
		}
		if err := z.text("byteorder", "little"); err != nil {
			return err
		}
		w := &writer{progress: progress, total: total}
		for i, a := range arrays {
			record, err := z.record("data/" + strconv.Itoa(i))
			if err != nil {
				return err
			}
			if err := w.array(record, a); err != nil {
				return err
			}
		}
		if err := z.text("version", "3\n"); err != nil {
			return err
		}
		return z.archive.Close()
	})
}

// A torchWriter writes the records of a PyTorch archive: uncompressed, and
// aligned so that they can be mapped.
type torchWriter struct {
	archive *zip.Writer
	out     countingWriter
	data    int64 // where the data of the last record starts; 0 before the first
}

type countingWriter struct {
	io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

func newTorchWriter(out io.Writer) *torchWriter {
	z := &torchWriter{out: countingWriter{Writer: out}}
	z.archive = zip.NewWriter(&z.out)
	return z
}

// record starts a record. As in torch's own files, an extra field called FB
// fills the header up to the next multiple of 64.
func (z *torchWriter) record(name string) (io.Writer, error) {
	if err := z.archive.Flush(); err != nil { // or z.out.n would lag behind
		return nil, err
	}
	name = "archive/" + name
	const localHeader, align = 30, 64
	at := z.out.n
	if z.data > 0 {
		at += 16 // the last record's checksum and sizes are still to come
		if z.out.n-z.data > math.MaxUint32 {
			at += 8
		}
	}
	fill := int(-(at + localHeader + int64(len(name)) + 4) & (align - 1))
	extra := append([]byte{'F', 'B', byte(fill), 0}, strings.Repeat("Z", fill)...)
	w, err := z.archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Extra: extra})
	if err != nil {
		return nil, err
	}
	if err := z.archive.Flush(); err != nil {
		return nil, err
	}
	z.data = z.out.n
	return w, nil
}

func (z *torchWriter) text(name, content string) error {
	w, err := z.record(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, content)
	return err
}
