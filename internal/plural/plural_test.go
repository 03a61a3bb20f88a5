package plural

import "testing"

func TestOf(t *testing.T) {
	for _, test := range []struct {
		n              int64
		noun, want     string
		wantNounInRest string
	}{
		{0, "step", "0 steps", "steps"},
		{1, "step", "1 step", "step"},
		{12, "held-out clip", "12 held-out clips", "held-out clips"},
		{1, "entry", "1 entry", "entry"},
		{2, "entry", "2 entries", "entries"},
		{2, "key", "2 keys", "keys"},
		{3, "bias", "3 biases", "biases"},
		{3, "batch", "3 batches", "batches"},
		{2, "epoch", "2 epochs", "epochs"},
		{-1, "dB step", "-1 dB steps", "dB steps"},
	} {
		if got := Of(test.n, test.noun); got != test.want {
			t.Errorf("Of(%d, %q) = %q, want %q", test.n, test.noun, got, test.want)
		}
		if got := Noun(int(test.n), test.noun); got != test.wantNounInRest {
			t.Errorf("Noun(%d, %q) = %q, want %q", test.n, test.noun, got, test.wantNounInRest)
		}
	}
}
