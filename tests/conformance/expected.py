# SPDX-License-Identifier: Apache-2.0
"""What a section of the specification expects of a reply, and whether a reply is that.

A section is one file of specification/. A record is written as in a zone file, without
TTL and class: `[OWNER.] TYPE RDATA`; without an owner it is the question's. `*` stands for any
number (priority and weight of SRV), `<x>` for a label that the server chooses: it is what the
first answer with it said, in all of the section, and never the same as `<y>`.
"""

import glob
import os
import re

import dns.exception
import dns.flags
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import yaml

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "specification")
SOURCES = ("api-server", "manifests")
CHOSEN = re.compile(r"<[a-z]+>")
OPAQUE = ("TXT", "HINFO")  # whose rdata holds no names, so that letters count
SECTION_KEYS = {"title", "reference", "objects", "questions", "only"}
QUESTION_KEYS = {"what", "question", "reverse", "type", "rcode", "answer", "deviates"}
DEVIATION_KEYS = {"why", "rcode", "answer"}


class Wrong(Exception):
    """A data file that does not say what it means; the text names the place."""


class Expectation:
    """rcode, and every record of the answer section."""

    def __init__(self, place, data, owner):
        self.rcode = data.get("rcode", "NOERROR")
        self.records = [record(place, text, owner) for text in data.get("answer", [])]
        if self.rcode not in ("NOERROR", "NXDOMAIN"):
            raise Wrong("%s: rcode %s" % (place, self.rcode))

    def __str__(self):
        return "%s %s" % (self.rcode, shown(self.records))


class Row:
    """One question of one type."""

    def __init__(self, place, data, rdtype):
        self.name = data["question"]
        self.type, self.what = rdtype, data.get("what", "")
        self.right = Expectation(place, data, self.name)
        deviates = data.get("deviates")
        self.instead = Expectation(place, deviates, self.name) if deviates else None
        self.why = deviates["why"] if deviates else ""

    def title(self):
        return "%s %s%s" % (self.name, self.type, " (%s)" % self.what if self.what else "")


class Section:
    """objects: as one would apply them; only: (the one source it holds in, why), or None."""

    def __init__(self, path, text):
        self.path = path
        data = yaml.safe_load(text)
        only_keys(path, data, SECTION_KEYS, ("title", "reference", "questions"))
        self.title, self.reference = data["title"], data["reference"]
        self.objects = data.get("objects", [])
        self.only = None
        if "only" in data:
            only_keys(path, data["only"], {"source", "why"}, ("source", "why"))
            self.only = (data["only"]["source"], data["only"]["why"])
            if self.only[0] not in SOURCES:
                raise Wrong("%s: only: there is no source %s" % (path, self.only[0]))
        self.rows = [row for entry in data["questions"] for row in rows_of(path, entry)]


def sections():
    """All of them, in the order of their names."""
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.yaml"))):
        with open(path) as f:
            yield Section(os.path.basename(path)[:-len(".yaml")], f.read())


def only_keys(place, data, known, needed):
    if not isinstance(data, dict):
        raise Wrong("%s: %r is not a mapping" % (place, data))
    if set(data) - known or set(needed) - set(data):
        raise Wrong("%s: has %s; known are %s, needed %s" % (place, sorted(data), sorted(known), sorted(needed)))


def rows_of(path, entry):
    """One for each type; `reverse: ADDRESS` is short for the question of its reverse name."""
    only_keys(path, entry, QUESTION_KEYS, ("type",))
    if ("question" in entry) == ("reverse" in entry):
        raise Wrong("%s: %s: either question or reverse" % (path, entry))
    if "reverse" in entry:
        entry = dict(entry, question=dns.reversename.from_address(entry["reverse"]).to_text())
    place = "%s: %s" % (path, entry["question"])
    if not entry["question"].endswith("."):
        raise Wrong(place + ": a name ends in a dot here")
    if "deviates" in entry:
        only_keys(place, entry["deviates"], DEVIATION_KEYS, ("why",))
    types = entry["type"] if isinstance(entry["type"], list) else [entry["type"]]
    return [Row(place, entry, rdtype) for rdtype in types]


def record(place, text, owner):
    """(owner, type, words of the rdata), all as the server's would be written."""
    words = text.split()
    if words[0].endswith("."):
        owner = words.pop(0)
    try:
        rdtype = dns.rdatatype.from_text(words[0])
        number = [word == "*" for word in words[1:]]
        rest = " ".join("0" if free else word for free, word in zip(number, words[1:]))
        written = words_of(dns.rdata.from_text("IN", rdtype, rest))
    except (dns.exception.DNSException, ValueError, IndexError) as e:
        raise Wrong("%s: %s: %s" % (place, text, e)) from None
    written = ["*" if free else word for free, word in zip(number, written)]
    return owner.lower(), words[0], written


def words_of(rdata):
    text = rdata.to_text()
    return (text if dns.rdatatype.to_text(rdata.rdtype) in OPAQUE else text.lower()).split()


def shown(records):
    return "[%s]" % ", ".join(sorted("%s %s %s" % (owner, rdtype, " ".join(words)) for owner, rdtype, words in records))


# -- a reply against it ------------------------------------------------------------------
def served(section):
    """The records of a reply that was read with one_rr_per_rrset, so that one that is there twice is seen."""
    return [(rrset.name.to_text().lower(), dns.rdatatype.to_text(rrset.rdtype), words_of(rdata))
            for rrset in section for rdata in rrset]


def bind(pattern, word, chosen):
    """chosen with what the pattern's `<x>` are for word, or None."""
    if pattern == "*":
        return chosen if word.isdigit() else None
    labels, others = pattern.split("."), word.split(".")
    if len(labels) != len(others):
        return None
    chosen = dict(chosen)
    for label, other in zip(labels, others):
        if CHOSEN.fullmatch(label) and label not in chosen and other and other not in chosen.values():
            chosen[label] = other
        elif chosen.get(label, label) != other:
            return None
    return chosen


def bind_record(wanted, have, chosen):
    if wanted[1] != have[1] or len(wanted[2]) != len(have[2]):
        return None
    for pattern, word in zip([wanted[0]] + wanted[2], [have[0]] + have[2]):
        chosen = bind(pattern, word, chosen)
        if chosen is None:
            return None
    return chosen


def match(wanted, have, chosen):
    """chosen so that each wanted record is one of have and none is left, in any order; or None."""
    if not wanted or len(wanted) != len(have):
        return chosen if len(wanted) == len(have) else None
    for i, one in enumerate(have):
        more = bind_record(wanted[0], one, chosen)
        if more is not None:
            more = match(wanted[1:], have[:i] + have[i + 1:], more)
        if more is not None:
            return more
    return None


def fill(name, chosen):
    """name with the labels that the server chose; KeyError where it has not yet."""
    return CHOSEN.sub(lambda found: chosen[found.group()], name)


def differences(expectation, reply, chosen):
    """[what is wrong with the reply]; what it chose goes into chosen if all is right."""
    found = []
    rcode = dns.rcode.to_text(reply.rcode())
    if rcode != expectation.rcode:
        found.append("rcode %s, not %s" % (rcode, expectation.rcode))
    have = served(reply.answer)
    more = match(expectation.records, have, chosen)
    if more is None:
        found.append("answer %s, not %s" % (shown(have), shown(expectation.records)))
    found += manners(reply)
    if not found:
        chosen.update(more)
    return found


def manners(reply):
    """What holds for every answer: AA and class, one TTL a set (RFC 2181), an SOA (RFC 2308), glue of SRV only."""
    if not reply.flags & dns.flags.AA:
        yield "AA is not set"
    if reply.flags & dns.flags.TC:
        yield "it is cut"
    if any(rrset.rdclass != dns.rdataclass.IN for rrset in reply.answer + reply.authority + reply.additional):
        yield "a record that is not of class IN"
    ttls = {(rrset.name, rrset.rdtype, rrset.ttl) for rrset in reply.answer}
    if len(ttls) != len({entry[:2] for entry in ttls}):
        yield "a set with several TTLs"
    if not reply.answer and not any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority):
        yield "nothing, and no SOA that says for how long"
    for rrset in reply.additional:
        if rrset.rdtype not in (dns.rdatatype.A, dns.rdatatype.AAAA) or rrset.name not in targets(reply):
            yield "additional: %s belongs to nothing" % rrset


def targets(reply):
    """The names that the SRV records of a reply lead to."""
    return {rdata.target for rrset in reply.answer if rrset.rdtype == dns.rdatatype.SRV for rdata in rrset}

