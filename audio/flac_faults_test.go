package audio

import (
	"bytes"
	"errors"
	"testing"
)

// At no bit of a file can damage pass: every bit behind the metadata flipped, every
// length cut. The checksums alone find it; without an MD5, too.
func TestFLACDamage(t *testing.T) {
	for _, noMD5 := range []bool{false, true} {
		f := flacFile{rate: 16000, bits: 16, samples: flacSamples(2, 150, 16, 8), block: 64, stereo: stereoMidSide, subframe: fixed2, noMD5: noMD5}
		content := f.build()
		const metadata = 4 + 4 + 34 + 4 + 3
		for i := 8 * metadata; i < 8*len(content); i++ {
			damaged := bytes.Clone(content)
			damaged[i/8] ^= 0x80 >> (i % 8)
			err := readStream(damaged)
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("bit %d of byte %d flipped: %v", i%8, i/8, err)
			}
			checkMessage(t, err, "read damaged: ")
		}
		for n := 4; n < len(content); n++ {
			if err := readStream(content[:n]); !errors.Is(err, ErrTruncated) {
				t.Fatalf("cut to %d of %d bytes: %v", n, len(content), err)
			}
		}
		err := readStream(content[:len(content)-1])
		checkMessage(t, err, "22 of 150 samples are missing")
	}
}

func readStream(content []byte) error {
	r, err := NewReader(bytes.NewReader(content), "damaged")
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = readAll(r)
	return err
}

func TestFLACFaults(t *testing.T) {
	base := flacFile{rate: 24000, bits: 16, samples: flacSamples(1, 200, 16, 9), block: 64, subframe: fixed2}
	plain := base.build()
	const info = 8 // where STREAMINFO begins
	frames := bytes.Index(plain, []byte{0xFF, 0xF8})
	frame := func(i int) []byte { return base.frame(i, 64*i, min(64, 200-64*i)) }
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{plain[:frames]}, parts...), nil) }
	with := func(change func(f *flacFile)) []byte {
		f := base
		change(&f)
		return f.build()
	}
	set := func(at int, b ...byte) []byte {
		c := bytes.Clone(plain)
		copy(c[at:], b)
		return c
	}
	count := func(n int64) []byte { return with(func(f *flacFile) { f.count = &n }) }
	for name, c := range map[string]struct {
		content []byte
		fault   error
		say     string
	}{
		"other first block":   {set(4, 4), ErrCorrupt, "STREAMINFO"},
		"short first block":   {set(7, 33), ErrCorrupt, "33 bytes"},
		"second STREAMINFO":   {with(func(f *flacFile) { f.before = []byte{0, 0, 0, 1, 0} }), ErrCorrupt, "type 0"},
		"block type 127":      {with(func(f *flacFile) { f.before = []byte{127, 0, 0, 0} }), ErrCorrupt, "type 127"},
		"metadata too long":   {with(func(f *flacFile) { f.before = []byte{4, 255, 255, 255} }), ErrTruncated, "metadata"},
		"metadata only":       {plain[:frames], ErrTruncated, "200 of 200 samples are missing"},
		"nothing, unknown":    {count(0)[:frames], ErrEmpty, "no samples"},
		"block size 0":        {set(info, 0, 0, 0, 0), ErrCorrupt, "blocks"},
		"more than declared":  {count(199), ErrCorrupt, "199"},
		"a frame more":        {count(192), ErrCorrupt, "192"},
		"less than declared":  {count(201), ErrTruncated, "1 of 201"},
		"claims 2^36":         {count(1<<36 - 1), ErrTruncated, "missing"},
		"wrong MD5":           {set(info+18, 1, 2, 3, 4), ErrCorrupt, "MD5"},
		"frame lost":          {join(frame(0), frame(2), frame(3)), ErrCorrupt, "frame number 2"},
		"frame twice":         {join(frame(0), frame(0), frame(1)), ErrCorrupt, "frame number 0"},
		"garbage between":     {join(frame(0), []byte("garbage"), frame(1)), ErrCorrupt, "at sample 64: no frame"},
		"rate changes":        {join(frame(0), flacFile{rate: 22050, bits: 16, samples: base.samples, subframe: fixed2}.frame(1, 64, 64)), ErrUnsupported, "22050 Hz"},
		"depth changes":       {join(frame(0), flacFile{rate: 24000, bits: 24, samples: base.samples, subframe: fixed2}.frame(1, 64, 64)), ErrUnsupported, "24 bits"},
		"block too long":      {join(base.frame(0, 0, 65)), ErrCorrupt, "65 samples"},
		"17 bits in 16":       {join(flacFile{rate: 24000, bits: 16, samples: [][]int64{{0, 1 << 15}}, subframe: subframe{kind: "fixed", order: 1, param: 14}}.frame(0, 0, 2)), ErrCorrupt, "more than 16 bits"},
		"all bits wasted":     {join(flacFile{rate: 24000, bits: 16, samples: base.samples, subframe: subframe{kind: "verbatim", wasted: 16}}.frame(0, 0, 64)), ErrCorrupt, "no bits"},
		"residual of 33 bits": {join(flacFile{rate: 24000, bits: 16, samples: [][]int64{{1 << 40}}, subframe: subframe{kind: "fixed", param: 30, wide: true}}.frame(0, 0, 1)), ErrCorrupt, "residual"},
		"negative shift":      {join(flacFile{rate: 24000, bits: 16, samples: base.samples, subframe: subframe{kind: "lpc", order: 1, coefs: []int64{1}, precision: 5, shift: 16, param: 9}}.frame(0, 0, 64)), ErrCorrupt, "shift"},
		"precision 16":        {join(flacFile{rate: 24000, bits: 16, samples: base.samples, subframe: subframe{kind: "lpc", order: 1, coefs: []int64{1}, precision: 16, param: 9}}.frame(0, 0, 64)), ErrCorrupt, "precision"},
	} {
		path := writeFile(t, "x.flac", c.content)
		got, _, err := readPath(path)
		if !errors.Is(err, c.fault) {
			t.Errorf("%s: %d samples and error %v, want %v", name, len(got), err, c.fault)
			continue
		}
		checkMessage(t, err, path, c.say)
	}
}
