#!/usr/bin/env python3
"""Measures speech codecs with public judges; see README.md beside this file."""
import argparse
import csv
import fnmatch
import importlib.metadata
import json
import multiprocessing
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def missing():
    """The packages of requirements.txt that this Python does not have."""
    names = []
    with open(os.path.join(HERE, "requirements.txt")) as f:
        for name in re.findall(r"^([\w.-]+)==", f.read(), re.MULTILINE):
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                names.append(name)
    return names


def load_packages():
    """Imports what needs the packages of requirements.txt. It is not done before the command line is read, so that
    --help and usage errors do without them."""
    global anchors, metrics, summary, waves
    if lacking := missing():
        sys.exit("judge: %s lacks %s%s: python3 -m venv judge-venv; judge-venv/bin/pip install --no-deps -r %s; then run "
                 "judge-venv/bin/python %s" % (sys.executable or "this Python", ", ".join(lacking[:3]),
                 " and %d more" % (len(lacking) - 3) if len(lacking) > 3 else "",
                 os.path.join(os.path.relpath(HERE), "requirements.txt"), os.path.relpath(HERE)))
    # One process takes one recording at a time: threads within it would only wait for each other.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    import anchors
    import metrics
    import summary
    import waves


PACKAGES = ["pesq", "pystoi", "speechmos", "pocketsphinx", "Resemblyzer", "praat-parselmouth", "librosa", "soxr",
            "numpy", "scipy", "onnxruntime", "webrtcvad-wheels"]
LATE = 0.010           # s: an output that is later than this on the median clip is reported
OTHER_LENGTH = 0.020   # s: an output that is longer or shorter by more is reported

judges = None


def start():
    global judges
    load_packages()  # where a process does not have its parent's
    judges = metrics.Judges()


def main():
    p = argparse.ArgumentParser(prog="judge", description=__doc__)
    p.add_argument("--references", metavar="DIR", help="folder of recordings")
    p.add_argument("--outputs", metavar="[NAME=]DIR", action="append", default=[],
                   help="folder of outputs, called as their recordings or reconstructed_<name>; may be repeated")
    p.add_argument("--anchors", action="store_true", help="code the recordings with Opus and Codec2, too")
    p.add_argument("--english", metavar="GLOB", default="en/*",
                   help="the names (without extension) whose word error rate is measured (default: %(default)s)")
    p.add_argument("--texts", metavar="TSV", help="name and text of recordings; without it what is understood in the "
                   "recording stands for its text")
    p.add_argument("--conversions", metavar="TSV", help="names of source and reference recording, one pair a line")
    p.add_argument("--converted", metavar="[NAME=]DIR", action="append", default=[],
                   help="folder of converted_<source>_to_<reference>; may be repeated")
    p.add_argument("--reconstructions", metavar="DIR", action="append", default=[],
                   help="the sources' reconstructions by the same codec, one folder for each --converted")
    p.add_argument("--align", action="store_true", help="take the delay out of outputs; without it, it is only reported")
    p.add_argument("--json", metavar="FILE", help="write everything, clip by clip")
    p.add_argument("--markdown", metavar="FILE", help="write the tables there, too")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    p.add_argument("--self-check", action="store_true", help="check the judges on what they must answer, and end")
    args = p.parse_args()
    if not args.references and not args.self_check:
        p.error("--references is missing")
    if bool(args.conversions) != bool(args.converted):
        p.error("--conversions and --converted go together")
    if args.reconstructions and len(args.reconstructions) != len(args.converted):
        p.error("as many --reconstructions as --converted, or none")
    load_packages()
    if args.self_check:
        import check
        return check.run()
    try:
        report, text = judge(args)
    except (OSError, ValueError, RuntimeError) as e:
        print("judge: %s" % e, file=sys.stderr)
        return 1
    print(text)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(summary.clean(report), f, indent=1, ensure_ascii=False)
            f.write("\n")
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    return 0


def judge(args):
    references = waves.names(args.references)
    if not references:
        raise ValueError("%s: no recordings" % args.references)
    texts = read_texts(args.texts, references) if args.texts else {}
    recordings = {name: waves.read(path).samples for name, path in references.items()}
    problems = ["%s: no speech in the recording: nothing is measured" % n for n, x in recordings.items() if not waves.has_speech(x)]
    systems = {"recordings": {"clips": {n: x for n, x in recordings.items()}}}
    for name, folder in named(args.outputs):
        systems[name] = load(name, folder, recordings, args.align, problems)
    if args.anchors:
        found, missing = anchors.available()
        if missing:
            problems.append("not installed, and the anchors of them left out: %s (Debian: opus-tools, codec2)" % ", ".join(missing))
        with multiprocessing.Pool(args.jobs) as pool:
            for anchor in found:
                systems[anchor] = anchored(anchor, recordings, pool)
    pairs = read_pairs(args.conversions, references) if args.conversions else []

    with multiprocessing.Pool(args.jobs, start) as pool:
        jobs = [(name, x, fnmatch.fnmatchcase(name, args.english), texts.get(name),
                 {s: system["clips"].get(name) for s, system in systems.items()}) for name, x in recordings.items()]
        rows = dict(pool.imap_unordered(clip, jobs))
        for s, system in systems.items():
            system["clips"] = {name: rows[name][s] for name in recordings}
            system["metrics"] = summary.summarize(system["clips"], summary.QUALITY)
        conversions = convert(args, pairs, recordings, pool, problems) if pairs else {}

    report = {"versions": versions(), "references": args.references, "systems": systems, "conversions": conversions,
              "word_reference": "texts" if texts else "pocketsphinx on the recording", "problems": problems}
    text = ["%d recordings, %.0f s. Means with 95 %% intervals over them." % (len(recordings), sum(map(len, recordings.values())) / waves.RATE),
            "", summary.table(systems, summary.QUALITY)]
    if any(s["metrics"]["wer"]["n"] for s in systems.values()) and not texts:
        text += ["", "Word error rate: against what pocketsphinx understands in the recording itself; there is no text."]
    if conversions:
        text += ["", "%d conversions:" % len(pairs), "", summary.table(conversions, summary.CONVERSION)]
    if problems:
        text += [""] + ["- " + line for line in problems]
    text += ["", "Versions: " + ", ".join("%s %s" % v for v in report["versions"].items()) + "."]
    return report, "\n".join(text)


def named(values):
    """(name, folder) of [NAME=]DIR."""
    found = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not equals:
            name, folder = os.path.basename(os.path.normpath(value)), value
        if name in found or name in anchors.ANCHORS or name == "recordings":
            raise ValueError("two rows would be called %s: name them, as NAME=DIR" % name)
        if not os.path.isdir(folder):
            raise ValueError("%s: no such folder" % folder)
        found[name] = folder
    return found.items()


def load(system, folder, recordings, align, problems):
    """The outputs of one folder at the recordings' rate and length."""
    outputs, clips, delays = waves.names(folder), {}, []
    for name, x in recordings.items():
        path = waves.output_of(name, outputs)
        if path is None:
            problems.append("%s: no output for %s: failed" % (system, name))
            continue
        wave = waves.read(path)
        if abs(wave.length - len(x) / waves.RATE) > OTHER_LENGTH:
            problems.append("%s: %s is %.3f s long and the recording %.3f: cut, or filled with silence" %
                            (system, path, wave.length, len(x) / waves.RATE))
        clips[name] = wave.samples
        if waves.has_speech(x) and waves.has_speech(wave.samples):
            delays.append(waves.delay(x, wave.samples))
    if not clips:
        raise ValueError("%s: no output of any recording" % folder)
    late = sorted(delays)[len(delays) // 2] if delays else 0
    if abs(late) > LATE * waves.RATE and not align:
        problems.append("%s: the outputs seem to be %.0f ms late, which STOI does not forgive; --align takes it out" %
                        (system, 1000 * late / waves.RATE))
    return {"delay_ms": 1000 * late / waves.RATE, "aligned": align,
            "clips": {n: waves.shift(y, late if align else 0, len(recordings[n])) for n, y in clips.items()}}


def anchored(anchor, recordings, pool):
    """The recordings coded by an anchor, its delay taken out."""
    speech = {n: x for n, x in recordings.items() if waves.has_speech(x)}
    coded = dict(zip(speech, pool.starmap(anchors.code, [(anchor, x) for x in speech.values()])))
    lead = int(anchors.LEAD * waves.RATE)
    late = anchors.delay([(speech[n], waves.shift(y, lead, len(speech[n]))) for n, (y, _) in coded.items()])
    seconds = {n: len(x) / waves.RATE for n, x in speech.items()}
    return {"delay_ms": 1000 * late / waves.RATE, "aligned": True,
            "kbit_s": sum(k * seconds[n] for n, (_, k) in coded.items()) / sum(seconds.values()),
            "clips": {n: waves.shift(y, lead + late, len(speech[n])) for n, (y, _) in coded.items()}}


def clip(job):
    """All systems on one recording: (name, {system: row})."""
    name, x, english, text, outputs = job
    words = (metrics.plain(text) if text else judges.words(x)) if english else None
    voice = judges.embed(x)
    rows = {}
    for system, y in outputs.items():
        row = rows[system] = {"english": english}
        if y is None or not waves.has_speech(x):
            continue
        row.update(judges.signal(x, y), **judges.dnsmos(y))
        row["similarity"] = metrics.speaker.similarity(voice, judges.embed(y))
        if words:
            row["words"] = [metrics.word_errors(words, judges.words(y)), len(words)]
    return name, rows


def convert(args, pairs, recordings, pool, problems):
    """Conversions, and what stands for no conversion and for a perfect one."""
    voices = {}
    for name in recordings:
        voices.setdefault(name.rpartition("/")[0], []).append(name)

    def other(name):
        """The next recording of the same folder, which is a voice."""
        same = voices[name.rpartition("/")[0]]
        return same[(same.index(name) + 1) % len(same)] if len(same) > 1 else None

    systems = {"the sources, not converted": ({(s, r): recordings[s] for s, r in pairs}, None),
               "other recordings of the reference's voice": ({(s, r): recordings[other(r)] for s, r in pairs if other(r)}, None)}
    reconstructed = args.reconstructions or [None] * len(args.converted)
    for (system, folder), again in zip(named(args.converted), reconstructed):
        outputs, found = waves.names(folder), {}
        again = waves.names(again) if again else None
        for source, reference in pairs:
            parent, _, base = source.rpartition("/")
            base = "converted_%s_to_%s" % (base, reference.rpartition("/")[2])
            path = outputs.get((parent + "/" if parent else "") + base) or outputs.get(base)
            if path is None:
                problems.append("%s: no conversion of %s to %s: failed" % (system, source, reference))
                continue
            found[source, reference] = waves.read(path).samples
        systems[system] = found, again
    report = {}
    for system, (found, again) in systems.items():
        jobs = []
        for s, r in pairs:
            path = waves.output_of(s, again) if again else None
            jobs.append((s, r, recordings[s], recordings[r], found.get((s, r)), waves.read(path).samples if path else None,
                         fnmatch.fnmatchcase(s, args.english) and not system.startswith("other recordings")))
        clips = {"%s to %s" % (s, r): row for s, r, row in pool.imap(conversion, jobs)}
        report[system] = {"clips": clips, "metrics": summary.summarize(clips, summary.CONVERSION)}
        for metric in report[system]["metrics"].values():
            if again is None and metric is report[system]["metrics"]["stoi_reconstruction"]:
                metric["failed"] = 0  # not asked
    if report["other recordings of the reference's voice"]["metrics"]["to_reference"]["n"] == 0:
        del report["other recordings of the reference's voice"]
    return report


def conversion(job):
    source, reference, x, target, y, again, english = job
    row = {"english": english}
    if y is not None:
        voice = judges.embed(y)
        row["to_reference"] = metrics.speaker.similarity(voice, judges.embed(target))
        row["to_source"] = metrics.speaker.similarity(voice, judges.embed(x))
        if row["to_reference"] == row["to_reference"] and row["to_source"] == row["to_source"]:
            row["nearer"] = float(row["to_reference"] > row["to_source"])
        y = waves.fit(y, len(x))
        row["f0_correlation"] = metrics.f0_correlation(x, y)
        row.update(judges.dnsmos(y))
        if again is not None:
            row["stoi_reconstruction"] = judges.signal(waves.fit(again, len(x)), y)["stoi"]
        words = judges.words(x) if english else None
        if words:
            row["words"] = [metrics.word_errors(words, judges.words(y)), len(words)]
    return source, reference, row


def read_texts(path, references):
    texts = {}
    for line, row in enumerate(rows(path), 1):
        if len(row) != 2 or row[0] not in references:
            raise ValueError("%s, line %d: want the name of a recording and its text, with a tab between" % (path, line))
        texts[row[0]] = row[1]
    return texts


def read_pairs(path, references):
    pairs = []
    for line, row in enumerate(rows(path), 1):
        if len(row) != 2 or not set(row) <= set(references):
            raise ValueError("%s, line %d: want the names of two recordings of the references, with a tab between" % (path, line))
        pairs.append(tuple(row))
    return pairs


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def versions():
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        found[package] = importlib.metadata.version(package)
    return {**found, **anchors.versions()}


if __name__ == "__main__":
    sys.exit(main())
