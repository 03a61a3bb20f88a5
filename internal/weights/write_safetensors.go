package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/facodec-go/facodec/internal/plural"
)

// WriteSafetensors writes a safetensors file, tensor by tensor. The metadata may
// be nil, and so may progress, which is told the bytes written and to write.
func WriteSafetensors(path string, arrays []Array, metadata map[string]string, progress func(done, total int64)) error {
	return write(path, func(out io.Writer) error { return EncodeSafetensors(out, arrays, metadata, progress) })
}

// EncodeSafetensors is WriteSafetensors to a writer, front to back.
func EncodeSafetensors(out io.Writer, arrays []Array, metadata map[string]string, progress func(done, total int64)) error {
	total, err := check(arrays)
	if err != nil {
		return err
	}
	// Wider types first, as the format's own writer does: every tensor is then
	// aligned, without holes.
	arrays = slices.Clone(arrays)
	slices.SortStableFunc(arrays, func(a, b Array) int { return b.DType.Size() - a.DType.Size() })
	header, err := safetensorsHeader(arrays, metadata)
	if err != nil {
		return err
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	w := &writer{progress: progress, total: total}
	for _, a := range arrays {
		if err := w.array(out, a); err != nil {
			return err
		}
	}
	return nil
}

// safetensorsHeader returns the length and the JSON object, padded so that the
// data starts on a cache line.
func safetensorsHeader(arrays []Array, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		b.WriteString(`"__metadata__":`)
		text, err := json.Marshal(metadata)
		if err != nil {
			return nil, err
		}
		b.Write(text)
	}
	at := 0
	for _, a := range arrays {
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(a.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, a.Shape...)) // never null
		if err != nil {
			return nil, err
		}
		n, err := elements(a.Shape, a.DType.Size())
		if err != nil {
			return nil, err
		}
		end := at + n*a.DType.Size()
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, name, a.DType, shape, at, end)
		at = end
	}
	b.WriteByte('}')
	for b.Len()%64 != 0 {
		b.WriteByte(' ')
	}
	header := b.Bytes()
	if len(header)-8 > maxHeader {
		return nil, fmt.Errorf("a header of %s, the format allows %d", plural.Of(len(header)-8, "byte"), maxHeader)
	}
	binary.LittleEndian.PutUint64(header, uint64(len(header)-8))
	return header, nil
}
