package hub

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	hubclient "github.com/facodec-go/facodec/internal/hub"
	"github.com/facodec-go/facodec/internal/ns3"
)

// ns3Repo is where the NaturalSpeech 3 family is published.
const ns3Repo = "amphion/naturalspeech3_facodec"

// ns3Networks are the files of each choice of Options.Networks.
var ns3Networks = map[string][]ns3.Kind{
	"":          ns3.Kinds,
	"v1":        {ns3.KindEncoder, ns3.KindDecoder},
	"v2":        {ns3.KindEncoderV2, ns3.KindDecoderV2},
	"redecoder": {ns3.KindRedecoder},
}

// ns3Partner returns the name of the file that goes with a published one.
func ns3Partner(name string) (string, bool) {
	for _, pair := range [][2]ns3.Kind{{ns3.KindEncoder, ns3.KindDecoder}, {ns3.KindEncoderV2, ns3.KindDecoderV2}} {
		for i, kind := range pair {
			if kind.Published() == name {
				return pair[1-i].Published(), true
			}
		}
	}
	return "", false
}

// ns3 gets the files of a model of the NaturalSpeech 3 family, all of one commit, and
// returns their folder, or the redecoder's file.
func (d *downloader) ns3(ctx context.Context, ref hubclient.Ref) (*Model, error) {
	kinds, ok := ns3Networks[d.options.Networks]
	if !ok {
		return nil, fmt.Errorf("networks %q: give v1, v2, redecoder, or none for all", d.options.Networks)
	}
	for _, kind := range kinds {
		f, err := d.file(ctx, ref.In(kind.Published()))
		if d.options.Networks == "" && d.report.Commit != "" && errors.Is(err, hubclient.ErrNoFile) {
			continue // of all, some may be missing
		}
		if err != nil {
			return nil, err
		}
		d.report.Commit, ref.Revision = f.Commit, f.Commit
		d.report.Checkpoint = filepath.Dir(f.Path)
		if kind == ns3.KindRedecoder && len(kinds) == 1 {
			d.report.Checkpoint = f.Path
		}
	}
	return &d.report, nil
}
