package teacher

import (
	"math"
	"slices"
)

// A Set is the teachers of a training run; one that is nil labels nothing.
type Set struct {
	Phones  Phones
	Speaker Speaker
	Pitch   Pitch
	// Store keeps the labels, nil to compute them every time.
	Store *Store
	// Grid is that of the utterances and of their labels; the zero value is Own.
	Grid Grid
}

// Labels are what the teachers of a set say of one utterance, on the set's grid.
type Labels struct {
	Phones  []int32   // of every frame
	Speaker int       // of the utterance
	F0      []float32 // of every frame, in Hz, 0 where there is no voice
}

// Label returns the labels of an utterance. key stands for its samples and whatever
// they depend on: a hash of them, or the file's path, size and time with the part
// of it that the utterance is. load is called only if a teacher has not seen the
// utterance yet; its errors are returned as they are. Where only the store fails to
// keep them, the labels come with the error. Label is safe for concurrent use.
func (s *Set) Label(key string, load func() ([]float32, error)) (labels Labels, err error) {
	var kept []series
	if s.Store != nil {
		if kept, err = s.Store.read(key); err != nil {
			return labels, err
		}
	}
	var u *Utterance
	var used []series // what is kept first
	var news bool
	// ask returns what a teacher said, or has it say it now. The kept values must
	// pass the check, as the file is only as good as its checksum.
	ask := func(teacher Fingerprint, check func([]uint32) bool, say func(*Utterance) []uint32) (values []uint32) {
		if err != nil {
			return nil
		}
		values, ok := find(kept, teacher)
		if ok && check(values) {
			used = append(used, series{teacher, values})
			return values
		}
		if u == nil {
			samples, fault := load()
			if fault == nil {
				samples, fault = s.grid().ToOwnRate(samples)
			}
			if err = fault; err != nil {
				return nil
			}
			u = &Utterance{Samples: samples}
		}
		values = say(u)
		used, news = append(used, series{teacher, values}), true
		return values
	}
	if t := s.Phones; t != nil {
		values := ask(t.Fingerprint(), below(t.Classes()), func(u *Utterance) []uint32 {
			return convert(t.Phones(u), func(l int32) uint32 { return uint32(l) })
		})
		labels.Phones = convert(values, func(v uint32) int32 { return int32(v) })
	}
	if t := s.Speaker; t != nil {
		one := func(v []uint32) bool { return len(v) == 1 && below(t.Classes())(v) }
		values := ask(t.Fingerprint(), one, func(u *Utterance) []uint32 {
			return []uint32{uint32(t.Speaker(u))}
		})
		if len(values) > 0 {
			labels.Speaker = int(values[0])
		}
	}
	if t := s.Pitch; t != nil {
		values := ask(t.Fingerprint(), frequencies, func(u *Utterance) []uint32 {
			return convert(t.Pitch(u), math.Float32bits)
		})
		labels.F0 = convert(values, math.Float32frombits)
	}
	if err != nil {
		return Labels{}, err
	}
	labels = s.grid().of(labels)
	if s.Store != nil && news {
		for _, k := range kept {
			if _, again := find(used, k.teacher); !again {
				used = append(used, k)
			}
		}
		err = s.Store.write(key, used)
	}
	return labels, err
}

func (s *Set) grid() Grid {
	if s.Grid == (Grid{}) {
		return Own
	}
	return s.Grid
}

func below(classes int) func([]uint32) bool {
	return func(values []uint32) bool {
		return !slices.ContainsFunc(values, func(v uint32) bool { return int64(v) >= int64(classes) })
	}
}

// frequencies tells whether all bits are those of a frequency: finite and not
// negative.
func frequencies(values []uint32) bool {
	return !slices.ContainsFunc(values, func(bits uint32) bool {
		f := math.Float32frombits(bits)
		return !(f >= 0 && f <= math.MaxFloat32)
	})
}

func convert[A, B any](a []A, f func(A) B) []B {
	b := make([]B, len(a))
	for i, v := range a {
		b[i] = f(v)
	}
	return b
}
