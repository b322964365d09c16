#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions and system calls per query have ceilings, whatever the machine.

    ceilings.py --binary PATH [--show | --write | --functions N] [WORK...]     PATH: a release build's program

Each work is run twice with different numbers of questions, under callgrind and under
strace; the difference of the counts, divided by that of the questions, is what one
costs: start and end fall out. Instructions are those of user space, in all threads.
Questions come one at a time; in "burst" 32 at once, which wait when the server looks.
"two-threads" asks as "A" does, but from many sockets, of a server on two cores: no more may
be spent. "slice-100" and "slice-5000" are no questions: one slice of 100 endpoints changes, of a
Service with that many; the API server is tests/api/fake's, and speaks protobuf, but JSON in
"slice-100-json". --show prints the measured
beside the ceilings and judges nothing, --write puts new ceilings into this file, and
--functions prints where the instructions are, callees included.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.util import module_from_spec, spec_from_file_location

import figures
import gen
import works
from dnsclient import rcode_of
from process import free_port, scratch_folder, spawn, stop

# By its path: the rig has a server.py, too.
_spec = spec_from_file_location("fake_server", os.path.join(os.path.dirname(figures.HERE), "api", "fake", "server.py"))
fake = module_from_spec(_spec)
_spec.loader.exec_module(fake)

# work: (instructions, system calls) that one may cost: what gcc 12 makes on x86-64, 15 %
# more instructions, and SLACK more system calls. --write makes it.
CEILINGS = {
    "A": (2800, 2.1),
    "two-threads": (2800, 2.1),
    "burst": (2450, 0.3),
    "nodata": (2750, 2.1),
    "nxdomain": (2700, 2.1),
    "srv": (36000, 2.1),
    "headless": (3000, 2.1),
    "headless-tcp": (18000, 4.5),
    "tcp": (3600, 3.1),
    "hit": (3050, 2.1),
    "new": (35000, 20.0),
    "slice-100": (367500, 17.1),
    "slice-100-json": (1005000, 19.1),
    "slice-5000": (1060000, 30.1),
}
HEADROOM = 1.15
# headless-tcp: a write may be taken in parts. new: where the machine is so slow that no
# socket is used again (dns/net/port.h). slice-*: it is asked until the change is answered.
SLACK = {"headless-tcp": 1.5, "new": 11.5, "slice-100": 12, "slice-100-json": 12, "slice-5000": 25}
FEW, MANY = 200, 2200
FEW_SLICES, MANY_SLICES = 10, 70
BURST = 32
CLIENTS = 16  # of two-threads: the kernel gives each socket to one of the threads
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
WATCHING = """.:%(port)d {
    bind 127.0.0.1
    errors
    prometheus 127.0.0.1:%(metrics)d
    kubernetes cluster.local {
        endpoint %(url)s
    }
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
        "A": (service, "A"), "two-threads": (service, "A"), "burst": (service, "A"), "tcp": (service, "A"), "nodata": (service, "AAAA"),
        "nxdomain": (service + "apps.svc.cluster.local.", "A"),
        "srv": ("_http._tcp.twenty.bench.svc.cluster.local.", "SRV"),
        "headless": ("thousand.bench.svc.cluster.local.", "A"), "headless-tcp": ("thousand.bench.svc.cluster.local.", "A"),
        "hit": ("hot.example.", "A"), "new": ("n%d.example." % number, "A"),
    }[work]


# work: rcode, answers and TC of a right reply.
REPLIES = {"nodata": (0, 0, False), "nxdomain": (3, 0, False), "srv": (0, 20, False), "headless-tcp": (0, 1000, False)}


def check(work, reply):
    """A wrong reply costs something else."""
    rcode, answers, truncated = REPLIES.get(work, (0, 1, False))
    found = (rcode_of(reply), int.from_bytes(reply[6:8], "big"), bool(reply[2] & 2))
    if work == "headless":  # as much as 1232 bytes hold
        good = found[0] == 0 and found[1] > 50
    else:
        good = found == (rcode, answers, truncated)
    if not good:
        raise RuntimeError("%s: a reply with rcode %d, %d answers and TC %s" % ((work,) + found))


class Cluster:
    """A Service of 100 endpoints and one of 5,000 at the fake API server; slices change."""

    def __init__(self):
        self.server = fake.FakeServer()
        self.generation, self.latest = 0, {}
        self.server.put(fake.NAMESPACES, fake.namespace("bench"))
        for size in (100, 5000):
            self.server.put(fake.SERVICES, fake.service("bench", "slices-%d" % size, "None"))
            for k in range(size // works.PER_SLICE):
                self.change(size, k)
        self.server.start()

    def change(self, size, k):
        """The name that says that the change has arrived."""
        self.generation += 1
        slice_ = fake.endpoint_slice("bench", "slices-%d-%d" % (size, k), "slices-%d" % size,
                                ["10.%d.%d.%d" % (220 + self.generation % 2, k, n + 1) for n in range(works.PER_SLICE)])
        for n, endpoint in enumerate(slice_["endpoints"]):  # as the controller writes them
            name = "slices-%d-7d4b9c6f5d-%05d" % (size, n)
            endpoint.update(nodeName="node-%d" % (n % 100), zone="zone-%d" % (n % 3), targetRef={
                "kind": "Pod", "namespace": "bench", "name": name, "uid": "5d1c9b1e-0000-4000-8000-%012d" % n})
            endpoint["conditions"].update(serving=True, terminating=False)
        slice_["endpoints"][0]["hostname"] = "g%d" % self.generation
        self.server.put(fake.SLICES, slice_)
        self.latest[size] = "g%d.slices-%d.bench.svc.cluster.local." % (self.generation, size)
        return self.latest[size]


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

    def __init__(self, setting, wrapper, work):
        self.dir = scratch_folder("binnacle-ceilings-")
        self.port = free_port()
        os.symlink(setting.manifests, os.path.join(self.dir, "manifests"))
        path = os.path.join(self.dir, "Corefile")
        with open(path, "w") as f:
            f.write((WATCHING if work.startswith("slice-") else COREFILE) % {
                "port": self.port, "metrics": free_port(), "dir": self.dir, "upstream": setting.upstream.port,
                "url": setting.cluster.server.url})
        setting.cluster.server.protobuf = not work.endswith("-json")
        cores = sorted(os.sched_getaffinity(0))[:2 if work == "two-threads" else 1]  # an answering thread each
        argv = ["taskset", "-c", ",".join(map(str, cores))] + [word.replace("DIR", self.dir) for word in wrapper] + [
            setting.binary, "-conf", path]
        self.process = spawn(argv, os.path.join(self.dir, "log"), cwd=self.dir)
        self.sockets = {}

    def udp(self, which="udp"):
        if which not in self.sockets:
            self.sockets[which] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sockets[which].connect(("127.0.0.1", self.port))
            self.sockets[which].settimeout(REPLY_S)
        return self.sockets[which]

    def tcp(self):
        if "tcp" not in self.sockets:
            self.sockets["tcp"] = socket.create_connection(("127.0.0.1", self.port), REPLY_S)
            self.sockets["tcp"].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.sockets["tcp"]

    def wait(self, name):
        """Until there is an address for the name."""
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
        self.sockets.pop("udp").close()  # late replies with it

    def change(self, cluster, size, count):
        for i in range(count):
            wire = works.wire(cluster.change(size, i % (size // works.PER_SLICE)), "A")
            end = time.monotonic() + REPLY_S
            while True:
                time.sleep(0.02)
                self.udp().send(wire)
                if rcode_of(self.udp().recv(65535)) == 0:
                    break
                if time.monotonic() > end:
                    raise RuntimeError("a changed slice was not answered in %d s" % REPLY_S)

    def stopped(self):
        """Whether it is, as the kernel says."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "Tt"

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + REPLY_S
        while not self.stopped() and time.monotonic() < end:
            time.sleep(0.001)

    def ask(self, work, count):
        messages = [works.wire(*question(work, i)) for i in range(count)]
        if work.endswith("tcp"):
            for message in messages:
                self.tcp().sendall(len(message).to_bytes(2, "big") + message)
                check(work, self.take(int.from_bytes(self.take(2), "big")))
            return
        step = BURST if work == "burst" else 1
        for first in range(0, count, step):
            part = messages[first:first + step]
            client = self.udp(first % CLIENTS if work == "two-threads" else "udp")
            if step > 1:
                self.pause()
            for message in part:
                client.send(message)
            if step > 1:
                self.process.send_signal(signal.SIGCONT)
            for _ in part:
                check(work, client.recv(65535))

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


class Setting:
    """What all runs share."""

    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        self.manifests = scratch_folder("binnacle-ceilings-")
        gen.write_services(SERVICES, self.manifests)
        with open(os.path.join(self.manifests, "headless.yaml"), "w") as f:
            f.write(headless("twenty", 20, True) + headless("thousand", 1000, False))
        self.upstream = Upstream()
        self.upstream.start()
        self.cluster = Cluster()

    def end(self):
        self.cluster.server.stop()
        shutil.rmtree(self.manifests, ignore_errors=True)


def unusable(tool):
    """Why the tool cannot be used, or None."""
    folder = scratch_folder("binnacle-ceilings-")
    argv = [word.replace("DIR", folder) for word in TOOLS[tool][0]] + ["true"]
    try:
        if not shutil.which(argv[0]):
            return "there is no %s: install the package %s" % (argv[0], argv[0])
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        said = done.stdout.decode(errors="replace").strip()
        return "%s cannot run here: %s" % (argv[0], said.splitlines()[-1] if said else "status %d" % done.returncode) \
            if done.returncode else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def functions(path):
    """{function: instructions with those of what it calls} of callgrind's file."""
    text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", path], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode(errors="replace")
    return {re.sub(r"^\S*?:|\s+\[.*", "", name): int(number.replace(",", ""))
            for number, name in re.findall(r"^\s*([\d,]+) \(.*?\)\s+(.*)", text, re.M)}


def counted(setting, work, count, tool, annotate):
    """What a run with so many questions takes: (all, {function: instructions})"""
    wrapper, pattern = TOOLS[tool]
    size = int(work.split("-")[1]) if work.startswith("slice-") else 0
    run = Run(setting, wrapper, work)
    try:
        if size:
            run.wait(setting.cluster.latest[size])
            run.change(setting.cluster, size, count)
        else:
            run.wait(gen.name_of(SERVICES) + ".")
            run.ask("hit", 1)
            run.ask(work, count)
        run.end()
        return run.count(pattern), functions(os.path.join(run.dir, "count")) if annotate else {}
    finally:
        run.discard()


def measure(setting, work, tool, annotate=0):
    numbers = (FEW_SLICES, MANY_SLICES) if work.startswith("slice-") else (FEW, MANY)
    (few, before), (many, after) = (counted(setting, work, count, tool, annotate) for count in numbers)
    each = numbers[1] - numbers[0]
    costs = sorted((((after[name] - before.get(name, 0)) / each, name) for name in after), reverse=True)
    for cost, name in costs[:annotate]:
        print("%12.0f  %s" % (cost, name))
    return (many - few) / each


def ceiling_of(work, which, found):
    """What --write puts into the table."""
    if which == 0:
        step = 50 if found < 10000 else 500
        return int(-(-found * HEADROOM // step) * step)
    return round(found + SLACK.get(work, 0.1), 1)


def write(measured):
    """measured: {(work, which): found}"""
    with open(__file__) as f:
        text = f.read()
    for (work, which), found in measured.items():
        CEILINGS[work] = tuple(ceiling_of(work, which, found) if i == which else old for i, old in enumerate(CEILINGS[work]))
    rows = "".join('    "%s": (%d, %.1f),\n' % ((work,) + each) for work, each in CEILINGS.items())
    with open(__file__, "w") as f:
        f.write(re.sub(r"(?ms)^(CEILINGS = \{\n).*?^\}", lambda found: found[1] + rows + "}", text, count=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--functions", type=int, default=0, metavar="N")
    parser.add_argument("works", nargs="*", metavar="WORK")
    options = parser.parse_args()
    unknown = [work for work in options.works if work not in CEILINGS]
    if unknown:
        parser.error("no work %s; there are: %s" % (", ".join(unknown), " ".join(CEILINGS)))
    setting, measured, skipped, failed = Setting(options.binary), {}, 0, 0
    for which, tool in enumerate(list(TOOLS)[:1] if options.functions else TOOLS):
        why = unusable(tool)
        if why:
            skipped += 1
            print("ok %s # SKIP %s" % (tool, why))
            continue
        for work in options.works or CEILINGS:
            found = measured[work, which] = measure(setting, work, tool, options.functions)
            good = options.show or options.write or options.functions or found <= CEILINGS[work][which]
            failed += not good
            text = "%s: %s: %.*f each" % (work, tool, 2 * which, found)
            print(("ok %s, ceiling %s" if good else "not ok %s - the ceiling is %s") % (text, CEILINGS[work][which]), flush=True)
    setting.end()
    if options.write:
        write(measured)
    print("%d passed, %d failed, %d skipped" % (len(measured) - failed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
