package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/live"
)

const (
	// measured is how long each measurement of Sustained runs.
	measured = 500 * time.Millisecond
	// utilization is the part of the processor that live streams may take: the rest is what
	// requests, and the system, are left with, so that no frame is late.
	utilization = 0.7
)

// Sustained returns how many live streams the processor sustains: what streams on all
// threads at once convert, in blocks of so many frames, for half a second. It is 0 for a
// model that cannot run live, and 1 at least for any other, however slow.
func Sustained(ctx context.Context, c *facodec.Codec, block, threads int) (int, error) {
	var converted, seconds float64
	var failed error
	var mu sync.Mutex
	var all sync.WaitGroup
	for range threads {
		all.Go(func() {
			done, took, err := convertNoise(ctx, c, block)
			mu.Lock()
			defer mu.Unlock()
			converted, seconds = converted+done, seconds+took
			if err != nil {
				failed = err
			}
		})
	}
	all.Wait()
	if errors.Is(failed, live.ErrNotLive) {
		return 0, nil
	}
	if failed != nil {
		return 0, failed
	}
	return max(1, int(utilization*float64(threads)*converted/seconds)), nil
}

// convertNoise runs a stream for a while and returns how much of it was converted.
func convertNoise(ctx context.Context, c *facodec.Codec, block int) (converted, took float64, err error) {
	e, err := live.New(c, live.Options{Voice: live.AnyVoice(c), Block: block, MaxWait: live.NeverSkip})
	if err != nil {
		return 0, 0, err
	}
	frame := make([]float32, c.HopLength())
	state := uint32(1)
	start := time.Now()
	for time.Since(start) < measured {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		for i := range frame {
			state = state*1664525 + 1013904223
			frame[i] = float32(int32(state)) / (1 << 34)
		}
		if err := e.Write(frame); err != nil {
			return 0, 0, err
		}
		for e.Process() {
		}
		for e.Read(frame) > 0 {
		}
		converted += float64(len(frame)) / float64(c.SampleRate())
	}
	return converted, time.Since(start).Seconds(), nil
}
