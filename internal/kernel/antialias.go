package kernel

// AntiAliasTaps is the length of the filter around an anti-aliased activation.
const AntiAliasTaps = 12

// UpsampleRows doubles the rate of rows of channels by the filter h
// (alias_free_torch/resample.py, UpSample1d, from BigVGAN, arXiv 2206.04658):
//
//	for r in [0, rows), for c in [0, cols):
//	    dst[2r][c]   = Σ_k 2·h[11-2k]·x[r+k][c],   k in [0, 6)
//	    dst[2r+1][c] = Σ_k 2·h[10-2k]·x[r+k+1][c], k in [0, 6)
//
// x[3] is the row that dst[0] and dst[1] replace, rows lying ldX and ldDst values
// apart. Each value is one chain of fused multiply-adds in the order of k. cols is
// a multiple of Width; dst and x must not overlap.
func UpsampleRows(dst []float32, ldDst int, x []float32, ldX, rows, cols int, h *[AntiAliasTaps]float32) {
	if rows > 0 && checkRows(ldX, rows+6, cols, x) && checkRows(ldDst, 2*rows, cols, dst) {
		wholePanels(cols)
		var doubled [AntiAliasTaps]float32
		for i, v := range h {
			doubled[i] = 2 * v
		}
		upsampleRows(dst, x, doubled[:], ldDst, ldX, rows, cols)
	}
}

// DownsampleRows halves the rate of rows of channels by the filter h
// (alias_free_torch/resample.py, DownSample1d):
//
//	for r in [0, rows), for c in [0, cols):
//	    dst[r][c] = Σ_k h[k]·x[2r+k][c], k in [0, 12)
//
// under the same conditions as UpsampleRows. x[5] is the row in whose place
// dst[0] stands.
func DownsampleRows(dst []float32, ldDst int, x []float32, ldX, rows, cols int, h *[AntiAliasTaps]float32) {
	if rows > 0 && checkRows(ldX, 2*rows+10, cols, x) && checkRows(ldDst, rows, cols, dst) {
		wholePanels(cols)
		downsampleRows(dst, x, h[:], ldDst, ldX, rows, cols)
	}
}

func wholePanels(cols int) {
	if cols%Width != 0 {
		panic("kernel: channels not a multiple of the panel width")
	}
}
