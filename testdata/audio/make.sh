#!/bin/sh
# Makes the clips in this directory, which are committed: with ffmpeg, lame,
# oggenc, opusenc and sox, from ../speech. Other versions of these programs make
# others. Each reference NAME.flac is another decoder's output for NAME, mixed to
# mono: ffmpeg's, with libopus for Opus. For MP3 at 24 kHz it is LAME's, since
# ffmpeg's table of scale factor bands differs there (30 dB) from LAME's and ours.
set -e
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
for f in en es fr it ru; do
	ffmpeg -v error -ss 0.3 -t 0.6 -i ../speech/$f.flac -map_metadata -1 "$tmp/$f.wav"
done
stereo() { sox -D -M "$tmp/$1.wav" "$tmp/$2.wav" -r "$3" "$tmp/$1$3.wav"; }
stereo en it 44100
stereo fr ru 48000
for r in 11025 22050 24000 48000; do sox -D "$tmp/es.wav" -r $r "$tmp/es$r.wav"; done

lame --quiet -m m -b 64 "$tmp/en.wav" mono16k.mp3
lame --quiet -m m -b 64 --id3v2-only --tt title "$tmp/es24000.wav" mono24k.mp3
lame --quiet -V 4 "$tmp/en44100.wav" stereo44k.mp3
lame --quiet -m m -b 64 -t "$tmp/es48000.wav" untagged48k.mp3
lame --quiet -m m -b 40 --resample 22.05 "$tmp/es22050.wav" mono22k.mp3
lame --quiet -m m -b 32 --resample 11.025 "$tmp/es11025.wav" mpeg25.mp3

oggenc -Q -q 3 -o mono16k.ogg "$tmp/en.wav"
oggenc -Q -q 2 -o stereo44k.ogg "$tmp/en44100.wav"
opusenc --quiet --speech --bitrate 14 "$tmp/fr.wav" speech.opus
opusenc --quiet --speech --bitrate 28 "$tmp/es48000.wav" hybrid.opus
opusenc --quiet --music --bitrate 64 --framesize 10 "$tmp/fr48000.wav" stereo.opus
# As a browser records: to a pipe, so that no size is known. And beside a picture.
ffmpeg -v error -i "$tmp/es48000.wav" -c:a libopus -b:a 24k -live 1 -f webm - | cat >recording.webm
ffmpeg -v error -y -f lavfi -i testsrc=d=0.6:s=32x32:r=5 -i "$tmp/fr48000.wav" -c:v libvpx -b:v 20k \
	-c:a libopus -b:a 48k -cluster_time_limit 200 video.webm

reference() { # FILE DECODER...: the mean over two channels, or the one
	f=$1
	shift
	ffmpeg -v error -y "$@" -i "$f" -c:a pcm_f32le "$tmp/x.wav"
	pan=$(test "$(soxi -c "$tmp/x.wav")" = 2 && echo "0.5*c0+0.5*c1" || echo c0)
	ffmpeg -v error -y -i "$tmp/x.wav" -af "pan=mono|c0=$pan" -map_metadata -1 -fflags +bitexact \
		-c:a flac -sample_fmt s32 -compression_level 12 "$f.flac"
}
for f in mono16k stereo44k untagged48k; do reference $f.mp3; done
reference stereo44k.ogg
# Where one page has all the sound, ffmpeg does not cut off its end as oggdec does.
reference mono16k.ogg
sox -D mono16k.ogg.flac "$tmp/y.flac" trim 0 9600s
mv "$tmp/y.flac" mono16k.ogg.flac
for f in speech hybrid stereo; do reference $f.opus -c:a libopus -request_sample_fmt flt; done
for f in recording video; do reference $f.webm -c:a libopus -request_sample_fmt flt; done
lame --quiet --decode mono24k.mp3 "$tmp/lame.wav"
ffmpeg -v error -y -i "$tmp/lame.wav" -map_metadata -1 -fflags +bitexact -c:a flac mono24k.mp3.flac
