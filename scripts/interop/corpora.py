"""Writes the fixtures of internal/collection with the tools that people keep corpora with.

    pip install webdataset==1.0.2 datasets==5.2.0 pyarrow==26.0.1 lhotse==1.33.0 soundfile==0.14.0
    python corpora.py REPOSITORY/testdata/speech REPOSITORY/internal/collection/testdata

Pieces of 0.4 s of the recordings in testdata/speech, whose LICENSE.md holds for them, as:

    wav/            loose files of three speakers, what all others are compared with
    shard-00000{0,1}.tar   webdataset: FLAC and JSON, as Emilia has MP3 and JSON
    mp3.tar         webdataset: an MP3
    audio.parquet   datasets: an Audio column, and who speaks
    pages.parquet   pyarrow: several groups of rows, a page for each row, zstd
    recordings.jsonl.gz, cuts.jsonl.gz   lhotse: the loose files; segments of them

Kaldi's files are written by hand, by its documentation of data preparation.
"""
import io
import json
import os
import pathlib
import sys

import needs  # noqa: F401, before what it is for

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import webdataset
from datasets import Audio, Dataset
from lhotse import MonoCut, Recording, RecordingSet, SupervisionSegment
from lhotse.audio import AudioSource
from lhotse.cut import CutSet

speech, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
(out / "wav").mkdir(parents=True, exist_ok=True)
rate = 16000
keys, pieces, speakers = [], [], []
for name in ["en", "es", "fr"]:
    x, native = soundfile.read(speech / f"{name}.flac")
    assert native == rate, native
    for i in range(2):
        keys.append(f"{name}_{i}")
        speakers.append(name)
        pieces.append((x[8000 * i + 8000 :][:6400] * 32768).round().astype(np.int16))


def encode(x, format, **kw):
    b = io.BytesIO()
    soundfile.write(b, x, rate, format=format, **kw)
    return b.getvalue()


for key, x in zip(keys, pieces):
    soundfile.write(out / "wav" / f"{key}.flac", x, rate)

with webdataset.ShardWriter(str(out / "shard-%06d.tar"), maxcount=3, verbose=0) as w:
    for i, (key, x) in enumerate(zip(keys, pieces)):
        meta = {"id": key, "speaker": speakers[i], "duration": len(x) / rate, "text": "…"}
        w.write({"__key__": f"{speakers[i]}/{key}", "flac": encode(x, "FLAC"), "json": json.dumps(meta).encode()})
with webdataset.TarWriter(str(out / "mp3.tar")) as w:
    w.write({"__key__": "EN_B00000_S00000_W000000", "mp3": encode(pieces[0], "MP3"), "json": {"speaker": "EN_B00000_S00000"}})

table = Dataset.from_dict(
    {"audio": [{"bytes": encode(x, "FLAC"), "path": f"{k}.flac"} for k, x in zip(keys, pieces)], "speaker": speakers}
).cast_column("audio", Audio(decode=False))
table.to_parquet(str(out / "audio.parquet"))

rows = [{"bytes": encode(x, "FLAC"), "path": None} for x in pieces[:5]] + [None]
pq.write_table(
    pa.table({"n": list(range(6)), "audio": pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())])), "who": [7, 7, 8, 8, 9, 9]}),
    out / "pages.parquet", row_group_size=3, data_page_size=1, write_batch_size=1, compression="zstd", write_page_index=True, data_page_version="2.0",
)

recordings = []
for key, x in zip(keys, pieces):
    source = AudioSource(type="file", channels=[0], source=f"wav/{key}.flac")
    recordings.append(Recording(id=key, sources=[source], sampling_rate=rate, num_samples=len(x), duration=len(x) / rate))
RecordingSet.from_recordings(recordings).to_file(out / "recordings.jsonl.gz")
cuts = []
for r, who in zip(recordings, speakers):
    for i, (start, duration) in enumerate([(0.0, 0.15), (0.15003125, 0.2)]):
        sup = SupervisionSegment(id=f"{r.id}-{i}", recording_id=r.id, start=0.0, duration=duration, channel=0, speaker=who, text="…")
        cuts.append(MonoCut(id=f"{who}/{r.id}-{i}", start=start, duration=duration, channel=0, recording=r, supervisions=[sup]))
cuts = CutSet.from_cuts(cuts)
cuts.to_file(out / "cuts.jsonl.gz")
# A mixed cut is refused: it is not a part of a recording, but computed.
CutSet.from_cuts([cuts[0].append(cuts[1])]).to_file(out / "mixed.jsonl")
os.chdir(out)  # where the paths in the manifests lead from
# How many samples, and which, lhotse itself takes of the second cut.
expected = cuts[1].load_audio()[0]
pathlib.Path("expected.json").write_text(json.dumps({"key": cuts[1].id, "samples": len(expected), "first": int(round(expected[0] * 32768)), "last": int(round(expected[-1] * 32768))}) + "\n")
