package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/facodec-go/facodec/internal/checkpoint"
	"github.com/facodec-go/facodec/internal/dataset"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/weights"
)

// A speakerLabels are the classes of the speakers that a corpus names, in the order of
// their names. nil are the clusters that the teachers find instead.
type speakerLabels struct {
	names   []string
	classes map[string]int
}

func newSpeakerLabels(names []string) *speakerLabels {
	s := &speakerLabels{names, map[string]int{}}
	for i, name := range names {
		s.classes[name] = i
	}
	return s
}

// speakersOf returns the labels of a checkpoint, nil for clusters.
func speakersOf(f *weights.File) (*speakerLabels, error) {
	return parseSpeakers(f.Path(), f.Metadata()[checkpoint.SpeakersKey])
}

// parseSpeakers reads what metadata returns.
func parseSpeakers(from, text string) (*speakerLabels, error) {
	if text == "" {
		return nil, nil
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", from, checkpoint.SpeakersKey, err)
	}
	return newSpeakerLabels(names), nil
}

// metadata returns the labels for a checkpoint, "" of clusters.
func (s *speakerLabels) metadata() string {
	if s == nil {
		return ""
	}
	text, err := json.Marshal(s.names)
	if err != nil {
		panic(err) // strings
	}
	return string(text)
}

const speakerFieldKey = "teachers.speaker_field"

// speakers returns the labels that the experiment asks for: those of the checkpoint that
// the run goes on from, or those of the training clips.
func (r *run) speakers(old *speakerLabels) (*speakerLabels, error) {
	field := r.Config.Teachers.SpeakerField
	if r.resumedFrom != nil && (old != nil) != (field != "") {
		began := "clusters of voices"
		if old != nil {
			began = "the corpus' labels"
		}
		return nil, fmt.Errorf("%s: %s is %q, and the run was begun with %s; keep to that, or give this run another exp_name", r.resumedFrom.Path(), speakerFieldKey, field, began)
	}
	if field == "" {
		return nil, nil
	}
	if r.resumedFrom == nil {
		var names []string
		for _, c := range r.set.Train {
			names = append(names, r.set.Speaker(c))
		}
		slices.Sort(names)
		old = newSpeakerLabels(slices.Compact(names))
		r.Report("%s named by the corpus", plural.Of(len(old.names), "speaker"))
	}
	for _, c := range r.set.Train {
		if _, known := old.classes[r.set.Speaker(c)]; !known {
			return nil, fmt.Errorf("%s: %s: speaker %q is not one of the %d that the run was begun with; begin a run with another exp_name, from this one's weights if you like",
				r.resumedFrom.Path(), c, r.set.Speaker(c), len(old.names))
		}
	}
	return old, nil
}

// scanError adds the key that an error of the dataset comes from.
func scanError(err error) error {
	if errors.Is(err, dataset.ErrNoSpeakers) {
		return fmt.Errorf("%s: %w", speakerFieldKey, err)
	}
	return err
}
