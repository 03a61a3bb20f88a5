package collection

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/facodec-go/facodec/internal/plural"
)

// maxElement is how many bytes a part of a key may have: file systems take 255 for a
// name, and an extension and that of an unfinished file come behind it.
const maxElement = 200

// CleanKey returns a key as the relative path, with slashes, of an output: without an
// empty element, "." or a slash in front. ".." and what some file system has no
// name for (control characters, \ : * ? " < > |, bytes that are no UTF-8, a dot or
// space at the end) is percent-encoded. Joined to a folder, it lies in that folder.
func CleanKey(key string) (string, error) {
	var elements []string
	for element := range strings.SplitSeq(key, "/") {
		if element == "" || element == "." {
			continue
		}
		clean := cleanElement(element)
		if len(clean) > maxElement {
			return "", fmt.Errorf("the key has a part of %s; names of files may have %d", plural.Of(len(clean), "byte"), maxElement)
		}
		elements = append(elements, clean)
	}
	if len(elements) == 0 {
		return "", errors.New("the key is empty")
	}
	return strings.Join(elements, "/"), nil
}

func cleanElement(element string) string {
	var b strings.Builder
	last := len(strings.TrimRight(element, ". ")) // what is behind is encoded
	for i := 0; i < len(element); {
		r, size := utf8.DecodeRuneInString(element[i:])
		if i >= last || r == utf8.RuneError && size == 1 || r < ' ' || r == 0x7f || strings.ContainsRune(`\:*?"<>|`, r) {
			for _, c := range []byte(element[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(element[i : i+size])
		}
		i += size
	}
	return b.String()
}

// printable keeps a message on one line whatever a key is.
func printable(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}
