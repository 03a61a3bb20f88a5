package codec

import (
	"runtime"
	"sync"
	"testing"

	"github.com/facodec-go/facodec/internal/model"
)

// TestReferences: a voice is prepared once as long as someone has it, another one is not taken for it,
// and what nobody has is not kept, but for the last.
func TestReferences(t *testing.T) {
	var r references
	prepared := 0
	of := func(frames model.Codes, timbre ...float32) *model.Reference {
		return r.of(frames, timbre, func() *model.Reference {
			prepared++
			return new(model.Reference)
		})
	}
	frames := func(codes ...int32) model.Codes { return model.Codes{{codes}, {codes}, {codes}} }
	a := of(frames(1, 2), 0.5)
	others := []*model.Reference{of(frames(1, 3), 0.5), of(frames(1, 2), 0.25), of(model.Codes{{{1, 2}}, {{1, 2}, {1, 2}}, {}}, 0.5), of(frames(1), 0.5)}
	if prepared != 5 {
		t.Fatalf("%d of 5 voices are prepared", prepared)
	}
	if of(frames(1, 2), 0.5) != a || prepared != 5 {
		t.Error("a voice that is in use is prepared again")
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(others)
	of(frames(7), 1)
	for range 3 {
		runtime.GC()
	}
	if of(frames(7), 1); prepared != 6 {
		t.Error("the last voice is prepared again")
	}
	if len(r.used) != 1 {
		t.Errorf("%d voices are known, and one is in use", len(r.used))
	}
	of(frames(1, 2), 0.5)
	if prepared != 7 {
		t.Error("a voice that nobody has was kept")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				r.of(frames(9), nil, func() *model.Reference { return new(model.Reference) })
			}
		})
	}
	all.Wait()
}
