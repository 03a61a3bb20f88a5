package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/recording"
)

// How much a timbre, and how many of the first codes, may differ between two machines:
// results agree to the bit on one alone.
const (
	sameTimbre = 2e-5 // relative RMS, as golden numbers are compared
	sameCodes  = 0.9
)

// checkCompressed returns an *otherwise if the compressed file of a job is not what would
// be made of its source: its bytes depend on the recording and the checkpoint alone, so
// that a part of the work tells. A timbre is found in a hundredth of the time that
// encoding takes.
func checkCompressed(ctx context.Context, codec *facodec.Codec, want fac.Header, j job) error {
	other := func(format string, args ...any) error { return &otherwise{j.output, fmt.Sprintf(format, args...)} }
	if !isFile(j.source) {
		return other("is there, and cannot be compared with what comes from %s", nameOfSource(j.source))
	}
	r, codes, err := readCompressed(ctx, j.output)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return other("cannot be read: %v", fileerr.Cause(err))
	}
	switch h := r.Header(); {
	case h.Quantizer != want.Quantizer || h.Decoder != want.Decoder:
		return other("was made with other weights")
	case h.Books[facodec.Residual] != want.Books[facodec.Residual]:
		return other("was made with --residual-books %d", h.Books[facodec.Residual])
	case h.Precision != want.Precision && h.Precision == "":
		return other("was made with --precision %s, or by a version that kept none", facodec.Fast)
	case h.Precision != want.Precision:
		return other("was made with --precision %s", h.Precision)
	case h.EntropyCoded != want.EntropyCoded:
		return other("was made %s --entropy-coding", map[bool]string{true: "with", false: "without"}[h.EntropyCoded])
	}
	in, err := recording.Open(ctx, j.source, recording.Options{Rate: codec.SampleRate()})
	if err != nil {
		return err
	}
	first := codec.NewEncoder()
	var begin facodec.Codes
	samples := int64(0)
	voice := codec.NewVoiceEncoder()
	if _, err := in.Read(ctx, func(piece []float32) error {
		samples += int64(len(piece))
		if samples <= int64(2*codec.SampleRate()) {
			more, err := first.Push(piece)
			if err != nil {
				return err
			}
			begin.Append(more)
		}
		return voice.Push(piece)
	}); err != nil {
		return err
	}
	voice.EndClip()
	timbre, err := voice.Timbre()
	if err != nil {
		return fmt.Errorf("%s: %w", j.source, err)
	}
	if samples != r.Samples() || distance(timbre, r.Timbre()) > sameTimbre || agreement(begin, codes) < sameCodes {
		return changedSource(j)
	}
	return nil
}

// readCompressed reads a file to its end, of whose codes the first block is returned.
func readCompressed(ctx context.Context, path string) (*fac.Reader, facodec.Codes, error) {
	var first facodec.Codes
	f, err := os.Open(path)
	if err != nil {
		return nil, first, err
	}
	defer f.Close()
	r, err := fac.NewReader(f)
	if err != nil {
		return nil, first, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, first, err
		}
		codes, err := r.Next()
		if err == io.EOF {
			return r, first, nil
		}
		if err != nil {
			return nil, first, err
		}
		if first.Frames() == 0 {
			first.Append(codes)
		}
	}
}

// distance is the RMS of the difference of two timbres, relative to the first.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	difference, size := 0.0, 0.0
	for i, x := range a {
		difference += float64(x-b[i]) * float64(x-b[i])
		size += float64(x) * float64(x)
	}
	if difference == 0 {
		return 0
	}
	return math.Sqrt(difference / size)
}

// agreement is the part of the codes that both have that is equal; 1 for none.
func agreement(a, b facodec.Codes) float64 {
	equal, all := 0, 0
	for part := range a {
		for i := range min(len(a[part]), len(b[part])) {
			for t := range min(len(a[part][i]), len(b[part][i])) {
				all++
				if a[part][i][t] == b[part][i][t] {
					equal++
				}
			}
		}
	}
	if all == 0 {
		return 1
	}
	return float64(equal) / float64(all)
}
