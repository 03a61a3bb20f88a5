package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A kernel is a function of package kernel with several implementations of one
// signature: nameGeneric in plain Go, and nameAVX512 and so on for each instruction
// set. These are assembly or, in name_amd64.go, Go around assembly (product,
// transpose, softmax, correlate).
//
// A kernel without isas has those of its architecture.
type kernel struct {
	name, params string
	result       string              // its type, if there is one
	isas         map[string][]string // by architecture
}

var kernels = []kernel{
	{name: "product", params: "p *Product, row0, row1, panel0, panel1 int"},
	{name: "productBF16", params: "p *ProductBF16, row0, row1, panel0, panel1 int", isas: map[string][]string{"amd64": {"AMX", "AVX512BF16", "AVX512", "AVX2"}}},
	{name: "productInt8", params: "s *int8Scratch, p *ProductBF16, row0, row1, panel, panels int", isas: map[string][]string{"amd64": {"AMX"}, "arm64": nil}},
	{name: "productInt16", params: "sums []float32, p *Product, row, rows, panel, panels int"},
	{name: "transpose", params: "dst []float32, ldDst int, src []float32, ldSrc, rows, cols int"},

	{name: "add", params: "dst, a, b []float32"},
	{name: "sub", params: "dst, a, b []float32"},
	{name: "mul", params: "dst, a, b []float32"},
	{name: "scale", params: "dst, x []float32, s float32"},
	{name: "addScaled", params: "dst, x []float32, s float32"},
	{name: "lerp", params: "dst, x []float32, w float32"},
	{name: "dot", params: "sums *[32]float64, a, b []float32"},

	{name: "exp", params: "dst, x []float32"},
	{name: "sigmoid", params: "dst, x []float32"},
	{name: "tanh", params: "dst, x []float32"},
	{name: "mish", params: "dst, x []float32"},
	{name: "log", params: "dst, x []float32"},
	{name: "tanhGrad", params: "dx, dy, x []float32"},
	{name: "mishGrad", params: "dx, dy, x []float32"},
	{name: "gelu", params: "dst, x []float32"},
	{name: "geluGrad", params: "dx, dy, x []float32"},
	{name: "gate", params: "dst, a, b []float32"},
	{name: "glu", params: "dst, a, b []float32"},
	{name: "leakyReLU", params: "dst, x []float32, slope float32"},
	{name: "leakyReLUGrad", params: "dx, dy, y []float32, slope float32"},
	{name: "snake", params: "dst, x, alpha, inv []float32"},
	{name: "snakeGradRows", params: "dx, dy, x, alpha, inv, a, b []float32, stride, rows int"},
	{name: "upsampleRows", params: "dst, x, h []float32, ldDst, ldX, rows, cols int"},
	{name: "downsampleRows", params: "dst, x, h []float32, ldDst, ldX, rows, cols int"},
	{name: "toBF16", params: "dst []uint16, x []float32"},
	{name: "fromBF16", params: "dst []float32, x []uint16"},
	{name: "pairBF16", params: "dst []uint16, a, b []float32"},
	{name: "fromInt8", params: "dst []uint16, x []int8"},
	{name: "fromInt16", params: "dst []float32, x []int16"},
	{name: "largestRows", params: "largest, x []float32"},
	{name: "toInt16", params: "dst []int16, x, factors []float32"},
	{name: "pairInt8", params: "dst []int8, a, b, factors []float32"},
	{name: "scaleBias", params: "dst, x, scale, bias []float32"},
	{name: "snakeBF16", params: "dst []uint16, x, alpha, inv []float32"},
	{name: "splitBF16", params: "high, low []uint16, x []float32"},
	{name: "snakeSplitBF16", params: "high, low []uint16, x, alpha, inv []float32"},
	{name: "toomCook2Input", params: "dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int"},
	{name: "toomCook2Output", params: "dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int"},
	{name: "toomCook4Input", params: "dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int"},
	{name: "toomCook4Output", params: "dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int"},
	{name: "toomCook6Input", params: "dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int"},
	{name: "toomCook6Output", params: "dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int"},
	{name: "softmax", params: "x []float32"},
	{name: "maximum", params: "x []float32", result: "float32"},
	{name: "correlate", params: "c *Correlation, sums, x []float32", isas: map[string][]string{"amd64": {"AVX512"}, "arm64": nil}},
	{name: "lstmCell", params: "h, c, gates []float32"},
	{name: "adamW", params: "p, g, m, v []float32, gradScale, decay, oneMinusBeta1, beta2, oneMinusBeta2, invSqrtBias2, eps, stepSize float32"},

	{name: "magnitude", params: "dst, re, im []float32"},
	{name: "sinCos", params: "sin, cos, x []float32"},
	{name: "spectralDistance", params: "got, want []float32, floor, logFactor, linear float32"},
	{name: "magnitudeGrad", params: "re, im, d, magnitude []float32"},
	{name: "scaleRows", params: "x, factors []float32"},
	{name: "l1Rows", params: "dx, x, y, sums []float32, stride, rows int, scale float32"},

	{name: "fftRadix4", params: "dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, quarter, blocks int"},
	{name: "fftLast4", params: "dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int"},
	{name: "fftLast8", params: "dstRe, dstIm, srcRe, srcIm []float32, rows []int32, ldDst, ldSrc, step int"},
	{name: "fftSplit", params: "re, im, tw []float32, ld, n int"},
	{name: "fftMerge", params: "dstRe, dstIm, srcRe, srcIm, tw []float32, ldSrc, n int"},
}

// An arch is an architecture and its instruction sets with implementations of the
// kernels, the best first. Each is an isa of package kernel.
type arch struct {
	name string
	isas []string
}

// arches is where an instruction set is added, together with its constant in isa.go
// and, for an architecture, its bestISA in isa_<arch>.go.
var arches = []arch{{"amd64", []string{"AVX512", "AVX2"}}, {"arm64", []string{"NEON"}}}

// signature returns the signature of a kernel's implementations.
func signature(name string) string {
	for _, k := range kernels {
		if k.name == name {
			return "func" + k.types()
		}
	}
	panic("no kernel " + name)
}

// types returns the parameters, and the result if there is one.
func (k kernel) types() string {
	if k.result == "" {
		return "(" + k.params + ")"
	}
	return "(" + k.params + ") " + k.result
}

// call returns a call of an implementation.
func (k kernel) call(suffix string) string {
	text := k.name + suffix + "(" + k.args() + ")"
	if k.result != "" {
		text = "return " + text
	}
	return text
}

// args returns the names of the parameters.
func (k kernel) args() string {
	var names []string
	for _, p := range strings.Split(k.params, ", ") {
		name, _, _ := strings.Cut(p, " ")
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

const header = "// Code generated by internal/kernel/gen. DO NOT EDIT.\n\n//go:build %s\n\npackage kernel\n"

// writeDispatch writes dispatch_<arch>.go for each architecture, which calls the
// implementation for the instruction set in use, and dispatch_generic.go for those
// without any.
func writeDispatch(dir string) error {
	var others []string
	for _, a := range arches {
		others = append(others, "!"+a.name)
		if err := os.WriteFile(filepath.Join(dir, "dispatch_"+a.name+".go"), []byte(a.dispatch()), 0o644); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(header, "("+strings.Join(others, " && ")+") || noasm")
	for _, k := range kernels {
		text += fmt.Sprintf("\nfunc %s%s {\n\t%s\n}\n", k.name, k.types(), k.call("Generic"))
	}
	return os.WriteFile(filepath.Join(dir, "dispatch_generic.go"), []byte(text), 0o644)
}

func (a arch) dispatch() string {
	text := fmt.Sprintf(header, "!noasm")
	for _, k := range kernels {
		text += fmt.Sprintf("\nfunc %s%s {\n\tswitch {\n", k.name, k.types())
		isas, own := k.isas[a.name]
		if !own {
			isas = a.isas
		}
		for _, isa := range isas {
			if isa == "NEON" && !onNEON[k.name] {
				continue
			}
			text += fmt.Sprintf("\tcase active >= isa%s:\n\t\t%s\n", isa, k.call(isa))
		}
		text += fmt.Sprintf("\tdefault:\n\t\t%s\n\t}\n}\n", k.call("Generic"))
	}
	return text
}
