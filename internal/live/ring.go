package live

// A ring is a queue of samples. It grows when it must.
type ring struct {
	buf  []float32
	head int // of the oldest
	n    int
}

func newRing(capacity int) ring { return ring{buf: make([]float32, capacity)} }

func (r *ring) reserve(n int) {
	if n <= len(r.buf) {
		return
	}
	buf := make([]float32, max(n, 2*len(r.buf)))
	kept := r.n
	r.pop(buf[:kept])
	r.buf, r.head, r.n = buf, 0, kept
}

func (r *ring) push(samples []float32) {
	r.reserve(r.n + len(samples))
	at := (r.head + r.n) % max(len(r.buf), 1)
	m := copy(r.buf[at:], samples)
	copy(r.buf, samples[m:])
	r.n += len(samples)
}

// pop moves the oldest samples into dst and returns how many.
func (r *ring) pop(dst []float32) int {
	n := min(len(dst), r.n)
	m := copy(dst[:n], r.buf[r.head:min(r.head+n, len(r.buf))])
	copy(dst[m:n], r.buf)
	r.drop(n)
	return n
}

// drop forgets the oldest n samples.
func (r *ring) drop(n int) {
	if r.n -= n; r.n == 0 {
		r.head = 0
		return
	}
	r.head = (r.head + n) % len(r.buf)
}
