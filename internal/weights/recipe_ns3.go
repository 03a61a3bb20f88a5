package weights

import (
	"math"
	"strings"
)

// isNS3 says whether a parameter belongs to a network of the NaturalSpeech 3 family,
// which the recipe has rules of its own for: networks are called ns3_encoder,
// ns3_decoder, ns3_encoder_v2, ns3_decoder_v2 and ns3_redecoder there.
func isNS3(name string) bool { return strings.HasPrefix(name, "ns3_") }

// spreadNS3 is spread for that family.
func spreadNS3(name string, shape []int) (center, scale float64) {
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	fan := 1
	for _, d := range shape[min(1, len(shape)):] {
		fan *= d
	}
	switch {
	case leaf == "weight_g" && strings.Contains(name, ".model."):
		return 0.7, 0.1
	case leaf == "weight_g" && strings.Contains(name, "encoder"):
		return 0.9, 0.1
	case leaf == "weight_g":
		return 0.8, 0.1
	case leaf == "weight_v":
		return 0, 1
	case leaf == "alpha" || leaf == "beta":
		return 0, 0.3
	case strings.HasSuffix(name, "codebook.weight"), strings.Contains(name, "_embs."):
		return 0, 1
	case leaf == "in_proj_weight":
		return 0, math.Sqrt(3 / float64(fan))
	case leaf == "weight" && len(shape) == 1:
		return 1, 0.2
	case strings.HasPrefix(leaf, "weight"):
		return 0, math.Sqrt(3 / float64(fan))
	}
	return 0, 0.05
}

// randomNS3Values makes a parameter of that family. Each row of melspec_linear.weight
// is less its mean, and scales come around 1: both before rounding.
func randomNS3Values(seed uint64, name string, shape []int) []float32 {
	center, scale := spreadNS3(name, shape)
	n := 1
	for _, d := range shape {
		n *= d
	}
	wide := make([]float64, n)
	z := start(seed, name)
	for i := range wide {
		z += stateStep
		wide[i] = center + float64(scale*uniform(z))
	}
	if strings.HasSuffix(name, "melspec_linear.weight") && n > 0 {
		row := n / shape[0]
		for at := 0; at < n; at += row {
			var sum float64
			for _, v := range wide[at : at+row] {
				sum += v
			}
			for i := range row {
				wide[at+i] -= sum / float64(row)
			}
		}
	}
	values := make([]float32, n)
	for i, v := range wide {
		values[i] = float32(v)
	}
	if strings.HasSuffix(name, "timbre_linear.bias") || strings.HasSuffix(name, ".style.bias") {
		for i := range values[:n/2] {
			values[i]++
		}
	}
	return values
}
