package codec

// Inner returns the model of a codec that the root package opened, and nil of anything
// else: for packages above the root that run a model's streams directly. The root package
// sets it, whose own API has no place for its model.
var Inner func(codec any) *Codec = func(any) *Codec { return nil }
