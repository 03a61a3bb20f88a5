package dataset

import "sync"

// memory keeps decoded clips up to a number of bytes. None gives way to another:
// an epoch sees each clip once, and the one that was not seen for longest is the
// next to be wanted.
type memory struct {
	mu    sync.Mutex
	left  int64
	clips map[Clip][]float32
}

func newMemory(bytes int64) *memory {
	return &memory{left: bytes, clips: map[Clip][]float32{}}
}

func (m *memory) get(c Clip) []float32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clips[c]
}

// put keeps samples if there is room and tells whether they are shared now.
func (m *memory) put(c Clip, samples []float32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := int64(4 * cap(samples))
	if _, ok := m.clips[c]; ok || size > m.left {
		return false
	}
	m.left -= size
	m.clips[c] = samples
	return true
}

// reserve takes bytes, if there are as many; negative ones give them back.
func (m *memory) reserve(bytes int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes > m.left {
		return false
	}
	m.left -= bytes
	return true
}

// A recorder keeps the samples of a file while it is scanned, so that its clips need not
// be decoded again. What it holds counts as memory's; a file for which that has no room
// is not recorded.
type recorder struct {
	memory *memory
	chunks [][]float32 // of chunkSamples each, the last one shorter
	full   bool
}

// chunkSamples is how much memory a recorder takes at a time, in samples: 256 KB.
const chunkSamples = 1 << 16

func (r *recorder) add(x []float32) {
	for len(x) > 0 && !r.full {
		last := len(r.chunks) - 1
		if last < 0 || len(r.chunks[last]) == chunkSamples {
			if !r.memory.reserve(4 * chunkSamples) {
				r.discard()
				return
			}
			r.chunks = append(r.chunks, chunkPool.Get().(*[chunkSamples]float32)[:0])
			last++
		}
		n := min(len(x), chunkSamples-len(r.chunks[last]))
		r.chunks[last] = append(r.chunks[last], x[:n]...)
		x = x[n:]
	}
}

// chunkPool keeps chunks, which take long to allocate anew for each file.
var chunkPool = sync.Pool{New: func() any { return new([chunkSamples]float32) }}

// discard gives the memory back; nothing more is recorded.
func (r *recorder) discard() {
	r.memory.reserve(-4 * chunkSamples * int64(len(r.chunks)))
	for _, c := range r.chunks {
		chunkPool.Put((*[chunkSamples]float32)(c[:chunkSamples]))
	}
	r.chunks, r.full = nil, true
}

// keep puts the clips of the file that was recorded into memory, as Set.read returns them,
// and discards the rest.
func (r *recorder) keep(f found, pieces []piece, rate int) {
	defer r.discard()
	for _, p := range pieces {
		if len(r.chunks) == 0 || !r.memory.reserve(4*p.Samples) {
			return
		}
		samples := make([]float32, 0, p.Samples)
		for int64(len(samples)) < p.Samples {
			at := p.Start + int64(len(samples))
			chunk := r.chunks[at/chunkSamples][at%chunkSamples:]
			samples = append(samples, chunk[:min(int64(len(chunk)), p.Samples-int64(len(samples)))]...)
		}
		r.memory.reserve(-4 * p.Samples)
		if peakNormalize(samples) {
			r.memory.put(clipOf(f.path, f.size, f.modTime, p, rate), samples)
		}
	}
}
