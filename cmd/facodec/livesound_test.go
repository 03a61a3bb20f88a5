package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"context"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/sound"
)

// startSound starts a private sound server with two null sinks, speaker and cable, of which the
// second is a microphone. FACODEC_SOUND says which: pulseaudio, or pipewire with its server
// of PulseAudio's protocol. Neither needs a desktop or an init system.
func startSound(t *testing.T) {
	t.Helper()
	server := os.Getenv("FACODEC_SOUND")
	dir := t.TempDir()
	socket := filepath.Join(dir, "pulse", "native")
	if server == "" {
		t.Skip("FACODEC_SOUND names no sound server: pulseaudio or pipewire, which must be installed")
	}
	for name, value := range map[string]string{
		"HOME": dir, "XDG_RUNTIME_DIR": dir, "XDG_STATE_HOME": dir, "XDG_CONFIG_HOME": dir, "PULSE_RUNTIME_PATH": filepath.Dir(socket), "PULSE_STATE_PATH": filepath.Join(dir, "state"),
		"PULSE_SERVER": "unix:" + socket, "DBUS_SESSION_BUS_ADDRESS": "unix:path=" + filepath.Join(dir, "bus"),
	} {
		t.Setenv(name, value)
	}
	start := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		log := &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
			if t.Failed() {
				t.Logf("%s: %s", name, log)
			}
		})
	}
	modules := [][]string{
		{"module-null-sink", "sink_name=speaker", "rate=48000", "format=float32le", "channels=1"},
		{"module-null-sink", "sink_name=cable", "rate=48000", "format=float32le", "channels=1"},
		{"module-remap-source", "master=cable.monitor", "source_name=microphone", "source_properties=device.description=Microphone"},
	}
	switch server {
	case "pulseaudio":
		start("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes", "-L", "module-native-protocol-unix socket="+socket+" auth-anonymous=1")
	case "pipewire":
		start("dbus-daemon", "--session", "--nofork", "--nopidfile", "--address", os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
		start("pipewire")
		awaitSocket(t, filepath.Join(dir, "pipewire-0"))
		start("wireplumber")
		start("pipewire-pulse")
	default:
		t.Fatalf("FACODEC_SOUND=%s: want pulseaudio or pipewire", server)
	}
	awaitSocket(t, socket)
	for range 100 {
		if s, err := sound.Connect("test"); err == nil {
			t.Logf("the server is %s", s.Name())
			s.Close()
			for _, m := range modules {
				pactl(t, append([]string{"load-module"}, m...)...)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not answer")
}

func awaitSocket(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatalf("%s does not appear", path)
}

func pactl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("pactl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("pactl %v: %v, %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func floats(b []byte) []float32 {
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

func bytesOf(x []float32) (b []byte) {
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// TestSoundIsConvert plays speech into a virtual microphone and records the virtual
// loudspeaker: it is what Convert returns for what the microphone captured.
func TestSoundIsConvert(t *testing.T) {
	startSound(t)
	codec := open(t)
	x, err := audio.ReadFile("../../testdata/speech/en.flac", 48000)
	if err != nil {
		t.Fatal(err)
	}
	voice, err := codec.Timbre(input(t, "../../testdata/speech/it.flac"))
	if err != nil {
		t.Fatal(err)
	}
	const rate = 48000
	d, err := live.NewDuplex(codec, live.DuplexOptions{
		Options: live.Options{InRate: rate, OutRate: rate, Voice: &live.Voice{Timbre: voice}}, Delay: 300 * time.Millisecond, Piece: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var captured []float32
	var wg sync.WaitGroup
	s := &sound.Session{
		Input: "microphone", Output: "speaker", InRate: rate, OutRate: rate, Piece: 10 * time.Millisecond, Title: "test",
		Take: func(samples []float32) {
			captured = append(captured, samples...)
			d.Capture(samples)
		},
		Fill: d.Play, Say: func(text string) { t.Log(text) },
	}
	wg.Go(func() { d.Run(ctx) })
	failed := make(chan error, 1)
	wg.Go(func() { failed <- s.Run(ctx) })

	record := exec.CommandContext(ctx, "parec", "-d", "speaker.monitor", "--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=20")
	recorded := &bytes.Buffer{}
	record.Stdout = recorded
	if err := record.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	play := exec.Command("pacat", "-d", "cable", "--format=float32le", "--rate=48000", "--channels=1")
	play.Stdin = bytes.NewReader(bytesOf(slices.Concat(x, make([]float32, rate))))
	if err := play.Run(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	stats := d.Stats()
	cancel()
	record.Wait()
	wg.Wait()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}

	resample := func(x []float32, from, to int) []float32 {
		r, err := audio.NewResampler(from, to)
		if err != nil {
			t.Fatal(err)
		}
		return r.Flush(r.Process(nil, x))
	}
	converted, err := codec.Convert(resample(captured, rate, 24000), voice)
	if err != nil {
		t.Fatal(err)
	}
	// Below 4 kHz, where a drift of the clocks within a window matters little.
	want := resample(converted, 24000, 8000)
	got := resample(floats(recorded.Bytes()), rate, 8000)
	const finer = 6
	fine := [2][]float32{resample(got, 8000, finer*8000), resample(want, 8000, finer*8000)}
	median, windows := alignedSNR(got, want, fine, finer, 640)
	t.Logf("SNR of %d windows of 80 ms, median %.1f dB; delay %v, %d times late, drift %.0f ppm", windows, median, stats.Delay, stats.Late, 1e6*stats.Drift)
	if windows < 10 || median < 15 { // of other codes it would be about 0
		t.Errorf("%d windows, median %.1f dB", windows, median)
	}
}

// alignedSNR compares windows of want with where they are in got, to a fraction of a
// sample, and returns the median in dB of those that have sound. Where that is, is sought in the
// same at a finer rate: half a sample off, a window may resemble the next period of a voice more.
func alignedSNR(got, want []float32, fine [2][]float32, finer, window int) (median float64, windows int) {
	lag := bestLag(got, want, 0, len(want), -len(want)/2, len(got))
	const around = 150
	var all []float64
	for at := window; at+2*window < len(want); at += window {
		var energy float64
		for _, v := range want[at : at+window] {
			energy += float64(v) * float64(v)
		}
		if energy/float64(window) < 1e-6 || at+lag < window+around || at+lag+2*window+around > len(got) {
			continue
		}
		near := bestLag(fine[0], fine[1], finer*at, finer*(at+window), finer*(lag-around), finer*(lag+around))
		near = int(math.Round(float64(near) / float64(finer)))
		all = append(all, fractionalSNR(got[at+near-32:], want[at:at+window]))
	}
	if len(all) == 0 {
		return math.Inf(-1), 0
	}
	slices.Sort(all)
	return all[len(all)/2], len(all)
}

// bestLag returns the lag in from..to at which got resembles want[a:b] most: coarsely over
// long ranges, by every eighth sample.
func bestLag(got, want []float32, a, b, from, to int) (best int) {
	most := math.Inf(-1)
	step := 1
	if b-a > 10000 {
		step = 7
	}
	for lag := from; lag < to; lag++ {
		sum := 0.0
		for i := max(a, -lag); i < min(b, len(got)-lag); i += step {
			sum += float64(want[i]) * float64(got[i+lag])
		}
		if sum > most {
			most, best = sum, lag
		}
	}
	return best
}

// fractionalSNR returns how well want is found in got, 32 samples in, delayed by the
// fraction of a sample that fits best.
func fractionalSNR(got, want []float32) float64 {
	best := math.Inf(-1)
	for frac := -0.6; frac <= 0.6; frac += 0.04 {
		var signal, noise float64
		for i, w := range want {
			y := 0.0
			for k := -24; k <= 24; k++ {
				x := float64(k) - frac
				h := 1.0
				if math.Abs(x) > 1e-9 {
					h = math.Sin(math.Pi*x) / (math.Pi * x)
				}
				y += float64(got[32+i+k]) * h * (0.5 + 0.5*math.Cos(math.Pi*x/26))
			}
			signal += float64(w) * float64(w)
			noise += (y - float64(w)) * (y - float64(w))
		}
		best = max(best, 10*math.Log10(signal/noise))
	}
	return best
}

// TestSoundCommand: the devices are listed, the meter runs, a device that vanishes is
// missed and used again when it is back, and a line on the control pipe ends it all.
func TestSoundCommand(t *testing.T) {
	startSound(t)
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"live", "--list-devices"}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "microphone") || !strings.Contains(stdout.String(), "speaker") {
		t.Fatalf("exit %d: %s%s", code, &stdout, &stderr)
	}
	module := pactl(t, "load-module", "module-null-sink", "sink_name=headphones", "rate=44100")
	control := filepath.Join(t.TempDir(), "control")
	meter, out := io.Pipe()
	messages, log := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- execute(t.Context(), []string{"live", "--checkpoint-path", fixture("small.safetensors"), "--threads", "1",
			"--reference", "../../testdata/speech/it.flac", "--input", "Microphone", "--output", "headphones", "--control", control, "--json"}, out, log)
		out.Close()
		log.Close()
	}()
	said := make(chan string, 100)
	go func() {
		for s := bufio.NewScanner(messages); s.Scan(); {
			said <- s.Text()
		}
	}()
	lines := bufio.NewScanner(meter)
	read := func() (r meterReport) {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the meter ended")
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	wait := func(text string) {
		t.Helper()
		for {
			select {
			case line := <-said:
				if strings.Contains(line, text) {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("nobody said %q", text)
			}
		}
	}
	say := func(line string) {
		t.Helper()
		if err := os.WriteFile(control, []byte(line+"\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
	first := read()
	if first.Heard != "convert" || first.Voice != "it" || first.AlgorithmMS < 25 || first.DelayMS < first.HeldMS {
		t.Errorf("the meter says %+v", first)
	}
	say("bypass")
	for read().Heard != "bypass" {
	}
	go func() { // the meter must be read on
		pactlUnload(module)
	}()
	for range 3 {
		read()
	}
	wait("output headphones is gone")
	pactl(t, "load-module", "module-null-sink", "sink_name=headphones", "rate=44100")
	for range 3 {
		read()
	}
	wait("output headphones is back")
	say("quit")
	go io.Copy(io.Discard, meter)
	if code := <-done; code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(control); err == nil {
		t.Error("the control pipe is still there")
	}
}

func pactlUnload(module string) { exec.Command("pactl", "unload-module", module).Run() }
