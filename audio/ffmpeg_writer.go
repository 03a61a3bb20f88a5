package audio

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// ffmpegEncoder has the ffmpeg program encode floats from a pipe.
type ffmpegEncoder struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	buf    *bufio.Writer
	stderr firstLine
	waited bool
}

// newFFmpegEncoder starts ffmpeg on a file that is there: "mp3" or "opus".
func newFFmpegEncoder(path, kind string, o WriteOptions) (*ffmpegEncoder, error) {
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, faultf(ErrNoFFmpeg, "only .wav and .flac are written without it, and this is %s", kind)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	args := []string{
		"-v", "error", "-nostdin", "-y",
		"-f", "f32le", "-ar", strconv.Itoa(o.FileRate), "-ac", strconv.Itoa(o.Channels), "-i", "pipe:0",
	}
	switch kind {
	case "mp3":
		args = append(args, "-c:a", "libmp3lame", "-f", "mp3")
	case "opus":
		args = append(args, "-c:a", "libopus", "-f", "ogg")
	}
	if o.Comment != "" {
		args = append(args, "-metadata", "comment="+o.Comment)
	}
	if o.Bitrate > 0 {
		args = append(args, "-b:a", strconv.Itoa(o.Bitrate))
	}
	e := &ffmpegEncoder{cmd: exec.Command(program, append(args, "file:"+path)...)}
	e.cmd.Stderr = &e.stderr
	e.cmd.WaitDelay = time.Second
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	e.buf = bufio.NewWriterSize(e.stdin, 64<<10)
	return e, e.cmd.Start()
}

func (e *ffmpegEncoder) encode(samples []float32) (clipped int64, err error) {
	var b [4]byte
	for _, x := range samples {
		if x > 1 || x < -1 {
			clipped++
			x = min(max(x, -1), 1)
		}
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(x))
		if _, err := e.buf.Write(b[:]); err != nil {
			return clipped, e.failed(err)
		}
	}
	return clipped, nil
}

// failed is ffmpeg's reason for an error of the pipe to it.
func (e *ffmpegEncoder) failed(err error) error {
	if waitErr := e.wait(); waitErr != nil {
		return waitErr
	}
	return err
}

func (e *ffmpegEncoder) finish() error {
	if err := e.buf.Flush(); err != nil {
		return e.failed(err)
	}
	return e.wait()
}

// wait tells ffmpeg that there is no more and waits for its end.
func (e *ffmpegEncoder) wait() error {
	e.waited = true
	e.stdin.Close()
	err := e.cmd.Wait()
	if err == nil {
		return nil
	}
	if reason := e.stderr.String(); reason != "" {
		return faultf(ErrEncoder, "%s", ffmpegContext.ReplaceAllString(reason, ""))
	}
	return faultf(ErrEncoder, "%v", err)
}

func (e *ffmpegEncoder) discard() {
	if !e.waited {
		e.waited = true
		e.cmd.Process.Kill()
		e.stdin.Close()
		e.cmd.Wait() // "killed" is no news
	}
}
