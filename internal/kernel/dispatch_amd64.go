//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

func bestLevel() level {
	x := &cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 && x.HasFMA:
		return levelAVX512
	case x.HasAVX2 && x.HasFMA:
		return levelAVX2
	}
	return levelGeneric
}

func product(p *Product, row0, row1, panel0, panel1 int) {
	if current == levelGeneric {
		productGeneric(p, row0, row1, panel0, panel1)
		return
	}
	productTiled(p, row0, row1, panel0, panel1)
}

func snake(dst, x, alpha, inv []float32) {
	switch current {
	case levelAVX512:
		snakeAVX512(dst, x, alpha, inv)
	case levelAVX2:
		snakeAVX2(dst, x, alpha, inv)
	default:
		snakeGeneric(dst, x, alpha, inv)
	}
}

func tanh(dst, x []float32) {
	switch current {
	case levelAVX512:
		tanhAVX512(dst, x)
	case levelAVX2:
		tanhAVX2(dst, x)
	default:
		tanhGeneric(dst, x)
	}
}

func sigmoid(dst, x []float32) {
	switch current {
	case levelAVX512:
		sigmoidAVX512(dst, x)
	case levelAVX2:
		sigmoidAVX2(dst, x)
	default:
		sigmoidGeneric(dst, x)
	}
}

func exp(dst, x []float32) {
	switch current {
	case levelAVX512:
		expAVX512(dst, x)
	case levelAVX2:
		expAVX2(dst, x)
	default:
		expGeneric(dst, x)
	}
}

func mish(dst, x []float32) {
	switch current {
	case levelAVX512:
		mishAVX512(dst, x)
	case levelAVX2:
		mishAVX2(dst, x)
	default:
		mishGeneric(dst, x)
	}
}

func gate(dst, a, b []float32) {
	switch current {
	case levelAVX512:
		gateAVX512(dst, a, b)
	case levelAVX2:
		gateAVX2(dst, a, b)
	default:
		gateGeneric(dst, a, b)
	}
}

func glu(dst, a, b []float32) {
	switch current {
	case levelAVX512:
		gluAVX512(dst, a, b)
	case levelAVX2:
		gluAVX2(dst, a, b)
	default:
		gluGeneric(dst, a, b)
	}
}

func add(dst, a, b []float32) {
	switch current {
	case levelAVX512:
		addAVX512(dst, a, b)
	case levelAVX2:
		addAVX2(dst, a, b)
	default:
		addGeneric(dst, a, b)
	}
}

func softmax(x []float32) {
	switch current {
	case levelAVX512:
		softmaxAVX512(x)
	case levelAVX2:
		softmaxAVX2(x)
	default:
		softmaxGeneric(x)
	}
}

func lstmCell(h, c, gates []float32) {
	switch current {
	case levelAVX512:
		lstmCellAVX512(h, c, gates)
	case levelAVX2:
		lstmCellAVX2(h, c, gates)
	default:
		lstmCellGeneric(h, c, gates)
	}
}

func softmaxAVX512(x []float32) {
	scaleAVX512(x, 1/expSumAVX512(x, maximumAVX512(x)))
}

func softmaxAVX2(x []float32) {
	scaleAVX2(x, 1/expSumAVX2(x, maximumAVX2(x)))
}
