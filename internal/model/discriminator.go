package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/tensor"
)

// DiscriminatorConfig describes a Discriminator.
type DiscriminatorConfig struct {
	Periods []int // of the multi-period discriminators
	Windows []int // of the multi-resolution ones
	// PeriodChannels are those of a multi-period discriminator's layers, Channels
	// that of every layer of a multi-resolution one.
	PeriodChannels []int
	Channels       int
}

// leaky is the slope of every activation.
const leaky = 0.1

// A Discriminator is all discriminators of training, multi-period and
// multi-resolution: they score waveforms as recorded or reconstructed; keys
// discriminators.<i>.* (modules/discriminator.py).
type Discriminator struct {
	Network     *nn.Network
	periods     []*PeriodDiscriminator
	resolutions []*ResolutionDiscriminator
}

// NewDiscriminator declares the discriminators under b's prefix.
func NewDiscriminator(b *nn.Builder, c DiscriminatorConfig) *Discriminator {
	l := &Discriminator{Network: b.Network()}
	next := numbered(b.In("discriminators"))
	for _, p := range c.Periods {
		l.periods = append(l.periods, NewPeriodDiscriminator(next(), p, c.PeriodChannels))
	}
	for _, w := range c.Windows {
		l.resolutions = append(l.resolutions, NewResolutionDiscriminator(next(), w, c.Channels))
	}
	return l
}

// Features are what a discriminator makes of waveforms: the outputs of its layers, and
// the score, [B·frames, bins, 1] or [B·period, T, 1]. The waveforms' images and
// sequences are one behind the other.
type Features struct {
	Layers []op.Image
	Score  tensor.Tensor
}

// Forward returns the features of each discriminator. The waveforms [B, 1, N] are left
// to the caller.
func (l *Discriminator) Forward(r *op.Run, x tensor.Tensor) []Features {
	x = r.PeakNormalize(x)
	var all []Features
	for _, d := range l.periods {
		all = append(all, d.Forward(r, x))
	}
	for _, d := range l.resolutions {
		all = append(all, d.Forward(r, x))
	}
	r.Free(x)
	return all
}

// A PeriodDiscriminator convolves the samples that are one period apart; keys convs.<i>.0.*,
// conv_post.* (modules/discriminator.py, MPD; HiFi-GAN, arXiv 2010.05646).
type PeriodDiscriminator struct {
	period int
	convs  []*nn.Conv2D
	post   *nn.Conv2D
}

// NewPeriodDiscriminator declares a discriminator of one period.
func NewPeriodDiscriminator(b *nn.Builder, period int, channels []int) *PeriodDiscriminator {
	l := &PeriodDiscriminator{period: period}
	in := 1
	for i, out := range channels {
		stride := 3
		if i == len(channels)-1 {
			stride = 1
		}
		l.convs = append(l.convs, nn.NewColumnConv(b.In("convs").In(i).In(0), in, out, 5, stride))
		in = out
	}
	l.post = nn.NewColumnConv(b.In("conv_post"), in, 1, 3, 1)
	return l
}

// Forward returns the features of waveforms, [B, period, T', channels].
func (l *PeriodDiscriminator) Forward(r *op.Run, x tensor.Tensor) Features {
	var f Features
	h := r.ReshapeByPeriod(x, l.period)
	for _, conv := range l.convs {
		h = f.add(r, conv.Forward(r, h))
	}
	f.score(r, l.post.Forward(r, h))
	return f
}

// add adds the activation of a layer's output, which it takes, and returns it for the
// next layer.
func (f *Features) add(r *op.Run, x op.Image) op.Image {
	x = r.LeakyReLUImage(x, leaky)
	f.Layers = append(f.Layers, x)
	x.Tensor = r.Borrow(x.Tensor)
	return x
}

// score sets the score from the last layer's output, which it takes.
func (f *Features) score(r *op.Run, x op.Image) {
	f.Score = r.Crop(x)
	r.Free(x.Tensor)
}

// A ResolutionDiscriminator convolves bands of the complex spectrogram; keys
// band_convs.<band>.<i>.0.*, conv_post.* (modules/discriminator.py, MRD; DAC,
// arXiv 2306.06546).
type ResolutionDiscriminator struct {
	spectrum *op.STFT
	bands    [][2]int // of bins
	stacks   [][]*nn.Conv2D
	post     *nn.Conv2D
}

// NewResolutionDiscriminator declares a discriminator of one window.
func NewResolutionDiscriminator(b *nn.Builder, window, channels int) *ResolutionDiscriminator {
	l := &ResolutionDiscriminator{spectrum: op.NewSTFT(window, window/4)}
	edges := []float64{0, 0.1, 0.25, 0.5, 0.75, 1}
	bins := float64(window/2 + 1)
	for i := range len(edges) - 1 {
		l.bands = append(l.bands, [2]int{int(edges[i] * bins), int(edges[i+1] * bins)})
		next := numbered(b.In("band_convs").In(i))
		conv := func(in, k, stride int) *nn.Conv2D { return nn.NewConv2D(next().In(0), in, channels, k, stride) }
		l.stacks = append(l.stacks, []*nn.Conv2D{
			conv(2, 9, 1), conv(channels, 9, 2), conv(channels, 9, 2), conv(channels, 9, 2), conv(channels, 3, 1),
		})
	}
	l.post = nn.NewConv2D(b.In("conv_post"), channels, 1, 3, 1)
	return l
}

// Forward returns the features of waveforms, [B, frames, bins, channels].
func (l *ResolutionDiscriminator) Forward(r *op.Run, x tensor.Tensor) Features {
	spectrogram := l.transform(r, x)
	var f Features
	var ends []op.Image
	for i, band := range l.bands {
		h := r.Band(spectrogram, band[0], band[1])
		for _, conv := range l.stacks[i] {
			h = f.add(r, conv.Forward(r, h))
		}
		ends = append(ends, h)
	}
	r.Free(spectrogram.Tensor)
	f.score(r, l.post.Forward(r, r.JoinBands(ends...)))
	return f
}

// transform returns the spectrogram without the two frames at each end that lie mostly
// in the padding: ceil(N/hop) frames (audiotools, STFT with match_stride).
func (l *ResolutionDiscriminator) transform(r *op.Run, x tensor.Tensor) op.Image {
	s := l.spectrum
	return r.STFT(s, x, s.ReflectPadded(reflectedSides(s, x.C)), 2)
}

// reflectedSides returns how many of n samples are reflected on each side (see
// config.Config.ShortestCrop).
func reflectedSides(s *op.STFT, n int) (left, right int) {
	side := (s.Window - s.Hop) / 2
	return side, side + (n+s.Hop-1)/s.Hop*s.Hop - n
}
