package kernel

// Add computes dst[i] = a[i] + b[i]. dst may be a or b.
func Add(dst, a, b []float32) { add(dst, a[:len(dst)], b[:len(dst)]) }

// Sub computes dst[i] = a[i] - b[i]. dst may be a or b.
func Sub(dst, a, b []float32) { sub(dst, a[:len(dst)], b[:len(dst)]) }

// Mul computes dst[i] = a[i]·b[i]. dst may be a or b.
func Mul(dst, a, b []float32) { mul(dst, a[:len(dst)], b[:len(dst)]) }

// Scale computes dst[i] = s·x[i]. dst may be x.
func Scale(dst, x []float32, s float32) { scale(dst, x[:len(dst)], s) }

// AddScaled computes dst[i] += s·x[i], rounded once. dst may be x.
func AddScaled(dst, x []float32, s float32) { addScaled(dst, x[:len(dst)], s) }

// Lerp computes dst[i] += w·(x[i] - dst[i]), a step of an exponential moving
// average of decay 1-w. dst may be x.
func Lerp(dst, x []float32, w float32) { lerp(dst, x[:len(dst)], w) }
