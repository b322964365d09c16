# SPDX-License-Identifier: Apache-2.0
"""Lists that go wrong, and lists that are too much."""

import json
import os
import threading
import time

from server import SERVICES, service, status_object
from world import case, equal, proves_watch, relist, settle, start_synced, until


# ---- lists that go wrong ----

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
