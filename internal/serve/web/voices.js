// Voices are the cards of the voices that the server keeps.
import { call, json, send } from '/static/api.js'
import { Recorder } from '/static/recorder.js'

export class Voices extends EventTarget {
	constructor(element, { form, name, file, record, timer, status, frames }) {
		super()
		Object.assign(this, { element, name, status, frames, list: [] })
		form.addEventListener('submit', (e) => e.preventDefault())
		file.addEventListener('change', () => { if (file.files[0]) this.enroll(file.files[0]); file.value = '' })
		new Recorder(record, timer, (clip) => this.enroll(clip), (e) => this.say(e.message, true))
	}

	get chosen() { return this.list.find((v) => v.id === this.id) }

	async load() {
		const answer = await json('/v1/voices')
		this.list = Array.isArray(answer) ? answer : answer.voices ?? []
		if (!this.chosen) this.id = this.list[0]?.id
		this.draw()
	}

	async enroll(clip) {
		// Names have no characters that are not shown, but the joiners that scripts need, and 80 others.
		const shown = clip.name.replace(/\.[^.]*$/, '').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => '\u200c\u200d'.includes(c) ? c : '')
		const fromFile = clip.name === 'recording' ? '' : [...shown].slice(0, 80).join('').trim()
		const name = this.name.value.trim() || fromFile || 'Voice ' + (this.list.length + 1)
		this.say(`Enrolling ${name} …`)
		try {
			const voice = await (await send('/v1/voices', { name, ...this.frames.checked && { frames: true } }, clip)).json()
			this.id = voice.id
			this.name.value = ''
			await this.load()
			this.say([`${name} is enrolled.`, ...(voice.warnings ?? [])].join(' '))
			this.dispatchEvent(new Event('change'))
		} catch (e) { this.say(e.message, true) }
	}

	// choose takes the voice at a place of the list, as if its card had been clicked.
	choose(i) {
		if (!this.list[i]) return
		this.id = this.list[i].id
		this.draw()
		this.dispatchEvent(new Event('change'))
	}

	async remove(voice) {
		try {
			await call('/v1/voices/' + encodeURIComponent(voice.id), { method: 'DELETE' })
			await this.load()
			this.dispatchEvent(new Event('change'))
			this.say(`${voice.name || 'The voice'} is deleted.`)
		} catch (e) { this.say(e.message, true) }
	}

	async download(voice) {
		try {
			const blob = await (await call(`/v1/voices/${encodeURIComponent(voice.id)}/file`)).blob()
			save(blob, (voice.name || 'voice') + '.voice')
		} catch (e) { this.say(e.message, true) }
	}

	draw() {
		const element = (tag, properties, ...children) => {
			const e = Object.assign(document.createElement(tag), properties)
			e.append(...children)
			return e
		}
		this.element.replaceChildren(...this.list.map((voice, i) => {
			const title = voice.name || voice.id.slice(0, 6)
			const radio = element('input', { type: 'radio', name: 'voice', value: voice.id, checked: voice.id === this.id })
			radio.addEventListener('change', () => { this.id = voice.id; this.dispatchEvent(new Event('change')) })
			const get = element('button', { type: 'button', title: `Download ${title}`, textContent: '⤓', ariaLabel: `Download ${title}` })
			get.addEventListener('click', () => this.download(voice))
			const remove = element('button', { type: 'button', title: `Delete ${title}`, textContent: '✕', ariaLabel: `Delete ${title}` })
			remove.addEventListener('click', () => this.remove(voice))
			const seconds = element('span', { className: 'quiet', textContent: [voice.seconds && voice.seconds.toFixed(1) + ' s', voice.frames && 'frames'].filter(Boolean).join(', ') })
			return element('div', { className: 'voice' }, element('label', {}, radio, element('span', { className: 'name', textContent: title, title }), seconds, element('kbd', { textContent: i < 9 ? i + 1 : '', title: 'Key' })), get, remove)
		}))
		if (!this.list.length) this.element.append(element('p', { className: 'quiet', textContent: 'No voice yet. Enroll one to convert to.' }))
	}

	say(text, bad = false) {
		this.status.textContent = text
		this.status.classList.toggle('error', bad)
	}
}

// save hands a file to the browser's downloads.
export function save(blob, name) {
	const a = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name })
	a.click()
	setTimeout(() => URL.revokeObjectURL(a.href), 60_000)
}
