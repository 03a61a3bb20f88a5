// Package config reads upstream's experiment files: the architecture of a model and how
// it is trained.
//
// Every key is described in docs/config.md. The structs below are the schema: a
// field's `key` is its name in the file, `range` bounds a whole number (or each of
// a list), `frange` any other, `len` a list's length. `redecoder` is the key's
// other name in a redecoder's file, "-" where the key has no effect there.
package config

import "bytes"

// The values of model_type.
const (
	TypeCodec     = "FAcodec"
	TypeRedecoder = "redecoder"
)

// A Config is an experiment: one file.
type Config struct {
	ModelType string `key:"model_type"` // TypeCodec or TypeRedecoder

	ExpName string `key:"exp_name"` // the run's name, a folder under LogDir
	LogDir  string `key:"log_dir"`
	Dataset string `key:"dataset"` // folder of speech

	LogInterval  int `key:"log_interval" range:"1,1000000000"`  // steps
	SaveInterval int `key:"save_interval" range:"1,1000000000"` // steps
	Epochs       int `key:"epochs" range:"1,1000000000"`
	BatchSize    int `key:"batch_size" range:"1,4096"`  // utterances in a step
	MaxLen       int `key:"max_len" range:"1,10000000"` // frames of an utterance's crop

	PretrainedModel   string `key:"pretrained_model"` // checkpoint to start from, "" for none
	LoadOnlyParams    bool   `key:"load_only_params"` // leave its optimizer and step count aside
	PretrainedEncoder string `key:"pretrained_encoder"`
	F0Path            string `key:"F0_path"` // the pitch network's checkpoint

	Preprocess Preprocess `key:"preprocess_params"`
	Train      Train      `key:"train"`
	Model      Model      `key:"model_params"`

	// Sections of training; upstream's configuration has none of their keys.
	Loss       LossWeights `key:"loss_weights"`
	Optimizer  Optimizer   `key:"optimizer"`
	EMA        EMA         `key:"ema"`
	Augment    Augment     `key:"augment"`
	Validation Validation  `key:"validation"`
	Teachers   Teachers    `key:"teachers" redecoder:"-"`

	// Redecoder is nil for a codec. Its keys stand in model_params too; Model
	// then says what the codec is that the redecoder was trained on.
	Redecoder *Redecoder

	origin  string // the file that it was read from, for messages
	unused  []string
	unknown []unknownKey
}

// An unknownKey is one that is no key of upstream's or ours.
type unknownKey struct {
	path string
	line int
}

// Preprocess says what sound the networks see, and their frames.
type Preprocess struct {
	SampleRate int `key:"sr" range:"1000,384000"` // Hz
	// FrameRate is SampleRate over Spect.HopLength. The key may be left out.
	FrameRate     float64    `key:"frame_rate"`
	DurationRange [2]float64 `key:"duration_range"` // seconds that a training file may last
	Spect         Spect      `key:"spect_params"`
}

// Spect is the log-mel spectrogram that feeds prosody and timbre.
type Spect struct {
	NFFT      int `key:"n_fft" range:"2,65536"`
	WinLength int `key:"win_length" range:"1,65536"`
	HopLength int `key:"hop_length" range:"1,65536"` // also the samples of a frame
	NMels     int `key:"n_mels" range:"1,1024"`
}

// Train holds the keys of the train section that have an effect. Those of the
// second group are ours.
type Train struct {
	GradientAccumulationStep int `key:"gradient_accumulation_step" range:"1,65536"`
	RandomSeed               int `key:"random_seed" range:"0,2147483647"`
	MaxEpoch                 int `key:"max_epoch" range:"-1,1000000000"` // -1: Epochs alone decides

	DiscriminatorStart int `key:"discriminator_start" range:"0,1000000000"` // the step from which discriminators are trained and used
	// DiscriminatorLen is the number of frames that the discriminators see of a crop, from
	// a random one on; 0: all of them.
	DiscriminatorLen int     `key:"discriminator_len" range:"0,10000000"`
	ResidualMask     float64 `key:"residual_mask" redecoder:"-" frange:"0,1"`     // probability that a sample's residual is left out
	JointParts       bool    `key:"joint_parts" redecoder:"-"`                    // prosody and content learn from the reconstruction, too
	DetachContent    bool    `key:"detach_content" redecoder:"-"`                 // content only where it is decoded in another voice
	QuantizerDropout float64 `key:"quantizer_dropout" redecoder:"-" frange:"0,1"` // share of a batch that is quantized by a random number of books
	KeepCheckpoints  int     `key:"keep_checkpoints" range:"1,1000000"`           // the latest ones, besides the best
	MaxSkippedSteps  int     `key:"max_skipped_steps" range:"1,1000000"`          // in a row, for values that are not finite, before the run stops
	// RestartCodes is the number of steps after which a codebook entry that nothing
	// chose is replaced; 0: never, as upstream.
	RestartCodes int `key:"restart_codes" redecoder:"-" range:"0,1000000000"`
	// NormalizeCodes keeps codebook entries at the length √codebook_dim, so that they
	// cannot run away.
	NormalizeCodes bool `key:"normalise_codes" redecoder:"-"`
	// DataInit fits encoder and quantizers to the first batch before a run from
	// random weights begins, so that they tell frames apart.
	DataInit bool `key:"data_init" redecoder:"-"`
	// Reversal is the factor on the gradients that come back from the adversaries, and
	// ReversalWarmup the steps over which it rises from zero.
	Reversal       float64 `key:"reversal" redecoder:"-" frange:"0,1000"`
	ReversalWarmup int     `key:"reversal_warmup" redecoder:"-" range:"0,1000000000"`
	// Precision is PrecisionFloat32, PrecisionExact or PrecisionBF16.
	Precision string `key:"precision"`
}

// The values of Train's Precision: how products are computed. Exact computes each as it is
// defined, float32 most convolutions of seven taps with fewer multiplications, and bf16 rounds
// operands. Sums, weights, gradients and the optimizer are float32 always.
const (
	PrecisionFloat32 = "float32"
	PrecisionExact   = "exact"
	PrecisionBF16    = "bf16"
)

// A BookCount is the number of codebooks of a part.
type BookCount struct {
	Key   string // of Count: model_params.n_p_codebooks
	Count int
}

// Books returns the numbers of codebooks, in the order of model.Part.
func (m *Model) Books() []BookCount {
	return []BookCount{
		{"model_params.n_p_codebooks", m.NProsody},
		{"model_params.n_c_codebooks", m.NContent},
		{"model_params.n_r_codebooks", m.NResidual},
	}
}

// Model is the codec's networks.
type Model struct {
	Causal bool `key:"causal" redecoder:"encoder_causal"`
	LSTM   int  `key:"lstm" redecoder:"encoder_lstm" range:"0,4"` // layers in encoder and decoder; 0 leaves it out

	// What the predictors learn; training only.
	NormF0               bool `key:"norm_f0" redecoder:"-"`                  // the pitch target is normalized per utterance
	UseGRContentF0       bool `key:"use_gr_content_f0" redecoder:"-"`        // gradient reversal: content codes are trained not to predict pitch
	UseGRProsodyPhone    bool `key:"use_gr_prosody_phone" redecoder:"-"`     // gradient reversal: prosody codes are trained not to predict phones
	UseGRContentGlobalF0 bool `key:"use_gr_content_global_f0" redecoder:"-"` // rev_global_f0_predictor exists

	SeparateProsodyEncoder bool `key:"separate_prosody_encoder"` // only true is supported
	TimbreNorm             bool `key:"timbre_norm"`              // only true is supported

	NProsody  int `key:"n_p_codebooks" range:"1,32"`
	NContent  int `key:"n_c_codebooks" range:"1,32"`
	NResidual int `key:"n_r_codebooks" range:"1,32"`

	// What upstream hard-wires: keys of ours, and their values the defaults.
	LatentDim      int `key:"latent_dim" range:"1,4096"`       // channels of z, of the timbre vector and into the decoder
	CodebookSize   int `key:"codebook_size" range:"2,65536"`   // entries
	CodebookDim    int `key:"codebook_dim" range:"1,1024"`     // numbers in an entry
	ProsodyMels    int `key:"prosody_mel_bins" range:"1,1024"` // lowest mel bins that prosody sees
	ProsodyHidden  int `key:"prosody_hidden_dim" range:"1,4096"`
	ProsodyLayers  int `key:"prosody_layers" range:"1,64"` // WN, kernel 5
	TimbreHidden   int `key:"timbre_hidden_dim" range:"2,4096"`
	PhoneClasses   int `key:"phone_classes" redecoder:"-" range:"2,1000000"`
	SpeakerClasses int `key:"speaker_classes" redecoder:"-" range:"0,1000000"` // 0: as many as are found

	EncoderType string   `key:"encoder_type" redecoder:"codec_encoder_type"` // EncoderDAC or EncoderSTFT
	DecoderType string   `key:"decoder_type" redecoder:"-"`                  // one of the Decoder values below
	ConvNeXt    ConvNeXt `key:"convnext"`

	DAC           DAC           `key:"DAC"`
	Discriminator Discriminator `key:"discriminator"`
}

// The values of Model's EncoderType and DecoderType.
const (
	EncoderDAC   = "dac"   // strided convolutions
	EncoderSTFT  = "stft"  // a short-time Fourier transform and ConvNeXt blocks at the frame rate
	DecoderDAC   = "dac"   // transposed convolutions
	DecoderISTFT = "istft" // ConvNeXt blocks at the frame rate and an inverse short-time Fourier transform
	// DecoderHarmonic is DecoderISTFT with the harmonics of a pitch that it predicts.
	DecoderHarmonic = "harmonic"
	// DecoderSourceFilter filters a mix of the harmonics of a pitch that it predicts and noise.
	DecoderSourceFilter = "source_filter"
)

// ConvNeXt is the encoder and the decoder that work at the frame rate. All keys are
// ours.
type ConvNeXt struct {
	Window        int `key:"window" range:"2,16384"`     // samples of a transform, an even multiple of a frame's
	PhaseBins     int `key:"phase_bins" range:"0,8193"`  // lowest bins whose phases the encoder sees
	Dim           int `key:"dim" range:"1,4096"`         // channels of the blocks
	HiddenDim     int `key:"hidden_dim" range:"1,16384"` // channels inside of a block
	EncoderBlocks int `key:"encoder_blocks" range:"0,64"`
	DecoderBlocks int `key:"decoder_blocks" redecoder:"-" range:"0,64"`
	// DecoderTimbre makes scale and shift of the norms in the decoder's blocks depend on the
	// timbre, and not those of its input alone.
	DecoderTimbre bool `key:"decoder_timbre" redecoder:"-"`
}

// DAC is the convolutional encoder and decoder.
type DAC struct {
	EncoderDim   int   `key:"encoder_dim" range:"1,4096"`             // channels of the first layer; doubled by each block
	EncoderRates []int `key:"encoder_rates" range:"1,1000" len:"1,8"` // strides
	DecoderDim   int   `key:"decoder_dim" range:"2,6144"`             // channels of the first layer; halved by each block
	DecoderRates []int `key:"decoder_rates" range:"1,1000" len:"1,8"`
	SampleRate   int   `key:"sr" range:"1000,384000"` // as in preprocess_params
}

// Discriminator describes the discriminators. Upstream has no such keys; they are named as
// the arguments in upstream's code.
type Discriminator struct {
	Periods     []int `key:"periods" range:"1,1000" len:"0,16"`     // one MPD each
	MPDChannels []int `key:"mpd_channels" range:"1,4096" len:"5,5"` // of its five layers
	FFTSizes    []int `key:"fft_sizes" range:"32,16384" len:"0,16"` // windows, one MRD each
	MRDChannels int   `key:"mrd_channels" range:"1,4096"`
}

// Redecoder is the voice conversion model, which decodes codes with another timbre.
type Redecoder struct {
	DecoderCausal   bool   `key:"decoder_causal"` // of its WN and its decoder
	DecoderLSTM     int    `key:"decoder_lstm" range:"0,4"`
	EncoderType     string `key:"encoder_type"` // only "wavenet" is supported
	WavenetEmbedDim int    `key:"wavenet_embed_dim" range:"1,4096"`
	WavenetLayers   int    `key:"wavenet_layers" range:"1,64"` // not a key of upstream
}

// Default returns the standard codec, full size, with upstream's training.
func Default() *Config {
	return &Config{
		ModelType:    TypeCodec,
		ExpName:      "facodec",
		LogDir:       "./runs/",
		LogInterval:  10,
		SaveInterval: 1000,
		Epochs:       1000,
		BatchSize:    4,
		MaxLen:       80,
		Preprocess: Preprocess{
			SampleRate:    24000,
			FrameRate:     80,
			DurationRange: [2]float64{1, 25},
			Spect:         Spect{NFFT: 2048, WinLength: 1200, HopLength: 300, NMels: 80},
		},
		Train: Train{
			GradientAccumulationStep: 1,
			RandomSeed:               1234,
			MaxEpoch:                 -1,
			ResidualMask:             0.75,
			QuantizerDropout:         0.5,
			KeepCheckpoints:          5,
			MaxSkippedSteps:          10, Reversal: 1, Precision: PrecisionFloat32,
		},
		Model: Model{
			Causal:                 true,
			LSTM:                   2,
			NormF0:                 true,
			UseGRContentGlobalF0:   true,
			SeparateProsodyEncoder: true,
			TimbreNorm:             true,
			NProsody:               1,
			NContent:               2,
			NResidual:              3,
			LatentDim:              1024,
			CodebookSize:           1024,
			CodebookDim:            8,
			ProsodyMels:            20,
			ProsodyHidden:          256,
			ProsodyLayers:          8,
			TimbreHidden:           512,
			PhoneClasses:           1024,
			SpeakerClasses:         20000,
			EncoderType:            EncoderDAC,
			DecoderType:            DecoderDAC,
			ConvNeXt:               ConvNeXt{Window: 1200, PhaseBins: 300, Dim: 256, HiddenDim: 768, EncoderBlocks: 4, DecoderBlocks: 6},
			DAC: DAC{
				EncoderDim:   64,
				EncoderRates: []int{2, 5, 5, 6},
				DecoderDim:   1536,
				DecoderRates: []int{6, 5, 5, 2},
				SampleRate:   24000,
			},
			Discriminator: Discriminator{
				Periods:     []int{2, 3, 5, 7, 11},
				MPDChannels: []int{32, 128, 512, 1024, 1024},
				FFTSizes:    []int{2048, 1024, 512},
				MRDChannels: 32,
			},
		},
		Loss: defaultLossWeights,
		Optimizer: Optimizer{
			LearningRate:          1e-4,
			Betas:                 [2]float64{0.9, 0.98},
			Eps:                   1e-9,
			WeightDecay:           0.1,
			LRDecay:               0.999996,
			ClipGrad:              1000,
			ClipGradDiscriminator: 10,
		},
		EMA:        EMA{Decay: 0.999},
		Augment:    Augment{GainDB: [2]float64{-24, 0}},
		Validation: Validation{Interval: 1000, Share: 0.02, Seconds: 600, Samples: 4},
		Teachers:   Teachers{ContentUnits: 256},
	}
}

// DefaultRedecoder returns the standard redecoder, full size, on the standard codec.
func DefaultRedecoder() *Config {
	c := Default()
	c.ModelType = TypeRedecoder
	c.Redecoder = &Redecoder{EncoderType: "wavenet", WavenetEmbedDim: 512, WavenetLayers: 16}
	return c
}

// IsRedecoder says whether this is a redecoder's config and not a codec's.
func (c *Config) IsRedecoder() bool { return c.Redecoder != nil }

// FrameRate returns the frames in a second.
func (c *Config) FrameRate() float64 {
	return float64(c.Preprocess.SampleRate) / float64(c.Preprocess.Spect.HopLength)
}

// Unused returns the dotted keys of the file that were accepted without an
// effect, in its order: those of upstream that nothing reads, and outside
// model_params and preprocess_params also those that nobody knows. A command
// lists them once.
func (c *Config) Unused() []string { return append([]string(nil), c.unused...) }

// Equal says whether two configs mean the same; keys without effect do not count.
func (c *Config) Equal(other *Config) bool {
	a, errA := c.JSON()
	b, errB := other.JSON()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}
