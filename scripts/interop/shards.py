"""Reads what facodec extract writes with --format webdataset and parquet, with the tools
that people train with, and compares it with --format npz.

    pip install webdataset==1.0.2 datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
    python shards.py FACODEC REPOSITORY
"""
import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import needs  # noqa: F401, before what it is for

import datasets
import numpy as np
import pandas
import pyarrow.parquet as pq
import webdataset

facodec, root = sys.argv[1], pathlib.Path(sys.argv[2])
tmp = tempfile.TemporaryDirectory()
work = pathlib.Path(tmp.name)

def extract(source, name, *args):
    out = work / name
    subprocess.run([facodec, "extract", "--quiet", "--source", source, "--output-dir", out, *args], check=True)
    return out


corpus = str(root / "internal/collection/testdata/shard-{000000..000001}.tar")
for what in ["codes,timbre", "codes,timbre,float16"]:
    tag = what.replace(",", "-")
    npz = extract(corpus, f"npz-{tag}", "--what", what)
    want = {str(p.relative_to(npz))[:-4]: dict(np.load(p)) for p in sorted(npz.rglob("*.npz"))}
    assert len(want) == 6, want.keys()

    def same(key, got, speaker):
        assert speaker == key.split("/")[0], (key, speaker)
        for name, x in want[key].items():
            y = np.asarray(got[name])
            assert y.shape == x.shape, (key, name, y.shape, x.shape)
            assert (y.astype(x.dtype) == x).all(), (key, name)

    tar = extract(corpus, f"tar-{tag}", "--what", what, "--format", "webdataset", "--max-shard-size", "10KB")
    shards = sorted(map(str, tar.glob("codes-*.tar")))
    assert len(shards) > 1, shards
    seen = []
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode():
        assert sample["json"]["key"] == sample["__key__"]
        same(sample["__key__"], sample["npz"], sample["json"]["speaker"])
        seen.append(sample["__key__"])
    assert seen == list(want), seen
    print("webdataset", webdataset.__version__, len(seen), "samples in", len(shards), "shards")

    tables = extract(corpus, f"parquet-{tag}", "--what", what, "--format", "parquet", "--max-shard-size", "10KB")
    files = sorted(map(str, tables.glob("codes-*.parquet")))
    assert len(files) > 1, files
    for f in files:
        pq.ParquetFile(f, page_checksum_verification=True).read().validate(full=True)
    rows = pq.read_table(files).to_pylist()
    frames = [dict(r) for r in pandas.concat(map(pandas.read_parquet, files)).to_dict("records")]
    hf = list(datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(work / "cache")))
    stream = list(datasets.load_dataset("parquet", data_files=files, split="train", streaming=True))
    for tool, got in {"pyarrow": rows, "pandas": frames, "datasets": hf, "datasets, streamed": stream}.items():
        assert [r["key"] for r in got] == list(want), tool
        for r in got:
            for name in list(want[r["key"]]):  # pandas has arrays of arrays
                if name != "timbre":
                    r[name] = np.stack([np.asarray(b) for b in r[name]])
            same(r["key"], r, r["speaker"])
            assert r["frames"] == r["codes_prosody"].shape[1] and r["sample_rate"] == 24000 and r["model"], r
        print(tool, len(got), "rows")

# datasets reads the shards, too: JSON as it is, arrays as bytes.
got = list(datasets.load_dataset("webdataset", data_files=shards, split="train", cache_dir=str(work / "cache")))
assert [g["__key__"] for g in got] == list(want) and got[0]["json"]["speaker"] == "en", got[0].keys()
print("datasets, webdataset", len(got), "samples")
