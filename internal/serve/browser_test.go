package serve

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A tab is a tab of a real browser.
type tab struct {
	context.Context
	t  *testing.T
	mu sync.Mutex
	// What the console calls an error, and what was thrown.
	faults []string
}

// newTab opens a tab of the Chromium that FACODEC_BROWSER names. Its microphone hears
// the file, again and again.
func newTab(t *testing.T, microphone string, more ...chromedp.ExecAllocatorOption) *tab {
	browser := os.Getenv("FACODEC_BROWSER")
	if browser == "" {
		t.Skip("FACODEC_BROWSER names no Chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1200, 1000),
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-audio-capture", microphone),
		chromedp.Flag("mute-audio", false))
	options = append(options, more...)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	x := &tab{Context: ctx, t: t}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.IsException() {
				x.mu.Lock()
				x.faults = append(x.faults, m.Text+" "+m.URL)
				x.mu.Unlock()
			}
		}
	}()
	return x
}

func (x *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	if err := chromedp.Do(x, actions...); err != nil {
		x.t.Fatal(err)
	}
}

func evaluate[T any](x *tab, script string, options ...chromedp.EvaluateOption) T {
	x.t.Helper()
	value, err := chromedp.Run(x, chromedp.Evaluate[T](script, options...))
	if err != nil {
		x.t.Fatal(err)
	}
	return value
}

// until waits for a text in an element.
func (x *tab) until(id, text string) {
	x.t.Helper()
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := evaluate[string](x, fmt.Sprintf("document.getElementById(%q).textContent", id))
		if strings.Contains(got, text) {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("#%s is %q and not %q; %q", id, got, text, x.faults)
		}
	}
}

// samples are those of a float WAV that a link of the page offers.
func (x *tab) samples(id string) []float32 {
	x.t.Helper()
	coded := evaluate[string](x, fmt.Sprintf(`(async () => {
		const bytes = new Uint8Array(await document.getElementById(%q).blob.arrayBuffer())
		let text = ''
		for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096))
		return btoa(text)
	})()`, id), chromedp.EvalAwaitPromise)
	file, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		x.t.Fatal(err)
	}
	return samplesOf(x.t, file, 24000)
}

// picture keeps what the tab looks like in the folder FACODEC_BROWSER_PICTURES.
func (x *tab) picture(name string) {
	dir := os.Getenv("FACODEC_BROWSER_PICTURES")
	if dir == "" {
		return
	}
	x.do(chromedp.Sleep(500 * time.Millisecond))
	png, err := chromedp.Run(x, chromedp.FullScreenshot(100))
	if err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o666); err != nil {
		x.t.Fatal(err)
	}
}

func equalSamples(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d samples and not %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: sample %d of %d is %g and not %g", what, i, len(got), got[i], want[i])
			return
		}
	}
}

// wav48 is a recording as WAV of 48 kHz and 16 bits, what Chromium's fake microphone takes.
func wav48(t *testing.T, name string) string {
	samples := samplesOf(t, speech(t, name), 48000)
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, 48000)
	b = binary.LittleEndian.AppendUint32(b, 2*48000)
	b = append(b, 2, 0, 16, 0, 'd', 'a', 't', 'a')
	b = binary.LittleEndian.AppendUint32(b, uint32(2*len(samples)))
	for _, v := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(max(-32768, min(32767, v*32768)))))
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	path := filepath.Join(t.TempDir(), "microphone.wav")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBrowser does in a real browser what a person does on the page, and compares what the
// page offers with what the library computes, bit for bit.
func TestBrowser(t *testing.T) {
	c := small()
	x := newTab(t, wav48(t, "en"))
	site := newSite(t, Config{Streams: 1})
	speechFile := func(name string) []string {
		path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "speech", name+".flac"))
		if err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	source, clip := samplesOf(t, speech(t, "en"), 24000), samplesOf(t, speech(t, "it"), 24000)
	want, err := c.Reconstruct(source)
	if err != nil {
		t.Fatal(err)
	}
	timbre, err := c.Timbre(clip)
	if err != nil {
		t.Fatal(err)
	}

	x.do(chromedp.Navigate(site.url+"/"), chromedp.SetUploadFiles(chromedp.CSS("#source-file"), speechFile("en")))
	x.until("clip-status", " s of audio in ")
	equalSamples(t, "reconstruct", x.samples("get-wav"), want)
	x.until("track-codes", "prosody (1), content (2), residual (3)")
	x.picture("clip")

	// Both sides play at one position.
	x.do(chromedp.Click(chromedp.CSS("#play")))
	x.until("play", "Pause")
	x.do(chromedp.KeyEvent("b"))
	if side := evaluate[string](x, `document.querySelector('input[name=ab]:checked').value`); side != "1" {
		t.Errorf("the key b chooses side %s", side)
	}
	x.until("play", "Play") // at the end
	x.until("clock", fmt.Sprintf("%.2f of", float64(len(source))/24000))

	// A voice, a conversion, a part alone.
	x.do(chromedp.SendKeys(chromedp.CSS("#voice-name"), "Italian"), chromedp.SetUploadFiles(chromedp.CSS("#voice-file"), speechFile("it")))
	x.until("voices", "Italian")
	x.do(chromedp.Click(chromedp.CSS("input[name=task][value=convert] + span")), chromedp.Click(chromedp.CSS("#run")))
	x.until("result-name", "in the voice Italian")
	x.until("run", "Convert")
	if want, err = c.Convert(source, timbre); err != nil {
		t.Fatal(err)
	}
	equalSamples(t, "convert", x.samples("get-wav"), want)
	if evaluate[bool](x, `document.querySelector("#parts input[value=residual]").checked`) {
		t.Error("a conversion is said to have the residual")
	}
	x.do(chromedp.Click(chromedp.CSS("input[name=task][value=reconstruct] + span")), chromedp.Click(chromedp.CSS("#parts input[value=residual]")), chromedp.Click(chromedp.CSS("#parts input[value=content]")),
		chromedp.Click(chromedp.CSS("#run")))
	x.until("result-name", "prosody alone")

	// A clip and a voice from the microphone.
	x.do(chromedp.Click(chromedp.CSS("#source-record")), chromedp.Sleep(1500*time.Millisecond), chromedp.Click(chromedp.CSS("#source-record")))
	x.until("source-name", "Your recording")
	x.until("clip-status", " s of audio in ")
	x.do(chromedp.Click(chromedp.CSS("#voice-record")), chromedp.Sleep(1500*time.Millisecond), chromedp.Click(chromedp.CSS("#voice-record")))
	x.until("voices", "Voice 2")

	// Live: what came back is the conversion of what was sent.
	x.do(chromedp.Click(chromedp.CSS("#tab-live")), chromedp.Click(chromedp.CSS("#live summary")), chromedp.Click(chromedp.CSS("#keep")), chromedp.Click(chromedp.CSS("input[name=mode][value=convert] + span")),
		chromedp.Click(chromedp.CSS(".voice label")), // the Italian
		chromedp.Click(chromedp.CSS("#live-toggle")))
	x.until("delay", " ms")
	x.until("granted", "echo cancellation off, noise suppression off, auto gain control off")
	x.do(chromedp.Sleep(3 * time.Second))
	x.picture("live")
	x.do(chromedp.Click(chromedp.CSS("#live-toggle")))
	x.until("live-status", "stopped")
	sent, received := x.samples("get-sent"), x.samples("get-received")
	if len(received) < 2*24000 || len(received) > len(sent) {
		t.Fatalf("%d samples sent, %d received", len(sent), len(received))
	}
	loudest := float32(0)
	for _, v := range sent {
		loudest = max(loudest, v)
	}
	if loudest < 0.05 {
		t.Errorf("the microphone heard nothing: %g", loudest)
	}
	if want, err = c.Convert(sent, timbre); err != nil {
		t.Fatal(err)
	}
	equalSamples(t, "live", received, want[:len(received)])

	// Voices go, and a phone has no scroll bar.
	x.do(chromedp.Click(chromedp.CSS(".voice button:last-child")))
	x.until("voice-status", "Italian is deleted")
	x.do(chromedp.Click(chromedp.CSS("#tab-clip")), chromedp.EmulateViewport(390, 844))
	if evaluate[bool](x, `document.documentElement.scrollWidth > innerWidth`) {
		t.Error("the page is wider than a phone")
	}
	x.picture("phone")
	x.noFaults()
}

// TestBrowserMatch: with the frames of a voice what the page converts, of a clip and live, is what the
// library does.
func TestBrowserMatch(t *testing.T) {
	x := newTab(t, wav48(t, "en"))
	c := builtIn(t)
	site := newSite(t, Config{Codec: c, Streams: 2})
	file := func(name string) []string {
		path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "speech", name+".flac"))
		if err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	voice, err := c.Voice(samplesOf(t, speech(t, "it"), 24000))
	if err != nil {
		t.Fatal(err)
	}
	slide := func(to float64) {
		evaluate[bool](x, fmt.Sprintf("(() => { const e = document.getElementById('match'); e.value = %g; return e.dispatchEvent(new Event('input')) })()", to))
	}
	x.do(chromedp.Navigate(site.url+"/"), chromedp.SetUploadFiles(chromedp.CSS("#voice-file"), file("it")))
	x.until("voice-status", "it is enrolled")
	x.until("match-hint", "no frames")
	x.do(chromedp.Click(chromedp.CSS("#voice-frames")), chromedp.SetUploadFiles(chromedp.CSS("#voice-file"), file("it")))
	x.until("voices", "frames")
	slide(0.7)
	x.until("match-value", "0.7")
	x.picture("match")
	x.do(chromedp.Click(chromedp.CSS("input[name=task][value=convert] + span")), chromedp.SetUploadFiles(chromedp.CSS("#source-file"), file("en")))
	x.until("clip-status", " s of audio in ")
	want, err := c.ConvertTo(samplesOf(t, speech(t, "en"), 24000), voice, 0.7)
	if err != nil {
		t.Fatal(err)
	}
	equalSamples(t, "convert", x.samples("get-wav"), want)

	x.do(chromedp.Click(chromedp.CSS("#tab-live")), chromedp.Click(chromedp.CSS("#live summary")), chromedp.Click(chromedp.CSS("#keep")),
		chromedp.Click(chromedp.CSS("input[name=mode][value=convert] + span")), chromedp.Click(chromedp.CSS("#live-toggle")))
	x.until("delay", " ms")
	x.do(chromedp.Sleep(2 * time.Second))
	if n := site.streams.taken(); n != 2 {
		t.Errorf("a stream with frames counts as %d", n)
	}
	slide(0)
	eventually(t, "a stream without frames counts as one", func() bool { return site.streams.taken() == 1 })
	x.do(chromedp.Click(chromedp.CSS("#live-toggle")))
	x.until("live-status", "stopped")
	sent, received := x.samples("get-sent"), x.samples("get-received")
	if want, err = c.ConvertTo(sent, voice, 0.7); err != nil {
		t.Fatal(err)
	}
	const before = 24000 // the share was 0.7 until then at least
	if len(received) < before {
		t.Fatalf("%d samples sent, %d received", len(sent), len(received))
	}
	equalSamples(t, "live", received[:before], want[:before])
	x.noFaults()
}

func (x *tab) noFaults() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.faults {
		x.t.Errorf("console: %s", f)
	}
}

// TestBrowserTLS: over https the page does what it does over http, live by wss.
func TestBrowserTLS(t *testing.T) {
	x := newTab(t, wav48(t, "en"), chromedp.Flag("ignore-certificate-errors", true))
	site := newSite(t, Config{TLS: true, Streams: 1})
	path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "speech", "en.flac"))
	if err != nil {
		t.Fatal(err)
	}
	x.do(chromedp.Navigate(site.url+"/#live"), chromedp.SetUploadFiles(chromedp.CSS("#source-file"), []string{path}))
	x.until("clip-status", " s of audio in ")
	x.do(chromedp.Click(chromedp.CSS("#live summary")), chromedp.Click(chromedp.CSS("#keep")), chromedp.Click(chromedp.CSS("input[name=mode][value=bypass] + span")), chromedp.Click(chromedp.CSS("#live-toggle")))
	x.until("delay", " ms")
	x.do(chromedp.Sleep(time.Second), chromedp.KeyEvent("m"))
	x.until("mute", "Muted")
	x.do(chromedp.Click(chromedp.CSS("#live-toggle")))
	x.until("live-status", "stopped")
	sent, received := x.samples("get-sent"), x.samples("get-received")
	if len(received) < 12000 || len(received) > len(sent) {
		t.Fatalf("%d samples sent, %d received", len(sent), len(received))
	}
	equalSamples(t, "bypass", received, sent[:len(received)])
	if evaluate[string](x, "location.protocol") != "https:" {
		t.Error("the page is not of https")
	}
	x.noFaults()
}
