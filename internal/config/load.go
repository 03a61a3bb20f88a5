package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/fileerr"
)

// Load reads an experiment file. Its errors are of one line: the file and line,
// the key, its value, and what is wanted.
func Load(path string) (*Config, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory; want an experiment file, JSON or YAML", path)
	}
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err == nil {
			return Parse(path, data)
		}
	}
	return nil, fileerr.In(path, err)
}

// Parse reads an experiment, JSON (with comments and trailing commas) or YAML as
// its content shows. Name stands in error messages.
//
// A codec's file and a redecoder's are told apart by model_type, or where that
// is missing by the keys of model_params.
func Parse(name string, data []byte) (*Config, error) {
	root, err := parseTree(data)
	if err != nil {
		return nil, located(name, root, err)
	}
	c, err := fromTree(root)
	if err != nil {
		return nil, located(name, root, err)
	}
	c.origin = name
	return c, nil
}

func parseTree(data []byte) (*node, error) {
	if len(data) > maxFile {
		return nil, &syntaxError{0, fmt.Sprintf("is larger than the %d bytes that an experiment may have", maxFile)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, &foreignError{syntaxError{0, "is not text; want JSON or YAML"}}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &foreignError{syntaxError{0, "is empty; want JSON or YAML"}}
	}
	if looksJSON(data) {
		return parseJSON(data)
	}
	return parseYAML(data)
}

func fromTree(root *node) (*Config, error) {
	if root.kind != mapping {
		return nil, &foreignError{syntaxError{root.line, "is no experiment file: it holds no keys"}}
	}
	if root.get("model_params") == nil {
		return nil, &foreignError{syntaxError{0, "is no experiment file: it has no model_params"}}
	}
	redecoder, err := isRedecoder(root)
	if err != nil {
		return nil, err
	}
	c := Default()
	if redecoder {
		c = DefaultRedecoder()
	}
	d := decoder{c: c}
	if err := d.section("", root, c.top()); err != nil {
		return nil, err
	}
	// However it was spelled; and what follows from others does, unless it was given.
	if c.ModelType = TypeCodec; redecoder {
		c.ModelType = TypeRedecoder
	}
	if root.get("preprocess_params").get("frame_rate") == nil && c.Preprocess.Spect.HopLength > 0 {
		c.Preprocess.FrameRate = c.FrameRate()
	}
	if root.get("teachers").get("content_units") == nil {
		c.Teachers.ContentUnits = min(c.Teachers.ContentUnits, c.Model.PhoneClasses)
	}
	return c, c.Validate()
}

// isRedecoder tells the two kinds of file apart.
func isRedecoder(root *node) (bool, error) {
	if n := root.get("model_type"); n != nil && !(n.kind == scalar && n.text == "") {
		switch {
		case n.kind == scalar && strings.EqualFold(n.text, TypeCodec):
			return false, nil
		case n.kind == scalar && strings.EqualFold(n.text, TypeRedecoder):
			return true, nil
		}
		return false, &keyError{"model_type", n.String(), fmt.Sprintf("is not supported; want %s or %s", TypeCodec, TypeRedecoder)}
	}
	model := root.get("model_params")
	if model.get("causal") != nil || model.get("lstm") != nil {
		return false, nil
	}
	return slices.ContainsFunc(model.keys, func(e mapEntry) bool {
		switch e.key {
		case "encoder_type":
			return e.value.kind != scalar || e.value.text != EncoderSTFT && e.value.text != EncoderDAC
		case "encoder_causal", "decoder_causal", "encoder_lstm", "decoder_lstm",
			"wavenet_embed_dim", "wavenet_layers", "mamba_embed_dim", "prob_random_mask_prosody", "prob_random_mask_content":
			return true
		}
		return false
	}), nil
}

// A keyError is a fault of one key's value.
type keyError struct {
	key, value string // value as it is shown, "" where the key itself is the fault
	problem    string
}

func (e *keyError) Error() string {
	if e.value == "" {
		return fmt.Sprintf("%s: %s", e.key, e.problem)
	}
	return fmt.Sprintf("%s: %s %s", e.key, e.value, e.problem)
}

// ErrNotExperiment is wrapped by the error for a file that is no experiment at all.
var ErrNotExperiment = errors.New("is no experiment file")

// A foreignError is a syntaxError, or a text about one, that wraps ErrNotExperiment.
type foreignError struct{ syntaxError }

func (e *foreignError) Is(target error) bool { return target == ErrNotExperiment }

// located puts the file, and the line where it is known, before an error.
func located(name string, root *node, err error) error {
	line := 0
	var syntax *syntaxError
	var foreign *foreignError
	var key *keyError
	if errors.As(err, &foreign) {
		line = foreign.line
	} else if errors.As(err, &syntax) {
		line = syntax.line
	} else if errors.As(err, &key) && root != nil {
		path, _, _ := strings.Cut(key.key, "[")
		line = root.lineOf(path)
	}
	if line > 0 {
		name = fmt.Sprintf("%s:%d", name, line)
	}
	text := name + ": " + oneLine(err.Error())
	if foreign != nil {
		return &foreignError{syntaxError{line, text}}
	}
	return errors.New(text)
}

// oneLine blanks what would break a message's line: keys may hold anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
