package ns3

import (
	"fmt"

	"github.com/facodec-go/facodec/internal/model"
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// embeddingNames begin the keys of the tables of each part.
var embeddingNames = [model.NumParts]string{"prosody_embs", "content_embs", "residual_embs"}

// A Redecoder is the voice conversion model of the first pair: it decodes codes of
// prosody and content in the voice of another timbre; keys prosody_embs.<i>,
// content_embs.<i>, residual_embs.<i>, timbre_cond_prosody_enc, timbre_linear, model
// (ns3_codec/facodec.py, FACodecRedecoder).
type Redecoder struct {
	embeddings [model.NumParts][]*nn.Embedding
	prosody    *nn.Transformer
	Decoder    *Decoder
	latent     int
	parts      []part
}

// NewRedecoder declares the network.
func NewRedecoder(c RedecoderConfig) *Redecoder {
	b := nn.NewBuilder(string(KindRedecoder))
	l := &Redecoder{
		latent:  c.Decoder.Latent,
		Decoder: NewDecoder(b, c.Decoder),
		prosody: nn.NewTransformer(b.In("timbre_cond_prosody_enc"), c.Prosody.of(c.Decoder.Latent, c.Decoder.Latent)),
	}
	for part, books := range c.Books {
		for i := range books {
			table := nn.NewEmbedding(b.In(embeddingNames[part]).In(i), c.CodebookSize, l.latent)
			l.embeddings[part] = append(l.embeddings[part], table)
		}
	}
	l.parts = []part{{"redecoder", b.Network(), nil}}
	return l
}

// Params returns every parameter, under its kind's name, a dot and its key.
func (l *Redecoder) Params() []*nn.Param { return l.parts[0].network.Params }

// Books returns the number of books of each part that the redecoder understands.
func (l *Redecoder) Books() (books [model.NumParts]int) {
	for part, tables := range l.embeddings {
		books[part] = len(tables)
	}
	return books
}

// Fingerprint is that of all tensors.
func (l *Redecoder) Fingerprint() [16]byte {
	return model.Fingerprint([]*nn.Network{l.parts[0].network}, []string{""})
}

// Networks returns the one network of the redecoder.
func (l *Redecoder) Networks() []*nn.Network { return []*nn.Network{l.parts[0].network} }

// Load derives the weights from src, the tensors of its checkpoint (see Named), into
// region.
func (l *Redecoder) Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	return loadParts(l.parts, src, region, pool)
}

// Check says what would keep Load from loading src, without loading it.
func (l *Redecoder) Check(src weights.Source) error { return checkParts(l.parts, src) }

// Condition prepares a timbre vector for Prosody.
func (l *Redecoder) Condition(r *op.Run, timbre []float32) []tensor.Tensor {
	return l.prosody.Modulations(r, vector(timbre))
}

// Embed returns the sum of what the tables of a part have for codes [book][T]:
// [1, T, latent].
func (l *Redecoder) Embed(r *op.Run, part model.Part, books [][]int32) tensor.Tensor {
	if len(books) > len(l.embeddings[part]) {
		panic(fmt.Sprintf("ns3: %s of %v codes", plural.Of(len(books), "book"), part))
	}
	x := r.Zeros(1, len(books[0]), l.latent)
	for i, codes := range books {
		x = l.embeddings[part][i].Add(r, x, [][]int32{codes})
	}
	return x
}

// Prosody sends embedded prosody codes, which it takes, through the transformer under
// a condition: [1, T, latent] → the same. It sees a whole utterance.
func (l *Redecoder) Prosody(r *op.Run, x tensor.Tensor, condition []tensor.Tensor) tensor.Tensor {
	return l.prosody.Forward(r, x, condition)
}

// A RedecoderStream turns codes into samples as they arrive. Like version 2's encoder,
// it waits for the end of an utterance of up to a minute, and is 45 to 90 seconds
// behind in a longer one.
type RedecoderStream struct {
	redecoder  *Redecoder
	run        *op.Run
	modulation Modulation
	condition  []tensor.Tensor
	prosody    *windowed
	encoded    queue
	content    model.Codes // waiting for their prosody
}

// NewStream starts an utterance in the voice of timbre.
func (l *Redecoder) NewStream(timbre []float32, pool *parallel.Pool) *RedecoderStream {
	run := op.NewRun(pool)
	s := &RedecoderStream{
		redecoder: l, run: run, modulation: l.Decoder.Modulation(run, timbre),
		condition: l.Condition(run, timbre), encoded: queue{dim: l.latent},
	}
	s.prosody = newWindowed(pool, l.latent, contextSeconds, func(r *op.Run, x tensor.Tensor) tensor.Tensor {
		return l.Prosody(r, x, s.condition)
	})
	return s
}

// SetTimbre changes the voice of the frames that are not decoded yet.
func (s *RedecoderStream) SetTimbre(timbre []float32) {
	s.run.Free(tensor.Tensor(s.modulation))
	s.run.Free(s.condition...)
	s.modulation = s.redecoder.Decoder.Modulation(s.run, timbre)
	s.condition = s.redecoder.Condition(s.run, timbre)
}

// Profile measures the stream with p from now on.
func (s *RedecoderStream) Profile(p *op.Profiler) { s.run.Profiler, s.prosody.run.Profiler = p, p }

// Reset starts another utterance in the same voice.
func (s *RedecoderStream) Reset() {
	s.run.Reset()
	s.prosody.Reset()
	s.encoded.rows, s.content = s.encoded.rows[:0], model.Codes{}
}

// Append is Push, appending to samples.
func (s *RedecoderStream) Append(samples []float32, codes model.Codes, last bool) []float32 {
	return append(samples, s.Push(codes, last)...)
}

// Push adds frames, of which it uses prosody and content, and returns the samples that
// are complete. With last the utterance ends, and Hop samples for every frame will have
// been returned in all.
func (s *RedecoderStream) Push(codes model.Codes, last bool) (samples []float32) {
	eachBlock(codes.Frames(), last, func(from, to int, last bool) {
		block := codes.Slice(from, to)
		s.content.Append(block.Only(model.Content))
		r := s.prosody.run
		r.Profiler.Start(stageProsody)
		x := r.Zeros(1, to-from, s.redecoder.latent)
		if len(block[model.Prosody]) > 0 {
			r.Free(x)
			x = s.redecoder.Embed(r, model.Prosody, block[model.Prosody])
		}
		s.prosody.Push(x, last, s.encoded.push)
		r.Free(x)
		r.Profiler.Start("")
		samples = append(samples, s.decode(last)...)
	})
	return samples
}

// decode decodes the frames whose prosody is known.
func (s *RedecoderStream) decode(last bool) (samples []float32) {
	frames := s.encoded.len()
	eachBlock(frames, last, func(from, to int, last bool) {
		z := s.encoded.take(s.run, to-from)
		if to > from {
			content := s.redecoder.Embed(s.run, model.Content, s.content.Slice(from, to)[model.Content])
			sum := s.run.Add(z, content)
			s.run.Free(z, content)
			z = sum
		}
		s.run.Last = last
		samples = append(samples, decode(s.run, s.redecoder.Decoder, z, s.modulation)...)
	})
	for i, book := range s.content[model.Content] {
		s.content[model.Content][i] = book[:copy(book, book[frames:])]
	}
	return samples
}
