package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/fifo"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// A record says what an output was made of and with. Audio files carry it as their
// comment, so that it stays with them wherever they go.
type record struct {
	Command string `json:"facodec"`
	Model   string `json:"model"`             // fingerprints of all networks that have a part in it
	Voice   string `json:"voice,omitempty"`   // hash of another voice's timbre
	Options string `json:"options,omitempty"` // as they are given
	Bytes   int64  `json:"bytes"`             // of the source
	Source  string `json:"source"`            // its SHA-256
}

// How a record begins and ends in a file.
const (
	recordPrefix = `{"facodec":"`
	recordSuffix = `}`
)

func (r record) String() string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(b)
}

// fingerprints joins those of some networks.
func fingerprints(list ...fmt.Stringer) string {
	var b strings.Builder
	for i, f := range list {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// of adds the source, which is read for it.
func (r record) of(ctx context.Context, source string) (record, error) {
	f, err := fifo.Open(ctx, source)
	if err != nil {
		return r, fileerr.Read(source, err)
	}
	defer f.Close()
	r.Bytes, r.Source, err = hashOf(ctx, f)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = fileerr.Read(source, err)
	}
	return r, err
}

// hashOf reads to the end.
func hashOf(ctx context.Context, in io.Reader) (n int64, sum string, err error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return n, "", err
		}
		k, err := in.Read(buf)
		h.Write(buf[:k])
		n += int64(k)
		if err == io.EOF {
			return n, hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return n, "", err
		}
	}
}

// isFile says whether a path is a file that can be read as often as is needed.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// exists says whether there is an output of an earlier run.
func exists(output string) bool {
	info, err := os.Stat(output)
	return err == nil && output != dash && !info.IsDir() && !atomicfile.IsStream(output)
}

// An otherwise is an output that was not made as this run would make it.
type otherwise struct {
	output, why string
}

func (e *otherwise) Error() string { return e.output + ": " + e.why }

// check returns an *otherwise if the output of a job was made of another source than
// the job's, or not with what r says.
func (r record) check(ctx context.Context, j job) error {
	text, err := audio.FindComment(j.output, recordPrefix, recordSuffix)
	if err != nil {
		return err
	}
	var was record
	if text == "" || json.Unmarshal([]byte(text), &was) != nil {
		return &otherwise{j.output, "nothing in it says what it was made with: an earlier version wrote it, or another program"}
	}
	switch {
	case was.Command != r.Command:
		return &otherwise{j.output, "was made by " + was.Command}
	case was.Model != r.Model:
		return &otherwise{j.output, "was made with other weights"}
	case was.Options != r.Options:
		return &otherwise{j.output, "was made " + was.optionsBeside(r)}
	case was.Voice != r.Voice:
		return &otherwise{j.output, "was made in another voice"}
	case !isFile(j.source):
		return &otherwise{j.output, "is there, and cannot be compared with what comes from " + nameOfSource(j.source)}
	}
	if info, err := os.Stat(j.source); err != nil || info.Size() != was.Bytes {
		return changedSource(j)
	}
	now, err := r.of(ctx, j.source)
	if err != nil {
		return err
	}
	if now.Source != was.Source {
		return changedSource(j)
	}
	return nil
}

func changedSource(j job) error {
	return &otherwise{j.output, "was made of another recording than " + j.source + " is now"}
}

func nameOfSource(path string) string {
	if path == dash {
		return stdinName
	}
	return path
}

// precision returns that of the options, and the others. Records of before there was a
// choice have none, and are of exact.
func (r record) precision() (precision, others string) {
	const flag = "--precision "
	if rest, ok := strings.CutPrefix(r.Options, flag); ok {
		precision, others, _ = strings.Cut(rest, " ")
		return flag + precision, others
	}
	return flag + facodec.Exact, r.Options
}

// optionsBeside says what options an output was made with, compared with those of now.
func (r record) optionsBeside(now record) string {
	precision, others := r.precision()
	switch wanted, given := now.precision(); {
	case precision != wanted:
		return "with " + strings.TrimSpace(precision+" "+others)
	case others == "":
		return "without " + given
	}
	return "with " + others
}

// keep splits off the jobs whose outputs exist and are what this run would make, which
// check says of each. Outputs that are not are an error.
func keep(ctx context.Context, jobs []job, force bool, check func(context.Context, job) error) (todo, kept []job, err error) {
	var first *otherwise
	others := 0
	for _, j := range jobs {
		if force || !exists(j.output) {
			todo = append(todo, j)
			continue
		}
		err := check(ctx, j)
		var found *otherwise
		switch {
		case errors.As(err, &found):
			if first != nil {
				others++
			} else {
				first = found
			}
		case err != nil:
			return nil, nil, err
		}
		kept = append(kept, j)
	}
	if first == nil {
		return todo, kept, nil
	}
	more := ""
	if others > 0 {
		more = fmt.Sprintf(" (and so %s)", plural.Of(others, "other output"))
	}
	return nil, nil, fmt.Errorf("%w%s; --force overwrites what is there, or give another output", first, more)
}

// hashOfVoice tells one voice from another.
func hashOfVoice(voice *facodec.Voice, match float64) string {
	var b []byte
	for _, x := range voice.Timbre {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	for _, x := range voice.Spectrum {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	if match > 0 {
		for _, books := range voice.Frames {
			for _, codes := range books {
				for _, code := range codes {
					b = binary.LittleEndian.AppendUint32(b, uint32(code))
				}
			}
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
