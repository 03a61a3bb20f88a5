"""Runs the tools that people use beside facodec on its outputs, and facodec on theirs.

    python check.py FACODEC REPOSITORY FOLDER

FACODEC is the program, REPOSITORY the root of this repository, FOLDER an empty one to
work in. Every line is a check; the first that fails ends the run.
"""
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
from importlib.metadata import version

import needs  # noqa: F401, before what it is for

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

facodec, repository, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
clip = repository / "testdata/speech/en.flac"
small = repository / "testdata/small.json"


def run(*args, fails=None, **env):
    r = subprocess.run([facodec, *map(str, args)], capture_output=True, text=True, env={**os.environ, **env})
    if fails is None:
        assert r.returncode == 0, (args, r.stderr)
    else:
        assert r.returncode == 1 and fails in r.stderr and "\n" not in r.stderr.strip(), (args, r.stderr)
    return r.stdout


def check(title, fine=True):
    assert fine, title
    print("  ok ", title)


def codes(checkpoint, name):
    out = work / f"{name}.fac"
    run("encode", clip, "-o", out, "--force", "--checkpoint-path", checkpoint)
    return out.read_bytes()


print(", ".join(f"{name} {version(name)}" for name in ("torch", "safetensors", "huggingface_hub", "tensorboard")))

print("our checkpoints in their libraries")
st, pth = work / "codec.safetensors", work / "codec.pth"
run("weights", "synthesize", "--config", small, st)
run("weights", "convert", st, pth)
ours = load_file(st)
theirs = torch.load(pth, weights_only=True)
flat = {f"{network}.{key}": t for network, state in theirs["net"].items() for key, t in state.items()}
check("safetensors and torch.load(weights_only=True) read the same tensors",
      ours.keys() == flat.keys() and all(torch.equal(ours[k], flat[k]) for k in ours))
with safe_open(st, "pt") as f:
    check("safetensors reads our metadata", json.loads(f.metadata()["config"]) == json.loads(theirs["config"]))

print("their checkpoints in ours")
want = codes(st, "ours")


def same(title, path):
    check(title, codes(path, "theirs") == want)


again = work / "again.pth"
torch.save(theirs, again)
same("written by torch.save", again)
torch.save(theirs, again, _use_new_zipfile_serialization=False)
same("written by torch.save in the older format", again)
config = {"config": theirs["config"]}
for front in ("_orig_mod.", "module._orig_mod.", "model."):
    path = work / "wrapped.safetensors"
    save_file({front + k: v for k, v in ours.items()}, path, metadata=config)
    same(f"names that begin with {front}", path)
path = work / "lightning.ckpt"
torch.save({"state_dict": {"codec." + k: v for k, v in ours.items()}, "epoch": 1, "global_step": 2, "loops": {},
            "pytorch-lightning_version": "2.5", "hyper_parameters": {"path": pathlib.Path("x")}, **config}, path)
same("a checkpoint as of Lightning, with a pathlib.Path", path)
folder = work / "accelerate"
folder.mkdir()
save_file(ours, folder / "model.safetensors", metadata=config)
torch.save({}, folder / "optimizer.bin")
same("a folder as of Accelerate", folder)
folder = work / "sharded"
folder.mkdir()
index = {"metadata": {}, "weight_map": {k: f"model-{i % 3 + 1:05}-of-00003.safetensors" for i, k in enumerate(ours)}}
for shard in set(index["weight_map"].values()):
    save_file({k: v for k, v in ours.items() if index["weight_map"][k] == shard}, folder / shard, metadata=config)
(folder / "model.safetensors.index.json").write_text(json.dumps(index))
same("a checkpoint in three parts", folder)
half = {k: (torch._neg_view(-v) if i % 2 else v.clone().T.contiguous().T) for i, (k, v) in enumerate(ours.items())}
torch.save({"net": {n: {k.split(".", 1)[1]: v for k, v in half.items() if k.startswith(n + ".")} for n in theirs["net"]}, **config}, again)
same("negated and transposed views", again)
torch.save({**theirs, "sparse": torch.eye(3).to_sparse(), "meta": torch.empty(2, device="meta"), "z": torch.ones(2, dtype=torch.complex64)}, again)
same("other kinds of tensors beside the networks", again)
diverged = dict(ours)
name = next(k for k in ours if k.startswith("encoder.") and k.endswith("weight_v"))
diverged[name] = ours[name] * float("nan")
save_file(diverged, path := work / "nan.safetensors", metadata=config)
run("encode", clip, "-o", work / "x.fac", "--checkpoint-path", path, fails=name)
check("NaN is refused, and named")
from torch.distributed.checkpoint import save as dcp_save
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

dcp_save(theirs["net"], checkpoint_id=work / "dcp", no_dist=True)
run("info", work / "dcp", fails="dcp_to_torch_save")
dcp_to_torch_save(work / "dcp", work / "from_dcp.pth")
torch.save({"net": torch.load(work / "from_dcp.pth", weights_only=True), **config}, again)
check("a DCP folder is refused with the name of the function")
same("and what that function makes of it opens", again)

print("one cache with huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
files = {"model.safetensors": st.read_bytes(), "config.yml": small.read_bytes()}


class Hub(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, body):
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        data = files.get(name)
        self.send_response(404 if data is None else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        if data is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            etag = hashlib.sha256(data).hexdigest() if name.endswith("tensors") else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if body and data:
            self.wfile.write(data)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}"
program = """
import sys
from huggingface_hub import hf_hub_download
for name in ("model.safetensors", "config.yml"):
    print(hf_hub_download("org/codec", name, revision=sys.argv[1], local_files_only=sys.argv[2] == "1"))
"""


def python(cache, revision, local, **env):
    r = subprocess.run([sys.executable, "-c", program, revision, local], capture_output=True, text=True,
                       env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1", **env})
    assert r.returncode == 0, r.stderr
    return r.stdout.split()


for title, env in (("links", {}), ("HF_HUB_DISABLE_SYMLINKS", {"HF_HUB_DISABLE_SYMLINKS": "1"})):
    cache = work / f"cache_ours_{len(env)}"
    ours_at = run("download", "hf://models/org/codec@refs/pr/1/model.safetensors", HF_ENDPOINT=endpoint, HF_HUB_CACHE=str(cache), **env).strip()
    check(f"{title}: huggingface_hub finds what we downloaded", python(cache, "refs/pr/1", "1", **env)[0] == ours_at)
    cache = work / f"cache_theirs_{len(env)}"
    theirs_at = python(cache, "main", "0", **env)[0]
    got = run("download", f"{endpoint}/org/codec/blob/main/model.safetensors", HF_ENDPOINT=endpoint, HF_HUB_CACHE=str(cache), HF_HUB_OFFLINE="0", **env).strip()
    check(f"{title}: we find what huggingface_hub downloaded", got == theirs_at)
    left = {p.relative_to(cache).as_posix() for p in cache.rglob("*") if not p.is_dir()}
    other = {p.relative_to(work / f"cache_ours_{len(env)}").as_posix() for p in (work / f"cache_ours_{len(env)}").rglob("*") if not p.is_dir()}
    check(f"{title}: both make the same files", {p.replace("refs/pr/1", "main").replace("refs/main", "main") for p in other} ==
          {p.replace("refs/main", "main") for p in left})
server.shutdown()
