package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// Every integer width, both byte orders, plain and extensible, one channel to many:
// the samples are exactly value/2^(bits-1).
func TestWAVIntegers(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for bits, encoding := range map[int]string{8: "pcm_u8", 16: "pcm_s16", 24: "pcm_s24", 32: "pcm_s32"} {
			for _, channels := range []int{1, 2, 3, 300} {
				for _, extensible := range []bool{false, true} {
					scale := float64(int64(1) << (bits - 1))
					var values []int64
					var want []float32
					for _, v := range []float64{0, -1, 1, -scale, scale - 1, math.Floor(scale / 3), -7} {
						var sum float64
						for c := range channels {
							x := v
							if c%2 == 1 {
								x = -1
							}
							values = append(values, int64(x))
							sum += x / scale
						}
						want = append(want, float32(sum/float64(channels)))
					}
					f := wavFile{order: order, tag: wavPCM, channels: channels, rate: 44100, bits: bits,
						extensible: extensible, valid: bits, data: encodeInts(order, bits/8, values...)}
					if order == binary.AppendByteOrder(binary.BigEndian) {
						f.id = "RIFX"
					}
					got, info, err := readPath(writeFile(t, "x.wav", f.build()))
					if err != nil {
						t.Fatalf("%v %d bits, %d channels, extensible %v: %v", order, bits, channels, extensible, err)
					}
					mustEqual(t, encoding, got, want)
					wantInfo := Info{Format: "wav", Encoding: encoding, SampleRate: 44100, Channels: channels, Frames: 7}
					if info != wantInfo {
						t.Errorf("info %+v, want %+v", info, wantInfo)
					}
				}
			}
		}
	}
}

func TestWAVFloats(t *testing.T) {
	values := []float64{0, 1, -1, 0.1, -3.5, 1e-30, math.Pi}
	for _, bits := range []int{32, 64} {
		f := wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: bits, data: encodeFloats(binary.LittleEndian, bits, values...)}
		got, info, err := readPath(writeFile(t, "x.wav", f.build()))
		if err != nil {
			t.Fatal(err)
		}
		var want []float32
		for _, v := range values {
			want = append(want, float32(v))
		}
		mustEqual(t, info.Encoding, got, want)
		if want := map[int]string{32: "pcm_f32", 64: "pcm_f64"}[bits]; info.Encoding != want {
			t.Errorf("encoding %s, want %s", info.Encoding, want)
		}
	}
}

// Points of the tables in ITU-T G.711, and what defines the codes: they are
// odd-symmetric and monotonic, with 256 (µ-law 255) different values.
func TestG711(t *testing.T) {
	for b, want := range map[byte]int16{0xFF: 0, 0x7F: 0, 0xFE: 8, 0x80: 32124, 0x00: -32124, 0xEF: 132, 0x8F: 16764} {
		if got := muLaw(b); got != want {
			t.Errorf("µ-law %#x: %d, want %d", b, got, want)
		}
	}
	for b, want := range map[byte]int16{0xD5: 8, 0x55: -8, 0xAA: 32256, 0x2A: -32256, 0xC5: 264, 0xF5: 528} {
		if got := aLaw(b); got != want {
			t.Errorf("A-law %#x: %d, want %d", b, got, want)
		}
	}
	for i := range 127 {
		if muLaw(byte(0xFF-i)) >= muLaw(byte(0xFE-i)) {
			t.Errorf("µ-law is not monotonic at %d", i)
		}
		if aLaw(byte(0x80+i)^0x55) >= aLaw(byte(0x81+i)^0x55) {
			t.Errorf("A-law is not monotonic at %d", i)
		}
	}
	for i := range 128 {
		if muLaw(byte(i)) != -muLaw(byte(i+128)) || aLaw(byte(i)) != -aLaw(byte(i+128)) {
			t.Errorf("code %d is not the negative of its opposite", i)
		}
	}
	for tag, name := range map[uint16]string{wavMuLaw: "pcm_mulaw", wavALaw: "pcm_alaw"} {
		f := wavFile{tag: tag, channels: 1, rate: 8000, bits: 8, data: []byte{0x80, 0xAA, 0x55}}
		got, info, err := readPath(writeFile(t, "x.wav", f.build()))
		if err != nil || info.Encoding != name {
			t.Fatalf("%s: %v, %v", name, info, err)
		}
		expand := muLaw
		if tag == wavALaw {
			expand = aLaw
		}
		mustEqual(t, name, got, []float32{float32(expand(0x80)) / 32768, float32(expand(0xAA)) / 32768, float32(expand(0x55)) / 32768})
	}
}

func rf64(dataSize uint64, values ...int64) []byte {
	f := mono16(values...)
	ds64 := binary.LittleEndian.AppendUint64(nil, 0)
	ds64 = binary.LittleEndian.AppendUint64(ds64, dataSize)
	ds64 = binary.LittleEndian.AppendUint64(ds64, 0)
	ds64 = binary.LittleEndian.AppendUint32(ds64, 0)
	f.order, f.id = binary.LittleEndian, "RF64"
	f.before = [][]byte{f.chunk("ds64", ds64)}
	f.dataSize = u32(math.MaxUint32)
	return f.build()
}

// The forms of headers that programs write, all with the samples 1, 2, 3.
func TestWAVHeaders(t *testing.T) {
	with := func(change func(f *wavFile)) []byte {
		f := mono16(1, 2, 3)
		f.order = binary.LittleEndian
		change(&f)
		return f.build()
	}
	odd := func(id string, pad ...byte) []byte {
		return append(append([]byte(id), 3, 0, 0, 0, 'a', 'b', 'c'), pad...)
	}
	for name, content := range map[string][]byte{
		"plain":               mono16(1, 2, 3).build(),
		"size 0":              with(func(f *wavFile) { f.dataSize, f.riffSize = u32(0), u32(0) }),
		"size -1":             with(func(f *wavFile) { f.dataSize, f.riffSize = u32(math.MaxUint32), u32(math.MaxUint32) }),
		"size of sox":         with(func(f *wavFile) { f.dataSize = u32(0x7FFFEFFC) }),
		"size of arecord":     with(func(f *wavFile) { f.dataSize = u32(0x80000000) }),
		"RIFF size wrong":     with(func(f *wavFile) { f.riffSize = u32(12345) }),
		"junk before":         with(func(f *wavFile) { f.before = [][]byte{f.chunk("JUNK", make([]byte, 100000))} }),
		"odd chunk, pad":      with(func(f *wavFile) { f.before = [][]byte{odd("LIST", 0)} }),
		"odd chunk, no pad":   with(func(f *wavFile) { f.before = [][]byte{odd("LIST")} }),
		"odd chunk, pad 'x'":  with(func(f *wavFile) { f.before = [][]byte{odd("LIST", 'x')} }),
		"odd chunks":          with(func(f *wavFile) { f.before = [][]byte{odd("LIST"), odd("bext", 0), odd("note", 0), odd("?\xff??", 0)} }),
		"chunk after":         with(func(f *wavFile) { f.after = odd("LIST", 0) }),
		"garbage after":       with(func(f *wavFile) { f.after = []byte("garbage!") }),
		"RF64":                rf64(6, 1, 2, 3),
		"RF64, unknown size":  rf64(math.MaxUint64, 1, 2, 3),
		"RF64, size 0":        rf64(0, 1, 2, 3),
		"12 of 16 bits valid": with(func(f *wavFile) { f.extensible, f.valid = true, 12 }),
		"12 bits":             with(func(f *wavFile) { f.bits = 12 }),
	} {
		got, info, err := readPath(writeFile(t, "x.wav", content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		mustEqual(t, name, got, []float32{1. / 32768, 2. / 32768, 3. / 32768})
		if info.Frames != 3 {
			t.Errorf("%s: %d frames in a file of 3", name, info.Frames)
		}
		// The same through a stream, which has no length.
		r, err := NewReader(bytes.NewReader(content), "stream")
		if err != nil {
			t.Errorf("%s as a stream: %v", name, err)
			continue
		}
		got, err = readAll(r)
		if err != nil {
			t.Errorf("%s as a stream: %v", name, err)
		}
		mustEqual(t, name+" as a stream", got, []float32{1. / 32768, 2. / 32768, 3. / 32768})
		r.Close()
	}
}

// Files with a fault: the error of a strict reader, and what its message says.
func TestWAVFaults(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no ffmpeg to ask
	with := func(change func(f *wavFile)) []byte {
		f := mono16(1, 2, 3)
		f.order = binary.LittleEndian
		change(&f)
		return f.build()
	}
	plain := mono16(1, 2, 3).build()
	float := func(values ...float64) []byte {
		return wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: 32, data: encodeFloats(binary.LittleEndian, 32, values...)}.build()
	}
	badGUID := with(func(f *wavFile) { f.extensible, f.valid = true, 16 })
	badGUID[12+8+30] ^= 0xFF
	for name, c := range map[string]struct {
		content []byte
		fault   error
		say     string
	}{
		"empty file":            {nil, ErrEmpty, "empty"},
		"text":                  {[]byte("This is no sound at all.\nNo.\n"), ErrNoFFmpeg, "ffmpeg"},
		"one byte":              {[]byte("R"), ErrNoFFmpeg, "WAV"},
		"RIFF only":             {[]byte("RIFF"), ErrTruncated, "RIFF header"},
		"header only":           {plain[:12], ErrTruncated, "before the samples"},
		"cut in fmt":            {plain[:30], ErrTruncated, "fmt chunk"},
		"no data":               {plain[:36], ErrTruncated, "before the samples"},
		"cut in data head":      {plain[:40], ErrTruncated, "before the samples"},
		"one sample missing":    {plain[:len(plain)-2], ErrTruncated, "1 of 3 samples are missing"},
		"half a sample missing": {plain[:len(plain)-1], ErrTruncated, "1 of 2 bytes"},
		"all samples missing":   {plain[:len(plain)-6], ErrTruncated, "3 of 3 samples are missing"},
		"claims 2^29 samples":   {with(func(f *wavFile) { f.dataSize = u32(1 << 30) }), ErrTruncated, "missing"},
		"RF64 claims 2^62":      {rf64(1<<62, 1, 2, 3), ErrTruncated, "missing"},
		"half a frame":          {with(func(f *wavFile) { f.dataSize = u32(5) }), ErrCorrupt, "5 bytes"},
		"half a frame, pipe":    {with(func(f *wavFile) { f.dataSize, f.after = u32(math.MaxUint32), []byte{1} }), ErrTruncated, "1 of 2 bytes"},
		"no samples":            {mono16().build(), ErrEmpty, "no samples"},
		"no samples, pipe":      {mono16().build()[:44:44], ErrEmpty, "no samples"},
		"huge chunk before":     {with(func(f *wavFile) { f.before = [][]byte{[]byte("LIST\xF0\xFF\xFF\xFF")} }), ErrTruncated, `"LIST"`},
		"data before fmt":       {with(func(f *wavFile) { f.before = [][]byte{f.chunk("data", []byte{1, 2})} }), ErrCorrupt, "no fmt"},
		"two fmts":              {with(func(f *wavFile) { f.before = [][]byte{f.formatChunk()} }), ErrCorrupt, "second fmt"},
		"fmt of 14 bytes":       {with(func(f *wavFile) { f.before = [][]byte{f.chunk("fmt ", make([]byte, 14))} }), ErrCorrupt, "14 bytes"},
		"fmt of 4 GB":           {with(func(f *wavFile) { f.before = [][]byte{[]byte("fmt \xF0\xFF\xFF\xFF")} }), ErrCorrupt, "fmt chunk of"},
		"block align":           {with(func(f *wavFile) { f.channels, f.align = 2, 5 }), ErrCorrupt, "frames of 5 bytes"},
		"16 bits in 4 bytes":    {with(func(f *wavFile) { f.align = 4 }), ErrUnsupported, "16-bit samples in 4 bytes"},
		"24 bits in 4 bytes":    {with(func(f *wavFile) { f.bits, f.align = 24, 4 }), ErrUnsupported, "24-bit samples in 4 bytes"},
		"17 bits valid of 16":   {with(func(f *wavFile) { f.extensible, f.valid = true, 17 }), ErrCorrupt, "17 valid"},
		"container of 12":       {with(func(f *wavFile) { f.extensible, f.bits, f.valid = true, 12, 12 }), ErrCorrupt, "12 bits"},
		"short extensible":      {with(func(f *wavFile) { f.tag = wavExtensible }), ErrCorrupt, "extensible"},
		"foreign GUID":          {badGUID, ErrUnsupported, "subformat"},
		"no channels":           {with(func(f *wavFile) { f.channels, f.align = 0, 2 }), ErrCorrupt, "0 channels"},
		"no bits":               {with(func(f *wavFile) { f.bits, f.align = 0, 2 }), ErrCorrupt, "0-bit"},
		"64-bit integers":       {with(func(f *wavFile) { f.bits = 64 }), ErrCorrupt, "64-bit"},
		"16-bit float":          {with(func(f *wavFile) { f.tag = wavFloat }), ErrCorrupt, "16-bit"},
		"ADPCM":                 {with(func(f *wavFile) { f.tag = 2 }), ErrUnsupported, "0x2"},
		"rate 0":                {with(func(f *wavFile) { f.rate = 0 }), ErrRate, "8000"},
		"rate 7999":             {with(func(f *wavFile) { f.rate = 7999 }), ErrRate, "7999 Hz"},
		"rate 192001":           {with(func(f *wavFile) { f.rate = 192001 }), ErrRate, "192001 Hz"},
		"rate 2^32-1":           {with(func(f *wavFile) { f.rate = -1 }), ErrCorrupt, "4294967295 Hz"},
		"NaN":                   {float(0, 1, math.NaN(), 0), ErrNotFinite, "sample 2 is NaN"},
		"Inf":                   {float(0, math.Inf(-1)), ErrNotFinite, "sample 1 is -Inf"},
	} {
		path := writeFile(t, "x.wav", c.content)
		got, _, err := readStrict(path)
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %d samples and error %v, want %v", name, len(got), err, c.fault)
			continue
		}
		checkMessage(t, err, path, c.say)
	}
}

// A stream has no length to compare with: the same faults show at its end.
func TestWAVStreamFaults(t *testing.T) {
	plain := mono16(1, 2, 3).build()
	for name, c := range map[string]struct {
		content []byte
		fault   error
		say     string
	}{
		"one sample missing":  {plain[:len(plain)-2], ErrTruncated, "1 of 3 samples are missing"},
		"half a sample":       {plain[:len(plain)-1], ErrTruncated, "1 of 2 bytes"},
		"all samples missing": {plain[:len(plain)-6], ErrTruncated, "3 of 3 samples are missing"},
		"half a frame, pipe": {wavFile{tag: wavPCM, channels: 2, rate: 8000, bits: 16, data: make([]byte, 10),
			dataSize: u32(0)}.build(), ErrTruncated, "2 of 4 bytes"},
		"nothing from a pipe": {wavFile{tag: wavPCM, channels: 2, rate: 8000, bits: 16, dataSize: u32(math.MaxUint32)}.build(), ErrEmpty, "no samples"},
	} {
		r, err := NewReaderWith(bytes.NewReader(c.content), "upload", Options{Strict: true})
		if err == nil {
			_, err = readAll(r)
		}
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %v, want %v", name, err, c.fault)
			continue
		}
		checkMessage(t, err, "read upload: ", c.say)
	}
}

// A float64 beyond float32 is infinite for us, and refused.
func TestWAVDoubleOverflow(t *testing.T) {
	f := wavFile{tag: wavFloat, channels: 1, rate: 8000, bits: 64, data: encodeFloats(binary.LittleEndian, 64, 0, 1e300)}
	if _, _, err := readPath(writeFile(t, "x.wav", f.build())); !errors.Is(err, ErrNotFinite) {
		t.Errorf("got %v, want %v", err, ErrNotFinite)
	}
}
