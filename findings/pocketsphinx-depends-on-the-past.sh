#!/bin/sh
# pocketsphinx: one Decoder, used for one recording after another, understands a recording differently after another
# one than by itself, and hears a word in digital silence. Word error rates then depend on the order of the files.
# What cures it: Decoder.reinit_feat() before each recording, and no recognition of silence. set_cmn() with the means
# of the start is not enough.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pocketsphinx==5.1.1 numpy==2.4.6 soundfile==0.14.0
"$dir/venv/bin/python" - "$here/testdata/speech/en.flac" <<'PY'
import importlib.metadata
import sys
import numpy as np
import soundfile
from pocketsphinx import Decoder

def fresh():
    return Decoder(samprate=16000, loglevel="FATAL")

def understand(decoder, x):
    decoder.start_utt()
    decoder.process_raw(x.astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr if decoder.hyp() else ""

print("pocketsphinx", importlib.metadata.version("pocketsphinx"))
speech, rate = soundfile.read(sys.argv[1], dtype="int16")
assert rate == 16000
noise = np.clip(np.random.default_rng(0).normal(size=64000) * 0.05 * 32767, -32767, 32767)
alone = understand(fresh(), speech)
decoder = fresh()
understand(decoder, noise)
after = understand(decoder, speech)
decoder.reinit_feat()
reset = understand(decoder, speech)
silence = understand(fresh(), np.zeros(32000))
print("by itself:            ", alone)
print("after 4 s of noise:   ", after)
print("after reinit_feat():  ", reset)
print("2 s of digital silence:", repr(silence))
sys.exit(0 if after != alone == reset and silence else "changed: the past, or silence, is without effect now")
PY
