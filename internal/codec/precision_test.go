package codec

import (
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/nn"
)

// TestPrecision: what is unknown is refused before a file is looked at, with
// the precisions that there are.
func TestPrecision(t *testing.T) {
	for _, c := range []struct {
		precision nn.Precision
		want      string // "" for accepted
	}{
		{"", ""}, {nn.Exact, ""}, {nn.Fast, ""}, {nn.BF16, ""}, {nn.Int8, ""},
		{"double", "exact, fast, bf16 and int8"}, {"Exact", "exact, fast, bf16 and int8"},
	} {
		_, err := precision(c.precision)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.precision, err, c.want)
		}
		if err == nil {
			continue
		}
		for what, open := range map[string]func() error{
			"Open":       func() error { _, err := Open(OnDisk("none"), Options{Precision: c.precision}); return err },
			"OpenRandom": func() error { _, err := OpenRandom(0, Options{Precision: c.precision}); return err },
		} {
			if err := open(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %q: %v, want %q", what, c.precision, err, c.want)
			}
		}
	}
}
