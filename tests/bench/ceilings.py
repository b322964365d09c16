#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions and system calls per query have ceilings, whatever the machine.

    ceilings.py --binary PATH [--show] [WORK...]     PATH: a release build's program

Each work is run twice with different numbers of questions, under callgrind and under
strace; the difference of the counts, divided by that of the questions, is what one
costs: start and end fall out. Instructions are those of user space, in all threads.
Questions come one at a time; in "burst" 32 at once, as under load. --show prints the
measured beside the ceilings and judges nothing.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import figures  # noqa: F401
import gen
import works
from dnsclient import rcode_of
from process import free_port, scratch_folder, spawn, stop

# work: (instructions, system calls) that a query may cost: what gcc 12 makes, and 15 %.
CEILINGS = {
    "A": (2550, 2.1),
    "burst": (2500, 0.6),
    "nodata": (2550, 2.1),
    "nxdomain": (2550, 2.1),
    "srv": (35500, 2.1),
    "headless": (2850, 2.1),
    "headless-tcp": (18000, 4.5),
    "tcp": (3600, 3.1),
    "hit": (2850, 2.1),
    "new": (35000, 20.0),  # so many where no socket is used again: the machine is slow
}
FEW, MANY = 200, 2200
BURST = 32
SERVICES = 1000
START_S, REPLY_S = 60, 20
COREFILE = """.:%(port)d {
    bind 127.0.0.1
    errors
    prometheus 127.0.0.1:%(metrics)d
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        manifests %(dir)s/manifests
        fallthrough in-addr.arpa ip6.arpa
        pods verified
        ttl 30
    }
    forward . 127.0.0.1:%(upstream)d
    cache
}
"""
SLICE = """apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %(name)s-%(k)d, namespace: bench, labels: {kubernetes.io/service-name: %(name)s}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints:
%(endpoints)s---
"""


def headless(name, count, hosts):
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: bench}\nspec: {clusterIP: None}\n---\n" % name
    for k in range(0, count, 100):
        endpoints = "".join("- {addresses: [10.%d.%d.%d]%s}\n" % (
            1 if hosts else 2, i >> 8, i & 255, ", hostname: pod-%d" % i if hosts else "")
            for i in range(k, min(k + 100, count)))
        text += SLICE % {"name": name, "k": k // 100, "endpoints": endpoints}
    return text


def question(work, number):
    """(name, type) of the work's question with this number."""
    service = gen.name_of(number % SERVICES + 1) + "."
    return {
        "A": (service, "A"), "burst": (service, "A"), "tcp": (service, "A"), "nodata": (service, "AAAA"),
        "nxdomain": (service + "apps.svc.cluster.local.", "A"),
        "srv": ("_http._tcp.twenty.bench.svc.cluster.local.", "SRV"),
        "headless": ("thousand.bench.svc.cluster.local.", "A"), "headless-tcp": ("thousand.bench.svc.cluster.local.", "A"),
        "hit": ("hot.example.", "A"), "new": ("n%d.example." % number, "A"),
    }[work]


class Upstream(threading.Thread):
    """Answers every question with one address."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            end = data.index(b"\0", 12) + 5
            answer = b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\x50" if data[end - 4:end - 2] == b"\0\1" else b""
            self.socket.sendto(data[:2] + b"\x81\x80\0\1" + (b"\0\1" if answer else b"\0\0") + bytes(4) + data[12:end] + answer, peer)


class Run:
    """The program under a tool."""

    def __init__(self, binary, manifests, upstream, wrapper):
        self.dir = scratch_folder("binnacle-ceilings-")
        self.port = free_port()
        os.symlink(manifests, os.path.join(self.dir, "manifests"))
        path = os.path.join(self.dir, "Corefile")
        with open(path, "w") as f:
            f.write(COREFILE % {"port": self.port, "metrics": free_port(), "dir": self.dir, "upstream": upstream})
        argv = ["taskset", "-c", "0"] + [word.replace("DIR", self.dir) for word in wrapper] + [binary, "-conf", path]
        self.process = spawn(argv, os.path.join(self.dir, "log"), cwd=self.dir)
        self.sockets = {}

    def udp(self):
        if "udp" not in self.sockets:
            self.sockets["udp"] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sockets["udp"].connect(("127.0.0.1", self.port))
            self.sockets["udp"].settimeout(REPLY_S)
        return self.sockets["udp"]

    def tcp(self):
        if "tcp" not in self.sockets:
            self.sockets["tcp"] = socket.create_connection(("127.0.0.1", self.port), REPLY_S)
            self.sockets["tcp"].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.sockets["tcp"]

    def wait(self, name=gen.name_of(SERVICES) + "."):
        """Until there is an address for the name, and one for a name of the upstream."""
        wire = works.wire(name, "A")
        for _ in range(START_S * 5):
            if self.process.poll() is not None:
                with open(os.path.join(self.dir, "log")) as f:
                    raise RuntimeError("it ended: " + f.read()[-2000:])
            try:
                self.udp().settimeout(0.2)
                self.udp().send(wire)
                reply = self.udp().recv(4096)
                if rcode_of(reply) == 0 and reply[6:8] != b"\0\0":
                    break
            except OSError:
                pass
            time.sleep(0.2)
        else:
            raise RuntimeError("it was not ready in %d s" % START_S)
        self.udp().settimeout(REPLY_S)
        self.ask("hit", 1)

    def ask(self, work, count):
        messages = [works.wire(*question(work, i)) for i in range(count)]
        if work.endswith("tcp"):
            for message in messages:
                self.tcp().sendall(len(message).to_bytes(2, "big") + message)
                self.take(int.from_bytes(self.take(2), "big"))
            return
        step = BURST if work == "burst" else 1
        for first in range(0, count, step):
            part = messages[first:first + step]
            for message in part:
                self.udp().send(message)
            for _ in part:
                self.udp().recv(65535)

    def take(self, size):
        data = b""
        while len(data) < size:
            part = self.tcp().recv(size - len(data))
            if not part:
                raise RuntimeError("the connection was closed")
            data += part
        return data

    def end(self):
        stop(self.process, wait_s=60)
        for each in self.sockets.values():
            each.close()

    def count(self, pattern):
        """From the tool's file, which may come a moment after the end."""
        for _ in range(100):
            try:
                with open(os.path.join(self.dir, "count")) as f:
                    found = re.findall(pattern, f.read(), re.M)
            except FileNotFoundError:
                found = []
            if found:
                return int(found[-1])
            time.sleep(0.1)
        raise RuntimeError("the tool has counted nothing")

    def discard(self):
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)


TOOLS = {
    "instructions": (["valgrind", "--tool=callgrind", "--callgrind-out-file=DIR/count", "-q"],
                     r"^totals: (\d+)"),
    "system calls": (["strace", "-D", "-f", "-c", "-U", "calls,name", "-o", "DIR/count"],
                     r"^\s*(\d+)\s+total"),
}


def counted(binary, manifests, upstream, work, count, tool):
    wrapper, pattern = TOOLS[tool]
    run = Run(binary, manifests, upstream, wrapper)
    try:
        run.wait()
        run.ask(work, count)
        run.end()
        return run.count(pattern)
    finally:
        run.discard()


def measure(binary, manifests, upstream, work, tool):
    few, many = (counted(binary, manifests, upstream, work, count, tool) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("works", nargs="*")
    options = parser.parse_args()
    folder = scratch_folder("binnacle-ceilings-")
    gen.write_services(SERVICES, folder)
    with open(os.path.join(folder, "headless.yaml"), "w") as f:
        f.write(headless("twenty", 20, True) + headless("thousand", 1000, False))
    upstream = Upstream()
    upstream.start()
    passed = failed = skipped = 0
    for which, tool in enumerate(TOOLS):
        if not shutil.which(TOOLS[tool][0][0]):
            skipped += 1
            print("ok %s # SKIP there is no %s" % (tool, TOOLS[tool][0][0]))
            continue
        for work in options.works or CEILINGS:
            ceiling = CEILINGS[work][which]
            found = measure(options.binary, folder, upstream.port, work, tool)
            text = "%s: %s: %.*f a query" % (work, tool, which, found)
            good = options.show or found <= ceiling
            passed, failed = passed + good, failed + (not good)
            print(("ok %s, ceiling %s" if good else "not ok %s - the ceiling is %s") % (text, ceiling), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
