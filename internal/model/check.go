package model

import (
	"github.com/facodec-go/facodec/internal/nn"
	"github.com/facodec-go/facodec/internal/weights"
)

// Check returns the error that Load would return for the names and shapes of src,
// without loading it.
func (c *Codec) Check(src weights.Source) error { return nn.Check(src, c.networks...) }

// Check returns the error that Load would return for the names and shapes of src,
// without loading it.
func (l *Redecoder) Check(src weights.Source) error { return nn.Check(src, l.networks...) }
