#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the check of the specification can fail: replies that are wrong in one thing, for each
row of specification/, and data that do not say what they mean. Prints ok/not ok lines and the counts."""

import os
import sys

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
from cases import Cases, check, check_equal  # noqa: E402
from expected import CHOSEN, Expectation, Section, Wrong, differences, fill, sections  # noqa: E402

NAME = "db.a.svc.cluster.local."
SOA = "cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"
OTHER = {"A": "192.0.2.99", "AAAA": "2001:db8::99", "SRV": "0 100 9 other.example.", "PTR": "other.example.",
         "CNAME": "other.example.", "TXT": '"0.9.0"'}
COVERED = {"Kubernetes DNS 1.1.0": ("2.2", "2.3.1", "2.3.2", "2.3.3", "2.4.1", "2.4.2", "2.4.3", "2.5"),
           "KEP-1645 DNS 1.0.0": ("2.2", "2.3", "2.4")}


def rrset(text):
    owner, ttl, _, rdtype, rdata = text.split(None, 4)
    return dns.rrset.from_text(owner, int(ttl), "IN", rdtype, rdata)


def reply(name, rcode, answer, authority=(), additional=(), flags=dns.flags.AA):
    """As read with one_rr_per_rrset: a set for each record."""
    out = dns.message.make_response(dns.message.make_query(name, "A"))
    out.flags |= flags
    out.set_rcode(dns.rcode.from_text(rcode))
    out.answer, out.authority = [rrset(text) for text in answer], [rrset(text) for text in authority]
    out.additional = [rrset(text) for text in additional]
    return out


def expect(*records, rcode="NOERROR"):
    return Expectation("test", {"rcode": rcode, "answer": list(records)}, NAME)


A1, A2 = NAME + " 5 IN A 10.0.0.1", NAME + " 5 IN A 10.0.0.2"
SRV = NAME + " 5 IN SRV 0 50 80 x1." + NAME
TWO = expect("A 10.0.0.1", "A 10.0.0.2")
CHOICE = expect("SRV * * 80 <x>." + NAME)

# (what, expectation, reply, is it right)
MADE_UP = [
    ("the same", TWO, reply(NAME, "NOERROR", [A1, A2]), True),
    ("another order", TWO, reply(NAME, "NOERROR", [A2, A1]), True),
    ("letters", TWO, reply(NAME, "NOERROR", [A1.replace("db", "DB"), A2.replace("db", "DB")]), True),
    ("another rcode", TWO, reply(NAME, "NXDOMAIN", [A1, A2]), False),
    ("SERVFAIL", expect(), reply(NAME, "SERVFAIL", [], [SOA]), False),
    ("a record lacks", TWO, reply(NAME, "NOERROR", [A1]), False),
    ("all lack", TWO, reply(NAME, "NOERROR", [], [SOA]), False),
    ("a record too many", TWO, reply(NAME, "NOERROR", [A1, A2, NAME + " 5 IN A 10.0.0.3"]), False),
    ("a record twice", TWO, reply(NAME, "NOERROR", [A1, A2, A2]), False),
    ("one twice, one lacks", TWO, reply(NAME, "NOERROR", [A1, A1]), False),
    ("another owner", TWO, reply(NAME, "NOERROR", [A1, "x.a. 5 IN A 10.0.0.2"]), False),
    ("another type", expect("PTR x.a."), reply(NAME, "NOERROR", [NAME + " 5 IN CNAME x.a."]), False),
    ("two TTLs", TWO, reply(NAME, "NOERROR", [A1, A2.replace(" 5 ", " 6 ")]), False),
    ("no AA", TWO, reply(NAME, "NOERROR", [A1, A2], flags=0), False),
    ("cut", TWO, reply(NAME, "NOERROR", [A1, A2], flags=dns.flags.AA | dns.flags.TC), False),
    ("NODATA", expect(), reply(NAME, "NOERROR", [], [SOA]), True),
    ("NODATA without SOA", expect(), reply(NAME, "NOERROR", []), False),
    ("NODATA for NXDOMAIN", expect(rcode="NXDOMAIN"), reply(NAME, "NOERROR", [], [SOA]), False),
    ("letters of a TXT", expect('TXT "v"'), reply(NAME, "NOERROR", [NAME + ' 5 IN TXT "V"']), False),
    ("priority and weight", CHOICE, reply(NAME, "NOERROR", [SRV.replace("0 50", "7 9")]), True),
    ("another port", CHOICE, reply(NAME, "NOERROR", [SRV.replace(" 80 ", " 81 ")]), False),
    ("a chosen label too many", CHOICE, reply(NAME, "NOERROR", [SRV.replace("x1.", "x.y.")]), False),
    ("no label where one is to be chosen", CHOICE, reply(NAME, "NOERROR", [SRV.replace("x1.", "")]), False),
    ("glue", CHOICE, reply(NAME, "NOERROR", [SRV], additional=["x1." + NAME + " 5 IN A 10.0.0.1"]), True),
    ("glue of another name", CHOICE, reply(NAME, "NOERROR", [SRV], additional=["x2." + NAME + " 5 IN A 10.0.0.1"]),
     False),
    ("no address in additional", CHOICE, reply(NAME, "NOERROR", [SRV], additional=["x1." + NAME + ' 5 IN TXT "a"']),
     False),
]


def made_up(expectation, given, is_right):
    found = differences(expectation, given, {})
    check_equal(not found, is_right, "whether it passes (%s)" % found)


def chosen_labels():
    chosen = {}
    check(not differences(CHOICE, reply(NAME, "NOERROR", [SRV]), chosen), "the first does not pass")
    check_equal(chosen, {"<x>": "x1"}, "what was chosen")
    check(differences(CHOICE, reply(NAME, "NOERROR", [SRV.replace("x1", "x2")]), chosen), "another label passes later")
    two = expect("PTR <x>." + NAME, "PTR <y>." + NAME)
    same = NAME + " 5 IN PTR x1." + NAME
    check(differences(two, reply(NAME, "NOERROR", [same, same]), {}), "one label passes for two")
    other = same.replace("x1", "x2")
    check(not differences(two, reply(NAME, "NOERROR", [other, same]), chosen), "the two in another order")
    check_equal(chosen["<y>"], "x2", "the second label")


# -- every row of the data ----------------------------------------------------------------
def text_of(record, chosen):
    owner, rdtype, words = record
    return fill("%s 5 IN %s %s" % (owner, rdtype, " ".join("10" if word == "*" else word for word in words)), chosen)


def corrupted(rcode, answer):
    """(what, rcode, answer): all that a server could get wrong, one at a time."""
    for other in ("NXDOMAIN", "NOERROR", "SERVFAIL"):
        if other != rcode:
            yield "rcode " + other, other, answer
    for i, text in enumerate(answer):
        yield "without " + text, rcode, answer[:i] + answer[i + 1:]
        owner, ttl, klass, rdtype, _ = text.split(None, 4)
        wrong = " ".join((owner, ttl, klass, rdtype, OTHER[rdtype]))
        yield "other rdata for " + text, rcode, answer[:i] + [wrong] + answer[i + 1:]
    yield "a record too many", rcode, answer + [NAME + " 5 IN A 192.0.2.98"]


def data_row(expectation, name):
    used = [name] + [part for owner, _, words in expectation.records for part in [owner] + words]
    labels = sorted({label for part in used for label in CHOSEN.findall(part)})
    chosen = {label: "chosen-" + label[1:-1] for label in labels}
    answer = [text_of(record, chosen) for record in expectation.records]
    found = differences(expectation, reply(fill(name, chosen), expectation.rcode, answer, [SOA]), {})
    check(not found, "the right reply does not pass: %s" % found)
    for what, rcode, wrong in corrupted(expectation.rcode, answer):
        check(differences(expectation, reply(fill(name, chosen), rcode, wrong, [SOA]), {}), "passes: " + what)


def data_sections():
    """Sections must not see each other's objects: all of them are applied at once."""
    owners, names = {}, set()
    for section in sections():
        for thing in section.objects:
            key = (thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"])
            check(key not in names, "%s is there twice" % (key,))
            names.add(key)
            namespace = key[2] if key[0] == "Namespace" else key[1]
            check(namespace, "%s has no namespace" % (key,))
            owner = owners.setdefault(namespace, section.path)
            check_equal(section.path, owner, "the section of the namespace " + namespace)


def covered():
    references = [section.reference for section in sections()]
    for document, numbers in COVERED.items():
        for number in numbers:
            check(any(document in text and number in text for text in references), "nothing on %s, %s" % (document, number))


GOOD = "{title: t, reference: r, questions: [%s]}"
BAD = [("an unknown key", GOOD % "{question: a., type: A, anwser: []}"),
       ("a section without a title", "{reference: r, questions: []}"),
       ("no type", GOOD % "{question: a.}"),
       ("neither question nor reverse", GOOD % "{type: A}"),
       ("no dot at the end", GOOD % "{question: a, type: A}"),
       ("an rcode that no row has", GOOD % "{question: a., type: A, rcode: NXDOMIAN}"),
       ("an address that is none", GOOD % "{question: a., type: A, answer: [A 10.0.0]}"),
       ("a type that is none", GOOD % "{question: a., type: A, answer: [B 10.0.0.1]}"),
       ("a deviation without a reason", GOOD % "{question: a., type: A, deviates: {rcode: NXDOMAIN}}"),
       ("a source that is none", "{title: t, reference: r, questions: [], only: {source: files, why: w}}"),
       ("a source without a reason", "{title: t, reference: r, questions: [], only: {source: manifests}}")]


def refused(text):
    try:
        Section("bad", text)
    except Wrong:
        return
    check(False, "it is taken")


def main():
    cases = Cases(sys.argv[1:])
    for what, expectation, given, is_right in MADE_UP:
        cases.run("made up: " + what, made_up, expectation, given, is_right)
    cases.run("labels that the server chooses", chosen_labels)
    for section in sections():
        for row in section.rows:
            cases.run("data: %s: %s" % (section.path, row.title()), data_row, row.right, row.name)
            if row.instead:
                cases.run("data: %s: %s, as it deviates" % (section.path, row.title()), data_row, row.instead, row.name)
    cases.run("data: each section has its own namespaces", data_sections)
    cases.run("data: every section of the specifications", covered)
    for what, text in BAD:
        cases.run("bad data: " + what, refused, text)
    cases.finish()


if __name__ == "__main__":
    main()
