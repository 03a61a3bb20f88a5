#!/bin/sh
# Makes the sound examples of docs/model.md from the recordings in testdata/speech with
# the built-in model: scripts/sound-examples.sh [folder]. Needs ffmpeg and opus-tools.
set -eu
cd "$(dirname "$0")/.."
out=${1:-docs/sounds}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/facodec" ./cmd/facodec
mkdir -p "$out"

ogg() { ffmpeg -nostdin -v error -y -i "$1" -ar 24000 -ac 1 -c:a libopus -b:a 48k -map_metadata -1 -fflags +bitexact -flags:a +bitexact "$out/$2.ogg"; }

ogg testdata/speech/en.flac recording
"$work/facodec" reconstruct --quiet --source testdata/speech/en.flac --output-dir "$work"
ogg "$work/reconstructed_en.wav" reconstruction
ffmpeg -nostdin -v error -y -i testdata/speech/en.flac "$work/en.wav"
opusenc --quiet --bitrate 6 "$work/en.wav" "$work/opus.ogg"
opusdec --quiet --rate 24000 "$work/opus.ogg" "$work/opus.wav"
ogg "$work/opus.wav" opus-6k
for reference in fr it ru; do
	"$work/facodec" convert --quiet --source testdata/speech/en.flac --reference "testdata/speech/$reference.flac" --output-dir "$work"
	ogg "testdata/speech/$reference.flac" "reference-$reference"
	ogg "$work/converted_en_to_$reference.wav" "conversion-$reference"
done
ls -l "$out"
