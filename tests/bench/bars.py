# SPDX-License-Identifier: Apache-2.0
"""What the figures are held against: each bar is a ratio of two figures of one run."""

import figures
from queries import cpu

ACROSS = "-"  # not measured, because a server was left out


class Bar:
    """ratio(result of the work) is a number or None; at most `most` is wanted."""

    def __init__(self, work, what, most, ratio):
        self.work, self.what, self.most, self.ratio = work, what, most, ratio


def cpu_ratio(work, other, most, what=None):
    def ratio(result):
        mine, theirs = cpu(result, "binnacle"), cpu(result, other)
        return mine / theirs if mine and theirs else None
    return Bar(work, what or "CPU per query, to %s" % other, most, ratio)


def middle_ratio(work, what, most, mine, theirs):
    """mine and theirs are paths of keys into the result; lists become their medians."""
    def ratio(result):
        one, other = at(result, mine), at(result, theirs)
        return one / other if one is not None and other else None
    return Bar(work, what, most, ratio)


def at(result, path):
    for i, key in enumerate(path):
        if isinstance(result, list):
            values = [at(each, path[i:]) for each in result]
            return figures.median(values) if values else None
        if result is None or key not in result:
            return None
        result = result[key]
    return figures.median(result) if isinstance(result, list) else result


def least_of_rounds(work, what, most, path):
    """The figure itself, in its own unit."""
    return Bar(work, what, most, lambda result: at(result, path))


BARS = [
    cpu_ratio("mix", "echo", 1.15),
    cpu_ratio("mix", "nsd", 1.0),
    cpu_ratio("mix", "knot", 1.0),
    cpu_ratio("mix", "coredns", 1 / 7),
    cpu_ratio("srv", "coredns", 1 / 12),
    cpu_ratio("headless", "coredns", 1 / 80),
    cpu_ratio("headless-tcp", "coredns", 1 / 20),
    cpu_ratio("hit", "echo", 1.2),
    cpu_ratio("hit", "unbound", 0.7),
    cpu_ratio("hit", "coredns", 0.3),
    cpu_ratio("new", "coredns", 1 / 3),
    cpu_ratio("new", "unbound", 1 / 2),
    cpu_ratio("tcp", "knot", 1.0),
    cpu_ratio("tcp", "coredns", 1 / 4),
    middle_ratio("growth", "CPU per query, 100,000 Services to 100", 1.15, ("100000", "us"), ("100", "us")),
    middle_ratio("threads", "CPU per query, two threads to one", 1.1, ("2", "us"), ("1", "us")),
    middle_ratio("scale", "time to ready, to coredns", 1 / 2, ("binnacle", "ready_s"), ("coredns", "ready_s")),
    middle_ratio("scale", "CPU to ready, to coredns", 1 / 4, ("binnacle", "ready_cpu_s"), ("coredns", "ready_cpu_s")),
    least_of_rounds("scale", "resident, MiB", 40, ("binnacle", "steady_mib")),
    middle_ratio("scale", "peak of the start, to steady", 1.3, ("binnacle", "start_peak_mib"), ("binnacle", "steady_mib")),
    middle_ratio("scale", "peak of a forced relist, to steady", 1.3, ("binnacle", "relist_peak_mib"), ("binnacle", "steady_mib")),
    least_of_rounds("scale", "most in its cgroup of 64 MiB, MiB", 64, ("binnacle", "cgroup_peak_mib")),
    least_of_rounds("scale", "CPU when idle, % of a core", 0.05, ("binnacle", "idle_percent")),
    middle_ratio("churn", "CPU per update, to coredns", 1 / 4, ("binnacle", "updates", "us"), ("coredns", "updates", "us")),
    middle_ratio("churn", "p99 while slices change, to quiet", 1.1, ("binnacle", "churn", "p99"), ("binnacle", "quiet", "p99")),
    middle_ratio("busy", "p99.9 while slices change, to coredns", 1 / 4, ("binnacle", "p99.9"), ("coredns", "p99.9")),
    middle_ratio("slices", "CPU per update, 5,000 endpoints to 100", 2.0, ("binnacle", "5000"), ("binnacle", "100")),
    middle_ratio("write", "create to answer, p50, to coredns", 1.0, ("binnacle", "create", "p50"), ("coredns", "create", "p50")),
    middle_ratio("write", "create to answer, p99, to coredns", 1.0, ("binnacle", "create", "p99"), ("coredns", "create", "p99")),
    middle_ratio("write", "delete to answer, p50, to coredns", 1.0, ("binnacle", "delete", "p50"), ("coredns", "delete", "p50")),
    middle_ratio("write", "delete to answer, p99, to coredns", 1.0, ("binnacle", "delete", "p99"), ("coredns", "delete", "p99")),
    least_of_rounds("write", "our own part, p99, ms", 0.5, ("binnacle", "own_p99_ms")),
]


def table(results):
    """The bars of what was measured; how many are missed."""
    rows, missed = [], 0
    for bar in BARS:
        if bar.work not in results:
            continue
        value = bar.ratio(results[bar.work])
        met = value is not None and value <= bar.most
        missed += value is not None and not met
        rows.append(["%s: %s" % (bar.work, bar.what), ACROSS if value is None else "%.3f" % value, "%.3f" % bar.most,
                     ACROSS if value is None else "met" if met else "MISSED"])
    if rows:
        print()
        figures.table(["bar", "measured", "at most", ""], rows)
    return missed
