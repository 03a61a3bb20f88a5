#!/usr/bin/env python3
"""Compares the metrics of facodec eval with the public judges: do they rank models alike? It takes what judge wrote of
the models' outputs, and what facodec eval --json wrote of each; see README.md beside this file. No packages are needed."""
import argparse
import json
import math
import os
import sys

LEAST = 4  # models, and recordings, that a rank correlation is of


def main():
    p = argparse.ArgumentParser(prog="agreement", description=__doc__)
    p.add_argument("judged", metavar="JUDGED.json", help="of judge --json, with --outputs NAME=DIR for each model")
    p.add_argument("reports", metavar="NAME=EVAL.json", nargs="+", help="of facodec eval --json, a model each, of the same recordings")
    p.add_argument("--judges", default="pesq,dnsmos,similarity", help="the columns, by their names in JUDGED.json (default: %(default)s)")
    args = p.parse_args()
    try:
        print(compare(args.judged, [r.partition("=")[::2] for r in args.reports], args.judges.split(",")))
    except (OSError, ValueError, KeyError) as e:
        print("agreement: %s" % ("a report without %s" % e if isinstance(e, KeyError) else e), file=sys.stderr)
        return 1
    return 0


def compare(judged, reports, judges):
    with open(judged, encoding="utf-8") as f:
        systems = json.load(f)["systems"]
    own = {}  # of models, by recording
    for name, path in reports:
        if name not in systems:
            raise ValueError("%s: no outputs of that name in %s, which has %s" % (name, judged, ", ".join(systems)))
        with open(path, encoding="utf-8") as f:
            own[name] = {os.path.splitext(os.path.basename(file["source"]))[0]: file["metrics"] for file in json.load(f)["files"]}
    if len(own) < LEAST:
        raise ValueError("%d models: ranks of at least %d say something" % (len(own), LEAST))
    theirs = {model: {os.path.basename(name): clip for name, clip in systems[model]["clips"].items()} for model in own}
    clips = sorted(set.intersection(*(set(own[m]) & set(theirs[m]) for m in own)))
    if len(clips) < LEAST:
        raise ValueError("%d recordings that all reports have: want at least %d" % (len(clips), LEAST))
    for judge in judges:
        if not any(judge in clip for clip in theirs[reports[0][0]].values()):
            raise ValueError("%s: no %s of any recording" % (judged, judge))
    metrics = list(next(iter(own[reports[0][0]].values())))
    lines = ["%d models, %d recordings. Rank correlations over models, of means; of single recordings, their mean; and over recordings of a model, their mean."
             % (len(own), len(clips)), "", "| | " + " | ".join(judges) + " |", "|---" * (len(judges) + 1) + "|"]
    for metric in metrics:
        row = []
        for judge in judges:
            a = [[own[m][c].get(metric) for c in clips] for m in own]
            b = [[theirs[m][c].get(judge) for c in clips] for m in own]
            row.append("%s; %s; %s" % tuple(map(shown, (
                correlation([mean(x) for x in a], [mean(x) for x in b]),
                mean([correlation([x[i] for x in a], [x[i] for x in b]) for i in range(len(clips))]),
                mean([correlation(x, y) for x, y in zip(a, b)])))))
        lines.append("| %s | %s |" % (metric, " | ".join(row)))
    return "\n".join(lines)


def shown(x):
    return "—" if x is None else "%.2f" % x


def mean(values):
    values = [v for v in values if v is not None and math.isfinite(v)]
    return sum(values) / len(values) if values else None


def correlation(a, b):
    """Spearman's, of the pairs that are both there; None where there are too few, or all are alike."""
    pairs = [(x, y) for x, y in zip(a, b) if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]
    if len(pairs) < LEAST:
        return None
    a, b = (rank(side) for side in zip(*pairs))
    ma, mb = mean(a), mean(b)
    va, vb = sum((x - ma) ** 2 for x in a), sum((y - mb) ** 2 for y in b)
    if va == 0 or vb == 0:
        return None
    return sum((x - ma) * (y - mb) for x, y in zip(a, b)) / math.sqrt(va * vb)


def rank(values):
    """Ranks, equal values sharing their mean."""
    ordered = sorted(values)
    return [ordered.index(v) + (ordered.count(v) - 1) / 2 for v in values]


if __name__ == "__main__":
    sys.exit(main())
