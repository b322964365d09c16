#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Upstreams, and others in their name, that want a client or the cache to believe them.

    test_poisoning.py --binary PATH [WORD...]       only the cases with WORD in their name

kubeadm's Corefile, with scripted upstreams where it says /etc/resolv.conf."""

import argparse
import collections
import os
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "conformance"), os.path.join(TESTS, "api", "rig")]
import behaviours  # noqa: E402
import clusterfile  # noqa: E402
import message  # noqa: E402
import paced  # noqa: E402
from cases import Cases, check, check_equal  # noqa: E402
from nameserver import NameServer, service  # noqa: E402
from upstreams import Upstreams  # noqa: E402

RIGHT, FALSE = "192.0.2.1", behaviours.FALSE_ADDRESS
CLUSTER = {"kubernetes.default.svc.cluster.local": "10.96.0.1", "web.shop.svc.cluster.local": "10.96.0.2"}
CLUSTER_NAMES = [*CLUSTER, "svc.cluster.local", "cluster.local", "no.shop.svc.cluster.local"]
WRONG_REPLIES = "binnacle_forward_wrong_replies_total"
RANDOM_COUNT = 1000
IDENTS_LEAST = 900         # 1,000 draws from 65,536 leave some 992
CHI_SQUARE_MOST = 60       # 16 degrees of freedom: one run in some two million is above
SAME_STEP_MOST = 5         # 1,000 draws: a step of IDs three times is already rare
# dns/net/port.h: a port is used so often, for half a second, and one of 64 or more at random.
PORT_QUESTIONS_MOST = 16
PORTS_LEAST = 120          # 65 each half second; that the second is a whole one is not certain
SAME_PORT_MOST = 45        # in a row: 1,000 / 65 is 15 +- 4
SAME_PORT_STEP_MOST = 10   # some 4,000 steps between 65 ports; a counter would have one 900 times
SAME_GAP_MOST = 0.1        # of the gaps between a port's uses: 1 / 65, or all of them if it went by turns
SELDOM_COUNT, SELDOM_RATE = 100, 50
SELDOM_AGAIN_MOST = 3      # 100 draws from the kernel's 28,232 ports meet 0.1 times


class Poisoned(NameServer):
    """Its upstreams are `count` scripted ones."""

    def __init__(self, ups):
        text = clusterfile.fitted(clusterfile.read(clusterfile.KUBEADM), " ".join(u.address for u in ups))
        objects = (service("kubernetes", CLUSTER["kubernetes.default.svc.cluster.local"], "default") +
                   service("web", CLUSTER["web.shop.svc.cluster.local"]))
        super().__init__("binnacle", clusterfile.with_manifests(text), {"m/objects.yaml": objects}, binary)

    def __enter__(self):
        super().__enter__()
        self.wait_for("the Services", lambda: self.addresses("web.shop.svc.cluster.local") == ["10.96.0.2"])
        return self

    def __exit__(self, kind, error, trace):
        self.stop()
        complaints = self.complaints()
        super().__exit__(kind, error, trace)
        check(not complaints, complaints)

    def ask(self, name, type_="A", tcp=False):
        reply = self.ask_wire(paced.question(name, message.TYPES[type_]), 8, tcp)
        check(reply is not None, "%s %s was not answered" % (name, type_))
        return message.parse(reply)

    def addresses(self, name):
        return [record.rdata for record in self.ask(name).answer if record.rdtype == "A"]


def cluster_answers(server):
    """What must stay as it is, without the order of records and the TTLs."""
    return {name: (reply.rcode, sorted(record.key() for record in reply.answer))
            for name in CLUSTER_NAMES for reply in [server.ask(name)]}


def is_believed(reply):
    return any(FALSE in str(record.rdata) or record.owner.rstrip(".") in CLUSTER_NAMES
               for section in (reply.answer, reply.authority, reply.additional) for record in section)


def asked_again(server, upstream, names):
    """Each of these names is unknown: it is asked upstream, which now says what is right."""
    upstream.behave("good")
    upstream.forget()
    for name in names:
        check_equal(server.addresses(name), [RIGHT], "the answer for " + name)
        check(upstream.questions()[name] >= 1, "%s was not asked upstream" % name)


# -- hostile answers ------------------------------------------------------------------

def additions_are_not_kept(ups):
    with Poisoned(ups) as server:
        before = cluster_answers(server)
        ups[0].behave("hostile")
        for type_ in ("A", "AAAA", "TXT", "MX"):
            for tcp in (False, True):
                reply = server.ask("www.%s-%d.test" % (type_, tcp), type_, tcp)
                check(not is_believed(reply), "a client is told: %r" % reply)
        check_equal(server.addresses("www.a.test"), [RIGHT], "the answer itself")
        outside = [name for name in behaviours.additions_of("www.a.test") if not name.endswith("cluster.local")]
        asked_again(server, ups[0], outside)
        check_equal(cluster_answers(server), before, "the cluster")


def alias_to_a_cluster_name(ups):
    """The upstream's own records of a cluster's name do not become the cluster's."""
    with Poisoned(ups) as server:
        before = cluster_answers(server)
        ups[0].behave("good", alias={"alias.a.test": behaviours.VICTIM, "other.a.test": "target.a.test"}, address=FALSE)
        server.ask("alias.a.test")
        check_equal(server.addresses("other.a.test"), [FALSE], "an ordinary alias")
        check_equal(cluster_answers(server), before, "the cluster")
        asked_again(server, ups[0], ["target.a.test"])


def denial_is_of_that_name_only(ups):
    """RFC 8020: an NXDOMAIN denies what is below the name; what is beside and above it is asked."""
    with Poisoned(ups) as server:
        ups[0].behave("nxdomain", zone="test")
        check_equal(server.ask("gone.a.test").rcode, "NXDOMAIN", "the rcode")
        ups[0].forget()
        check_equal(server.ask("below.gone.a.test").rcode, "NXDOMAIN", "the rcode below")
        check_equal(server.ask("gone.a.test", "AAAA").rcode, "NXDOMAIN", "another type's rcode")
        check_equal(ups[0].questions("gone.a.test"), {}, "what was asked upstream")
        asked_again(server, ups[0], ["beside.a.test", "a.test"])


def soa_of_another_zone(ups):
    """A denial whose SOA is not of the name's zone is not kept."""
    with Poisoned(ups) as server:
        before = cluster_answers(server)
        ups[0].behave("nxdomain", zone="cluster.local")
        reply = server.ask("gone.a.test")
        check(reply.rcode in ("NXDOMAIN", "SERVFAIL") and not is_believed(reply), "it is told: %r" % reply)
        check_equal(cluster_answers(server), before, "the cluster")
        ups[0].behave("good")
        server.wait_for("an answer", lambda: server.addresses("gone.a.test") == [RIGHT], 8)


# -- spoofed replies --------------------------------------------------------------------

def race(ups, behaviour, wrong_each, over_tcp, **options):
    """100 names; nobody believes, and wrong replies are counted; over_tcp: whether the questions go there."""
    count = 100
    with Poisoned(ups) as server:
        ups[0].behave(behaviour, **options)
        before = server.metric(WRONG_REPLIES)
        ups[0].forget()
        tag = "%s-%d" % (behaviour.replace("_", "-"), wrong_each)
        names = ["%s-%d.a.test" % (tag, i) for i in range(count)]
        results = paced.ask(server.port, [paced.question(name) for name in names], 200)
        summary = paced.Summary(results, RIGHT)
        false = [r for r in results if r.reply and socket.inet_aton(FALSE) in r.reply]
        check(not false, "%d clients were deceived" % len(false))
        check_equal(summary.wrong(), 0, "questions not answered right (%s)" % summary)
        seen = [s for s in ups[0].log() if s.name in names]
        by_tcp = {s.name for s in seen if s.tcp}
        check_equal(len(by_tcp), count if over_tcp else 0, "the questions over TCP")
        counted = server.metric(WRONG_REPLIES) - before
        check(counted >= wrong_each * count, "%d wrong replies counted, not %d" % (counted, wrong_each * count))
        repeated = paced.Summary(paced.ask(server.port, [paced.question(name) for name in names], 1000), RIGHT)
        check_equal(repeated.wrong(), 0, "wrong answers from the cache")


def one_wrong_id(ups):
    race(ups, "wrong_id", 1, False, times=1)


def twenty_wrong_ids(ups):
    race(ups, "wrong_id", 2, True, times=20)


def wrong_questions(ups):
    race(ups, "wrong_question", 2, True, times=3)


def from_another_address(ups):
    """The kernel keeps it from a connected socket: there is nothing to count."""
    race(ups, "elsewhere", 0, False)


# -- what a spoofer would have to guess ----------------------------------------------------

def idents_and_ports(ups, tag, count=RANDOM_COUNT, rate=1000):
    """Of each question as it is sent for the first time: what is sent again has the same ones."""
    with Poisoned(ups) as server:
        ups[0].forget()
        wires = [paced.question("%s-%d.a.test" % (tag, i)) for i in range(count)]
        summary = paced.Summary(paced.ask(server.port, wires, rate))
        check_equal(summary.wrong(), 0, "questions not answered (%s)" % summary)
        seen = {}
        for s in ups[0].log():
            if s.name.endswith("a.test") and not s.tcp:
                seen.setdefault(s.name, s)
    check_equal(len(seen), count, "the questions that were seen")
    return [s.ident for s in seen.values()], [s.port for s in seen.values()]


def chi_square_of_bits(numbers, bits):
    half = len(numbers) / 2
    ones = [sum(number >> bit & 1 for number in numbers) for bit in range(bits)]
    return sum((count - half) ** 2 / half * 2 for count in ones)


def most_common(values):
    return collections.Counter(values).most_common(1)[0][1]


def steps(numbers):
    return [(b - a) & 0xffff for a, b in zip(numbers, numbers[1:])]


def gaps(values):
    """After how many others each value comes again."""
    last, found = {}, []
    for at, value in enumerate(values):
        if value in last:
            found.append(at - last[value])
        last[value] = at
    return found


def unpredictable_ports(ports):
    """Of 1,000 questions in a second."""
    check(len(set(ports)) >= PORTS_LEAST, "%d questions came from %d ports" % (len(ports), len(set(ports))))
    check(most_common(ports) <= PORT_QUESTIONS_MOST, "one port was used %d times" % most_common(ports))
    same = steps(ports).count(0)
    check(same <= SAME_PORT_MOST, "%d questions came from the port of the one before" % same)
    step = most_common([step for step in steps(ports) if step])
    check(step <= SAME_PORT_STEP_MOST, "one step between ports comes %d times" % step)
    between = gaps(ports)
    check(not between or most_common(between) <= SAME_GAP_MOST * len(between),
          "%d times of %d a port comes again after the same number of others" % (most_common(between), len(between)))


def unpredictable(ups):
    idents, ports = idents_and_ports(ups, "one")
    check(len(set(idents)) > IDENTS_LEAST, "%d questions had %d IDs" % (len(idents), len(set(idents))))
    chi = chi_square_of_bits(idents, 16)
    check(chi < CHI_SQUARE_MOST, "chi-square of the bits of IDs is %.1f" % chi)
    check(most_common(steps(idents)) <= SAME_STEP_MOST, "one step between IDs comes %d times" %
          most_common(steps(idents)))
    unpredictable_ports(ports)
    again, again_ports = idents_and_ports(ups, "two")
    check(not set(zip(idents[:50], ports[:50])) & set(zip(again, again_ports)), "the same ones after a restart")
    check(idents[:3] != again[:3], "the same IDs after a restart")


def another_port_for_each_where_few_are_asked(ups):
    ports = idents_and_ports(ups, "seldom", SELDOM_COUNT, SELDOM_RATE)[1]
    check(len(set(ports)) >= SELDOM_COUNT - SELDOM_AGAIN_MOST, "%d questions came from %d ports" %
          (len(ports), len(set(ports))))
    check(most_common(steps(ports)) <= SAME_STEP_MOST, "one step between ports comes %d times" %
          most_common(steps(ports)))


def main():
    global binary
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    binary = os.path.abspath(args.binary)
    cases = Cases(args.words)
    for case in (additions_are_not_kept, alias_to_a_cluster_name, denial_is_of_that_name_only, soa_of_another_zone,
                 one_wrong_id, twenty_wrong_ids, wrong_questions, from_another_address, unpredictable,
                 another_port_for_each_where_few_are_asked):
        name = case.__name__.replace("_", " ")
        with Upstreams(1) as ups:
            cases.run(name, case, ups)
    cases.finish()


binary = None
if __name__ == "__main__":
    main()
