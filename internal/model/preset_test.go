package model

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/config"
)

// Each preset has the size that it promises, the full one to the parameter, and
// docs/config.md says which.
func TestPresetSizes(t *testing.T) {
	const million = 1_000_000
	generator := map[string][2]int{ // encoder, quantizer and decoder
		"tiny":  {1 * million, 2 * million},
		"base":  {9 * million, 11 * million}, // 12 MB in 8 bits, small ones in 16
		"small": {8 * million, 12 * million},
		"full":  {137_714_754, 137_714_754},
	}
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.Presets() {
		c, err := config.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		networks := NewCodecTraining(CodecTrainingConfig{
			Codec: CodecConfigOf(c), Predictors: PredictorsConfigOf(c), Discriminator: DiscriminatorConfigOf(c),
		}).Networks()
		sizes := map[string]int{}
		for _, n := range networks {
			for _, p := range n.Params {
				sizes[n.Prefix] += p.Len()
			}
		}
		total := sizes["encoder"] + sizes["quantizer"] + sizes["decoder"]
		if want := generator[name]; total < want[0] || total > want[1] {
			t.Errorf("%s: %d parameters, want %d to %d", name, total, want[0], want[1])
		}
		t.Logf("%s: %d parameters; %v", name, total, sizes)
		row := fmt.Sprintf("| `%s` | %s | %s | %s |", name, thousands(total), thousands(sizes["fa_predictors"]), thousands(sizes["discriminator"]))
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/config.md has no %s", row)
		}
	}
}

// thousands writes a number in groups of three digits.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
