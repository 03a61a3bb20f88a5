//go:build !amd64 || noasm

package kernel

func bestLevel() level { return levelGeneric }

func product(p *Product, row0, row1, panel0, panel1 int) {
	productGeneric(p, row0, row1, panel0, panel1)
}
func snake(dst, x, alpha, inv []float32) { snakeGeneric(dst, x, alpha, inv) }
func tanh(dst, x []float32)              { tanhGeneric(dst, x) }
func sigmoid(dst, x []float32)           { sigmoidGeneric(dst, x) }
func exp(dst, x []float32)               { expGeneric(dst, x) }
func mish(dst, x []float32)              { mishGeneric(dst, x) }
func gate(dst, a, b []float32)           { gateGeneric(dst, a, b) }
func glu(dst, a, b []float32)            { gluGeneric(dst, a, b) }
func add(dst, a, b []float32)            { addGeneric(dst, a, b) }
func softmax(x []float32)                { softmaxGeneric(x) }
func lstmCell(h, c, gates []float32)     { lstmCellGeneric(h, c, gates) }
