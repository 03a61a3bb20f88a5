#!/usr/bin/env python3
"""Makes parallel speech for training: the same sentences in many voices, aligned in time.

    DIR/venv/bin/python scripts/parallel-speech/speak.py --tools DIR --output O --seconds 3600 --seed 1

O/voices/0 … 3 get each sentence in four voices, O/voices/4 one of these with formants and pitch moved by Praat,
O/voices/5 one shifted by rubberband (where that is installed). O/dataset and O/parallel are links to them: what
`facodec train --dataset` and `augment.parallel` take. A later call with another seed adds to O.
"""
import argparse
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

RATE = 24000
SPOKEN = 4                      # voices of a sentence
FORTUNES = "/usr/share/games/fortunes/"
ITALIAN = {"formiche", "leggi", "italia", "itatrek", "definizioni"}
PORTUGUESE = {"brasil"}
LANGUAGES = {"en-us": 4, "en-gb": 2, "es": 2, "it": 1.5, "pt-br": 1.5}  # and how often
NATIVE = {"es": "e", "it": "i", "pt-br": "p"}  # the first letter of the voices that speak a language
# espeak's English phonemes, and how Kokoro writes them.
ENGLISH = [("eɪ", "A"), ("aɪ", "I"), ("aʊ", "W"), ("oʊ", "O"), ("əʊ", "Q"), ("ɔɪ", "Y"), ("dʒ", "ʤ"), ("tʃ", "ʧ"),
           ("ɚ", "əɹ"), ("ɜː", "ɜɹ"), ("ɐ", "ə"), ("r", "ɹ")]


def load_packages():
    """Imports the packages that setup.sh installs. It is not done before the command line is read, so that --help does
    without them."""
    global np, onnxruntime, parselmouth, soundfile, call
    try:
        import numpy as np
        import onnxruntime
        import parselmouth
        import soundfile
        from parselmouth.praat import call
    except ModuleNotFoundError as error:
        sys.exit(f"{sys.argv[0]}: no Python package {error.name}; scripts/parallel-speech/setup.sh DIR installs it: run this by DIR/venv/bin/python")


def sentences(files):
    found = []
    for file in files:
        text = open(file, encoding="utf-8", errors="ignore").read()
        for entry in re.split(r"\n%\n", text):
            for s in re.split(r"(?<=[.!?])\s+", re.sub(r"\s+", " ", entry)):
                words = sum(c.isalpha() for c in s) > 0.75 * len(s)
                if 40 <= len(s) <= 170 and words and not re.search(r"[^\w\s.,;:!?'\"()\-—’“”¿¡]", s):
                    found.append(s)
    return found


def texts():
    """Sentences by language."""
    of = lambda folder: [f for f in sorted(glob.glob(folder + "*")) if os.path.isfile(f) and not f.endswith(".dat")]
    named = lambda names: [f for f in of(FORTUNES) if os.path.basename(f) in names]
    other = ITALIAN | PORTUGUESE | {"ascii-art"}
    english = [f for f in of(FORTUNES) if f.endswith(".u8") and os.path.basename(f)[:-3] not in other]
    all = {"en": sentences(english), "es": sentences(of(FORTUNES + "es/")), "it": sentences(named(ITALIAN)),
           "pt-br": sentences(named(PORTUGUESE))}
    for language, found in all.items():
        if not found:
            sys.exit(f"{FORTUNES}: no sentences in {language}; run setup.sh, which installs the fortunes packages")
    return all


class Kokoro:
    """Kokoro-82M. A style is [lengths, 1, 256]: 128 values of the timbre, then 128 of prosody."""

    def __init__(self, tools):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.model = onnxruntime.InferenceSession(tools + "/kokoro-pitch.onnx", options, providers=["CPUExecutionProvider"])
        self.vocabulary = json.load(open(tools + "/vocab.json"))["vocab"]
        self.styles = {os.path.basename(f)[:-4]: np.fromfile(f, np.float32).reshape(-1, 1, 256)
                       for f in sorted(glob.glob(tools + "/voices/*.bin"))}
        self.names = sorted(self.styles)
        self.pitches = {}

    def tokens(self, text, language):
        p = subprocess.run(["espeak-ng", "-q", "--ipa", "-v", language, text], capture_output=True, text=True, check=True).stdout
        p = re.sub(r"\([a-z-]+\)", "", p.replace("\n", " ").strip())
        if language.startswith("en"):
            for a, b in ENGLISH:
                p = p.replace(a, b)
        if language == "en-us":
            p = p.replace("ː", "")
        return [self.vocabulary[c] for c in p if c in self.vocabulary]

    def speak(self, tokens, timbre, prosody, speed, f0_scale):
        """Returns samples and the median pitch in Hz, 0 for none."""
        style = np.concatenate([timbre[len(tokens)][:, :128], prosody[len(tokens)][:, 128:]], 1)
        wave, f0 = self.model.run(None, {
            "tokens": np.array([[0, *tokens, 0]], np.int64), "style": style,
            "speed": np.array([speed], np.float32), "f0_scale": np.array([f0_scale], np.float32)})
        voiced = np.ravel(f0)[np.ravel(f0) > 60]
        return np.ravel(wave), float(np.median(voiced)) if len(voiced) > 10 else 0.0

    def voice(self, used):
        """Draws a voice: one that is not in used, a mix of two, or a point between and beyond three."""
        if random.random() < 0.6:
            names = random.sample(self.names, 3)
            weights = np.random.dirichlet([1, 1, 1]) * 1.6 - 0.2
            return "blend_" + "_".join(names), sum(np.float32(w) * self.styles[n] for w, n in zip(weights, names))
        name = random.choice([n for n in self.names if n not in used])
        if random.random() < 0.5:
            return name, self.styles[name]
        other = random.choice([n for n in self.names if n != name and n[1] == name[1]])
        a = np.float32(random.uniform(0.3, 0.7))
        return f"mix_{name}_{other}", a * self.styles[name] + (1 - a) * self.styles[other]

    def own_pitch(self, name, style, tokens):
        if name not in self.pitches:
            self.pitches[name] = self.speak(tokens[:40], style, style, 1.0, 1.0)[1]
        return self.pitches[name]

    def group(self, tokens, lead, speed):
        """Returns the names and samples of a sentence in several voices, all with the timing of lead; None where
        the model fails."""
        prosody = self.styles[lead]
        wave, pitch = self.speak(tokens, prosody, prosody, speed, 1.0)
        said, used = [(lead, wave)], {lead}
        while pitch > 0 and len(said) < SPOKEN:
            name, style = self.voice(used)
            used.add(name)
            own = self.own_pitch(name, style, tokens)
            # Its own pitch, or near it: what is heard does not tell exactly what is wanted.
            scale = min(2.2, max(0.45, own / pitch * float(np.exp(random.gauss(0, 0.06)))))
            wave, _ = self.speak(tokens, style, prosody, speed, scale)
            if own == 0 or not np.isfinite(wave).all() or np.abs(wave).max() < 0.05 or len(wave) != len(said[0][1]):
                return None
            said.append((name, wave))
        return said if len(said) == SPOKEN else None


def fit(wave, like):
    wave = np.pad(wave, (0, max(0, len(like) - len(wave))))[:len(like)]
    return wave * min(1, 0.98 / max(1e-9, np.abs(wave).max()))


def moved_by_praat(wave):
    sound = parselmouth.Sound(wave.astype(float), RATE)
    f0 = sound.to_pitch().selected_array["frequency"]
    f0 = f0[f0 > 0]
    if len(f0) < 10:
        return None
    formants = float(np.exp(random.uniform(np.log(0.84), np.log(1.19))))
    pitch = float(np.median(f0)) * formants**1.5 * float(np.exp(random.gauss(0, 0.1)))
    return call(sound, "Change gender", 60, 600, formants, min(330, max(75, pitch)), 1.0, 1.0).values[0]


def shifted_by_rubberband(wave):
    semitones = random.choice([-1, 1]) * random.uniform(1.5, 4.5)
    with tempfile.TemporaryDirectory() as d:
        soundfile.write(d + "/in.wav", wave, RATE)
        try:
            subprocess.run(["rubberband", "-3", "-q", "-p", f"{semitones:.2f}", d + "/in.wav", d + "/out.wav"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            return None
        return soundfile.read(d + "/out.wav")[0]


def write(output, voice, name, wave):
    os.makedirs(f"{output}/voices/{voice}", exist_ok=True)
    soundfile.write(f"{output}/voices/{voice}/{name}.flac", np.clip(wave, -1, 1), RATE, subtype="PCM_16")


def link(output):
    """Links each voice into the dataset, and beside it, voice for voice, every other one."""
    voices = sorted(os.listdir(output + "/voices"))
    for i, voice in enumerate(voices):
        for k in range(len(voices)):
            place = f"{output}/dataset" if k == 0 else f"{output}/parallel/{k}"
            os.makedirs(place, exist_ok=True)
            if os.path.islink(f"{place}/{voice}"):
                os.remove(f"{place}/{voice}")
            os.symlink(os.path.abspath(f"{output}/voices/{voices[(i + k) % len(voices)]}"), f"{place}/{voice}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", required=True, help="the folder that setup.sh made")
    parser.add_argument("--output", required=True, help="the folder to write to")
    parser.add_argument("--seconds", type=float, default=3600, help="of speech to make, over all voices (default: 3600)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices, and in the files' names (default: 1)")
    args = parser.parse_args()
    load_packages()
    random.seed(args.seed)
    np.random.seed(args.seed)
    kokoro, pools = Kokoro(args.tools), texts()
    n, total, start = 0, 0.0, time.time()
    while total < args.seconds:
        language = random.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
        tokens = kokoro.tokens(random.choice(pools["en" if language.startswith("en") else language]), language)
        lead = random.choice([v for v in kokoro.names if v[0] == NATIVE.get(language, v[0])])
        if not 40 <= len(tokens) <= 140:
            continue
        said = kokoro.group(tokens, lead, random.uniform(0.85, 1.2))
        if said is None:
            continue
        name = f"{args.seed}_{n:05d}"
        waves = [wave for _, wave in said]
        others = random.sample(waves, 2)
        for voice, wave in enumerate([*waves, moved_by_praat(others[0]), shifted_by_rubberband(others[1])]):
            if wave is not None:
                write(args.output, voice, name, wave if voice < SPOKEN else fit(wave, waves[0]))
                total += len(waves[0]) / RATE
        with open(args.output + "/voices.tsv", "a") as f:
            print(name, language, *(voice for voice, _ in said), sep="\t", file=f)
        n += 1
        if n % 5 == 0:
            print(f"{n} sentences, {total:.0f} s of speech in {time.time() - start:.0f} s", flush=True)
    link(args.output)


if __name__ == "__main__":
    main()
