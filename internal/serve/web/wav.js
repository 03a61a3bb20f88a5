// floatWAV makes a WAV file of mono float32 samples. Floats, because browsers scale 16-bit
// samples by 32767 above zero and by 32768 below.
export function floatWAV(samples, rate) {
	const header = new DataView(new ArrayBuffer(58))
	const text = (at, s) => { for (let i = 0; i < s.length; i++) header.setUint8(at + i, s.charCodeAt(i)) }
	const bytes = samples.length * 4
	text(0, 'RIFF'); header.setUint32(4, 50 + bytes, true); text(8, 'WAVE')
	text(12, 'fmt '); header.setUint32(16, 18, true)
	header.setUint16(20, 3, true); header.setUint16(22, 1, true) // IEEE float, mono
	header.setUint32(24, rate, true); header.setUint32(28, rate * 4, true)
	header.setUint16(32, 4, true); header.setUint16(34, 32, true); header.setUint16(36, 0, true)
	text(38, 'fact'); header.setUint32(42, 4, true); header.setUint32(46, samples.length, true)
	text(50, 'data'); header.setUint32(54, bytes, true)
	return new Blob([header, samples], { type: 'audio/wav' })
}

// mono returns the mean of an AudioBuffer's channels.
export function mono(buffer) {
	const out = new Float32Array(buffer.length)
	for (let c = 0; c < buffer.numberOfChannels; c++) {
		const channel = buffer.getChannelData(c)
		for (let i = 0; i < out.length; i++) out[i] += channel[i] / buffer.numberOfChannels
	}
	return out
}
