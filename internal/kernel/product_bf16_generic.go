package kernel

// productBF16Generic is the reference of every product of bfloat16 without tiles. The
// products of two such values are exact in float32.
func productBF16Generic(p *ProductBF16, row0, row1, panel0, panel1 int) {
	w := p.W
	for panel := panel0; panel < panel1; panel++ {
		col := panel * Width
		packed := w.Data[panel*w.stride():][:w.size()]
		for t := row0; t < row1; t++ {
			var acc [Width]float32
			if p.Bias != nil {
				copy(acc[:], p.Bias[col:])
			}
			if p.Init != nil {
				for i, v := range p.Init[t*p.LdInit+col:][:Width] {
					acc[i] += v
				}
			}
			b := packed
			for tap := range w.Taps {
				if w.K == 0 { // A may end before such a tap
					break
				}
				in := p.A[t*p.LdA+tap*p.LdTap:][:PadBF16(w.K)]
				for ; len(in) > 0; in = in[2:] {
					even, odd := floatBF16(in[0]), floatBF16(in[1])
					c := (*[2 * Width]BFloat16)(b)
					for i := range acc {
						acc[i] += odd * floatBF16(c[2*i+1])
						acc[i] += even * floatBF16(c[2*i])
					}
					b = b[2*Width:]
				}
			}
			copy(p.Dst[t*p.LdDst+col:][:Width], acc[:])
		}
	}
}
