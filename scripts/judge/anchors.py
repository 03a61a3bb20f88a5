"""Codecs that everyone knows, on the same recordings in the same run."""
import os
import re
import shutil
import subprocess
import tempfile

import numpy as np

import waves

LEAD = 0.2  # s of silence around what is coded: a codec's delay takes nothing of the recording

# The label of a row, and the programs that it needs.
ANCHORS = {
    "Opus 8 kbit/s": ("opusenc", "opusdec", "opusinfo"),
    "Opus 6 kbit/s": ("opusenc", "opusdec", "opusinfo"),
    "Codec2 3.2 kbit/s": ("c2enc", "c2dec"),
}


def available():
    """The anchors whose programs are installed, and the programs that are missing."""
    missing = {p for programs in ANCHORS.values() for p in programs if not shutil.which(p)}
    return [a for a, programs in ANCHORS.items() if not missing & set(programs)], sorted(missing)


def code(anchor, x):
    """x at waves.RATE coded and decoded, with LEAD before and after it still there, and the rate in kbit/s that the
    codec needed for it without a container."""
    pad = np.zeros(int(LEAD * waves.RATE), np.float32)
    x = np.concatenate([pad, x, pad])
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        if anchor.startswith("Opus"):
            waves.write(path("in.wav"), x)
            kbits = re.search(r"\d+", anchor).group()
            run("opusenc", "--quiet", "--bitrate", kbits, path("in.wav"), path("x.opus"))
            run("opusdec", "--quiet", "--rate", str(waves.RATE), path("x.opus"), path("out.wav"))
            found = re.search(r"w/o overhead: ([\d.]+) kbit/s", run("opusinfo", path("x.opus")))
            if not found:
                raise ValueError("opusinfo names no bitrate without overhead")
            return waves.read(path("out.wav")).samples, float(found.group(1))
        narrow = waves.resample(x, waves.RATE, 8000)
        (np.clip(narrow, -1, 1) * 32767).astype("<i2").tofile(path("in.raw"))
        run("c2enc", "3200", path("in.raw"), path("x.c2"))
        run("c2dec", "3200", path("x.c2"), path("out.raw"))
        decoded = np.fromfile(path("out.raw"), "<i2").astype(np.float32) / 32768
        kbits = os.path.getsize(path("x.c2")) * 8 / (len(narrow) / 8000) / 1000
        return waves.resample(decoded, 8000), kbits


def delay(recordings):
    """How late a codec's outputs are, in samples: the median over (recording, output), as it is the same for all."""
    return int(np.median([waves.delay(x, y) for x, y in recordings]))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("%s: %s" % (command[0], (done.stderr or done.stdout).strip()))
    return done.stdout


def versions():
    """What the programs say of themselves, and Debian of codec2, which says nothing."""
    found = {}
    for program in ("opusenc", "opusdec"):
        if shutil.which(program):
            found[program] = run(program, "--version").splitlines()[0]
    if shutil.which("c2enc"):
        found["codec2"] = "unknown"
        if shutil.which("dpkg-query"):
            done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "codec2"], capture_output=True, text=True)
            found["codec2"] = done.stdout if done.returncode == 0 and done.stdout else "unknown"
    return found
