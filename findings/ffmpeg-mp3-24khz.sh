#!/bin/sh
# ffmpeg up to 5.1 (Debian 12 has 5.1.9): every MP3 of 24 kHz, the rate of speech synthesis, is decoded with an error 36 dB
# below the speech, where other rates are right to 120 dB. Its table of scale factor bands has one edge at 330 at this rate, the
# encoder (LAME), libmpg123 and later versions of ffmpeg (6.1, 7.0, 9.0 were tried) have it at 332. A recording that one
# machine decodes is then another one than what the next decodes, which a codec hears.
# What cures it: a newer ffmpeg, or decoding with libsndfile or mpg123.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for version in 0.5.1 0.6.0; do
	python3 -m venv "$dir/$version"
	"$dir/$version/bin/pip" install -q --disable-pip-version-check imageio-ffmpeg==$version setuptools==75.8.0
done
"$dir/0.6.0/bin/pip" install -q --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
binary() { "$dir/$1/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())'; }
"$dir/0.6.0/bin/python" - "$here/testdata/speech/en.flac" "$dir" "$(binary 0.5.1)" "$(binary 0.6.0)" <<'PY'
import subprocess
import sys
import numpy as np
import soundfile as sf

speech, folder, *programs = sys.argv[1:]
run = lambda program, *args: subprocess.run([program, "-v", "error", "-y", *args], check=True, capture_output=True).stdout
names = [subprocess.run([p, "-version"], capture_output=True, text=True).stdout.split()[2] for p in programs]
print("ffmpeg", " and ".join(names), "against libsndfile", sf.__libsndfile_version__)
ratios = {}
for rate in (16000, 24000, 32000):
    mp3 = f"{folder}/{rate}.mp3"
    run(programs[1], "-i", speech, "-ar", str(rate), "-c:a", "libmp3lame", "-b:a", "64k", mp3)
    want, _ = sf.read(mp3)
    for program, name in zip(programs, names):
        got = np.frombuffer(run(program, "-i", mp3, "-f", "f32le", "-"), np.float32)
        length = min(len(got), len(want))
        late = len(want) - len(got) if len(got) < len(want) else 0
        error = got[:length] - want[late:late + length]
        ratios[rate, name] = 10 * np.log10(np.sum(want**2) / np.sum(error**2))
        print(f"{rate} Hz, {name}: {len(got)} samples of {len(want)}, {ratios[rate, name]:.1f} dB")
old, new = names
bad = 25 < ratios[24000, old] < 50
good = all(v > 100 for k, v in ratios.items() if k != (24000, old))
sys.exit(0 if bad and good else "changed: MP3 of 24 kHz, or of another rate")
PY
# Seen: ffmpeg 4.2.2: 16000 Hz 121.0 dB, 24000 Hz 35.8 dB, 32000 Hz 122.7 dB; 7.0.2: 121.0, 122.5, 122.7 dB
