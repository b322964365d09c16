# SPDX-License-Identifier: Apache-2.0
"""Sessions without a fault, and the ways bytes can be cut up."""

import json
import random

from server import JSON, NAMESPACES, PROTOBUF, SERVICES, SLICES, endpoint_slice, service, status_object
from world import ALL, case, equal, proves_watch, relist, settle, start_synced, until


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
        equal(request.headers.get("accept"), f"{PROTOBUF},{JSON}", "Accept")
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
        server.protobuf = False  # cases_protobuf.py cuts that
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
