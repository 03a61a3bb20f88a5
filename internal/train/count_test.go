package train

import "testing"

func TestCount(t *testing.T) {
	for want, n := range map[string]int{"0 steps": 0, "1 step": 1, "12 steps": 12} {
		if got := count(n, "step"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
