package serve

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
	"github.com/facodec-go/facodec/internal/live"
	"github.com/facodec-go/facodec/internal/plural"
)

// A Voice is what clients are told of a voice that is kept.
type Voice struct {
	ID       string    `json:"id" doc:"names the voice in requests" example:"4fd2a1c09be37d58"`
	Name     string    `json:"name" doc:"as the client called it; empty if it did not"`
	Seconds  float64   `json:"seconds" doc:"of audio that it was enrolled from"`
	Frames   int       `json:"frames,omitempty" doc:"of its recordings that are kept, for match: what was said can be heard from them"`
	Created  time.Time `json:"created"`
	Warnings []string  `json:"warnings,omitempty" doc:"what is likely not as it was meant, such as a silent clip"`

	voice *facodec.Voice
	live  *live.Voice // the same, ready for live streams
	bytes int64       // of the budget
	order int
}

// voices are kept in memory while the server runs.
type voices struct {
	codec  *facodec.Codec
	limit  int
	memory *budget // of frames, which requests do not have to wait for
	mu     sync.Mutex
	byID   map[string]Voice
	count  int // that ever were
}

func newVoices(c *facodec.Codec, limit int, memory int64) *voices {
	return &voices{codec: c, limit: limit, memory: newBudget(memory), byID: map[string]Voice{}}
}

// add keeps a voice, unless the context has ended when it is ready. To prepare its frames, if it has
// any, takes as long as to decode them.
func (v *voices) add(ctx context.Context, name string, voice *facodec.Voice) (added Voice, err error) {
	if err := v.codec.CheckVoice(voice); err != nil {
		return Voice{}, err
	}
	bytes := codec.Inner(v.codec).ReferenceBytes(voice.Frames.Frames())
	if err := v.memory.take(bytes); err != nil {
		return Voice{}, faultf(http.StatusInsufficientStorage, "", "%s of a voice take %d MB, and of the %d that this server has for frames (--memory) %d are left: delete a voice, or enroll without frames",
			plural.Of(voice.Frames.Frames(), "frame"), (bytes+1<<20-1)>>20, v.memory.all>>20, v.memory.remaining()>>20)
	}
	defer func() {
		if err != nil {
			v.memory.free(bytes)
		}
	}()
	ready, err := live.NewVoice(v.codec, voice, 1)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return Voice{}, err
	}
	var id [8]byte
	rand.Read(id[:])
	e := Voice{ID: hex.EncodeToString(id[:]), Name: name, Seconds: voice.Seconds, Created: time.Now().UTC().Truncate(time.Second), voice: voice,
		live: ready.WithMatch(0), Frames: ready.Frames(), bytes: bytes}
	for _, w := range voice.Warnings {
		e.Warnings = append(e.Warnings, oneLine(w.Error()))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.byID) >= v.limit {
		return Voice{}, faultf(http.StatusInsufficientStorage, "", "%s kept, as many as this server takes; delete one first", plural.Of(v.limit, "voice"))
	}
	v.count++
	e.order = v.count
	v.byID[e.ID] = e
	return e, nil
}

// get returns a voice; location is the field that names it.
func (v *voices) get(id, location string, status int) (Voice, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.byID[id]
	if !ok {
		return Voice{}, faultf(status, location, "there is no voice %q; GET /v1/voices lists those that are kept", short(id))
	}
	return e, nil
}

// have says whether this voice, and not only one like it, is kept.
func (v *voices) have(voice *facodec.Voice) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.byID {
		if e.voice == voice {
			return true
		}
	}
	return false
}

func (v *voices) delete(id string) error {
	if _, err := v.get(id, "path.id", http.StatusNotFound); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.memory.free(v.byID[id].bytes)
	delete(v.byID, id)
	return nil
}

// list returns all voices, the oldest first.
func (v *voices) list() []Voice {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := []Voice{}
	for _, e := range v.byID {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Voice) int { return cmp.Compare(a.order, b.order) })
	return all
}

func (v *voices) len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.byID)
}

// voiceMagic begins a .voice file (docs/voice.md), and maxVoiceFile is more than any has.
const (
	voiceMagic   = "facvoice"
	maxVoiceFile = 128 << 10
)

// readVoice reads a .voice file.
func (v *voices) read(r io.Reader) (*facodec.Voice, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxVoiceFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxVoiceFile {
		return nil, fmt.Errorf("%w: more than %d bytes", facodec.ErrVoice, maxVoiceFile)
	}
	voice := new(facodec.Voice)
	if err := voice.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return voice, v.codec.CheckVoice(voice)
}
