package train

import (
	"math"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/teacher"
)

// TestChange plays a clip at three speeds: what its labels say must be what is
// heard, and every speed must come up, each time with the same draw.
func TestChange(t *testing.T) {
	pitch := dsp.NewPitch(dsp.StandardPitch)
	wave := speech(t, "en")
	frames := teacher.Frames(len(wave))
	said := teacher.Labels{F0: pitch.F0(wave), Phones: make([]int32, frames), Speaker: 3}
	for i := range said.Phones {
		said.Phones[i] = int32(i)
	}
	c := speedPerturbation{[]float64{1, 1.15, 1 / 1.15}, 5, teacher.Own}
	times := map[int]int{}
	for i := range 30 {
		random := op.Random{Seed: 9, Step: 4}
		item, err := c.apply(dataset.Item{Samples: wave, Label: said}, random, i)
		if err != nil {
			t.Fatal(err)
		}
		labels := item.Label.(teacher.Labels)
		n := labels.Speaker / c.speakers
		times[n]++
		if times[n] > 1 {
			continue
		}
		again, _ := c.apply(dataset.Item{Samples: wave}, random, i)
		if labels.Speaker%c.speakers != 3 || len(again.Samples) != len(item.Samples) || again.Label != nil {
			t.Errorf("draw %d: speaker %d, %d samples and then %d", i, labels.Speaker, len(item.Samples), len(again.Samples))
		}
		speed := c.speeds[n]
		if got := float64(len(wave)) / float64(len(item.Samples)); math.Abs(got-speed) > 1e-3 {
			t.Errorf("played %g times as fast, want %g", got, speed)
		}
		if len(labels.Phones) != teacher.Frames(len(item.Samples)) || len(labels.F0) != len(labels.Phones) {
			t.Fatalf("%d phones and %d pitches of %d frames", len(labels.Phones), len(labels.F0), teacher.Frames(len(item.Samples)))
		}
		heard := pitch.F0(item.Samples)
		voiced, near := 0, 0
		for j, f := range labels.F0 {
			if at := float64(labels.Phones[j]); math.Abs(at-float64(j)*speed) > 1 {
				t.Fatalf("speed %g: frame %d has the phone of frame %g", speed, j, at)
			}
			if f > 0 && heard[j] > 0 {
				voiced++
				if math.Abs(math.Log2(float64(f/heard[j]))) < 0.05 {
					near++
				}
			}
		}
		if voiced < frames/4 || near < voiced*9/10 {
			t.Errorf("speed %g: the pitch of %d of %d voiced frames is what is heard", speed, near, voiced)
		}
	}
	for n := range c.speeds {
		if times[n] < 4 {
			t.Errorf("of 30 draws %d at speed %g", times[n], c.speeds[n])
		}
	}
	if said.Speaker != 3 || said.Phones[frames-1] != int32(frames-1) {
		t.Error("the labels that were given have changed")
	}
}

// TestSpeedsAtLowRates: speeds at which clips would be below the lowest rate that is resampled
// are an error before anything is read, with the key.
func TestSpeedsAtLowRates(t *testing.T) {
	c := atRate(smallExperiment(t.TempDir()), 8000, 100, []int{2, 2, 5, 5})
	c.Augment.Speed = 0.12
	_, err := runSmall(t, c, 1, nil)
	want := "augment.speed: 0.12 is not supported with preprocess_params.sr 8000: clips would be resampled from 7143 Hz"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	c.Augment.Speed = 0
	if err := checkSpeeds(c); err != nil {
		t.Error(err)
	}
}
