package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/atomicfile"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/sound"
)

// liveFlags are those of the command that converts a voice while it speaks.
type liveFlags struct {
	modelFlags
	references  []string
	voices      []string
	match       matchFlags
	reconstruct bool
	delay       time.Duration
	buffer      time.Duration
	input       string
	output      string
	list        bool
	rate        int
	format      string
	control     string
	simulated   string
	out         string
	offline     bool
	force       bool
	block       int
	quiet       bool
	json        bool

	piped bool            // raw samples from standard input to standard output
	found [2]sound.Device // input and output
}

func newLive() *cobra.Command {
	var flags liveFlags
	cmd := &cobra.Command{
		Use:   "live {--reference FILE... | --voices FILE,FILE... | --reconstruct} [--input DEVICE] [--output DEVICE] [-]",
		Short: "Convert a voice while it speaks",
		Long: `Live takes the microphone and plays it in another voice while you speak, through
PulseAudio or PipeWire. WEAR HEADPHONES: what a loudspeaker plays, the microphone hears
again.

The voice is that of --reference, as in convert: recordings of one voice, or a .voice of
facodec voice enroll. --voices names several, of which the first begins. --reconstruct
speaks your own voice through the codec: it listens for 4 seconds of speech first, or
takes the voice of --reference.

--match puts frames of the reference itself in place of yours, as in convert: nearer to its
voice, and less clear. The share can be changed while you speak.

On a terminal these keys work, and with --control PATH, a named pipe, lines of the same
words (echo bypass > PATH):

  1 … 9, voice N, voice NAME   the voice
  b, bypass                    your own voice, delayed as much
  r, reconstruct               your own voice through the codec
  c, convert                   the voice again
  + and -, match X             more and less of the reference's own frames, if live was
                               started with --match
  q, quit                      the end

The line at the bottom shows the levels, the delay, the real-time factor (the time that a
frame takes, of the time that it lasts) and the dropouts: frames that were not ready when
they were due. The delay from microphone to headphones is fixed. It is the sum of the
codec's own (for which no computer is fast enough), of the time to process, and of the
devices' buffers; --delay sets all but the devices' latency, and the least is chosen
without it. If there are dropouts, a longer delay helps, or a larger --buffer.

--list-devices lists the devices. --input and --output take a name from there, or a part of
one that fits only one; the default is that of the desktop. A device that vanishes is used
again when it is back.

Without a sound server, samples go through pipes: with - as argument raw mono PCM is read
from standard input and written to standard output at --rate in --format:

  arecord -q -t raw -f S16_LE -r 24000 -B 20000 | facodec live - --reference it.voice |
    aplay -q -t raw -f S16_LE -r 24000 -B 40000

On Windows and macOS there is no sound server that this program speaks to: use a pipe, or
facodec serve and a browser.

--simulate FILE uses a recording in place of the microphone, at its own pace, writes what
would have been played to -o, at the sample rate of FILE, and reports the delays. --offline
does it as fast as it goes.

Frames are computed one at a time if that keeps up with the microphone on this computer,
which is measured at the start, and otherwise in blocks of 2, 4 or 8, which takes less time
for each and adds the duration of the block's other frames to the delay. --block sets it.

A redecoder (convert --redecoder-checkpoint) is not used here: it looks 48 frames, 0.6 s,
ahead, which is too long for a conversation.`,
		Example: `  facodec voice enroll --source testdata/speech/it.flac -o it.voice
  facodec live --reference it.voice
  facodec live --list-devices
  facodec live --simulate testdata/speech/en.flac -o live.wav --reference testdata/speech/it.flac`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, args); err != nil {
				return err
			}
			return flags.run(cmd)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&flags.references, "reference", nil, "audio `file`s of one voice, a folder of them, or a .voice (facodec voice enroll); may be repeated")
	f.StringSliceVar(&flags.voices, "voices", nil, "several voices, to switch between: `file`s or folders, with commas between them")
	flags.match.add(cmd)
	f.BoolVar(&flags.reconstruct, "reconstruct", false, "your own voice, through the codec")
	f.StringVar(&flags.input, "input", "", "`device` that captures (default: the desktop's)")
	f.StringVar(&flags.output, "output", "", "`device` that plays (default: the desktop's)")
	f.BoolVar(&flags.list, "list-devices", false, "list the devices, and do nothing else")
	f.DurationVar(&flags.delay, "delay", 0, "the delay to hold, 200ms say, without the devices' own latency (default: the least that works)")
	f.DurationVar(&flags.buffer, "buffer", 10*time.Millisecond, "how much the devices deliver and take at a time: 5ms to 100ms")
	f.IntVar(&flags.rate, "rate", 0, "sample rate of standard input and output, in Hz (default: the codec's)")
	f.StringVar(&flags.format, "format", "s16", "format of the samples of standard input and output: `s16` or f32, little-endian")
	f.StringVar(&flags.control, "control", "", "named `pipe` for commands, one a line; made if it is not there")
	f.StringVar(&flags.simulated, "simulate", "", "use a recording, at its own pace, in place of the microphone")
	f.StringVarP(&flags.out, "output-file", "o", "", "`file` for what --simulate would have played")
	f.BoolVar(&flags.force, "force", false, "overwrite the output file of --simulate if it exists")
	f.BoolVar(&flags.offline, "offline", false, "--simulate as fast as it goes")
	f.IntVar(&flags.block, "block", 0, "`frames` that are computed together, 1 to 16 (default: as few as keep up, measured at the start)")
	flags.modelFlags.addLive(cmd)
	f.BoolVar(&flags.quiet, "quiet", false, "print nothing but errors and warnings")
	f.BoolVar(&flags.json, "json", false, "print the meter to stdout, as a line of JSON every second")
	return cmd
}

func (f *liveFlags) check(cmd *cobra.Command, args []string) error {
	usage := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
	}
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	switch {
	case len(args) == 1 && args[0] == dash:
		f.piped = true
	case len(args) > 0:
		return usage("%q: the only argument is -, for samples from standard input; a device is --input, a voice --reference", args[0])
	}
	for _, name := range []string{"reference", "voices", "input", "output", "control", "simulate", "output-file"} {
		if given(name) && (cmd.Flags().Lookup(name).Value.String() == "" || cmd.Flags().Lookup(name).Value.String() == "[]") {
			return usage("--%s is empty", name)
		}
	}
	switch {
	case f.list:
		return nil
	case len(f.references) > 0 && len(f.voices) > 0:
		return usage("both --reference and --voices: one voice, or several")
	case len(f.references) == 0 && len(f.voices) == 0 && !f.reconstruct:
		return usage("no voice: name an audio file of it with --reference, or give --reconstruct for your own")
	case len(f.voices) > 9:
		return usage("%d --voices: there are keys for 9", len(f.voices))
	case f.piped && f.simulated != "":
		return usage("both - and --simulate: samples come from standard input, or from a file")
	case (f.piped || f.simulated != "") && (f.input != "" || f.output != ""):
		return usage("--input and --output are devices, and none is used")
	case f.simulated != "" && f.out == "":
		return usage("--simulate without -o: name the file for what would be played")
	case f.simulated == "" && (f.out != "" || f.offline || f.force):
		return usage("-o, --force and --offline are for --simulate")
	case given("block") && (f.block < 1 || f.block > live.MaxBlock):
		return usage("--block %d: give 1 to %d, or leave it out for as few as keep up", f.block, live.MaxBlock)
	case !f.piped && (given("rate") || given("format")):
		return usage("--rate and --format are those of standard input: give -")
	case f.format != "s16" && f.format != "f32":
		return usage("--format %s: there are s16 and f32", f.format)
	case given("rate") && (f.rate < audio.MinRate || f.rate > audio.MaxRate):
		return usage("--rate %d: give %d to %d", f.rate, audio.MinRate, audio.MaxRate)
	case f.delay < 0 || f.delay > 5*time.Second:
		return usage("--delay %v: give 0 to 5s", f.delay)
	case f.buffer < 5*time.Millisecond || f.buffer > 100*time.Millisecond:
		return usage("--buffer %v: give 5ms to 100ms", f.buffer)
	case f.piped && f.json:
		return usage("- and --json: both write to standard output")
	}
	if f.simulated != "" {
		if err := checkExtension(f.out); err != nil {
			return usage("%v", err)
		}
	}
	if err := f.match.check(cmd); err != nil {
		return err
	}
	if f.match.given && len(f.references) == 0 && len(f.voices) == 0 {
		return usage("--match without a voice: its frames are those of --reference or --voices")
	}
	return f.modelFlags.check()
}

// checkOutput refuses to write over what is read, and over what is there already.
func (f *liveFlags) checkOutput() error {
	if f.simulated == "" {
		return nil
	}
	for _, source := range slices.Concat([]string{f.simulated}, f.references, f.voices) {
		if location(source) == location(f.out) {
			return fmt.Errorf("%s is a source, and the output; give another -o", source)
		}
	}
	if !f.force && exists(f.out) {
		return fmt.Errorf("%s: exists; --force overwrites it, or give another -o", f.out)
	}
	if err := new(outputFlags).probe(48000, f.out); err != nil {
		return err
	}
	return atomicfile.Probe(f.out)
}

func (f *liveFlags) run(cmd *cobra.Command) error {
	if f.list {
		return f.listDevices(cmd)
	}
	if err := f.checkOutput(); err != nil {
		return err
	}
	if err := f.probeDevices(); err != nil {
		return err
	}
	s, err := f.openSession(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer s.work.Wait() // before the model is closed
	defer cancel()
	switch {
	case f.piped:
		return s.pipe(ctx, cmd.InOrStdin(), cmd.OutOrStdout())
	case f.simulated != "":
		return s.simulate(ctx, cmd.OutOrStdout())
	}
	return s.devices(ctx, cmd.InOrStdin(), cmd.OutOrStdout())
}

// A liveVoice is one that can be chosen.
type liveVoice struct {
	name string
	*live.Voice
}

// A liveSession is the command at work.
type liveSession struct {
	*liveFlags
	codec  *facodec.Codec
	show   *display
	voices []liveVoice
	duplex *live.Duplex
	learn  *live.OwnVoice // nil where one's own voice was given
	broken atomic.Int64   // samples captured that were no numbers

	work    sync.WaitGroup // goroutines that use the model
	mu      sync.Mutex
	now     int        // the voice that was chosen last
	own     *liveVoice // one's own, once it is known
	wantOwn bool       // it is to be heard once it is known
	share   float64    // of a voice's own frames
}

// openSession opens the model and finds the voices.
func (f *liveFlags) openSession(cmd *cobra.Command) (*liveSession, error) {
	groups := [][]string{f.references}
	if len(f.voices) > 0 {
		groups = nil
		for _, v := range f.voices {
			groups = append(groups, []string{v})
		}
	}
	var found []references
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		r, err := findReferences(g, "")
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	codec, notices, err := f.open(cmd)
	if err != nil {
		return nil, err
	}
	s := &liveSession{liveFlags: f, codec: codec, show: newDisplay(cmd.ErrOrStderr(), f.quiet), share: f.match.match}
	for _, r := range found {
		voice, err := r.voice(cmd.Context(), codec, false, f.match.match > 0)
		var ready *live.Voice
		if err == nil {
			if err = f.match.fits(voice); err != nil {
				err = fmt.Errorf("%s: %w", r.name, err)
			}
		}
		if err == nil {
			ready, err = live.NewVoice(codec, voice, f.match.match)
		}
		if err != nil {
			s.close()
			return nil, f.cureVoices(err, r.files, codec)
		}
		for _, w := range voice.Warnings {
			s.show.warning("%v", w)
		}
		s.voices = append(s.voices, liveVoice{r.name, ready})
		if !f.reconstruct {
			notices = append(notices, r.spectrumNotice(codec, voice)...)
		}
	}
	if f.reconstruct && len(s.voices) > 0 && len(f.voices) == 0 {
		s.own = &s.voices[0]
	}
	if !f.reconstruct {
		notices = append(notices, f.conversionNotices()...)
	}
	for _, text := range notices {
		s.show.notice("%s", text)
	}
	return s, nil
}

func (s *liveSession) close() {
	if s.learn != nil {
		s.learn.Close()
	}
	s.codec.Close()
}

// start makes the duplex, in the first voice.
func (s *liveSession) start(o live.DuplexOptions) error {
	o.Delay = s.delay
	if len(s.voices) > 0 {
		o.Voice = s.voices[0].Voice
	}
	switch {
	case s.reconstruct && s.own == nil:
		o.Mode, s.wantOwn = live.Bypass, true
	case s.reconstruct:
		o.Mode, o.Voice = live.Reconstruct, s.own.Voice
	}
	err := s.chooseBlock()
	if err == nil {
		o.Block = s.block
		s.duplex, err = live.NewDuplex(s.codec, o)
	}
	switch {
	case errors.Is(err, live.ErrNotLive):
		return fmt.Errorf("%s: %w", s.checkpoint, err)
	case err != nil:
		return err
	}
	d := s.duplex
	if s.own == nil {
		rate := o.InRate
		if rate == 0 {
			rate = s.codec.SampleRate()
		}
		s.learn = live.NewOwnVoice(s.codec, rate)
		if s.reconstruct {
			s.show.info("speak: your own voice is learned from the first 4 seconds of speech, and bypassed until then")
		}
	}
	if s.delay > 0 && s.delay < d.LeastDelay() {
		s.show.warning("--delay %v is less than the %v that this model needs here: frames may come late", s.delay, d.LeastDelay().Round(time.Millisecond))
	}
	return nil
}

// chooseBlock measures how many frames to compute together, unless the user said.
func (s *liveSession) chooseBlock() error {
	if s.block > 0 {
		return nil
	}
	frames, factor, err := live.ChooseBlock(s.codec, s.slowest())
	if err != nil {
		return err
	}
	s.block = frames
	switch {
	case s.offline:
	case factor > 1:
		s.show.warning("this computer is too slow for the model: blocks of %s take %.2f of the time that they last; there will be dropouts. --precision bf16 or int8 and a smaller model are faster", plural.Of(frames, "frame"), factor)
	case frames > 1:
		s.show.notice("blocks of %s (--block): with fewer this computer does not keep up; they add %.0f ms to the delay", plural.Of(frames, "frame"), float64(frames-1)*1000/s.codec.FrameRate())
	}
	return nil
}

// slowest returns the voice with the most frames to compare with, nil where none has any.
func (s *liveSession) slowest() (slowest *live.Voice) {
	most := 0
	for _, v := range s.voices {
		if n := v.Frames(); n > most {
			slowest, most = v.Voice, n
		}
	}
	return slowest
}

// listen is told of what is captured, to learn one's own voice.
func (s *liveSession) listen(samples []float32) {
	if s.learn == nil {
		return
	}
	s.learn.Add(samples, func(timbre []float32, err error) {
		if err != nil {
			s.show.warning("your own voice was not learned: %v", err)
			return
		}
		s.learned(timbre)
	})
}

// listDevices prints the devices.
func (f *liveFlags) listDevices(cmd *cobra.Command) error {
	server, err := sound.Connect("facodec live")
	if err != nil {
		return cureSound(err)
	}
	defer server.Close()
	inputs, outputs, err := server.Devices()
	if err != nil {
		return err
	}
	if f.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Server  string         `json:"server"`
			Inputs  []sound.Device `json:"inputs"`
			Outputs []sound.Device `json:"outputs"`
		}{server.Name(), inputs, outputs})
	}
	return printed(cmd.OutOrStdout(), func(w io.Writer) {
		for _, group := range []struct {
			title   string
			devices []sound.Device
		}{{"inputs (--input)", inputs}, {"outputs (--output)", outputs}} {
			fmt.Fprintf(w, "%s:\n", group.title)
			for _, d := range group.devices {
				fmt.Fprintf(w, "  %s\n      %s\n", oneLine(d.Name), deviceLine(d))
			}
			if len(group.devices) == 0 {
				fmt.Fprintln(w, "  none")
			}
		}
	})
}

func deviceLine(d sound.Device) string {
	parts := []string{oneLine(d.Description), fmt.Sprintf("%d Hz", d.Rate), plural.Of(d.Channels, "channel")}
	if d.Default {
		parts = append(parts, "default")
	}
	if d.Monitor {
		parts = append(parts, "what an output plays")
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// cureSound adds to an error of reaching a sound server what else can be done.
func cureSound(err error) error {
	if errors.Is(err, sound.ErrNoServer) {
		return fmt.Errorf("%w; cures: start PipeWire (pipewire-pulse) or PulseAudio; or pipe samples, arecord -t raw … | facodec live - … | aplay -t raw …; or facodec serve with a browser; or --simulate with a recording", err)
	}
	if errors.Is(err, sound.ErrNoDevice) {
		return fmt.Errorf("%w; --list-devices lists them", err)
	}
	return err
}
