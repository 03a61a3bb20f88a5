// LiveStream is microphone → capture worklet → WebSocket → player worklet → speaker. It
// connects again by itself; no timer is in the path of the samples, because hidden tabs slow
// timers to a second.
import { liveSocket } from '/static/api.js'
import { microphone } from '/static/recorder.js'
import { floatWAV } from '/static/wav.js'

const keepSeconds = 300
// What waits in the connection behind a stall of more than a second would wait for good: a
// stream that is so many seconds behind, for so long, is begun anew, and not more often than that.
const behindSeconds = 0.7, behindFor = 3, anewEvery = 15

export class LiveStream extends EventTarget {
	constructor(info, options) {
		super()
		Object.assign(this, { info, rate: info.sample_rate, options })
		this.figures = { dropouts: 0 }
		this.sent = []
		this.received = []
	}

	// start is called within a click: browsers let sound begin only there.
	async start() {
		this.active = true
		this.state('asking for the microphone')
		this.stream = await microphone(this.options)
		const track = this.stream.getAudioTracks()[0]
		this.granted = track.getSettings()
		track.addEventListener('ended', () => this.fail(new Error('the microphone is gone; choose another and start again')))
		this.context = new AudioContext({ sampleRate: this.rate, latencyHint: 'interactive' })
		this.context.resume()
		await this.context.audioWorklet.addModule('/static/worklet.js')
		const source = this.context.createMediaStreamSource(this.stream)
		this.capture = new AudioWorkletNode(this.context, 'capture', { numberOfOutputs: 0, processorOptions: { size: this.info.hop_length } })
		this.player = new AudioWorkletNode(this.context, 'player', {
			numberOfInputs: 0, outputChannelCount: [1], processorOptions: { target: this.samples(this.options.jitter) },
		})
		// A gain of 1 changes no sample.
		this.gain = this.context.createGain()
		this.volume = this.context.createGain()
		source.connect(this.gain).connect(this.capture)
		this.player.connect(this.volume).connect(this.context.destination)
		this.levels()
		await this.route()
		this.capture.port.onmessage = ({ data }) => this.captured(data)
		this.player.port.onmessage = ({ data }) => this.playing(data)
		this.begun = performance.now()
		this.connect()
		setTimeout(() => {
			if (this.active && this.context.state !== 'running') this.state('the browser plays no sound: is there a device for it?')
		}, 3000)
	}

	// levels sets the gains of microphone and output.
	levels() {
		if (!this.context) return
		const { gain = 0, volume = 0, mute } = this.options, now = this.context.currentTime
		this.gain.gain.setTargetAtTime(10 ** (gain / 20), now, 0.01)
		this.volume.gain.setTargetAtTime(mute ? 0 : 10 ** (volume / 20), now, 0.01)
		if (!gain) this.gain.gain.setValueAtTime(1, now + 0.1)
	}

	// route chooses the device that plays, where the browser can.
	async route() {
		if (!this.context?.setSinkId) return
		try { await this.context.setSinkId(this.options.output || '') } catch { this.state('the chosen output is gone; the default one plays') }
	}

	samples(ms) { return Math.round(ms * this.rate / 1000) }

	connect() {
		if (!this.active) return
		this.state(this.attempt ? 'connecting again' : 'connecting')
		const socket = this.socket = liveSocket()
		this.ready = false
		socket.onopen = () => socket.send(JSON.stringify({ type: 'start', rate: this.rate, format: 'f32', ...this.request, stats_ms: 500 }))
		socket.onmessage = ({ data }) => typeof data === 'string' ? this.message(JSON.parse(data)) : this.output(data)
		socket.onclose = () => {
			if (socket !== this.socket || !this.active) return
			this.lateBefore = this.figures.late // statistics begin again with each stream
			this.ready = false
			if (this.refused) return this.fail(new Error(this.refused))
			this.attempt = (this.attempt ?? 0) + 1
			const wait = Math.min(5000, 250 * 2 ** this.attempt)
			this.state(`the connection was lost; trying again`)
			setTimeout(() => this.connect(), wait)
		}
	}

	// request is the part of the first message that the user chose.
	get request() {
		const { mode, voice, match } = this.options
		return mode === 'convert' ? { mode, voice, match } : { mode }
	}

	message(m) {
		switch (m.type) {
		case 'ready':
			Object.assign(this, { ready: true, attempt: 0, algorithm: m.algorithm_ms, firstFrame: null, sentSamples: 0 })
			this.player.port.postMessage({ clear: true })
			this.state('live')
			break
		case 'stats': {
			const { stats } = m
			Object.assign(this.figures, { rtf: stats.real_time_factor, p99: stats.frame_ms?.p99, backlog: stats.backlog_ms })
			this.figures.late = (this.lateBefore ?? 0) + stats.dropouts
			break
		}
		case 'ending':
			this.state('the server is about to end')
			break
		case 'error':
			// Before the stream is ready an error is an answer to its first message, and
			// would be again; a server that is full may have room later.
			if (!this.ready && m.status !== 503) this.refused = m.detail
			else this.state(m.detail)
			break
		}
	}

	captured({ first, samples }) {
		this.level('in', samples)
		if (!this.ready || this.socket.readyState !== WebSocket.OPEN) return
		// Sample n of the output belongs to sample n of the input, so that none is left out: a
		// connection that takes no more is given up.
		if (this.socket.bufferedAmount > 4 * 2 * this.rate) return this.restart()
		this.firstFrame ??= first
		this.sentSamples += samples.length
		this.keep(this.sent, samples)
		this.socket.send(samples)
	}

	output(data) {
		const samples = new Float32Array(data)
		this.level('out', samples)
		this.keep(this.received, samples.slice())
		this.player.port.postMessage({ samples }, [samples.buffer])
	}

	playing({ frame, played, dropouts, playing }) {
		this.figures.dropouts = dropouts
		if (playing && this.firstFrame != null) this.figures.delay = (frame - (this.firstFrame + played)) / this.rate * 1000
		this.catchUp()
		this.figures.algorithm = this.algorithm
		this.figures.buffer = this.figures.delay - this.algorithm
		const reported = (this.context.outputLatency || 0) + (this.context.baseLatency || 0) + (this.granted.latency || 0)
		this.figures.device = reported * 1000
		this.figures.elapsed = (performance.now() - this.begun) / 1000
		this.dispatchEvent(new CustomEvent('figures', { detail: this.figures }))
	}

	// catchUp begins the stream anew once its delay has grown, so that it does not stay so.
	catchUp() {
		const now = performance.now() / 1000
		if (!this.ready || !(this.figures.delay > this.algorithm + this.options.jitter + 1000 * behindSeconds)) this.behind = null
		else if ((this.behind ??= now) < now - behindFor && !(this.anew > now - anewEvery)) {
			this.anew = now
			this.restart()
		}
	}

	// restart leaves a stream as it is, without waiting for what is on its way, and begins another.
	restart() {
		Object.assign(this, { behind: null, attempt: 0, lateBefore: this.figures.late })
		Object.assign(this.socket, { onmessage: null, onclose: null }).close()
		this.connect()
	}

	// tell sends the server a message, if it is there to be told.
	tell(message) {
		if (this.ready && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message))
	}

	level(side, samples) {
		let peak = 0
		for (const s of samples) peak = Math.max(peak, Math.abs(s))
		const now = performance.now()
		const held = this['level_' + side] ??= { peak: 0, at: 0 }
		held.peak = Math.max(held.peak, peak)
		if (now - held.at < 80) return
		this.dispatchEvent(new CustomEvent('level', { detail: { side, db: 20 * Math.log10(Math.max(held.peak, 1e-3)) } }))
		Object.assign(held, { peak: 0, at: now })
	}

	keep(list, samples) {
		if (!this.options.keep) return
		list.push(samples)
		while (list.length > keepSeconds * this.rate / this.info.hop_length) list.shift()
	}

	recording(list) {
		const all = new Float32Array(list.reduce((n, s) => n + s.length, 0))
		let at = 0
		for (const s of list) { all.set(s, at); at += s.length }
		return floatWAV(all, this.rate)
	}

	// set changes the mode, the voice, its share or the jitter buffer of the running stream.
	set(change) {
		Object.assign(this.options, change)
		if ('gain' in change || 'volume' in change || 'mute' in change) this.levels()
		if ('output' in change) this.route()
		if (change.jitter) this.player?.port.postMessage({ target: this.samples(change.jitter) })
		if (change.mode || change.voice || 'match' in change && this.options.mode === 'convert') this.tell({ type: 'set', ...this.request })
	}

	state(text) { this.dispatchEvent(new CustomEvent('state', { detail: text })) }

	fail(error) {
		this.stop()
		this.dispatchEvent(new CustomEvent('failed', { detail: error }))
	}

	stop() {
		if (!this.active) return
		this.active = false
		if (this.ready) this.tell({ type: 'end' })
		else this.socket?.close()
		const socket = this.socket
		setTimeout(() => socket?.close(), 2000)
		this.stream?.getTracks().forEach((t) => t.stop())
		this.context?.close()
		this.state('stopped')
	}
}
