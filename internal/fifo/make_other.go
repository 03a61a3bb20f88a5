//go:build !unix

package fifo

import "errors"

// Make makes a named pipe that only its owner may use.
func Make(string) error { return errors.New("this system has no named pipes that are files") }
