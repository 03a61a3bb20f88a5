package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print which build of the program this is",
		Long:    "Version prints the program's version, the commit that it was built from, and the Go version and platform.",
		Example: `  facodec version`,
		Args:    wantArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}

func version() string {
	text := "facodec (unknown build)"
	if info, ok := debug.ReadBuildInfo(); ok {
		text = "facodec " + info.Main.Version
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if commit := settings["vcs.revision"]; commit != "" {
			text += " " + commit[:min(12, len(commit))]
			if settings["vcs.modified"] == "true" {
				text += " (modified)"
			}
		}
	}
	return fmt.Sprintf("%s, %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
