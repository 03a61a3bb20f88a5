#!/usr/bin/env bash
# Makes the files in testdata/audio/odd that are not there yet, and odd.json with what
# reference decoders make of all of them. Needs ffmpeg, flac, lame, mpg123, opus-tools,
# vorbis-tools, sox and python3; other versions make other files. Not for CI: the files
# and the numbers are committed.
set -euo pipefail
cd "$(dirname "$0")/../testdata/audio/odd"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
speech=../../speech
clips=..

# make NAME COMMAND...: the output of the command, if the file is not there.
make() {
	[ -e "$1" ] || "${@:2}" >"$1"
}
python() { python3 -c "import sys,struct;w=sys.stdout.buffer.write;read=lambda n:open(n,'rb').read()
$1" "${@:2}"; }

sox -D "$speech/it.flac" "$tmp/clip.wav" trim 0.3 0.4
sox -D "$tmp/clip.wav" -r 24000 "$tmp/clip24k.wav"
sox -D "$speech/fr.flac" "$tmp/other.wav" trim 0.3 0.4
sox -D -M "$tmp/clip.wav" "$tmp/other.wav" "$tmp/stereo.wav"
lame --quiet -m m -b 48 "$tmp/clip.wav" "$tmp/a.mp3"
lame --quiet -m m -b 48 "$tmp/other.wav" "$tmp/b.mp3"
lame --quiet -m m -b 48 -t "$tmp/clip.wav" "$tmp/untagged.mp3"
opusenc --quiet --bitrate 16 --serial 1 "$tmp/clip.wav" "$tmp/a.opus"
opusenc --quiet --bitrate 16 --serial 2 "$tmp/other.wav" "$tmp/b.opus"
oggenc -Q -q 0 -s 3 -o "$tmp/a.ogg" "$tmp/clip.wav"
oggenc -Q -q 0 -s 4 -o "$tmp/b.ogg" "$tmp/other.wav"
ape1() { python "w(read(sys.argv[1])+b'\x05\0\0\0\0\0\0\0Title\0hello'+b'APETAGEX'+struct.pack('<IIII',1000,51,1,0)+bytes(8))" "$1"; }

make wav_id3_front.wav python "w(b'ID3\x03\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0'+read(sys.argv[1]))" "$tmp/clip.wav"
make wav_odd_size.wav python "b=bytearray(read(sys.argv[1]));b[40:44]=struct.pack('<I',len(b)-44-1);w(b)" "$tmp/clip.wav"
make wav_half_frame.wav python "w(read(sys.argv[1])[:-1])" "$tmp/clip.wav"
make rf64_wrong32.wav python "b=read(sys.argv[1]);n=len(b)-44
w(b'RF64'+b'\xff'*4+b'WAVEds64'+struct.pack('<IQQQI',28,n+72,n,n//2,0)+b[12:40]+struct.pack('<I',0xffffff)+b[44:])" "$tmp/clip.wav"
make bw64_wrong32.wav python "b=read(sys.argv[1]);w(b'BW64'+b[4:])" rf64_wrong32.wav

make mp3_trimmed.mp3 python "w(read(sys.argv[1])[:1500])" "$tmp/a.mp3"
make mp3_text_front.mp3 python "w(b'HTTP/1.0 200 OK\r\nicy-name: x\r\n\r\n'+read(sys.argv[1]))" "$tmp/a.mp3"
make mp3_ape1_end.mp3 ape1 "$tmp/a.mp3"
make mp3_untagged_cut.mp3 python "w(read(sys.argv[1])[:-30])" "$tmp/untagged.mp3"
make mp3_id3_between.mp3 python "w(read(sys.argv[1])+b'TAG'+bytes(125)+b'ID3\x03\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0'+read(sys.argv[1]))" "$tmp/untagged.mp3"

make opus_joined.opus cat "$tmp/a.opus" "$tmp/b.opus"
make vorbis_joined.ogg cat "$tmp/a.ogg" "$tmp/b.ogg"
make opus_text_front.opus python "w(b'HTTP/1.0 200 OK\r\n\r\n'+read(sys.argv[1]))" "$tmp/a.opus"
make opus_zeros_end.opus python "w(read(sys.argv[1])+bytes(3000))" "$tmp/a.opus"
make vorbis_ape1_end.ogg ape1 "$tmp/a.ogg"
[ -e opus_mono_family1.opus ] || ffmpeg -v error -i "$tmp/clip.wav" -c:a libopus -b:a 16k -mapping_family 1 -bitexact opus_mono_family1.opus
[ -e opus_stereo_family1.opus ] || ffmpeg -v error -i "$tmp/stereo.wav" -c:a libopus -b:a 24k -mapping_family 1 -bitexact opus_stereo_family1.opus
[ -e opus_stereo_music_16k.opus ] || opusenc --quiet --music --bitrate 16 "$tmp/stereo.wav" opus_stereo_music_16k.opus
[ -e opus_stereo_speech_16k.opus ] || opusenc --quiet --speech --bitrate 16 "$tmp/stereo.wav" opus_stereo_speech_16k.opus

flac -s --stdout - <"$tmp/clip.wav" 2>"$tmp/flac.log" >"$tmp/clip.flac"
# As an encoder leaves it that writes to a pipe: no number of samples, and no MD5.
make flac_unknown_id3_end.flac python "b=bytearray(read(sys.argv[1]));b[21]&=0xf0;b[22:42]=bytes(20);w(b+b'TAG'+bytes(125))" "$tmp/clip.flac"
make flac_unknown_ape_end.flac python "b=bytearray(read(sys.argv[1]));b[21]&=0xf0;b[22:26]=bytes(4);w(b+b'APETAGEX'+struct.pack('<IIII',2000,32,0,0xa0000000)+bytes(8)+b'APETAGEX'+struct.pack('<IIII',2000,32,0,0x80000000)+bytes(8))" "$tmp/clip.flac"

m4a() { [ -e "$1" ] || ffmpeg -v error -i "$tmp/clip.wav" -c:a aac -b:a 32k -bitexact "${@:2}" "$1"; }
m4a aac.m4a
m4a aac_front.m4a -ar 44100 -movflags faststart
m4a aac_fragments.m4a -movflags frag_keyframe+empty_moov

# References: 32-bit float WAV, as long as the reference decoder makes it.
refs=$tmp/references
mkdir "$refs"
opus() { ffmpeg -v quiet -c:a libopus -request_sample_fmt flt -i "${2:-$1}" -c:a pcm_f32le "$refs/$1.wav"; }
for f in *.ogg *.opus; do
	case $f in
	opus_text_front.opus) opus "$f" "$tmp/a.opus" ;; # what ffmpeg takes for no Ogg
	*.opus | opus_*.ogg | ogg_hole.ogg | telegram_noeos.ogg) opus "$f" ;;
	*) ffmpeg -v quiet -i "$f" -c:a pcm_f32le "$refs/$f.wav" ;;
	esac
done
# ffmpeg does not cut off the end of a Vorbis stream that is not the last, nor that of
# one with all sound on one page: the beginnings are the same as oggdec's.
for f in vorbis_*.ogg; do
	oggdec -Q -o "$tmp/x.wav" "$f"
	sox -D "$refs/$f.wav" "$tmp/y.wav" trim 0 "$(soxi -s "$tmp/x.wav")s"
	[ "$f" = vorbis_joined.ogg ] && continue
	mv "$tmp/y.wav" "$refs/$f.wav"
done
# Each joined recording by itself.
ffmpeg -v quiet -i "$tmp/a.ogg" -c:a pcm_f32le "$tmp/j1.wav"
ffmpeg -v quiet -i "$tmp/b.ogg" -c:a pcm_f32le "$tmp/j2.wav"
sox -D "$tmp/j1.wav" "$tmp/k1.wav" trim 0 6400s
sox -D "$tmp/j2.wav" "$tmp/k2.wav" trim 0 6400s
sox -D "$tmp/k1.wav" "$tmp/k2.wav" "$refs/vorbis_joined.ogg.wav"
for f in *.mp3; do
	case $f in
	# mpg123 drops a last frame that is cut; ffmpeg and LAME decode what is there of it.
	mp3_cut_last.mp3 | mp3_trimmed.mp3 | mp3_untagged_cut.mp3) ffmpeg -v quiet -i "$f" -c:a pcm_f32le "$refs/$f.wav" ;;
	# ffmpeg loses the frame before a tag in the midst.
	*) mpg123 -q -e f32 -w "$refs/$f.wav" "$f" 2>/dev/null ;;
	esac
done
for f in *.wav; do cp "$tmp/clip.wav" "$refs/$f.wav"; done
for f in wav_odd_size.wav wav_half_frame.wav; do sox -D "$tmp/clip.wav" "$refs/$f.wav" trim 0 6399s; done
for f in *.flac; do cp "$tmp/clip.wav" "$refs/$f.wav"; done
for f in *.m4a; do ffmpeg -v quiet -i "$f" -c:a pcm_f32le "$refs/$f.wav"; done

cd ../../..
FACODEC_ODD_REFERENCES=$refs "${GO:-go}" test -count 1 -run 'TestOddCorpus$' -v ./audio
