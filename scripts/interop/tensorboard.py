"""Reads the run of eventrun with both of TensorBoard's loaders, as a user sees it.

    python tensorboard.py FOLDER

Every step must be there once: those up to 20 of the first start, those behind it of
the second. The program's own loader in Python is the only one where the data server
has no binary: on Arm, Windows and Apple silicon.
"""
import json
import subprocess
import sys
import time
import urllib.request

import needs  # noqa: F401, before what it is for

# This file has the package's name: its folder is not to be searched for imports.
sys.path.pop(0)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

want = [(step, step + (1000.0 if step > 20 else 0.0)) for step in range(51)]


def served(folder, fast, port):
    """The scalars that the web page would get."""
    server = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.path.pop(0); from tensorboard.main import run_main; run_main()",
         "--logdir", folder, "--port", str(port), "--load_fast", fast, "--bind_all"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(60):
            time.sleep(1)
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?tag=loss&run=tensorboard")
                rows = json.load(page)
                if rows:
                    return [(int(step), value) for _, step, value in rows]
            except OSError:
                if server.poll() is not None:
                    raise SystemExit(server.stdout.read())
        raise SystemExit("tensorboard serves nothing")
    finally:
        server.terminate()
        server.wait()


folder = sys.argv[1]
accumulator = EventAccumulator(folder + "/tensorboard").Reload()
failed = False
for title, got in (
    ("EventAccumulator", [(e.step, e.value) for e in accumulator.Scalars("loss")]),
    ("the loader in Python", served(folder, "false", 16106)),
    ("the data server", served(folder, "true", 16107)),
):
    fine = got == want
    failed = failed or not fine
    print(f"{title}: {len(got)} points, {'each step once' if fine else 'WRONG: ' + str(got)}")
sys.exit(failed)
