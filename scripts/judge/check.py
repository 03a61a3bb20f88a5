"""What the judges must answer, on the recordings in testdata/speech: python scripts/judge --self-check."""
import math
import os
import tempfile

import numpy as np
import soundfile

import anchors
import metrics
import speaker
import summary
import waves

SPEECH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "testdata", "speech")


def run():
    failures = []

    def check(what, ok, found=""):
        print("%-4s %s%s" % ("ok" if ok else "FAIL", what, "" if found == "" else ": %s" % (found,)), flush=True)
        if not ok:
            failures.append(what)

    judges = metrics.Judges()
    x = waves.read(os.path.join(SPEECH, "en.flac")).samples
    other = waves.read(os.path.join(SPEECH, "it.flac")).samples
    noise = np.random.default_rng(1).normal(size=len(x)).astype(np.float32) * 0.1
    with tempfile.TemporaryDirectory() as folder:
        check_signal(check, judges, x, noise)
        check_files(check, judges, x, folder)
        check_delays(check, judges, x)
        check_silence(check, judges, x, noise)
        check_words(check, judges, x, other)
        check_voices(check, judges, x, other)
        check_summary(check)
    print("%d failed" % len(failures))
    return 1 if failures else 0


def check_signal(check, judges, x, noise):
    same = judges.signal(x, x)
    check("PESQ of the recording itself is 4.64", abs(same["pesq"] - 4.644) < 0.001, same["pesq"])
    check("STOI and ESTOI of the recording itself are 1", min(same["stoi"], same["estoi"]) > 0.9999, same["stoi"])
    check("the f0 of the recording itself correlates", same["f0_correlation"] > 0.9999)
    worse = judges.signal(x, noise)
    check("noise is neither good nor understood", worse["pesq"] < 1.2 and worse["stoi"] < 0.5, "%.2f, %.2f" % (worse["pesq"], worse["stoi"]))
    backwards = judges.signal(x, np.ascontiguousarray(x[::-1]))
    check("speech backwards is not understood", backwards["stoi"] < 0.5 and not backwards["f0_correlation"] > 0.8)
    quiet = judges.signal(x, x * np.float32(0.1))
    check("the level of an output is without effect", abs(quiet["pesq"] - same["pesq"]) < 0.01 and quiet["stoi"] > 0.999)


def check_files(check, judges, x, folder):
    for rate in (24000, 48000, 44100):
        path = os.path.join(folder, "x%d.wav" % rate)
        soundfile.write(path, waves.resample(x, 16000, rate), rate, subtype="FLOAT")
        y = waves.read(path)
        found = judges.signal(x, waves.fit(y.samples, len(x)))
        check("at %d Hz the recording is still the recording" % rate,
              found["pesq"] > 4.6 and found["stoi"] > 0.999 and waves.delay(x, y.samples) == 0
              and abs(y.length - len(x) / 16000) < 0.001, found["pesq"])
    os.makedirs(os.path.join(folder, "deeper"))
    soundfile.write(os.path.join(folder, "deeper", "reconstructed_a.b.wav"), np.stack([x, x], axis=1), 16000, subtype="FLOAT")
    outputs = waves.names(folder)
    check("an output is found by facodec's name", waves.output_of("deeper/a.b", outputs) is not None)
    check("an output is found by its recording's name", waves.output_of("x24000", outputs) is not None)
    check("a missing output is none", waves.output_of("a.b", outputs) is None)
    check("stereo is read as its mean", np.array_equal(waves.read(waves.output_of("deeper/a.b", outputs)).samples, x))
    soundfile.write(os.path.join(folder, "x24000.flac"), x, 16000)
    try:
        waves.names(folder)
        check("two files of one name are an error", False)
    except ValueError:
        check("two files of one name are an error", True)


def check_delays(check, judges, x):
    same = judges.signal(x, x)
    for late in (1, 77, 300, -300, 1000):
        y = waves.shift(x, -late, len(x))
        check("a delay of %d samples is found" % late, waves.delay(x, y) == late, waves.delay(x, y))
    back = judges.signal(x, waves.shift(waves.shift(x, -300, len(x) + 300), 300, len(x)))
    check("taking it out gives the figures without it", back["stoi"] == same["stoi"] and back["pesq"] == same["pesq"])
    late = judges.signal(x, waves.shift(x, -300, len(x)))
    check("STOI does not forgive 19 ms", late["stoi"] < 0.95, late["stoi"])
    longer = judges.signal(x, waves.fit(np.concatenate([x, x]), len(x)))
    check("what follows the recording's end is cut", longer == same)
    half = judges.signal(x, waves.fit(x[:len(x) // 2], len(x)))
    check("half of an output is much worse, and has a value", half["stoi"] < 0.8 and half["pesq"] < 4, half["stoi"])
    names, missing = anchors.available()
    for name in names:
        y, kbits = anchors.code(name, x)
        lead = int(anchors.LEAD * waves.RATE)
        y = waves.shift(y, lead, len(x))
        late = anchors.delay([(x, y)])
        found = judges.signal(x, waves.shift(y, late, len(x)))
        check("%s: rate, delay and STOI are those known" % name,
              abs(kbits - float(name.split()[1])) < 1.3 and (abs(late) < 32 if "Opus" in name else 160 < late < 480)
              and found["stoi"] > 0.75, "%.1f kbit/s, %d samples, STOI %.3f" % (kbits, late, found["stoi"]))
    if missing:
        print("     not installed, not checked: %s" % ", ".join(missing))


def check_silence(check, judges, x, noise):
    zeros = np.zeros_like(x)
    hiss = noise * np.float32(0.001)
    for what, reference in (("zeros", zeros), ("a room's hiss", hiss)):
        found = judges.signal(reference, noise)
        check("nothing is measured against %s" % what, all(v != v for k, v in found.items() if not k.endswith("error")))
    found = judges.signal(x, zeros)
    check("a silent output has no PESQ, STOI 0", found["pesq"] != found["pesq"] and found["stoi"] == 0, found.get("pesq_error"))
    check("a silent output has no DNSMOS, no voice, no words", math.isnan(judges.dnsmos(zeros)["dnsmos"])
          and judges.embed(zeros) is None and judges.words(zeros) == [])
    short = judges.signal(x[16000:16000 + 6000], x[16000:16000 + 6000])
    check("too short for STOI is no value, and not 0.00001", short["stoi"] != short["stoi"], short.get("stoi_error"))
    check("clips of a few samples have no values", all(v != v for v in judges.signal(x[:100], x[:100]).values()))


def check_words(check, judges, x, other):
    first = judges.words(x)
    judges.words(other)
    judges.words(x)
    judges.words(noise_of(other))
    check("the words do not depend on what was heard before", judges.words(x) == first and len(first) > 2, " ".join(first))
    for a, b, errors in (("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b c", "a x c d", 2), ("a", "", 1), ("", "a b", 2)):
        check("word errors of %r for %r" % (b, a), metrics.word_errors(a.split(), b.split()) == errors)
    check("plain words", metrics.plain("It's the(2) Pound, key!") == ["it's", "the", "pound", "key"])


def noise_of(x):
    return np.random.default_rng(2).normal(size=len(x)).astype(np.float32) * 0.2


def check_voices(check, judges, x, other):
    half = len(x) // 2
    a, b, c = judges.embed(x[:half]), judges.embed(x[half:]), judges.embed(other)
    check("a voice is nearer to itself than to another", speaker.similarity(a, b) > speaker.similarity(a, c) + 0.1,
          "%.2f, %.2f" % (speaker.similarity(a, b), speaker.similarity(a, c)))
    whole = judges.embed(x)
    check("an embedding has norm 1, and no entry below 0", abs(np.linalg.norm(whole) - 1) < 1e-5 and whole.min() >= 0)
    check("no voice, no similarity", math.isnan(speaker.similarity(None, whole)))


def check_summary(check):
    s = summary.mean([1.0, 2.0, 3.0, float("nan"), None])
    check("a mean counts failures", s["mean"] == 2 and s["n"] == 3 and s["failed"] == 2)
    check("its interval is Student's", abs(s["ci95"][1] - 2 - 4.302653 / math.sqrt(3)) < 1e-5, s["ci95"])
    check("one value has no interval, none no mean", summary.mean([1.0])["ci95"] is None and summary.mean([])["mean"] is None)
    r = summary.ratio([(1, 4), (0, 6), None])
    check("word errors are over all words", r["mean"] == 0.1 and r["failed"] == 1 and r["words"] == 10)
    rows = {"a": {"stoi": 1.0}, "b": {}}
    check("a missing output fails at everything", summary.summarize(rows, summary.QUALITY)["stoi"]["failed"] == 1)
    check("NaN is null in JSON", summary.clean({"a": [float("nan"), 1.0]}) == {"a": [None, 1.0]})
