#!/bin/sh
# Makes the clips of this folder. Needs flite 2.2 and ffmpeg with libopus; for voices/
# also the FLAC files that LICENSE.md names, in one folder for each voice under $1.
set -e
cd "$(dirname "$0")"
opus() { # from, to, bit rate
	ffmpeg -nostdin -v error -y -i "$1" -ac 1 -ar 16000 -map_metadata -1 -fflags +bitexact -flags:a +bitexact \
		-c:a libopus -b:a "$3" -application voip -frame_duration 60 "$2"
}

# phones/: sentences in turn by four voices, and in phones.txt what flite says of
# each: its phones, and when they end in seconds.
mkdir -p phones
rm -f phones/* phones.txt
n=0
while read -r sentence; do
	case $((n % 4)) in 0) voice=slt ;; 1) voice=rms ;; 2) voice=awb ;; 3) voice=kal16 ;; esac
	name=$(printf '%s-%02d' $voice $n)
	echo "$name $(flite -psdur -voice $voice -t "$sentence" -o phones/tmp.wav)" >>phones.txt
	opus phones/tmp.wav "phones/$name.opus" 20k
	rm phones/tmp.wav
	n=$((n + 1))
done <sentences.txt

# voices/: six clips of each of five people.
[ -n "$1" ] || exit 0
mkdir -p voices
rm -f voices/*
for clip in \
	en/agent-alreadyon en/conf-getconfno en/confbridge-unlocked en/pbx-invalid en/priv-recordintro en/vm-toforward \
	es/agent-incorrect es/conf-locked es/demo-nomatch es/invalid es/vm-passchanged es/vm-tomakecall \
	fr/agent-alreadyon fr/conf-invalid fr/demo-thanks fr/dir-nomore fr/vm-newpassword fr/vm-toenternumber \
	it/agent-incorrect it/conf-getpin it/demo-nomatch it/please-try-call-later it/vm-mailboxfull it/vm-toforward \
	ru/agent-alreadyon ru/check-number-dial-again ru/demo-thanks ru/dir-nomatch ru/vm-sorry ru/vm-tohearenv; do
	opus "$1/$clip.flac" "voices/$(echo $clip | tr / -).opus" 16k
done
