#!/bin/sh
# gopickle v0.2.0 (nlpodyssey/gopickle, the reader of PyTorch checkpoints for Go): 3,071 of the 65,536 numbers of float16 come out as
# others, without an error.
# - Positive numbers below 2^-14, m * 2^-24, are read as (1 + m/1024) * 2^-14: 5.96e-8 as 6.11e-5, a thousand times as much.
# - Negative ones are read as -(1 + m/1024) * 2^-15, and so is minus zero, as -3.05e-5.
# - Infinity is read as 65536, and a positive NaN as a number next to zero, so that a look for values that are not finite
#   finds none of a diverged run. Negative ones are right.
# All other numbers are right. No finite weight is off by more than 6.2e-5, so that a model still runs; but what was pruned toward
# zero comes back, and a norm or a comparison with another reader tells.
# Where from: the tables of pytorch/float_conversion.go, which HalfStorage reads by. Not found in its issues.
# What cures it: convert the checkpoint to float32 or bfloat16, or convert the bits yourself.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/nlpodyssey/gopickle/pytorch"
)

// value is that of a float16 by IEEE 754.
func value(bits uint16) float64 {
	sign, exponent, m := 1-2*float64(bits>>15), int(bits>>10&31), float64(bits&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(m, -24)
	case 31:
		if m != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+m, exponent-25)
}

func main() {
	var b bytes.Buffer
	for i := range 1 << 16 {
		binary.Write(&b, binary.LittleEndian, uint16(i))
	}
	var s pytorch.HalfStorage
	if err := s.SetFromFileWithSize(&b, 1<<16); err != nil {
		panic(err)
	}
	kinds := map[string]int{}
	wrong := 0
	for i, got := range s.Data {
		x, want, m := float64(got), value(uint16(i)), float64(i&1023)
		if x == want && math.Signbit(x) == math.Signbit(want) || math.IsNaN(want) && math.IsNaN(x) {
			continue
		}
		wrong++
		switch {
		case i>>10 == 0 && x == math.Ldexp(1024+m, -24):
			kinds["positive below 2^-14 as (1 + m/1024) * 2^-14"]++
		case i>>10 == 32 && m > 0 && x == -math.Ldexp(1024+m, -25):
			kinds["negative above -2^-14 as -(1 + m/1024) * 2^-15"]++
		case i == 1<<15 && x == -math.Ldexp(1, -15):
			kinds["minus zero as -2^-15"]++
		case math.IsInf(want, 1) && x == 65536:
			kinds["infinity as 65536"]++
		case math.IsNaN(want) && math.Abs(x) < 1e-37:
			kinds["NaN as a number next to zero"]++
		default:
			kinds["else"]++
		}
	}
	fmt.Printf("%d of 65536 float16 are read wrong\n", wrong)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Println(kinds[kind], kind)
	}
	fmt.Printf("%.3g as %.3g, minus zero as %.3g\n", value(1), s.Data[1], s.Data[1<<15])
	if wrong != 3071 || len(kinds) != 5 || kinds["else"] > 0 {
		fmt.Println("changed: other numbers are read wrong")
		os.Exit(1)
	}
}
GO
export GOFLAGS=-mod=mod GOMODCACHE="$dir/modules"
go mod init finding >/dev/null 2>&1
go get github.com/nlpodyssey/gopickle@v0.2.0 >/dev/null 2>&1
go list -m github.com/nlpodyssey/gopickle
go run .
# Seen: v0.2.0; 3071 of 65536 float16 are read wrong: 1023 NaN as a number next to zero, infinity as 65536, minus zero as -2^-15,
# 1023 negative above -2^-14 as -(1 + m/1024) * 2^-15, 1023 positive below 2^-14 as (1 + m/1024) * 2^-14; 5.96e-08 as 6.11e-05,
# minus zero as -3.05e-05
