# SPDX-License-Identifier: Apache-2.0
"""Who we are, what the server has, whether it is there, and TLS."""

import os
import time

from server import (ENDPOINTS, JSON, NAMESPACES, PROTOBUF, SERVICES, SLICES, SLICES_BETA,
                    endpoint_slice, endpoints, service)
from world import ALL, case, equal, proves_watch, settle, start_synced, until


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

def asked_in(server, purpose, path, accept):
    for request in server.asked(purpose, path):
        equal(request.headers.get("accept"), accept, f"Accept for {request.path}")


@case
def slices_in_v1beta1_only(world):
    server = world.server()
    server.missing = {SLICES, ENDPOINTS}
    server.put(SLICES_BETA, endpoint_slice("default", "old-1", "web", ["10.1.0.9"]))
    probe = world.probe(server)
    probe.wait_synced(ALL, 20)
    equal(probe.ips("endpointslices", "old-1"), ["10.1.0.9"], "old-1")
    asked_in(server, "list", SLICES, f"{PROTOBUF},{JSON}")
    asked_in(server, "list", SLICES_BETA, JSON)
    asked_in(server, "watch", SLICES_BETA, JSON)
    asked_in(server, "other", None, JSON)  # which API there is
    probe.quit()


@case
def endpoints_only(world):
    server = world.server()
    server.missing = {SLICES, SLICES_BETA}
    server.put(ENDPOINTS, endpoints("default", "web", ["10.1.0.7", "10.1.0.8"]))
    probe = world.probe(server)
    probe.wait_synced(ALL, 20)
    equal(probe.ips("endpointslices", "web"), ["10.1.0.7", "10.1.0.8"], "web")
    asked_in(server, "list", ENDPOINTS, f"{PROTOBUF},{JSON}")
    asked_in(server, "other", None, JSON)
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
def many_records_at_once(world):
    """TLS records that come together are taken from the socket together: none may lie in
    the TLS library until something else comes."""
    server = world.server(tls="server")
    server.token, server.bookmark_every = "first", 3600
    probe = world.in_cluster(server)
    probe.wait_synced(["services"])
    until(lambda: server.count("watch") + server.count("watchlist") > 0, "the watch")
    for size in (1, 2, 7, 23, 100, 250, 300, 5000):
        conns = list(server.live)
        for conn in conns:
            conn.split, conn.corked = size, True
        for i in range(8):
            started = time.monotonic()
            server.put(SERVICES, service("default", f"r{size}-{i}", "10.96.4.1", labels={"pad": "x" * 40 * i}))
            settle(server, probe, seconds=60)  # hundreds of writes, each of which may wait for the interpreter
            arrived, sent = time.monotonic(), max(conn.sent_at for conn in conns)
            late = arrived - sent if sent > started else 0  # else the server has not even noted it
            assert late < 1, f"records of {size} bytes: an event lay somewhere for {late:.1f} s"
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
