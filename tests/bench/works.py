# SPDX-License-Identifier: Apache-2.0
"""The kinds of work: what is in the cluster, and the questions that dnsperf asks.

A question file is dnsperf's binary form (-B), so that EDNS is exactly what a stub
resolver or a cache of a node sends: a buffer of 1232 bytes."""

import random
import struct

import figures  # noqa: F401
import kube
import peers
from scale import in_parallel, place

EDNS = b"\0\0\x29" + struct.pack(">HHHH", 1232, 0, 0, 0)
TYPES = {"A": 1, "AAAA": 28, "SRV": 33}
NAMESPACE = "bench"
SRV_SERVICES, SRV_ENDPOINTS = 20, 20
LARGE_SERVICES, LARGE_ENDPOINTS, PER_SLICE = 4, 1000, 100
HOT_NAMES = 1000
QUESTIONS = 50000
NEW_PER_SECOND = 60000  # more than any server here answers


def wire(name, kind):
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.rstrip(".").split("."))
    return struct.pack(">6H", 0, 0x100, 1, 0, 0, 1) + labels + b"\0" + struct.pack(">HH", TYPES[kind], 1) + EDNS


def write_questions(path, questions):
    """questions: (name, type)"""
    with open(path, "wb") as f:
        for each in questions:
            message = wire(*each)
            f.write(struct.pack(">H", len(message)) + message)
    return path


# -- what is in the cluster ---------------------------------------------------------
def headless(ns, name, count, first, hosts):
    """A headless Service and its slices; hosts: with host names, as a StatefulSet's pods have them."""
    addresses = ["10.%d.%d.%d" % (200 + (n >> 16), n >> 8 & 255, n & 255) for n in range(first, first + count)]
    yield kube.service(ns, name, headless=True)
    for k in range(0, count, PER_SLICE):
        yield kube.endpoint_slice(ns, "%s-%d" % (name, k // PER_SLICE), name,
                                  [kube.endpoint(addresses[i], hostname="pod-%d" % i if hosts else None)
                                   for i in range(k, min(k + PER_SLICE, count))])


def objects():
    """What the works need beside the 10,000 Services of scale.py."""
    first = 1
    for prefix, services, count in (("srv", SRV_SERVICES, SRV_ENDPOINTS), ("large", LARGE_SERVICES, LARGE_ENDPOINTS)):
        for i in range(services):
            yield from headless(NAMESPACE, "%s-%d" % (prefix, i), count, first, prefix == "srv")
            first += count


def create(rig):
    rig.client().create(kube.namespace(NAMESPACE))
    things = list(objects())
    in_parallel(rig, range(len(things)), lambda client, i: client.create(things[i]))


# -- the questions --------------------------------------------------------------------
def mix(services):
    """40 % A, 30 % AAAA of names that have none, 30 % the NXDOMAINs of a pod's search list."""
    draw = random.Random(4)
    for _ in range(QUESTIONS):
        i = draw.randrange(services)
        ns, name = place(i + (i % 10 == 0))  # every tenth is headless
        full = "%s.%s.svc.cluster.local." % (name, ns)
        kind = draw.random()
        if kind < 0.4:
            yield full, "A"
        elif kind < 0.7:
            yield full, "AAAA"
        elif kind < 0.85:
            yield full + "apps.svc.cluster.local.", "A"
        else:
            yield "www.example%d.com.svc.cluster.local." % (i % 100), "A"


def srv(_):
    for i in range(SRV_SERVICES):
        yield "_http._tcp.srv-%d.%s.svc.cluster.local." % (i, NAMESPACE), "SRV"


def large(_):
    for i in range(LARGE_SERVICES):
        yield "large-%d.%s.svc.cluster.local." % (i, NAMESPACE), "A"


def hot(_):
    for i in range(HOT_NAMES):
        yield "hot-%d.example." % i, "A"


def new(number, seconds):
    """Names that nobody asked for before, of one round."""
    for i in range(int(NEW_PER_SECOND * seconds)):
        yield "r%d-%d.example." % (number, i), "A"


def probes():
    """A name of each sort, with the test that the answer is right; all peers but the echo must pass."""
    return {
        "mix": ("svc-1.scale-1.svc.cluster.local.", "A", lambda a: len(a.records) == 1),
        "srv": ("_http._tcp.srv-1.%s.svc.cluster.local." % NAMESPACE, "SRV", lambda a: len(a.records) > 5),
        "large": ("large-1.%s.svc.cluster.local." % NAMESPACE, "A", lambda a: a.rcode == "NOERROR"),
        "forward": ("probe.example.", "A", lambda a: a.records == ["192.0.2.80"]),
    }


class Work:
    """questions(services) yields (name, type). rate: of the run for latency, a second. fresh: names are new in
    each round. large: answers that dnsperf cannot take in; their latencies are those under full load."""

    def __init__(self, name, what, questions, servers, probe, rate=20000, fresh=False, large=False,
                 load=("-c", "8", "-q", "200")):
        self.name, self.what, self.questions, self.servers, self.probe = name, what, questions, servers, probe
        self.rate, self.fresh, self.large, self.load = rate, fresh, large, list(load)


ZONE = ["echo", "binnacle", "nsd", "knot", "unbound", "coredns"]
OVER_TCP = [each for each in ZONE if each != "echo"]
TCP = ("-m", "tcp", "-c", "100", "-q", "1000")
WORKS = [
    Work("mix", "in-cluster mix, UDP", mix, peers.ALL, "mix"),
    Work("srv", "SRV of 20 endpoints, UDP", srv, ZONE, "srv"),
    Work("headless", "A of 1,000 endpoints, UDP 1232", large, ZONE, "large"),
    Work("headless-tcp", "A of 1,000 endpoints, TCP", large, OVER_TCP, "large", large=True),
    Work("hit", "forwarded, cache hit", hot, ["echo", "binnacle", "unbound", "dnsmasq", "coredns", "coredns-multisocket"], "forward"),
    Work("new", "forwarded, every name new", new, ["echo", "binnacle", "unbound", "dnsmasq", "coredns"], "forward", rate=2000,
         fresh=True),
    Work("tcp", "mix, 100 TCP connections", mix, OVER_TCP, "mix", load=TCP),
]
BY_NAME = {work.name: work for work in WORKS}
