"""Means with 95 % intervals over clips, and the tables of them."""
import math

from scipy import stats

# Columns of the tables: metric, heading, digits.
QUALITY = [("pesq", "PESQ-WB", 2), ("stoi", "STOI", 3), ("estoi", "ESTOI", 3), ("dnsmos", "DNSMOS overall", 2),
           ("dnsmos_signal", "DNSMOS signal", 2), ("wer", "word error rate", 3), ("f0_correlation", "f0 correlation", 3),
           ("similarity", "speaker similarity", 3)]
CONVERSION = [("to_reference", "similarity to the reference", 3), ("to_source", "to the source", 3),
              ("nearer", "nearer to the reference", 2), ("f0_correlation", "f0 correlation with the source", 3),
              ("stoi_reconstruction", "STOI against the reconstruction", 3), ("dnsmos", "DNSMOS overall", 2),
              ("wer", "word error rate", 3)]


def mean(values):
    """Mean and 95 % interval by Student's t; what is not finite is left out and counted."""
    found = [v for v in values if v is not None and math.isfinite(v)]
    n = len(found)
    out = {"mean": None, "ci95": None, "n": n, "failed": len(values) - n}
    if n:
        out["mean"] = sum(found) / n
    if n > 1:
        spread = sum((v - out["mean"]) ** 2 for v in found) / (n - 1)
        half = float(stats.t.ppf(0.975, n - 1)) * math.sqrt(spread / n)
        out["ci95"] = [out["mean"] - half, out["mean"] + half]
    return out


def ratio(pairs):
    """Word errors by words of all clips together, its interval by the ratio estimator; pairs of None are failures."""
    found = [p for p in pairs if p is not None and p[1] > 0]
    n, words = len(found), sum(p[1] for p in found)
    out = {"mean": None, "ci95": None, "n": n, "failed": len(pairs) - n, "words": words}
    if n:
        out["mean"] = sum(p[0] for p in found) / words
    if n > 1:
        spread = sum((e - out["mean"] * w) ** 2 for e, w in found) / (n - 1)
        half = float(stats.t.ppf(0.975, n - 1)) * math.sqrt(spread / n) / (words / n)
        out["ci95"] = [out["mean"] - half, out["mean"] + half]
    return out


def summarize(clips, columns):
    """{metric: summary} of {clip: row}. A row without a metric failed at it; without "english", wer is not asked."""
    out = {}
    for metric, _, _ in columns:
        if metric == "wer":
            out[metric] = ratio([row.get("words") for row in clips.values() if row.get("english")])
        else:
            out[metric] = mean([row.get(metric) for row in clips.values()])
    return out


def table(systems, columns):
    """Markdown: a row for each system, mean ± half of the interval, and how many clips failed."""
    used = [c for c in columns if any(s["metrics"][c[0]]["n"] or s["metrics"][c[0]]["failed"] for s in systems.values())]
    rated = any("kbit_s" in s for s in systems.values())
    headings = ["kbit/s"] * rated + [h for _, h, _ in used]
    lines = ["| | " + " | ".join(headings) + " |", "|" + "---|" * (len(headings) + 1)]
    for name, system in systems.items():
        cells = [name] + ["%.1f" % system["kbit_s"] if "kbit_s" in system else ""] * rated
        lines.append("| " + " | ".join(cells + [cell(system["metrics"][m], d) for m, _, d in used]) + " |")
    return "\n".join(lines)


def cell(s, digits):
    if not s["n"] and not s["failed"]:
        return ""
    text = "none" if s["mean"] is None else "%.*f" % (digits, s["mean"])
    if s["ci95"]:
        text += " ± %.*f" % (digits, (s["ci95"][1] - s["ci95"][0]) / 2)
    return text + (" (%d of %d failed)" % (s["failed"], s["n"] + s["failed"]) if s["failed"] else "")


def clean(node):
    """JSON has no NaN: null."""
    if isinstance(node, dict):
        return {k: clean(v) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return [clean(v) for v in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
