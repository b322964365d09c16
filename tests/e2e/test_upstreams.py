#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The check of the check: scripted upstreams do what they are told, and the paced sender
sees it. No server is between them.

    test_upstreams.py [WORD...]       only the cases with WORD in their name"""

import os
import sys
import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
import behaviours  # noqa: E402
import paced  # noqa: E402
from cases import Cases, check, check_equal  # noqa: E402
from upstreams import Upstreams  # noqa: E402

NAME = "www.a.test"
FALSE = behaviours.FALSE_ADDRESS


def ask(upstream, tcp=False, timeout_s=0.3, **options):
    """The reply, or the exception's class."""
    query = dns.message.make_query(NAME, "A", use_edns=0, payload=1232)
    way = dns.query.tcp if tcp else dns.query.udp
    try:
        return way(query, upstream.host, timeout_s, upstream.port, **options)
    except (dns.exception.DNSException, EOFError, OSError, ValueError) as e:
        return type(e)


def is_right(reply):
    return isinstance(reply, dns.message.Message) and "192.0.2.1" in str(reply.answer) and not reply.flags & dns.flags.TC


# behaviour, options, what UDP gives, what TCP gives
ROWS = (
    ("good", {}, is_right, is_right),
    ("silent", {}, lambda r: r is dns.exception.Timeout, lambda r: r is dns.exception.Timeout),
    ("deaf", {}, lambda r: r is dns.exception.Timeout, None),
    ("slow", {"delay_s": 0.1}, is_right, is_right),
    ("rcode", {"rcode": behaviours.REFUSED}, lambda r: r.rcode() == dns.rcode.REFUSED, None),
    ("nxdomain", {}, lambda r: r.rcode() == dns.rcode.NXDOMAIN and "SOA" in str(r.authority[0]), None),
    ("nodata", {}, lambda r: not r.rcode() and not r.answer and "SOA" in str(r.authority[0]), None),
    ("garbage", {}, lambda r: isinstance(r, type), None),
    ("garbage", {"ident": False}, lambda r: isinstance(r, type), None),
    ("wrong_id", {}, lambda r: r is dns.query.BadResponse, is_right),
    ("wrong_question", {}, lambda r: r is dns.query.BadResponse, is_right),
    ("elsewhere", {}, lambda r: r is dns.query.UnexpectedSource, is_right),
    ("cut", {}, lambda r: isinstance(r, type), None),
    ("truncated", {}, lambda r: r.flags & dns.flags.TC and not r.answer, is_right),
    ("truncated_dead", {}, lambda r: r.flags & dns.flags.TC, lambda r: r is dns.exception.Timeout),
    ("referral", {}, lambda r: not r.answer and "NS" in str(r.authority[0]), None),
    ("hostile", {}, lambda r: "192.0.2.1" in str(r.answer) and all(FALSE in str(s) for s in (
        r.answer, r.authority, r.additional)) and behaviours.VICTIM in str(r.answer), None),
)


def each_behaviour(behaviour, options, over_udp, over_tcp):
    with Upstreams(1) as ups:
        ups[0].behave(behaviour, **options)
        for what, expected, tcp in (("UDP", over_udp, False), ("TCP", over_tcp, True)):
            if expected:
                reply = ask(ups[0], tcp)
                check(expected(reply), "over %s: %s" % (what, reply))


def lost_at_random():
    with Upstreams(1) as ups:
        ups[0].behave("loss", share=0.3)
        wires = [paced.question("n%d.test" % i) for i in range(400)]
        summary = paced.Summary(paced.Sender(ups[0].port, wires, 2000, 4, 0.3, host=ups[0].host).run())
        check(60 < summary.none < 180, "of 400 with 30 %% loss: %s" % summary)
        check_equal(sum(ups[0].questions().values()), 400, "questions seen")


def pace_and_times():
    """A delay is measured as it is, and a slow upstream does not slow the questions."""
    with Upstreams(1) as ups:
        ups[0].behave("slow", delay_s=0.2)
        wires = [paced.question("n%d.test" % i) for i in range(200)]
        began = time.monotonic()
        results = paced.Sender(ups[0].port, wires, 400, 4, 2, host=ups[0].host).run()
        took = time.monotonic() - began
        summary = paced.Summary(results)
        check_equal(summary.right, 200, "right answers")
        check(190 < summary.p50 < 260, "p50 of a delay of 200 ms: %s" % summary)
        check(0.65 < took < 1.5, "200 questions at 400/s and a delay of 0.2 s took %.2f s" % took)


def changed_while_it_runs():
    with Upstreams(2) as ups:
        ups[0].behave("silent")
        check(not is_right(ask(ups[0])) and is_right(ask(ups[1])), "one silent, one good")
        ups[0].behave("deaf")
        ask(ups[0])
        ups[0].behave("good")
        check(is_right(ask(ups[0])), "good after deaf")
        seen = ups[0].log()
        check_equal([(s.name, s.type, s.tcp) for s in seen], [(NAME, 1, False)] * 2, "what was read")
        ups[0].forget()
        check_equal(ups[0].log(), [], "what is left after forget()")


def main():
    cases = Cases(sys.argv[1:])
    for behaviour, *rest in ROWS:
        cases.run("%s %s" % (behaviour, rest[0] or ""), each_behaviour, behaviour, *rest)
    for case in (lost_at_random, pace_and_times, changed_while_it_runs):
        cases.run(case.__name__.replace("_", " "), case)
    cases.finish()


if __name__ == "__main__":
    main()
