#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The comparison and the explanations on made-up replies, and explained.py
against differences.md. Prints ok/not ok lines and the counts."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
import explained  # noqa: E402
import explained_cases  # noqa: E402
import message  # noqa: E402
from compare import chain_in_order, cut_differences, differences  # noqa: E402
from facts import Facts, reverse_address  # noqa: E402
from judge import Judge  # noqa: E402
from message import Question, Record, Reply  # noqa: E402
from option_sets import Options, expand_zones  # noqa: E402

NAME = "web.a.svc.cluster.local."
SOA = Record("cluster.local.", "SOA", 1, 30, ("ns.dns.cluster.local.", "hostmaster.cluster.local.", 7, 7200, 1800,
                                                 86400, 30))


def address(owner, text, ttl=5):
    return Record(owner, "A", 1, ttl, text)


def cname(owner, target):
    return Record(owner, "CNAME", 1, 30, (target,))


def srv(weight, target="web.a.svc.cluster.local."):
    return Record("_http._tcp." + NAME, "SRV", 1, 5, (0, weight, 80, target))


ONE = Reply(flags=("aa",), answer=[address(NAME, "10.0.0.1"), address(NAME, "10.0.0.2")])
TWO_OPT = {"size": 1232, "rcode": 0, "version": 0, "flags": 0, "options": []}

# (what, right, other, phrases)
COMPARED = [
    ("the same", ONE, ONE, []),
    ("another order", ONE, ONE.changed(answer=ONE.answer[::-1]), []),
    ("another serial", Reply(authority=[SOA]),
     Reply(authority=[SOA.changed(rdata=SOA.rdata[:2] + (8,) + SOA.rdata[3:])]), []),
    ("another minimum", Reply(authority=[SOA]), Reply(authority=[SOA.changed(rdata=SOA.rdata[:6] + (5,))]),
     ["authority: SOA rdata"]),
    ("another rcode", ONE, ONE.changed(rcode="NXDOMAIN"), ["rcode NOERROR -> NXDOMAIN"]),
    ("AA lacks", ONE, ONE.changed(flags=frozenset()), ["flag aa lacks"]),
    ("RA set", ONE, ONE.changed(flags=frozenset(("aa", "ra"))), ["flag ra set"]),
    ("a record lacks", ONE, ONE.changed(answer=ONE.answer[:1]), ["answer: no A"]),
    ("a record twice", ONE, ONE.changed(answer=ONE.answer + ONE.answer[:1]), ["answer: more A"]),
    ("another address", ONE, ONE.changed(answer=[ONE.answer[0], address(NAME, "10.0.0.3")]), ["answer: other A"]),
    ("another TTL", ONE, ONE.changed(answer=[record.changed(ttl=6) for record in ONE.answer]), ["answer: TTL of A"]),
    ("one TTL of two", ONE, ONE.changed(answer=[ONE.answer[0], ONE.answer[1].changed(ttl=6)]), ["answer: TTL of A"]),
    ("capitals of the owner", ONE,
     ONE.changed(answer=[record.changed(owner=NAME.upper()) for record in ONE.answer]),
     ["answer: owner spelled otherwise"]),
    ("another weight", Reply(answer=[srv(50)]), Reply(answer=[srv(100)]), ["answer: SRV weight"]),
    ("another target", Reply(answer=[srv(50)]), Reply(answer=[srv(50, "x.")]), ["answer: other SRV"]),
    ("no OPT", ONE.changed(opt=TWO_OPT), ONE, ["no OPT"]),
    ("OPT size", ONE.changed(opt=TWO_OPT), ONE.changed(opt=dict(TWO_OPT, size=512)), ["OPT size"]),
    ("no reply", ONE, None, ["no reply"]),
    ("a reply too many", None, ONE, ["a reply where there is none"]),
    ("neither replies", None, None, []),
]


def compared():
    question = Question(NAME)
    for what, right, other, phrases in COMPARED:
        found = differences(question, right, other)
        if phrases == ["answer: owner spelled otherwise"]:
            found = [phrase for phrase in found if "spelled" in phrase]
        yield "compare: " + what, found == phrases, found
    late = [address("x.", "10.0.0.1"), cname("web.", "x.")]
    yield "a CNAME first", chain_in_order(late[::-1]), late
    yield "a CNAME last", not chain_in_order([cname("web.", "x."), address("y.", "10.0.0.1"), cname("x.", "y.")]), late


def cuts():
    """A reply cut to 512 bytes against the whole one."""
    question = Question(NAME)
    whole = Reply(flags=("aa",), answer=[address(NAME, "10.0.0.%d" % i) for i in range(100)])
    part = whole.changed(answer=whole.answer[:29], flags=frozenset(("aa", "tc")), size=507)
    yield "cut: a fair part", not cut_differences(question, part, whole), cut_differences(question, part, whole)
    bad = [("without TC", part.changed(flags=frozenset(("aa",))), "cut: flag tc lacks"),
           ("too large", part.changed(size=513), "cut: larger than the limit"),
           ("room left", part.changed(size=300), "cut: room for more"),
           ("not of the whole", part.changed(answer=[address(NAME, "10.9.9.9")]), "has what is not"),
           ("TC for nothing", whole.changed(flags=frozenset(("aa", "tc")), size=500), "cut: flag tc set")]
    for what, reply, phrase in bad:
        found = cut_differences(question, reply, whole)
        yield "cut: " + what, any(phrase in each for each in found), found
    glue = Reply(answer=[srv(50)], additional=[address("x.", "10.0.0.1"), address("x.", "10.0.0.2")])
    found = cut_differences(question, glue.changed(additional=glue.additional[:1], size=500), glue)
    yield "cut: part of an RRset of glue", "cut: part of an RRset of glue" in found, found
    yield "cut: glue left out", not cut_differences(question, glue.changed(additional=[], size=500), glue), None


class NoServer(Facts):
    """Answers further questions from a dict {(name, type): Reply}; NXDOMAIN otherwise."""

    def __init__(self, options, state, known):
        super().__init__(options, state, 0, lambda question, reply: explained.explain(question, reply, self))
        self.known = known

    def ask(self, name, rdtype):
        apex = Reply("NOERROR", ("aa",), answer=[SOA])
        return self.known.get((name.lower(), rdtype), apex if rdtype == "SOA" else Reply("NXDOMAIN", ("aa",), authority=[SOA]))


def service(ns, name, **spec):
    return {("Service", ns, name): {"kind": "Service", "metadata": {"namespace": ns, "name": name}, "spec": spec}}


def negative(rcode, ttl=5):
    return Reply(rcode, ("aa",), authority=[SOA.changed(ttl=ttl, rdata=SOA.rdata[:6] + (ttl,))])


EXT = "ext.a.svc.cluster.local."
STATE = {
    **service("a", "web", ports=[{"name": "http", "port": 80, "protocol": "TCP"}], clusterIP="10.96.0.9"),
    **service("a", "ext", type="ExternalName", externalName="web.a.svc.cluster.local"),
    **service("a", "loop", type="ExternalName", externalName="loop.a.svc.cluster.local"),
}
KNOWN = {
    (NAME, "A"): Reply("NOERROR", ("aa",), [address(NAME, "10.96.0.9")]),
    (NAME, "MX"): Reply("NOERROR", ("aa",), authority=[SOA]),
    ("_http._tcp." + NAME, "A"): Reply("NOERROR", ("aa",), [address("_http._tcp." + NAME, "10.96.0.9")]),
    (EXT, "CNAME"): Reply("NOERROR", ("aa",), [cname(EXT, NAME)]),
    ("loop.a.svc.cluster.local.", "CNAME"): Reply("NOERROR", ("aa",), [cname("loop.a.svc.cluster.local.",
                                                                            "loop.a.svc.cluster.local.")]),
    ("9.0.96.10.in-addr.arpa.", "PTR"): Reply("NOERROR", ("aa",),
                                              [Record("9.0.96.10.in-addr.arpa.", "PTR", 1, 30, (NAME,))]),
}
NODATA = Reply("NOERROR", ("aa",), authority=[SOA])
NXDOMAIN = Reply("NXDOMAIN", ("aa",), authority=[SOA])
SERVFAIL_LOOP = Reply("SERVFAIL", ("aa",), [cname("loop.a.svc.cluster.local.", "loop.a.svc.cluster.local.")])

# (what, question, CoreDNS's reply, the right one, ids)
RIGHT = [
    ("an address stays", Question(NAME, flags=()), KNOWN[NAME, "A"], KNOWN[NAME, "A"], []),
    ("NXDOMAIN stays, younger", Question("no." + NAME, flags=()), NXDOMAIN, negative("NXDOMAIN"), ["negative-ttl"]),
    ("TXT at a Service", Question(NAME, "TXT", flags=()), NXDOMAIN, negative("NOERROR"), ["txt-and-ptr", "negative-ttl"]),
    ("TXT at nothing", Question("no." + NAME, "TXT", flags=()), NXDOMAIN, negative("NXDOMAIN"), ["negative-ttl"]),
    ("SOA at nothing", Question("no." + NAME, "SOA", flags=()), NODATA, negative("NXDOMAIN"),
     ["soa-at-absent", "negative-ttl"]),
    ("SOA at a Service", Question(NAME, "SOA", flags=()), NODATA, negative("NOERROR"), ["negative-ttl"]),
    ("a protocol with a port below", Question("_tcp." + NAME, flags=()), NXDOMAIN, negative("NOERROR"),
     ["empty-non-terminal", "negative-ttl"]),
    ("a protocol without", Question("_udp." + NAME, flags=()), NXDOMAIN, negative("NXDOMAIN"), ["negative-ttl"]),
    ("ns.dns and a search list", Question("ns.dns.cluster.local.a.svc.cluster.local.", flags=()), NODATA,
     negative("NXDOMAIN"), ["ns-dns-in-front", "negative-ttl"]),
    ("dns-version A", Question("dns-version.cluster.local.", flags=()), NXDOMAIN, negative("NOERROR"),
     ["dns-version", "negative-ttl"]),
    ("A at a reverse name", Question("9.0.96.10.in-addr.arpa.", flags=()), NXDOMAIN, negative("NOERROR"),
     ["reverse-nodata", "negative-ttl"]),
    ("A at an unknown reverse name", Question("8.0.96.10.in-addr.arpa.", flags=()), NXDOMAIN, negative("NXDOMAIN"),
     ["negative-ttl"]),
    ("PTR of nothing that answers", Question("7.0.96.10.in-addr.arpa.", "PTR", flags=()),
     Reply("NOERROR", ("aa",), [Record("7.0.96.10.in-addr.arpa.", "PTR", 1, 30, ("gone.a.svc.cluster.local.",))]),
     negative("NXDOMAIN"), ["ptr-without-forward", "negative-ttl"]),
    ("ExternalName, A", Question(EXT, flags=()), Reply("NOERROR", ("aa",), [cname(EXT, NAME), address(NAME, "10.96.0.9")]),
     Reply("NOERROR", ("aa",), [cname(EXT, NAME), address(NAME, "10.96.0.9")]), []),
    ("ExternalName, MX", Question(EXT, "MX", flags=()), NODATA,
     negative("NOERROR").changed(answer=[cname(EXT, NAME)]), ["externalname"]),
    ("ExternalName, ANY", Question(EXT, "ANY", flags=()), NODATA, Reply("NOERROR", ("aa",), [cname(EXT, NAME)]),
     ["externalname"]),
    ("ExternalName, CNAME", Question(EXT, "CNAME", flags=()), KNOWN[EXT, "CNAME"], KNOWN[EXT, "CNAME"], []),
    ("ExternalName, a loop", Question("loop.a.svc.cluster.local.", flags=()), NODATA, SERVFAIL_LOOP, ["externalname"]),
    ("NOTIFY", Question(NAME, opcode=4, flags=()), KNOWN[NAME, "A"].changed(opcode=4), Reply("NOTIMP", opcode=4), ["notify"]),
    ("two OPTs", Question(NAME, edns={"size": 1232}, opts=2, flags=()), KNOWN[NAME, "A"].changed(opt=TWO_OPT),
     Reply("FORMERR"), ["two-opts"]),
    ("a cookie", Question(NAME, edns={"size": 512}, flags=()),
     KNOWN[NAME, "A"].changed(opt=dict(TWO_OPT, size=512, options=[(10, "00")])), KNOWN[NAME, "A"].changed(opt=TWO_OPT),
     ["opt-size", "opt-options"]),
    ("a pod with labels in front", Question("x.10-0-0-1.a.pod.cluster.local.", flags=()),
     Reply("NOERROR", ("aa",), [address("x.10-0-0-1.a.pod.cluster.local.", "10.0.0.1")]), negative("NXDOMAIN"),
     ["pod-labels", "negative-ttl"]),
]


def explanations():
    facts = NoServer(Options("t", ["ttl 30"]), STATE, KNOWN)
    for what, question, reply, right, ids in RIGHT:
        # As from the wire, where a library repeats the question except in refusals.
        echo = b"" if right.rcode in ("NOTIMP", "FORMERR") else question.question()
        found, used = explained.explain(question, reply.changed(question=question.question()), facts)
        left = differences(question, right.changed(question=echo), found)
        yield "explain: " + what, not left and used == ids, (left, used, found)


def imports_and_zones():
    options = Options("t", ["multicluster clusterset.local", "zonal"], "cluster.local clusterset.local")
    facts = NoServer(options, explained_cases.STATE, explained_cases.KNOWN)
    for what, question, reply, right, ids in explained_cases.RIGHT:
        question = question.with_(flags=())
        asked = reply and reply.changed(question=question.question())
        found, used = explained.explain(question, asked, facts)
        left = differences(question, right and right.changed(question=question.question()), found)
        yield "explain: " + what, not left and used == ids, (left, used, found)


class Changing(Judge):
    """Two servers whose replies come from lists, one of each round."""

    def __init__(self, *rounds):
        super().__init__((), NoServer(Options("t"), {}, {}))
        self.rounds, self.pause_s = list(rounds), 0

    def round(self, questions, patience):
        replies = self.rounds.pop(0)
        return [(question, [], *replies[question.name]) for question in questions]


def asked_again():
    """Only what is so twice counts."""
    same, differs, silent = ([], ()), (["rcode"], (("a", ONE), ("b", None))), ([], (("a", None), ("b", None)))
    questions = [Question(name) for name in ("same.", "late.", "wrong.", "lost.")]
    judge = Changing({"same.": same, "late.": differs, "wrong.": differs, "lost.": silent},
                     {"late.": same, "wrong.": differs, "lost.": differs})
    found = [verdict[2] for verdict in judge.all(questions)]
    yield "what differs is asked again", found == [[], [], ["rcode"], ["rcode"]] and not judge.rounds, found
    judge = Changing({"same.": same})
    yield "what does not is not", judge.all(questions[:1])[0][2] == [], judge.rounds


def falls_through():
    """What is denied there goes to the next plugin, of which these Corefiles have none."""
    facts = NoServer(Options("t", ["ttl 30", "fallthrough"]), STATE, KNOWN)
    question = Question("no." + NAME, "SOA", flags=())
    found, _ = explained.explain(question, NODATA.changed(question=question.question()), facts)
    left = differences(question, Reply("SERVFAIL", question=question.question()), found)
    yield "explain: SOA at nothing falls through", not left, (left, found)


def hidden_where_empty():
    """A Service that only a slice of host names keeps from being empty: no name, and so no PTR."""
    name, reverse = "f.a.svc.cluster.local.", "20.0.96.10.in-addr.arpa."
    state = dict(service("a", "f", clusterIP="10.96.0.20"))
    state["EndpointSlice", "a", "f"] = {"metadata": {"labels": {"kubernetes.io/service-name": "f"}}, "addressType": "FQDN",
                                       "endpoints": [{"addresses": ["h.example.com"]}]}
    known = {(name, "A"): Reply("NOERROR", ("aa",), [address(name, "10.96.0.20")])}
    facts = NoServer(Options("t", ["ignore empty_service"]), state, known)
    reply = Reply("NOERROR", ("aa",), [Record(reverse, "PTR", 1, 5, (name,))])
    found, used = explained.explain(Question(reverse, "PTR", flags=()), reply, facts)
    yield "explain: PTR of a Service without addresses of endpoints", found.rcode == "NXDOMAIN", (used, found)


def name_server_of_external_name():
    """The host's addresses where CoreDNS takes the address that an ExternalName Service has not."""
    zone = "cluster.local."
    state = dict(service("a", "own", type="ExternalName", externalName="own.a.svc." + zone))
    state["EndpointSlice", "a", "own"] = {"metadata": {"labels": {"kubernetes.io/service-name": "own"}}, "addressType": "IPv4",
                                         "endpoints": [{"addresses": [str(each)]} for each in explained.own_addresses()]}
    facts = NoServer(Options("t", bound=False), state, {})
    question = Question("ns.dns." + zone, "A", flags=())
    gone = ("NOERROR", [])  # a slice in front of it has no Service
    for rcode, answer in (("NOERROR", [Record(question.name, "CNAME", 1, 5, ("<nil>.",))]), ("SERVFAIL", []), gone):
        reply = Reply(rcode, ("aa",), answer, question=question.question())
        found, used = explained.explain(question, reply, facts)
        wanted = [str(each) for each in explained.own_addresses() if each.version == 4]
        right = [record.rdata for record in found.answer if record.rdtype == "A"] == wanted
        yield "explain: the host instead of an ExternalName Service, " + rcode, right or not wanted, (used, found)


def table():
    """Every explanation has its row in differences.md, and every row its explanation or a reason."""
    with open(os.path.join(HERE, "differences.md")) as f:
        rows = [line.split("|")[1].strip() for line in f if line.startswith("|")][2:]
    named = {row for _, row, _ in explained.EXPLAINED} | set(explained.WITHOUT_FUNCTION.values())
    yield "each explanation has its row", named <= set(rows), named - set(rows)
    known = named | set(explained.NOT_SEEN) | {row for row in rows if row.startswith(explained.OTHER_PLUGINS)}
    yield "each row is explained or says why not", set(rows) <= known, set(rows) - known
    yield "no reason without a row", set(explained.NOT_SEEN) <= set(rows), set(explained.NOT_SEEN) - set(rows)
    ids = [ident for ident, _, _ in explained.EXPLAINED]
    yield "ids are used once", len(ids) == len(set(ids)), ids


def wire():
    question = Question("Web.a.svc.cluster.local.", "SRV", edns={"size": 512, "options": [(10, b"12345678")]})
    echo = question.wire(7)
    found = message.parse(echo[:2] + bytes([echo[2] | 0x80]) + echo[3:])
    yield "a question read back", found.question == question.question() and found.opt["options"] == [
        (10, b"12345678".hex())], found
    for what, cut in (("cut", echo[:-1]), ("with a tail", echo + b"x"), ("empty", b"")):
        yield "a message " + what, malformed(cut), cut
    yield "CIDRs", expand_zones(["10.96.0.0/16", "fd00:10:96::/112"]) == [
        "96.10.in-addr.arpa", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"], None
    yield "reverse names", (reverse_address("4.3.2.1.in-addr.arpa."), reverse_address("3.2.1.in-addr.arpa."),
                            reverse_address("01.3.2.1.in-addr.arpa.")) == ("1.2.3.4", None, None), None


def malformed(wire_bytes):
    try:
        message.parse(wire_bytes)
    except message.Malformed:
        return True
    return False


def main():
    passed = failed = 0
    for part in (compared, cuts, explanations, imports_and_zones, asked_again, falls_through, hidden_where_empty,
                 name_server_of_external_name, table, wire):
        for what, right, detail in part():
            passed, failed = passed + bool(right), failed + (not right)
            print("ok " + what if right else "not ok %s - %s" % (what, detail))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
