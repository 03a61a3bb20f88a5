// Command gen writes the assembly of package kernel, its Go declarations and the
// functions that choose between implementations:
//
//	go generate ./internal/kernel
//
// It is a module of its own, so that the assembler library is no dependency of
// the product.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: gen directory")
	}
	dir := os.Args[1]
	for _, a := range []struct {
		name     string
		generate func(*build.Context)
	}{
		{"product", products},
		{"bf16", bf16},
		{"integers", integers},
		{"amx", amx},
		{"amx_int8", amxInt8},
		{"transpose", transposes},
		{"arithmetic", arithmetic},
		{"dot", dots},
		{"activation", activations},
		{"snake", snakes},
		{"antialias", antiAliases},
		{"toomcook", toomCooks},
		{"softmax", softmaxParts},
		{"lstm", lstm},
		{"adamw", adamWs},
		{"fft", ffts},
		{"spectrum", spectra},
		{"loss", losses},
		{"correlate", correlations},
	} {
		write(dir, a.name, a.generate)
	}
	for _, a := range []struct {
		name     string
		generate func(*armFile)
	}{
		{"product", armProducts},
		{"bf16", armBF16},
		{"integers", armIntegers},
		{"transpose", armTransposes},
		{"arithmetic", armArithmetic},
		{"dot", armDots},
		{"activation", armActivations},
		{"snake", armSnakes},
		{"antialias", armAntiAliases},
		{"toomcook", armToomCooks},
		{"softmax", armSoftmaxParts},
		{"lstm", armLSTM},
		{"adamw", armAdamW},
		{"fft", armFFTs},
		{"spectrum", armSpectra},
		{"loss", armLosses},
	} {
		if err := writeNEON(dir, a.name, a.generate); err != nil {
			log.Fatal(err)
		}
	}
	if err := writeDispatch(dir); err != nil {
		log.Fatal(err)
	}
}

// write writes the assembly of one algorithm, name_amd64.s, and its declarations,
// name_stubs_amd64.go.
func write(dir, name string, generate func(*build.Context)) {
	c := build.NewContext()
	c.ConstraintExpr("!noasm")
	generate(c)
	file, err := c.Result()
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	if err := pass.Compile.Execute(file); err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	cfg := printer.Config{Name: "internal/kernel/gen", Pkg: "kernel"}
	for suffix, p := range map[string]printer.Printer{
		"_amd64.s":        printer.NewGoAsm(cfg),
		"_stubs_amd64.go": printer.NewStubs(cfg),
	} {
		text, err := p.Print(file)
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+suffix), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
