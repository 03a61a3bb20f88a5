// Package serve is facodec over the network: an HTTP API that OpenAPI describes, a
// WebSocket for live conversion, and the page of the browser. docs/serve.md defines what
// clients see.
//
// A request goes through these, in this order:
//
//	observe   one line of log, and the metrics
//	access    Host and Origin (a page of another site never gets further), then the token
//	places    so many requests at once; the next one is refused, at once
//	turns     so many of them compute at once, in pieces, behind the live streams
//
// A request has a place from its first byte to its last, and a turn only while a piece of its
// audio is computed: a client that sends slowly, or reads slowly, holds a place until its
// time is up, and never a processor. What a request keeps in memory is its codes, 2 kB for
// a second of audio, whatever is sent and asked for; what has to be kept whole besides
// is drawn from one budget.
//
// Nothing that a request says names a file: bodies are read as they come, outputs are
// written as they are made, voices are kept in memory.
package serve
