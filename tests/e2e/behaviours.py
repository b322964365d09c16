# SPDX-License-Identifier: Apache-2.0
"""What a scripted upstream does with a question: a function a behaviour, which yields
(seconds from now, reply), or (seconds, reply, True) for one that comes from another address
than the upstream's. Everything here is plain bytes, so that a reply can be as
wrong as is wanted."""

import os
import random
import socket
import struct

A, NS, CNAME, SOA, PTR, TXT, AAAA, OPT = 1, 2, 5, 6, 12, 16, 28, 41
QR, AA, TC, RD, RA = 0x8000, 0x400, 0x200, 0x100, 0x80
FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 1, 2, 3, 4, 5
RCODES = {FORMERR: "FORMERR", SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN", NOTIMP: "NOTIMP", REFUSED: "REFUSED"}
VICTIM = "kubernetes.default.svc.cluster.local"
FALSE_ADDRESS = "203.0.113.66"


def name_wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def name_text(wire, at):
    """(name in small letters without its last dot, offset behind it). No compression: it is a question's."""
    labels = []
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]].decode("latin-1").lower())
        at += 1 + wire[at]
    return ".".join(labels), at + 1


def record(owner, type_, ttl, data, class_=1):
    """owner: a name, or bytes as they are."""
    owner = owner if isinstance(owner, bytes) else name_wire(owner)
    return owner + struct.pack(">HHIH", type_, class_, ttl, len(data)) + data


def address_record(owner, address, ttl):
    return record(owner, A, ttl, socket.inet_aton(address))


def soa_record(zone, ttl=30, minimum=30):
    return record(zone, SOA, ttl, name_wire("ns." + zone) + name_wire("hostmaster." + zone) +
                  struct.pack(">5I", 1, 7200, 1800, 86400, minimum))


def parent(name):
    return name.split(".", 1)[1] if "." in name else name


class Query:
    """A question as it came. tcp: how; source: whence."""

    def __init__(self, wire, tcp, source):
        self.wire, self.tcp, self.source = wire, tcp, source
        self.ident, self.flags = struct.unpack_from(">HH", wire)
        self.name, end = name_text(wire, 12)
        self.type, self.class_ = struct.unpack_from(">HH", wire, end)
        self.question = wire[12:end + 4]
        self.has_opt = struct.unpack_from(">H", wire, 10)[0] > 0

    def reply(self, rcode=0, answer=(), authority=(), additional=(), flags=0, ident=None, question=None):
        additional = list(additional)
        if self.has_opt:
            additional.append(b"\0" + struct.pack(">HHIH", OPT, 1232, 0, 0))
        bits = QR | RA | self.flags & RD | flags | rcode
        head = struct.pack(">6H", self.ident if ident is None else ident, bits, 1, len(answer), len(authority),
                           len(additional))
        return head + (question or self.question) + b"".join([*answer, *authority, *additional])


# -- behaviours: (query, options, random.Random) -> [(delay_s, bytes)] -----------------

def right_answer(query, options):
    """Records for the answer section; none where it is NODATA."""
    ttl, owner = options.get("ttl", 30), b"\xc0\x0c"
    if query.type == A:
        return [address_record(owner, options.get("address", "192.0.2.1"), ttl)]
    if query.type == AAAA and options.get("address6"):
        return [record(owner, AAAA, ttl, socket.inet_pton(socket.AF_INET6, options["address6"]))]
    if query.type == PTR:
        return [record(owner, PTR, ttl, name_wire("host.example"))]
    if query.type == TXT and options.get("text"):  # a large answer: many strings
        text = b"x" * 200
        return [record(owner, TXT, ttl, bytes([len(text)]) + text[:-4] + b"%04d" % i) for i in range(options["text"])]
    return []


def good(query, options, _rng):
    """Options: ttl, address, address6, zone (other names: NXDOMAIN), alias ({name: target}), text."""
    zone, ttl = options.get("zone", ""), options.get("ttl", 30)
    if zone and query.name != zone and not query.name.endswith("." + zone):
        yield 0, query.reply(NXDOMAIN, authority=[soa_record("", ttl, ttl)])
        return
    target = options.get("alias", {}).get(query.name)
    if target:
        answer = [record(b"\xc0\x0c", CNAME, ttl, name_wire(target))]
        answer += [address_record(target, options.get("address", "192.0.2.1"), ttl)] if query.type == A else []
    else:
        answer = right_answer(query, options)
    whole = query.reply(answer=answer, authority=[] if answer else [soa_record(zone or parent(query.name), ttl, ttl)])
    room = 65535 if query.tcp else 1232 if query.has_opt else 512
    yield 0, whole if len(whole) <= room else query.reply(flags=TC)


def silent(query, options, rng):
    """Reads and counts, says nothing."""
    return ()


def loss(query, options, rng):
    """Says nothing with probability `share`, over UDP."""
    return good(query, options, rng) if query.tcp or rng.random() >= options.get("share", 0.3) else ()


def slow(query, options, rng):
    """Right, `delay_s` later."""
    return [(options["delay_s"], reply) for _, reply in good(query, options, rng)]


def rcode(query, options, rng):
    """Option: rcode."""
    yield 0, query.reply(options["rcode"])


def nxdomain(query, options, rng):
    """Denies every name. Options: zone of the SOA, ttl."""
    ttl = options.get("ttl", 30)
    yield 0, query.reply(NXDOMAIN, authority=[soa_record(options.get("zone", ""), ttl, ttl)])


def nodata(query, options, rng):
    ttl = options.get("ttl", 30)
    yield 0, query.reply(authority=[soa_record(options.get("zone") or parent(query.name), ttl, ttl)])


def garbage(query, options, rng):
    """Random bytes; behind the right ID unless `ident` is false."""
    head = query.ident.to_bytes(2, "big") if options.get("ident", True) else b""
    yield 0, head + rng.randbytes(rng.randrange(1, 120))


def false_answer():
    return [address_record(b"\xc0\x0c", FALSE_ADDRESS, 300)]


def wrong_id(query, options, rng):
    """Over UDP `times` replies with another ID and address, then the right one (times 0: never)."""
    if query.tcp:
        yield from good(query, options, rng)
        return
    times = options.get("times", 1)
    for _ in range(times or 3):
        yield 0, query.reply(answer=false_answer(), ident=(query.ident + rng.randrange(1, 65536)) & 0xffff)
    if times:
        yield from good(query, options, rng)


def wrong_question(query, options, rng):
    """The right ID, but over UDP `times` answers to another question, and never the right one."""
    if query.tcp:
        yield from good(query, options, rng)
        return
    other = name_wire("other." + query.name) + query.question[-4:]
    for _ in range(options.get("times", 1)):
        yield 0, query.reply(answer=false_answer(), question=other)


def elsewhere(query, options, rng):
    """A false answer with everything right but the address that it comes from; then the right one."""
    if not query.tcp:
        yield 0, query.reply(answer=false_answer()), True
    for _, reply in good(query, options, rng):
        yield 0.005, reply


def cut(query, options, rng):
    """Half a message, TC not set."""
    for delay_s, reply in good(query, options, rng):
        yield delay_s, reply[:(12 + len(query.question) + len(reply)) // 2]


def truncated(query, options, rng):
    """TC over UDP, right over TCP."""
    if query.tcp:
        yield from good(query, options, rng)
    else:
        yield 0, query.reply(flags=TC)


def truncated_dead(query, options, rng):
    """TC over UDP; over TCP connections are taken and nothing is said."""
    if not query.tcp:
        yield 0, query.reply(flags=TC)


def referral(query, options, rng):
    """A lame server's: nothing but name servers of a zone above."""
    zone = parent(query.name)
    yield 0, query.reply(authority=[record(zone, NS, 300, name_wire("ns." + zone))],
                         additional=[address_record("ns." + zone, FALSE_ADDRESS, 300)])


def additions_of(name):
    """The names that `hostile` adds beside name."""
    return [VICTIM, "svc.cluster.local", "cluster.local", "sibling." + parent(name), parent(name), "www." + name]


def hostile(query, options, rng):
    """The right answer, and records of names that nobody asked for, in every section."""
    extra = [address_record(name, FALSE_ADDRESS, 86400) for name in additions_of(query.name)]
    above = parent(query.name)
    authority = [record(above, NS, 86400, name_wire(VICTIM)), record("cluster.local", NS, 86400, name_wire(VICTIM)),
                 soa_record("cluster.local", 86400, 86400)]
    yield 0, query.reply(answer=right_answer(query, options) + extra, authority=authority + extra, additional=extra)


TABLE = {function.__name__: function for function in (
    good, silent, loss, slow, rcode, nxdomain, nodata, garbage, wrong_id, wrong_question, elsewhere, cut, truncated,
    truncated_dead, referral, hostile)}


def chance():
    return random.Random(os.urandom(16))
