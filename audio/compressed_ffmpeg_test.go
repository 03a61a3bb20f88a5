package audio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What ffmpeg encodes at many rates, decoded by us and by ffmpeg, is the same in
// length and sound. MP3 at 24 kHz is not among it, see testdata/audio/make.sh.
func TestCompressedAgainstFFmpeg(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		args, ending, decoder string
		snr                   float64
	}{
		{"-ar 16000 -c:a libmp3lame -b:a 64k", "mp3", "", 70},
		{"-ar 32000 -ac 2 -c:a libmp3lame -b:a 96k", "mp3", "", 70},
		{"-ar 44100 -ac 2 -c:a libmp3lame -b:a 128k -joint_stereo 0", "mp3", "", 70},
		{"-ar 48000 -c:a libmp3lame -q:a 2 -write_xing 0", "mp3", "", 70},
		{"-ar 44100 -ac 2 -c:a libvorbis -q:a 4", "ogg", "", 100},
		{"-ar 32000 -c:a libvorbis -q:a 8", "ogg", "", 100},
		{"-c:a libopus -b:a 10k -application voip -frame_duration 60", "opus", "libopus", 100},
		{"-ac 2 -c:a libopus -b:a 32k -application voip", "opus", "libopus", 100},
		{"-ac 2 -c:a libopus -b:a 96k -frame_duration 2.5 -application lowdelay", "opus", "libopus", 100},
		{"-c:a libopus -b:a 48k", "mka", "libopus", 100},
	} {
		t.Run(c.args, func(t *testing.T) {
			path := filepath.Join(dir, fmt.Sprint(i, ".", c.ending))
			realFFmpeg(t, append(append([]string{"-i", "../testdata/speech/en.flac"}, strings.Fields(c.args)...), path)...)
			decoded := path + ".wav"
			args := []string{"-i", path, "-c:a", "pcm_f32le", decoded}
			if c.decoder != "" {
				args = append([]string{"-c:a", c.decoder, "-request_sample_fmt", "flt"}, args...)
			}
			realFFmpeg(t, args...)
			want, wantInfo, err := readPath(decoded)
			if err != nil {
				t.Fatal(err)
			}
			got, info, err := readPath(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Format == "ffmpeg" || info.SampleRate != wantInfo.SampleRate || info.Channels != wantInfo.Channels {
				t.Errorf("info %+v, want that of %+v", info, wantInfo)
			}
			// Some versions of ffmpeg do not cut off the end of Vorbis.
			if len(got) != len(want) && (info.Encoding != "vorbis" || len(got) > len(want)) {
				t.Fatalf("%d samples, want %d", len(got), len(want))
			}
			if snr := signalToNoise(got, want[:len(got)]); !(snr >= c.snr) {
				t.Errorf("%.1f dB, want %.0f", snr, c.snr)
			}
			os.Remove(decoded)
		})
	}
}
