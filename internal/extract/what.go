package extract

import (
	"errors"
	"fmt"
	"strings"
)

// What says which arrays of a recording are written.
type What struct {
	Codes     bool // int32 codes_prosody, codes_content, codes_residual [books, T]
	Timbre    bool // float32 timbre [latent]
	Quantized bool // float32 quantized_prosody, quantized_content, quantized_residual [latent, T]
	Float16   bool // timbre and quantized in half precision, rounded to nearest
}

// ParseWhat reads a list such as "codes,timbre,quantized,float16".
func ParseWhat(s string) (What, error) {
	var w What
	for _, word := range strings.Split(s, ",") {
		switch strings.TrimSpace(word) {
		case "codes":
			w.Codes = true
		case "timbre":
			w.Timbre = true
		case "quantized":
			w.Quantized = true
		case "float16":
			w.Float16 = true
		default:
			return What{}, fmt.Errorf("%q is not one of codes, timbre, quantized, float16", word)
		}
	}
	if w.Float16 && !w.Timbre && !w.Quantized {
		return What{}, errors.New("float16 says how timbre and quantized are written, and neither is asked for")
	}
	return w, nil
}

// String returns the list that ParseWhat reads, in one order.
func (w What) String() string {
	var words []string
	for _, word := range []struct {
		is   bool
		name string
	}{{w.Codes, "codes"}, {w.Timbre, "timbre"}, {w.Quantized, "quantized"}, {w.Float16, "float16"}} {
		if word.is {
			words = append(words, word.name)
		}
	}
	return strings.Join(words, ",")
}
