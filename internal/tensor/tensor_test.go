package tensor

import (
	"testing"
	"unsafe"
)

func TestBCTRoundTrip(t *testing.T) {
	for _, shape := range [][3]int{{1, 1, 1}, {2, 3, 5}, {3, 17, 4}, {1, 256, 2}, {2, 5, 0}} {
		b, c, n := shape[0], shape[1], shape[2]
		v := make([]float32, b*c*n)
		for i := range v {
			v[i] = float32(i + 1)
		}
		x := FromBCT(v, b, c, n)
		if n > 0 && x.Row(b-1, n-1)[c-1] != v[len(v)-1] {
			t.Errorf("%v: last element %v", shape, x.Row(b-1, n-1)[c-1])
		}
		for i, got := range x.ToBCT() {
			if got != v[i] {
				t.Fatalf("%v: element %d is %v, want %v", shape, i, got, v[i])
			}
		}
	}
}

func TestStrideAvoidsPowersOfTwo(t *testing.T) {
	for c := 1; c < 5000; c++ {
		s := Stride(c)
		if s < c || s%Lane != 0 || s%256 == 0 || s > c+2*Lane {
			t.Fatalf("stride %d for %d channels", s, c)
		}
	}
}

func TestRegion(t *testing.T) {
	var r Region
	var all [][]float32
	for _, n := range []int{1, 17, blockValues / 2, blockValues - 8, 3, 2 * blockValues, 5} {
		v := r.Alloc(n)
		if len(v) != n {
			t.Fatalf("%d values for %d", len(v), n)
		}
		if a := uintptr(unsafe.Pointer(&v[0])); a%64 != 0 {
			t.Errorf("%d values at %#x", n, a)
		}
		for i := range v {
			if v[i] != 0 {
				t.Fatal("not zero, or overlapping with an earlier allocation")
			}
			v[i] = 1
		}
		all = append(all, v)
	}
	for _, v := range all {
		v[len(v)-1] = 2
	}
	r.Free()
	if r.Bytes() != 0 {
		t.Errorf("%d bytes after Free", r.Bytes())
	}
}
