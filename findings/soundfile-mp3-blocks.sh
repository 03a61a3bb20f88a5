#!/bin/sh
# soundfile (PyPI, libsndfile 1.2.2): an MP3 read in blocks (SoundFile.blocks, and librosa.stream, which calls it) or from
# an offset (read(start=...), the usual random crop of training) is not the recording that read() of the whole file gives.
# Nothing is raised. After each read soundfile seeks to where it already is, and behind a seek the MP3 decoder lacks the
# bits that earlier frames hold. Files of variable bitrate, as soundfile itself writes (LAME's -V 4 and -V 9, too), and of 32
# kbit/s lose much; constant 64 and 128 kbit/s at 48 kHz lost nothing. Messages of libmpg123 behind read(start=...) are known
# (bastibe/python-soundfile issue 402, taken there for a damaged file); not that samples of a good file are wrong.
# What cures it: read MP3 whole, or decode it to WAV or FLAC first. Vorbis and FLAC do not differ.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
"$dir/venv/bin/python" - "$here/testdata/speech" "$dir" 2> "$dir/messages" <<'PY'
import sys
import numpy as np
import soundfile as sf

print("soundfile", sf.__version__, "libsndfile", sf.__libsndfile_version__)
x = np.concatenate([sf.read(f"{sys.argv[1]}/{n}.flac")[0] for n in ("en", "fr")])
x = np.fft.irfft(np.fft.rfft(x), 3 * len(x)) * 3  # 16 to 48 kHz
wrong = {}
for kind in ("mp3", "ogg", "flac"):
    name = f"{sys.argv[2]}/speech.{kind}"
    sf.write(name, 0.7 * x, 48000)
    whole, _ = sf.read(name)
    for size in (1000, 4096) if kind == "mp3" else (4096,):
        blocks = np.concatenate(list(sf.blocks(name, size)))
        assert len(blocks) == len(whole)
        error = np.abs(blocks - whole)
        wrong[kind, size] = np.mean(error > 1e-3)
        ratio = 10 * np.log10(np.sum(whole**2) / (np.sum(error**2) + 1e-30))
        print(f"{kind} in blocks of {size}: {100 * wrong[kind, size]:.1f} % of the samples are wrong, by {error.max():.2f} at most, {ratio:.0f} dB")
    crops = 0
    for start in np.random.default_rng(1).integers(0, len(whole) - 48000, 40):
        crop, _ = sf.read(name, start=start, stop=start + 48000)
        crops += np.abs(crop - whole[start:start + 48000]).max() > 1e-3
    wrong[kind, "crops"] = crops
    print(f"{kind}: {crops} of 40 crops of a second begin wrong")
bad = all(wrong["mp3", k] > 0.01 for k in (1000, 4096, "crops"))
good = all(v == 0 for (kind, _), v in wrong.items() if kind != "mp3")
sys.exit(0 if bad and good else "changed: MP3 in blocks is the recording now, or other formats are not")
PY
# Seen: soundfile 0.14.0, libsndfile 1.2.2; mp3 in blocks of 1000: 12.7 % of the samples are wrong, by 0.34 at most, 11 dB;
# in blocks of 4096: 3.3 %, 0.36, 19 dB; 12 of 40 crops of a second begin wrong; ogg, flac: none.
