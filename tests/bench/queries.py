# SPDX-License-Identifier: Apache-2.0
"""Rounds of the works of works.py: every server once a round, the others stopped."""

import os
import shutil
import time

import figures
import load
import peers
import works
from dnsclient import DnsClient
from process import scratch_folder
from rig import Rig, Skip
from scale import loaded_data
from server import endpoint_options

WARM_S, LATENCY_S = 1, 5
SERVICES, ENDPOINTS = 10000, 15
SETTLED_S, SETTLED_SHARE, SETTLE_MOST_S = 0.2, 0.02, 5


class Setting:
    """What all servers of a run share: an API server with the cluster, its zone as text, the upstream."""

    def __init__(self, options, echo):
        self.binary, self.echo = options.binary, echo
        self.dir = scratch_folder("binnacle-bench-")
        self.rig = Rig(etcd_data=loaded_data(SERVICES, ENDPOINTS))
        self.up = self.zone = None
        self.upstream = ("127.0.0.1", 1)

    def __enter__(self):
        try:
            self.rig.up()
            for process in (self.rig.api, self.rig.etcd):
                confine(process.pid, peers.LOAD_CORE)
            works.create(self.rig)
            self.objects = "\n       ".join(endpoint_options(self.rig))
            self.up = peers.Upstream("upstream", self).start()
            self.upstream = ("127.0.0.1", self.up.port)
            peers.wait_answers(self.up, DnsClient(self.up.port), *works.probes()["forward"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.up:
            self.up.discard()
        self.rig.down()
        shutil.rmtree(self.dir, ignore_errors=True)

    def zone_path(self):
        """Made when the first server wants it."""
        if not self.zone:
            primary = peers.Primary("binnacle", self).start()
            try:
                for probe in works.probes().values():
                    peers.wait_answers(primary, DnsClient(primary.port), *probe)
                self.zone = peers.transfer(primary.port, self.dir)
            finally:
                primary.discard()
        return self.zone

    def records(self):
        """(owner, type, text) of the zone."""
        with open(self.zone_path()) as f:
            for line in f:
                owner, _, _, kind, text = line.split(None, 4)
                yield owner, kind, text.strip()


def confine(pid, core):
    """All threads of a process that runs."""
    for task in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(task), {int(core)})


class Field:
    """The servers, started when first needed and stopped between their turns."""

    def __init__(self, setting, names):
        self.setting, self.names = setting, names
        self.running, self.missing = {}, {}

    def get(self, name):
        """None if it cannot be had here; why is told once."""
        if name in self.missing:
            return None
        if name not in self.running:
            peer = peers.KINDS[name](name, self.setting)
            try:
                peer.start()
            except Skip as e:
                peer.discard()
                self.missing[name] = str(e)
                print("%s is left out: %s" % (name, e), flush=True)
                return None
            self.running[name] = peer
            probe = works.probes()["mix"]
            if name != "echo":
                peers.wait_answers(peer, DnsClient(peer.port), *probe)
            peer.pause()
        return self.running[name]

    def of(self, work):
        return [peer for peer in map(self.get, [each for each in work.servers if each in self.names]) if peer]

    def close(self):
        for peer in self.running.values():
            peer.discard()


class Awake:
    """A server's turn. What it has to do because it was stopped (timers, watches) comes before."""

    def __init__(self, peer):
        self.peer = peer

    def __enter__(self):
        self.peer.resume()
        end = time.monotonic() + SETTLE_MOST_S
        while time.monotonic() < end:
            before = self.peer.cpu_ns()
            time.sleep(SETTLED_S)
            if self.peer.cpu_ns() - before < SETTLED_S * 1e9 * SETTLED_SHARE:
                break
        return self.peer

    def __exit__(self, *_):
        self.peer.pause()


def questions_of(setting, work, turn, seconds):
    """The file of one turn."""
    path = os.path.join(setting.dir, "questions-" + work.name)
    if work.fresh:
        return works.write_questions(path, work.questions(turn, seconds))
    if not os.path.exists(path):
        works.write_questions(path, work.questions(SERVICES))
    return path


def measure(setting, field, work, options):
    """{server: {"rounds": [...], "latency": {...}, "rss_kib": n}}"""
    servers = field.of(work)
    out = {peer.name: {"rounds": []} for peer in servers}
    turn = 0
    for peer in servers:
        with Awake(peer):
            if peer.name != "echo":
                peers.wait_answers(peer, DnsClient(peer.port), *works.probes()[work.probe])
            load.saturate(peer, questions_of(setting, work, turn, WARM_S), WARM_S, work)
            turn += 1
    for _ in range(options.rounds):
        for peer in servers:
            path = questions_of(setting, work, turn, options.seconds)
            turn += 1
            with Awake(peer):
                out[peer.name]["rounds"].append(load.saturate(peer, path, options.seconds, work))
    for peer in servers:
        path = questions_of(setting, work, turn, LATENCY_S)
        turn += 1
        rounds = out[peer.name]["rounds"]
        with Awake(peer):
            if work.large:
                out[peer.name]["latency"] = load.percentiles([t for r in rounds for t in r.pop("times")], 0)
            else:
                out[peer.name]["latency"] = load.latency(peer, path, LATENCY_S, work.rate, "tcp" in work.load)
            out[peer.name]["rss_kib"] = peer.rss_kib()
    return out


def cpu(result, name):
    """Median CPU per answered query, us; None where it was not measured."""
    each = result.get(name)
    return figures.median([r["us"] for r in each["rounds"]]) if each else None


def show(work, result):
    base = cpu(result, "echo")
    print("\n%s: %s" % (work.name, work.what))
    rows = []
    for name, each in result.items():
        us = [r["us"] for r in each["rounds"]]
        late = each["latency"]
        rows.append([name, "%.2f" % figures.median(us), "%.2f-%.2f" % (min(us), max(us)),
                     "%.2f" % (figures.median(us) / base) if base else "-",
                     "%.2f" % (figures.median(us) / cpu(result, "binnacle")) if "binnacle" in result else "-",
                     "%.0f" % figures.median([r["qps"] for r in each["rounds"]]), sum(r["lost"] for r in each["rounds"]),
                     "%.2f" % late["p50"], "%.2f" % late["p99"], "%.2f" % late["p99.9"], "%.1f" % (each["rss_kib"] / 1024)])
    figures.table(["", "CPU/query, us", "lowest-highest", "x echo", "x Binnacle", "queries/s", "lost", "p50, ms", "p99", "p99.9",
                   "MiB"], rows)
    print("answers: " + "; ".join("%s %s" % (name, each["rounds"][-1]["codes"]) for name, each in result.items()))
