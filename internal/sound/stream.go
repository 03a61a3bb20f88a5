package sound

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// A Stream captures or plays.
type Stream struct {
	server *Server
	key    streamKey
	rate   int
	over   func([]float32)

	samples   []float32
	bytes     []byte
	underruns atomic.Int64
	ended     atomic.Bool
	done      chan struct{}

	mu     sync.Mutex
	device string
}

// sampleBytes are those of a float32.
const sampleBytes = 4

// maxPiece is the most samples that are asked for or delivered at once.
const maxPiece = 1 << 16

// StreamOptions say how a device is used.
type StreamOptions struct {
	Device string        // its name; "" is the default one
	Rate   int           // of the samples, Hz
	Piece  time.Duration // how much is delivered or asked for at a time
	// Stay ends the stream where the device vanishes; otherwise the server may move it to
	// another one.
	Stay bool
	// Title is what mixers call the stream.
	Title string
}

func (o StreamOptions) spec() proto.SampleSpec {
	return proto.SampleSpec{Format: proto.FormatFloat32LE, Channels: 1, Rate: uint32(o.Rate)}
}

func (o StreamOptions) pieceBytes() uint32 {
	return uint32(max(1, int(o.Piece.Seconds()*float64(o.Rate)))) * sampleBytes
}

func (o StreamOptions) properties() proto.PropList {
	return proto.PropList{
		"media.name": proto.PropListString(o.Title),
		// Servers leave such streams alone: no effects, no pausing.
		"media.role": proto.PropListString("production"),
	}
}

func (s *Server) newStream(play bool, o StreamOptions, over func([]float32)) *Stream {
	return &Stream{server: s, key: streamKey{play: play}, rate: o.Rate, over: over, device: o.Device, done: make(chan struct{})}
}

// start makes the stream known, so that it gets what the server has for it.
func (st *Stream) start(index uint32) {
	st.key.index = index
	s := st.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		st.end()
		return
	}
	s.streams[st.key] = st
}

// Capture calls take with what a device captures. take must not keep the samples.
func (s *Server) Capture(o StreamOptions, take func([]float32)) (*Stream, error) {
	st := s.newStream(false, o, take)
	var reply proto.CreateRecordStreamReply
	err := s.request(&proto.CreateRecordStream{
		SampleSpec: o.spec(), ChannelMap: proto.ChannelMap{proto.ChannelMono}, SourceIndex: proto.Undefined, SourceName: o.Device,
		BufferMaxLength: proto.Undefined, BufferFragSize: o.pieceBytes(), AdjustLatency: true,
		Corked: true, NoMove: o.Stay, DirectOnInputIndex: proto.Undefined, Properties: o.properties(),
		ChannelVolumes: proto.ChannelVolumes{uint32(proto.VolumeNorm)},
	}, &reply)
	if err != nil {
		return nil, err
	}
	st.device = reply.SourceName
	st.start(reply.StreamIndex)
	return st, s.request(&proto.CorkRecordStream{StreamIndex: reply.StreamIndex}, nil)
}

// Play calls fill for what a device plays, all of it.
func (s *Server) Play(o StreamOptions, fill func([]float32)) (*Stream, error) {
	st := s.newStream(true, o, fill)
	piece := o.pieceBytes()
	var reply proto.CreatePlaybackStreamReply
	err := s.request(&proto.CreatePlaybackStream{
		SampleSpec: o.spec(), ChannelMap: proto.ChannelMap{proto.ChannelMono}, SinkIndex: proto.Undefined, SinkName: o.Device,
		BufferMaxLength: proto.Undefined, BufferTargetLength: 2 * piece, BufferMinimumRequest: piece,
		AdjustLatency: true, Corked: true, NoMove: o.Stay, Properties: o.properties(),
		ChannelVolumes: proto.ChannelVolumes{uint32(proto.VolumeNorm)},
	}, &reply)
	if err != nil {
		return nil, err
	}
	st.device = reply.SinkName
	// The first samples are silence: sound must not wait here for the stream to begin.
	silence := make([]byte, min(int(reply.Missing), maxPiece*sampleBytes))
	if err := s.c.Send(reply.StreamIndex, silence); err != nil {
		return nil, err
	}
	st.start(reply.StreamIndex)
	return st, s.request(&proto.CorkPlaybackStream{StreamIndex: reply.StreamIndex}, nil)
}

// took passes on what was captured.
func (st *Stream) took(data []byte) {
	if st.ended.Load() {
		return
	}
	n := len(data) / sampleBytes
	st.grow(n)
	for i := range n {
		st.samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[sampleBytes*i:]))
	}
	st.over(st.samples[:n])
}

// send sends what is to be played.
func (st *Stream) send(bytes int) {
	if st.ended.Load() {
		return
	}
	for n := bytes / sampleBytes; n > 0; {
		k := min(n, maxPiece)
		st.grow(k)
		st.over(st.samples[:k])
		for i, v := range st.samples[:k] {
			binary.LittleEndian.PutUint32(st.bytes[sampleBytes*i:], math.Float32bits(v))
		}
		if st.server.c.Send(st.key.index, st.bytes[:sampleBytes*k]) != nil {
			return
		}
		n -= k
	}
}

func (st *Stream) grow(n int) {
	if n > len(st.samples) {
		st.samples = make([]float32, n)
		st.bytes = make([]byte, sampleBytes*n)
	}
}

func (st *Stream) end() {
	if !st.ended.Swap(true) {
		close(st.done)
	}
}

// Done is closed when the device, or the server, is gone, or the stream was closed.
func (st *Stream) Done() <-chan struct{} { return st.done }

// Rate returns that of the samples, in Hz.
func (st *Stream) Rate() int { return st.rate }

func (st *Stream) moved(device string) {
	st.mu.Lock()
	st.device = device
	st.mu.Unlock()
}

// Device returns the name of the device, which may change.
func (st *Stream) Device() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.device
}

// Underruns returns how often the server had nothing to play, or lost what was captured.
func (st *Stream) Underruns() int { return int(st.underruns.Load()) }

// Latency asks the server how long sound takes between the device and this program.
func (st *Stream) Latency() (time.Duration, error) {
	var buffered int64
	var device proto.Microseconds
	if st.key.play {
		var reply proto.GetPlaybackLatencyReply
		if err := st.server.request(&proto.GetPlaybackLatency{StreamIndex: st.key.index}, &reply); err != nil {
			return 0, err
		}
		buffered, device = reply.WriteIndex-reply.ReadIndex, reply.Latency
	} else {
		var reply proto.GetRecordLatencyReply
		if err := st.server.request(&proto.GetRecordLatency{StreamIndex: st.key.index}, &reply); err != nil {
			return 0, err
		}
		buffered, device = reply.WriteIndex-reply.ReadIndex, reply.Latency
	}
	return time.Duration(device)*time.Microsecond + time.Duration(max(buffered, 0)/sampleBytes)*time.Second/time.Duration(st.rate), nil
}

// Close ends the stream.
func (st *Stream) Close() {
	s := st.server
	s.mu.Lock()
	delete(s.streams, st.key)
	s.mu.Unlock()
	if st.ended.Load() {
		return
	}
	st.end()
	if st.key.play {
		s.request(&proto.DeletePlaybackStream{StreamIndex: st.key.index}, nil)
	} else {
		s.request(&proto.DeleteRecordStream{StreamIndex: st.key.index}, nil)
	}
}
