package audio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The channels that are kept have the mean that is read otherwise, at any rate.
func TestKeepChannels(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	wav, flac := filepath.Join(dir, "x.wav"), filepath.Join(dir, "x.flac")
	writeAll(t, wav, WriteOptions{Rate: 24000, Channels: 3, Format: F32}, append(stereoTones(3000, 24000), tone(3000, 1, 24000)...))
	writeAll(t, flac, WriteOptions{Rate: 24000, Channels: 2}, stereoTones(9000, 24000))
	for _, path := range []string{wav, flac, clips + "stereo44k.mp3", clips + "mono16k.mp3", clips + "stereo44k.ogg",
		clips + "stereo.opus", clips + "speech.opus", clips + "video.webm"} {
		for _, rate := range []int{0, 24000} {
			mono, err := OpenWith(context.Background(), path, Options{Rate: rate})
			if err != nil {
				t.Fatal(err)
			}
			want, err := readAll(mono)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := OpenWith(context.Background(), path, Options{Rate: rate, KeepChannels: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(kept)
			if err != nil {
				t.Fatal(err)
			}
			channels := kept.Channels()
			if channels != kept.Info().Channels || mono.Channels() != 1 || len(got) != channels*len(want) || kept.Samples() != mono.Samples() {
				t.Fatalf("%s: %d values of %d channels, %d samples", path, len(got), channels, len(want))
			}
			for i, x := range want {
				var sum float64
				for _, y := range got[i*channels : (i+1)*channels] {
					sum += float64(y)
				}
				if math.Abs(sum/float64(channels)-float64(x)) > 2e-7 {
					t.Fatalf("%s: sample %d is %v, the mean of %v", path, i, x, got[i*channels:(i+1)*channels])
				}
			}
			kept.Close()
			mono.Close()
		}
	}
	// A recording of one channel behind one of two has it twice.
	both := append(clipBytes(t, "stereo.opus"), clipBytes(t, "speech.opus")...)
	r, err := NewReaderWith(bytes.NewReader(both), "both", Options{KeepChannels: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	mono, _ := mustRead(t, "speech.opus")
	for i, x := range mono {
		at := len(got) - 2*len(mono) + 2*i
		if got[at] != x || got[at+1] != x {
			t.Fatalf("sample %d is %v, want %v twice", i, got[at:at+2], x)
		}
	}
}

func TestShortBuffer(t *testing.T) {
	r, err := OpenWith(context.Background(), clips+"stereo.opus", Options{KeepChannels: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Read(make([]float32, 1)); n != 0 || err != io.ErrShortBuffer {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := r.Read(make([]float32, 3)); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// A context ends the wait for a pipe's writer, and for what one does not write.
func TestContextEndsWaitingForPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", path).Run(); err != nil {
		t.Skip("no named pipes here")
	}
	wait := func() error {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		done := make(chan error, 1)
		go func() {
			r, err := OpenWith(ctx, path, Options{})
			if err == nil {
				_, err = readAll(r)
				r.Close()
			}
			done <- err
		}()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			t.Fatal("still waiting")
			return nil
		}
	}
	if err := wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("without a writer: %v", err)
	} else {
		checkMessage(t, err, path)
	}
	silent, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("with a silent writer: %v", err)
	}
	plain := mono16(1, 2, 3).build()
	silent.Write(plain[:len(plain)-1])
	if err := wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("with a writer that stops: %v", err)
	}
}

// A file that takes another's place while ffmpeg reads it by its name is noticed.
func TestChangedFile(t *testing.T) {
	fakeFFmpeg(t, `cat "$WAV"; echo more >> "$ARGS.source"`)
	path := os.Getenv("ARGS") + ".source"
	if err := os.WriteFile(path, []byte("some music"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := readPath(path)
	if !errors.Is(err, ErrChanged) {
		t.Fatal(err)
	}
	checkMessage(t, err, path, "it had 10 bytes and has 15")
}
