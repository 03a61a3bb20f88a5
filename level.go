package facodec

import "context"

// gainOf returns what brings a file to the level of training, where each recording
// is scaled to peak 1 (Plachtaa/FAcodec, meldataset.py): 1 unless o asks for it.
//
// The peak is that of the samples as the codec takes them, mixed and at its rate:
// a peak between two samples of the source counts, and channels that cancel out do
// not. It takes a reading of its own, since the timbre already needs the gain.
// Silence stays what it is.
func (c *Codec) gainOf(ctx context.Context, source string, o FileOptions) (float32, error) {
	if !o.Normalize {
		return 1, nil
	}
	var peak float32
	_, err := c.readFile(ctx, source, func(samples []float32) error {
		if err := checkSamples(samples); err != nil {
			return err
		}
		for _, v := range samples {
			peak = max(peak, v, -v)
		}
		return nil
	})
	// The inverse of a subnormal peak may be beyond float32.
	if err != nil || peak < 0x1p-126 {
		return 1, err
	}
	return 1 / peak, nil
}

// scaled returns take for samples that are scaled in place first.
func scaled(gain float32, take func([]float32) error) func([]float32) error {
	if gain == 1 {
		return take
	}
	return func(samples []float32) error {
		scale(samples, gain)
		return take(samples)
	}
}

func scale(samples []float32, gain float32) {
	for i := range samples {
		samples[i] *= gain
	}
}
