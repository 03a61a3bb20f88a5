"""The judges. Each takes waves at waves.RATE of one length and returns numbers, NaN where it has none."""
import os
import re
import warnings

import numpy as np

import speaker
import waves

NAN = float("nan")


class Judges:
    """Loads what needs weights once; one for each process."""

    def __init__(self):
        self._dnsmos = self._recognizer = self._encoder = None

    def signal(self, reference, output):
        """PESQ wide band (ITU-T P.862.2), STOI, ESTOI and the correlation of log f0 with the reference."""
        import pesq
        import pystoi
        row = {"pesq": NAN, "stoi": NAN, "estoi": NAN, "f0_correlation": NAN}
        if not waves.has_speech(reference):
            return row
        try:
            row["pesq"] = float(pesq.pesq(waves.RATE, reference, output, "wb"))
        except (pesq.PesqError, ValueError) as e:  # NoUtterancesError, BufferTooShortError; NaN inside
            row["pesq_error"] = str(e) or type(e).__name__
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # it answers 1e-5 where there is too little speech
            for name, extended in (("stoi", False), ("estoi", True)):
                try:
                    row[name] = float(pystoi.stoi(reference, output, waves.RATE, extended=extended))
                except RuntimeWarning as e:
                    row[name + "_error"] = str(e)
        row["f0_correlation"] = f0_correlation(reference, output)
        return row

    def dnsmos(self, output):
        """DNSMOS P.835 overall, signal, background and P.808, which have no reference."""
        if not waves.has_speech(output):
            return dict.fromkeys(("dnsmos", "dnsmos_signal", "dnsmos_background", "dnsmos_p808"), NAN)
        if self._dnsmos is None:
            import onnxruntime
            from speechmos import dnsmos
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            folder = os.path.join(os.path.dirname(dnsmos.__file__), "dnsmos_models")
            self._dnsmos = dnsmos.DNSMOS.__new__(dnsmos.DNSMOS)  # with sessions of one thread
            for field, file in (("onnx_sess", "sig_bak_ovr.onnx"), ("p808_onnx_sess", "model_v8.onnx")):
                setattr(self._dnsmos, field, onnxruntime.InferenceSession(
                    os.path.join(folder, file), options, providers=["CPUExecutionProvider"]))
        found = self._dnsmos(np.clip(output, -1, 1), waves.RATE, False)
        return {"dnsmos": float(found["ovrl_mos"]), "dnsmos_signal": float(found["sig_mos"]),
                "dnsmos_background": float(found["bak_mos"]), "dnsmos_p808": float(found["p808_mos"])}

    def words(self, x):
        """What pocketsphinx's English model understands. Its front end is reset before each recording: it goes on
        from where the recording before left it, and the words would depend on the order."""
        if not waves.has_speech(x):
            return []  # it hears a word in silence
        if self._recognizer is None:
            from pocketsphinx import Decoder
            self._recognizer = Decoder(samprate=waves.RATE, loglevel="FATAL")
        self._recognizer.reinit_feat()
        self._recognizer.start_utt()
        self._recognizer.process_raw((np.clip(x, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        self._recognizer.end_utt()
        found = self._recognizer.hyp()
        return plain(found.hypstr) if found else []

    def embed(self, x):
        """Resemblyzer's embedding, None where there is no voice."""
        if self._encoder is None:
            self._encoder = speaker.Encoder()
        return self._encoder.embed(x) if waves.has_speech(x) else None


def plain(text):
    """The words of a text as pocketsphinx writes them."""
    return re.findall(r"[a-z']+", re.sub(r"\(\d+\)", "", text.lower()))


def word_errors(reference, output):
    """Substitutions, insertions and deletions (Levenshtein)."""
    row = list(range(len(output) + 1))
    for i, word in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(output, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def f0_correlation(reference, output):
    """Pearson's correlation of log f0 (Praat's autocorrelation method, 60 to 500 Hz, 100 a second) over the frames
    that are voiced in both; NaN with fewer than 10 of them."""
    import parselmouth
    tracks = []
    for x in (reference, output):
        pitch = parselmouth.Sound(x.astype(np.float64), waves.RATE).to_pitch_ac(
            time_step=0.01, pitch_floor=60, pitch_ceiling=500)
        tracks.append(pitch.selected_array["frequency"])
    n = min(map(len, tracks))
    a, b = (t[:n] for t in tracks)
    voiced = (a > 0) & (b > 0)
    if voiced.sum() < 10:
        return NAN
    a, b = np.log(a[voiced]), np.log(b[voiced])
    if a.std() == 0 or b.std() == 0:
        return NAN
    return float(np.corrcoef(a, b)[0, 1])
