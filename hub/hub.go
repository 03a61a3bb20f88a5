// Package hub downloads models from the Hugging Face hub, into the cache that its
// Python library uses:
//
//	model, err := hub.Download(ctx, "Plachta/FAcodec", hub.Options{})
//	...
//	codec, err := facodec.Open(model.Checkpoint)
package hub

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/facodec-go/facodec/internal/checkpoint"
	hubclient "github.com/facodec-go/facodec/internal/hub"
)

// published are the names that stand for upstream's models
// (Plachtaa/FAcodec, reconstruct.py and reconstruct_redecoder.py).
var published = map[string]string{
	"facodec":   "Plachta/FAcodec",
	"redecoder": "Plachta/FAcodec-redecoder",
	"ns3":       ns3Repo,
}

// checkpointNames are what a checkpoint is called in a repository: as upstream
// publishes theirs, then as others do.
var checkpointNames = []string{"pytorch_model.bin", "model.safetensors", "facodec.safetensors"}

// Options are the options of Download.
type Options struct {
	// Update asks the hub whether a branch has moved on. Without it, what is in
	// the cache is used as it is, and the network only for what is not.
	Update bool
	// Networks says which files come of a model of the NaturalSpeech 3 family, which has
	// one for each network: "v1" or "v2", the codec of that version; "redecoder"; or ""
	// for all. Other models are one file.
	Networks string
	// Progress, if not nil, is told how much of a file has come; total is -1 where
	// the server does not say.
	Progress func(file string, done, total int64)
	// Notice, if not nil, is called with messages for the user, such as why a download waits.
	Notice func(text string)
}

// A Model is a model of the hub on this machine.
type Model struct {
	Repo       string `json:"repo"`
	Revision   string `json:"revision"`
	Commit     string `json:"commit"`
	Checkpoint string `json:"checkpoint"` // the path to open; a folder where there are several files
	Config     string `json:"config"`     // the path of the configuration next to it; "" if there is none
	Bytes      int64  `json:"bytes"`      // of all files
	Downloaded bool   `json:"downloaded"` // false: all of it was there
}

// IsName says whether a path is a name on the hub: it begins with hf://, or is an
// address of the web (https://huggingface.co/ORG/NAME/blob/main/FILE).
func IsName(name string) bool { return hubclient.IsName(name) }

// Download brings a model from the Hugging Face hub into the cache that its
// Python library uses, and returns the paths to give to facodec.Open. name is "facodec",
// "redecoder", "ns3", ORG/NAME or ORG/NAME/FILE, with @REVISION behind NAME for another
// than main, with or without hf:// or hf://models/ in front, or the address of a
// page or file of the hub. The configuration next to
// the checkpoint comes along. A download that was stopped continues where it was,
// and hashes are checked. The environment variables of the Python library hold:
// HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE,
// HF_HUB_DISABLE_SYMLINKS.
//
// The codec itself only opens files; nothing is downloaded unless asked.
func Download(ctx context.Context, name string, o Options) (*Model, error) {
	client, err := hubclient.FromEnv()
	if err != nil {
		return nil, err
	}
	full := name
	if repo, ok := published[strings.TrimPrefix(name, hubclient.Scheme)]; ok {
		full = repo
	}
	ref, err := hubclient.Parse(full, client.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("%w; or say facodec, redecoder or ns3", err)
	}
	d := downloader{client: client, options: o}
	return d.model(ctx, ref)
}

// A downloader gets the files of one model.
type downloader struct {
	client  *hubclient.Client
	options Options
	report  Model
}

func (d *downloader) model(ctx context.Context, ref hubclient.Ref) (*Model, error) {
	d.report = Model{Repo: ref.Repo, Revision: ref.Revision}
	if ref.File == "" && ref.Repo == ns3Repo {
		return d.ns3(ctx, ref)
	}
	weights, err := d.checkpoint(ctx, ref)
	if errors.Is(err, hubclient.ErrNoFile) && ref.File == "" {
		if m, ns3Err := d.ns3(ctx, ref); ns3Err == nil {
			return m, nil
		}
	}
	if err != nil {
		return nil, err
	}
	d.report.Checkpoint, d.report.Commit = weights.Path, weights.Commit
	at := ref.In(weights.name)
	if slices.Contains(checkpoint.ConfigNames, path.Base(at.File)) {
		return &d.report, nil // was a configuration itself
	}
	// Of the same commit, even if the branch moves on between the two.
	at.Revision = weights.Commit
	if other, ok := ns3Partner(path.Base(at.File)); ok {
		_, err := d.file(ctx, at.In(path.Join(path.Dir(at.File), other)))
		if errors.Is(err, hubclient.ErrNoFile) || errors.Is(err, hubclient.ErrOffline) {
			err = nil // Open says what is missing
		}
		return &d.report, err
	}
	for _, name := range checkpoint.ConfigNames {
		f, err := d.file(ctx, at.In(path.Join(path.Dir(at.File), name)))
		if errors.Is(err, hubclient.ErrNoFile) {
			continue
		}
		if errors.Is(err, hubclient.ErrOffline) {
			break // the checkpoint may carry its own; Open says if not
		}
		if err != nil {
			return nil, err
		}
		d.report.Config = f.Path
		break
	}
	return &d.report, nil
}

// namedFile is a file with the name that it has in its repository.
type namedFile struct {
	hubclient.File
	name string
}

// checkpoint gets the file that is named, or the first that a repository has of
// those that checkpoints are called.
func (d *downloader) checkpoint(ctx context.Context, ref hubclient.Ref) (namedFile, error) {
	if ref.File != "" {
		f, err := d.file(ctx, ref)
		return namedFile{f, ref.File}, err
	}
	var firstErr error
	for _, name := range checkpointNames {
		f, err := d.file(ctx, ref.In(name))
		if err == nil {
			return namedFile{f, name}, nil
		}
		if !errors.Is(err, hubclient.ErrNoFile) && !errors.Is(err, hubclient.ErrOffline) {
			return namedFile{}, err
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	if errors.Is(firstErr, hubclient.ErrNoFile) {
		return namedFile{}, fmt.Errorf("%s: holds no %s; name its checkpoint, %s/FILE: %w", ref, strings.Join(checkpointNames, ", "), ref, hubclient.ErrNoFile)
	}
	return namedFile{}, firstErr
}

// file gets one file, without the network if that will do: a commit does not
// move on.
func (d *downloader) file(ctx context.Context, ref hubclient.Ref) (hubclient.File, error) {
	if !d.options.Update || ref.Revision == d.report.Commit {
		if f, ok := d.client.Cached(ref); ok {
			d.report.Bytes += f.Size
			return f, nil
		}
		if d.client.Missing(ref) {
			return hubclient.File{}, fmt.Errorf("%s: %w", ref, hubclient.ErrNoFile)
		}
	}
	f, err := d.client.Download(ctx, ref, hubclient.Options{Progress: d.options.Progress, Notice: d.options.Notice})
	if err != nil {
		return hubclient.File{}, err
	}
	if f.Came && !f.Verified && d.options.Notice != nil {
		d.options.Notice(fmt.Sprintf("%s: the server gave no hash, so that what came could not be checked", ref))
	}
	d.report.Bytes += f.Size
	d.report.Downloaded = d.report.Downloaded || f.Came
	return f, nil
}
