package kernel

func toomCook2InputGeneric(dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int) {
	toomCookInput(3, dst, x, coefs, step, ldDst, stepX, ldX, tiles, cols)
}

func toomCook4InputGeneric(dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int) {
	toomCookInput(4, dst, x, coefs, step, ldDst, stepX, ldX, tiles, cols)
}

func toomCook6InputGeneric(dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int) {
	toomCookInput(5, dst, x, coefs, step, ldDst, stepX, ldX, tiles, cols)
}

// toomCookInput multiplies by Bᵀ. The coefficients are those of 0, which ∞ shares with the
// inputs one further on, then for each pair those that its even and odd inputs share, and
// its point.
func toomCookInput(pairs int, dst, x, coefs []float32, step, ldDst, stepX, ldX, tiles, cols int) {
	for i := range tiles {
		for c := range cols {
			in := func(k int) float32 { return x[i*stepX+k*ldX+c] }
			sum := func(coefs []float32, first int) float32 {
				v := in(first) * coefs[0]
				for j, a := range coefs[1:] {
					v = fma32(a, in(first+2*j+2), v)
				}
				return v
			}
			out := func(p int) *float32 { return &dst[i*step+p*ldDst+c] }
			*out(0) = sum(coefs[:pairs+1], 0)
			*out(2*pairs + 1) = sum(coefs[:pairs+1], 1)
			for p := range pairs {
				a := coefs[(p+1)*(pairs+1):][:pairs+1]
				even, odd := sum(a[:pairs], 2), sum(a[:pairs], 1)
				*out(2*p + 1) = fma32(a[pairs], odd, even)
				*out(2*p + 2) = fma32(-a[pairs], odd, even)
			}
		}
	}
}

func toomCook2OutputGeneric(dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int) {
	toomCookOutput(3, dst, m, bias, coefs, step, ldDst, stepM, ldM, tiles, cols)
}

func toomCook4OutputGeneric(dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int) {
	toomCookOutput(4, dst, m, bias, coefs, step, ldDst, stepM, ldM, tiles, cols)
}

func toomCook6OutputGeneric(dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int) {
	toomCookOutput(5, dst, m, bias, coefs, step, ldDst, stepM, ldM, tiles, cols)
}

// toomCookOutput multiplies by Aᵀ. The coefficients are the powers of the points of pairs,
// from the first on.
func toomCookOutput(pairs int, dst, m, bias, coefs []float32, step, ldDst, stepM, ldM, tiles, cols int) {
	outputs := 2*pairs - 4
	for i := range tiles {
		for c := range cols {
			in := func(p int) float32 { return m[i*stepM+p*ldM+c] }
			for k := range outputs {
				v := bias[c]
				if k == 0 {
					v += in(0)
				}
				for p := range pairs {
					plus, minus := in(2*p+1), in(2*p+2)
					switch {
					case k == 0:
						v += plus + minus
					case k%2 == 0:
						v = fma32(coefs[p*(outputs-1)+k-1], plus+minus, v)
					default:
						v = fma32(coefs[p*(outputs-1)+k-1], plus-minus, v)
					}
				}
				if k == outputs-1 {
					v += in(2*pairs + 1)
				}
				dst[i*step+k*ldDst+c] = v
			}
		}
	}
}
