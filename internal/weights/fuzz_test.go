package weights

import (
	"errors"
	"strings"
	"testing"
)

// checkAny opens any bytes: an error of one line, or a file all of which can be
// read, and memory in proportion either way.
func checkAny(t *testing.T, data []byte) {
	var f *File
	var err error
	n := allocated(func() { f, err = OpenBytes("f", data) })
	if limit := 16<<20 + 2000*len(data); n > limit {
		t.Errorf("%d bytes allocated for a file of %d", n, len(data))
	}
	if err != nil {
		wantError(t, err, "f: ")
		return
	}
	exercise(t, f)
}

func FuzzTorch(f *testing.F) {
	for name, data := range smallFiles(f) {
		if !strings.HasSuffix(name, ".safetensors") {
			f.Add(data)
		}
	}
	f.Add([]byte(legacyHead + "\x80\x02" + state(text("x"), oneTensor) + ".]" + text("0") + "a.\x06\x00\x00\x00\x00\x00\x00\x00" + floats(1, 2, 3, 4, 5, 6)))
	f.Fuzz(checkAny)
}

func FuzzSafetensors(f *testing.F) {
	f.Add(smallFiles(f)["ours.safetensors"])
	f.Add(safetensors(`{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"__metadata__":{"x":"y"}}`, "0123"))
	f.Add(safetensors(`{"a":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},"a_scale":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, "0123"+floats(1, 2)))
	f.Add(safetensors(`{}`, ""))
	f.Fuzz(checkAny)
}

// FuzzPickle runs pickles inside a good archive, which random changes to a
// whole file would rarely leave in order.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(state(text("net"), state(text("e"), state(text("module.x"), oneTensor)), text("epoch"), "K\x05") + "."))
	f.Add([]byte("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x93)R."))
	f.Add([]byte("(I01\nL5L\nF1.5\nNK\x01M\x02\x00J\x03\x00\x00\x00\x8a\x01\x05lp0\n0g0\n0}q\x01(h\x01h\x01d."))
	f.Add([]byte("ccollections\nOrderedDict\n]]K\x01aK\x02aa\x85R}b2\x94\x8f(\x90\x91000cnumpy\ndtype\nU\x02f8\x85R(K\x03U\x01<tb."))
	f.Add([]byte("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n)}tR."))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		checkAny(t, torchFile(t, string(pickle), floats(1, 2, 3, 4, 5, 6), "abc"))
		m := newMachine(pickle, newBudget(len(pickle)), func(any) (any, error) { return nil, errors.New("none") })
		for m.pos < len(pickle) { // legacy files hold several, one after the other
			if _, err := m.run(); err != nil {
				break
			}
		}
	})
}
