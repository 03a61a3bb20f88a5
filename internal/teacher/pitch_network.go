package teacher

import (
	"crypto/sha256"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/facodec-go/facodec/internal/dsp"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// networkVersion changes when the network gives other values for the same weights.
const networkVersion = 1

// noVoice is the frequency in Hz up to which the network means that there is no
// voice (train.py).
const noVoice = 5

// A pitchNetwork is upstream's pitch teacher. It sees every utterance at a peak of 1, as
// upstream, because its log-mel depends on the gain. Each
// utterance is one thread's.
type pitchNetwork struct {
	net   *model.JDC
	print Fingerprint
	runs  sync.Pool // of *op.Run, whose memory is used again
}

// openPitchNetwork loads the network from a file in any of the formats of
// checkpoints; upstream's has its tensors under "net".
func openPitchNetwork(path string) (*pitchNetwork, error) {
	file, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	one := parallel.New(1)
	n := &pitchNetwork{net: model.NewJDC()}
	region := &tensor.Region{}
	if err := n.net.Load(file, region, one); err != nil {
		region.Free()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	runtime.AddCleanup(n, func(region *tensor.Region) { region.Free() }, region)
	n.runs.New = func() any { return op.NewRun(one) }
	values := n.net.Fingerprint()
	n.print = sha256.Sum256(append(appendInts([]byte("FACODEC pitch network"), networkVersion), values[:]...))
	return n, nil
}

// Fingerprint identifies the network's weights.
func (n *pitchNetwork) Fingerprint() Fingerprint { return n.print }

// Pitch returns the f0 of each frame. Silence is unvoiced, whatever the network would say.
func (n *pitchNetwork) Pitch(u *Utterance) []float32 {
	defer runtime.KeepAlive(n) // or its weights could be given back meanwhile
	samples, ok := leveled(u.Samples)
	if !ok {
		return make([]float32, Frames(len(u.Samples)))
	}
	r := n.runs.Get().(*op.Run)
	defer n.runs.Put(r)
	r.Reset()
	mel := r.New(1, Frames(len(samples)), model.JDCMel.Mels)
	at := 0
	dsp.NewMel(model.JDCMel).Stream().Push(samples, true, func(row []float32) {
		copy(mel.Row(0, at), row)
		at++
	})
	f0 := n.net.Forward(r, mel)
	for i, v := range f0 {
		f0[i] = frequency(v)
	}
	return f0
}

// frequency returns what the network says as a label: 0 for no voice, and for what
// is no number.
func frequency(v float32) float32 {
	if v > noVoice && v <= math.MaxFloat32 {
		return v
	}
	return 0
}
