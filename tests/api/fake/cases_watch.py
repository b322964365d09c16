# SPDX-License-Identifier: Apache-2.0
"""Watches that go wrong."""

import threading

from server import SERVICES, service, status_object
from world import case, equal, half_event, proves_watch, settle, start_synced, until


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
