// Package protocol is what the server and clients of live conversion say to each other over
// a WebSocket: JSON in text messages, samples in binary ones. docs/serve.md defines it.
package protocol

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	// Path is where a server has it, and Subprotocol what it is called.
	Path        = "/v1/live"
	Subprotocol = "facodec.live.v1"
	// tokenPrefix begins a subprotocol that carries the token.
	tokenPrefix = "facodec.token."
)

// TokenProtocol is the subprotocol by which clients that cannot set headers, as those in
// browsers, carry the token.
func TokenProtocol(token string) string {
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(token))
}

// Token returns the token of a subprotocol, if it is one that carries it.
func Token(subprotocol string) (token string, ok bool) {
	if len(subprotocol) < len(tokenPrefix) || subprotocol[:len(tokenPrefix)] != tokenPrefix {
		return "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(subprotocol[len(tokenPrefix):])
	return string(b), err == nil
}

// The types of messages.
const (
	Start  = "start"  // the client's first
	Set    = "set"    // changes mode, voice or both; the answer when it is done
	Stats  = "stats"  // asks for statistics; the answer
	End    = "end"    // ends the input
	Ready  = "ready"  // the server's first
	Ended  = "ended"  // the server's last: the output is whole
	Ending = "ending" // the server is about to end
	Error  = "error"
)

// A Request is what a client says.
type Request struct {
	Type   string `json:"type"`
	Rate   int    `json:"rate,omitempty"`   // Hz, both ways; 0 is the codec's
	Format string `json:"format,omitempty"` // f32 or s16; "" is f32
	Mode   string `json:"mode,omitempty"`   // convert, reconstruct or bypass; "" is convert, or no change
	Voice  string `json:"voice,omitempty"`  // id; "" is none, or no change
	// Match is the share of the voice's own frames in a conversion, 0 to 1; nil is none, or no change.
	Match *float64 `json:"match,omitempty"`
	// DelayMS is how long input may wait to be processed; 0 is the server's default.
	DelayMS float64 `json:"delay_ms,omitempty"`
	// StatsMS is how often statistics are sent; 0 is never, nil the server's default.
	StatsMS *float64 `json:"stats_ms,omitempty"`
}

// A Reply is what a server says: the fields of its type are set.
type Reply struct {
	Type string `json:"type"`

	// Of ready.
	Rate        int     `json:"rate,omitempty"`         // Hz, both ways
	Format      string  `json:"format,omitempty"`       //
	SampleRate  int     `json:"sample_rate,omitempty"`  // Hz, the codec's
	HopMS       float64 `json:"hop_ms,omitempty"`       // that a frame lasts
	AlgorithmMS float64 `json:"algorithm_ms,omitempty"` // by which output is behind input, however fast the computer

	// Of set, and of ready.
	Mode  string  `json:"mode,omitempty"`
	Voice string  `json:"voice,omitempty"`
	Match float64 `json:"match,omitempty"` // of conversions to this voice

	// Of stats and of ended.
	Stats *Statistics `json:"stats,omitempty"`

	// Of ending.
	GraceMS float64 `json:"grace_ms,omitempty"` // until it does

	// Of error: as in a problem of HTTP.
	Status   int    `json:"status,omitempty"`
	Location string `json:"location,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// Err returns the error of a reply that is one.
func (r *Reply) Err() error {
	if r.Type != Error {
		return nil
	}
	if r.Location != "" {
		return fmt.Errorf("the server refuses %s: %s", r.Location, r.Detail)
	}
	return fmt.Errorf("the server: %s", r.Detail)
}

// Statistics are the meters of a stream.
type Statistics struct {
	In             Level   `json:"in"` // since the last ones
	Out            Level   `json:"out"`
	Seconds        float64 `json:"seconds"`         // of input
	SkippedSeconds float64 `json:"skipped_seconds"` // of it that were not processed in time, and concealed
	Dropouts       int     `json:"dropouts"`        // how often
	FrameMS        Times   `json:"frame_ms"`        // that the last 1024 frames took
	RealTimeFactor float64 `json:"real_time_factor"`
	AlgorithmMS    float64 `json:"algorithm_ms"`
	BacklogMS      float64 `json:"backlog_ms"` // of input that waits
}

// A Level is of full scale 1.
type Level struct {
	Peak float64 `json:"peak"`
	RMS  float64 `json:"rms"`
}

// Times are in milliseconds.
type Times struct {
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// The formats of samples, little-endian.
const (
	F32 = "f32"
	S16 = "s16"
)

// Width returns the bytes of a sample of a format; 0 of what is none.
func Width(format string) int {
	switch format {
	case F32:
		return 4
	case S16:
		return 2
	}
	return 0
}

// ErrPiece: a message that is not whole samples.
var ErrPiece = errors.New("a binary message is not whole samples")

// Append appends samples in a format.
func Append(b []byte, format string, samples []float32) []byte {
	for _, x := range samples {
		if format == S16 {
			s := math.RoundToEven(float64(x) * 32768)
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(min(max(s, -32768), 32767))))
		} else {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

// Parse appends the samples of a message in a format.
func Parse(samples []float32, format string, b []byte) ([]float32, error) {
	width := Width(format)
	if width == 0 || len(b)%width != 0 {
		return samples, ErrPiece
	}
	for ; len(b) > 0; b = b[width:] {
		if format == S16 {
			samples = append(samples, float32(int16(binary.LittleEndian.Uint16(b)))/32768)
		} else {
			samples = append(samples, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	}
	return samples, nil
}
