# SPDX-License-Identifier: Apache-2.0
"""Questions to bytes and bytes to replies, with the spelling of every name kept.

A library would fold what is compared here: owners that differ in capitals only,
records of one set with different TTLs, the order of records."""

import struct

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "LOC": 29,
    "SRV": 33, "NAPTR": 35, "DNAME": 39, "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "TLSA": 52,
    "SVCB": 64, "HTTPS": 65, "SPF": 99, "IXFR": 251, "AXFR": 252, "ANY": 255, "URI": 256, "CAA": 257,
    "TYPE65280": 65280,
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
CLASSES = {"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH",
          16: "BADVERS"}
FLAGS = {"aa": 0x400, "tc": 0x200, "rd": 0x100, "ra": 0x80, "z": 0x40, "ad": 0x20, "cd": 0x10}
NAMES_IN_RDATA = {"NS": (0, 1), "CNAME": (0, 1), "PTR": (0, 1), "DNAME": (0, 1), "MX": (2, 1), "SRV": (6, 1),
                  "SOA": (0, 2)}  # bytes before the names, and how many names


class Malformed(Exception):
    """A reply that is no DNS message."""


def type_name(number):
    return TYPE_NAMES.get(number, "TYPE%d" % number)


def encode_name(name):
    """Labels are split at dots; a label holds any other byte as Latin-1."""
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def fits(name):
    """Whether it can be asked at all: label and name lengths."""
    labels = name.rstrip(".").split(".")
    return len(name) <= 253 and all(0 < len(label) <= 63 for label in labels)


def encode_opt(edns):
    """edns: size, and optionally version, flags, options [(code, bytes)]."""
    options = b"".join(struct.pack(">HH", code, len(data)) + data for code, data in edns.get("options", ()))
    return b"\0" + struct.pack(">HHBBHH", 41, edns["size"], 0, edns.get("version", 0), edns.get("flags", 0),
                               len(options)) + options


class Question:
    """What is asked, by which way. kind says what sort of name it is, for the report."""

    def __init__(self, name, rdtype="A", kind="", rdclass="IN", tcp=False, edns=None, flags=("rd",), opcode=0,
                 opts=1):
        self.name, self.rdtype, self.kind, self.rdclass = name, rdtype, kind, rdclass
        self.tcp, self.edns, self.flags, self.opcode, self.opts = tcp, edns, tuple(flags), opcode, opts

    def wire(self, ident=0):
        bits = self.opcode << 11
        for flag in self.flags:
            bits |= FLAGS[flag]
        extra = encode_opt(self.edns) * self.opts if self.edns else b""
        return struct.pack(">6H", ident, bits, 1, 0, 0, self.opts if self.edns else 0) + self.question() + extra

    def question(self):
        return encode_name(self.name) + struct.pack(">HH", TYPES[self.rdtype], CLASSES[self.rdclass])

    def limit(self):
        """The most bytes a reply may have."""
        if self.tcp:
            return 65535
        return max(512, self.edns["size"]) if self.edns else 512

    def with_(self, **changes):
        """The same with some things changed."""
        out = Question.__new__(Question)
        out.__dict__.update(self.__dict__)
        out.__dict__.update(changes)
        return out

    def dig(self, port=None):
        """The command line that asks the same."""
        words = ["dig", "@127.0.0.1", "-p", str(port) if port else "PORT", "+tcp" if self.tcp else "+notcp +ignore"]
        for flag, word in (("rd", "rec"), ("cd", "cdflag"), ("ad", "adflag")):
            words.append(("+" if flag in self.flags else "+no") + word)
        if "z" in self.flags:
            words.append("+zflag")
        if self.edns:
            words.append("+nocookie +edns=%d +bufsize=%d" % (self.edns.get("version", 0), self.edns["size"]))
            words.append("+noednsneg")
            flags = self.edns.get("flags", 0)
            words += ["+dnssec"] if flags & 0x8000 else []
            words += ["+ednsflags=0x%x" % (flags & 0x7fff)] if flags & 0x7fff else []
            words += ["+ednsopt=%d:%s" % (code, data.hex()) for code, data in self.edns.get("options", ())]
        else:
            words.append("+noedns")
        words += ["+opcode=%d" % self.opcode] if self.opcode else []
        if self.edns and self.opts > 1:
            words.append("# with %d OPT records" % self.opts)
        return " ".join(words + ["-c", self.rdclass, "-t", self.rdtype, self.name])

    def __repr__(self):
        return "%s %s %s%s" % (self.name, self.rdclass, self.rdtype, " tcp" if self.tcp else "")


class Record:
    """owner keeps its spelling; rdata is text or bytes, its names in small letters."""

    __slots__ = ("owner", "rdtype", "rdclass", "ttl", "rdata")

    def __init__(self, owner, rdtype, rdclass, ttl, rdata):
        self.owner, self.rdtype, self.rdclass, self.ttl, self.rdata = owner, rdtype, rdclass, ttl, rdata

    def key(self):
        """Without the TTL and the owner's spelling."""
        return (self.owner.lower(), self.rdtype, self.rdclass, self.rdata)

    def changed(self, **changes):
        values = {name: getattr(self, name) for name in self.__slots__}
        values.update(changes)
        return Record(**values)

    def __repr__(self):
        return "%s %d %s %s" % (self.owner, self.ttl, self.rdtype, show_rdata(self.rdata))


def show_rdata(rdata):
    if not isinstance(rdata, tuple):
        return str(rdata)
    return " ".join(part.hex() if isinstance(part, bytes) else str(part) for part in rdata)


class Reply:
    """A parsed message. The OPT is apart from the additional records."""

    def __init__(self, rcode="NOERROR", flags=(), answer=(), authority=(), additional=(), opt=None, opcode=0,
                 question=b"", size=0):
        self.rcode, self.flags, self.opcode = rcode, frozenset(flags), opcode
        self.answer, self.authority, self.additional = list(answer), list(authority), list(additional)
        self.opt, self.question, self.size = opt, question, size

    def changed(self, **changes):
        out = Reply()
        out.__dict__.update(self.__dict__)
        out.__dict__.update(changes)
        return out

    def negative(self):
        return self.rcode == "NXDOMAIN" or (self.rcode == "NOERROR" and not self.answer)

    def __repr__(self):
        text = "%s %s" % (self.rcode, " ".join(sorted(self.flags)))
        for name in ("answer", "authority", "additional"):
            records = getattr(self, name)
            shown = "; ".join(map(repr, records[:6])) + (" ... %d in all" % len(records) if len(records) > 6 else "")
            text += " | %s: %s" % (name, shown) if records else ""
        return text + (" | opt %s" % (self.opt,) if self.opt else "")


def read_name(wire, at):
    """(name with its final dot, offset behind it)"""
    labels, end, jumps = [], None, 0
    while True:
        length = wire[at]
        if length >= 0xc0:
            end = end or at + 2
            at = (length & 0x3f) << 8 | wire[at + 1]
            jumps += 1
            if jumps > 64:
                raise Malformed("compression loop")
        elif length == 0:
            return ".".join(labels) + ".", end or at + 1
        else:
            labels.append(wire[at + 1:at + 1 + length].decode("latin-1"))
            at += 1 + length


def read_rdata(wire, at, length, rdtype):
    end = at + length
    if rdtype not in NAMES_IN_RDATA:
        return wire[at:end].hex() if rdtype not in ("A", "AAAA", "TXT") else show_plain(wire[at:end], rdtype)
    before, names = NAMES_IN_RDATA[rdtype]
    parts = list(struct.unpack(">%dH" % (before // 2), wire[at:at + before]))
    at += before
    for _ in range(names):
        name, at = read_name(wire, at)
        parts.append(name.lower())
    if rdtype == "SOA":
        parts += struct.unpack(">5I", wire[at:end])
    return tuple(parts)


def show_plain(data, rdtype):
    if rdtype == "A":
        return ".".join(map(str, data))
    if rdtype == "TXT":
        return data.decode("latin-1")
    return data.hex(":", 2)


def read_opt(wire, at, size, ttl, length):
    options, end = [], at + length
    while at < end:
        code, width = struct.unpack_from(">HH", wire, at)
        options.append((code, wire[at + 4:at + 4 + width].hex()))
        at += 4 + width
    return {"size": size, "rcode": ttl >> 24, "version": ttl >> 16 & 255, "flags": ttl & 0xffff, "options": options}


def parse(wire):
    """Reply of bytes; Malformed if they are none, or something follows the message."""
    try:
        return parse_message(wire)
    except (struct.error, IndexError) as e:
        raise Malformed("cut: %s" % e)


def parse_message(wire):
    _, bits, questions, *counts = struct.unpack_from(">6H", wire)
    at = 12
    for _ in range(questions):
        at = read_name(wire, at)[1] + 4
    out = Reply(flags=[name for name, bit in FLAGS.items() if bits & bit], opcode=bits >> 11 & 15,
                question=wire[12:at], size=len(wire))
    for section, count in zip((out.answer, out.authority, out.additional), counts):
        for _ in range(count):
            owner, at = read_name(wire, at)
            number, rdclass, ttl, length = struct.unpack_from(">HHIH", wire, at)
            at += 10
            rdtype = type_name(number)
            if at + length > len(wire):
                raise Malformed("a record beyond the end")
            if rdtype == "OPT":
                out.opt = read_opt(wire, at, rdclass, ttl, length)
            else:
                section.append(Record(owner, rdtype, rdclass, ttl, read_rdata(wire, at, length, rdtype)))
            at += length
    if at != len(wire):
        raise Malformed("%d bytes behind the message" % (len(wire) - at))
    number = bits & 15 | (out.opt["rcode"] << 4 if out.opt else 0)
    out.rcode = RCODES.get(number, "RCODE%d" % number)
    if not bits & 0x8000:
        raise Malformed("not a response")
    return out
