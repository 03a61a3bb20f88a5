package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/extract"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/scope"
)

// standardFrameRate is that of codes whose file does not tell.
const standardFrameRate = 80

// isCodes says whether a file is one of codes, by its extension or by how it begins.
func isCodes(path string) bool {
	return strings.EqualFold(filepath.Ext(path), ".npz") || fac.IsFile(path)
}

// readCodes reads the codes of a recording from what extract or encode wrote.
func readCodes(path string) (*scope.Codes, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileerr.In(path, err)
	}
	if err := checkRegular(path, info); err != nil {
		return nil, err
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npz", ".safetensors":
		return readArrayCodes(path)
	case ".fac":
		return readFacCodes(path)
	}
	return nil, fmt.Errorf("%s: is no file of codes by its extension; facodec extract writes .npz and .safetensors, facodec encode .fac", path)
}

func readArrayCodes(path string) (*scope.Codes, error) {
	arrays, err := extract.ReadArrays(path)
	if err != nil {
		return nil, err
	}
	return codeRows(arrays.Codes, standardFrameRate), nil
}

func readFacCodes(path string) (*scope.Codes, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fileerr.In(path, err)
	}
	defer file.Close()
	tokens, header, err := fac.ReadTokens(file)
	if err != nil {
		return nil, fileerr.In(path, err)
	}
	rows := codeRows(tokens.Codes, float64(header.SampleRate)/float64(header.HopLength))
	if rows.Frames() == 0 {
		return nil, fmt.Errorf("%s: no codes in this file", path)
	}
	return rows, nil
}

// codeRows names the books of all parts.
func codeRows(codes facodec.Codes, rate float64) *scope.Codes {
	return scope.NewCodes(codes[:], func(part int) string { return facodec.Part(part).String() }, rate)
}
