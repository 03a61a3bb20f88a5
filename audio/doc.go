// Package audio reads audio files of any sort as mono float32, writes mono WAV
// files, and converts between sample rates.
//
// The signal path is one way through:
//
//	file ─► decode ─► mean over channels ─► resample ─► []float32 ─► WAV
//	        Open      one number per frame   OpenAt      Read         Create
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
// WAV (RIFF, RIFX, RF64) with 8 to 32-bit integers, 32 and 64-bit floats, µ-law
// and A-law, and FLAC (4 to 32 bit) are read by this package itself. So are, with
// the decoders of others inside, MP3, Ogg Vorbis, Ogg Opus, and WebM or Matroska
// with Opus. What a file is, is seen from its first bytes, never from its name.
// Everything else is handed to the ffmpeg program where that is installed; where it
// is not, the error is [ErrNoFFmpeg] and says what the file is, if that is known.
//
// What encoders add at both ends is cut off: a recording comes back as long as it
// was, to the sample, if its file tells (LAME's tag in MP3, which its smallest
// bitrates lack; in Ogg and WebM always). Opus is decoded at 48 kHz.
//
// To ffmpeg go, of these formats: MP3 at 22.05 kHz, MPEG-2.5 (8 to 12 kHz), MP3
// with intensity stereo, of free bitrate, or with a change of rate; Opus and Vorbis
// of more than two channels; Speex and FLAC in Ogg; all but Opus in WebM. In
// Ogg and WebM the first track with sound is the one. Several Ogg recordings in one
// file are read one after the other if codec and rate are the same.
//
// # What is refused
//
// A file that is damaged gives an error and never a quiet guess, since a network
// trained on garbage does not complain: files cut short ([ErrTruncated]), files
// that contradict themselves or their checksums ([ErrCorrupt]), samples that are
// NaN or infinite ([ErrNotFinite]), files without sound ([ErrEmpty]). What can be
// seen from the header and the length of the file is reported by [Open], the rest
// by [Reader.Read]. No file, however made, costs memory out of proportion to its
// size.
//
// Two cases in particular. A WAV whose declared size is not a whole number of
// frames is corrupt; one written to a pipe, which declares no size (0, 0xFFFFFFFF
// and a few more), is read to its end, and a part of a frame there is a cut. What
// ffmpeg decodes is as sound as ffmpeg says: if it ends well, its complaints about
// single damaged blocks are not heard.
//
// MP3 has no checksums to speak of: a flipped bit may be heard and not seen. What
// is seen is a frame that is missing, cut, or none. A first frame that needs earlier
// ones, in a recording cut out of another, is silent. An Ogg stream without a last
// page is cut short, even if it ends between pages.
package audio
