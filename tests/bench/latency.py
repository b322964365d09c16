#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""From the return of an API write to the first right answer.

    latency.py [--count 200] [--servers binnacle,coredns] [--binary PATH] [--json FILE]

Services are created and deleted one by one in a real API server while the servers
watch it side by side. As soon as a write has returned, both are asked over and
over, each question as soon as the last one is answered. Right is: the cluster IP
after the create, NXDOMAIN after the delete. What is not right in 5 s is a miss. Of
Binnacle's own part (the bytes of the event in hand, until the answer is published)
its metrics tell.
"""

import argparse
import random
import re
import select
import socket
import time

import figures
import kube
from dnsclient import question
from process import free_port
from rig import Rig
from server import Server, endpoint_options

MISS_S = 5.0


class Asker:
    """One server: a question in flight at any time, the time of the first right answer."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.ident = 0

    def begin(self, wire, is_right):
        self.wire, self.is_right = wire, is_right
        self.right_at = None
        self.send()

    def send(self):
        self.ident = (self.ident + 1) & 0xFFFF
        self.sent_at = time.perf_counter()
        self.socket.send(self.ident.to_bytes(2, "big") + self.wire[2:])

    def look(self):
        """Take what came; ask again if it was not right yet, or got lost."""
        try:
            while True:
                reply = self.socket.recv(2048)
                if int.from_bytes(reply[:2], "big") != self.ident:
                    continue
                if self.is_right(reply):
                    self.right_at = time.perf_counter()
                    return
                self.send()
        except BlockingIOError:
            if time.perf_counter() - self.sent_at > 0.2:
                self.send()


def measure(askers, written_at, wire, is_right):
    """Seconds for each asker, None for a miss."""
    for asker in askers:
        asker.begin(wire, is_right)
    while time.perf_counter() - written_at < MISS_S:
        waiting = [a for a in askers if a.right_at is None]
        if not waiting:
            break
        select.select([a.socket for a in waiting], [], [], 0.05)
        for asker in waiting:
            asker.look()
    return [a.right_at - written_at if a.right_at else None for a in askers]


def answers_with(address):
    packed = socket.inet_aton(address)
    return lambda reply: reply[3] & 15 == 0 and reply[6:8] == b"\0\1" and packed in reply


def is_nxdomain(reply):
    return reply[3] & 15 == 3


def run(rig, servers, count):
    """{server: {"create": [s or None], "delete": [...]}}"""
    api = rig.client()
    api.create(kube.namespace("latency"))
    askers = [Asker(s.port) for s in servers]
    out = {s.kind: {"create": [], "delete": []} for s in servers}
    pause = random.Random(1)
    for i in range(count):
        thing = kube.service("latency", "svc-%d" % i)
        wire = question("svc-%d.latency.svc.cluster.local." % i)
        made = api.create(thing)
        created = measure(askers, time.perf_counter(), wire, answers_with(made["spec"]["clusterIP"]))
        time.sleep(pause.uniform(0.005, 0.03))
        api.delete(thing)
        deleted = measure(askers, time.perf_counter(), wire, is_nxdomain)
        time.sleep(pause.uniform(0.005, 0.03))
        for server, c, d in zip(servers, created, deleted):
            out[server.kind]["create"].append(c)
            out[server.kind]["delete"].append(d)
    return out


def own_p99_ms(server):
    """The bucket's bound below which 99 of 100 events about Services were published."""
    name = "binnacle_kubernetes_publish_duration_seconds_"
    text, buckets, count = server.http_text(server.metrics_port, "/metrics"), [], 0
    for line in text.splitlines():
        found = re.match(name + r'bucket\{kind="services",le="([^"]+)"\} (\d+)', line)
        if found:
            buckets.append((float(found.group(1)), int(found.group(2))))
        found = re.match(name + r'count\{kind="services"\} (\d+)', line)
        if found:
            count = int(found.group(1))
    return next(bound * 1000 for bound, n in buckets if n >= 0.99 * count)


def measure_all(options):
    """{server: {"create": {"p50": ms, ..., "misses": n}, "delete": {...}, "own_p99_ms": ms}}"""
    out = {}
    with Rig() as rig:
        servers = [WithMetrics(kind, endpoint_options(rig) + ["ttl 5"], figures.binary_of(options, kind))
                   for kind in ("binnacle", "coredns") if kind in options.names]
        try:
            for server in servers:
                server.start()
            for server in servers:
                server.wait_ready()
            for kind, verbs in run(rig, servers, options.count).items():
                out[kind] = {verb: summary(samples) for verb, samples in verbs.items()}
            for server in servers:
                if server.kind == "binnacle":
                    out["binnacle"]["own_p99_ms"] = own_p99_ms(server)
        finally:
            for server in servers:
                server.discard()
    return out


class WithMetrics(Server):
    def __init__(self, *args, **kwargs):
        self.metrics_port = free_port()
        super().__init__(*args, before=("prometheus 127.0.0.1:%d" % self.metrics_port,), **kwargs)


def summary(samples):
    times = [s * 1000 for s in samples if s is not None]
    return dict({"p%d" % p: figures.percentile(times, p) for p in (50, 90, 99, 100)},
                misses=sum(s is None for s in samples))


def show(options, out):
    print("\nwrite: returned -> first right answer, ms, %d Services" % options.count)
    figures.table(["", "p50", "p90", "p99", "max", "misses"], [
        ["%s, %s" % (kind, verb)] + ["%.2f" % verbs[verb]["p%d" % p] for p in (50, 90, 99, 100)] + [verbs[verb]["misses"]]
        for kind, verbs in out.items() for verb in ("create", "delete")])
    if "binnacle" in out:
        print("of it ours, from the event's bytes to the answer: p99 <= %.2f ms" % out["binnacle"]["own_p99_ms"])


def main():
    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    out = measure_all(options)
    show(options, out)
    figures.write_json(options, out)
    raise SystemExit(any(verbs[verb]["misses"] for verbs in out.values() for verb in ("create", "delete")))


if __name__ == "__main__":
    main()
