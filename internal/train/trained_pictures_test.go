package train

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/plot"
	"github.com/facodec-go/facodec/internal/scope"
)

const (
	picturesOfClips = 2
	pictureWidth    = 1200
)

// pictures draws held-out clips, each as it was recorded, reconstructed and converted,
// under each other and by one scale: of the first conversions, the sources that differ.
func (j *evaluation) pictures(dir string) {
	if dir == "" {
		return
	}
	j.must(os.MkdirAll(dir, 0o755))
	clips := j.validator.clips
	drawn := map[int]bool{}
	b := <-j.validator.workers
	defer func() { j.validator.workers <- b }()
	for _, p := range j.pairs {
		if drawn[p.source] || len(drawn) == picturesOfClips {
			continue
		}
		drawn[p.source] = true
		d, clip := j.results[p.source], clips[p.source]
		path := filepath.Join(dir, fmt.Sprintf("held_out_%d.png", len(drawn)))
		j.draw(path, []namedWave{
			{"recording: " + clip.Name, clip.Wave},
			{"reconstruction", b.Decode(d.codes, d.timbre, len(clip.Wave))},
			{"conversion to the voice of " + clips[p.reference].Name, p.spoken},
		})
		j.report.row("picture", path)
	}
}

type namedWave struct {
	name string
	wave []float32
}

func (j *evaluation) draw(path string, waves []namedWave) {
	var recordings []*scope.Recording
	for i, w := range waves {
		sound := filepath.Join(j.t.TempDir(), fmt.Sprintf("%d.wav", i))
		out, err := audio.Create(sound, dataRate, audio.F32)
		j.must(err)
		defer out.Discard()
		j.must(out.Write(w.wave))
		j.must(out.Commit())
		r, err := scope.Measure(j.t.Context(), sound, w.name, scope.Options{Width: pictureWidth})
		j.must(err)
		recordings = append(recordings, r)
	}
	title := fmt.Sprintf("%s, step %s", strings.TrimSuffix(filepath.Base(j.file.Path()), ".safetensors"), j.file.Metadata()[checkpoint.StepKey])
	canvas, err := scope.Draw(recordings, scope.Layout{Format: plot.PNG, Width: pictureWidth, Title: title})
	j.must(err)
	j.must(canvas.Save(path))
}
