package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Tick is a marked value of an axis.
type Tick struct {
	Value float64
	Label string
}

// An Axis maps the values from Min to Max to pixels From to To, which may run
// either way, evenly in Scale of the values; nil is a linear scale.
type Axis struct {
	Min, Max float64
	From, To float64
	Scale    func(float64) float64
}

// At returns the pixel of a value.
func (a Axis) At(v float64) float64 {
	low, high := a.Min, a.Max
	if a.Scale != nil {
		v, low, high = a.Scale(v), a.Scale(low), a.Scale(high)
	}
	return a.From + (v-low)/(high-low)*(a.To-a.From)
}

// Ticks returns those of the candidates, in rising order, that lie on the axis and
// at least gap pixels from the one before.
func (a Axis) Ticks(candidates []float64, gap float64) (ticks []Tick) {
	last := math.Inf(-1)
	for _, v := range candidates {
		at := math.Abs(a.At(v) - a.From)
		if v < a.Min-1e-9 || v > a.Max+1e-9 || at-last < gap {
			continue
		}
		ticks = append(ticks, Tick{v, Number(v)})
		last = at
	}
	return ticks
}

// Round returns the multiples of the least round number (1, 2 or 5 times a power
// of ten) that are at least gap pixels apart on a linear axis.
func (a Axis) Round(gap float64) (ticks []Tick) {
	least := gap * (a.Max - a.Min) / math.Abs(a.To-a.From)
	if !(least > 0) || math.IsInf(least, 0) {
		return nil
	}
	power := math.Pow(10, math.Floor(math.Log10(least)))
	step := 10 * power
	for _, m := range []float64{1, 2, 5} {
		if m*power >= least*(1-1e-9) {
			step = m * power
			break
		}
	}
	for i := math.Ceil(a.Min/step - 1e-9); i*step <= a.Max+step*1e-9; i++ {
		ticks = append(ticks, Tick{i * step, decimal(i*step, step)})
	}
	return ticks
}

// decimal prints a multiple of step with as many decimals as step has, so that an
// axis reads 0.8, 1.0, 1.2; but nothing is 0.
func decimal(v, step float64) string {
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	if digits > 6 || math.Abs(v) >= 1e6 || v == 0 {
		return Number(v)
	}
	return strings.Replace(strconv.FormatFloat(v, 'f', digits, 64), "-", "−", 1)
}

// Time returns round times for an axis in seconds and the axis's name: seconds up
// to two minutes, then minutes and seconds, then hours.
func (a Axis) Time(gap float64) (ticks []Tick, name string) {
	if a.Max <= 120 {
		return a.Round(gap), "time (s)"
	}
	least := gap * (a.Max - a.Min) / math.Abs(a.To-a.From)
	step := 0.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600} {
		if step = s; s >= least {
			break
		}
	}
	for ; step < least; step *= 2 {
	}
	if least < 1 {
		step = 1
	}
	name = "time (min:s)"
	if a.Max >= 3600 {
		name = "time (h:min:s)"
	}
	for i := math.Ceil(a.Min/step - 1e-9); i*step <= a.Max*(1+1e-9); i++ {
		s := int64(math.Round(i * step))
		label := fmt.Sprintf("%d:%02d", s/60, s%60)
		if a.Max >= 3600 {
			label = fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
		}
		ticks = append(ticks, Tick{i * step, label})
	}
	return ticks, name
}

// Number prints a tick's value: as many decimals as it has, a true minus.
func Number(v float64) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	if strings.Contains(s, "e") {
		s = strconv.FormatFloat(v, 'g', 3, 64)
	}
	if s == "-0" {
		s = "0"
	}
	return strings.Replace(s, "-", "−", 1)
}

// Decades returns round values at least gap pixels apart on a logarithmic axis:
// 1, 2 and 5 times the powers of ten, or 1 and 3 times, or powers alone, whatever
// is the most that there is room for. An axis too short for two of them has round
// values as a linear one.
func (a Axis) Decades(gap float64) (ticks []Tick) {
	if !(a.Min > 0 && a.Max > a.Min) || math.IsInf(a.Max, 0) {
		return nil
	}
	perDecade := math.Abs(a.To-a.From) / math.Log10(a.Max/a.Min)
	mantissas, stride := []float64{1}, 1.0
	switch {
	case perDecade*math.Log10(2) >= gap:
		mantissas = []float64{1, 2, 5}
	case perDecade*math.Log10(3) >= gap:
		mantissas = []float64{1, 3}
	default:
		stride = math.Ceil(gap / perDecade)
	}
	first := math.Floor(math.Log10(a.Min)/stride) * stride
	for e := first; e <= math.Log10(a.Max)+1e-9; e += stride {
		for _, m := range mantissas {
			v, err := strconv.ParseFloat(fmt.Sprintf("%ge%g", m, e), 64) // exact, unlike m·10^e
			if err == nil && v >= a.Min*(1-1e-9) && v <= a.Max*(1+1e-9) {
				ticks = append(ticks, Tick{v, Number(v)})
			}
		}
	}
	if len(ticks) < 2 {
		linear := a
		linear.Scale = nil
		ticks = nil
		last := math.Inf(-1)
		for _, t := range linear.Round(gap) {
			if at := math.Abs(a.At(t.Value) - a.From); t.Value > 0 && at-last >= gap*0.7 {
				ticks, last = append(ticks, t), at
			}
		}
	}
	return ticks
}
