package main

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/facodec-go/facodec/audio"
)

// A meter turns the progress of jobs, one after the other or several at a time,
// into that of all, in seconds of audio.
type meter struct {
	show *display
	jobs []job

	mu      sync.Mutex
	seconds []float64 // of each job; a guess where only reading it can tell
	total   float64
	before  float64         // of the jobs that are done
	running map[int]float64 // how far the others are
}

func newMeter(show *display, jobs []job) *meter {
	m := &meter{show: show, jobs: jobs, running: map[int]float64{}}
	if !show.terminal() {
		return m
	}
	for _, j := range jobs {
		s := secondsOf(j.source)
		m.seconds = append(m.seconds, s)
		m.total += s
	}
	show.startBar(m.total, func(done, total float64) string { return clock(done) + " of " + clock(total) })
	return m
}

func (m *meter) close() { m.show.stopBar() }

// begin starts a job and returns what is to be told how many seconds of it are
// done.
func (m *meter) begin(i int) func(seconds float64) {
	m.at(i, 0)
	return func(seconds float64) { m.at(i, seconds) }
}

func (m *meter) at(i int, seconds float64) {
	if m.seconds == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := &m.seconds[i]; seconds > *known {
		m.total += seconds - *known
		*known = seconds
	}
	m.running[i] = seconds
	done := m.before
	for _, s := range m.running {
		done += s
	}
	m.show.progress(done, m.total, filepath.Base(m.jobs[i].source))
}

// end is told the seconds that a job was in truth, 0 if it failed.
func (m *meter) end(i int, seconds float64) {
	if m.seconds == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, i)
	m.total += seconds - m.seconds[i]
	m.before += seconds
}

// secondsOf returns how long an audio file lasts, as well as can be told without
// decoding it. A compressed file of ours and what ffmpeg decodes are guessed: 4.8
// kbit/s, and 128, the usual for MP3.
func secondsOf(path string) float64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.Read(magic[:]); err != nil {
		return 0
	}
	switch string(magic[:]) {
	case "RIFF", "RIFX", "RF64", "fLaC":
		r, err := audio.Open(path)
		if err != nil {
			return 0
		}
		defer r.Close()
		if info := r.Info(); info.Frames > 0 {
			return float64(info.Frames) / float64(info.SampleRate)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	rate := 128000.0
	if string(magic[:]) == "\x89FAC" {
		rate = 4800
	}
	return float64(info.Size()) * 8 / rate
}
