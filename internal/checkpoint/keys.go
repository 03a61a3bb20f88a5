package checkpoint

// Keys of a checkpoint besides its tensors.
const (
	ConfigKey = "config" // the experiment file, as JSON
	StepKey   = "iters"  // upstream's name for the training step
	EpochKey  = "epoch"
	LayoutKey = "layout"      // FlatLayout, or nothing
	NameKey   = "name"        // of a published model, "facodec base v1" say
	RandomKey = "synthesized" // of random weights: how they were made, "seed 0" say
)

// FlatLayout is the layout of a state dict without networks, as the pitch
// network's.
const FlatLayout = "flat"

// What a training run is continued from. In a checkpoint of training the networks
// that run are running means of the weights (EMA), as validation measured them; the
// rest stands beside them, in tensors below these prefixes and metadata whose keys
// begin with TrainingPrefix.
const (
	RawPrefix     = "train."        // the networks as they are trained
	MomentsPrefix = "adamw."        // of the optimizers
	MeanPrefix    = "adamw.m."      // the first moments
	SquarePrefix  = "adamw.v."      // the second
	ChosenPrefix  = "train.chosen." // how often each entry of a codebook was chosen lately
	VoicesPrefix  = "train.voices." // the timbres of the last utterances

	TrainingPrefix = "train_"
	StateKey       = "train_state"
	PositionKey    = "train_position"
	TeachersKey    = "train_teachers" // of a codec
	SpeakersKey    = "train_speakers" // of a codec: the corpus' labels, a list in JSON; none for clusters
	CodecKey       = "train_codec"    // of a redecoder: the codec that it is for
	BestKey        = "train_best"
	ValidatedKey   = "train_validated" // the step of the last validation, 0 for none
	DatasetKey     = "train_dataset"
	DigestKey      = "train_digest" // hash of everything else in the file (see Digest)
)
