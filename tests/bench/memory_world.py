# SPDX-License-Identifier: Apache-2.0
"""What memory.py measures: the program beside a fake API server of a given size, and an upstream.

Objects come as in a cluster, over TLS and in protobuf: manifests are read into trees first,
of which the allocator keeps some."""

import contextlib
import os
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.request

import figures
from dnsclient import DnsClient, question
from process import free_port, scratch_folder, spawn, stop, tail

sys.path.insert(0, os.path.join(os.path.dirname(figures.HERE), "api", "fake"))
import certificates  # noqa: E402
from server import NAMESPACES, PODS, SERVICES, SLICES, FakeServer  # noqa: E402

TEAMS = 50
PER_SLICE = 100  # the endpoint slice controller's own limit
START_S, REPLY_S, SETTLE_S = 60, 5, 20
WINDOW = 32  # questions in flight
COREFILE = """.:%(port)d {
    bind 127.0.0.1
    errors
    ready 127.0.0.1:%(ready)d
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint %(url)s
        tls %(dir)s/client.crt %(dir)s/client.key %(dir)s/ca.crt
        pods %(pods)s
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus 127.0.0.1:%(metrics)d
    forward . 127.0.0.1:%(upstream)d
    cache 3600 {
        success %(capacity)d
        denial %(capacity)d
    }
}
"""


# -- objects, with the fields and the lengths of names that a cluster has ------------------
def meta(namespace, name, number, **more):
    return {"name": name, "namespace": namespace, "uid": "5d1c9b1e-0000-4000-8000-%012d" % number,
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": name}, **more}


def team(i):
    return "team-%02d-shop" % (i % TEAMS)


def service_name(i):
    return "web-frontend-%05d" % i


def service(i, headless, family):
    ip = "None" if headless else "10.%d.%d.%d" % (96 + (i >> 16), i >> 8 & 255, i & 255)
    if family == "IPv6" and not headless:
        ip = "fd00:96::%x" % (i + 1)
    return {"metadata": meta(team(i), service_name(i), i),
            "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ipFamilies": [family],
                     "selector": {"app": service_name(i)},
                     "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]}}


def address(n, family="IPv4"):
    if family == "IPv6":
        return "fd00:128:%x::%x" % (n >> 16, (n & 0xFFFF) + 1)
    return "10.%d.%d.%d" % (128 + (n >> 16 & 127), n >> 8 & 255, n & 255)


def endpoint(n, hosts, k, family):
    out = {"addresses": [address(n, family)], "conditions": {"ready": True, "serving": True, "terminating": False},
           "nodeName": "node-%d" % (n % 100), "zone": "zone-%d" % (n % 3),
           "targetRef": {"kind": "Pod", "name": "pod-%d" % n, "uid": "%d" % n}}
    if hosts:
        out["hostname"] = "web-frontend-%d" % k
    return out


def slices(i, endpoints, hosts, family, shift=0):
    """shift: other addresses than before."""
    for first in range(0, endpoints, PER_SLICE):
        yield {"metadata": meta(team(i), "%s-x7k%02d" % (service_name(i), first // PER_SLICE), i,
                                labels={"kubernetes.io/service-name": service_name(i)}),
               "addressType": family, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
               "endpoints": [endpoint(i * endpoints + k + shift, hosts, k, family)
                             for k in range(first, min(first + PER_SLICE, endpoints))]}


def pod(n):
    return {"metadata": meta(team(n), "web-frontend-7d4b9c6f5d-%06d" % n, n),
            "spec": {"nodeName": "node-%d" % (n % 100)},
            "status": {"phase": "Running", "podIP": address(n), "podIPs": [{"ip": address(n)}]}}


class Cluster:
    """So many Services with so many endpoints each (hosts: headless, with host names), and Pods."""

    def __init__(self, services=0, endpoints=0, pods=0, hosts=False, family="IPv4"):
        self.services, self.endpoints, self.pods, self.hosts, self.family = services, endpoints, pods, hosts, family

    def change(self, api, count, shift):
        """So many Services get other endpoints."""
        for i in range(count):
            for each in slices(i, self.endpoints, self.hosts, self.family, shift):
                api.put(SLICES, each)

    def fill(self, api):
        for i in range(TEAMS):
            api.put(NAMESPACES, {"metadata": {"name": team(i)}, "status": {"phase": "Active"}})
        for i in range(self.services):
            api.put(SERVICES, service(i, self.hosts, self.family))
            for each in slices(i, self.endpoints, self.hosts, self.family):
                api.put(SLICES, each)
        for n in range(self.pods):
            api.put(PODS, pod(n))
        api.compact()  # without its history it is smaller


# -- an upstream --------------------------------------------------------------------------
class Upstream(threading.Thread):
    """Answers names that begin with "a" with an alias and four addresses, others with a denial."""

    ALIAS = b"\xc0\x0c\0\5\0\1\0\0\x0e\x10\0\x10\x0dedge-location\xc0\x10"
    DENIAL = (b"\0\0\6\0\1\0\0\x0e\x10\0\x36\x02ns\7example\3net\0\x0ahostmaster\7example\3net\0"
              + b"\0\0\0\1" + b"\0\0\x0e\x10" * 4)

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def reply(self, data):
        end = data.index(b"\0", 12) + 5
        asked = data[12:end]
        if data[13:14] != b"a":
            return data[:2] + b"\x81\x83\0\1\0\0\0\1\0\0" + asked + self.DENIAL
        target = 12 + len(asked) + 12
        addresses = b"".join((0xC000 | target).to_bytes(2, "big") + b"\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2" + bytes([k])
                             for k in range(4))
        return data[:2] + b"\x81\x80\0\1\0\5\0\0\0\0" + asked + self.ALIAS + addresses

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            self.socket.sendto(self.reply(data), peer)


# -- the program --------------------------------------------------------------------------
class Program:
    def __init__(self, binary, folder, api, upstream, pods, capacity, cores):
        self.port, self.ready, self.metrics, self.connections = free_port(), free_port(), free_port(), []
        self.api = api
        path = os.path.join(folder, "Corefile")
        with open(path, "w") as f:
            f.write(COREFILE % {"port": self.port, "ready": self.ready, "metrics": self.metrics, "url": api.url,
                                "dir": folder, "pods": "verified" if pods else "insecure",
                                "upstream": upstream.port, "capacity": capacity})
        self.log = os.path.join(folder, "log")
        self.process = spawn(["taskset", "-c", ",".join(map(str, cores)), binary, "-conf", path], self.log, cwd=folder)

    def cached(self):
        """Answers and denials in the cache, by the metrics."""
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.metrics, timeout=REPLY_S) as answer:
            return sum(int(float(line.split()[-1])) for line in answer.read().decode().splitlines()
                       if line.startswith("coredns_cache_entries{"))

    def burst(self):
        """It is stopped while questions come, so that each answering thread finds a full batch."""
        clients = [self.client() for _ in range(40)]
        wire = question("cluster.local.", "SOA")
        for _ in range(5):
            self.process.send_signal(signal.SIGSTOP)
            for client in clients:
                for _ in range(8):
                    client.socket.send(wire)
            self.process.send_signal(signal.SIGCONT)
            for client in clients:
                client.socket.settimeout(0.2)
                with contextlib.suppress(socket.timeout):  # some were too many
                    for _ in range(8):
                        client.socket.recv(65535)
        for client in clients:
            client.close()

    def list_again(self, kind=SERVICES):
        """All watches end, and none can go on: everything is listed once more."""
        before = self.api.count("list", kind)
        self.api.compact()
        for conn in list(self.api.live):
            conn.abort()
        for _ in range(START_S * 20):
            if self.api.count("list", kind) > before:
                return
            time.sleep(0.05)
        raise RuntimeError("nothing was listed again in %d s" % START_S)

    def wait_ready(self):
        for _ in range(START_S * 20):
            if self.process.poll() is not None:
                raise RuntimeError("it ended: " + tail(self.log))
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ready), 1) as s:
                s.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if b" 200 " in s.recv(100):
                    return
            time.sleep(0.05)
        raise RuntimeError("it was not ready in %d s: %s" % (START_S, tail(self.log)))

    def status(self, key):
        """Of /proc/PID/status, in bytes."""
        with open("/proc/%d/status" % self.process.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith(key + ":")) * 1024

    def settled(self, key="RssAnon"):
        """Once it has not changed for a second: what is freed behind readers goes later."""
        last, since = self.status(key), time.monotonic()
        end = since + SETTLE_S
        while time.monotonic() < end and time.monotonic() - since < 1:
            time.sleep(0.1)
            now = self.status(key)
            if now != last:
                last, since = now, time.monotonic()
        return last

    def client(self):
        return DnsClient(self.port)

    def ask_all(self, names):
        """Each once, WINDOW at a time."""
        client = self.client()
        client.socket.settimeout(REPLY_S)
        names = list(names)
        for first in range(0, len(names), WINDOW):
            part = [question(name) for name in names[first:first + WINDOW]]
            for wire in part:
                client.socket.send(wire)
            for _ in part:
                client.socket.recv(65535)
        client.close()

    def connect(self, count):
        """TCP connections, each asks once and stays."""
        wire = question("cluster.local.", "SOA")
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", self.port), REPLY_S)
            s.sendall(len(wire).to_bytes(2, "big") + wire)
            s.recv(65535)
            self.connections.append(s)

    def end(self):
        for each in self.connections:
            each.close()
        stop(self.process)


@contextlib.contextmanager
def running(binary, cluster, capacity=9984, cores=()):
    """The program, ready, with the objects of the cluster; on one core, or on those given."""
    cores = cores or sorted(os.sched_getaffinity(0))[:1]
    folder = certificates.make(scratch_folder("binnacle-memory-"))
    api = FakeServer((os.path.join(folder, "server.crt"), os.path.join(folder, "server.key")),
                     os.path.join(folder, "ca.crt"))
    if cluster.pods:
        api.missing.discard(PODS)
    upstream = Upstream()
    program = None
    try:
        cluster.fill(api)
        api.start()
        upstream.start()
        program = Program(binary, folder, api, upstream, cluster.pods, capacity, cores)
        program.wait_ready()
        yield program
    finally:
        if program:
            program.end()
        api.stop()
        upstream.socket.close()
        shutil.rmtree(folder, ignore_errors=True)
