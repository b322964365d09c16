#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How often the machine itself stands still: what no server's p99 can be better than.

    stalls.py [--seconds 30]     as root

On each core a thread at the highest real-time priority sleeps for half a millisecond
again and again. When it wakes up late, nothing of this machine had the core: the host did."""

import argparse
import os
import threading
import time

import figures

SLEEP_S, LATE_MS, VERY_LATE_MS = 0.0005, 10, 30
PRIORITY = 99


def watch(core, seconds, out):
    os.sched_setaffinity(0, [core])
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    late = []
    last = time.monotonic()
    end = last + seconds
    while last < end:
        time.sleep(SLEEP_S)
        now = time.monotonic()
        late.append((now - last - SLEEP_S) * 1000)
        last = now
    out[core] = late


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("real-time priority needs root")
    out = {}
    threads = [threading.Thread(target=watch, args=(core, options.seconds, out)) for core in sorted(os.sched_getaffinity(0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures.table(["core", "p99.9, ms", "longest", "> %d ms" % LATE_MS, "> %d ms" % VERY_LATE_MS, "of the time, %"], [
        [str(core), "%.2f" % figures.percentile(late, 99.9), "%.1f" % max(late), sum(t > LATE_MS for t in late),
         sum(t > VERY_LATE_MS for t in late), "%.2f" % (sum(t for t in late if t > LATE_MS) / 10 / options.seconds)]
        for core, late in sorted(out.items())])


if __name__ == "__main__":
    main()
