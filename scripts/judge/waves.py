"""Reading recordings, bringing them to one rate and length, and finding delays."""
import os
from collections import namedtuple

import numpy as np
import soundfile
import soxr

RATE = 16000           # Hz: PESQ wide band, DNSMOS, Resemblyzer and pocketsphinx are defined at this rate
FRAME = RATE // 50     # 20 ms
QUIET = -60.0          # dBFS: a frame below it is not speech
MIN_SPEECH = 0.3       # s of frames above QUIET, below which a recording has nothing to measure
MAX_DELAY = 0.1        # s that delay() looks for
EXTENSIONS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au")

# length is the length in seconds before resampling, rate the file's own.
Wave = namedtuple("Wave", "samples rate length")


def read(path):
    """The file as mono float32 at RATE."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if not len(samples):
        raise ValueError("%s: no samples" % path)
    if not np.isfinite(samples).all():
        raise ValueError("%s: samples that are NaN or infinite" % path)
    return Wave(resample(samples.mean(axis=1), rate), rate, len(samples) / rate)


def resample(x, rate, to=RATE):
    return x if rate == to else soxr.resample(x, rate, to, quality="VHQ").astype(np.float32)


def write(path, x, rate=RATE):
    soundfile.write(path, np.clip(x, -1, 1), rate, subtype="PCM_16")


def has_speech(x):
    """Whether enough of x is above the level of a quiet room. Metrics of silence are numbers too: PESQ brings the
    reference to one level, and then finds up to 4 of white noise against a room's hiss."""
    frames = x[:len(x) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = 10 * np.log10((frames ** 2).mean(axis=1) + 1e-12)
    return (level > QUIET).sum() * FRAME / RATE >= MIN_SPEECH


def fit(x, length):
    """x cut, or padded with zeros, to a number of samples."""
    return x[:length] if len(x) >= length else np.pad(x, (0, length - len(x)))


def shift(x, samples, length):
    """What is heard of x when it starts samples later (earlier where negative), length samples of it."""
    return fit(x[samples:] if samples >= 0 else np.pad(x, (-samples, 0)), length)


def delay(reference, output, limit=MAX_DELAY):
    """By how many samples output is late: the peak of the cross-correlation within limit seconds of both sides. Of
    the waves where the codec keeps them; a vocoder's waves are not the recording's, so of the changes in level of
    bands, which it keeps too, whose peak is blunter. The sharper of the two decides."""
    wave, score = _peak(reference, output, int(limit * RATE))
    if score > 0.5:
        return wave
    step = RATE // 1000
    bands, _ = _peak(_bands(reference, step), _bands(output, step), int(limit * RATE) // step)
    return bands * step


def _peak(a, b, limit):
    """The lag of b behind a with the highest correlation summed over the rows, and that correlation."""
    a, b = np.atleast_2d(a).astype(np.float64), np.atleast_2d(b).astype(np.float64)
    size = 1 << int(np.ceil(np.log2(a.shape[1] + b.shape[1] + 1)))
    cross = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size).sum(axis=0)
    lags = np.arange(-limit, limit + 1)
    values = cross[lags]
    norm = np.sqrt((a ** 2).sum() * (b ** 2).sum())
    best = int(np.argmax(values))
    return int(lags[best]), float(values[best] / norm) if norm > 0 else 0.0


def _bands(x, step):
    """Changes of the log magnitude of 8 bands from 100 to 3400 Hz, every step samples: [band, frame]."""
    window = np.hanning(320)
    x = np.pad(x.astype(np.float64), 160)
    frames = np.lib.stride_tricks.sliding_window_view(x, 320)[::step] * window
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    edges = np.round(np.geomspace(100, 3400, 9) * 320 / RATE).astype(int)
    edges = np.maximum.accumulate(edges + np.arange(9) * (np.diff(edges, prepend=-1) < 1))
    level = np.stack([spectrum[:, lo:max(hi, lo + 1)].sum(axis=1) for lo, hi in zip(edges, edges[1:])])
    floor = level.max() * 1e-4 + 1e-12
    return np.diff(np.log(level + floor), axis=1)


def names(folder):
    """The recordings below a folder: {name without extension, with slashes: path}."""
    found = {}
    for where, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            stem, ext = os.path.splitext(file)
            if ext.lower() not in EXTENSIONS:
                continue
            path = os.path.join(where, file)
            name = os.path.relpath(os.path.join(where, stem), folder).replace(os.sep, "/")
            if name in found:
                raise ValueError("%s and %s are both called %s" % (found[name], path, name))
            found[name] = path
    return found


def output_of(name, outputs):
    """The output of a reference among names(folder), called alike or as facodec reconstruct calls it; None."""
    folder, _, base = name.rpartition("/")
    prefix = folder + "/" if folder else ""
    for candidate in (name, prefix + "reconstructed_" + base):
        if candidate in outputs:
            return outputs[candidate]
    return None
