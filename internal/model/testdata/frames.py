"""Golden numbers of the networks at the frame rate, from numpy in float64.

    python3 frames.py    # writes frames.npz beside itself

An implementation of its own: transforms are numpy's, convolutions and norms are
written out. Parameters and inputs are made by the recipe of the golden numbers
(testdata/golden/README.md).
"""

import os

import numpy as np

MASK = (1 << 64) - 1


def uniform(seed, name, n):
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = (h ^ c) * 0x100000001B3 & MASK
    z, out = (h + seed * 0xD1342543DE82EF95) & MASK, np.empty(n)
    for i in range(n):
        z = (z + 0x9E3779B97F4A7C15) & MASK
        v = z
        v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & MASK
        v = (v ^ v >> 27) * 0x94D049BB133111EB & MASK
        v ^= v >> 31
        v >>= 40
        out[i] = (v - (1 << 23)) / (1 << 23)
    return out


def param(name, *shape):
    leaf, fan = name.rsplit(".", 1)[-1], int(np.prod(shape[1:]))
    if leaf == "weight_g":
        center, scale = 0.8, 0.1
    elif leaf == "weight_v":
        center, scale = 0, 1
    elif leaf == "weight" and len(shape) == 1:
        center, scale = 1, 0.2
    elif leaf.startswith("weight"):
        center, scale = 0, np.sqrt(3 / fan)
    else:
        center, scale = 0, 0.05
    values = center + scale * uniform(0, name, int(np.prod(shape)))
    return values.astype(np.float32).astype(np.float64).reshape(shape)


def normalize(x):  # [T, C]
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def layer_norm(x, name):
    c = x.shape[1]
    return normalize(x) * param(name + ".weight", c) + param(name + ".bias", c)


def style_norm(x, name, vector):
    """A layer norm whose scale and shift are linear in a vector, which is made one of mean 0 and length 1."""
    c = x.shape[1]
    style = linear(normalize(vector[None]) / np.sqrt(len(vector)), name + ".style", 2 * c)[0]
    return normalize(x) * style[:c] + style[c:]


def linear(x, name, out):
    return x @ param(name + ".weight", out, x.shape[1]).T + param(name + ".bias", out)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def depthwise(x, name, k):
    w, y = param(name + ".weight", x.shape[1], 1, k), np.zeros_like(x)
    padded = np.vstack([np.zeros((k - 1, x.shape[1])), x])
    for t in range(len(x)):
        y[t] = (padded[t : t + k].T * w[:, 0]).sum(1)
    return y + param(name + ".bias", x.shape[1])


def stack(x, name, hidden, blocks, vector=None):
    x = layer_norm(x, name + ".norm")
    for i in range(blocks):
        b = f"{name}.convnext.{i}"
        h = depthwise(x, b + ".dwconv", 7)
        h = layer_norm(h, b + ".norm") if vector is None else style_norm(h, b + ".norm", vector)
        h = linear(gelu(linear(h, b + ".pwconv1", hidden)), b + ".pwconv2", x.shape[1])
        x = x + h * param(b + ".gamma", x.shape[1])
    return layer_norm(x, name + ".final_layer_norm")


def window(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def encoder(x, size, hop, phases, dim, hidden, blocks, latent):
    frames = -(-len(x) // hop)
    padded = np.concatenate([np.zeros(size // 2), x, np.zeros(size)])
    spectra = np.array([np.fft.rfft(window(size) * padded[t * hop : t * hop + size]) for t in range(frames)])
    power = np.abs(spectra) ** 2 + 1e-5
    low = spectra[:, :phases] / np.sqrt(power[:, :phases])
    h = linear(np.hstack([(np.log(power) + 4) / 4, low.real, low.imag]), "encoder.embed", dim)
    h = stack(h, "encoder", hidden, blocks)
    g, v = param("encoder.out.weight_g", latent, 1, 1), param("encoder.out.weight_v", latent, dim, 1)
    w = (g * v / np.sqrt((v**2).sum((1, 2), keepdims=True)))[:, :, 0]
    return h @ w.T + param("encoder.out.bias", latent)


def lines(pitch, phase, size):
    """The main lobes of harmonics of amplitude 1, as the transform of a window has them."""
    bins, n = size // 2 + 1, np.arange(size)
    spectrum = np.zeros(bins, complex)
    for h in range(1, int((bins - 3) / pitch) + 1):
        tone = np.exp(1j * (2 * np.pi * h * pitch * (n - size / 2) / size + h * phase))
        lobe = np.fft.fft(window(size) * tone)[:bins] / (size / 2)
        lobe[np.abs(np.arange(bins) - h * pitch) >= 2] = 0
        spectrum += lobe
    return spectrum


def harmonics(x, name, size, hop):
    """The harmonics of amplitude 1 of the pitch that a head predicts."""
    pitch = 3 * 2 ** (3.5 / (1 + np.exp(-linear(x, name + ".head.pitch", 1)[:, 0])))
    gain = 2 * np.pi * pitch * hop / size
    phase = np.cumsum((np.concatenate([[0], gain[:-1]]) + gain) / 2)
    return np.array([lines(p, f, size) for p, f in zip(pitch, phase)])


def envelopes(x, name, size):
    """Two envelopes of each frame."""
    bins = size // 2 + 1
    knots = -(-(bins - 1) // 6) + 1
    e, at = linear(x, name, 2 * knots), np.arange(knots) * 6
    return [np.array([np.interp(np.arange(bins), at, row) for row in half]) for half in (e[:, :knots], e[:, knots:])]


def noise(size, hop, frames):
    """The spectra of white noise, of mean power 1 in every bin; it begins again after 256 frames."""
    z, wave = 1, np.empty(256 * hop)
    for i in range(len(wave)):
        z = (z + 0x9E3779B97F4A7C15) & MASK
        v = z
        v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & MASK
        v = (v ^ v >> 27) * 0x94D049BB133111EB & MASK
        v ^= v >> 31
        wave[i] = ((v >> 11) / 2**53 - 0.5) * np.sqrt(12)
    w = window(size) / np.sqrt((window(size) ** 2).sum())
    return np.array([np.fft.rfft(w * np.roll(wave, -t * hop)[:size]) for t in range(frames)])


def decoder(z, size, hop, dim, hidden, blocks, name="decoder", timbre=None):
    w = param(name + ".embed.weight", dim, z.shape[1], 7)
    padded = np.vstack([np.zeros((6, z.shape[1])), z])
    h = np.array([np.einsum("kc,ock->o", padded[t : t + 7], w) for t in range(len(z))]) + param(name + ".embed.bias", dim)
    bins = size // 2 + 1
    x = stack(h, name, hidden, blocks, timbre)
    if name == "source_filter":
        share, offset = envelopes(x, name + ".head.mix", size)
        share = 1 / (1 + np.exp(-share))
        source = share * harmonics(x, name, size, hop) + (1 - share) * noise(size, hop, len(x))
        spectra = np.exp(linear(x, name + ".head.out", bins)) * np.exp(1j * offset) * source
    else:
        h = linear(x, name + ".head.out", 2 * bins)
        spectra = np.exp(h[:, :bins]) * np.exp(1j * h[:, bins:])
    if name == "harmonic":
        amplitude, offset = envelopes(x, name + ".head.harmonics", size)
        spectra = spectra + np.exp(amplitude) * np.exp(1j * offset) * harmonics(x, name, size, hop)
    frames = np.fft.irfft(spectra, size) * window(size)
    lead = (size - hop) // 2
    wave, weight = np.zeros(len(z) * hop + size), np.zeros(len(z) * hop + size)
    for t, frame in enumerate(frames):
        wave[t * hop : t * hop + size] += frame
        weight[t * hop : t * hop + size] += window(size) ** 2
    return (wave[lead:] / np.maximum(weight[lead:], 1e-9))[: len(z) * hop]


if __name__ == "__main__":
    x = uniform(0, "wave", 475).astype(np.float32).astype(np.float64)
    z = uniform(0, "latent", 13 * 10).astype(np.float32).astype(np.float64).reshape(13, 10)
    timbre = uniform(0, "timbre", 10).astype(np.float32).astype(np.float64)
    np.savez(
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "frames.npz"),
        latent=encoder(x, 120, 30, 20, 18, 24, 2, 10).astype(np.float32),
        wave=decoder(z, 120, 30, 18, 24, 3).astype(np.float32),
        harmonic=decoder(z, 120, 30, 18, 24, 3, "harmonic").astype(np.float32),
        source_filter=decoder(z, 120, 30, 18, 24, 3, "source_filter").astype(np.float32),
        styled=decoder(z, 120, 30, 18, 24, 3, "styled", timbre).astype(np.float32),
    )
