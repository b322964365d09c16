#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault an API server or the way to it can show, against a real session.

    test_faults.py PATH/watch_probe [NAME...]

Each case has its own server and its own session; cases run side by side. A case
asserts what the sink holds during and after the fault, how often was listed, and
that the session closes with every handle given back. Prints `ok N name` or
`not ok N name: why` per case, and `N passed, M failed, K skipped` at the end."""

import concurrent.futures
import os
import shutil
import sys
import tempfile
import time
import traceback

import cases_list
import cases_plain
import cases_protobuf
import cases_server
import cases_watch
import certificates
from world import CASES, Skip, World

# Importing them has entered their cases.
MODULES = (cases_plain, cases_list, cases_watch, cases_server, cases_protobuf)
WORKERS = 10


def run(function, program, certificate_folder):
    world = World(program, certificate_folder)
    started = time.monotonic()
    try:
        note = function(world)
        took = f"{time.monotonic() - started:.1f} s"
        return "ok", f"({took}, {note})" if note else f"({took})"
    except Skip as reason:
        return "skip", str(reason)
    except Exception as error:  # a broken case is a failed one
        where = traceback.extract_tb(error.__traceback__)
        lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in where if "cases_" in f.filename]
        return "not ok", f": {type(error).__name__} at {lines}: {error}"
    finally:
        world.end()


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    program, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    cases = [c for c in CASES if not wanted or c.__name__ in wanted]
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    folder = tempfile.mkdtemp(prefix="faults-ca-")
    try:
        made = certificates.make(folder) if shutil.which("openssl") else None
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            futures = [(c.__name__, pool.submit(run, c, program, made)) for c in cases]
            for number, (name, future) in enumerate(futures, 1):
                outcome, text = future.result()
                counts[outcome] += 1
                print(f"{outcome} {number} {name} {text}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    return 1 if counts["not ok"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
