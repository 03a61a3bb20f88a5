package train

import (
	"fmt"
	"reflect"

	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
)

// RedecoderTrainingConfigOf returns the networks that a redecoder's experiment file
// describes.
func RedecoderTrainingConfigOf(c *config.Config) model.RedecoderTrainingConfig {
	return model.RedecoderTrainingConfig{Redecoder: model.RedecoderConfigOf(c), Discriminator: model.DiscriminatorConfigOf(c)}
}

// RedecoderFor returns an experiment that trains a redecoder for a codec, in the way
// and on the speech that the codec was trained. Its decoder is as wide as the
// codec's, and its WaveNet twice as wide and deep as the one of the prosody branch:
// for the standard codec that is the standard redecoder.
func RedecoderFor(codec *config.Config) *config.Config {
	c := config.DefaultRedecoder()
	c.ExpName, c.LogDir, c.Dataset = codec.ExpName+"_redecoder", codec.LogDir, codec.Dataset
	c.LogInterval, c.SaveInterval, c.Epochs = codec.LogInterval, codec.SaveInterval, codec.Epochs
	c.BatchSize, c.MaxLen = codec.BatchSize, codec.MaxLen
	c.Preprocess, c.Train, c.Model = codec.Preprocess, codec.Train, codec.Model
	c.Loss, c.Optimizer, c.EMA = codec.Loss, codec.Optimizer, codec.EMA
	c.Augment, c.Validation = codec.Augment, codec.Validation
	c.Model.DecoderType = config.DecoderDAC // the one that a redecoder has
	c.Redecoder.WavenetEmbedDim = min(2*codec.Model.ProsodyHidden, 4096)
	c.Redecoder.WavenetLayers = min(2*codec.Model.ProsodyLayers, 64)
	return c
}

// checkCodec compares the codec that a redecoder experiment describes with the codec:
// a checkpoint that says something else of it would be of no use.
func checkCodec(redecoder *config.Config, codec *FrozenCodec) error {
	if codec.Config.IsRedecoder() {
		return fmt.Errorf("%s: is a redecoder and not a codec", codec.Name)
	}
	a, b := redecoder, codec.Config
	p, q, m, n := a.Preprocess, b.Preprocess, a.Model, b.Model
	var differ []string
	for _, k := range []struct {
		key             string
		redecoder, real any
	}{
		{"preprocess_params.sr", p.SampleRate, q.SampleRate},
		{"preprocess_params.spect_params.n_fft", p.Spect.NFFT, q.Spect.NFFT},
		{"preprocess_params.spect_params.win_length", p.Spect.WinLength, q.Spect.WinLength},
		{"preprocess_params.spect_params.hop_length", p.Spect.HopLength, q.Spect.HopLength},
		{"preprocess_params.spect_params.n_mels", p.Spect.NMels, q.Spect.NMels},
		{"model_params.encoder_causal", m.Causal, n.Causal},
		{"model_params.encoder_lstm", m.LSTM, n.LSTM},
		{"model_params.latent_dim", m.LatentDim, n.LatentDim},
		{"model_params.codebook_size", m.CodebookSize, n.CodebookSize},
		{"model_params.codebook_dim", m.CodebookDim, n.CodebookDim},
		{"model_params.prosody_mel_bins", m.ProsodyMels, n.ProsodyMels},
		{"model_params.prosody_hidden_dim", m.ProsodyHidden, n.ProsodyHidden},
		{"model_params.prosody_layers", m.ProsodyLayers, n.ProsodyLayers},
		{"model_params.timbre_hidden_dim", m.TimbreHidden, n.TimbreHidden},
		{"model_params.codec_encoder_type", m.EncoderType, n.EncoderType},
		{"model_params.convnext.window", m.ConvNeXt.Window, n.ConvNeXt.Window},
		{"model_params.convnext.phase_bins", m.ConvNeXt.PhaseBins, n.ConvNeXt.PhaseBins},
		{"model_params.convnext.dim", m.ConvNeXt.Dim, n.ConvNeXt.Dim},
		{"model_params.convnext.hidden_dim", m.ConvNeXt.HiddenDim, n.ConvNeXt.HiddenDim},
		{"model_params.convnext.encoder_blocks", m.ConvNeXt.EncoderBlocks, n.ConvNeXt.EncoderBlocks},
		{"model_params.DAC.encoder_dim", m.DAC.EncoderDim, n.DAC.EncoderDim},
		{"model_params.DAC.encoder_rates", m.DAC.EncoderRates, n.DAC.EncoderRates},
	} {
		if !reflect.DeepEqual(k.redecoder, k.real) {
			differ = append(differ, fmt.Sprintf("differs: %s: %v, %v in the codec", k.key, k.redecoder, k.real))
		}
	}
	real := n.Books()
	for i, b := range m.Books() {
		if b != real[i] {
			differ = append(differ, fmt.Sprintf("differs: %s: %v, %v in the codec", b.Key, b.Count, real[i].Count))
		}
	}
	if differ != nil {
		return &DifferenceError{fmt.Errorf("%s: is not the codec that the experiment is for; name that, or train an experiment for this one", codec.Name), differ}
	}
	return nil
}
