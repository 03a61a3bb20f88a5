package kernel

// productGeneric is the reference of every product kernel. The conversions keep
// compilers of machines with fused instructions from fusing in one loop and not
// in another.
func productGeneric(p *Product, row0, row1, panel0, panel1 int) {
	w := p.W
	for panel := panel0; panel < panel1; panel++ {
		col := panel * Width
		packed := w.Data[panel*w.stride():][:w.Taps*w.K*Width]
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
				for _, a := range p.A[t*p.LdA+tap*p.LdTap:][:w.K] {
					c := (*[Width]float32)(b)
					for i := range acc {
						acc[i] += float32(a * c[i])
					}
					b = b[Width:]
				}
			}
			copy(p.Dst[t*p.LdDst+col:][:Width], acc[:])
		}
	}
}
