package plot

import (
	"image/color"
	"math"
)

// The colors that all pictures share.
var (
	Ink   = color.RGBA{0x22, 0x26, 0x2b, 0xff} // titles
	Gray  = color.RGBA{0x5b, 0x63, 0x6b, 0xff} // labels
	Frame = color.RGBA{0xb4, 0xba, 0xc1, 0xff}
	Grid  = color.RGBA{0xe9, 0xec, 0xef, 0xff}
	Blue  = color.RGBA{0x35, 0x6f, 0xa8, 0xff}
	Pale  = color.RGBA{0xf3, 0xc9, 0xcd, 0xff} // the red, in the background
	Red   = color.RGBA{0xd0, 0x3f, 0x4f, 0xff}
)

// categories are colors for things without an order, told apart also by those who
// see red and green alike, and when printed in grey, the first ones best.
var categories = []color.RGBA{
	Blue,
	Red,
	{0x2f, 0x94, 0x68, 0xff}, // green
	{0xd9, 0x8a, 0x1e, 0xff}, // amber
	{0x7b, 0x5f, 0xb0, 0xff}, // violet
	{0x2a, 0xa0, 0xb4, 0xff}, // teal
	{0x8a, 0x5a, 0x3c, 0xff}, // brown
	Gray,
}

// Category returns the color of the i-th of several things, runs say.
func Category(i int) color.RGBA {
	if i < len(categories) {
		return categories[i]
	}
	return Code(i)
}

// Faint returns a color so transparent that what it is the ground for stands out.
func Faint(c color.RGBA, share float64) color.Color {
	return color.NRGBA{c.R, c.G, c.B, uint8(share*255 + 0.5)}
}

// magma is every 16th color, or nearly, of matplotlib's map of that name (by
// Smith and van der Walt, CC0): equal steps look equal, in grey, too.
var magma = []uint32{
	0x000004, 0x0a0822, 0x1d1147, 0x36106b, 0x51127c, 0x6a1c81, 0x832681, 0x9c2e7f, 0xb73779,
	0xcf4070, 0xe55064, 0xf4695c, 0xfb8761, 0xfea571, 0xfec287, 0xfde0a1, 0xfcfdbf,
}

// Magma returns the color of a value from 0, near black, to 1, near white.
func Magma(v float64) color.RGBA {
	if !(v > 0) {
		v = 0
	}
	v = math.Round(min(v, 1)*255) / 255 // as matplotlib; no eye sees more, and files are smaller
	at := v * float64(len(magma)-1)
	i := min(int(at), len(magma)-2)
	t := at - float64(i)
	mix := func(shift uint) uint8 {
		a, b := float64(magma[i]>>shift&0xff), float64(magma[i+1]>>shift&0xff)
		return uint8(a + t*(b-a) + 0.5)
	}
	return color.RGBA{mix(16), mix(8), mix(0), 0xff}
}

// Code returns the color of a code. Codes near each other have nothing in
// common, so their colors have not either: hues turn by the golden angle, in
// steps of lightness, none so light or dark that it would stand out.
func Code(code int) color.RGBA {
	const golden = 0.6180339887498949
	_, hue := math.Modf(float64(code) * golden)
	_, step := math.Modf(float64(code) * 0.7548776662466927) // independent of the hue's
	return oklch(0.58+0.24*step, 0.105, 2*math.Pi*math.Abs(hue))
}

// oklch converts lightness, chroma and hue (Ottosson's Oklab) to sRGB.
func oklch(l, c, h float64) color.RGBA {
	a, b := c*math.Cos(h), c*math.Sin(h)
	cube := func(x float64) float64 { return x * x * x }
	long := cube(l + 0.3963377774*a + 0.2158037573*b)
	medium := cube(l - 0.1055613458*a - 0.0638541728*b)
	short := cube(l - 0.0894841775*a - 1.2914855480*b)
	channel := func(x float64) uint8 {
		x = min(max(x, 0), 1)
		if x <= 0.0031308 {
			x *= 12.92
		} else {
			x = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		return uint8(255*x + 0.5)
	}
	return color.RGBA{
		channel(4.0767416621*long - 3.3077115913*medium + 0.2309699292*short),
		channel(-1.2684380046*long + 2.6097574011*medium - 0.3413193965*short),
		channel(-0.0041960863*long - 0.7034186147*medium + 1.7076147010*short),
		0xff,
	}
}
