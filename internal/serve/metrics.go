package serve

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are those of one server.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	seconds  prometheus.Counter
	handler  http.Handler

	streamSeconds, skipped, dropouts prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facodec_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "facodec_request_seconds", Help: "From a request's header to the end of its answer.",
			Buckets: []float64{.005, .02, .1, .5, 1, 2, 5, 10, 30, 60, 300}}, []string{"route"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facodec_refused_total", Help: "What was refused because a limit was reached."}, []string{"limit"}),
		seconds: prometheus.NewCounter(prometheus.CounterOpts{Name: "facodec_audio_seconds_total", Help: "Seconds of audio read from requests."}),
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m.streamSeconds = counter("facodec_stream_seconds_total", "Seconds of input of live streams that have ended.")
	m.skipped = counter("facodec_stream_skipped_seconds_total", "Seconds of it that were not converted in time.")
	m.dropouts = counter("facodec_stream_dropouts_total", "How often that was.")
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("facodec_requests", "Requests of the codec under way.", func() float64 { return float64(s.places.taken()) })
	gauge("facodec_computing", "Requests that compute.", func() float64 { return float64(s.turns.computing()) })
	gauge("facodec_streams", "Live streams that are open.", func() float64 { return float64(s.streams.taken()) })
	gauge("facodec_streams_limit", "Live streams that may be open.", func() float64 { return float64(s.config.Streams) })
	gauge("facodec_voices", "Voices that are kept.", func() float64 { return float64(s.voices.len()) })
	registry.MustRegister(m.requests, m.duration, m.refused, m.seconds, m.streamSeconds, m.skipped, m.dropouts, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, limit := range []string{"request", "stream"} {
		m.refused.WithLabelValues(limit)
	}
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 5 * time.Second})
	return m
}

func (m *metrics) serve(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// observe counts and logs requests: the route, never the query or what was sent. A panic
// ends its request alone.
func (s *Server) observe(mux *http.ServeMux, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		_, route := mux.Handler(r)
		if route == "" || route == "/" {
			route = "none"
		}
		seen := &recorder{ResponseWriter: w, idle: s.config.Idle}
		_ = http.NewResponseController(w).SetReadDeadline(start.Add(s.config.Idle)) // a job sets its own
		defer func() {
			failure := recover()
			status := strconv.Itoa(seen.status)
			if failure != nil {
				status = "aborted"
				if err, ok := failure.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					s.config.Log.Error("panic", "route", route, "error", fmt.Sprint(failure), "stack", string(debug.Stack()))
					if seen.status == 0 {
						writeProblem(seen, http.StatusInternalServerError, "", "the server failed; its log says more")
						status, failure = strconv.Itoa(seen.status), nil
					}
				}
			}
			elapsed := time.Since(start)
			s.metrics.requests.WithLabelValues(route, status).Inc()
			s.metrics.duration.WithLabelValues(route).Observe(elapsed.Seconds())
			s.config.Log.Info("request", "route", route, "status", status, "bytes", seen.bytes, "seconds", elapsed.Seconds())
			if failure != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

// A recorder sees the status and the size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	idle   time.Duration // for the client to take what is written
}

// Unwrap lets http.ResponseController find deadlines and Flush.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack hands the connection to a WebSocket, without the deadlines of a request.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	under := c
	if t, ok := c.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if t, ok := under.(*net.TCPConn); ok {
		// A second or two: what is sent to a client that does not read is noticed, and what
		// one sends ahead of time waits on its side.
		t.SetWriteBuffer(streamBuffer)
		t.SetReadBuffer(streamBuffer)
	}
	return c, rw, c.SetDeadline(time.Time{})
}

// streamBuffer is what the system keeps of a live stream, in bytes each way.
const streamBuffer = 128 << 10

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.extend()
	r.ResponseWriter.WriteHeader(status)
}

// extend gives the client time to take what is written next.
func (r *recorder) extend() {
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(r.idle))
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.extend()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}
