"""Writes the fixtures of internal/parquet with pyarrow, in the encodings, compressions and
versions of pages that it has.

    pip install pyarrow==26.0.1
    python tables.py REPOSITORY/internal/parquet/testdata

values.json has what pyarrow reads of each column, as text, null for null.
"""
import base64
import json
import pathlib
import sys

import needs  # noqa: F401, before what it is for

import pyarrow as pa
import pyarrow.parquet as pq

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
n = 40
text = [None if i % 7 == 3 else f"speaker/{i // 9:03d}/utterance-{i:04d}" for i in range(n)]
data = [bytes((i * 31 + j) % 256 for j in range(i % 5 * 3)) for i in range(n)]
table = pa.table(
    {
        "text": pa.array(text),
        "data": pa.array(data, pa.binary()),
        "fixed": pa.array([f"{i:04d}".encode() for i in range(n)], pa.binary(4)),
        "i32": pa.array([i * i - 300 for i in range(n)], pa.int32()),
        "i64": pa.array([None if i == 5 else (-1) ** i * 3**i for i in range(n)], pa.int64()),
        "u32": pa.array([2**32 - 1 - i for i in range(n)], pa.uint32()),
        "f64": pa.array([i / 8 for i in range(n)]),
        "flag": pa.array([i % 3 == 0 for i in range(n)]),
        "nested": pa.array(
            [None if i % 11 == 0 else {"in": None if i % 4 == 0 else {"word": None if i % 3 == 0 else f"w{i}"}} for i in range(n)],
            pa.struct([("in", pa.struct([("word", pa.string())]))]),
        ),
        "list": pa.array([["a", "b"][: i % 3] for i in range(n)]),
    },
    schema=None,
)
# A column that may not be null has no levels.
fields = [f.with_nullable(f.name not in ("data", "fixed", "f64")) for f in table.schema]
table = table.cast(pa.schema(fields))
delta = {"text": "DELTA_BYTE_ARRAY", "data": "DELTA_LENGTH_BYTE_ARRAY", "fixed": "DELTA_BYTE_ARRAY", "i32": "DELTA_BINARY_PACKED", "i64": "DELTA_BINARY_PACKED", "u32": "DELTA_BINARY_PACKED"}
small = dict(row_group_size=15, data_page_size=1, write_batch_size=4)
for name, options in {
    "dictionary-snappy": dict(compression="snappy", data_page_version="1.0"),
    "plain-gzip-v2": dict(compression="gzip", use_dictionary=False, data_page_version="2.0"),
    "delta-zstd": dict(compression="zstd", use_dictionary=False, column_encoding=delta),
    "delta-none-v2": dict(compression="none", use_dictionary=False, column_encoding=delta, data_page_version="2.0", write_page_checksum=True),
    "pages": dict(compression="zstd", write_page_checksum=True, **small),
    "pages-v2": dict(compression="snappy", data_page_version="2.0", write_page_index=True, **small),
    "brotli": dict(compression="brotli"),
    "lz4": dict(compression="lz4"),
}.items():
    options.setdefault("row_group_size", 25)
    pq.write_table(table, out / f"{name}.parquet", store_schema=False, **options)


def show(x):
    if isinstance(x, bytes):
        return base64.b64encode(x).decode()
    return x if x is None else str(x).lower() if isinstance(x, bool) else f"{x:g}" if isinstance(x, float) else str(x)


values = {}
for name in table.column_names:
    column = pq.read_table(out / "pages.parquet")[name].to_pylist()
    if name == "nested":
        column = [((x or {}).get("in") or {}).get("word") for x in column]
    if name != "list":
        values[name] = [show(x) for x in column]
(out / "values.json").write_text(json.dumps(values, indent=None) + "\n")
