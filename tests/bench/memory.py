#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds deploy/memory.md: its constants are what is measured, its examples what follows from them.

    memory.py --binary PATH [--show]     PATH: a release build's program; --show judges nothing

Each constant is a difference between two sizes, divided by how many were added, and the
worst of several sizes: tables grow by doubling. It must be no less than measured, and no
more than 1.5 times that.
"""

import argparse
import math
import os
import re
import statistics
import sys

import figures
from memory_world import Cluster, running

TREE = os.path.dirname(os.path.dirname(figures.HERE))
PAGE = os.path.join(TREE, "deploy", "memory.md")
DEPLOYMENT = os.path.join(TREE, "deploy", "base", "deployment.yaml")
TOO_MUCH = 1.5
MIB = 1 << 20
LIMIT_STEP = 32  # MiB, what limits are rounded up to
CORE_PAIRS = 5  # how many pages a thread touches depends on how the scheduler deals the batches
FULL_CACHE = 2 * 9984 * 512  # the bound of `cache` as it is, see dns/plugin/cache.md
PROGRAM, LIST, CORE = "the program", "lists as they come", "core"
SERVICE, ENDPOINT, ENDPOINT6, HOST = "Service", "endpoint", "IPv6 endpoint", "endpoint with a host name"
POD, CACHED, TCP = "Pod with `pods verified`", "cached answer", "TCP connection"
CONSTANTS = (PROGRAM, LIST, CORE, SERVICE, ENDPOINT, ENDPOINT6, HOST, POD, CACHED, TCP)
NAMES = "%s-name-%d.cdn.example.net."


# -- the page ---------------------------------------------------------------------------
def rows_of(text, head):
    """Cells of the table whose head begins with these cells."""
    table = re.search(r"^\| %s \|.*\n\|[-:| ]+\|\n((?:\|.*\n)+)" % re.escape(" | ".join(head)), text, re.M)
    if not table:
        raise SystemExit("%s has no table with the head %s" % (PAGE, " | ".join(head)))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.group(1).splitlines()]


def number(cell):
    return int(cell.replace(",", ""))


def constants_of(text):
    return {row[0]: number(row[1]) for row in rows_of(text, ["what", "bytes"])}


def examples_of(text):
    """(Services, endpoints, Pods, cores, MiB, limit in MiB)"""
    for row in rows_of(text, ["Services", "endpoints", "Pods verified", "cores", "MiB", "limit"]):
        yield [number(cell.removesuffix("Mi")) for cell in row]


def formula(c, services, endpoints, pods, cores, cached_bytes=FULL_CACHE, connections=1000):
    return (c[PROGRAM] + c[LIST] + c[CORE] * cores + c[SERVICE] * services + c[ENDPOINT] * endpoints
            + c[POD] * pods + cached_bytes + c[TCP] * connections)


# -- what is measured ---------------------------------------------------------------------
class Sizes:
    """RssAnon with clusters of several sizes, each measured once."""

    def __init__(self, binary):
        self.binary, self.kept, self.peak = binary, {}, 0

    def anonymous(self, **size):
        key = tuple(sorted(size.items()))
        if key not in self.kept:
            with running(self.binary, Cluster(**size)) as program:
                self.kept[key] = program.settled()
                self.peak = max(self.peak, program.status("VmHWM") - program.status("VmRSS"))
        return self.kept[key]

    def each(self, count, small, large):
        return (self.anonymous(**large) - self.anonymous(**small)) / count


def measure_cluster(sizes):
    """What objects cost."""
    def endpoints(few, many, services=1000, **more):
        return sizes.each(services * (many - few), dict(services=services, endpoints=few, **more),
                          dict(services=services, endpoints=many, **more))

    endpoint = max(endpoints(10, 50), endpoints(10, 200), endpoints(10, 1000, services=200))
    return {
        ENDPOINT: endpoint,
        ENDPOINT6: endpoints(10, 100, family="IPv6"),
        HOST: endpoints(10, 100, hosts=True),
        SERVICE: max(sizes.each(n, {}, {"services": n, "endpoints": 10}) for n in (2500, 10000)) - 10 * endpoint,
        POD: max(sizes.each(n, {}, {"pods": n}) for n in (20000, 100000)),
        LIST: sizes.peak,
    }


def first_cores():
    """Two that this process may run on, or the one."""
    return sorted(os.sched_getaffinity(0))[:2]


def used(binary, cores):
    """VmRSS without a cluster, once everything has been used: upstreams, TCP and full batches."""
    with running(binary, Cluster(), cores=cores) as program:
        program.ask_all(NAMES % ("a", i) for i in range(1000))
        program.connect(10)
        program.burst()
        program.settled()
        return program.status("VmRSS")


def measure_program(binary):
    """Where there is but one core, what one costs is left out, and is in the program's."""
    cores = first_cores()
    if len(cores) < 2:
        return {PROGRAM: used(binary, cores)}
    pairs = [(used(binary, cores[:1]), used(binary, cores)) for _ in range(CORE_PAIRS)]
    core = statistics.median(two - one for one, two in pairs)
    return {PROGRAM: statistics.median(one for one, _ in pairs) - core, CORE: core}


def measure_clients(binary):
    """Answers of both kinds that the cache keeps; connections."""
    with running(binary, Cluster(), capacity=100000) as program:
        cost = []
        for kind in "an":
            program.ask_all(NAMES % (kind, i) for i in range(1000))
            memory, count = program.settled(), program.cached()
            program.ask_all(NAMES % (kind, i) for i in range(1000, 21000))
            cost.append((program.settled() - memory) / (program.cached() - count))
        program.connect(10)
        memory = program.settled()
        program.connect(2000)
        return {CACHED: max(cost), TCP: (program.settled() - memory) / 2000}


def measure_whole(binary, constants):
    """(what it had at most, what the formula says) of a cluster that is used, changed and listed again."""
    cluster = Cluster(services=3000, endpoints=15, pods=45000)
    cores = first_cores()
    with running(binary, cluster, cores=cores) as program:
        program.ask_all(NAMES % ("an"[i % 2], i) for i in range(70000))
        program.connect(1000)
        program.burst()
        cluster.change(program.api, 2000, 7)
        program.settled()
        program.list_again()
        program.settled()
        return program.status("VmHWM"), formula(constants, 3000, 45000, 45000, len(cores))


# -- judging --------------------------------------------------------------------------------
class Results:
    def __init__(self, show):
        self.show, self.passed, self.failed, self.skipped = show, 0, 0, 0

    def judge(self, good, text, why=""):
        good = good or self.show
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        print("ok %s" % text if good else "not ok %s - %s" % (text, why), flush=True)

    def held(self, what, stated, measured):
        self.judge(measured <= stated <= TOO_MUCH * measured, "%s: %.0f measured, %d stated" % (what, measured, stated),
                   "must be at least what is measured, and at most %s times that" % TOO_MUCH)


def judge_examples(results, text, constants):
    with open(DEPLOYMENT) as f:
        base = int(re.search(r"limits: \{memory: (\d+)Mi\}", f.read()).group(1))
    limits = []
    for services, endpoints, pods, cores, mib, limit in examples_of(text):
        needed = math.ceil(formula(constants, services, endpoints, pods, cores) / MIB)
        advised = math.ceil(1.5 * needed / LIMIT_STEP) * LIMIT_STEP
        limits.append(limit)
        results.judge((mib, limit) == (needed, advised), "example of %d Services" % services,
                      "the formula makes it %d MiB and a limit of %dMi" % (needed, advised))
    results.judge(base in limits, "the limit in deploy/base", "%dMi is in no row of the examples" % base)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with open(PAGE) as f:
        text = f.read()
    constants, results = constants_of(text), Results(options.show)
    results.judge(sorted(constants) == sorted(CONSTANTS), "the page has each constant once", "it has %s" % sorted(constants))
    if results.failed:
        print("%d passed, %d failed, 0 skipped" % (results.passed, results.failed))
        return 1
    measured = {}
    for part in (lambda: measure_program(options.binary), lambda: measure_clients(options.binary),
                 lambda: measure_cluster(Sizes(options.binary))):
        found = part()
        measured.update(found)
        for what, value in found.items():
            results.held(what, constants[what], value)
    if CORE not in measured:
        results.skipped += 1
        print("ok %s # SKIP there is only one" % CORE)
    most, said = measure_whole(options.binary, constants)
    results.held("a whole cluster at its peak", said, most)
    judge_examples(results, text, constants)
    print("%d passed, %d failed, %d skipped" % (results.passed, results.failed, results.skipped))
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
