# SPDX-License-Identifier: Apache-2.0
"""Works that need no API server: Binnacle alone, over manifests.

    growth    CPU per query of 100, 10,000 and 100,000 Services, the questions over all of them
    threads   CPU per query with one answering thread on one core, and with two on two; dnsperf
              has both cores, and each thread gets 20,000 questions a second: at full speed the batches of a single
              thread that has a core of dnsperf to itself would be compared with those of two that have not"""

import os
import shutil

import figures
import gen
import load
import peers
import queries
import works
from dnsclient import DnsClient
from process import scratch_folder

SIZES = (100, 10000, 100000)
THREAD_SERVICES = 10000
LOADS = {1: ("-c", "8", "-q", "1000", "-T", "2", "-Q", "20000"), 2: ("-c", "16", "-q", "2000", "-T", "2", "-Q", "40000")}


class Manifests:
    """A setting for one size."""

    def __init__(self, options, services):
        self.binary, self.services = options.binary, services
        self.dir = scratch_folder("binnacle-bench-")
        self.objects = "manifests " + self.path("manifests")
        gen.write_services(services, self.path("manifests"))
        self.up = peers.Upstream("upstream", self).start()
        self.upstream = ("127.0.0.1", self.up.port)
        works.write_questions(self.path("questions"), gen_pairs(services))

    def path(self, name):
        return os.path.join(self.dir, name)

    def close(self):
        self.up.discard()
        shutil.rmtree(self.dir, ignore_errors=True)


def gen_pairs(services):
    for line in gen.questions(services, works.QUESTIONS):
        name, kind = line.split()
        yield name, kind


class ManyCores(peers.Binnacle):
    cores = "0,1"


def begun(setting, kind=peers.Binnacle):
    peer = kind("binnacle", setting).start()
    peers.wait_answers(peer, DnsClient(peer.port), gen.name_of(setting.services) + ".", "A",
                       lambda a: a.records == [gen.address_of(setting.services)])
    peer.pause()
    return peer


class Load:
    def __init__(self, load_options):
        self.load, self.large = list(load_options), False


def rounds_of(entries, options, load_of, core):
    """{key: {"us": [...], "qps": [...]}}; entries: {key: (setting, peer)}"""
    out = {key: {"us": [], "qps": []} for key in entries}
    for number in range(options.rounds + 1):
        for key, (setting, peer) in entries.items():
            with queries.Awake(peer):
                one = load.saturate(peer, setting.path("questions"), options.seconds if number else 1, Load(load_of(key)), core)
            if number:  # the first, short one warms up
                out[key]["us"].append(one["us"])
                out[key]["qps"].append(one["qps"])
    return out


def measure_growth(options):
    entries = {}
    try:
        for size in SIZES:
            setting = Manifests(options, size)
            entries[str(size)] = (setting, begun(setting))
        return rounds_of(entries, options, lambda _: ("-c", "8", "-q", "200"), peers.LOAD_CORE)
    finally:
        close(entries)


def measure_threads(options):
    entries = {}
    try:
        for count, kind in ((1, peers.Binnacle), (2, ManyCores)):
            setting = Manifests(options, THREAD_SERVICES)
            entries[str(count)] = (setting, begun(setting, kind))
        return rounds_of(entries, options, lambda key: LOADS[int(key)], "0,1")
    finally:
        close(entries)


def close(entries):
    for setting, peer in entries.values():
        peer.discard()
        setting.close()


def show(what, head, out):
    print("\n" + what)
    figures.table([head, "CPU/query, us", "lowest-highest", "queries/s"], [
        [key, "%.2f" % figures.median(each["us"]), "%.2f-%.2f" % (min(each["us"]), max(each["us"])),
         "%.0f" % figures.median(each["qps"])] for key, each in out.items()])
