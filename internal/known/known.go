// Package known tells published models by the fingerprints in files that they made.
package known

// A Model is one that came with this module, in this version or an earlier one.
type Model struct {
	Name string // "base v1" say
	// The fingerprints, as hexadecimal digits, of the tensors that give codes their
	// meaning, that turn codes and a timbre into samples, that turn a voice into its
	// timbre, and that turn a recording into codes and a timbre.
	Quantizer, Decoder, Timbre, Tokens string
}

// NameOf returns the name of the model that a fingerprint is of, "" of an unknown one.
func NameOf(fingerprint string) string {
	for _, m := range Models {
		switch fingerprint {
		case m.Quantizer, m.Decoder, m.Timbre, m.Tokens:
			return m.Name
		}
	}
	return ""
}

// Label returns a fingerprint for messages, with the name of its model where that is
// known: "0123… (base v1)".
func Label(fingerprint string) string {
	if name := NameOf(fingerprint); name != "" {
		return fingerprint + " (" + name + ")"
	}
	return fingerprint
}
