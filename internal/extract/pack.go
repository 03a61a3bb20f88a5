package extract

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/parquet"
)

// A Row is a line of Line, read again.
type Row struct {
	Path       string    `json:"path"`
	Key        string    `json:"key"`
	Speaker    string    `json:"speaker"`
	Samples    int64     `json:"samples"`
	SampleRate int       `json:"sample_rate"`
	Frames     int       `json:"frames"`
	Prosody    [][]int32 `json:"codes_prosody"`
	Content    [][]int32 `json:"codes_content"`
	Residual   [][]int32 `json:"codes_residual"`
	Timbre     []float32 `json:"timbre"`
}

// ParseRow reads a line of Line.
func ParseRow(line []byte) (r Row, err error) {
	err = json.Unmarshal(line, &r)
	return r, err
}

func (r *Row) codes() facodec.Codes { return facodec.Codes{r.Prosody, r.Content, r.Residual} }

// Size is how many bytes a recording of so many frames takes in a packed file at most: in a
// WebDataset shard with its headers, and in a table before compression. name is the length
// of its path.
func Size(format string, w What, books, frames, latent, name int) int64 {
	n := int64(512) + 3*int64(name) // labels, with the key and the path; a byte of a name may be escaped
	arrays := int64(0)
	if w.Codes {
		n += 4 * int64(books) * int64(frames)
		arrays += int64(facodec.NumParts)
	}
	if w.Timbre {
		n += int64(latent) * int64(floatType(w.Float16).Size())
		arrays++
	}
	if format == "webdataset" {
		const block = 512
		n += 300*arrays + 22 // the headers of the arrays, of NumPy and twice of zip
		n += 2 * 2 * block   // the headers of two members, and what fills their last blocks
		if 3*name+10 > 100 { // more of a name than a header holds comes in blocks before it
			n += 2 * (3*block + 3*int64(name))
		}
	}
	return n
}

// Trailer is how many bytes the end of a packed file takes.
const Trailer = 1024

// A Packer writes a file of many recordings.
type Packer interface {
	Add(Row) error
	Close() error // of the format; the file stays open
}

// Origin is what the recordings of a packed file have in common.
type Origin struct {
	What
	HopLength int
	Model     string // fingerprint
}

// NewPacker begins a WebDataset shard, "webdataset", or a Parquet table, "parquet".
//
// A sample of a shard has key.npz, with the arrays as File writes them, and key.json. Dots
// in the last part of a key, which would end it, and two underscores in front, are
// percent-encoded in the names of its members; the JSON has the key as it is.
//
// A row of a table has key, path, speaker, which may be null, samples, sample_rate, hop_length,
// frames and model; codes are lists of books of int32, the timbre is a list of float32, or of
// float16.
func NewPacker(format string, out io.Writer, o Origin) (Packer, error) {
	if format == "webdataset" {
		return &tarPacker{tar.NewWriter(out), o}, nil
	}
	return newTablePacker(out, o)
}

type tarPacker struct {
	tar *tar.Writer
	o   Origin
}

func (p *tarPacker) Close() error { return p.tar.Close() }

func (p *tarPacker) Add(r Row) error {
	var arrays bytes.Buffer
	z := npz.NewWriter(&arrays)
	if p.o.Codes {
		for part, books := range r.codes() {
			err := z.WriteFunc("codes_"+facodec.Part(part).String(), []int{len(books), r.Frames}, npz.Int32, func(out io.Writer) error {
				for _, book := range books {
					if err := binary.Write(out, binary.LittleEndian, book); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	if p.o.Timbre {
		err := z.WriteFunc("timbre", []int{len(r.Timbre)}, floatType(p.o.Float16), func(out io.Writer) error {
			var b []byte
			for _, v := range r.Timbre {
				b = appendFloat(b, v, p.o.Float16)
			}
			_, err := out.Write(b)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	var about bytes.Buffer
	enc := json.NewEncoder(&about)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Key        string `json:"key"`
		Path       string `json:"path"`
		Speaker    string `json:"speaker,omitempty"`
		Samples    int64  `json:"samples"`
		SampleRate int    `json:"sample_rate"`
		HopLength  int    `json:"hop_length"`
		Frames     int    `json:"frames"`
		Model      string `json:"model"`
	}{r.Key, r.Path, r.Speaker, r.Samples, r.SampleRate, p.o.HopLength, r.Frames, p.o.Model}); err != nil {
		return err
	}
	name := memberName(r.Key)
	for _, member := range []struct {
		extension string
		data      []byte
	}{{".npz", arrays.Bytes()}, {".json", about.Bytes()}} {
		// Nothing of the time and of who wrote it: the same recordings make the same file.
		if err := p.tar.WriteHeader(&tar.Header{Name: name + member.extension, Size: int64(len(member.data)), Mode: 0o644}); err != nil {
			return err
		}
		if _, err := p.tar.Write(member.data); err != nil {
			return err
		}
	}
	return nil
}

// memberName returns a key such that webdataset (tariterators.py, base_plus_ext and
// skip_meta) finds it as the key.
func memberName(key string) string {
	dir, base := path.Split(key)
	base = strings.ReplaceAll(base, ".", "%2E")
	if strings.HasPrefix(base, "__") {
		base = "%5F" + base[1:]
	}
	return dir + base
}

// A tablePacker writes a Parquet table.
type tablePacker struct {
	w *parquet.Writer
	o Origin
}

func newTablePacker(out io.Writer, o Origin) (*tablePacker, error) {
	fields := []parquet.Field{
		{Name: "key", Type: parquet.String}, {Name: "path", Type: parquet.String}, {Name: "speaker", Type: parquet.String, Optional: true},
		{Name: "samples", Type: parquet.Int64}, {Name: "sample_rate", Type: parquet.Int32}, {Name: "hop_length", Type: parquet.Int32},
		{Name: "frames", Type: parquet.Int32}, {Name: "model", Type: parquet.String},
	}
	if o.Codes {
		for part := range facodec.NumParts {
			fields = append(fields, parquet.Field{Name: "codes_" + part.String(), Type: parquet.Int32, Lists: 2})
		}
	}
	if o.Timbre {
		float := parquet.Float32
		if o.Float16 {
			float = parquet.Float16
		}
		fields = append(fields, parquet.Field{Name: "timbre", Type: float, Lists: 1})
	}
	w, err := parquet.NewWriter(out, fields)
	return &tablePacker{w, o}, err
}

func (p *tablePacker) Close() error { return p.w.Close() }

func (p *tablePacker) Add(r Row) error {
	p.w.String(0, r.Key)
	p.w.String(1, r.Path)
	if r.Speaker == "" {
		p.w.Null(2)
	} else {
		p.w.String(2, r.Speaker)
	}
	for i, v := range []int64{r.Samples, int64(r.SampleRate), int64(p.o.HopLength), int64(r.Frames)} {
		p.w.Int(3+i, v)
	}
	p.w.String(7, p.o.Model)
	column := 8
	if p.o.Codes {
		for _, books := range r.codes() {
			p.w.Ints(column, books)
			column++
		}
	}
	if p.o.Timbre {
		p.w.Floats(column, r.Timbre)
	}
	if err := p.w.EndRow(); err != nil {
		return fmt.Errorf("%s: %w", r.Path, err)
	}
	return nil
}
