#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What directives promise, step by step, by Binnacle and by CoreDNS.

    test_plugins.py [--servers binnacle,coredns] [--binary PATH] [WORD...]    cases with WORD in `PLUGIN: NAME`

The cases are the files of plugins/ (plugin_cases.py says how they are written): expectations come
from the directives' documentation. Where CoreDNS does something else on purpose, the step says what, that
is checked too, and differences.md must have the row. CoreDNS is left out where it is not built."""

import argparse
import collections
import glob
import ipaddress
import os
import re
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "e2e"), os.path.join(TESTS, "api", "rig")]
import message  # noqa: E402
import plugin_cases  # noqa: E402
import server as rig_server  # noqa: E402
from cases import Cases, Failed, check, check_equal  # noqa: E402
from nameserver import NameServer  # noqa: E402
from upstreams import Upstreams  # noqa: E402

PATIENCE_S = 8
SILENCE_S = 1.0      # no reply in that time is none
EDE = 15             # the EDNS option
DO = 0x8000
LOG_S = 12


def shown(record):
    if isinstance(record.rdata, tuple):
        return " ".join(map(str, record.rdata))
    return str(ipaddress.ip_address(record.rdata)) if record.rdtype == "AAAA" else record.rdata


def fitting(value, wanted):
    """wanted: a number, `2+`, or `1-3`."""
    match = re.match(r"(\d+)(\+|-(\d+))?\Z", str(wanted))
    least = int(match.group(1))
    most = least if not match.group(2) else float("inf") if match.group(2) == "+" else int(match.group(3))
    return least <= value <= most


class Asked:
    """One question and what became of it."""

    def __init__(self, port, name, rdtype, how):
        edns = how.get("edns", 1232)
        opt = {"size": edns, "flags": DO if how.get("do") else 0} if edns else None
        self.name, self.type = name if name.endswith(".") else name + ".", rdtype
        self.question = message.Question(name, rdtype, edns=opt, flags=how.get("flags_asked", ["rd"]))
        self.tcp, self.source, self.port = how.get("tcp", False), how.get("from", ""), port
        self.reply, self.why, self.ms, self.size = None, "", 0.0, 0

    def send(self, patience_s):
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM) as sock:
            sock.settimeout(patience_s)
            sock.bind((self.source, 0))
            try:
                sock.connect(("127.0.0.1", self.port))
                wire = self.exchange(sock, self.question.wire(int.from_bytes(os.urandom(2), "big")))
            except OSError as e:
                self.why = "no reply (%s after %.1f s)" % (e, time.monotonic() - began)
                return self
        self.ms = (time.monotonic() - began) * 1000
        self.reply, self.size = message.parse(wire), len(wire)
        return self

    def exchange(self, sock, wire):
        if not self.tcp:
            sock.send(wire)
            return sock.recv(65535)
        sock.sendall(len(wire).to_bytes(2, "big") + wire)
        return NameServer.read_tcp(sock)

    def __repr__(self):
        return "%s %s: %r" % (self.name, self.type, self.reply if self.reply else self.why)


# -- what is expected of one reply ---------------------------------------------------------

def check_answer(asked, wanted, place):
    left = list(asked.reply.answer)
    for text in wanted:
        expected = plugin_cases.Expected(place, text)
        found = next((r for r in left if expected.matches(r, shown(r), asked.name)), None)
        check(found is not None, "no '%s' in %r" % (text, asked))
        left.remove(found)
    check(not left, "%s: also %s" % (asked, "; ".join("%s %d %s %s" % (r.owner, r.ttl, r.rdtype, shown(r)) for r in left)))


def check_flags(asked, wanted):
    for flag in wanted:
        present = flag.lstrip("-") in asked.reply.flags
        check(present != flag.startswith("-"), "flag %s of %r" % (flag, asked))


def check_ede(asked, wanted):
    codes = [int(data[:4], 16) for code, data in (asked.reply.opt or {"options": []})["options"] if code == EDE]
    check_equal(codes, [wanted] if wanted else [], "the extended errors of %r" % asked)


def check_reply(asked, expected, place):
    if expected.get("reply") == "none":
        check(asked.reply is None, "a reply: %r" % asked)
        return
    check(asked.reply is not None, "%r" % asked)
    if "rcodes" not in expected:
        check_equal(asked.reply.rcode, expected.get("rcode", "NOERROR"), "the rcode of %r" % asked)
    if "answer" in expected:
        check_answer(asked, expected["answer"], place)
    if "count" in expected:
        check(fitting(len(asked.reply.answer), expected["count"]), "%d records: %r" % (len(asked.reply.answer), asked))
    if "authority" in expected:
        check_equal(sorted(r.rdtype for r in asked.reply.authority), sorted(expected["authority"]),
                    "the authority section of %r" % asked)
    check_flags(asked, expected.get("flags", ()))
    if "ede" in expected:
        check_ede(asked, expected["ede"])
    check(asked.size <= expected.get("size_most", 65535), "%d bytes: %r" % (asked.size, asked))
    check(expected.get("least_ms", 0) <= asked.ms <= expected.get("most_ms", float("inf")), "%.0f ms: %r" % (asked.ms, asked))


# -- steps ------------------------------------------------------------------------------------

class Play:
    """A case on one server."""

    def __init__(self, case, kind, binary):
        self.case, self.kind, self.binary = case, kind, binary

    def run(self):
        with Upstreams(len(self.case.upstreams)) as ups:
            self.ups = {"UP%d" % (i + 1): upstream for i, upstream in enumerate(ups)}
            for upstream, options in zip(ups, self.case.upstreams):
                self.behave(upstream, options)
            text, files = self.filled(self.case.text()), {k: self.filled(v) for k, v in self.case.files.items()}
            server = NameServer(self.kind, text, files, self.binary)
            try:
                server.start().wait_answers()
                self.steps(server)
                self.end(server)
            finally:
                server.discard()

    def steps(self, server):
        self.server = server
        for step in self.case.steps:
            expected = step.expected(self.kind)
            if expected is None:
                continue
            try:
                getattr(self, "do_" + step.action)(step, expected)
            except Failed as e:
                raise Failed("%s: %s\n%s" % (step.place, e, server.log()[-1500:])) from None

    @staticmethod
    def end(server):
        ended = server.process.poll() is not None
        server.stop()
        check(not server.complaints(), server.complaints())
        check(server.kind == "coredns" or ended or server.process.returncode == 0,
              "it ended with %s" % server.process.returncode)

    def filled(self, text):
        return re.sub(r"\bUP\d\b", lambda match: self.ups[match.group()].address, text)

    @staticmethod
    def behave(upstream, options):
        options = dict(options)
        upstream.behave(options.pop("behave", "good"), **options)

    # -- each kind of step
    def do_ask(self, step, expected):
        names = [step.what] if isinstance(step.what, str) else step.what
        types = step.how.get("type", "A")
        self.forget()
        patience_s = SILENCE_S if expected.get("reply") == "none" else PATIENCE_S
        asked = [Asked(self.server.port, name, rdtype, step.how).send(patience_s)
                 for _ in range(step.how.get("times", 1)) for name in names
                 for rdtype in ([types] if isinstance(types, str) else types)]
        for one in asked:
            check_reply(one, expected, step.place)
        self.check_all(asked, expected, names)

    def do_together(self, step, expected):
        """All at once, each from a thread of its own."""
        self.forget()
        names = [name for name in step.what for _ in range(step.how.get("times", 1))]
        asked = [Asked(self.server.port, name, step.how.get("type", "A"), step.how) for name in names]
        threads = [threading.Thread(target=one.send, args=(PATIENCE_S,)) for one in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in asked:
            check_reply(one, expected, step.place)
        self.check_all(asked, expected, step.what)

    def forget(self):
        for upstream in self.ups.values():
            upstream.forget()

    def check_all(self, asked, expected, names):
        if "rcodes" in expected:
            counts = collections.Counter(one.reply.rcode for one in asked)
            for rcode, wanted in expected["rcodes"].items():
                check(fitting(counts.pop(rcode, 0), wanted), "%s: %r" % (rcode, asked))
            check(not counts, "also %s" % dict(counts))
        if "firsts" in expected:
            firsts = {shown(one.reply.answer[0]) for one in asked}
            check(fitting(len(firsts), expected["firsts"]), "in front: %s" % sorted(firsts))
        for key in ("seen", "seen_tcp", "seen_from"):
            for name, wanted in expected.get(key, {}).items():
                self.check_seen(key, name, wanted, {n.lower().rstrip(".") for n in names})

    def check_seen(self, key, name, wanted, names):
        seen = [s for s in self.ups[name].log() if s.name in names and (s.tcp or key != "seen_tcp")]
        if key == "seen_from":
            check_equal({s.host for s in seen}, {wanted}, "whence %s was asked" % name)
        else:
            check(fitting(len(seen), wanted), "%s saw %d questions%s: %s" % (
                name, len(seen), " over TCP" if key == "seen_tcp" else "", seen[:5]))

    def do_probed(self, step, _):
        """Names that an upstream is asked for meanwhile, by nobody's wish but the server's."""
        for name, probe in step.what.items():
            end = time.monotonic() + PATIENCE_S
            while probe not in self.ups[name].questions():
                check(time.monotonic() < end, "%s was not asked for '%s', but %s" % (name, probe, self.ups[name].questions()))
                time.sleep(0.05)

    def do_upstream(self, step, _):
        for name, options in step.what.items():
            self.behave(self.ups[name], options)

    def do_wait_s(self, step, _):
        time.sleep(step.what)

    def do_write(self, step, _):
        for path, text in step.what.items():
            self.server.file(path, self.server.filled(self.filled(text)))

    def do_remove(self, step, _):
        os.unlink(os.path.join(self.server.dir, step.what))

    def do_signal(self, step, _):
        self.server.process.send_signal(getattr(signal, "SIG" + step.what))

    def do_log(self, step, _):
        end = time.monotonic() + LOG_S
        while step.what not in self.server.log():
            check(time.monotonic() < end, "the log does not say '%s'" % step.what)
            time.sleep(0.05)

    def do_metric(self, step, expected):
        value = self.server.metric(step.what["name"], **step.what.get("labels", {}))
        check(value >= expected.get("least", 1), "%s is %s" % (step.what["name"], value))

    def do_ends(self, step, _):
        check(bool(step.what) == (self.server.process.poll() is not None), "the process has ended, or has not")


def rows_are_there(cases):
    with open(os.path.join(HERE, "differences.md")) as f:
        rows = [line for line in f if line.startswith("|")]
    missing = sorted({row for case in cases for row in case.rows() if not any(row in line for line in rows)})
    check(not missing, "differences.md has no row with: " + "; ".join(missing))


def coredns_is_there():
    """Built already: nothing is built here."""
    cache = os.environ.get("BINNACLE_CACHE") or os.path.expanduser("~/.cache/binnacle")
    return bool(glob.glob(os.path.join(cache, "coredns-*", "bin", "coredns")))


def play(case, kind, binary):
    """A case of CoreDNS that fails is played once more: it is asked what the page of differences says of it, and a
    machine that stood still is no difference. Binnacle has one try."""
    try:
        Play(case, kind, binary).run()
    except (Failed, RuntimeError) as e:
        if kind == "binnacle":
            raise
        print("# %s: played once more: %s" % (kind, str(e).rstrip().replace("\n", "\n# ")), flush=True)
        Play(case, kind, binary).run()


def play_all(cases, every, kind, binary, beside):
    """Several at a time: most of a case is waiting."""
    with ThreadPoolExecutor(beside) as pool:
        begun = []
        for case in every:
            name = "%s: %s: %s" % (kind, case.plugin, case.name)
            if case.skips(kind):
                cases.skip(name, case.coredns["skip"])
            else:
                begun.append((name, pool.submit(play, case, kind, binary)))
        for name, future in begun:
            cases.run(name, future.result)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="binnacle,coredns")
    parser.add_argument("--binary")
    parser.add_argument("--beside", type=int, default=6, help="cases at a time")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    every, cases = plugin_cases.load(options.words), Cases()
    program = rig_server.program("binnacle", options.binary)
    cases.run("rows of differences.md", rows_are_there, every)
    for kind in options.servers.split(","):
        if kind == "coredns" and not coredns_is_there():
            cases.skip("CoreDNS", "it is not built (tests/api/rig/build.sh coredns)")
            continue
        play_all(cases, every, kind, program if kind == "binnacle" else None, options.beside)
    cases.finish()


if __name__ == "__main__":
    main()
