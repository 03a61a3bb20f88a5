#!/bin/sh
# pesq (PyPI, the usual P.862.2 in Python) gives speech-codec scores to noise where the reference has no speech: two
# unrelated noises, the reference at the level of a quiet room's hiss (-80 dBFS), score up to 4.16 of 4.64. It brings
# the reference to one level first, so hiss becomes "speech"; no error tells. A recording of silence in a test set
# (Asterisk's prompts have some) raises or lowers its mean by chance. Leave recordings without speech out.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pesq==0.0.4 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import importlib.metadata
import sys
import numpy as np
import pesq

print("pesq", importlib.metadata.version("pesq"))
found = []
for seed in range(14):
    rng = np.random.default_rng(seed)
    white, hiss, last = rng.normal(size=64000), np.zeros(64000), 0.0
    for i, w in enumerate(white):
        last = hiss[i] = 0.9 * last + w
    reference = np.round(hiss / hiss.std() * 3).astype(np.int16)  # 4 s, 16 bit, -81 dBFS
    output = np.round(rng.normal(size=64000) * 3000).astype(np.int16)  # white noise, 60 dB louder
    found.append(pesq.pesq(16000, reference, output, "wb"))
print("PESQ-WB of white noise against a room's hiss, 14 pairs:", " ".join("%.2f" % v for v in found))
sys.exit(0 if max(found) > 4 and min(found) < 1.2 else "changed: noise no longer scores from 1.1 to 4.2")
PY
