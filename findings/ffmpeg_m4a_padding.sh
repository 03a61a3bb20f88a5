#!/bin/sh
# ffmpeg up to 8: a recording in M4A (AAC) comes back longer than it was.
#
# AAC is coded in packets of 1024 samples, of which the last is filled up. ffmpeg's own
# muxer writes into the sample table how much of it is sound (the duration of the last
# sample), and its demuxer of these versions does not cut off the rest: 33,256 samples
# become 33,792 (9.0 is reported to give 33,256).
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check imageio-ffmpeg==0.6.0
ffmpeg=$("$dir/venv/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
"$ffmpeg" -version | head -n 1
cd "$dir"
"$ffmpeg" -v error -f lavfi -i "sine=frequency=440:sample_rate=16000,atrim=end_sample=33256" -c:a aac in.m4a
"$ffmpeg" -v error -i in.m4a -f s16le -c:a pcm_s16le out.raw
python3 - <<'PYTHON'
import os, struct

table = open("in.m4a", "rb").read()
at = table.index(b"stts") + 8
runs = [struct.unpack(">II", table[at + 4 + 8 * i:at + 12 + 8 * i]) for i in range(struct.unpack(">I", table[at:at + 4])[0])]
told = sum(n * d for n, d in runs) - 1024  # the encoder's delay, which the edit list tells
got = os.path.getsize("out.raw") // 2
print("the sample table tells of", told, "samples; decoded are", got)
assert told == 33256 and got == 33792, "this has changed"
PYTHON
echo "as described: the padding of the last packet is kept"
