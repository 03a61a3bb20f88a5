"""Writes the fixtures of internal/weights with the tools that people use.

    python fixtures.py FOLDER

The files are what torch.save and safetensors write; expected.json has the values
that torch itself reads back. See interop.sh for the versions.
"""
import collections
import json
import pathlib
import sys

import needs  # noqa: F401, before what it is for

import torch
from safetensors.torch import save_file
from torch.nn.parameter import Parameter

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

# Tensors that are numbers, whatever their type or view.
z = torch.complex(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, -5.0, 6.0]))
bytes_ = torch.arange(256, dtype=torch.uint8)
numbers = {
    "neg": z.conj().imag,  # a negated view
    "neg_whole": torch._neg_view(torch.tensor([[1.0, -2.0], [3.0, 0.5]])),
    "neg_half": torch._neg_view(torch.tensor([1.0, -2.0], dtype=torch.float16)),
    "neg_strided": torch._neg_view(torch.arange(6.0).reshape(2, 3).T),
    "imag": torch.complex(torch.tensor([7.0, 8.0]), torch.tensor([9.0, 10.0])).imag,
    "uint16": torch.tensor([0, 1, 65535], dtype=torch.uint16),
    "uint32": torch.tensor([0, 1, 2**32 - 1], dtype=torch.uint32),
    "uint64": torch.tensor([0, 1, 2**63 + 2048], dtype=torch.uint64),
    "parameter": Parameter(torch.tensor([1.5, -2.5])),
    "parameter_with_state": Parameter(torch.tensor([0.25])),
    "with_attribute": torch.tensor([3.25]),
    "slice": torch.arange(10.0)[2:8:2],
}
numbers["parameter_with_state"].note = "x"
numbers["with_attribute"].note = "x"
for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"):
    numbers[name] = bytes_.clone().view(getattr(torch, name))

# Tensors that are carried without values.
dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
opaque = {
    "complex64": torch.tensor([1 + 2j]),
    "complex128": torch.tensor([1 + 2j], dtype=torch.complex128),
    "complex_conj": torch.tensor([1 + 2j]).conj(),
    "sparse_coo": dense.to_sparse(),
    "sparse_csr": dense.to_sparse_csr(),
    "sparse_bsc": torch.eye(4).to_sparse_bsc((2, 2)),
    "meta": torch.empty(2, 3, device="meta"),
    "quantized": torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8),
    "quantized_channels": torch.quantize_per_channel(dense, torch.tensor([0.1, 0.2]), torch.tensor([0, 0]), 0, torch.quint8),
    "bits8": bytes_[:4].clone().view(torch.bits8),
    "float4": bytes_[:4].clone().view(torch.float4_e2m1fn_x2),
}
# Values beside the tensors.
values = {
    "layout": torch.sparse_coo,
    "strided": torch.strided,
    "dtype": torch.bfloat16,
    "dtypes": [torch.uint16, torch.complex64, torch.float8_e5m2, torch.quint8],
    "scheme": torch.per_tensor_affine,
    "size": torch.Size([1, 2]),
    "device": torch.device("cuda:1"),
    "bytearray": bytearray(b"\x00\xff"),
    "bytes": b"\x00\xff",
    "complex": 1 + 2j,
    "set": {1, 2},
    "ordered": collections.OrderedDict(a=1),
    "counter": collections.Counter("aab"),
    "surrogate": "caf\udce9.wav",
    "big": 1 << 80,
    "none": None,
    "iters": 7,
}
refused = {"defaultdict": collections.defaultdict(int, a=1)}  # torch.load refuses it, though it holds no code

torch.save({"net": {"encoder": {**numbers, **opaque}}, **values}, out / "kinds.pth")
torch.save({"net": {"encoder": {"a": torch.ones(1)}}, **refused}, out / "defaultdict.pth")
state = {"net": {"encoder": {k: v for k, v in numbers.items() if not k.startswith(("uint", "float8"))}}}
torch.save(state, out / "kinds_legacy.pth", _use_new_zipfile_serialization=False)


def listed(t):
    t = t.detach().resolve_neg()
    t = t.to(torch.int64) if t.dtype == torch.uint32 else t
    return [str(v) for v in t.flatten().tolist()]


loaded = torch.load(out / "kinds.pth", weights_only=True)["net"]["encoder"]
expected = {
    "numbers": {k: {"shape": list(loaded[k].shape), "values": listed(loaded[k].float() if "float8" in k else loaded[k])} for k in numbers},
    "opaque": {k: list(v.shape) for k, v in opaque.items()},
}
(out / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")

# Safetensors: every type that torch and the library share.
types = {k: v for k, v in numbers.items() if k.startswith(("uint", "float8"))}
types |= {"complex64": torch.tensor([1 + 2j, 3 - 4j]), "float4": bytes_[:4].clone().view(torch.float4_e2m1fn_x2)}
save_file(types, out / "types.safetensors")

# What wrapping puts into names, and containers around the networks.
names = ("encoder.block.0.weight", "decoder.block.0.weight", "quantizer.q.0.weight")


def weights(front="", rename=lambda n: n):
    return {front + rename(n): torch.full((1,), float(i)) for i, n in enumerate(names)}


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.block = torch.nn.ModuleList([torch.nn.Linear(1, 1, bias=False)])


class Codec(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Block(), Block()
        for i, n in enumerate((self.encoder, self.decoder)):
            torch.nn.init.constant_(n.block[0].weight, float(i))


codec = Codec()
codec.encoder.block[0] = torch.compile(codec.encoder.block[0])
codec.decoder = torch.compile(torch.nn.DataParallel(codec.decoder))
whole = torch.nn.DataParallel(torch.compile(codec))
save_file({k: v.contiguous() for k, v in whole.state_dict().items()}, out / "wrapped.safetensors")
torch.save({"state_dict": weights("model."), "epoch": 3, "global_step": 12, "pytorch-lightning_version": "2.5.0",
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(1)}}}]}, out / "lightning.ckpt")
torch.save({"module": weights(), "optimizer": None, "global_steps": 5}, out / "deepspeed.pt")
torch.save({"model": {"encoder": {"a": torch.ones(1)}, "decoder": {"a": torch.ones(1)}}, "epoch": 1}, out / "model_of_networks.pt")

# A folder of accelerate: what is no network lies beside the model.
folder = out / "accelerate"
folder.mkdir(exist_ok=True)
save_file(weights(), folder / "model.safetensors", metadata={"format": "pt"})
torch.save({"state": {}, "param_groups": []}, folder / "optimizer.bin")
torch.save({"last_epoch": 0}, folder / "scheduler.bin")

# One that is split, in both forms.
for kind, ending in (("sharded", "safetensors"), ("sharded_bin", "bin")):
    folder = out / kind
    folder.mkdir(exist_ok=True)
    stem = "model" if ending == "safetensors" else "pytorch_model"
    index = {"metadata": {"total_size": 12}, "weight_map": {}}
    for i, (name, t) in enumerate(weights().items()):
        shard = f"{stem}-{i % 2 + 1:05}-of-00002.{ending}"
        index["weight_map"][name] = shard
    for shard in sorted(set(index["weight_map"].values())):
        part = {n: t for n, t in weights().items() if index["weight_map"][n] == shard}
        if ending == "safetensors":
            save_file(part, folder / shard, metadata={"format": "pt"})
        else:
            torch.save(part, folder / shard)
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index, indent=2) + "\n")
