#!/bin/sh
# ffmpeg: "-ac 1" gives 32-bit float samples (-f f32le, pcm_f32le) 3 dB more than 16-bit ones of the same stereo file, beyond
# full scale where both channels are loud and alike, as in speech. Each channel is taken times 0.707; only if the output is
# of integers is the sum brought back to 1. So loaders that ask ffmpeg for s16le (Whisper's) and for f32le (the
# pipelines of transformers) disagree about the level of every stereo recording, and a codec or a loudness about
# what is in it. It is so from ffmpeg 4.2 to 9.0. madmom issue 508 is about the level against a mean of the channels.
# What cures it: -rematrix_maxval 1 before -ac 1, or -af "pan=mono|c0=0.5*c0+0.5*c1".
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check imageio-ffmpeg==0.8.1
ffmpeg=$("$dir/venv/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -version | head -n 1
cd "$dir"
"$ffmpeg" -v error -f lavfi -i "aevalsrc=0.9*sin(2*PI*220*t)|0.9*sin(2*PI*220*t):s=24000:d=1" -c:a pcm_s16le stereo.wav
for format in s16le s32le f32le; do
	"$ffmpeg" -v error -i stereo.wav -ac 1 -f $format mono.$format
done
"$ffmpeg" -v error -i stereo.wav -rematrix_maxval 1 -ac 1 -f f32le cured.f32le
"$dir/venv/bin/python" - <<'PY'
import array
import sys

def peak(name, code, scale):
    samples = array.array(code)
    with open(name, "rb") as f:
        samples.frombytes(f.read())
    return max(map(abs, samples)) / scale

peaks = {"16 bit": peak("mono.s16le", "h", 2**15), "32 bit": peak("mono.s32le", "i", 2**31),
         "float": peak("mono.f32le", "f", 1), "float, -rematrix_maxval 1": peak("cured.f32le", "f", 1)}
print("stereo with a peak of 0.900; mono:", ", ".join(f"{name} {value:.3f}" for name, value in peaks.items()))
near = lambda name, want: abs(peaks[name] - want) < 0.01
same = near("16 bit", 0.9) and near("32 bit", 0.9) and near("float, -rematrix_maxval 1", 0.9)
sys.exit(0 if same and near("float", 0.9 * 2**0.5) else "changed: the levels of float and integers")
PY
# Seen: ffmpeg 9.0.2; stereo with a peak of 0.900; mono: 16 bit 0.900, 32 bit 0.900, float 1.273, float, -rematrix_maxval 1 0.900
