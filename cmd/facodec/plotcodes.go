package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/npz"
	"github.com/facodec-go/facodec/internal/plural"
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
	case ".npz":
		return readNPZCodes(path)
	case ".fac":
		return readFacCodes(path)
	}
	return nil, fmt.Errorf("%s: is no file of codes by its extension; facodec extract writes .npz, facodec encode .fac", path)
}

func readNPZCodes(path string) (*scope.Codes, error) {
	file, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var codes facodec.Codes
	for part := range facodec.NumParts {
		name := "codes_" + part.String()
		if !file.Has(name) {
			continue
		}
		array, err := file.Read(name)
		if err != nil {
			return nil, err
		}
		if codes[part], err = rowsOf(array); err != nil {
			return nil, fmt.Errorf("%s: array %s: %w", path, name, err)
		}
	}
	rows := codeRows(codes, standardFrameRate)
	for _, row := range rows.Rows {
		if len(row) != rows.Frames() {
			return nil, fmt.Errorf("%s: parts of %d and of %s", path, rows.Frames(), plural.Of(len(row), "frame"))
		}
	}
	if rows.Frames() == 0 {
		return nil, fmt.Errorf("%s: no codes in this file; facodec extract --what codes writes them", path)
	}
	return rows, nil
}

// rowsOf returns the books [books, frames] of an array.
func rowsOf(a *npz.Array) ([][]int32, error) {
	if len(a.Shape) != 2 || a.DType.IsFloat() || a.DType == npz.Bool {
		return nil, fmt.Errorf("%s %s, want integers [books, frames]", a.DType, shapeText(a.Shape))
	}
	const mostBooks = 64
	books, frames := a.Shape[0], a.Shape[1]
	if books > mostBooks {
		return nil, fmt.Errorf("%s", plural.Of(books, "book"))
	}
	rows := make([][]int32, books)
	for i := range rows {
		rows[i] = make([]int32, frames)
		for t, code := range a.Int[i*frames : (i+1)*frames] {
			if code < 0 || code > math.MaxInt32 {
				return nil, fmt.Errorf("%d is no code", code)
			}
			rows[i][t] = int32(code)
		}
	}
	return rows, nil
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
