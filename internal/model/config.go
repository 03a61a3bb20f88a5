package model

import (
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/dsp"
)

// CodecConfigOf returns the networks that an experiment file describes.
func CodecConfigOf(c *config.Config) CodecConfig {
	m, p := c.Model, c.Preprocess
	codec := CodecConfig{
		Encoder: EncoderConfig{
			Dim: m.DAC.EncoderDim, Rates: m.DAC.EncoderRates, Latent: m.LatentDim, LSTM: m.LSTM, Causal: m.Causal,
		},
		Quantizer: QuantizerConfig{
			Latent: m.LatentDim, Books: BooksOf(c),
			CodebookSize: m.CodebookSize, CodebookDim: m.CodebookDim,
			Mels: p.Spect.NMels, ProsodyMels: m.ProsodyMels,
			ProsodyHidden: m.ProsodyHidden, ProsodyLayers: m.ProsodyLayers,
			TimbreHidden: m.TimbreHidden, Causal: m.Causal,
		},
		Decoder: DecoderConfig{
			Latent: m.LatentDim, Dim: m.DAC.DecoderDim, Rates: m.DAC.DecoderRates, LSTM: m.LSTM, Causal: m.Causal,
		},
		Mel: dsp.MelConfig{
			FFT: p.Spect.NFFT, Window: p.Spect.WinLength, Hop: p.Spect.HopLength, Mels: p.Spect.NMels,
			FilterRate: p.SampleRate,
		},
	}
	f := FrameConfig{
		Window: m.ConvNeXt.Window, Hop: p.Spect.HopLength, Dim: m.ConvNeXt.Dim, Hidden: m.ConvNeXt.HiddenDim,
		Latent: m.LatentDim, Causal: m.Causal,
	}
	if m.EncoderType == config.EncoderSTFT {
		encoder := f
		encoder.Phases, encoder.Blocks = m.ConvNeXt.PhaseBins, m.ConvNeXt.EncoderBlocks
		codec.Encoder, codec.STFT = EncoderConfig{}, &encoder
	}
	if m.DecoderType != config.DecoderDAC {
		decoder := f
		decoder.Blocks, decoder.Timbre = m.ConvNeXt.DecoderBlocks, m.ConvNeXt.DecoderTimbre
		codec.Decoder, codec.ISTFT = DecoderConfig{}, &decoder
		codec.Harmonics = m.DecoderType == config.DecoderHarmonic
		codec.SourceFilter = m.DecoderType == config.DecoderSourceFilter
	}
	return codec
}

// BooksOf returns the number of books of each part that an experiment file
// describes.
func BooksOf(c *config.Config) (n [NumParts]int) {
	for part, b := range c.Model.Books() {
		n[part] = b.Count
	}
	return n
}

// PredictorsConfigOf returns the predictors that an experiment file describes.
func PredictorsConfigOf(c *config.Config) PredictorsConfig {
	m := c.Model
	return PredictorsConfig{
		Latent: m.LatentDim, Phones: m.PhoneClasses, Speakers: m.SpeakerClasses,
		ContentF0: m.UseGRContentF0, ProsodyPhone: m.UseGRProsodyPhone, GlobalF0: m.UseGRContentGlobalF0,
	}
}

// DiscriminatorConfigOf returns the discriminators that an experiment file
// describes.
func DiscriminatorConfigOf(c *config.Config) DiscriminatorConfig {
	d := c.Model.Discriminator
	return DiscriminatorConfig{
		Periods: d.Periods, Windows: d.FFTSizes, PeriodChannels: d.MPDChannels, Channels: d.MRDChannels,
	}
}

// RedecoderConfigOf returns the networks that a redecoder's experiment file
// describes. It must be one.
func RedecoderConfigOf(c *config.Config) RedecoderConfig {
	m, d := c.Model, c.Redecoder
	return RedecoderConfig{
		Latent: m.LatentDim, Timbre: m.LatentDim, Hidden: d.WavenetEmbedDim, Layers: d.WavenetLayers,
		Books: BooksOf(c), CodebookSize: m.CodebookSize,
		Decoder: DecoderConfig{
			Latent: m.LatentDim, Dim: m.DAC.DecoderDim, Rates: m.DAC.DecoderRates,
			LSTM: d.DecoderLSTM, Causal: d.DecoderCausal,
		},
	}
}
