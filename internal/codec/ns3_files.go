package codec

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/ns3"
	"github.com/facodec-go/facodec/internal/weights"
)

// Versions of the NaturalSpeech 3 family's codec.
const (
	V1 = "v1" // the first pair: reconstructs; the redecoder converts its codes
	V2 = "v2" // converts by itself
)

// CheckVersion refuses what is no version; "" leaves it open.
func CheckVersion(version string) error {
	if version != "" && version != V1 && version != V2 {
		return fmt.Errorf("version %q: give %s or %s", version, V1, V2)
	}
	return nil
}

// ErrPair: a network of the NaturalSpeech 3 family without the one that belongs to it.
var ErrPair = errors.New("the other half of the codec is missing")

// ns3Files are the open checkpoints of a codec of the NaturalSpeech 3 family.
type ns3Files struct {
	encoder, decoder *weights.File // encoder is nil where it is missing and not needed
}

func (f *ns3Files) Close() {
	for _, file := range []*weights.File{f.encoder, f.decoder} {
		if file != nil {
			file.Close()
		}
	}
}

// versionOf returns the version of the codec that a kind of file belongs to.
func versionOf(kind ns3.Kind) string {
	if kind == ns3.KindEncoderV2 || kind == ns3.KindDecoderV2 {
		return V2
	}
	return V1
}

func kindsOf(version string) (encoder, decoder ns3.Kind) {
	if version == V2 {
		return ns3.KindEncoderV2, ns3.KindDecoderV2
	}
	return ns3.KindEncoder, ns3.KindDecoder
}

// openNS3 opens the checkpoints of the NaturalSpeech 3 family that a codec's origin
// names: of a file, which is open, the one that belongs to it, and of a folder those
// of a version, by default the first that is there. It returns nil where it is no
// checkpoint of the family. file may be nil, for a folder with several checkpoints.
func openNS3(from Origin, file *weights.File, version string, withoutEncoder bool) (*ns3Files, error) {
	var kind ns3.Kind
	if file != nil {
		var ok bool
		if kind, ok = ns3.KindOf(file); !ok {
			return nil, nil
		}
	}
	f := &finder{from: from}
	if kind == ns3.KindRedecoder && from.base != "" {
		return nil, fmt.Errorf("%s: a redecoder: %w; a codec is needed here", from.name, ErrKind)
	}
	named := kind != "" && kind != ns3.KindRedecoder && from.base != ""
	if named && version != "" && version != versionOf(kind) {
		return nil, fmt.Errorf("%s: the %v, of version %s, and version %s is asked for: %w; name a file of that version, or the folder",
			from.name, kind, versionOf(kind), version, ErrKind)
	}
	if from.folder == nil {
		if withoutEncoder && (kind == ns3.KindDecoder || kind == ns3.KindDecoderV2) {
			return &ns3Files{decoder: file}, nil
		}
		return nil, fmt.Errorf("%s: the %v alone: %w; open it where the other file lies beside it", from.name, kind, ErrPair)
	}
	if named {
		version = versionOf(kind)
		f.named, f.namedKind = from.base, kind
	}
	return f.pair(version, withoutEncoder)
}

// A finder looks for the files of a codec in a folder.
type finder struct {
	from      Origin
	named     string // the file that was named, "" for none
	namedKind ns3.Kind
	kinds     map[string]ns3.Kind // of the files in the folder, read once
}

// pair opens the two files of a version.
func (f *finder) pair(version string, withoutEncoder bool) (_ *ns3Files, err error) {
	if version == "" {
		kinds, err := f.scan()
		if err != nil || len(kinds) == 0 {
			return nil, err
		}
		version = V1
		if _, decoder := kindsOf(V1); !slices.Contains(values(kinds), decoder) && slices.Contains(values(kinds), ns3.KindDecoderV2) {
			version = V2
		}
	}
	encoder, decoder := kindsOf(version)
	files := &ns3Files{}
	defer func() {
		if err != nil {
			files.Close()
		}
	}()
	if files.decoder, err = f.open(decoder, encoder); err != nil {
		return nil, err
	}
	files.encoder, err = f.open(encoder, decoder)
	if withoutEncoder && errors.Is(err, ErrPair) {
		return files, nil
	}
	return files, err
}

// open opens the file of a kind; other is the one that it goes with.
func (f *finder) open(kind, other ns3.Kind) (*weights.File, error) {
	folder := f.from.folder
	if f.namedKind == kind {
		return folder.open(f.named)
	}
	// First what is called like the file that was named, then what is published, so that
	// not every file of the folder need be looked into.
	for _, name := range append(counterparts(f.named), kind.Published()) {
		file, err := folder.open(name)
		if err != nil {
			continue
		}
		if k, ok := ns3.KindOf(file); ok && k == kind {
			return file, nil
		}
		file.Close()
	}
	kinds, err := f.scan()
	if err != nil {
		return nil, err
	}
	var found []string
	for name, k := range kinds {
		if k == kind {
			found = append(found, name)
		}
	}
	found = preferSafetensors(found)
	switch len(found) {
	case 1:
		return folder.open(found[0])
	case 0:
		return nil, fmt.Errorf("%s: no %v, which is published as %s and goes with the %v: %w",
			folder.name, kind, kind.Published(), other, ErrPair)
	}
	return nil, fmt.Errorf("%s: several files hold the %v (%s): %w; name the %[2]v and leave one %v beside it, or name its file like the other's",
		folder.name, kind, strings.Join(found, ", "), ErrPair, other)
}

// counterparts returns what the file that goes with a named one is called: encoder in
// place of decoder, or the other way round, in either format.
func counterparts(name string) (names []string) {
	for _, swap := range [][2]string{{"encoder", "decoder"}, {"decoder", "encoder"}} {
		i := strings.LastIndex(name, swap[0])
		if i < 0 {
			continue
		}
		other := name[:i] + swap[1] + name[i+len(swap[0]):]
		names = append(names, other)
		stem := strings.TrimSuffix(other, path.Ext(other))
		for _, ext := range []string{".safetensors", ".bin", ".pth", ".pt"} {
			names = append(names, stem+ext)
		}
	}
	return names
}

// preferSafetensors drops files next to one of safetensors of the same name:
// they were converted.
func preferSafetensors(names []string) []string {
	slices.Sort(names)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		converted := strings.TrimSuffix(name, path.Ext(name)) + ".safetensors"
		return name != converted && slices.Contains(names, converted)
	})
}

// scan returns the files of the family in the folder, with their kinds. What is no
// checkpoint is passed over.
func (f *finder) scan() (map[string]ns3.Kind, error) {
	if f.kinds != nil {
		return f.kinds, nil
	}
	names, err := f.from.folder.list()
	if err != nil {
		return nil, err
	}
	f.kinds = map[string]ns3.Kind{}
	for _, name := range names {
		file, err := f.from.folder.open(name)
		if err != nil {
			continue
		}
		if kind, ok := ns3.KindOf(file); ok {
			f.kinds[name] = kind
		}
		file.Close()
	}
	return f.kinds, nil
}

func values(kinds map[string]ns3.Kind) (all []ns3.Kind) {
	for _, kind := range kinds {
		all = append(all, kind)
	}
	return all
}

// openNS3Redecoder opens the redecoder that an origin names, a file or a folder with
// one; nil where it is none of the family.
func openNS3Redecoder(from Origin, file *weights.File) (*weights.File, error) {
	if file != nil {
		kind, ok := ns3.KindOf(file)
		switch {
		case !ok:
			return nil, nil
		case kind == ns3.KindRedecoder:
			return file, nil
		case from.base != "" || from.folder == nil:
			return nil, fmt.Errorf("%s: the %v of a codec: %w; a redecoder is needed here", from.name, kind, ErrKind)
		}
	}
	f := &finder{from: from}
	if kinds, err := f.scan(); err != nil || len(kinds) == 0 {
		return nil, err
	}
	return f.open(ns3.KindRedecoder, ns3.KindEncoder)
}

// NS3Files returns the files of the NaturalSpeech 3 family that a path on the disk names:
// itself, or those in the folder; none where there are none. file is the path's, nil
// where it could not be opened.
func NS3Files(path string, file *weights.File) ([]string, error) {
	from := OnDisk(path)
	if file != nil {
		if _, ok := ns3.KindOf(file); !ok {
			return nil, nil
		}
		if from.base != "" {
			return []string{path}, nil
		}
	}
	if from.base != "" {
		return nil, nil
	}
	kinds, err := (&finder{from: from}).scan()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, kind := range ns3.Kinds {
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			if kinds[name] == kind {
				names = append(names, from.folder.path(name))
			}
		}
	}
	return names, nil
}
