package describe

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/weights"
)

// ns3License is what the sources of the published weights of the NaturalSpeech 3 family
// state.
const ns3License = "of the published weights: Apache-2.0 by the card of amphion/naturalspeech3_facodec, of which an earlier revision said MIT; of the code: MIT"

// A Lookahead says how far a stream is behind.
type Lookahead struct {
	EncoderSamples int `json:"encoder_samples"` // behind a frame's first
	DecoderFrames  int `json:"decoder_frames"`
	// Whole names what depends on the whole recording, up to a minute.
	Whole []string `json:"whole_recording"`
}

// describeNS3 describes files of the NaturalSpeech 3 family: one that was named, or all
// in a folder.
func describeNS3(path string, files []string) (*Description, error) {
	d := &Description{File: path, Kind: "checkpoint", Family: string(codec.NaturalSpeech3), License: ns3License}
	for _, name := range files {
		if err := d.addNS3(name); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// addNS3 adds a file with one network.
func (d *Description) addNS3(path string) error {
	file, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	kind, _ := ns3.KindOf(file)
	d.Format = file.Format()
	d.Bytes += file.Size()
	if text, ok := checkpoint.Metadata(file, checkpoint.RandomKey); ok {
		d.Random = text
	}
	networks := counter{}
	for _, t := range tensorsOf(file) {
		name := string(kind)
		if ns3.IsTraining(t.Name) {
			name += " predictors"
		}
		before := len(d.Networks)
		networks.count(&d.Networks, name, t)
		if len(d.Networks) > before {
			d.Networks[before].Inference = name == string(kind)
		}
		d.Tensors++
		d.Parameters += checkpoint.Elements(t.Shape)
	}
	if err := ns3.CheckKind(kind, file); err != nil {
		d.Problem = fmt.Sprintf("%s: %v", path, err)
		return nil
	}
	switch kind {
	case ns3.KindDecoder, ns3.KindDecoderV2:
		c, err := ns3.ConfigOf(nil, file)
		if err != nil {
			return err
		}
		if d.Model == nil || kind == ns3.KindDecoder {
			d.Model = ns3Model(c)
		}
	}
	return nil
}

func ns3Model(c ns3.Config) *Model {
	q := c.Quantizer
	m := &Model{
		Type: "NaturalSpeech 3 FACodec v1", Config: "read from the tensors' shapes",
		SampleRate: ns3.SampleRate, HopLength: ns3.Hop, FrameRate: ns3.FrameRate,
		BookCounts: model.CountsOf(q.Books), Books: q.Books,
		CodebookSize: q.CodebookSize, CodebookDim: q.CodebookDim, LatentDim: q.Latent,
		Lookahead: &Lookahead{EncoderSamples: ns3.EncoderLookahead, DecoderFrames: ns3.DecoderLookahead, Whole: []string{"timbre"}},
	}
	if c.V2 {
		m.Type = "NaturalSpeech 3 FACodec v2"
		m.Lookahead.Whole = []string{"timbre", "prosody"}
	}
	m.Bitrate = bitrate(m)
	return m
}
