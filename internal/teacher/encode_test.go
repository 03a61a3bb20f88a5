package teacher

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestUnitsThroughBytes(t *testing.T) {
	clips := people(t)
	for _, given := range []int{1, 5} {
		u := learn(t, clips, Config{Units: 12, Speakers: given})
		b := u.Bytes()
		v, err := ParseUnits(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(v.Bytes(), b) || v.Fingerprint() != u.Fingerprint() || v.Speakers().Fingerprint() != u.Speakers().Fingerprint() {
			t.Error("what was read is not what was written")
		}
		for _, c := range clips[:4] {
			x := &Utterance{Samples: c.samples}
			if !slices.Equal(u.Phones(x), v.Phones(x)) || u.Speakers().Speaker(x) != v.Speakers().Speaker(x) {
				t.Errorf("%s: other labels", c.name)
			}
		}
		for i := 0; i < len(b); i += 1 + len(b)/97 {
			damaged := slices.Clone(b)
			damaged[i] ^= 4
			if _, err := ParseUnits(damaged); err == nil {
				t.Errorf("byte %d changed: no error", i)
			}
			if _, err := ParseUnits(b[:i]); err == nil {
				t.Errorf("%d bytes: no error", i)
			}
		}
	}
}

// TestFingerprints: whatever is learned changes them, and the units' goes by the
// speakers too, as their labels do.
func TestFingerprints(t *testing.T) {
	clips := people(t)
	u := learn(t, clips, Config{Units: 12, Speakers: 5})
	v, _ := ParseUnits(u.Bytes())
	v.speakers.centers[0][0]++
	w, err := ParseUnits(seal(v.append(nil)))
	if err != nil || w.Fingerprint() == u.Fingerprint() || w.Speakers().Fingerprint() == u.Speakers().Fingerprint() {
		t.Errorf("other speakers, the same fingerprint (%v)", err)
	}
}

// FuzzParseUnits corrects the checksum, which random changes would not.
func FuzzParseUnits(f *testing.F) {
	for _, given := range []int{1, 2} {
		u := learn(f, people(f)[:3], Config{Units: 2, Speakers: given})
		f.Add(u.append(nil))
	}
	f.Add([]byte(unitsMagic + "\x01\x00\x00\x00" + speakersMagic + "\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = seal(b)
		u, err := ParseUnits(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		if !bytes.Equal(u.Bytes(), b) {
			t.Error("read and written again it is something else")
		}
		x := &Utterance{Samples: make([]float32, 1000)}
		x.Samples[500] = 1
		if s := u.Speakers().Speaker(x); s < 0 || s >= u.Speakers().Classes() {
			t.Errorf("speaker %d of %d", s, u.Speakers().Classes())
		}
		for _, l := range u.Phones(x) {
			if l < 0 || int(l) >= u.Classes() {
				t.Errorf("unit %d of %d", l, u.Classes())
			}
		}
	})
}
