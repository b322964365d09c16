# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in protobuf, and servers that do not speak it."""

import json
import random
import struct

import protobuf
from cases_list import bad_list, bounded
from cases_watch import bad_watch
from server import PROTOBUF, PROTOBUF_WATCH, SERVICES, SLICES, service, status_object
from world import ALL, case, equal, proves_watch, relist, settle, start_synced, until

OBJECT_MAX = 16 << 20  # what the client takes for one object
# Fields that no table knows: bytes, a number, and the two of a fixed size.
UNKNOWN = protobuf.field(99, b"\xff\0 new") + protobuf.varint(98 << 3) + protobuf.varint(1 << 63) + \
    protobuf.varint(97 << 3 | 1) + b"8 bytes!" + protobuf.varint(96 << 3 | 5) + b"4byt"


def add(server, name, ip, version):
    """The event in which a Service comes."""
    obj = service("default", name, ip)
    obj["metadata"]["resourceVersion"] = str(version)
    return protobuf.event("ADDED", server.full(SERVICES, obj))


def list_bytes(server):
    return protobuf.body(server.list_body(SERVICES))


# ---- bytes ----

def split_case(size):
    def run(world):
        server = world.server()
        for i in range(20):
            server.put(SERVICES, service("default", f"s{i}", f"10.96.1.{i}", {"a": "\u00e9\"\\{[]}"}))

        def fault(request, conn):
            conn.split = size
            return False
        server.on("any", None, fault)
        probe = world.probe(server)
        probe.wait_synced(ALL, 20)
        settle(server, probe, ALL)
        proves_watch(server, probe)
        server.delete(SERVICES, "default", "s7")
        settle(server, probe)
        equal(server.count("list", SERVICES), 1, "lists")
        assert all(r.protobuf for r in server.asked("list") + server.asked("watch")), "asked for in JSON"
        probe.quit()
    return run


for split in (1, 2, 3, 7, 1447):
    split_test = split_case(split)
    split_test.__name__ = f"protobuf_split_{split}"
    case(split_test)


@case
def protobuf_chunks_anywhere(world):
    """HTTP chunks that end anywhere, in a list and in a watch."""
    server = world.server()
    dice = random.Random(7)

    def chop(conn, data):
        while data:
            size = dice.randint(1, 40)
            conn.chunk(data[:size])
            data = data[size:]

    def list_fault(request, conn):
        conn.begin(content_type=PROTOBUF)
        chop(conn, list_bytes(server))
        conn.end()

    def watch_fault(request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        chop(conn, b"".join(add(server, f"w{i}", f"10.96.2.{i}", 1000 + i) for i in range(30)))
        conn.stall()
    server.on("list", SERVICES, list_fault)
    server.on("watch", SERVICES, watch_fault)
    probe = world.probe(server, "services")
    probe.wait("30 events", lambda p: len(p.objects["services"]) == 31)
    equal(probe.ips("services", "w29"), ["10.96.2.29"], "w29")
    probe.quit()


@case
def two_frames_in_one_write(world):
    server = world.server()

    def fault(request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        conn.chunk(add(server, "one", "10.96.2.1", 1001) + add(server, "two", "10.96.2.2", 1002))
        conn.stall()
    server.on("watch", SERVICES, fault)
    probe = world.probe(server, "services")
    probe.wait("both", lambda p: len(p.objects["services"]) == 3)
    equal([probe.ips("services", name) for name in ("one", "two")], [["10.96.2.1"], ["10.96.2.2"]], "addresses")
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


@case
def unknown_fields_are_passed_over(world):
    """A later API server has fields that we have never heard of, at every level."""
    server = world.server()

    def newer(obj):
        return protobuf.field(1, protobuf.message("ObjectMeta", obj["metadata"]) + UNKNOWN) + UNKNOWN + \
            protobuf.field(2, UNKNOWN + protobuf.message("ServiceSpec", obj["spec"]) + UNKNOWN) + \
            protobuf.field(3, protobuf.message("ServiceStatus", {})) + UNKNOWN

    def list_fault(request, conn):
        body = server.list_body(SERVICES)
        raw = UNKNOWN + protobuf.field(1, protobuf.message("ListMeta", body["metadata"]) + UNKNOWN) + UNKNOWN
        for obj in body["items"]:
            raw += protobuf.field(2, newer(obj)) + UNKNOWN
        conn.answer(200, protobuf.envelope("v1", "ServiceList", raw) + UNKNOWN, PROTOBUF)

    def watch_fault(request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        obj = service("default", "new", "10.96.2.1")
        obj["metadata"]["resourceVersion"] = "1001"
        data = protobuf.envelope("v1", "Service", newer(obj)) + UNKNOWN
        conn.chunk(protobuf.frame(UNKNOWN + protobuf.field(1, b"ADDED") + UNKNOWN +
                                  protobuf.field(2, protobuf.field(1, data) + UNKNOWN) + UNKNOWN))
        conn.stall()
    server.on("list", SERVICES, list_fault)
    server.on("watch", SERVICES, watch_fault)
    probe = world.probe(server, "services")
    probe.wait("the new one", lambda p: len(p.objects["services"]) == 2)
    equal([probe.ips("services", name) for name in ("web", "new")], [["10.96.0.10"], ["10.96.2.1"]], "addresses")
    equal(server.count("list", SERVICES), 1, "lists")
    equal(probe.told("OBJECT_REFUSED"), [], "refused")
    probe.quit()


# ---- watches that go wrong ----

def bad_frame(world, data, lists=2):
    """A watch begins with these bytes, and then says nothing more."""
    def fault(server, request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        conn.chunk(data)
        conn.stall()
    return bad_watch(world, fault, lists)


@case
def frame_too_large(world):
    bad_frame(world, struct.pack(">I", OBJECT_MAX + 1) + protobuf.field(1, b"ADDED"))


@case
def frame_of_four_gigabytes(world):
    bad_frame(world, b"\xff\xff\xff\xff")


@case
def frame_of_random_bytes(world):
    bad_frame(world, protobuf.frame(random.Random(7).randbytes(300)))


@case
def frame_of_json(world):
    """The frame is right, the object in it is not in protobuf."""
    obj = service("default", "x", "10.96.2.1")
    bad_frame(world, protobuf.event_of("ADDED", json.dumps({"kind": "Service", "apiVersion": "v1", **obj}).encode()))


@case
def json_where_frames_were_told(world):
    """Its first four bytes are a length of two gigabytes."""
    bad_frame(world, b'{"type":"ADDED","object":{"kind":"Service"}}\n')


@case
def watch_ended_inside_a_frame(world):
    def fault(server, request, conn):
        data = add(server, "half", "10.96.0.61", 1001)
        conn.begin(content_type=PROTOBUF_WATCH)
        conn.chunk(data[:len(data) // 2])
        conn.end()
    _, probe = bad_watch(world, fault)
    assert "half" not in probe.names("services")


@case
def watch_cut_inside_a_length(world):
    def fault(server, request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        conn.chunk(b"\0\0")
        conn.close()
    bad_watch(world, fault)


@case
def watch_expired_frame(world):
    def fault(server, request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        conn.event("ERROR", status_object(410, "Expired", "too old resource version: 1 (240)"))
        conn.end()
    _, probe = bad_watch(world, fault, lists=2)
    assert probe.told("RELISTED"), probe.events


@case
def unknown_frames_are_ignored(world):
    def fault(server, request, conn):
        conn.begin(content_type=PROTOBUF_WATCH)
        conn.chunk(protobuf.event_of("SURPRISE", protobuf.envelope("v9", "Novelty", UNKNOWN)))
        server.follow(request, conn, int(request.query["resourceVersion"]))
    bad_watch(world, fault)


# ---- lists that go wrong ----

@case
def protobuf_list_cut(world):
    """Of the length that was promised only the half comes."""
    def fault(server, request, conn):
        body = list_bytes(server)
        conn.raw(f"HTTP/1.1 200 OK\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {len(body)}\r\n\r\n".encode() +
                 body[:len(body) // 2])
        conn.close()
    bad_list(world, fault)


@case
def protobuf_list_cut_but_framed_well(world):
    """HTTP says the body is whole; the list in it is not."""
    bad_list(world, lambda server, request, conn: conn.answer(200, list_bytes(server)[:-9], PROTOBUF))


@case
def protobuf_list_of_another_kind(world):
    def fault(server, request, conn):
        raw = protobuf.message("ServiceList", server.list_body(SERVICES))
        conn.answer(200, protobuf.envelope("v1", "SecretList", raw), PROTOBUF)
    bad_list(world, fault)


@case
def protobuf_list_without_its_magic(world):
    bad_list(world, lambda server, request, conn: conn.answer(200, list_bytes(server)[4:], PROTOBUF))


@case
def protobuf_list_is_json(world):
    """The head promises what the body is not."""
    bad_list(world, lambda server, request, conn: conn.answer(200, server.list_body(SERVICES), PROTOBUF))


@case
def protobuf_list_version_too_large(world):
    """504 Timeout with the cause ResourceVersionTooLarge: the newest, then."""
    server, probe = start_synced(world)
    body = status_object(504, "Timeout", "Timeout: Too large resource version: 9, current: 8")
    body["details"] = {"causes": [{"reason": "ResourceVersionTooLarge",
                                   "message": "Too large resource version"}],
                       "retryAfterSeconds": 1}

    def fault(request, conn):
        if not request.query.get("resourceVersion"):
            return False
        conn.object(504, body)
        return None
    server.on("list", SERVICES, fault)
    relist(server)
    until(lambda: server.count("list", SERVICES) >= 3, "a list without a version")
    proves_watch(server, probe)
    probe.quit()


# ---- sizes ----

def long_list(conn, items, pieces):
    """The head of a list of that many bytes, and then the pieces."""
    raw = protobuf.field(1, protobuf.message("ListMeta", {"resourceVersion": "150"}))
    type_meta = protobuf.field(1, b"v1") + protobuf.field(2, b"ServiceList")
    conn.begin(content_type=PROTOBUF)
    conn.chunk(protobuf.MAGIC + protobuf.field(1, type_meta) + b"\x12" + protobuf.varint(len(raw) + items) + raw)
    for piece in pieces:
        conn.chunk(piece)
    conn.end()


@case
def protobuf_huge_object(world):
    """20 MB in one object: refused at the cap, and not kept."""
    def fault(request, conn):
        size = 320 * 65536
        head = b"\x12" + protobuf.varint(size)
        long_list(conn, len(head) + size, [head] + [b"\x0a" * 65536] * 320)
    return bounded(world, fault, 40, "20 MB object")


@case
def protobuf_long_list_in_little_memory(world):
    """60 MB of items pass; memory holds one of them at a time."""
    server = world.server()
    item = service("default", "same", "10.96.0.70")
    item["metadata"]["annotations"] = {"padding": "y" * 3000}
    block = protobuf.field(2, protobuf.message("Service", item)) * 20
    server.on("list", SERVICES, lambda request, conn: long_list(conn, 1000 * len(block), [block] * 1000), times=1)
    probe = world.probe(server, "services")
    probe.wait_synced(["services"], 40)
    equal(probe.names("services"), {"same"}, "services")
    peak, sanitized = probe.peak_kib() / 1024, probe.sanitized
    probe.quit()
    if not sanitized:
        assert peak < 18, f"peak {peak:.1f} MiB"
    return f"peak {peak:.1f} MiB"


# ---- who speaks what ----

def forbidden_case(speaks):
    def run(world):
        server = world.server()
        server.protobuf = speaks
        server.forbidden.add(SLICES)
        probe = world.probe(server)
        told = probe.wait_event("FORBIDDEN")
        wanted = 'endpointslices is forbidden: User "dns" cannot list resource "endpointslices" at the cluster scope'
        assert wanted in told["detail"], told
        probe.quit()
    return run


for speaks, name in ((True, "protobuf_forbidden"), (False, "json_forbidden")):
    forbidden_test = forbidden_case(speaks)
    forbidden_test.__name__ = name
    case(forbidden_test)


@case
def json_is_all_it_speaks(world):
    """A proxy in front may know nothing else; a list so large that it is zipped, too."""
    server = world.server()
    server.protobuf = False
    for i in range(1500):
        server.put(SERVICES, service("default", f"s{i}", f"10.97.{i // 250}.{i % 250}"))
    probe = world.probe(server)
    probe.wait_synced(ALL)
    settle(server, probe, ALL)
    proves_watch(server, probe)
    equal(server.count("list", SERVICES), 1, "lists")
    probe.quit()


@case
def json_watchlist(world):
    server = world.server()
    server.protobuf, server.watchlist = False, True
    probe = world.probe(server)
    probe.wait_synced(ALL)
    settle(server, probe, ALL)
    proves_watch(server, probe)
    equal(server.count("list"), 0, "lists")
    probe.quit()


@case
def protobuf_then_json_and_back(world):
    """Each answer is read as its own head says."""
    server, probe = start_synced(world)
    for i, speaks in enumerate((False, True, False)):
        server.protobuf = speaks
        relist(server)
        until(lambda: server.count("list", SERVICES) == i + 2, "a relist")
        proves_watch(server, probe, f"proof-{i}")
    probe.quit()
