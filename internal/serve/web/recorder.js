// Recorder records a clip from the microphone.

// Not MP4: Chromium's loses the first 80 ms.
const types = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/webm', 'audio/ogg']

// microphone opens a microphone with the three kinds of processing that browsers offer as
// given. All three are set, because leaving one out leaves the choice to the browser; no
// sample rate is asked for, which would turn processing off in Chromium.
export async function microphone({ device = '', echoCancellation = false, noiseSuppression = false, autoGainControl = false } = {}) {
	if (!navigator.mediaDevices?.getUserMedia) throw new Error(refusal())
	const audio = { echoCancellation, noiseSuppression, autoGainControl }
	if (device) audio.deviceId = { exact: device }
	try {
		return await navigator.mediaDevices.getUserMedia({ audio })
	} catch (e) {
		if (e.name === 'NotAllowedError') throw new Error('the browser was not allowed to use the microphone; allow it in the address bar')
		if (e.name === 'NotFoundError') throw new Error('no microphone was found')
		if (e.name === 'NotReadableError') throw new Error('the microphone is in use by another program')
		if (e.name === 'OverconstrainedError') throw new Error('the chosen microphone is gone; choose another')
		throw e
	}
}

// refusal says why there is no microphone here, or nothing.
export function refusal() {
	if (window.isSecureContext && navigator.mediaDevices) return ''
	return `Browsers give a page the microphone at localhost and over https alone. Open http://localhost:${location.port || 80}/ on the machine that runs the server, or start it with --tls-cert and --tls-key.`
}

export class Recorder {
	constructor(button, timer, done, failed) {
		Object.assign(this, { button, timer, done, failed, label: button.textContent })
		button.addEventListener('click', () => this.recorder ? this.stop() : this.start().catch(failed))
	}

	async start() {
		this.button.disabled = true
		let stream
		try { stream = await microphone() } finally { this.button.disabled = false }
		const type = types.find((t) => MediaRecorder.isTypeSupported(t))
		this.recorder = new MediaRecorder(stream, type ? { mimeType: type } : {})
		const pieces = [], begun = performance.now()
		this.recorder.ondataavailable = (e) => pieces.push(e.data)
		this.recorder.onerror = (e) => this.failed(e.error ?? new Error('recording failed'))
		this.recorder.onstop = () => {
			stream.getTracks().forEach((t) => t.stop())
			clearInterval(this.clock)
			this.recorder = null
			this.button.textContent = this.label
			this.button.classList.remove('recording')
			this.timer.textContent = ''
			if (pieces.some((p) => p.size)) this.done(new File(pieces, 'recording', { type: pieces[0].type || type || '' }))
			else this.failed(new Error('nothing was recorded'))
		}
		this.recorder.start()
		this.button.textContent = 'Stop'
		this.button.classList.add('recording')
		const show = () => { this.timer.textContent = ((performance.now() - begun) / 1000).toFixed(0) + ' s' }
		show()
		this.clock = setInterval(show, 250)
	}

	stop() { this.recorder?.stop() }
}
