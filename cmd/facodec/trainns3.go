package main

import (
	"fmt"
	"path/filepath"

	"github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/weights"
)

// refuseNS3 refuses a file, or a folder with one, of the NaturalSpeech 3 family, which is
// not trained here, before anything of a run is prepared. What it cannot open is for who
// opens it next to say.
func refuseNS3(path string) error {
	files := []string{path}
	if inside, err := filepath.Glob(filepath.Join(path, "ns3_facodec_*")); err == nil {
		files = append(files, inside...)
	}
	refused := path == randomNS3
	for _, name := range files {
		file, err := weights.Open(name)
		if err != nil {
			continue
		}
		_, is := ns3.KindOf(file)
		file.Close()
		refused = refused || is
	}
	if refused {
		return fmt.Errorf("%s: %w: of the NaturalSpeech 3 family, which only runs here; training is for checkpoints of FAcodec", path, facodec.ErrKind)
	}
	return nil
}
