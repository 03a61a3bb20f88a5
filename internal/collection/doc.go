// Package collection reads corpora as they are kept and passed on, beside folders of
// files, as a sequence of recordings:
//
//	name          ─► Expand ─► paths ─► Set.Items ─► Item ─► Item.Open ─► samples
//	@list, {0..9}, *           KindOf    (index)     key, speaker, segment
//
//	.tar          WebDataset: the members of a sample share a key
//	.parquet      Hugging Face datasets: an Audio column, struct{bytes, path}
//	.jsonl, .gz   Lhotse: recordings, or cuts with their segments
//	.scp          Kaldi: wav.scp, with segments and utt2spk beside it
//	@list         a path in each line
//
// Everything streams: nothing is unpacked to disk, and memory grows with no shard.
// Where the items of a shard lie is found once and kept in an index, which lies
// beside the outputs and never beside the corpus, so that any item can be opened in
// any order, and as often as is needed.
//
// A corpus is not trusted. A shard that is cut, a broken line, an item that has no
// sound is a [Fault], which names the shard and the key; the rest goes on. Keys become
// names of outputs: they are cleaned ([CleanKey]), so that none leaves its folder, and
// no two items of a Set have the same.
package collection
