#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault an API server or the way to it can show, against a real session.

    test_faults.py PATH/watch_probe [NAME...]

Each case has its own server and its own session; cases run side by side. A case
asserts what the sink holds during and after the fault, how often was listed, and
that the session closes with every handle given back. Prints `ok N name` or
`not ok N name: why` per case, and `N passed, M failed, K skipped` at the end."""

import concurrent.futures
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

import certificates
from probe import Probe
from server import (ENDPOINTS, NAMESPACES, SERVICES, SLICES, SLICES_BETA, FakeServer, endpoint_slice,
                    endpoints, namespace, service, status_object)

ALL = ("namespaces", "services", "endpointslices")
WORKERS = 10
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


# ---- without a fault ----

@case
def plain(world):
    server = world.server()
    probe = world.probe(server)
    probe.wait_synced(ALL)
    settle(server, probe, ALL)
    server.put(SERVICES, service("default", "new", "10.96.0.11"))
    server.put(SERVICES, service("default", "web", "10.96.0.12"))
    server.put(SLICES, endpoint_slice("default", "web-1", "web", ["10.1.0.3"]))
    settle(server, probe, ALL)
    probe.wait("slice changed", lambda p: p.objects["endpointslices"][
        ("default", "web-1")]["ips"] == ["10.1.0.3"])
    server.delete(SERVICES, "default", "new")
    settle(server, probe, ALL)
    equal([server.count("list", p) for p in (NAMESPACES, SERVICES, SLICES)], [1, 1, 1], "lists")
    stats = probe.stats()
    assert stats["synced"] and stats["all_synced"] and stats["objects"] == 1, stats
    assert stats["events"] >= 3, stats
    for request in server.asked("list") + server.asked("watch"):
        equal(request.headers.get("accept"), "application/json", "Accept")
        assert not request.headers["user-agent"].startswith(("curl", "Wget", "Mozilla/5.0"))
    for request in server.asked("watch"):
        assert "accept-encoding" not in request.headers, "gzip asked for on a watch"
        assert 300 <= int(request.query["timeoutSeconds"]) <= 600, request.query
        equal(request.query["allowWatchBookmarks"], "true", "bookmarks")
    probe.quit()


@case
def bookmarks_move_the_version(world):
    server, probe = start_synced(world)
    with server.changed:
        server.version = 5000
    until(lambda: probe.stats()["version"] == 5000, "a bookmark's version", 5)
    for conn in list(server.live):
        conn.abort()
    until(lambda: server.count("watch", SERVICES) == 2, "a second watch")
    equal(server.asked("watch", SERVICES)[1].query["resourceVersion"], "5000", "watched from")
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


@case
def watchlist(world):
    server = world.server()
    server.watchlist = True
    probe = world.probe(server)
    probe.wait_synced(ALL)
    settle(server, probe, ALL)
    proves_watch(server, probe)
    equal(server.count("list"), 0, "lists")
    equal(probe.stats()["stream_lists"], 1, "stream lists")
    probe.quit()


@case
def watchlist_refused(world):
    """422: one attempt per kind, then LIST; not asked again on the next relist."""
    server = world.server()
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    server.compact()
    for conn in list(server.live):
        conn.abort()
    until(lambda: server.count("list", SERVICES) == 2, "a relist")
    assert server.count("watchlist", SERVICES) <= 1
    proves_watch(server, probe)
    probe.quit()


@case
def watchlist_error_event(world):
    """HTTP 200 and ERROR 500, as over an old etcd: LIST instead."""
    server = world.server()
    server.watchlist = True

    def fault(request, conn):
        conn.begin()
        conn.event("ERROR", status_object(500, "InternalError", "a watch stream was requested by the "
                                          "client but the required storage feature "
                                          "RequestWatchProgress is disabled"))
        conn.end()
    server.on("watchlist", None, fault)
    probe = world.probe(server)
    probe.wait_synced(ALL)
    proves_watch(server, probe)
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


@case
def watchlist_cut_before_its_end(world):
    """A streamed list without its last bookmark is no list."""
    server = world.server()
    server.watchlist = True

    def fault(request, conn):
        conn.begin()
        conn.event("ADDED", server.full(SERVICES, service("default", "ghost", "10.96.0.99")))
        conn.close()
    server.on("watchlist", SERVICES, fault, times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    settle(server, probe)
    assert "ghost" not in probe.names("services")
    proves_watch(server, probe)
    probe.quit()


@case
def gzip_list(world):
    server = world.server()
    for i in range(1500):
        server.put(SERVICES, service("default", f"s{i}", f"10.97.{i // 250}.{i % 250}"))
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    settle(server, probe)
    proves_watch(server, probe)
    probe.quit()


@case
def gzip_corrupt(world):
    server = world.server()

    def fault(request, conn):
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return False
        conn.answer(200, b"\x1f\x8b\x08\x00 this is not gzip " * 40,
                    headers=("Content-Encoding: gzip",))
        return None
    server.on("list", SERVICES, fault, times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    proves_watch(server, probe)
    probe.quit()


# ---- bytes ----

def split_case(size, pause=0.0):
    def run(world):
        server = world.server()
        for i in range(20):
            server.put(SERVICES, service("default", f"s{i}", f"10.96.1.{i}", {"a": "\u00e9\"\\{[]}"}))

        def fault(request, conn):
            conn.split, conn.pause = size, pause
            return False
        server.on("any", None, fault)
        probe = world.probe(server)
        probe.wait_synced(ALL, 20)
        settle(server, probe, ALL)
        proves_watch(server, probe)
        equal(server.count("list", SERVICES), 1, "lists")
        probe.quit()
    return run


for split in (1, 2, 3, 7, 1447):
    split_test = split_case(split)
    split_test.__name__ = f"split_{split}"
    case(split_test)


@case
def chunks_anywhere(world):
    """HTTP chunks that end anywhere, events glued together and spaced out."""
    server = world.server()
    dice = random.Random(7)

    def chop(conn, data):
        while data:
            size = dice.randint(1, 40)
            conn.chunk(data[:size])
            data = data[size:]

    def list_fault(request, conn):
        conn.begin()
        chop(conn, json.dumps(server.list_body(SERVICES), indent=3).encode())
        conn.end()

    def watch_fault(request, conn):
        conn.begin()
        data = b""
        for i in range(30):
            obj = service("default", f"w{i}", f"10.96.2.{i}")
            obj["metadata"]["resourceVersion"] = str(1000 + i)
            data += json.dumps({"type": "ADDED", "object": server.full(SERVICES, obj)}).encode()
            data += dice.choice([b"", b"\n", b"\r\n \t"])
        chop(conn, data)
        conn.stall()
    server.on("list", SERVICES, list_fault)
    server.on("watch", SERVICES, watch_fault)
    probe = world.probe(server, "services")
    probe.wait("30 events", lambda p: len(p.objects["services"]) == 31)
    equal(probe.ips("services", "w29"), ["10.96.2.29"], "w29")
    probe.quit()


@case
def slow_loris(world):
    """A list that trickles: nothing is visible before its end, all of it then."""
    server = world.server()

    def fault(request, conn):
        conn.split, conn.pause = 4, 0.01
        return False
    server.on("list", SERVICES, fault)
    probe = world.probe(server)
    probe.wait_synced(["namespaces", "endpointslices"])
    assert "services" not in probe.synced
    probe.wait_synced(["services"], 20)
    settle(server, probe, ALL)
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


# ---- lists that go wrong ----

def relist(server):
    """Make the next watch come back with 410."""
    server.compact()
    for conn in list(server.live):
        conn.abort()


def bad_list(world, fault):
    """Synced; then a relist meets the fault once: the old set stays, then the new one comes."""
    server, probe = start_synced(world)
    seen = threading.Event()

    def once(request, conn):
        seen.set()
        return fault(server, request, conn)
    server.on("list", SERVICES, once, times=1)
    server.put(SERVICES, service("default", "during", "10.96.0.77"))
    settle(server, probe)
    before = probe.names("services")
    server.delete(SERVICES, "default", "during", quietly=True)
    relist(server)
    until(seen.is_set, "the faulty list")
    probe.wait("the second relist", lambda p: p.replaced["services"] == 2 or
               not before <= {name for _, name in p.objects["services"]}, 15)
    equal(probe.replaced["services"], 2, "complete lists when an object went")
    settle(server, probe)
    equal(server.count("list", SERVICES), 3, "lists")
    proves_watch(server, probe)
    probe.quit()
    return server, probe


@case
def list_cut_by_fin(world):
    def fault(server, request, conn):
        body = json.dumps(server.list_body(SERVICES)).encode()
        conn.begin()
        conn.chunk(body[:len(body) // 2])
        conn.close()
    bad_list(world, fault)


@case
def list_cut_by_reset(world):
    def fault(server, request, conn):
        body = json.dumps(server.list_body(SERVICES)).encode()
        conn.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                 b"100000\r\n\r\n" + body[:-3])
        conn.reset()
    bad_list(world, fault)


@case
def list_cut_but_framed_well(world):
    """HTTP says the body is whole; its JSON is not."""
    def fault(server, request, conn):
        body = json.dumps(server.list_body(SERVICES)).encode()
        conn.answer(200, body[:-2])
    bad_list(world, fault)


@case
def list_is_wrong_json(world):
    def fault(server, request, conn):
        conn.answer(200, '{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"9"},'
                    '"items":[{"metadata":{"name":"x"}}}}]')
    bad_list(world, fault)


@case
def list_is_not_a_list(world):
    def fault(server, request, conn):
        conn.answer(200, '[1,2,"three",null]')
    bad_list(world, fault)


@case
def list_is_html(world):
    def fault(server, request, conn):
        conn.answer(200, "<html><body>Log in to continue</body></html>", "text/html")
    bad_list(world, fault)


@case
def list_is_bad_gateway(world):
    def fault(server, request, conn):
        conn.answer(502, "<html><h1>502 Bad Gateway</h1></html>", "text/html")
    server, probe = bad_list(world, fault)
    assert 502 in [e["status"] for e in probe.told("FAILED")], probe.told("FAILED")


@case
def list_redirects(world):
    def fault(server, request, conn):
        conn.answer(302, "", headers=("Location: http://127.0.0.1:1/",))
    bad_list(world, fault)


@case
def list_speaks_something_else(world):
    def fault(server, request, conn):
        conn.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        conn.close()
    bad_list(world, fault)


@case
def list_throttled(world):
    """429 with a text body: Retry-After is kept."""
    server = world.server()
    server.on("list", SERVICES, lambda request, conn: conn.answer(
        429, "Too many requests, please try again later.\n", "text/plain",
        ("Retry-After: 2",)), times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    first, second = server.asked("list", SERVICES)
    assert 1.9 < second.time - first.time < 4.5, second.time - first.time
    proves_watch(server, probe)
    probe.quit()


@case
def list_in_pages(world):
    server = world.server()
    server.page_always = True
    for i in range(1200):
        server.put(SERVICES, service("default", f"s{i}", f"10.97.{i // 250}.{i % 250}"))
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    settle(server, probe)
    equal([server.count("list", SERVICES), server.count("page", SERVICES)], [1, 2], "pages")
    for request in server.asked("page", SERVICES):
        assert "resourceVersion" not in request.query, request.query
    proves_watch(server, probe)
    probe.quit()


@case
def page_expired(world):
    """410 for a continue token: the list starts again, and ends."""
    server = world.server()
    server.page_always = True
    for i in range(1200):
        server.put(SERVICES, service("default", f"s{i}", f"10.97.{i // 250}.{i % 250}"))
    server.on("page", SERVICES, lambda request, conn: conn.status(
        410, "Expired", "The provided continue parameter is too old to display a consistent list "
        "result."), times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"], 15)
    settle(server, probe)
    proves_watch(server, probe)
    probe.quit()


@case
def list_version_too_large(world):
    """504 Timeout with the cause ResourceVersionTooLarge: the newest, then."""
    server, probe = start_synced(world)
    body = status_object(504, "Timeout", "Timeout: Too large resource version: 9, current: 8")
    body["details"] = {"causes": [{"reason": "ResourceVersionTooLarge",
                                   "message": "Too large resource version"}],
                       "retryAfterSeconds": 1}

    def fault(request, conn):
        if not request.query.get("resourceVersion"):
            return False
        conn.answer(504, body)
        return None
    server.on("list", SERVICES, fault)
    relist(server)
    until(lambda: server.count("list", SERVICES) >= 3, "a list without a version")
    proves_watch(server, probe)
    probe.quit()


@case
def items_null(world):
    server = world.server()
    server.on("list", SERVICES, lambda request, conn: conn.answer(200, {
        "kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "102"},
        "items": None}))
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    equal(probe.names("services"), set(), "services")
    server.put(SERVICES, service("default", "later", "10.96.0.5"))
    probe.wait("later", lambda p: ("default", "later") in p.objects["services"])
    probe.quit()


@case
def one_object_is_refused(world):
    """An object that cannot be used is named; the others count."""
    server = world.server()
    broken = service("default", "broken", "10.96.0.300")
    broken["spec"]["clusterIP"] = broken["spec"]["clusterIPs"] = 7
    broken["metadata"]["name"] = 5
    server.on("list", SERVICES, lambda request, conn: conn.answer(200, server.list_body(
        SERVICES, [broken, *server.objects[SERVICES].values()])), times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"])
    equal(probe.names("services"), {"web"}, "services")
    probe.wait_event("OBJECT_REFUSED")
    probe.quit()


@case
def deletes_lost_in_an_outage(world):
    server, probe = start_synced(world)
    server.put(SERVICES, service("default", "short", "10.96.0.50"))
    settle(server, probe)
    server.delete(SERVICES, "default", "short", quietly=True)
    relist(server)
    settle(server, probe)
    equal(server.count("list", SERVICES), 2, "lists")
    probe.quit()


# ---- watches that go wrong ----

def bad_watch(world, fault, lists=1, seconds=10.0):
    """The next watch meets the fault once; nothing is lost, no list too many."""
    server, probe = start_synced(world)
    seen = threading.Event()

    def once(request, conn):
        seen.set()
        return fault(server, request, conn)
    server.on("watch", SERVICES, once, times=1)
    for conn in list(server.live):
        conn.abort()
    until(seen.is_set, "the faulty watch")
    equal(probe.names("services"), {"web"}, "services during the fault")
    server.put(SERVICES, service("default", "missed", "10.96.0.60"))
    settle(server, probe, seconds=seconds)
    equal(server.count("list", SERVICES), lists, "lists")
    probe.quit()
    return server, probe


def half_event(server, conn):
    obj = server.full(SERVICES, service("default", "half", "10.96.0.61"))
    data = json.dumps({"type": "ADDED", "object": obj}).encode()
    conn.begin()
    conn.chunk(data[:len(data) // 2])


@case
def watch_cut_by_fin(world):
    def fault(server, request, conn):
        half_event(server, conn)
        conn.close()
    bad_watch(world, fault)


@case
def watch_cut_by_reset(world):
    def fault(server, request, conn):
        half_event(server, conn)
        conn.reset()
    bad_watch(world, fault)


@case
def watch_ended_inside_an_object(world):
    def fault(server, request, conn):
        half_event(server, conn)
        conn.end()
    _, probe = bad_watch(world, fault)
    assert "half" not in probe.names("services")


@case
def watch_cut_before_its_head(world):
    bad_watch(world, lambda server, request, conn: conn.close())


@case
def watch_expired_status(world):
    bad_watch(world, lambda server, request, conn: conn.status(
        410, "Gone", "too old resource version"), lists=2)


@case
def watch_expired_event(world):
    def fault(server, request, conn):
        conn.begin()
        conn.event("ERROR", status_object(410, "Expired", "too old resource version: 1 (240)"))
        conn.end()
    _, probe = bad_watch(world, fault, lists=2)
    assert probe.told("RELISTED"), probe.events


@case
def watch_throttled(world):
    bad_watch(world, lambda server, request, conn: conn.answer(
        429, "Too many requests, please try again later.\n", "text/plain", ("Retry-After: 1",)))


@case
def watch_throttled_event(world):
    def fault(server, request, conn):
        conn.begin()
        conn.event("ERROR", status_object(429, "TooManyRequests", "slow down"))
        conn.end()
    bad_watch(world, fault)


@case
def watch_bad_gateway(world):
    bad_watch(world, lambda server, request, conn: conn.answer(
        502, "<html>Bad Gateway</html>", "text/html"), lists=1)


@case
def watch_line_is_not_json(world):
    def fault(server, request, conn):
        conn.begin()
        conn.chunk(b'{"type":"ADDED","object":{"metadata":{"name":"x",}}}\n')
        conn.stall()
    bad_watch(world, fault, lists=2)


@case
def watch_is_html(world):
    bad_watch_any(world, "<html>Log in</html>")


def bad_watch_any(world, body):
    """How many lists it takes is not prescribed, that it ends well is."""
    server, probe = start_synced(world)
    server.on("watch", SERVICES, lambda request, conn: conn.answer(200, body, "text/html"), times=1)
    for conn in list(server.live):
        conn.abort()
    until(lambda: server.count("watch", SERVICES) >= 2, "the faulty watch")
    proves_watch(server, probe)
    assert server.count("list", SERVICES) <= 2
    probe.quit()


@case
def unknown_events_are_ignored(world):
    def fault(server, request, conn):
        conn.begin()
        conn.event("SURPRISE", {"kind": "Novelty", "apiVersion": "v9", "metadata": {}})
        server.follow(request, conn, int(request.query["resourceVersion"]))
    bad_watch(world, fault)


@case
def version_goes_backwards(world):
    """etcd restored from a backup: the watch from the future would stay silent."""
    server, probe = start_synced(world)
    server.put(SERVICES, service("default", "lost", "10.96.0.62"))
    settle(server, probe)
    with server.changed:
        server.objects[SERVICES].pop(("default", "lost"))
        server.events[SERVICES] = []
        server.version = 50
        server.objects[SERVICES][("default", "web")]["metadata"]["resourceVersion"] = "40"
    for conn in list(server.live):
        conn.abort()
    settle(server, probe)
    assert server.count("list", SERVICES) >= 2
    assert not server.asked("list", SERVICES)[-1].query.get("resourceVersion"), "a version was asked for"
    proves_watch(server, probe)
    probe.quit()


@case
def stall_does_not_hold_the_close(world):
    server = world.server()
    server.on("list", SERVICES, lambda request, conn: (half_event(server, conn), conn.stall()))
    probe = world.probe(server)
    probe.wait_synced(["namespaces", "endpointslices"])
    probe.quit()


# ---- sizes ----

def bounded(world, fault, limit_mib, what):
    """A list that never was one; the peak must not follow its size."""
    server = world.server()
    server.on("list", SERVICES, fault, times=1)
    probe = world.probe(server, "services")
    until(lambda: server.count("list", SERVICES) >= 2, "another list", 40)
    probe.wait_synced(["services"], 20)
    settle(server, probe)
    peak, sanitized = probe.peak_kib() / 1024, probe.sanitized
    probe.quit()
    if not sanitized:
        assert peak < limit_mib, f"{what}: peak {peak:.1f} MiB, limit {limit_mib}"
    return f"peak {peak:.1f} MiB"


@case
def huge_object(world):
    """20 MB in one object: refused at the cap, and not kept."""
    def fault(request, conn):
        conn.begin()
        conn.chunk('{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":'
                   '[{"metadata":{"name":"big","annotations":{"a":"')
        for _ in range(320):
            conn.chunk(b"x" * 65536)
        conn.chunk('"}}}]}')
        conn.end()
    return bounded(world, fault, 40, "20 MB object")


@case
def endless_string(world):
    def fault(request, conn):
        conn.begin()
        conn.chunk('{"items":[{"metadata":{"name":"')
        while True:
            conn.chunk(b"x" * 65536)
    return bounded(world, fault, 40, "endless string")


@case
def endless_garbage(world):
    def fault(request, conn):
        conn.begin()
        while True:
            conn.chunk(os.urandom(4096))
    return bounded(world, fault, 18, "endless garbage")


@case
def long_list_in_little_memory(world):
    """60 MB of items pass; memory holds one of them at a time."""
    server = world.server()
    item = service("default", "same", "10.96.0.70")
    item["metadata"]["annotations"] = {"padding": "y" * 3000}
    text = json.dumps(item).encode()

    def fault(request, conn):
        conn.begin()
        conn.chunk('{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"150"},'
                   '"items":[')
        block = b",".join([text] * 20)
        for _ in range(1000):
            conn.chunk(block + b",")
        conn.chunk(text + b"]}")
        conn.end()
    server.on("list", SERVICES, fault, times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"], 40)
    equal(probe.names("services"), {"same"}, "services")
    peak, sanitized = probe.peak_kib() / 1024, probe.sanitized
    probe.quit()
    if not sanitized:
        assert peak < 18, f"peak {peak:.1f} MiB"
    return f"peak {peak:.1f} MiB"


# ---- who we are ----

@case
def token_rotated(world):
    """401, the file has a new token: it is read at once."""
    server = world.server(tls="server")
    server.token = "first"
    probe = world.in_cluster(server)
    probe.wait_synced(["services"])
    world.write("token", "second\n")
    server.token = "second"
    for conn in list(server.live):
        conn.abort()
    proves_watch(server, probe)
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


@case
def token_revoked_then_good(world):
    server = world.server(tls="server")
    server.token = "other"
    probe = world.in_cluster(server)
    told = probe.wait_event("UNAUTHORIZED")
    equal(told["kind"], "services", "kind")
    equal(probe.synced, set(), "synced")
    server.token = "first"
    probe.wait_synced(["services"], 20)
    proves_watch(server, probe)
    probe.quit()


@case
def forbidden_kind(world):
    """403 for one kind: named, and the others are not held up."""
    server = world.server()
    server.forbidden.add(SLICES)
    probe = world.probe(server)
    told = probe.wait_event("FORBIDDEN")
    equal([told["kind"], told["verb"], told["status"]], ["endpointslices", "list", 403], "told")
    assert "cannot list" in told["detail"], told
    probe.wait_synced(["namespaces", "services"])
    assert "endpointslices" not in probe.synced
    stats = probe.stats("endpointslices")
    assert stats["forbidden"] and not stats["all_synced"], stats
    proves_watch(server, probe)
    probe.quit()


@case
def forbidden_then_granted(world):
    server = world.server()
    server.forbidden.add(SERVICES)
    probe = world.probe(server, "services")
    probe.wait_event("FORBIDDEN")
    server.forbidden.discard(SERVICES)
    probe.wait_synced(["services"], 20)
    assert not probe.stats()["forbidden"]
    probe.quit()


# ---- which API ----

@case
def slices_in_v1beta1_only(world):
    server = world.server()
    server.missing = {SLICES, ENDPOINTS}
    server.put(SLICES_BETA, endpoint_slice("default", "old-1", "web", ["10.1.0.9"]))
    probe = world.probe(server)
    probe.wait_synced(ALL, 20)
    equal(probe.ips("endpointslices", "old-1"), ["10.1.0.9"], "old-1")
    probe.quit()


@case
def endpoints_only(world):
    server = world.server()
    server.missing = {SLICES, SLICES_BETA}
    server.put(ENDPOINTS, endpoints("default", "web", ["10.1.0.7", "10.1.0.8"]))
    probe = world.probe(server)
    probe.wait_synced(ALL, 20)
    equal(probe.ips("endpointslices", "web"), ["10.1.0.7", "10.1.0.8"], "web")
    probe.quit()


# ---- nobody there ----

@case
def api_server_dies_and_returns(world):
    """Told once; nothing changes meanwhile; watched again at once, without a list."""
    server = world.server()
    probe = world.probe(server)
    probe.wait_synced(ALL)
    settle(server, probe, ALL)
    until(lambda: server.count("watch") == 3, "three watches")
    server.stop()
    probe.wait_event("UNREACHABLE")
    before = {kind: probe.names(kind) for kind in ALL}
    connections = server.connections
    server.put(SERVICES, service("default", "while-away", "10.96.0.63"))
    time.sleep(3)
    equal({kind: probe.names(kind) for kind in ALL}, before, "objects during the outage")
    returned = time.monotonic()
    server.start()
    settle(server, probe, ALL)
    assert time.monotonic() - returned < 2.0, f"took {time.monotonic() - returned:.2f} s"
    equal([len(probe.told(t)) for t in ("UNREACHABLE", "REACHABLE")], [1, 1], "told")
    equal([server.count("list", p) for p in (NAMESPACES, SERVICES, SLICES)], [1, 1, 1], "lists")
    until(lambda: server.count("watch") == 6, "three more watches")
    assert server.connections - connections <= 4, "one probe and three watches"
    probe.quit()


@case
def nobody_there_at_start(world):
    server = world.server()
    server.stop()
    probe = world.probe(server)
    probe.wait_event("UNREACHABLE")
    assert "refused" in probe.told("UNREACHABLE")[0]["detail"], probe.told("UNREACHABLE")
    server.start()
    probe.wait_synced(ALL, 4)
    equal([len(probe.told(t)) for t in ("UNREACHABLE", "REACHABLE")], [1, 1], "told")
    probe.quit()


@case
def probing_is_gentle(world):
    """An address that takes connections only to drop them before the answer: the
    outage costs about one connect a second, not one per kind."""
    server = world.server()
    server.stop()
    probe = world.probe(server)
    probe.wait_event("UNREACHABLE")
    time.sleep(4)
    equal(len(probe.told("UNREACHABLE")), 1, "told")
    stats = [probe.stats(kind) for kind in ALL]
    assert all(s["failures"] <= 2 for s in stats), stats
    probe.quit()


@case
def dies_again_and_again(world):
    server, probe = start_synced(world)
    for i in range(3):
        server.stop(reset=bool(i % 2))
        probe.wait_event("UNREACHABLE", i + 1)
        server.put(SERVICES, service("default", f"round{i}", f"10.96.3.{i}"))
        server.start()
        settle(server, probe, seconds=5)
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


@case
def returns_unready(world):
    """Just started, it refuses for a moment: 500, 429, 403; one list at most."""
    server, probe = start_synced(world)
    answers = [lambda c: c.status(500, "InternalError", "not ready"),
               lambda c: c.answer(429, "Too many requests", "text/plain", ("Retry-After: 1",))]

    def fault(request, conn):
        answers.pop(0)(conn)
    server.on("any", SERVICES, fault, times=2)
    server.stop()
    probe.wait_event("UNREACHABLE")
    server.start()
    settle(server, probe)
    proves_watch(server, probe)
    assert server.count("list", SERVICES) <= 2
    probe.quit()


# ---- TLS ----

@case
def wrong_ca(world):
    server = world.server(tls="server")
    probe = world.in_cluster(server, ca="other-ca.crt")
    told = probe.wait_event("TLS_FAILED")
    assert "CA" in told["detail"] and "check" in told["detail"], told
    equal([probe.synced, server.count("list")], [set(), 0], "synced, lists")
    equal(probe.told("UNREACHABLE"), [], "unreachable")
    probe.quit()


@case
def wrong_name(world):
    server = world.server(tls="name")
    probe = world.in_cluster(server)
    told = probe.wait_event("TLS_FAILED")
    assert "not for this name or address" in told["detail"], told
    equal(server.count("list"), 0, "lists")
    probe.quit()


@case
def not_tls_at_all(world):
    server = world.server()
    probe = world.in_cluster(server)
    told = probe.wait_event("TLS_FAILED")
    assert "does not speak TLS" in told["detail"], told
    probe.quit()


@case
def client_certificate(world):
    server = world.server(tls="server", client_ca="ca.crt")
    files = [os.path.join(world.certificates, f) for f in ("client.crt", "client.key", "ca.crt")]
    probe = world.probe(server, arguments=["endpoint", server.url, *files])
    probe.wait_synced(ALL)
    proves_watch(server, probe)
    probe.quit()


@case
def client_certificate_missing(world):
    server = world.server(tls="server", client_ca="ca.crt")
    probe = world.in_cluster(server)
    told = probe.wait_event("TLS_FAILED")
    assert "client certificate" in told["detail"], told
    probe.quit()


@case
def connections_are_reused(world):
    """A kind's list and its watch go over one connection."""
    server = world.server(tls="server")
    server.token = "first"
    probe = world.in_cluster(server, " ".join(ALL))
    probe.wait_synced(ALL)
    until(lambda: server.count("watch") == 3, "three watches")
    assert server.connections <= 4, server.connections
    probe.quit()


@case
def memory_of_an_idle_session(world):
    server = world.server(tls="server")
    server.token = "first"
    probe = world.in_cluster(server, " ".join(ALL))
    probe.wait_synced(ALL)
    until(lambda: server.count("watch") == 3, "three watches")
    peak, sanitized = probe.peak_kib() / 1024, probe.sanitized
    probe.quit()
    if not sanitized:
        assert peak < 18, f"peak {peak:.1f} MiB"
    return f"peak {peak:.1f} MiB"


# ---- the runner ----

def run(function, program, certificate_folder):
    world = World(program, certificate_folder)
    started = time.monotonic()
    try:
        note = function(world)
        took = f"{time.monotonic() - started:.1f} s"
        return "ok", f"({took}, {note})" if note else f"({took})"
    except Skip as reason:
        return "skip", str(reason)
    except Exception as error:  # a broken case is a failed one
        where = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in where if f.filename.endswith("test_faults.py")]
        return "not ok", f": {type(error).__name__} at lines {lines[1:]}: {error}"
    finally:
        world.end()


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    program, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    cases = [c for c in CASES if not wanted or c.__name__ in wanted]
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    folder = tempfile.mkdtemp(prefix="faults-ca-")
    try:
        made = certificates.make(folder) if shutil.which("openssl") else None
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            futures = [(c.__name__, pool.submit(run, c, program, made)) for c in cases]
            for number, (name, future) in enumerate(futures, 1):
                outcome, text = future.result()
                counts[outcome] += 1
                print(f"{outcome} {number} {name} {text}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    return 1 if counts["not ok"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
