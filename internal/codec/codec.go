// Package codec opens checkpoints as models for inference. A model is the networks of
// one family, behind the interface Networks; the packages above, the public API and the
// tools, do not depend on the family.
package codec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/config"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// Errors of opening a model, and of using one with a network left out.
var (
	// ErrKind: a redecoder where a codec is needed, or the other way round.
	ErrKind = errors.New("another kind of model")
	// ErrNotLoaded: the codec was opened without the network that this needs.
	ErrNotLoaded = errors.New("the network was left out when the codec was opened")
)

// The networks of a codec, in the order in which sound passes through.
const (
	Encoder   = "encoder"
	Quantizer = "quantizer"
	Decoder   = "decoder"
)

// Networks are the networks of one family of models. Once loaded they are read-only
// and serve any number of streams at the same time.
type Networks interface {
	Params() []*nn.Param
	// Networks returns the networks that were not left out.
	Networks() []*nn.Network
	// LeaveOut drops a network that will not run: Load does not need its tensors,
	// and streams that need it must not be created.
	LeaveOut(network string)
	// Check returns the error that Load would return for the names and shapes of src.
	Check(src weights.Source) error
	Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error

	NewEncoder(pool *parallel.Pool) EncoderStream
	NewTimbreEncoder(pool *parallel.Pool) TimbreStream
	NewDecoder(timbre []float32, pool *parallel.Pool) DecoderStream
	NewAnalyzer(pool *parallel.Pool) Analyzer

	// Quantized returns the quantized frames of each part, [1, T, channels]; a
	// zero Tensor for a part without books.
	Quantized(r *op.Run, codes model.Codes) [model.NumParts]tensor.Tensor

	// Fingerprints returns hashes of the tensors that quantize, and of those that
	// decode.
	Fingerprints() (quantizer, decoder [16]byte)
	// TimbreFingerprint is the hash of the tensors that a timbre depends on, and
	// TokensFingerprint of those that codes and timbre depend on.
	TimbreFingerprint() [16]byte
	TokensFingerprint() [16]byte
}

// An EncoderStream turns samples into codes as they arrive.
type EncoderStream interface {
	Push(samples []float32, last bool) model.Codes
	// Append is Push, appending to codes. Frame by frame it allocates nothing, of the
	// family FAcodec.
	Append(codes *model.Codes, samples []float32, last bool)
	Reset()
	Profile(*op.Profiler)
}

// An Analyzer turns the samples of an utterance into codes as they arrive, and at the
// end into its timbre: an EncoderStream and a TimbreStream in one, which share what
// they have in common.
type Analyzer interface {
	EncoderStream
	Timbre() []float32 // of the utterance that has ended
}

// A DecoderStream turns codes into samples as they arrive.
type DecoderStream interface {
	Push(codes model.Codes, last bool) []float32
	// Append is Push, appending to samples. Frame by frame it allocates nothing, of the
	// family FAcodec.
	Append(samples []float32, codes model.Codes, last bool) []float32
	// SetTimbre changes the voice from the next frame on, in the middle of an utterance.
	SetTimbre(timbre []float32)
	Reset()
	Profile(*op.Profiler)
}

// A TimbreStream computes the timbre of a voice from clips as they arrive.
type TimbreStream interface {
	Push(samples []float32)
	EndClip()
	Timbre() []float32 // of the clips that have ended
	Profile(*op.Profiler)
}

// A Family is a family of models. Checkpoints, codes and timbres of one family cannot be
// used with another.
type Family string

// The families.
const (
	FAcodec        Family = "FAcodec"         // Plachtaa/FAcodec, and what is trained here
	NaturalSpeech3 Family = "NaturalSpeech 3" // amphion/naturalspeech3_facodec
)

// The versions of NaturalSpeech3, as Shape.Name has them.
const (
	NaturalSpeech3V1 = NaturalSpeech3 + " " + V1
	NaturalSpeech3V2 = NaturalSpeech3 + " " + V2
)

// Split returns the family without its version, and the version, "" where there is none.
// It refuses what is no family.
func (f Family) Split() (family Family, version string, err error) {
	switch f {
	case FAcodec, NaturalSpeech3:
		return f, "", nil
	case NaturalSpeech3V1:
		return NaturalSpeech3, V1, nil
	case NaturalSpeech3V2:
		return NaturalSpeech3, V2, nil
	}
	return "", "", fmt.Errorf("family %q: there are %s, and %s with version %s or %s", string(f), FAcodec, NaturalSpeech3, V1, V2)
}

// A Shape is what samples, codes and timbres of a codec have in common.
type Shape struct {
	Family       Family
	Version      string // V1 or V2 of NaturalSpeech3, "" of others
	SampleRate   int    // Hz
	Hop          int    // samples in a frame
	Books        [model.NumParts]int
	CodebookSize int
	Latent       int // channels of quantized frames
	Timbre       int // values of a timbre
	// TimbreFromEncoder says that timbres are computed from the encoder's frames, so that
	// an Analyzer does in one pass what encoder and timbre encoder do in two.
	TimbreFromEncoder bool
}

// Name returns what messages call the model: its family, and its version where it has
// one.
func (s Shape) Name() string {
	if s.Version == "" {
		return string(s.Family)
	}
	return string(s.Family) + " " + s.Version
}

// A Codec is an open codec.
type Codec struct {
	Networks
	Shape
	Config *config.Config // nil of a family without
	Pool   *parallel.Pool
	Random bool // the weights are random, not trained
	// Precision is how the networks compute, and redecoders for the codec.
	Precision nn.Precision

	region     *tensor.Region
	leftOut    []string
	references references
}

// Options say how a model is opened; the zero value is the usual.
type Options struct {
	Config   *config.Config // in place of the checkpoint's own
	Threads  int            // 0: one for each CPU
	LeaveOut []string       // networks
	Family   Family         // that the checkpoint must be of; "" for any
	Version  string         // of NaturalSpeech3: V1 or V2; "" for what the checkpoint is
	// Precision is how products are computed; "" is DefaultPrecision.
	Precision nn.Precision
}

// DefaultPrecision is that of a model that is opened without any.
const DefaultPrecision = nn.Fast

// CheckPrecision refuses what is no precision.
func CheckPrecision(p nn.Precision) error {
	return nn.CheckPrecision(p)
}

// precision returns what p stands for.
func precision(p nn.Precision) (nn.Precision, error) {
	if p == "" {
		p = DefaultPrecision
	}
	return p, CheckPrecision(p)
}

// CheckThreads returns an error unless n is 1 to 1024.
func CheckThreads(n int) error {
	if n < 1 || n > 1024 {
		return fmt.Errorf("%s: give 1 to 1024", plural.Of(n, "thread"))
	}
	return nil
}

// Open opens the checkpoint of a codec, of whichever family it is.
func Open(from Origin, o Options) (*Codec, error) {
	var err error
	if o.Precision, err = precision(o.Precision); err != nil {
		return nil, err
	}
	file, err := from.open()
	if err == nil {
		defer file.Close()
	} else if from.base != "" || from.folder == nil {
		return nil, err
	}
	files, ns3Err := openNS3(from, file, o.Version, slices.Contains(o.LeaveOut, Encoder))
	switch {
	case ns3Err != nil:
		return nil, ns3Err
	case files != nil:
		defer files.Close()
		if o.Family != "" && o.Family != NaturalSpeech3 {
			return nil, fmt.Errorf("%s: a codec of the family %s: %w", from.name, NaturalSpeech3, ErrKind)
		}
		return loadNS3(from.name, files, o)
	case err != nil:
		return nil, err
	case o.Family == NaturalSpeech3 || o.Version != "":
		return nil, fmt.Errorf("%s: no checkpoint of the family %s: %w", from.name, NaturalSpeech3, ErrKind)
	}
	cp, err := withConfig(file, from, o.Config)
	if err != nil {
		return nil, err
	}
	if cp.config.IsRedecoder() {
		return nil, fmt.Errorf("%s: a redecoder: %w; a codec is needed here", from.name, ErrKind)
	}
	c := declare(cp.config, o)
	_, c.Random = checkpoint.Metadata(cp.file, checkpoint.RandomKey)
	if err := c.Load(cp.file, c.region, c.Pool); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", from.name, err)
	}
	return c, nil
}

// OpenRandom returns a codec with random weights that follow from a seed, of the
// standard configuration or the one given.
func OpenRandom(seed uint64, o Options) (*Codec, error) {
	var err error
	if o.Precision, err = precision(o.Precision); err != nil {
		return nil, err
	}
	if o.Family == NaturalSpeech3 {
		return openRandomNS3(seed, o)
	}
	if o.Config == nil {
		o.Config = config.Default()
	}
	if o.Config.IsRedecoder() {
		return nil, fmt.Errorf("a redecoder's configuration: %w", ErrKind)
	}
	c := declare(o.Config, o)
	c.Random = true
	if err := c.Load(randomSource(c.Params(), seed), c.region, c.Pool); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// declare returns a codec whose weights are not loaded.
func declare(c *config.Config, o Options) *Codec {
	networks, shape := networksOf(c)
	for _, network := range o.LeaveOut {
		networks.LeaveOut(network)
	}
	nn.SetPrecision(o.Precision, networks.Networks())
	return &Codec{
		Networks: networks, Shape: shape, Config: c, Precision: o.Precision,
		Pool: parallel.New(o.Threads), region: &tensor.Region{}, leftOut: o.LeaveOut,
	}
}

// Need returns ErrNotLoaded if a network was left out.
func (c *Codec) Need(network string) error {
	if slices.Contains(c.leftOut, network) {
		return fmt.Errorf("%s: %w", network, ErrNotLoaded)
	}
	return nil
}

// NeedTimbre returns ErrNotLoaded if a network that timbres need was left out.
func (c *Codec) NeedTimbre() error {
	if c.TimbreFromEncoder {
		return c.Need(Encoder)
	}
	return nil
}

// Apart has every stream that is created from now on compute on the thread of its caller: for
// as many callers as there are threads, whose loops would only wait for each other. None may
// be running.
func (c *Codec) Apart() {
	c.Pool.Close()
	c.Pool = parallel.New(1)
}

// Close releases the weights' memory. Nothing of the codec may run afterwards.
func (c *Codec) Close() {
	c.Pool.Close()
	c.region.Free()
}
