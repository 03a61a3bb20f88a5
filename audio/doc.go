// Package audio reads audio files of any sort as float32, mono or with their channels,
// writes WAV, FLAC, MP3 and Opus files, and converts between sample rates.
//
// The signal path is one way through:
//
//	file ─► decode ─► mean over channels ─► resample ─► []float32 ─► resample ─► file
//	        Open      one number per frame   OpenAt      Read          CreateWith
//
// Everything streams. A [Reader], a [Resampler] and a [Writer] hold a few
// milliseconds of sound each, so an hour takes no more memory than a second:
//
//	r, err := audio.OpenAt("talk.flac", 24000)
//	if err != nil {
//		return err // names the file and what is wrong with it
//	}
//	defer r.Close()
//	w, err := audio.Create("talk.wav", 24000, audio.S16)
//	if err != nil {
//		return err
//	}
//	defer w.Discard() // does nothing after Commit
//	buf := make([]float32, 4096)
//	for {
//		n, err := r.Read(buf)
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err
//		}
//		if err := w.Write(buf[:n]); err != nil {
//			return err
//		}
//	}
//	return w.Commit() // until here talk.wav does not exist
//
// # Units
//
// A sample is a float32 with full scale at ±1: a 16-bit sample s is s/32768.
// A frame is one sample of every channel; after the mean over channels a frame
// is a sample. Rates are in Hz, [MinRate] to [MaxRate].
//
// # What is read
//
// WAV (RIFF, RIFX, RF64, BW64) with 8 to 32-bit integers, 32 and 64-bit floats, µ-law
// and A-law, and FLAC (4 to 32 bit) are read by this package itself. So are, with
// the decoders of others inside, MP3, Ogg Vorbis, Ogg Opus, and WebM or Matroska
// with Opus. What a file is, is seen from its first bytes, never from its name.
// Everything else is handed to the ffmpeg program where that is installed; where it
// is not, the error is [ErrNoFFmpeg] and says what the file is, if that is known.
// ffmpeg may take a file for formats of single recordings alone, and opens nothing but
// that file.
//
// What encoders add at both ends is cut off: a recording comes back as long as it
// was, to the sample, if its file tells (LAME's tag in MP3, which its smallest
// bitrates lack; the tables of MP4 and M4A, in a stream if they come before the sound
// and it is not in fragments; in Ogg and WebM always). Opus is decoded at 48 kHz.
// The decoder of MP3 works with 16 bits: what it makes is 73 to 78 dB from what ffmpeg
// makes, below what can be heard, where the others here are beyond 130 dB. At 24 kHz it
// measures 75 dB from LAME and libmad, and 29 to 42 dB from ffmpeg up to 5.1, which is
// wrong there (findings/ffmpeg-mp3-24khz.sh).
//
// To ffmpeg go, of these formats: MP3 at 22.05 kHz, MPEG-2.5 (8 to 12 kHz), MP3
// with intensity stereo, of free bitrate, or with a change of rate; Opus and Vorbis
// of more than two channels; Speex and FLAC in Ogg; all but Opus in WebM. In
// Ogg and WebM the first track with sound is the one. Several Ogg recordings in one
// file are read one after the other, at the rate of the first.
//
// # What is odd
//
// Files are decoded as the reference decoder of their format would, and what is odd
// about one is told by [Reader.Notices]; with [Options] a reader is strict instead, and
// takes it for an error. Odd are: bytes before, between and behind the pages of Ogg and
// the frames of MP3; page numbers with holes, if the counts on the pages say that no
// sound is missing; an Ogg stream without a last page; a last MP3 frame cut short, of
// which what is there is decoded; fewer MP3 frames than the tag tells of, as in a
// recording that was trimmed, or cut short; in WAV a part of a frame at the end, sizes
// that differ in RF64 (the ds64 chunk is right), an ID3 tag before it, and float samples
// beyond 4 times full scale, as of integers that were written as floats; bytes behind
// the end of FLAC and WebM; counts of Ogg that would cut off what is sound. Players' tags
// behind the sound (ID3, APE, Lyrics3) are nothing odd in MP3 and FLAC.
//
// # What is refused
//
// Where sound is lost there is an error and never a quiet guess, since a network
// trained on garbage does not complain: files cut short ([ErrTruncated]), files
// that contradict themselves or their checksums ([ErrCorrupt]), samples that are
// NaN or infinite ([ErrNotFinite]), files without sound ([ErrEmpty]), a file that
// another has replaced where it is read twice ([ErrChanged]). What can be seen from the
// header and the length of the file is reported by [Open], the rest by [Reader.Read].
// No file, however made, costs memory out of proportion to its size.
//
// Archives and tables of many files, and lists of files and addresses, are no
// recordings, and are refused by name before any decoder sees them ([ErrUnsupported]).
// So are samples of 24 bits in 4 bytes in WAV, which programs take for different things.
//
// What ffmpeg decodes is as sound as ffmpeg says: if it ends well, its complaints about
// single damaged blocks are not heard.
//
// MP3 has no checksums to speak of: a flipped bit may be heard and not seen. What
// is seen is a frame that is missing. A first frame that needs earlier ones, in a
// recording cut out of another, is silent.
//
// # What is written
//
// [CreateWith] takes the format from the file's extension: WAV and FLAC by this package,
// MP3 and Opus through ffmpeg. All are written aside and put in place whole, and are
// read again as long as they were written, to the sample.
package audio
