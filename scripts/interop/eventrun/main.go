// Command eventrun writes the log of a run that is stopped at step 37 and resumed
// at 20, for tensorboard.py: loss is the step up to 20, and the step plus 1000
// behind it in the part that is written anew.
package main

import (
	"log"
	"os"

	"github.com/facodec-go/facodec/internal/eventlog"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: eventrun FOLDER")
	}
	for _, part := range []struct {
		last, to int64
		offset   float64
	}{{-1, 37, 0}, {20, 50, 1000}} {
		l, err := eventlog.Open(os.Args[1], part.last)
		if err != nil {
			log.Fatal(err)
		}
		for step := part.last + 1; step <= part.to; step++ {
			if err := l.Scalars(step, []eventlog.Scalar{{Tag: "loss", Value: float64(step) + part.offset}}); err != nil {
				log.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
