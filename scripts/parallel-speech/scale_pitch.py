#!/usr/bin/env python3
"""Adds to Kokoro an input, f0_scale, that multiplies the pitch that it has predicted, and that pitch,
in Hz, as an output."""
import argparse
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("source", metavar="IN.onnx", help="Kokoro, as setup.sh brings it")
parser.add_argument("target", metavar="OUT.onnx", help="the file to write")
args = parser.parse_args()

try:  # after the command line is read: --help does without
    import onnx
    from onnx import TensorProto, helper
except ModuleNotFoundError as error:
    sys.exit(f"{sys.argv[0]}: no Python package {error.name}; setup.sh installs it, and runs this")

PITCH = "/encoder/F0_proj/Conv_output_0"

model = onnx.load(args.source)
graph = model.graph
made = [i for i, node in enumerate(graph.node) if PITCH in node.output]
if not made:
    sys.exit(f"{args.source}: no {PITCH}; this is another export of Kokoro than setup.sh brings")
for node in graph.node:
    for i, name in enumerate(node.input):
        if name == PITCH:
            node.input[i] = "f0"
graph.node.insert(made[0] + 1, helper.make_node("Mul", [PITCH, "f0_scale"], ["f0"], name="scale_f0"))
graph.input.append(helper.make_tensor_value_info("f0_scale", TensorProto.FLOAT, [1]))
graph.output.append(helper.make_tensor_value_info("f0", TensorProto.FLOAT, None))
onnx.save(model, args.target)
