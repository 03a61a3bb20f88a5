// Package plural writes how many there are of something, for messages.
package plural

import (
	"fmt"
	"strings"
)

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Of returns a number and the noun in its number: "1 file", "2 files", "0 entries". The
// noun is given in the singular, and may have words before it: "training clip".
func Of[N integer](n N, noun string) string {
	return fmt.Sprintf("%d %s", n, Noun(n, noun))
}

// Noun returns the noun alone in the number of n, for where the number is written in
// another way.
func Noun[N integer](n N, noun string) string {
	if n == 1 {
		return noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && stem != "" && !strings.ContainsRune("aeiou", rune(stem[len(stem)-1])) {
		return stem + "ies"
	}
	if strings.HasSuffix(noun, "epoch") { // a ch that is spoken as a k
		return noun + "s"
	}
	for _, sibilant := range []string{"s", "x", "ch", "sh"} {
		if strings.HasSuffix(noun, sibilant) {
			return noun + "es"
		}
	}
	return noun + "s"
}
