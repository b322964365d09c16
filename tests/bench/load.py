# SPDX-License-Identifier: Apache-2.0
"""dnsperf on its core: how much a server answers, and how fast at a fixed rate."""

import functools
import json
import os
import re
import subprocess

import figures
import peers

ATTEMPTS, END_S = 3, 15
PERCENTILES = (50, 99, 99.9)
FIRST = ["nice", "-n", "-15" if os.geteuid() == 0 else "0"]  # before whatever else runs on its core
AT_ONCE = ["chrt", "-f", "1"]  # where it measures latency, and sleeps in between


@functools.lru_cache
def may_be_at_once():
    return subprocess.run(AT_ONCE + ["true"], stderr=subprocess.DEVNULL).returncode == 0


def run(port, path, seconds, *more, core=peers.LOAD_CORE, first=FIRST):
    """dnsperf's output. Now and then it does not end (it spins, waiting for what it has given up): once more."""
    argv = [*first, "taskset", "-c", core, "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-B", "-d", path,
            "-l", str(seconds), "-t", "2", "-O", "suppress=timeout,unexpected", *more]
    for _ in range(ATTEMPTS):
        try:
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds + END_S)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode or "Queries completed" not in done.stdout:
            raise RuntimeError("dnsperf: " + done.stdout[-800:])
        return done.stdout
    raise RuntimeError("dnsperf did not end: " + " ".join(argv))


def number(pattern, text, default=0):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else default


def large_answers(peer, path, seconds):
    """What tcpload.py prints."""
    done = subprocess.run(["taskset", "-c", peers.LOAD_CORE, os.path.join(figures.HERE, "tcpload.py"), str(peer.port), path,
                           str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError("tcpload.py: " + done.stderr[-800:])
    return json.loads(done.stdout)


def saturate(peer, path, seconds, work, core=peers.LOAD_CORE):
    """One round: {"us": CPU per answered query, "qps", "lost", "codes"}"""
    before = peer.cpu_ns()
    if work.large:
        found = large_answers(peer, path, seconds)
        return {"us": (peer.cpu_ns() - before) / 1000 / found["answered"], "qps": found["answered"] / found["seconds"],
                "lost": found["lost"], "codes": "%s of %d bytes" % (found["rcodes"], found["bytes"] / found["answered"]),
                "times": found["times"]}
    text = run(peer.port, path, seconds, *work.load, core=core)
    used = peer.cpu_ns() - before
    answered = number(r"Queries completed:\s+(\d+)", text)
    ran_s = number(r"Run time \(s\):\s+([\d.]+)", text, seconds)
    codes = re.search(r"Response codes:\s+(.*)", text)
    if not answered:
        raise RuntimeError("%s answered nothing:\n%s" % (peer.name, text[-800:]))
    return {"us": used / 1000 / answered, "qps": answered / ran_s, "lost": int(number(r"Queries lost:\s+(\d+)", text)),
            "codes": codes.group(1) if codes else ""}


def percentiles(times, lost):
    return dict({"p%s" % p: figures.percentile(times, p) for p in PERCENTILES}, lost=lost)


def latency(peer, path, seconds, rate, tcp=False):
    """{"p50": ms, ...} at a fixed rate; every question counts."""
    mode = ["-m", "tcp"] if tcp else []
    text = run(peer.port, path, seconds, "-c", "8", "-q", "2000", "-Q", str(rate), "-v", *mode,
               first=AT_ONCE if may_be_at_once() else FIRST)
    times = [float(line.rsplit(" ", 1)[1]) * 1000 for line in text.splitlines() if line.startswith("> ")]
    lost = int(number(r"Queries lost:\s+(\d+)", text))
    if not times:
        raise RuntimeError("%s: no latencies in dnsperf's output:\n%s" % (peer.name, text[-800:]))
    return percentiles(times, lost)
