package eventlog

// The tags under which upstream's trainer logs scalars (Plachtaa/FAcodec,
// train.py, lines 393 to 419). train_redecoder.py has those up to FeatureLoss, but
// for GradQuantizer and GradPredictors.
const (
	LearningRate   = "train/lr"   // the encoder's, after the step
	StepTime       = "train/time" // seconds of a step
	GradEncoder    = "grad_norm/encoder"
	GradDecoder    = "grad_norm/decoder"
	GradQuantizer  = "grad_norm/fa_quantizer"
	GradPredictors = "grad_norm/fa_predictors" // all four before clipping

	GeneratorTotal     = "train/loss_gen_all"  // all terms of the generator, weighted
	DiscriminatorTotal = "train/loss_disc_all" // Σ over discriminators mean(D(fake)²) + mean((1-D(real))²)
	WaveLoss           = "train/wav_loss"      // l1 of the wave; not trained on
	MelLoss            = "train/mel_loss"      // unweighted, as all that follow
	STFTLoss           = "train/stft_loss"     // not trained on
	EnvelopeLoss       = "train/envelope_loss" // 1 minus the correlation of the bands' envelopes
	FeatureLoss        = "train/feat_loss"     // of the discriminators' layers
	CommitLoss         = "train/commit_loss"
	CodebookLoss       = "train/codebook_loss"

	F0Loss      = "pred/f0_loss"      // normalized log-f0 from prosody
	EnergyLoss  = "pred/uv_loss"      // energy from prosody; upstream calls it uv
	ContentLoss = "pred/content_loss" // phones or units from content
	SpeakerLoss = "pred/spk_loss"     // speaker from timbre

	// Behind gradient reversal, what should not be found there: high is good.
	ReverseF0Loss      = "rev_pred/rev_f0_loss"      // f0 from the residual
	ReverseEnergyLoss  = "rev_pred/rev_uv_loss"      // energy from the residual
	ReverseContentLoss = "rev_pred/rev_content_loss" // content from the residual
	ReverseSpeakerLoss = "rev_pred/x_spk_loss"       // speaker from the sum of all three
)

// Upstream's tags of sounds.
const (
	TrainTruth     = "train/gt_audio"   // the crop of the batch's first utterance
	TrainPredicted = "train/pred_audio" // and what the codec makes of it
	FullTruth      = "full/gt_audio"    // a whole utterance
	FullPredicted  = "full/pred_audio"

	PartProsody                = "partial/pred_audio_p" // decoded from parts, without timbre
	PartContent                = "partial/pred_audio_c"
	PartResidual               = "partial/pred_audio_r"
	PartProsodyContent         = "partial/pred_audio_pc"
	PartProsodyResidual        = "partial/pred_audio_pr"
	PartProsodyContentResidual = "partial/pred_audio_pcr"

	ConversionReference = "vc/ref_audio"  // whose timbre
	Conversion          = "vc/pred_audio" // the first utterance with it
)

// Tags that upstream does not have.
const (
	AdversarialLoss = "train/loss_gen"        // the generator's, Σ mean((1-D(fake))²)
	PitchLoss       = "train/pitch_loss"      // octaves by which the decoder's pitch is off, over all frames
	ConversionLoss  = "train/conversion_loss" // timbre of conversions from the timbre asked for

	VoiceLoss             = "train/voice_loss"              // cross-entropy of telling timbres apart: of two parts of an utterance
	IdentityLoss          = "train/identity_loss"           // of what is decoded and what it is decoded with
	ConvertedIdentityLoss = "train/converted_identity_loss" // the same of conversions
	GradDiscriminator     = "grad_norm/discriminator"       // before clipping
	SkippedSteps          = "train/skipped_steps"           // with a loss or gradient that is not finite, so far

	// A book's name follows: "codebook/perplexity_residual_2".
	PerplexityOf = "codebook/perplexity_"
	UseOf        = "codebook/use_" // share of the entries in use

	ValidationMel         = "val/mel_loss"
	ValidationSTFT        = "val/stft_loss"
	ValidationSISDR       = "val/si_sdr"        // dB
	ValidationSTOI        = "val/stoi"          // 0 to 1
	ValidationF0          = "val/f0_corr"       // -1 to 1
	ValidationCents       = "val/f0_cents"      // mean absolute error
	ValidationVoicing     = "val/voicing_error" // share of frames
	ValidationPerplexity  = "val/perplexity_"   // as PerplexityOf
	ValidationUse         = "val/use_"          // as UseOf
	ValidationSpectrogram = "val/spectrogram"   // pictures
)
