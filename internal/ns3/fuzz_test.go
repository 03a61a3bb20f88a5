package ns3

import (
	"maps"
	"slices"
	"testing"
)

// FuzzConfigOf: tensors of any shapes make a configuration whose networks can be
// declared and compared with them, or an error.
func FuzzConfigOf(f *testing.F) {
	params := NewCodec(small(true)).Params()
	base := [3]map[string][]int{
		shapesOf(params, KindEncoderV2), shapesOf(params, KindDecoderV2),
		shapesOf(NewRedecoder(smallRedecoder()).Params(), KindRedecoder),
	}
	var keys [3][]string
	for i, shapes := range base {
		keys[i] = slices.Sorted(maps.Keys(shapes))
	}
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{1, 3, 0, 1, 255, 2, 9, 0, 2, 1})
	f.Fuzz(func(t *testing.T, changes []byte) {
		var shapes [3]map[string][]int
		for i := range shapes {
			shapes[i] = maps.Clone(base[i])
		}
		for ; len(changes) >= 5; changes = changes[5:] {
			file := int(changes[0]) % 3
			key := keys[file][(int(changes[1])+256*int(changes[2]))%len(keys[file])]
			shape := slices.Clone(base[file][key])
			switch axis := int(changes[3]) % 5; {
			case axis == 3:
				delete(shapes[file], key)
				continue
			case axis == 4:
				shape = append(shape, int(changes[4]))
			default:
				shape[axis%len(shape)] = int(int8(changes[4])) << (changes[3] / 5)
			}
			shapes[file][key] = shape
		}
		encoder, decoder, redecoder := ofShapes(shapes[0]), ofShapes(shapes[1]), ofShapes(shapes[2])
		for _, src := range []map[string][]int{shapes[0], shapes[1], shapes[2]} {
			KindOf(ofShapes(src))
		}
		if c, err := ConfigOf(encoder, decoder); err == nil {
			_ = NewCodec(c).Check(Join(Named(encoder, c.EncoderKind()), Named(decoder, c.DecoderKind())))
		}
		if c, err := RedecoderConfigOf(redecoder); err == nil {
			_ = NewRedecoder(c).Check(Named(redecoder, KindRedecoder))
		}
	})
}
