package main

import (
	"context"
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"github.com/facodec-go/facodec/hub"
	"github.com/facodec-go/facodec/internal/fileerr"
	"github.com/facodec-go/facodec/internal/plural"
)

func newDownload() *cobra.Command {
	var quiet, asJSON bool
	var version string
	cmd := &cobra.Command{
		Use:   "download [facodec | redecoder | ns3 | ORG/NAME[@REVISION][/FILE]]",
		Short: "Get a published model from the Hugging Face hub",
		Long: `Download downloads a model and its configuration from the Hugging Face hub to the cache
of the hub's Python library, and prints the path of the checkpoint. Files that are
already in the cache, also from Python, are not downloaded again.

  facodec     Plachta/FAcodec, the published codec; the default
  redecoder   Plachta/FAcodec-redecoder, the conversion model
  ns3         amphion/naturalspeech3_facodec, the NaturalSpeech 3 family: its folder
              with all five files, or with --version those of one codec
  ORG/NAME    any repository: its pytorch_model.bin or model.safetensors, or FILE;
              also the address of its page, or of a file there

An interrupted download is resumed, hashes are checked, and a busy server is asked
again. Other commands also download a checkpoint named hf://ORG/NAME, but do not check
for a newer version.

These environment variables work as in Python:
  HF_HOME, HF_HUB_CACHE   where the cache is (~/.cache/huggingface/hub)
  HF_ENDPOINT             another server, a mirror say (https://huggingface.co)
  HF_TOKEN                for private models and those with a licence to accept
  HF_HUB_OFFLINE          1: use the cache, never the network
  HF_HUB_DISABLE_SYMLINKS 1: no links in the cache`,
		Example: `  facodec download
  facodec download redecoder
  facodec download ns3 --version v1
  facodec reconstruct --source testdata/speech --output-dir out --checkpoint-path hf://Plachta/FAcodec`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("%s named, want one", plural.Of(len(args), "model"))}
			}
			return nil
		},
		ValidArgs: []string{"facodec", "redecoder", "ns3"},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "facodec"
			if len(args) == 1 {
				name = args[0]
			}
			show := newDisplay(cmd.ErrOrStderr(), quiet)
			r, err := download(cmd.Context(), show, name, version, true)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), r.Checkpoint); err != nil {
				return fileerr.Write("stdout", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&version, "version", "", "of ns3, the files of one codec alone: `v1` or v2, or of the redecoder (default: all)")
	flags.BoolVar(&quiet, "quiet", false, "print nothing but the path, errors and warnings")
	flags.BoolVar(&asJSON, "json", false, "print a report to stdout")
	return cmd
}

// download gets a model of the hub, with a bar; networks is hub.Options.Networks.
func download(ctx context.Context, show *display, name, networks string, update bool) (*hub.Model, error) {
	defer show.stopBar()
	current := ""
	r, err := hub.Download(ctx, name, hub.Options{
		Update: update, Networks: networks,
		Progress: func(file string, done, total int64) {
			if file != current {
				current = file
				show.stopBar()
				show.startBar(1, megabytesOf)
			}
			show.progress(float64(done), float64(max(total, done)), path.Base(file))
		},
		Notice: func(text string) { show.notice("%s", text) },
	})
	if err != nil {
		return nil, err
	}
	show.stopBar()
	switch {
	case r.Downloaded:
		show.info("%s: downloaded, %s, commit %.12s", r.Repo, megabytes(r.Bytes), r.Commit)
	case update:
		show.info("%s: there already, %s, commit %.12s", r.Repo, megabytes(r.Bytes), r.Commit)
	}
	return r, nil
}

func megabytesOf(done, total float64) string {
	return fmt.Sprintf("%.0f of %.0f MB", done/1e6, total/1e6)
}

// localCheckpoint returns the path of a checkpoint: the one given, or, for a name
// that begins with hf://, where it lies in the cache once it is downloaded.
func localCheckpoint(cmd *cobra.Command, name string) (string, error) {
	networks := ""
	if flag := cmd.Flags().Lookup("version"); flag != nil {
		if networks = flag.Value.String(); networks == "" {
			networks = "v1"
		}
	}
	return localNetworks(cmd, name, networks)
}

// localNetworks is localCheckpoint for the files that networks says (see
// hub.Options.Networks) of a model of the NaturalSpeech 3 family.
func localNetworks(cmd *cobra.Command, name, networks string) (string, error) {
	if !hub.IsName(name) {
		return name, nil
	}
	quiet, _ := cmd.Flags().GetBool("quiet") // false for commands without the flag
	r, err := download(cmd.Context(), newDisplay(cmd.ErrOrStderr(), quiet), name, networks, false)
	if err != nil {
		return "", err
	}
	return r.Checkpoint, nil
}
