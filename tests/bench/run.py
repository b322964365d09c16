#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Binnacle and its peers on the same work: tables, and the bars that they are held against.

    run.py [--rounds 3] [--seconds 3] [--servers NAME,...] [--json FILE] [--plot FILE.svg] [NAME...]
    run.py --list                 the works

README.md has the method. Exit status 1 if a bar is missed.
"""

import argparse
import os
import platform
import subprocess
import sys
import time

import bars
import churn
import figures
import growth
import latency
import peers
import queries
import scale
import works
from server import TREE

CLUSTER = {"churn": (churn.measure_churn, churn.show_churn), "busy": (churn.measure_busy, churn.show_busy),
           "slices": (churn.measure_slices, churn.show_slices)}
ALONE = {
    "growth": (growth.measure_growth, lambda _, out: growth.show("growth: Services from manifests", "Services", out)),
    "threads": (growth.measure_threads, lambda _, out: growth.show("threads: answering threads, a core each", "threads", out)),
    "scale": (scale.measure_all, scale.show),
    "write": (latency.measure_all, latency.show),
}
NAMES = list(works.BY_NAME) + list(CLUSTER) + list(ALONE)


def find_echo(options):
    """bench_echo: as given, or built beside the program."""
    if options.echo:
        return options.echo
    folder, target = os.path.join(TREE, "build"), "tests/bench/bench_echo"
    done = subprocess.run(["ninja", "-C", folder, target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit("run.py: cannot build bench_echo; run.sh builds it, or give --echo PATH\n" + done.stdout[-2000:])
    return os.path.join(folder, target)


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "date": time.strftime("%Y-%m-%d"),
            "load": os.getloadavg()[0]}


def of_one_cluster(options, names, results):
    """The works that share an API server."""
    with queries.Setting(options, find_echo(options)) as setting:
        field = queries.Field(setting, options.names)
        try:
            for name in (each for each in names if each not in CLUSTER):
                results[name] = queries.measure(setting, field, works.BY_NAME[name], options)
                queries.show(works.BY_NAME[name], results[name])
        finally:
            field.close()
        for name in (each for each in names if each in CLUSTER):
            measure, show = CLUSTER[name]
            results[name] = measure(setting, options)
            show(results[name])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures.add_arguments(parser, ",".join(peers.ALL))
    scale.add_arguments(parser)
    parser.add_argument("names_of_works", nargs="*", metavar="NAME")
    parser.add_argument("--echo", help="bench_echo")
    parser.add_argument("--count", type=int, default=200, help="Services that are written in `write`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of a round")
    parser.add_argument("--plot", help="draw CPU per query to this file (.svg, .png)")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    unknown = [name for name in options.names_of_works if name not in NAMES]
    unknown += [name for name in options.names if name not in peers.KINDS]
    if unknown:
        parser.error("unknown: %s; works are %s; servers are %s" % (
            ", ".join(unknown), ", ".join(NAMES), ", ".join(peers.ALL)))
    if os.cpu_count() < 2:
        parser.error("two cores are needed: one for the server, one for the load")
    return options


def main():
    options = arguments()
    if options.list:
        print("\n".join(NAMES))
        return 0
    wanted = options.names_of_works or NAMES
    results, about = {}, machine()
    sys.stdout.reconfigure(line_buffering=True)
    together = [name for name in wanted if name not in ALONE]
    if together:
        of_one_cluster(options, together, results)
    for name in wanted:
        if name in ALONE:
            measure, show = ALONE[name]
            results[name] = measure(options)
            show(options, results[name])
    missed = bars.table(results)
    figures.write_json(options, {"machine": about, "works": results})
    if options.plot:
        import plot
        plot.draw(results, options.plot)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
