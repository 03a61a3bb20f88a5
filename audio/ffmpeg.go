package audio

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/facodec-go/facodec/internal/plural"
)

// ffmpegDecoder has the ffmpeg program decode a file to a WAV of floats on a pipe,
// whose header tells the rate and the channels.
type ffmpegDecoder struct {
	src    *source
	cmd    *exec.Cmd
	input  string // as ffmpeg was given it
	stderr firstLine
	wav    *wavDecoder
	waited bool

	skip int64 // frames still to be cut off at the start
	left int64 // and to be delivered behind them; -1: all
}

// ffmpegFormats are those that ffmpeg may take a file for: of one recording, whole in
// the file. Its others are left out, among them all lists of files and addresses (HLS,
// DASH, concat, SDP, IMF ...), scripts, and what takes further files by their names.
var ffmpegFormats = strings.Join([]string{
	"aa", "aac", "ac3", "act", "aea", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "ast", "au", "avi", "avr",
	"caf", "dsf", "dts", "dtshd", "eac3", "flac", "flv", "gsm", "iff", "ircam", "loas",
	"matroska", "webm", "mlp", "mmf", "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "mp3", "mpc", "mpc8", "mpeg", "mpegts",
	"nistsphere", "nut", "ogg", "oma", "paf", "pvf", "qcp", "rm", "shn", "sds", "sox", "tak", "truehd", "tta",
	"voc", "vqf", "w64", "wav", "wsaud", "wv", "xa", "xwma",
}, ",")

// newFFmpeg starts ffmpeg on a file of the kind given, which is for the error where
// ffmpeg is missing; "" is none that is known.
func newFFmpeg(src *source, kind string) (decoder, error) {
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		if kind == "" {
			kind = "none of them"
		}
		return nil, faultf(ErrNoFFmpeg, "only WAV (PCM, float, µ-law, A-law), FLAC, MP3, Vorbis and Opus (Ogg, WebM) are read without it, and this is %s", kind)
	}
	d := &ffmpegDecoder{src: src, input: "pipe:0", left: -1}
	protocol := "pipe"
	if src.seekable() {
		// An absolute path behind "file:" is taken as it is, even if it begins
		// with a dash or looks like an address.
		path, err := filepath.Abs(src.name)
		if err != nil {
			return nil, err
		}
		d.input, protocol = "file:"+path, "file"
	}
	stdin, sound := d.mp4Sound()
	args := []string{
		"-v", "error",
		"-nostdin",
		// Neither may a file from a stranger make ffmpeg open others, nor addresses.
		"-protocol_whitelist", protocol,
		"-format_whitelist", ffmpegFormats,
	}
	if sound != nil {
		args = append(args, "-ignore_editlist", "1", "-flags2", "skip_manual") // all of it
	}
	d.cmd = exec.Command(program, append(args,
		"-i", d.input,
		"-map", "0:a:0", // the first sound track; no pictures
		"-bitexact",
		"-c:a", "pcm_f32le", "-f", "wav", "pipe:1")...)
	d.cmd.Stderr = &d.stderr
	if !src.seekable() {
		d.cmd.Stdin = stdin
	}
	// Once ffmpeg is gone, do not wait for a stream that has more to send.
	d.cmd.WaitDelay = time.Second
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	out := newSource(stdout, src.name)
	out.keep, out.strict = src.keep, true
	d.wav, err = newWAV(out)
	if err != nil {
		// ffmpeg's reason says more than that its output is no WAV.
		if waitErr := d.wait(true); waitErr != nil {
			err = waitErr
		}
		return nil, err
	}
	if sound != nil {
		start, end := sound.frames(d.wav.info().SampleRate)
		d.skip, d.left = start, end-start
	}
	return d, nil
}

// mp4Sound reads what the tables of an MP4 say, and returns what ffmpeg is then to be
// fed of a stream. nil: it is none, or they do not tell.
func (d *ffmpegDecoder) mp4Sound() (io.Reader, *mp4Sound) {
	head, _ := d.src.br.Peek(8)
	switch {
	case !isMP4(head):
		return d.src.br, nil
	case d.src.seekable():
		return nil, readMP4Sound(d.src.file, d.src.size)
	}
	head = mp4Head(d.src.br)
	sound := readMP4Sound(bytes.NewReader(head), int64(len(head)))
	return io.MultiReader(bytes.NewReader(head), d.src.br), sound
}

func (d *ffmpegDecoder) info() Info {
	info := d.wav.info()
	info.Format, info.Encoding = "ffmpeg", ""
	return info
}

func (d *ffmpegDecoder) read(dst []float32) (int, error) {
	for {
		n, err := d.decode(dst)
		if err != nil {
			return 0, err
		}
		width := d.src.width(d.wav.format.channels)
		have := int64(n / width)
		cut := min(d.skip, have)
		d.skip -= cut
		keep := have - cut
		if d.left >= 0 {
			keep = min(keep, d.left)
			d.left -= keep
		}
		if keep > 0 {
			return copy(dst, dst[int(cut)*width:int(cut+keep)*width]), nil
		}
	}
}

// decode is read with all that ffmpeg makes of the packets.
func (d *ffmpegDecoder) decode(dst []float32) (int, error) {
	n, err := d.wav.read(dst)
	if err == nil {
		return n, nil
	}
	// A sound end is one where ffmpeg, too, is content.
	if waitErr := d.wait(err != io.EOF); waitErr != nil {
		return 0, waitErr
	}
	// ffmpeg opened the file by its name, after it was seen what it is.
	if changed := d.src.checkUnchanged(); changed != nil {
		return 0, changed
	}
	if err == io.EOF && d.left > 0 {
		if err := d.src.odd(ErrTruncated, "the tables of the file tell of %s more than there are", plural.Of(d.left, "sample")); err != nil {
			return 0, err
		}
		d.left = 0
	}
	return 0, err
}

// wait ends ffmpeg, by force or by waiting, and returns its complaint if it failed
// by itself.
func (d *ffmpegDecoder) wait(kill bool) error {
	if d.waited {
		return nil
	}
	d.waited = true
	var killed atomic.Bool
	if kill {
		// One that has failed comes to its end by itself, and says why.
		timer := time.AfterFunc(time.Second, func() {
			killed.Store(true)
			d.cmd.Process.Kill()
		})
		defer timer.Stop()
	}
	err := d.cmd.Wait()
	if err == nil || killed.Load() || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err // of the stream that ffmpeg was fed
	}
	reason := d.stderr.String()
	if strings.Contains(reason, "not on whitelist") {
		return faultf(ErrUnsupported, "ffmpeg takes it for none of the formats of single recordings that are read")
	}
	// The file is named already, and ffmpeg's addresses in memory mean nothing.
	reason = strings.TrimPrefix(reason, d.input+": ")
	reason = ffmpegContext.ReplaceAllString(reason, "")
	if reason == "" {
		reason = err.Error()
	}
	return faultf(ErrFFmpeg, "%s", reason)
}

// ffmpegContext is how ffmpeg begins a message: "[mp3 @ 0x55d408fc8980] ".
var ffmpegContext = regexp.MustCompile(`^\[[^]]* @ 0x[0-9a-f]+\] `)

func (d *ffmpegDecoder) close() error {
	if !d.waited {
		d.waited = true
		d.cmd.Process.Kill()
		d.cmd.Wait() // "killed" is no news
	}
	return d.src.close()
}

// firstLine keeps the first line that is written to it, and drops the rest: an
// error is one line, and ffmpeg can write without end.
type firstLine struct {
	mu   sync.Mutex
	line []byte
	done bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range p {
		if f.done {
			break
		}
		switch {
		case c != '\n' && c != '\r':
			f.line = append(f.line, c)
			f.done = len(f.line) == 500
		case len(f.line) > 0:
			f.done = true
		}
	}
	return len(p), nil
}

// String returns the line without characters that would disturb a terminal.
func (f *firstLine) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	clean := func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}
	return strings.TrimSpace(strings.Map(clean, string(f.line)))
}
