package model

import (
	"fmt"
	"math"
	"strings"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// JDCMel is the pitch network's log-mel of speech at 24 kHz: the codec's spectra with
// filters for 16 kHz, as in its training.
var JDCMel = dsp.MelConfig{FFT: 2048, Window: 1200, Hop: 300, Mels: 80, FilterRate: 16000}

const (
	jdcSlope    = 0.01 // of the leaky ReLUs
	jdcChannels = 256  // of the last convolution
	jdcPooled   = 2    // bins that the last pooling leaves
	jdcHidden   = 256  // units of the LSTM, in each direction
	// jdcContext is how many frames on each side an output of the convolutions
	// sees: one for each of eight.
	jdcContext = 8
	// jdcBlock is the most frames that the convolutions are computed for at a time,
	// so that memory for a long utterance is that of its features.
	jdcBlock = 256
	jdcName  = "jdc" // prefix of its parameters' names in this program
)

// JDC is upstream's pitch network, a teacher (modules/JDC/model.py,
// JDCNet; after Kum and Nam, "Joint Detection and Classification of Singing Voice
// Melody Using Convolutional Recurrent Neural Networks", Applied Sciences 9, 2019).
// The voice detector of the network is not used. Once loaded it is read-only.
type JDC struct {
	conv       [2]*nn.ImageConv // conv_block.0, .3
	norm       *nn.BatchNorm    // conv_block.1
	blocks     [3]*jdcResBlock  // res_block1, 2, 3
	poolNorm   *nn.BatchNorm    // pool_block.0
	recurrent  *nn.BiLSTM       // bilstm_classifier
	classifier *nn.Conv         // classifier
	networks   networks
}

// NewJDC declares the network. Load loads its weights.
func NewJDC() *JDC {
	b := nn.NewBuilder(jdcName)
	block := b.In("conv_block")
	l := &JDC{networks: networks{b.Network()}}
	l.conv[0] = nn.NewImageConv(block.In(0), 1, 64, 3)
	l.norm = nn.NewBatchNorm(block.In(1), 64, jdcSlope)
	l.conv[1] = nn.NewImageConv(block.In(3), 64, 64, 3)
	channels := 64
	for i, out := range []int{128, 192, jdcChannels} {
		l.blocks[i] = newJDCBlock(b.In(fmt.Sprintf("res_block%d", i+1)), channels, out)
		channels = out
	}
	l.poolNorm = nn.NewBatchNorm(b.In("pool_block").In(0), channels, jdcSlope)
	l.recurrent = nn.NewBiLSTM(b.In("bilstm_classifier"), jdcPooled*jdcChannels, jdcHidden)
	l.classifier = nn.NewLinear(b.In("classifier"), 2*jdcHidden, 1)
	for _, key := range jdcUnused {
		b.Buffer(key)
	}
	return l
}

// jdcUnused are the keys of the voice detector: files may have them.
var jdcUnused = []string{
	"detector_conv.0.weight", "detector_conv.1.weight", "detector_conv.1.bias", "detector_conv.1.running_mean",
	"detector_conv.1.running_var", "detector_conv.1.num_batches_tracked",
	"bilstm_detector.weight_ih_l0", "bilstm_detector.weight_hh_l0", "bilstm_detector.bias_ih_l0", "bilstm_detector.bias_hh_l0",
	"bilstm_detector.weight_ih_l0_reverse", "bilstm_detector.weight_hh_l0_reverse",
	"bilstm_detector.bias_ih_l0_reverse", "bilstm_detector.bias_hh_l0_reverse",
	"detector.weight", "detector.bias",
}

// A jdcResBlock is a residual block; keys pre_conv.0, conv.0, conv.1, conv.3,
// conv1by1.
type jdcResBlock struct {
	preNorm, norm *nn.BatchNorm
	conv          [2]*nn.ImageConv
	conv1by1      *nn.ImageConv
}

func newJDCBlock(b *nn.Builder, in, out int) *jdcResBlock {
	conv := b.In("conv")
	l := &jdcResBlock{preNorm: nn.NewBatchNorm(b.In("pre_conv").In(0), in, jdcSlope)}
	l.conv[0] = nn.NewImageConv(conv.In(0), in, out, 3)
	l.norm = nn.NewBatchNorm(conv.In(1), out, jdcSlope)
	l.conv[1] = nn.NewImageConv(conv.In(3), out, out, 3)
	l.conv1by1 = nn.NewImageConv(b.In("conv1by1"), in, out, 1)
	return l
}

// forward halves the bins: [frames, bins, in] → [frames, bins/2, out].
func (l *jdcResBlock) forward(r *op.Run, x tensor.Tensor) tensor.Tensor {
	x = l.preNorm.Forward(r, x, 2)
	h := l.conv[0].Forward(r, r.Borrow(x))
	h = l.norm.Forward(r, h, 1)
	h = l.conv[1].Forward(r, h)
	x = l.conv1by1.Forward(r, x)
	return replace(r, h, addAndFree(r, x, h))
}

// Params returns the parameters that are used, under "jdc.".
func (l *JDC) Params() []*nn.Param { return l.networks.params() }

// Check returns the error that Load would return for the names and shapes of src, whose
// keys are those of the file, without a prefix: "conv_block.0.weight".
func (l *JDC) Check(src weights.Source) error {
	const first = "conv_block.0.weight"
	if _, ok := src.Lookup(first); !ok {
		return fmt.Errorf("%w: not a pitch network, there is no %s", nn.ErrTensors, first)
	}
	return nn.Check(withPrefix{src, jdcName + "."}, l.networks...)
}

// Load derives the weights from src, as for Check, into region.
func (l *JDC) Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	if err := l.Check(src); err != nil {
		return err
	}
	src = withPrefix{src, jdcName + "."}
	for _, p := range l.Params() {
		t, _ := src.Lookup(p.Name)
		v, err := t.Float32()
		if err != nil {
			return err
		}
		for i, x := range v {
			if x-x != 0 {
				return fmt.Errorf("%s: value %d is %v", p.Name, i, x)
			}
		}
	}
	return l.networks.load(src, region, pool)
}

// withPrefix is a source with a prefix before every name.
type withPrefix struct {
	weights.Source
	prefix string
}

func (c withPrefix) Names() []string {
	names := c.Source.Names()
	for i := range names {
		names[i] = c.prefix + names[i]
	}
	return names
}

func (c withPrefix) Lookup(name string) (*weights.Tensor, bool) {
	name, ok := strings.CutPrefix(name, c.prefix)
	if !ok {
		return nil, false
	}
	return c.Source.Lookup(name)
}

// Fingerprint returns the hash of all tensors that are used.
func (l *JDC) Fingerprint() [16]byte { return l.networks.fingerprint([]string{jdcName + "."}) }

// Forward returns the pitch of every frame in Hz, for the log-mel of a whole utterance,
// which it takes: [1, T, 80] → T values. Unvoiced frames are close to 0.
func (l *JDC) Forward(r *op.Run, mel tensor.Tensor) []float32 {
	h := l.recurrent.Forward(r, l.features(r, mel)) // [1, T, 512]
	y := l.classifier.Forward(r, nil, h)            // [1, T, 1]
	f0 := make([]float32, y.T)
	for t := range f0 {
		f0[t] = float32(math.Abs(float64(y.Row(0, t)[0])))
	}
	r.Free(y)
	return f0
}

// features takes the log-mel and returns the output of the convolutions: [1, T, 80] →
// [1, T, 512], the bins of a channel together. They are computed block by block, with
// frames of context on both sides, whose own output depends on the zero padding of the
// block and is dropped. The rest is bit-identical to that of the whole utterance.
func (l *JDC) features(r *op.Run, mel tensor.Tensor) tensor.Tensor {
	y := r.New(1, mel.T, jdcPooled*jdcChannels)
	blocks := (mel.T + jdcBlock - 1) / jdcBlock
	for i := range blocks {
		from, to := i*mel.T/blocks, (i+1)*mel.T/blocks
		first := max(0, from-jdcContext)
		x := image(r, mel.Slice(first, min(mel.T, to+jdcContext)))
		x = l.convolutions(r, x) // [frames, 2, 256]
		for t := from; t < to; t++ {
			row := y.Row(0, t)
			for bin := range x.T {
				for c, v := range x.Row(t-first, bin) {
					row[c*x.T+bin] = v
				}
			}
		}
		r.Free(x)
	}
	r.Free(mel)
	return y
}

// image returns x [1, frames, bins] as an image [frames, bins, 1].
func image(r *op.Run, x tensor.Tensor) tensor.Tensor {
	y := r.New(x.T, x.C, 1)
	for t := range x.T {
		for bin, v := range x.Row(0, t) {
			y.Row(t, bin)[0] = v
		}
	}
	return y
}

func (l *JDC) convolutions(r *op.Run, x tensor.Tensor) tensor.Tensor {
	x = l.conv[0].Forward(r, x)
	x = l.norm.Forward(r, x, 1)
	x = l.conv[1].Forward(r, x) // [frames, 80, 64]
	for _, block := range l.blocks {
		x = block.forward(r, x) // [frames, 40, 128], [frames, 20, 192], [frames, 10, 256]
	}
	return l.poolNorm.Forward(r, x, 4)
}
