// The page: a clip that is reconstructed or converted and compared with the original, and a
// live stream.
import { json, onToken, send } from '/static/api.js'
import { Compare } from '/static/compare.js'
import { LiveStream } from '/static/live.js'
import { Recorder, refusal } from '/static/recorder.js'
import { save, Voices } from '/static/voices.js'
import { mono } from '/static/wav.js'

const $ = (id) => document.getElementById(id)
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`)?.value
const radios = (name, f) => document.querySelectorAll(`input[name=${name}]`).forEach((e) => e.addEventListener('change', () => f(e.value)))

onToken(() => new Promise((resolve) => {
	$('login').showModal()
	$('login').addEventListener('close', () => resolve($('token').value || null), { once: true })
}))

const tabs = ['clip', 'live']
for (const tab of tabs) $('tab-' + tab).addEventListener('click', () => show(tab))
addEventListener('hashchange', () => show(location.hash.slice(1)))
function show(tab) {
	if (!tabs.includes(tab)) tab = 'clip'
	for (const t of tabs) {
		$(t).hidden = t !== tab
		$('tab-' + t).setAttribute('aria-selected', t === tab)
	}
	if (location.hash.slice(1) !== tab) history.replaceState(null, '', '#' + tab)
}
show(location.hash.slice(1))

const voices = new Voices($('voices'), {
	form: $('enroll'), name: $('voice-name'), file: $('voice-file'), record: $('voice-record'), timer: $('voice-timer'), status: $('voice-status'), frames: $('voice-frames'),
})
// share is how much of a conversion is frames of the chosen voice.
const share = () => voices.chosen?.frames ? +$('match').value : 0
function showMatch() {
	const without = voices.chosen && !voices.chosen.frames
	$('match').disabled = !voices.chosen?.frames
	$('match-value').textContent = share()
	$('match-hint').textContent = without ? 'This voice has no frames: enroll it with them.' : ''
}
$('match').addEventListener('input', () => { showMatch(); live?.set({ match: share() }) })
let info
const begun = (async () => {
	try {
		info = await json('/v1/info')
		const books = Object.values(info.books).reduce((a, b) => a + b, 0)
		const kbits = info.frame_rate * books * Math.log2(info.codebook_size) / 1000
		$('model').textContent = `${info.model ? info.model + ': ' : ''}${info.sample_rate / 1000} kHz, ${+kbits.toFixed(2)} kbit/s`
		for (const text of info.notices ?? []) $('notices').append(Object.assign(document.createElement('p'), { className: 'notice', textContent: text }))
		for (const id of ['match-choice', 'frames-choice']) $(id).hidden = !info.matches
		await voices.load()
		showMatch()
	} catch (e) { say($('clip-status'), e.message, true) }
})()

function say(element, text, bad = false) {
	element.textContent = text
	element.classList.toggle('error', bad)
}

// offer makes a link download a file that is in memory.
function offer(link, blob) {
	URL.revokeObjectURL(link.href)
	link.href = URL.createObjectURL(blob)
	link.blob = blob
}

// ---- clip

let source // the file, as it came
let made // the last result: {source, query, codes}
let abort
const compare = new Compare({ waves: [...document.querySelectorAll('#compare .wave')], codes: document.querySelector('.codes'), clock: $('clock'), play: $('play') })

function take(file) {
	if (!file) return
	source = file
	$('source-name').textContent = file.name === 'recording' ? 'Your recording' : file.name
	$('run').disabled = false
	say($('clip-status'), '')
	run()
}
$('source-file').addEventListener('change', (e) => { take(e.target.files[0]); e.target.value = '' })
new Recorder($('source-record'), $('source-timer'), take, (e) => say($('clip-status'), e.message, true))
const drop = $('drop')
for (const type of ['dragenter', 'dragover']) addEventListener(type, (e) => { e.preventDefault(); drop.classList.add('over') })
addEventListener('dragleave', (e) => { if (!e.relatedTarget) drop.classList.remove('over') })
addEventListener('drop', (e) => { e.preventDefault(); drop.classList.remove('over'); take(e.dataTransfer.files[0]) })

// The parts are chosen for each task by itself: a conversion leaves out the residual, which
// carries the source's voice.
const partsOf = { reconstruct: ['prosody', 'content', 'residual'], convert: ['prosody', 'content'] }
const defaultParts = structuredClone(partsOf)
const partBoxes = [...document.querySelectorAll('#parts input')]
for (const box of partBoxes) box.addEventListener('change', () => { partsOf[chosen('task')] = partBoxes.filter((b) => b.checked).map((b) => b.value) })
radios('task', (task) => {
	$('run').textContent = task === 'convert' ? 'Convert' : 'Reconstruct'
	for (const box of partBoxes) box.checked = partsOf[task].includes(box.value)
})
$('run').addEventListener('click', () => abort ? abort.abort() : run())

async function run() {
	await begun
	if (!info || abort) return
	const task = chosen('task'), parts = partsOf[task], all = parts.join() === defaultParts[task].join()
	if (!parts.length) return say($('clip-status'), 'Choose at least one part.', true)
	const query = { format: 'wav', sample_format: 'f32' }
	if (!all) query.parts = parts.join(',')
	if (task === 'convert') {
		if (!voices.chosen) return say($('clip-status'), 'Enroll a voice to convert to first.', true)
		query.voice = voices.chosen.id
		if (share() && !info.redecoder) query.match = share()
	}
	abort = new AbortController()
	$('run').textContent = 'Cancel'
	say($('clip-status'), task === 'convert' ? 'Converting …' : 'Reconstructing …')
	try {
		const clip = source, start = performance.now(), signal = abort.signal
		const result = await (await send('/v1/' + task, query, clip, { signal })).blob()
		const seconds = (performance.now() - start) / 1000
		const extraction = await (await send('/v1/extract', { format: 'json', what: 'codes' }, clip, { signal })).json()
		const decoder = new OfflineAudioContext(1, 1, info.sample_rate)
		const after = mono(await decoder.decodeAudioData(await result.arrayBuffer()))
		let before
		try { before = mono(await decoder.decodeAudioData(await clip.arrayBuffer())) } catch { before = new Float32Array(after.length) }
		const heard = before.some((v) => v !== 0)
		made = { clip, result, name: clip.name.replace(/\.[^.]*$/, ''), task }
		$('compare').hidden = false
		$('result-name').textContent = [task === 'convert' ? 'in the voice ' + (voices.chosen.name || voices.chosen.id) : 'reconstructed', all ? '' : parts.join(' and ') + ' alone'].filter(Boolean).join(', ')
		compare.show(info.sample_rate, before, after, extraction.codes)
		offer($('get-wav'), result)
		$('get-wav').download = `${task === 'convert' ? 'converted' : 'reconstructed'}_${made.name}.wav`
		const length = after.length / info.sample_rate
		say($('clip-status'), `${length.toFixed(1)} s of audio in ${seconds.toFixed(2)} s` + (heard ? '' : '; this browser cannot play the original'))
	} catch (e) {
		say($('clip-status'), e.name === 'AbortError' ? 'Cancelled.' : e.message, e.name !== 'AbortError')
	} finally {
		abort = null
		$('run').textContent = chosen('task') === 'convert' ? 'Convert' : 'Reconstruct'
	}
}

$('play').addEventListener('click', () => compare.toggle())
radios('ab', (side) => compare.listen(+side))
addEventListener('keydown', (e) => {
	const typing = e.target.matches('select, textarea, input:not([type=radio]):not([type=checkbox])')
	if (typing || e.ctrlKey || e.metaKey || e.altKey || $('clip').hidden || $('compare').hidden) return
	if (e.key === ' ' && !e.target.matches('button, a, input, summary')) compare.toggle()
	else if (e.key === 'a' || e.key === 'b') {
		const radio = document.querySelector(`input[name=ab][value="${e.key === 'a' ? 0 : 1}"]`)
		radio.checked = true
		compare.listen(+radio.value)
	} else if (e.key === 'ArrowLeft' && !e.target.matches('input')) compare.seek(compare.offset - 1)
	else if (e.key === 'ArrowRight' && !e.target.matches('input')) compare.seek(compare.offset + 1)
	else return
	e.preventDefault()
})
for (const [id, path, query, extension] of [['get-fac', '/v1/encode', {}, '.fac'], ['get-npz', '/v1/extract', { format: 'npz' }, '.npz']]) {
	$(id).addEventListener('click', async () => {
		try { save(await (await send(path, query, made.clip)).blob(), made.name + extension) } catch (e) { say($('clip-status'), e.message, true) }
	})
}

// ---- live

let live
const liveStatus = (text, bad) => say($('live-status'), text, bad)
if (refusal()) {
	$('live-refused').textContent = refusal()
	$('live-refused').hidden = false
}

const switches = ['echoCancellation', 'noiseSuppression', 'autoGainControl']
const sliders = { jitter: ' ms', gain: ' dB', volume: ' dB' }
const options = () => ({
	device: $('device').value, output: $('output').value, mode: chosen('mode'), voice: voices.chosen?.id, match: share(), keep: $('keep').checked, mute,
	...Object.fromEntries(switches.map((s) => [s, $(s).checked])),
	...Object.fromEntries(Object.keys(sliders).map((s) => [s, +$(s).value])),
})

// Settings outlive the page, in this browser alone. Voices do not outlive the server.
let mute = false
const settings = (() => { try { return JSON.parse(localStorage.getItem('facodec.live')) ?? {} } catch { return {} } })()
function remember() {
	const { device, output, mode, keep, voice, match, mute, ...others } = options()
	Object.assign(settings, others, { mode }, device && { device }, output && { output })
	try { localStorage.setItem('facodec.live', JSON.stringify(settings)) } catch { /* a browser that keeps nothing */ }
}
for (const s of switches) $(s).checked = !!settings[s]
for (const s of Object.keys(sliders)) if (Number.isFinite(settings[s])) $(s).value = settings[s]
for (const e of document.querySelectorAll('input[name=mode]')) if (e.value === settings.mode) e.checked = true
for (const [s, unit] of Object.entries(sliders)) {
	const show = () => { $(s + '-value').textContent = $(s).value + unit }
	show()
	$(s).addEventListener('input', () => { show(); remember(); live?.set({ [s]: +$(s).value }) })
}
function setMute(on) {
	mute = on
	$('mute').setAttribute('aria-pressed', on)
	$('mute').textContent = on ? 'Muted' : 'Mute'
	live?.set({ mute })
}
$('mute').addEventListener('click', () => setMute(!mute))
$('output-choice').hidden = !('setSinkId' in AudioContext.prototype)
$('output').addEventListener('change', () => { settings.output = $('output').value; remember(); live?.set({ output: $('output').value }) })

// hint tells what cures dropouts, once there are some.
function hint(dropouts, factor) {
	const slow = factor > 0.9
	$('live-hint').hidden = dropouts < 3
	$('longer').hidden = slow || +$('jitter').value >= +$('jitter').max
	$('live-hint').firstElementChild.textContent = slow
		? 'The server does not keep up: it has other work, or is too slow for the model.'
		: `Sound came too late ${dropouts} times. A longer jitter buffer than ${$('jitter').value} ms takes that up, and adds to the delay.`
}
$('longer').addEventListener('click', () => {
	$('jitter').value = +$('jitter').value + 30
	$('jitter').dispatchEvent(new Event('input'))
	hinted = seen
	hint(0)
})
let hinted = 0, seen = 0 // dropouts that a hint was for, and that there are

addEventListener('keydown', (e) => {
	const typing = e.target.matches('select, textarea, input:not([type=radio]):not([type=checkbox]):not([type=range])')
	if (typing || e.ctrlKey || e.metaKey || e.altKey || $('live').hidden) return
	const mode = { c: 'convert', r: 'reconstruct', b: 'bypass' }[e.key]
	if (mode) document.querySelector(`input[name=mode][value=${mode}]`).click()
	else if (e.key === 'm') setMute(!mute)
	else if (e.key >= '1' && e.key <= '9') voices.choose(e.key - 1)
	else return
	e.preventDefault()
})

async function startLive() {
	await begun
	if (!info) return
	if (chosen('mode') === 'convert' && !voices.chosen) return liveStatus('enroll a voice to convert to first', true)
	live = new LiveStream(info, options())
	hinted = seen = 0
	const mine = live
	live.addEventListener('state', (e) => { if (live === mine || !mine.active) liveStatus(e.detail) })
	live.addEventListener('failed', (e) => { liveStatus(e.detail.message, true); ended(mine) })
	live.addEventListener('level', ({ detail: { side, db } }) => {
		$('meter-' + side).value = db
		$('level-' + side).textContent = db <= -60 ? 'silence' : db.toFixed(0) + ' dB'
	})
	live.addEventListener('figures', ({ detail: f }) => {
		const ms = (v) => Number.isFinite(v) ? v.toFixed(0) + ' ms' : '–'
		$('delay').textContent = ms(f.delay + f.device)
		$('delay-buffer').textContent = ms(f.buffer)
		$('delay-codec').textContent = ms(f.algorithm)
		$('delay-device').textContent = ms(f.device)
		$('rtf').textContent = f.rtf === undefined ? '–' : f.rtf.toFixed(2)
		seen = f.dropouts + (f.late ?? 0)
		$('dropouts').textContent = seen
		hint(seen - hinted, f.rtf)
		const s = Math.floor(f.elapsed)
		$('elapsed').textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
	})
	$('live-toggle').textContent = 'Stop'
	try { await live.start() } catch (e) { live.fail(e); return }
	const g = live.granted
	$('granted').textContent = 'Granted: ' + switches.map((s) => `${s.replace(/[A-Z]/g, (c) => ' ' + c.toLowerCase())} ${g[s] === undefined ? 'unknown' : g[s] ? 'on' : 'off'}`).join(', ') + '.'
	listDevices()
}

function ended(stream) {
	$('live-toggle').textContent = 'Start'
	for (const [id, list] of [['get-sent', stream.sent], ['get-received', stream.received]]) {
		$(id).hidden = !list.length
		if (list.length) offer($(id), stream.recording(list))
	}
	if (live === stream) live = null
}

$('live-toggle').addEventListener('click', () => {
	if (!live) return startLive()
	const stream = live
	stream.stop()
	ended(stream)
})
radios('mode', (mode) => {
	remember()
	if (mode === 'convert' && live && !voices.chosen) return liveStatus('enroll a voice to convert to first', true)
	live?.set({ mode, voice: voices.chosen?.id, match: share() })
})
voices.addEventListener('change', () => { showMatch(); live?.set({ voice: voices.chosen?.id, match: share() }) })
// The microphone is opened anew for another device or other processing.
for (const id of ['device', ...switches]) {
	$(id).addEventListener('change', () => {
		if (id === 'device') settings.device = $('device').value
		remember()
		if (!live) return
		const stream = live
		stream.stop()
		ended(stream)
		startLive()
	})
}
$('keep').addEventListener('change', () => live?.set({ keep: $('keep').checked }))

async function listDevices() {
	const devices = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.label && d.deviceId !== 'default')
	for (const [id, kind] of [['device', 'audioinput'], ['output', 'audiooutput']]) {
		const list = devices.filter((d) => d.kind === kind)
		const wanted = $(id).value || settings[id]
		$(id).replaceChildren(new Option('default', ''), ...list.map((d) => new Option(d.label, d.deviceId)))
		$(id).value = list.some((d) => d.deviceId === wanted) ? wanted : ''
	}
}
// Devices have names only for a page that may use the microphone.
navigator.mediaDevices?.enumerateDevices?.().then((devices) => { if (devices.some((d) => d.label)) listDevices() }).catch(() => {})
navigator.mediaDevices?.addEventListener?.('devicechange', listDevices)
