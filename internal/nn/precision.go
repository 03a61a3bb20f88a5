package nn

import "fmt"

// A Precision says how the products of inference are computed: with which numbers, and
// whether the order of sums may change. Layers choose by it what they derive from their
// weights; training always computes as Exact does.
type Precision string

// The precisions. Whatever the precision, results depend neither on chunk sizes nor on
// the number of threads.
const (
	Exact Precision = "exact" // float32, in the order that package kernel's contract fixes
	// Fast is float32 with fewer multiplications, or with AMX tiles of two bfloat16 values for
	// each float32: sums in another order. Large weights have 16 bits.
	Fast Precision = "fast"
	BF16 Precision = "bf16" // bfloat16 weights and inputs, float32 sums
	Int8 Precision = "int8" // BF16, with the weights of large layers stored in 8 bits
)

// Precisions lists them, the most exact first.
var Precisions = []Precision{Exact, Fast, BF16, Int8}

// SetPrecision chooses how networks that are loaded from now on compute, those aside that
// are AlwaysExact; without it, they compute as Exact does.
func SetPrecision(p Precision, networks []*Network) {
	for _, n := range networks {
		if !n.AlwaysExact {
			n.precision = p
		}
	}
}

// is says whether the weights that are loaded will be used at precision p.
func (l *Loader) is(p Precision) bool { return !l.training && l.precision == p }

// CheckPrecision refuses what is no precision.
func CheckPrecision(p Precision) error {
	for _, known := range Precisions {
		if p == known {
			return nil
		}
	}
	return fmt.Errorf("precision %q: there are exact, fast, bf16 and int8", string(p))
}
