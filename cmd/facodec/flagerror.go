package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError is the error of a flag that cannot be read: which one, what it was given, and
// what it takes.
func flagError(cmd *cobra.Command, err error) error {
	// A misspelled command's own flags are unknown here; the command is the mistake.
	if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
		return commandArgs(cmd, words)
	}
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		err = fmt.Errorf("--%s %s: want %s", invalid.GetFlag().Name, quoted(invalid.GetValue()), wanted(invalid))
	case errors.As(err, &missing):
		err = fmt.Errorf("--%s needs a value", missing.GetFlag().Name)
		if missing.GetSpecifiedShortnames() != "" {
			err = fmt.Errorf("-%s needs a value", missing.GetFlag().Shorthand)
		}
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = fmt.Errorf("unknown flag -%.40s", unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown):
		err = fmt.Errorf("unknown flag --%.40s", unknown.GetSpecifiedName())
	}
	return &usageError{cmd.CommandPath(), err}
}

// wanted says what values the flag of an error takes.
func wanted(err *pflag.InvalidValueError) string {
	kind := err.GetFlag().Value.Type()
	switch {
	case errors.Is(err, strconv.ErrRange):
		return "a smaller number"
	case kind == "bool":
		return "true or false, or the flag alone"
	case kind == "duration":
		return "a time with its unit, such as 200ms, 15s or 10m"
	case strings.HasPrefix(kind, "float"):
		return "a number"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case strings.HasPrefix(kind, "uint"):
		return "a whole number, 0 or more"
	}
	return kind + ": " + err.Unwrap().Error()
}

// quoted is a value as messages show it: in quotes, and not longer than a line has room for.
func quoted(value string) string {
	const most = 40
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return strconv.Quote(value)
}

// refuseEmpty refuses flags that are given an empty value, as that of "$NAME" where NAME is not
// set, which would otherwise be taken for flags that are not given.
func refuseEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		const mayBe = "title" // none above a picture
		if err == nil && f.Name != mayBe && isEmpty(f) {
			err = &usageError{cmd.CommandPath(), fmt.Errorf("--%s is empty: give it a value, or leave it out", f.Name)}
		}
	})
	return err
}

// isEmpty says whether a flag is given a value of which nothing can be made.
func isEmpty(f *pflag.Flag) bool {
	if values, ok := f.Value.(pflag.SliceValue); ok {
		return slices.Contains(values.GetSlice(), "")
	}
	return f.Value.Type() == "string" && f.Value.String() == "" && (f.DefValue == "" || f.Name == "resume")
}
