#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The API server is killed while questions go on.

    outage.py [--seconds 60] [--rate 2000] [--servers binnacle,coredns] [--binary PATH] [--json FILE]

Before the kill every question's answer is noted. Then: how many answers differ
from it, how many questions got none, when a new object was answered after the
API server's return, and how many times each kind was listed.
"""

import argparse
import select
import socket
import threading
import time

import figures
import kube
from dnsclient import Answer, DnsClient, question
from rig import Rig
from server import Server, endpoint_options

SERVICES, HEADLESS = 200, 50
LOST_S = 1.0


def load_objects(api):
    names = []
    api.create(kube.namespace("outage"))
    for i in range(SERVICES):
        api.create(kube.service("outage", "web-%d" % i))
        names.append(("web-%d.outage.svc.cluster.local." % i, "A"))
    for i in range(HEADLESS):
        api.create(kube.service("outage", "db-%d" % i, headless=True))
        api.create(kube.endpoint_slice("outage", "db-%d-a" % i, "db-%d" % i, [
            kube.endpoint("10.244.%d.%d" % (i, k), hostname="pod-%d" % k) for k in range(1, 6)]))
        names += [("db-%d.outage.svc.cluster.local." % i, "A"), ("pod-1.db-%d.outage.svc.cluster.local." % i, "A")]
    names += [("web-%d.outage.svc.cluster.local." % i, "AAAA") for i in range(50)]
    names += [("no-%d.outage.svc.cluster.local." % i, "A") for i in range(50)]
    return names


def meaning(reply):
    """What must not change: rcode and records, whatever their order."""
    answer = Answer(reply)
    return answer.rcode, tuple(answer.records)


class Load(threading.Thread):
    """Asks the questions in turn at a steady rate and compares each answer."""

    def __init__(self, port, questions, rate):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.wires = [question(*q) for q in questions]
        self.questions, self.rate = questions, rate
        self.known = {}  # (question, reply without ID): its meaning
        self.expected = self.note_answers(port)
        self.asked = self.answered = self.lost = 0
        self.wrong = []
        self.going = True

    def note_answers(self, port):
        client = DnsClient(port)
        out = []
        for wire in self.wires:
            reply = client.ask_wire(wire) or client.ask_wire(wire)
            out.append(meaning(reply))
        client.close()
        return out

    def judge(self, index, reply):
        key = index, reply[2:]
        if key not in self.known:
            self.known[key] = meaning(reply)
        if self.known[key] != self.expected[index]:
            self.wrong.append((self.questions[index], self.known[key]))

    def take(self, flying):
        try:
            while True:
                reply = self.socket.recv(65535)
                sent = flying.pop(int.from_bytes(reply[:2], "big"), None)
                if sent:
                    self.answered += 1
                    self.judge(sent[0], reply)
        except (BlockingIOError, ConnectionError):
            pass

    def run(self):
        flying = {}  # ID: (index, when), oldest first
        start = time.monotonic()
        while self.going or flying:
            due = int((time.monotonic() - start) * self.rate) if self.going else self.asked
            while self.asked < due:
                ident, index = self.asked & 0xFFFF, self.asked % len(self.wires)
                flying[ident] = index, time.monotonic()
                try:
                    self.socket.send(ident.to_bytes(2, "big") + self.wires[index][2:])
                except ConnectionError:
                    pass
                self.asked += 1
            select.select([self.socket], [], [], 0.002)
            self.take(flying)
            self.drop_old(flying)

    def drop_old(self, flying):
        old = time.monotonic() - LOST_S
        while flying:
            ident = next(iter(flying))
            if flying[ident][1] > old:
                break
            del flying[ident]
            self.lost += 1


def new_object_s(rig, server):
    """Seconds from the write to the right answer, of the first write after the return."""
    made = rig.client().create(kube.service("outage", "fresh"))
    wanted = [made["spec"]["clusterIP"]]
    client = server.client()
    answer, took = client.wait("fresh.outage.svc.cluster.local.", "A", lambda a: a.records == wanted, 90)
    return took if answer and answer.records == wanted else None


def lists_of(rig, mark):
    counts = {}
    for resource, verb, status in rig.requests(mark):
        if verb in ("list", "stream-list") and status in (0, 200):
            counts[resource] = counts.get(resource, 0) + 1
    return counts


def measure(rig, server, options):
    names = load_objects(rig.client())
    time.sleep(2)  # until the last object is answered, whoever the server is
    load = Load(server.port, names, options.rate)
    load.start()
    time.sleep(1)
    mark = rig.audit_mark()
    rig.kill_api()
    time.sleep(options.seconds)
    rig.start_api()
    fresh_s = new_object_s(rig, server)
    time.sleep(3)
    load.going = False
    load.join()
    return {"asked": load.asked, "lost": load.lost, "changed": len(load.wrong), "examples": load.wrong[:5],
            "new_object_s": fresh_s, "lists": lists_of(rig, mark)}


def main():
    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=2000)
    options = parser.parse_args()
    out = {}
    for kind in options.names:
        with Rig() as rig, Server(kind, endpoint_options(rig) + ["ttl 5"],
                                  figures.binary_of(options, kind)) as server:
            server.wait_ready()
            out[kind] = measure(rig, server, options)
    print("API server killed for %g s, %d questions/s" % (options.seconds, options.rate))
    figures.table(["", "asked", "lost", "changed", "new object, s", "LISTs"],
                  [[kind, f["asked"], f["lost"], f["changed"],
                    "never" if f["new_object_s"] is None else "%.2f" % f["new_object_s"],
                    ", ".join("%s %d" % item for item in sorted(f["lists"].items())) or "none"]
                   for kind, f in out.items()])
    for kind, f in out.items():
        for example in f["examples"]:
            print("%s: changed: %s" % (kind, example))
    figures.write_json(options, out)
    ours = out.get("binnacle")
    raise SystemExit(bool(ours and (ours["lost"] or ours["changed"] or ours["new_object_s"] is None
                                    or ours["new_object_s"] > 2 or any(n > 1 for n in ours["lists"].values()))))


if __name__ == "__main__":
    main()
