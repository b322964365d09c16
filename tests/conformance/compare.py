# SPDX-License-Identifier: Apache-2.0
"""What differs between the right reply and another: short phrases, the same for
the same sort of difference, so that they can be counted.

Compared: rcode, opcode, flags, the question as echoed, each section as a set with
TTLs, answers' owners that are the question's name in its spelling, a CNAME before
what it leads to, the OPT. Not compared: the order of other records, the
serial of an SOA, capitals in rdata and in other owners."""

from collections import Counter

SECTIONS = ("answer", "authority", "additional")


def differences(question, right, other):
    """Phrases "right -> other"; empty if nothing differs. None is no reply at all."""
    if right is None or other is None:
        return [] if right is other else ["no reply" if other is None else "a reply where there is none"]
    out = []
    if right.rcode != other.rcode:
        out.append("rcode %s -> %s" % (right.rcode, other.rcode))
    if right.opcode != other.opcode:
        out.append("opcode %d -> %d" % (right.opcode, other.opcode))
    out += ["flag %s %s" % (flag, "lacks" if flag in right.flags else "set")
            for flag in sorted(right.flags ^ other.flags)]
    if right.question != other.question:
        out.append("question echoed otherwise")
    for section in SECTIONS:
        out += section_differences(section, getattr(right, section), getattr(other, section))
    out += spelling_differences(question, other)
    out += opt_differences(right.opt, other.opt)
    return out


def comparable(record):
    """An SOA without its serial."""
    owner, rdtype, rdclass, rdata = record.key()
    if rdtype == "SOA" and isinstance(rdata, tuple):
        rdata = rdata[:2] + rdata[3:]
    return owner, rdtype, rdclass, rdata


def section_differences(section, right, other):
    wanted, got = Counter(map(comparable, right)), Counter(map(comparable, other))
    out = []
    if wanted != got:
        lacks, more = wanted - got, got - wanted
        for rdtype in sorted({key[1] for key in lacks} | {key[1] for key in more}):
            out.append("%s: %s" % (section, describe(rdtype, lacks, more)))
    else:
        ttls = Counter((comparable(r), r.ttl) for r in right) - Counter((comparable(r), r.ttl) for r in other)
        out += sorted({"%s: TTL of %s" % (section, key[1]) for key, _ in ttls})
    return out


def describe(rdtype, lacks, more):
    """Lacking, too many, or others in their place."""
    lost = [key for key in lacks.elements() if key[1] == rdtype]
    added = [key for key in more.elements() if key[1] == rdtype]
    if lost and added:
        if rdtype == "SRV" and {srv_target(key) for key in lost} == {srv_target(key) for key in added}:
            return "SRV weight"
        if rdtype == "SOA" and {key[0] for key in lost} == {key[0] for key in added}:
            return "SOA rdata"
        return "other " + rdtype
    return ("no " if lost else "more ") + rdtype


def srv_target(key):
    """(owner, port, target) of a comparable SRV."""
    return key[0], key[3][2], key[3][3]


def spelling_differences(question, reply):
    """In the answer: resolvers that vary capitals compare them there."""
    out = ["answer: owner spelled otherwise" for record in reply.answer
           if record.owner.lower() == question.name.lower() and record.owner != question.name]
    return out[:1] + ([] if chain_in_order(reply.answer) else ["answer: CNAME behind what it leads to"])


def chain_in_order(answer):
    """Each record but the first owner's comes after a CNAME that leads to it."""
    known = {answer[0].owner.lower()} if answer else set()
    for record in answer:
        if record.owner.lower() not in known:
            return False
        if record.rdtype == "CNAME":
            known.add(record.rdata[0])
    return True


def opt_differences(right, other):
    if right is None or other is None:
        return [] if right is other else ["no OPT" if other is None else "an OPT not asked for"]
    return ["OPT %s" % name for name in ("size", "version", "flags", "options") if right[name] != other[name]]


# -- replies that do not hold everything ------------------------------------------
def cut_differences(question, reply, whole, glue_counts=False):
    """What is wrong with a reply that may have been cut to the limit of its
    transport; whole: the same over TCP. glue_counts: TC also for glue left out."""
    out = []
    if reply.size > question.limit():
        out.append("cut: larger than the limit")
    left_out = {}
    for section in SECTIONS:
        wanted, got = (Counter((comparable(r), r.ttl) for r in getattr(x, section)) for x in (whole, reply))
        if got - wanted:
            out.append("cut: %s has what is not in the whole reply" % section)
        left_out[section] = [key for key, _ in (wanted - got).elements()]
    must = left_out["answer"] + left_out["authority"] + (left_out["additional"] if glue_counts else [])
    if bool(must) != ("tc" in reply.flags):
        out.append("cut: flag tc %s" % ("lacks" if must else "set"))
    out += room_differences(question, reply, left_out, glue_counts)
    strip = {"tc"}
    if reply.rcode != whole.rcode or reply.flags - strip != whole.flags - strip:
        out.append("cut: rcode or flags")
    return out + opt_differences(whole.opt, reply.opt)


def room_differences(question, reply, left_out, glue_counts):
    """Records left out that would have fitted; RRsets of glue that are cut."""
    room = question.limit() - reply.size
    answers = left_out["answer"] or left_out["authority"]
    if answers:
        return ["cut: room for more"] if room >= max(map(uncompressed, answers)) else []
    if glue_counts or not left_out["additional"]:
        return []
    sets = {}
    for key in left_out["additional"]:
        sets.setdefault(key[:2], []).append(key)
    kept = {comparable(record)[:2] for record in reply.additional}
    out = ["cut: part of an RRset of glue"] if kept & set(sets) else []
    if room >= min(sum(map(uncompressed, keys)) for keys in sets.values()):
        out.append("cut: room for more glue")
    return out


def uncompressed(key):
    """Bytes of a record with nothing compressed."""
    owner, rdtype, _, rdata = key
    names = [part for part in rdata if isinstance(part, str)] if isinstance(rdata, tuple) else []
    length = sum(len(name) + 1 for name in names) + {"SRV": 6, "MX": 2, "SOA": 20}.get(rdtype, 0)
    if not names:
        length = {"A": 4, "AAAA": 16}.get(rdtype, len(rdata) // 2 if isinstance(rdata, str) else 0)
    return len(owner) + 1 + 10 + length
