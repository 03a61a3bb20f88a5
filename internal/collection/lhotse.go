package collection

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

// maxManifestLine is what a line of a Lhotse manifest may have, in bytes: supervisions
// may hold alignments of every word.
const maxManifestLine = 4 << 20

// A lhotseRecording is what is read of lhotse's Recording.
type lhotseRecording struct {
	ID      string `json:"id"`
	Sources []struct {
		Type     string `json:"type"`
		Channels []int  `json:"channels"`
		Source   string `json:"source"`
	} `json:"sources"`
	Transforms json.RawMessage `json:"transforms"`
}

// A lhotseLine is what is read of lhotse's Recording, MonoCut and MultiCut, and what
// tells others.
type lhotseLine struct {
	lhotseRecording
	Type         string           `json:"type"` // of a cut
	Start        float64          `json:"start"`
	Duration     float64          `json:"duration"`
	Channel      json.RawMessage  `json:"channel"`
	Recording    *lhotseRecording `json:"recording"`
	RecordingID  string           `json:"recording_id"` // of a supervision
	Supervisions []struct {
		Speaker json.RawMessage `json:"speaker"`
	} `json:"supervisions"`
}

// lhotse yields the recordings or the cuts of a manifest, a line of JSON each.
func (s *Set) lhotse(file string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		f, err := os.Open(file)
		if err != nil {
			yield(Item{}, &Fault{file, "", fileerr.Cause(err)})
			return
		}
		defer f.Close()
		var in io.Reader = f
		if strings.HasSuffix(strings.ToLower(file), ".gz") {
			if in, err = gzip.NewReader(f); err != nil {
				yield(Item{}, &Fault{file, "", fmt.Errorf("is no gzip file: %w", err)})
				return
			}
		}
		n := 0
		for line, err := range lines(in, maxManifestLine) {
			n++
			if err != nil && err != errLongLine {
				yield(Item{}, &Fault{file, "", fmt.Errorf("is cut short or damaged behind line %d: %w", n-1, fileerr.Cause(err))})
				return
			}
			var it Item
			if err == nil {
				if len(line) == 0 {
					continue
				}
				it, err = parseLhotse(line, s.options.speakerField())
			}
			if err == nil {
				it.file, err = regular(file, it.file)
			}
			if err != nil {
				key := at(n)
				if it.Key != "" {
					key += ", " + it.Key
				}
				err = &Fault{file, key, err}
			}
			if !yield(it, err) {
				return
			}
		}
	}
}

// parseLhotse reads a line of a manifest. What Lhotse would have computed of the sound, or
// would have got from elsewhere, is refused: it would be silently something else.
func parseLhotse(text []byte, field field) (Item, error) {
	var line lhotseLine
	if err := json.Unmarshal(text, &line); err != nil {
		return Item{}, fmt.Errorf("is no line of a Lhotse manifest: %w", err)
	}
	it := Item{Key: line.ID}
	recording := &line.lhotseRecording
	switch {
	case line.ID == "":
		return it, errors.New("is no line of a Lhotse manifest: it has no id")
	case line.Type == "MonoCut" || line.Type == "MultiCut" || line.Type == "" && line.Recording != nil:
		recording = line.Recording
		if recording == nil {
			return it, errors.New("is a cut without a recording")
		}
		if line.Duration <= 0 {
			return it, fmt.Errorf("a segment of %v s", line.Duration)
		}
		it.segment = segment{start: line.Start, length: line.Duration}
		if err := it.segment.check(); err != nil {
			return it, err
		}
	case line.Type != "":
		return it, fmt.Errorf("is a %s, which is not read; save the cuts in eager form as MonoCuts, or their sound (save_audios)", printable(line.Type))
	case line.RecordingID != "":
		return it, errors.New("is a supervision, not a recording or a cut; make cuts of recordings and supervisions (lhotse cut simple)")
	}
	if t := string(recording.Transforms); t != "" && t != "null" && t != "[]" {
		return it, errors.New("its recording has transforms, which are not applied here; save the sound (save_audios)")
	}
	if len(recording.Sources) != 1 {
		return it, fmt.Errorf("its recording has %s; only recordings of one are read", plural.Of(len(recording.Sources), "file"))
	}
	src := recording.Sources[0]
	if src.Type != "file" {
		return it, fmt.Errorf("its sound comes from a %s, and only files are read", printable(src.Type))
	}
	if it.file = src.Source; it.file == "" {
		return it, errors.New("its recording names no file")
	}
	if err := it.channelOf(line.Channel, src.Channels); err != nil {
		return it, err
	}
	if field.name == "" {
		return it, nil
	}
	for _, sup := range line.Supervisions {
		speaker, err := label(sup.Speaker, "speaker")
		if err != nil && !field.optional {
			return it, err
		}
		switch {
		case it.Speaker == "":
			it.Speaker = speaker
		case speaker != "" && speaker != it.Speaker:
			it.Speaker = "" // of several no one is the speaker
			return it, nil
		}
	}
	return it, nil
}

// channelOf makes the item the channel of a MonoCut. Of all the channels of a recording,
// like those of a MultiCut, the mean is taken.
func (it *Item) channelOf(value json.RawMessage, channels []int) error {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	var one int
	var several []int
	if err := json.Unmarshal(value, &one); err == nil {
		several = []int{one}
	} else if err := json.Unmarshal(value, &several); err != nil {
		return errors.New("its channel is no number")
	}
	slices.Sort(several)
	all := slices.Sorted(slices.Values(channels))
	if slices.Equal(several, all) {
		return nil
	}
	if len(several) != 1 {
		return fmt.Errorf("takes %d of %s; take one, or all", len(several), plural.Of(len(all), "channel"))
	}
	at := slices.Index(channels, several[0])
	if at < 0 {
		return fmt.Errorf("its channel %d is not in its recording", several[0])
	}
	it.segment.channel = at + 1
	return nil
}
