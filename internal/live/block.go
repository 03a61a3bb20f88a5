package live

import (
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/codec"
)

const (
	// MaxBlock is the most frames in a block.
	MaxBlock = 16
	// largestChosen is the most that ChooseBlock chooses: 100 ms of the standard
	// configuration.
	largestChosen = 8
	// sustainable is the real-time factor up to which a block size keeps up, beside what
	// else a computer does.
	sustainable = 0.7
)

// ChooseBlock returns how many frames an engine on a codec should convert at a time on this
// computer, to a voice, nil for any without frames: the fewest of 1, 2, 4 and 8 that keep up
// with a microphone, and how much of the time that passes they take. If none keeps up that is the
// block of 8, with a factor above 0.7. A codec that waits for the end of an utterance is ErrNotLive.
func ChooseBlock(c *facodec.Codec, voice *Voice) (frames int, realTimeFactor float64, err error) {
	m := codec.Inner(c)
	if m == nil {
		return 0, 0, errNoCodec
	}
	if voice == nil {
		voice = AnyVoice(c)
	}
	for frames = 1; ; frames *= 2 {
		e, err := New(c, Options{Voice: voice, Block: frames})
		if err != nil {
			return 0, 0, err
		}
		lasts := time.Duration(float64(e.block) / float64(m.SampleRate) * float64(time.Second))
		realTimeFactor = e.took.Seconds() / lasts.Seconds()
		if realTimeFactor <= sustainable || frames == largestChosen {
			return frames, realTimeFactor, nil
		}
	}
}
