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
    reports = {}
    for report in args.reports:
        name, _, path = report.partition("=")
        if not path:
            p.error("%s: give NAME=EVAL.json, the name that judge was given for the outputs" % report)
        if name in reports:
            p.error("%s: two reports of that name" % name)
        reports[name] = path
    if len(reports) < LEAST:
        p.error("%d models: ranks of at least %d say something" % (len(reports), LEAST))
    try:
        print(compare(args.judged, reports, [judge.strip() for judge in args.judges.split(",") if judge.strip()]))
    except (OSError, ValueError) as e:
        print("agreement: %s" % e, file=sys.stderr)
        return 1
    return 0


def read(path, take):
    """What take makes of a JSON file."""
    try:
        with open(path, encoding="utf-8") as f:
            return take(json.load(f))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise ValueError("%s: not the report that is wanted here: %s" % (path, e if isinstance(e, ValueError) else repr(e))) from e


def numbers(values):
    """The finite numbers of a table of them."""
    return {k: float(v) for k, v in values.items() if isinstance(v, (int, float)) and math.isfinite(v)}


def compare(judged, reports, judges):
    theirs = read(judged, lambda r: {name: {clip: numbers(values or {}) for clip, values in system["clips"].items()}
                                     for name, system in r["systems"].items()})
    own = {}  # of models, by recording
    for name, path in reports.items():
        if name not in theirs:
            raise ValueError("%s: no outputs of that name in %s, which has %s" % (name, judged, ", ".join(theirs)))
        measured = read(path, lambda r: {os.path.splitext(os.path.abspath(file["source"]))[0]: numbers(file["metrics"]) for file in r["files"]})
        own[name] = {clip: found for clip in theirs[name] if (found := of_clip(clip, measured)) is not None}
    clips = sorted(set.intersection(*map(set, own.values())))
    if len(clips) < LEAST:
        raise ValueError("%d recordings that all reports have: want at least %d" % (len(clips), LEAST))
    known = set().union(*(theirs[m][c] for m in own for c in clips))
    for judge in judges:
        if judge not in known:
            raise ValueError("%s: no %s of these recordings; it has %s" % (judged, judge, ", ".join(sorted(known))))
    lines = ["%d models, %d recordings. Rank correlations (Spearman): over models, of their means; over models, of single recordings, the mean of these;"
             % (len(own), len(clips)), "over the recordings of a model, the mean of these. Distances and errors that agree have -1, the others 1.", "",
             "| | " + " | ".join(judges) + " |", "|---" * (len(judges) + 1) + "|"]
    for metric in sorted(set().union(*(own[m][c] for m in own for c in clips))):
        row = []
        for judge in judges:
            # A recording that has not both numbers of every model would move the means of some of them.
            both = [c for c in clips if all(metric in own[m][c] and judge in theirs[m][c] for m in own)]
            a = [[own[m][c][metric] for c in both] for m in own]
            b = [[theirs[m][c][judge] for c in both] for m in own]
            row.append("%s; %s; %s" % tuple(map(shown, (
                correlation([mean(x) for x in a], [mean(x) for x in b]),
                mean([correlation([x[i] for x in a], [x[i] for x in b]) for i in range(len(both))]),
                mean([correlation(x, y) for x, y in zip(a, b)])))))
        lines.append("| %s | %s |" % (metric, " | ".join(row)))
    return "\n".join(lines)


def of_clip(clip, measured):
    """The metrics of a recording that the judges call by its path in their folder, without its extension."""
    found = [metrics for path, metrics in measured.items() if path.endswith(os.sep + clip.replace("/", os.sep))]
    return found[0] if len(found) == 1 else None


def shown(x):
    return "—" if x is None else "%.2f" % x


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else None


def correlation(a, b):
    """Spearman's; None of too few, or where all are alike."""
    if len(a) < LEAST or None in a:
        return None
    a, b = rank(a), rank(b)
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
