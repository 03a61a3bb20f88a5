package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/plural"
)

// maxHeader is the format's own limit on its header.
const maxHeader = 100 << 20

// looksLikeSafetensors reports whether data starts as a safetensors file: the
// length of the header, then a JSON object.
func looksLikeSafetensors(data []byte) bool {
	if len(data) <= 8 || binary.LittleEndian.Uint64(data) > 1<<40 {
		return false
	}
	head := bytes.TrimLeft(data[8:min(len(data), 64)], " \t\r\n")
	return len(head) > 0 && head[0] == '{'
}

// readSafetensors reads a safetensors header: 8 bytes of length, a JSON object
// that gives every tensor's type, shape and place, then the tensors' bytes
// without holes.
func (f *File) readSafetensors() error {
	data := f.content.data
	length := binary.LittleEndian.Uint64(data)
	if length > maxHeader {
		return fmt.Errorf("the header claims %s, the format allows %d", plural.Of(length, "byte"), maxHeader)
	}
	if length > uint64(len(data)-8) {
		return fmt.Errorf("truncated: the header claims %s, %d are there", plural.Of(length, "byte"), len(data)-8)
	}
	header := data[8 : 8+length]
	if !utf8.Valid(header) {
		return errors.New("the header is not UTF-8")
	}
	places, err := f.readHeader(header)
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	return f.place(places, 8+int(length))
}

// A place is where a safetensors header says that a tensor lies, relative to
// the end of the header.
type place struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int
}

// bytes returns how many bytes the tensor takes.
func (p *place) bytes() (int, error) {
	n, err := elements(p.shape, p.dtype.Size())
	if err != nil {
		return 0, err
	}
	bits := p.dtype.placeBits()
	if bits%8 == 0 {
		return n * (bits / 8), nil
	}
	if n%8*bits%8 != 0 {
		return 0, fmt.Errorf("no whole bytes are filled by %s of %d bits", plural.Of(n, "element"), bits)
	}
	return n/8*bits + n%8*bits/8, nil
}

func (f *File) readHeader(header []byte) ([]place, error) {
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.UseNumber()
	var places []place
	index := map[string]int{}
	hasMetadata := false
	err := eachMember(dec, func(name string) error {
		if name == "__metadata__" {
			if hasMetadata {
				return errors.New("__metadata__ occurs twice")
			}
			hasMetadata = true
			return f.readMetadata(dec)
		}
		p, err := readPlace(dec, name)
		if err != nil {
			return fmt.Errorf("%.120q: %w", name, err)
		}
		if i, ok := index[name]; ok { // the last one counts, as in the format's own library
			places[i] = p
			return nil
		}
		index[name] = len(places)
		places = append(places, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rest := strings.TrimLeft(string(header[dec.InputOffset():]), " \t\r\n"); rest != "" {
		return nil, fmt.Errorf("unexpected %s after the object", printable([]byte(rest)))
	}
	return places, nil
}

// eachMember reads an object and calls visit behind every key, to read the value.
func eachMember(dec *json.Decoder, visit func(key string) error) error {
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	return restOfMembers(dec, visit)
}

// restOfMembers is eachMember behind the brace.
func restOfMembers(dec *json.Decoder, visit func(key string) error) error {
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return jsonFault(err)
		}
		if err := visit(key.(string)); err != nil { // in an object, a token before a value is a string
			return err
		}
	}
	return expect(dec, json.Delim('}'))
}

func expect(dec *json.Decoder, want json.Token) error {
	got, err := dec.Token()
	if err != nil {
		return jsonFault(err)
	}
	if got != want {
		return fmt.Errorf("expected %v, found %s", want, plain(fmt.Sprint(got)))
	}
	return nil
}

func jsonFault(err error) error { return fmt.Errorf("not valid JSON: %w", err) }

func (f *File) readMetadata(dec *json.Decoder) error {
	f.metadata = map[string]string{}
	first, err := dec.Token()
	switch {
	case err != nil:
		return fmt.Errorf("__metadata__: %w", jsonFault(err))
	case first == nil: // null, which the format's own library reads as none
		return nil
	case first != json.Delim('{'):
		return fmt.Errorf("__metadata__: expected {, found %s", plain(fmt.Sprint(first)))
	}
	err = restOfMembers(dec, func(key string) error {
		value, err := dec.Token()
		if err != nil {
			return jsonFault(err)
		}
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("the value of %.120q is not a string", key)
		}
		f.metadata[key] = text
		return nil
	})
	if err != nil {
		return fmt.Errorf("__metadata__: %w", err)
	}
	return nil
}

func readPlace(dec *json.Decoder, name string) (place, error) {
	p := place{name: name}
	var seen []string
	err := eachMember(dec, func(key string) error {
		if slices.Contains(seen, key) {
			return fmt.Errorf("%.120q occurs twice", key)
		}
		switch key {
		case "dtype", "shape", "data_offsets":
			seen = append(seen, key)
		}
		switch key {
		case "dtype":
			value, err := dec.Token()
			if err != nil {
				return jsonFault(err)
			}
			text, _ := value.(string)
			d, ok := dtypeNamed(text)
			if !ok {
				return fmt.Errorf("dtype %s is not supported", plain(fmt.Sprint(value)))
			}
			p.dtype = d
		case "shape":
			return readInts(dec, &p.shape)
		case "data_offsets":
			var offsets []int
			if err := readInts(dec, &offsets); err != nil {
				return err
			}
			if len(offsets) != 2 {
				return fmt.Errorf("%d data_offsets, not 2", len(offsets))
			}
			p.begin, p.end = offsets[0], offsets[1]
		default:
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return jsonFault(err)
			}
		}
		return nil
	})
	if err == nil && len(seen) != 3 {
		err = errors.New("dtype, shape and data_offsets are not all there")
	}
	return p, err
}

func readInts(dec *json.Decoder, to *[]int) error {
	if err := expect(dec, json.Delim('[')); err != nil {
		return err
	}
	ints := []int{}
	for dec.More() {
		value, err := dec.Token()
		if err != nil {
			return jsonFault(err)
		}
		number, ok := value.(json.Number)
		if !ok {
			return fmt.Errorf("expected a number, found %s", plain(fmt.Sprint(value)))
		}
		n, err := number.Int64()
		if err != nil || n < 0 || int64(int(n)) != n {
			return fmt.Errorf("%s is not a size", plain(number.String()))
		}
		if ints = append(ints, int(n)); len(ints) > maxDims {
			return fmt.Errorf("more than %d dimensions", maxDims)
		}
	}
	*to = ints
	return expect(dec, json.Delim(']'))
}

// place checks the places against each other and the file, and enters the
// tensors. The format allows neither holes nor overlaps.
func (f *File) place(places []place, base int) error {
	slices.SortStableFunc(places, func(a, b place) int {
		if a.begin != b.begin {
			return a.begin - b.begin
		}
		return a.end - b.end
	})
	length, at := len(f.content.data)-base, 0
	for _, p := range places {
		n, err := p.bytes()
		if err != nil {
			return fmt.Errorf("%.120q: %w", p.name, err)
		}
		switch {
		case p.end < p.begin || p.end-p.begin != n:
			return fmt.Errorf("%.120q: %s of shape %v is %s, data_offsets [%d, %d] give %d",
				p.name, p.dtype, p.shape, plural.Of(n, "byte"), p.begin, p.end, p.end-p.begin)
		case p.end > length:
			return fmt.Errorf("truncated: %.120q ends at byte %d of the data, %d are there", p.name, p.end, length)
		case p.begin < at:
			return fmt.Errorf("%.120q overlaps the tensor before it", p.name)
		case p.begin > at:
			return fmt.Errorf("there is a hole of %s before %.120q", plural.Of(p.begin-at, "byte"), p.name)
		}
		at = p.end
		t := &Tensor{DType: p.dtype, Shape: p.shape,
			store: &storage{file: f.content, start: base + p.begin, end: base + p.end}}
		f.entries = append(f.entries, entry{p.name, t})
	}
	if at != length {
		return fmt.Errorf("%s after the last tensor, which no tensor has", plural.Of(length-at, "byte"))
	}
	return nil
}
