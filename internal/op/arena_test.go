package op

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/facodec-go/facodec/internal/parallel"
)

// TestArena: pieces never overlap, keep what is written to them, and join again; memory stays
// in proportion to what lives together.
func TestArena(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a arena
	type live struct {
		data []float32
		at   place
		id   float32
	}
	var all []live
	most, now := 0, 0
	for i := range 4000 {
		if len(all) == 0 || len(all) < 12 && r.IntN(2) == 0 {
			n := 1 + r.IntN(1<<r.IntN(14))
			data, at := a.alloc(n)
			if len(data) != n {
				t.Fatalf("%d values, want %d", len(data), n)
			}
			for j := range data {
				data[j] = float32(i)
			}
			all = append(all, live{data, at, float32(i)})
			now += n + arenaGrain
			most = max(most, now)
			continue
		}
		j := r.IntN(len(all))
		for _, v := range all[j].data {
			if v != all[j].id {
				t.Fatalf("round %d: another tensor was written over", i)
			}
		}
		a.release(all[j].at)
		now -= len(all[j].data) + arenaGrain
		all = append(all[:j], all[j+1:]...)
	}
	for _, l := range all {
		a.release(l.at)
	}
	for i, g := range a.regions {
		if len(g.pieces) != 1 || !g.pieces[0].free || g.pieces[0].size != len(g.memory) {
			t.Errorf("region %d is in pieces %v", i, g.pieces)
		}
	}
	if a.bytes() > int64(4*(4*most+arenaFirst)) {
		t.Errorf("%d bytes for at most %d", a.bytes(), 4*most)
	}
}

// TestLargeTensorsShareMemory: tensors of growing sizes, one after the other, do not each keep
// memory of their own.
func TestLargeTensorsShareMemory(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	r := NewRun(pool)
	const least, step, rounds = 1 << 16, 1 << 14, 40
	for i := range rounds {
		x := r.New(1, 1, least+i*step)
		r.Free(x)
	}
	if n := r.Memory(); n > 4*4*(least+rounds*step) {
		t.Errorf("%d bytes for tensors of up to %d", n, 4*(least+rounds*step))
	}
	x := r.New(1, 1, least)
	if r.Trim(); r.Memory() == 0 {
		t.Error("memory in use was given up")
	}
	r.Free(x)
	if r.Trim(); r.Memory() != 0 {
		t.Errorf("%d bytes after Trim", r.Memory())
	}
}

// TestTrimCollects: much memory that a run gives up is there for what follows, without a
// collection that comes when the heap has doubled.
func TestTrimCollects(t *testing.T) {
	pool := parallel.New(1)
	defer pool.Close()
	r := NewRun(pool)
	r.Free(r.New(1, 1, 2*collectable/4))
	before := heapBytes()
	if r.Trim(); before-heapBytes() < collectable {
		t.Errorf("%d bytes of the heap before, %d after", before, heapBytes())
	}
}

// TestAttentionLeavesNoGarbage: after a first time, attention over an utterance of the same
// length takes its memory from the run.
func TestAttentionLeavesNoGarbage(t *testing.T) {
	pool := parallel.New(2)
	defer pool.Close()
	r := NewRun(pool)
	const length, channels = 1000, 32
	x := r.Zeros(1, length, channels)
	attend := func() { r.Free(r.Attention(x, x, x, 2)) }
	attend()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	attend()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4*length*channels {
		t.Errorf("%d bytes allocated for tensors of %d", n, 4*length*channels)
	}
}

func heapBytes() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
