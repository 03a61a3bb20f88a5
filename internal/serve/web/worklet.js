// What runs in the audio thread of a live stream: a capture that mixes to mono and cuts into
// pieces, and a player with a jitter buffer. Both count frames of the same context, which has
// the codec's sample rate, so that nothing drifts and the delay can be measured.

class Capture extends AudioWorkletProcessor {
	constructor({ processorOptions: { size } }) {
		super()
		this.size = size
		this.reset()
	}

	reset() { this.piece = new Float32Array(this.size); this.filled = 0 }

	process([input]) {
		const frames = input[0]?.length ?? 128 // not always 128; without a source there is no channel
		for (let i = 0; i < frames; i++) {
			if (!this.filled) this.first = currentFrame + i
			let sum = 0
			for (const channel of input) sum += channel[i]
			this.piece[this.filled++] = input.length ? sum / input.length : 0
			if (this.filled === this.size) {
				this.port.postMessage({ first: this.first, samples: this.piece }, [this.piece.buffer])
				this.reset()
			}
		}
		return true
	}
}

class Player extends AudioWorkletProcessor {
	constructor({ processorOptions: { target } }) {
		super()
		this.target = target // samples that wait before the first is played
		this.clear()
		this.dropouts = 0
		this.reported = 0
		this.port.onmessage = ({ data }) => {
			if (data.target) { this.target = data.target; this.usual = this.target }
			if (data.clear) this.clear()
			if (data.samples) { this.queue.push(data.samples); this.waiting += data.samples.length }
		}
	}

	clear() {
		this.queue = []
		this.at = 0 // in the first piece of the queue
		this.waiting = 0
		this.played = 0 // samples of the stream that were played or skipped
		this.filling = true
		this.started = false
		this.gain = 0
		this.last = 0
		this.least = Infinity
		this.window = 0
		this.usual = this.target // the least that waited while nothing was late
	}

	next() {
		const piece = this.queue[0], value = piece[this.at++]
		if (this.at === piece.length) { this.queue.shift(); this.at = 0 }
		this.waiting--
		this.played++
		return value
	}

	process(_, [output]) {
		const out = output[0]
		if (this.filling && this.waiting >= this.target) { this.filling = false; this.started = true }
		// After a stall the queue is longer than it has to be: what it never went below within
		// two seconds, beyond what it usually goes down to, is skipped, where it is faded.
		// What a stall of more than 0.3 s held back is skipped at once.
		this.least = Math.min(this.least, this.waiting)
		this.window += out.length
		if (!this.filling && this.waiting > this.target + 0.3 * sampleRate) this.skip = this.waiting - this.target
		if (this.window >= 2 * sampleRate) {
			if (!this.filling && this.least > 0) {
				const excess = this.least - Math.max(this.usual, this.target / 3)
				if (excess > 0.015 * sampleRate) this.skip = Math.round(excess)
				else this.usual = Math.min(this.usual, this.least)
			}
			this.least = Infinity
			this.window = 0
		}
		const step = 1 / 96 // 4 ms at 24 kHz, so that nothing clicks
		for (let i = 0; i < out.length; i++) {
			if (!this.filling && this.waiting === 0) {
				this.filling = true
				this.dropouts++
			}
			if (this.filling) {
				this.gain = Math.max(0, this.gain - step)
				out[i] = this.last * this.gain
				continue
			}
			if (this.skip) {
				this.gain -= step
				if (this.gain <= 0) {
					for (; this.skip > 0 && this.waiting > 1; this.skip--) this.next()
					this.skip = 0
					this.gain = 0
				}
			} else this.gain = Math.min(1, this.gain + step)
			this.last = this.next()
			out[i] = this.last * Math.max(0, this.gain)
		}
		for (let c = 1; c < output.length; c++) output[c].set(out)
		if ((this.reported += out.length) >= 0.1 * sampleRate) {
			this.reported = 0
			// The sample of the stream that is played at the end of this quantum.
			this.port.postMessage({ frame: currentFrame + out.length, played: this.played, waiting: this.waiting, dropouts: this.dropouts, playing: !this.filling })
		}
		return true
	}
}

registerProcessor('capture', Capture)
registerProcessor('player', Player)
