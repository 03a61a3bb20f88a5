package sound

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/jfreymuth/pulse/proto"
)

var (
	// ErrNoServer: no sound server answers.
	ErrNoServer = errors.New("no sound server")
	// ErrNoDevice: there is no such device.
	ErrNoDevice = errors.New("no such sound device")
	// ErrGone: the device, or the server, is gone.
	ErrGone = errors.New("the sound device is gone")
)

// A Server is a connection to a sound server.
type Server struct {
	name string // what the server calls itself
	c    *proto.Client
	conn net.Conn
	gone chan struct{}

	mu      sync.Mutex
	streams map[streamKey]*Stream
	closed  bool
}

// streamKey tells streams apart: the server numbers those that play and those that capture
// each from 0 on.
type streamKey struct {
	play  bool
	index uint32
}

// Connect connects to the sound server of PULSE_SERVER, or the user's own. Its streams are
// called name in mixers.
func Connect(name string) (*Server, error) {
	if err := checkServer(); err != nil {
		return nil, err
	}
	c, conn, err := proto.Connect("")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	s := &Server{c: c, conn: conn, gone: make(chan struct{}), streams: map[streamKey]*Stream{}}
	c.Callback = s.receive
	err = c.Request(&proto.SetClientName{Props: proto.PropList{
		"application.name":       proto.PropListString(name),
		"application.process.id": proto.PropListString(fmt.Sprint(os.Getpid())),
	}}, &proto.SetClientNameReply{})
	var info proto.GetServerInfoReply
	if err == nil {
		err = c.Request(&proto.GetServerInfo{}, &info)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	s.name = info.PackageName + " " + info.PackageVersion
	return s, nil
}

// checkServer says what is wrong where no server can be reached.
func checkServer() error {
	if address, ok := os.LookupEnv("PULSE_SERVER"); ok {
		for _, a := range strings.Fields(address) {
			if strings.HasPrefix(a, "{") && !strings.Contains(a, "}") {
				return fmt.Errorf("%w: PULSE_SERVER=%q is no address", ErrNoServer, address)
			}
		}
		return nil
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: on %s there is none that this program speaks to, unless PULSE_SERVER names one", ErrNoServer, runtime.GOOS)
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return fmt.Errorf("%w: neither PULSE_SERVER nor XDG_RUNTIME_DIR is set, so this is no session of a desktop", ErrNoServer)
	}
	socket := filepath.Join(dir, "pulse", "native")
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is not there: neither PulseAudio nor PipeWire (pipewire-pulse) runs for this user", ErrNoServer, socket)
	}
	return nil
}

// Name returns what the server calls itself, with its version.
func (s *Server) Name() string { return s.name }

// Gone is closed when the connection is lost.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Close ends all streams and the connection.
func (s *Server) Close() {
	s.conn.Close()
	s.lose()
}

// lose ends the streams of a connection that is lost.
func (s *Server) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	close(s.gone)
	for _, stream := range s.streams {
		stream.end()
	}
	clear(s.streams)
}

// request sends a request. An error of the connection, and not of the request, loses it.
func (s *Server) request(req proto.RequestArgs, reply proto.Reply) error {
	err := s.c.Request(req, reply)
	var refused proto.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		if refused == proto.ErrNoSuchEntity {
			return ErrNoDevice
		}
		return err
	}
	s.Close()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) {
		return ErrGone
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// receive is called with what the server says on its own.
func (s *Server) receive(message any) {
	switch m := message.(type) {
	case *proto.DataPacket:
		if st := s.stream(false, m.StreamIndex); st != nil {
			st.took(m.Data)
		}
	case *proto.Request:
		if st := s.stream(true, m.StreamIndex); st != nil {
			st.send(int(m.Length))
		}
	case *proto.Underflow:
		if st := s.stream(true, m.StreamIndex); st != nil {
			st.underruns.Add(1)
		}
	case *proto.Overflow:
		if st := s.stream(false, m.StreamIndex); st != nil {
			st.underruns.Add(1)
		}
	case *proto.PlaybackStreamKilled:
		s.drop(streamKey{true, m.StreamIndex})
	case *proto.RecordStreamKilled:
		s.drop(streamKey{false, m.StreamIndex})
	case *proto.PlaybackStreamMoved:
		if st := s.stream(true, m.StreamIndex); st != nil {
			st.moved(m.DestName)
		}
	case *proto.RecordStreamMoved:
		if st := s.stream(false, m.StreamIndex); st != nil {
			st.moved(m.DestName)
		}
	case *proto.ConnectionClosed:
		s.lose()
	}
}

func (s *Server) stream(play bool, index uint32) *Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[streamKey{play, index}]
}

// drop ends a stream that the server ended.
func (s *Server) drop(key streamKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[key]; st != nil {
		st.end()
		delete(s.streams, key)
	}
}

// A Device is one that captures or plays.
type Device struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Rate        int    `json:"rate"`
	Channels    int    `json:"channels"`
	Default     bool   `json:"default"`
	// Monitor says that the device captures what another one plays.
	Monitor bool `json:"monitor,omitempty"`
}

// Devices lists those that capture and those that play.
func (s *Server) Devices() (inputs, outputs []Device, err error) {
	var info proto.GetServerInfoReply
	if err := s.request(&proto.GetServerInfo{}, &info); err != nil {
		return nil, nil, err
	}
	var sources proto.GetSourceInfoListReply
	if err := s.request(&proto.GetSourceInfoList{}, &sources); err != nil {
		return nil, nil, err
	}
	var sinks proto.GetSinkInfoListReply
	if err := s.request(&proto.GetSinkInfoList{}, &sinks); err != nil {
		return nil, nil, err
	}
	for _, d := range sources {
		inputs = append(inputs, Device{
			Name: d.SourceName, Description: d.Device, Rate: int(d.Rate), Channels: int(d.Channels),
			Default: d.SourceName == info.DefaultSourceName, Monitor: d.MonitorSourceIndex != proto.Undefined,
		})
	}
	for _, d := range sinks {
		outputs = append(outputs, Device{
			Name: d.SinkName, Description: d.Device, Rate: int(d.Rate), Channels: int(d.Channels),
			Default: d.SinkName == info.DefaultSinkName,
		})
	}
	return inputs, outputs, nil
}

// Find returns the device that a user means: by its name, or a part of its name or
// description that only one has; "" is the default one.
func Find(devices []Device, what string) (Device, error) {
	var found []Device
	for _, d := range devices {
		switch {
		case what == "" && d.Default, what != "" && d.Name == what:
			return d, nil
		case what != "" && containsFold(d.Name+"\n"+d.Description, what):
			found = append(found, d)
		}
	}
	switch {
	case what == "" && len(devices) > 0:
		return devices[0], nil
	case what == "":
		return Device{}, fmt.Errorf("%w: the server has none", ErrNoDevice)
	case len(found) == 0:
		return Device{}, fmt.Errorf("%q: %w", what, ErrNoDevice)
	}
	// What a device plays can be captured, too, and is rarely meant.
	if own := slices.DeleteFunc(slices.Clone(found), func(d Device) bool { return d.Monitor }); len(own) > 0 {
		found = own
	}
	if len(found) > 1 {
		return Device{}, fmt.Errorf("%q: %s and %s are both called so: %w", what, found[0].Name, found[1].Name, ErrNoDevice)
	}
	return found[0], nil
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
