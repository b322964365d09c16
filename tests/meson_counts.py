#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts of a `meson test` run from its JSON log: cmocka's own cases where a
program reports them, else one per program. Output of what failed is shown."""

import json
import re
import sys

CASES = {
    "passed": re.compile(r"^\[  PASSED  \] (\d+) test", re.M),
    "failed": re.compile(r"^\[  FAILED  \] (\d+) test", re.M),
    "skipped": re.compile(r"^\[  SKIPPED \] (\d+) test", re.M),
}


def count(test):
    text = test.get("stdout", "") + "\n" + test.get("stderr", "")
    found = {key: sum(int(n) for n in pattern.findall(text)) for key, pattern in CASES.items()}
    result = test["result"]
    if result in ("OK", "EXPECTEDFAIL"):
        if not any(found.values()):
            found["passed"] = 1
    elif result == "SKIP":
        found = {"passed": 0, "failed": 0, "skipped": 1}
    elif not found["failed"]:
        found["failed"] = 1  # a crash, a sanitizer or the time limit
    return found, text


def main():
    totals = dict.fromkeys(CASES, 0)
    try:
        with open(sys.argv[1]) as f:
            tests = [json.loads(line) for line in f if line.strip()]
    except FileNotFoundError:
        tests = []
    if not tests:
        print("not ok meson test - it ran nothing")
        totals["failed"] = 1
    for test in tests:
        found, text = count(test)
        for key in totals:
            totals[key] += found[key]
        if found["failed"]:
            print("not ok %s - %s" % (test["name"], test["result"]))
            print("\n".join("    " + line for line in text.strip().splitlines()[-40:]))
        else:
            print("ok %s (%.1f s)%s" % (test["name"], test["duration"], " # SKIP" if test["result"] == "SKIP" else ""))
    print("%d passed, %d failed, %d skipped" % tuple(totals[k] for k in ("passed", "failed", "skipped")))
    sys.exit(1 if totals["failed"] else 0)


if __name__ == "__main__":
    main()
