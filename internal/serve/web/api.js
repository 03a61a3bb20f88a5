// Requests to the server, with its token, and its problems (RFC 9457) as errors.

export class Problem extends Error {
	constructor(status, detail) { super(detail); this.status = status }
}

let askToken = () => Promise.resolve(null)

// onToken sets the function that asks the user for the server's token.
export function onToken(f) { askToken = f }

export const token = {
	get: () => sessionStorage.getItem('facodec.token') ?? '',
	set: (value) => sessionStorage.setItem('facodec.token', value),
}

export async function call(path, options = {}) {
	for (;;) {
		const headers = { ...options.headers }
		if (token.get()) headers.Authorization = 'Bearer ' + token.get()
		let answer
		try {
			answer = await fetch(path, { ...options, headers })
		} catch (e) {
			if (e.name === 'AbortError') throw e
			throw new Problem(0, 'the server does not answer')
		}
		if (answer.ok) return answer
		if (answer.status === 401) {
			const value = await askToken()
			if (value !== null) { token.set(value); continue }
		}
		let detail = answer.statusText
		try { const p = await answer.json(); detail = p.detail || p.title || detail } catch { /* no JSON */ }
		if (answer.status === 503) detail += ` (try again in ${answer.headers.get('Retry-After') ?? 'some'} s)`
		throw new Problem(answer.status, detail)
	}
}

export const json = async (path, options) => (await call(path, options)).json()

// send posts a recording as a raw body.
export const send = (path, query, blob, options = {}) =>
	call(path + '?' + new URLSearchParams(query), { method: 'POST', body: blob, headers: { 'Content-Type': 'application/octet-stream' }, ...options })

// liveSocket opens the WebSocket of a live stream. Browsers cannot set headers on it, so
// that the token travels as a subprotocol.
export function liveSocket() {
	const protocols = ['facodec.live.v1']
	if (token.get()) {
		const bytes = new TextEncoder().encode(token.get())
		const base64 = btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
		protocols.push('facodec.token.' + base64)
	}
	const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
	const socket = new WebSocket(`${scheme}//${location.host}/v1/live`, protocols)
	socket.binaryType = 'arraybuffer'
	return socket
}
