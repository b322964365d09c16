# SPDX-License-Identifier: Apache-2.0
"""What a fault case uses: its server, its session, and questions to both."""

import json
import os
import shutil
import tempfile
import time

from probe import Probe
from server import NAMESPACES, SERVICES, SLICES, FakeServer, endpoint_slice, namespace, service


ALL = ("namespaces", "services", "endpointslices")
CASES = []


class Skip(Exception):
    pass


def case(function):
    CASES.append(function)
    return function


class World:
    """What one case uses; everything is ended with it."""

    def __init__(self, program, certificate_folder):
        self.program = program
        self.certificates = certificate_folder
        self.folder = tempfile.mkdtemp(prefix="faults-")
        self.servers = []
        self.probes = []

    def server(self, tls=None, client_ca=None):
        if tls and not self.certificates:
            raise Skip("no openssl program to make certificates with")
        pair = tls and tuple(os.path.join(self.certificates, f"{tls}.{x}") for x in ("crt", "key"))
        ca = client_ca and os.path.join(self.certificates, client_ca)
        server = FakeServer(pair, ca)
        self.servers.append(server)
        server.put(NAMESPACES, namespace("default"))
        server.put(SERVICES, service("default", "web", "10.96.0.10"))
        server.put(SLICES, endpoint_slice("default", "web-1", "web", ["10.1.0.1", "10.1.0.2"]))
        return server.start()

    def probe(self, server, kinds="namespaces services endpointslices", arguments=None, **environment):
        probe = Probe(self.program, arguments or ["endpoint", server.url],
                      {"KINDS": kinds, **environment})
        self.probes.append(probe)
        return probe

    def in_cluster(self, server, kinds="services", ca="ca.crt", token="first"):
        """A session with token and CA files, as in a pod."""
        if not self.certificates:
            raise Skip("no openssl program to make certificates with")
        self.write("token", token)
        shutil.copy(os.path.join(self.certificates, ca), os.path.join(self.folder, "ca.crt"))
        self.write("namespace", "kube-system")
        return self.probe(server, kinds, ["in-cluster", self.folder],
                          KUBERNETES_SERVICE_HOST="127.0.0.1",
                          KUBERNETES_SERVICE_PORT=str(server.port))

    def write(self, name, text):
        """As the kubelet does: the whole file or nothing."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def end(self):
        for probe in self.probes:
            probe.kill()
        for server in self.servers:
            if server.listener:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def converged(server, probe, kinds=("services",)):
    paths = {"services": SERVICES, "endpointslices": SLICES, "namespaces": NAMESPACES}
    for kind in kinds:
        with server.lock:
            there = {(ns, name): obj for (ns, name), obj in server.objects[paths[kind]].items()}
        if set(there) != set(probe.objects[kind]):
            return False
        if kind == "services" and any(
                probe.objects[kind][key]["ips"] != obj["spec"]["clusterIPs"]
                for key, obj in there.items()):
            return False
    return True


def settle(server, probe, kinds=("services",), seconds=10.0):
    probe.wait("the server's objects", lambda p: converged(server, p, kinds), seconds)


def proves_watch(server, probe, name="proof", seconds=10.0):
    """The watch is alive: a new Service arrives."""
    server.put(SERVICES, service("default", name, "10.96.9.9"))
    settle(server, probe, seconds=seconds)


def start_synced(world):
    server = world.server()
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    settle(server, probe)
    until(lambda: server.count("watch", SERVICES) == 1, "the watch")
    return server, probe


def until(predicate, what, seconds=10.0):
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise AssertionError(f"waited for: {what}")
        time.sleep(0.01)


def equal(got, wanted, what):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def relist(server):
    """Make the next watch come back with 410."""
    server.compact()
    for conn in list(server.live):
        conn.abort()


def half_event(server, conn):
    obj = server.full(SERVICES, service("default", "half", "10.96.0.61"))
    data = json.dumps({"type": "ADDED", "object": obj}).encode()
    conn.begin()
    conn.chunk(data[:len(data) // 2])
