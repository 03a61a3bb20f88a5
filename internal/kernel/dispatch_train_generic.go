//go:build !amd64 || noasm

package kernel

func snakeRows(dst, x, alpha, inv []float32, stride, rows int) {
	snakeRowsGeneric(dst, x, alpha, inv, stride, rows)
}
func snakeGradRows(dx, dy, x, alpha, inv, a, b []float32, stride, rows int) {
	snakeGradRowsGeneric(dx, dy, x, alpha, inv, a, b, stride, rows)
}
func leakyReLU(dst, x []float32, slope float32)        { leakyReLUGeneric(dst, x, slope) }
func leakyReLUGrad(dx, dy, y []float32, slope float32) { leakyReLUGradGeneric(dx, dy, y, slope) }
func sub(dst, a, b []float32)                          { subGeneric(dst, a, b) }
func mul(dst, a, b []float32)                          { mulGeneric(dst, a, b) }
func scaled(dst, x []float32, s float32)               { scaledGeneric(dst, x, s) }
func addScaled(dst, x []float32, s float32)            { addScaledGeneric(dst, x, s) }
func lerp(dst, x []float32, w float32)                 { lerpGeneric(dst, x, w) }
func dot(sums *[dotSums]float64, a, b []float32)       { dotGeneric(sums, a, b) }
func adamW(p, g, m, v []float32, s AdamWStep)          { adamWGeneric(p, g, m, v, s) }
