"""Resemblyzer's speaker embedding, without PyTorch.

The preprocessing is the package's own (resemblyzer.audio), the weights are those in its wheel; the network, three
LSTMs and a linear layer, runs in NumPy, as PyTorch from a registry brings gigabytes of GPU libraries with it."""
import collections
import importlib
import importlib.util
import os
import pickle
import sys
import types
import warnings

import numpy as np


def _package():
    """The package without its __init__, which imports torch."""
    spec = importlib.util.find_spec("resemblyzer")
    if spec is None:
        raise ImportError("resemblyzer is not installed")
    if "resemblyzer" not in sys.modules:
        package = types.ModuleType("resemblyzer")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["resemblyzer"] = package
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("resemblyzer.audio"), os.path.dirname(spec.origin)


def load_legacy(path):
    """The tensors of a PyTorch checkpoint in the format before 1.6, as nested dicts of float32 arrays."""
    storages = {}

    def rebuild(storage, offset, size, stride, *_):
        return ("tensor", storage, offset, size, stride)

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) == ("collections", "OrderedDict"):
                return collections.OrderedDict
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return rebuild
            if module == "torch" and name.endswith("Storage"):
                return name
            raise pickle.UnpicklingError("%s: %s.%s is not expected in weights" % (path, module, name))

        def persistent_load(self, saved):
            _, kind, key, _, numel = saved[:5]
            storages[key] = {"FloatStorage": np.float32, "LongStorage": np.int64}[kind], numel
            return key

    with open(path, "rb") as f:
        head = [Unpickler(f).load() for _ in range(3)]
        if head[1] != 1001:
            raise ValueError("%s: not a PyTorch checkpoint of the old format" % path)
        tree = Unpickler(f).load()
        data = {}
        for key in Unpickler(f).load():
            kind, numel = storages[key]
            if int(np.frombuffer(f.read(8), "<i8")[0]) != numel:
                raise ValueError("%s: a storage of another length than said" % path)
            data[key] = np.frombuffer(f.read(numel * np.dtype(kind).itemsize), kind)

    def resolve(node):
        if isinstance(node, dict):
            return {k: resolve(v) for k, v in node.items()}
        if isinstance(node, tuple) and node and node[0] == "tensor":
            _, key, offset, size, stride = node
            item = data[key].itemsize
            return np.lib.stride_tricks.as_strided(data[key][offset:], size, [s * item for s in stride]).copy()
        return node

    return resolve(tree)


class Encoder:
    """embed(wave at 16 kHz) is a vector of 256, norm 1; None where no voice is found."""

    def __init__(self):
        self.audio, folder = _package()
        state = load_legacy(os.path.join(folder, "pretrained.pt"))["model_state"]
        self.lstm = [[state["lstm.%s_l%d" % (part, layer)].astype(np.float32)
                      for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")] for layer in range(3)]
        self.linear = state["linear.weight"], state["linear.bias"]

    def partials(self, mels):
        """voice_encoder.py, VoiceEncoder.forward: [B, 160, 40] -> [B, 256]."""
        x = mels
        for w_ih, w_hh, b_ih, b_hh in self.lstm:
            gates = x @ w_ih.T + (b_ih + b_hh)  # [B, T, 4·256]: input, forget, cell, output
            h = c = np.zeros((len(x), w_hh.shape[1]), np.float32)
            out = np.empty(x.shape[:2] + (w_hh.shape[1],), np.float32)
            for t in range(x.shape[1]):
                i, f, g, o = np.split(gates[:, t] + h @ w_hh.T, 4, axis=1)
                c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
                h = _sigmoid(o) * np.tanh(c)
                out[:, t] = h
            x = out
        raw = np.maximum(x[:, -1] @ self.linear[0].T + self.linear[1], 0)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)

    def embed(self, wave, rate=1.3, min_coverage=0.75):
        """voice_encoder.py, VoiceEncoder.embed_utterance of preprocess_wav."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of librosa, for partials shorter than a window
            if not np.any(wave):
                return None
            wave = self.audio.preprocess_wav(wave)
            if len(wave) < 16000 * 0.5:  # little voice is left: the embedding of padding is that of no one
                return None
            starts = self._starts(len(wave), rate, min_coverage)
            wave = np.pad(wave, (0, max(0, (starts[-1] + 160) * 160 - len(wave))))
            mel = self.audio.wav_to_mel_spectrogram(wave)
        embedding = self.partials(np.stack([mel[s:s + 160] for s in starts])).mean(axis=0)
        return embedding / np.linalg.norm(embedding)

    @staticmethod
    def _starts(samples, rate, min_coverage):
        """voice_encoder.py, VoiceEncoder.compute_partial_slices: the first frames of the partials."""
        frames = int(np.ceil((samples + 1) / 160))
        step = int(np.round(16000 / rate / 160))
        starts = list(range(0, max(1, frames - 160 + step + 1), step))
        if len(starts) > 1 and (samples - starts[-1] * 160) / (160 * 160) < min_coverage:
            starts.pop()
        return starts


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def similarity(a, b):
    """The cosine of two embeddings; NaN where one is missing."""
    return float(np.dot(a, b)) if a is not None and b is not None else float("nan")
