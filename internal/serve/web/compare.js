// Compare plays an original and a result at the same position, and shows both: waveform and
// mel spectrogram by wavesurfer.js, and the codes under them.
import WaveSurfer from '/static/vendor/wavesurfer.esm.js'
import Spectrogram from '/static/vendor/wavesurfer-spectrogram.esm.js'
import { floatWAV } from '/static/wav.js'

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

export class Compare {
	// elements: two {wave} containers, the canvas of codes, and what shows the position.
	constructor({ waves, codes, clock, play }) {
		Object.assign(this, { waves, codes, clock, playButton: play })
		this.side = 0
		this.offset = 0
		this.cursors = [...waves, codes].map((e) => {
			const cursor = document.createElement('div')
			cursor.className = 'cursor'
			e.append(cursor)
			const seek = (event) => {
				const box = e.getBoundingClientRect()
				this.seek((event.clientX - box.left) / box.width * this.duration)
			}
			e.addEventListener('pointerdown', (event) => { seek(event); e.setPointerCapture(event.pointerId) })
			e.addEventListener('pointermove', (event) => { if (event.buttons & 1) seek(event) })
			return cursor
		})
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw())
		let timer, width = innerWidth
		addEventListener('resize', () => {
			if (width === innerWidth) return // a phone's address bar
			width = innerWidth
			clearTimeout(timer)
			timer = setTimeout(() => this.draw(), 200)
		})
	}

	// show takes mono samples of both sides and draws them.
	show(rate, original, result, codes) {
		this.stop()
		Object.assign(this, { rate, samples: [original, result], rows: codes, offset: 0 })
		// The context has the codec's rate: in one of another rate Chromium's resampling of
		// buffers leaves mirror images and seams.
		if (this.context?.sampleRate !== rate) { this.context?.close(); this.context = new AudioContext({ sampleRate: rate }) }
		this.buffers = this.samples.map((s) => {
			const b = this.context.createBuffer(1, Math.max(1, s.length), rate)
			b.copyToChannel(s, 0)
			return b
		})
		this.duration = Math.max(...this.buffers.map((b) => b.duration))
		this.draw()
		this.position(0)
	}

	draw() {
		if (!this.samples) return
		this.surfers?.forEach((s) => s.destroy())
		this.surfers = this.waves.map((container, i) => {
			const surfer = WaveSurfer.create({
				container, height: 64, sampleRate: this.rate, interact: false, cursorWidth: 0, hideScrollbar: true,
				waveColor: css('--wave'), progressColor: css('--wave'),
				plugins: [Spectrogram.create({
					height: 120, fftSamples: 1024, scale: 'mel', frequencyMin: 0, frequencyMax: this.rate / 2, labels: false,
					colorMap: 'roseus', useWebWorker: false,
				})],
			})
			surfer.loadBlob(floatWAV(this.samples[i], this.rate), [this.samples[i]], this.samples[i].length / this.rate).catch(() => {})
			return surfer
		})
		drawCodes(this.codes.querySelector('canvas'), this.rows)
	}

	async play() {
		if (!this.buffers || this.sources) return
		// Without a device for sound a browser never resumes.
		await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, 2000))])
		if (this.context.state !== 'running') { this.clock.textContent = 'The browser plays no sound: is there a device for it?'; return }
		if (this.offset >= this.duration - 0.01) this.offset = 0
		this.gains = []
		this.begun = this.context.currentTime + 0.02
		this.sources = this.buffers.map((buffer, i) => {
			const source = this.context.createBufferSource(), gain = this.context.createGain()
			source.buffer = buffer
			gain.gain.value = i === this.side ? 1 : 0
			source.connect(gain).connect(this.context.destination)
			source.start(this.begun, Math.min(this.offset, buffer.duration))
			this.gains.push(gain)
			return source
		})
		this.playButton.textContent = 'Pause'
		const step = () => {
			if (!this.sources) return
			const now = this.offset + Math.max(0, this.context.currentTime - this.begun)
			if (now >= this.duration) { this.stop(); this.offset = this.duration; this.position(this.duration); return }
			this.position(now)
			requestAnimationFrame(step)
		}
		requestAnimationFrame(step)
	}

	pause() {
		if (!this.sources) return
		this.offset = Math.min(this.duration, this.offset + Math.max(0, this.context.currentTime - this.begun))
		this.stop()
	}

	stop() {
		this.sources?.forEach((s) => { s.stop(); s.disconnect() })
		this.sources = null
		this.playButton.textContent = 'Play'
	}

	toggle() { return this.sources ? this.pause() : this.play() }

	seek(seconds) {
		if (!this.buffers) return
		const playing = !!this.sources
		this.stop()
		this.offset = Math.min(Math.max(0, seconds), this.duration)
		this.position(this.offset)
		if (playing) this.play()
	}

	// listen chooses what is heard: 0 the original, 1 the result.
	listen(side) {
		this.side = side
		this.gains?.forEach((g, i) => g.gain.setTargetAtTime(i === side ? 1 : 0, this.context.currentTime, 0.005))
	}

	position(seconds) {
		const share = this.duration ? seconds / this.duration : 0
		this.cursors.forEach((c) => { c.style.left = share * 100 + '%' })
		this.clock.textContent = `${seconds.toFixed(2)} of ${this.duration.toFixed(2)} s`
	}
}

// drawCodes draws a row for each book; equal codes have equal colours.
function drawCodes(canvas, codes) {
	const rows = []
	for (const part of ['prosody', 'content', 'residual']) for (const book of codes?.[part] ?? []) rows.push([part, book])
	const frames = rows[0]?.[1].length ?? 0
	canvas.parentElement.parentElement.hidden = !frames
	if (!frames) return
	canvas.width = frames
	canvas.height = rows.length * 8
	const context = canvas.getContext('2d')
	context.clearRect(0, 0, canvas.width, canvas.height)
	const hues = { prosody: 40, content: 150, residual: 255 }
	rows.forEach(([part, book], row) => {
		for (let i = 0; i < frames; i++) {
			const spread = (Math.imul(book[i] + 1, 2654435761) >>> 0) / 2 ** 32 // a hash: neighbours differ
			context.fillStyle = `hsl(${hues[part] + 60 * (spread - 0.5)} 65% ${25 + 50 * ((spread * 7) % 1)}%)`
			context.fillRect(i, row * 8, 1, 7)
		}
	})
	const names = rows.map(([part]) => part)
	canvas.title = 'Rows: ' + names.join(', ')
	canvas.parentElement.parentElement.querySelector('h3').textContent = 'Codes: ' + [...new Set(names)].map((n) => `${n} (${names.filter((m) => m === n).length})`).join(', ')
}
