package defaultmodel

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// A Card says what a model is, what it learned from, and how well it does.
type Card struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	License      string `json:"license"`      // of the weights, an SPDX identifier
	Architecture string `json:"architecture"` // the networks
	Parameters   int64  `json:"parameters"`
	Data         string `json:"data"`     // what it learned from
	Training     string `json:"training"` // steps, time and machine
	// Quality is what public judges measured, by their names; nil where none did.
	Quality *Quality `json:"quality,omitempty"`
	// STOI is that of this module's own implementation, the mean of the reconstructions
	// of testdata/speech when the weights were embedded, and STOIFloor what a test takes
	// for the least.
	STOI      float64 `json:"stoi"`
	STOIFloor float64 `json:"stoi_floor"`
	// Fingerprints, as facodec.Codec.Fingerprints gives them.
	Quantizer string `json:"quantizer"`
	Decoder   string `json:"decoder"`
}

// Quality is a row of scripts/judge.
type Quality struct {
	Recordings string `json:"recordings"` // that were reconstructed
	Clips      int    `json:"clips"`
	// Means of the judges: pesq, stoi, estoi, dnsmos, similarity and so on.
	Means map[string]float64 `json:"means"`
}

//go:embed card.json
var card []byte

// ReadCard returns the model's card.
func ReadCard() Card {
	var c Card
	if err := json.Unmarshal(card, &c); err != nil {
		panic(fmt.Sprintf("defaultmodel: card.json: %v", err)) // a test reads it
	}
	return c
}
