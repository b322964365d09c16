#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What upstreams in trouble do to clients: Binnacle and CoreDNS with kubeadm's Corefile,
two scripted upstreams where it says /etc/resolv.conf.

    upstream_trouble.py [--servers binnacle,coredns] [--binary PATH] [--json FILE] [--write] [ROW...]
    upstream_trouble.py --check --binary PATH        Binnacle alone, shorter, against the bars

Prints a table, --write puts it into tests/README.md. A ROW is a word of a row's title. Each row
has a server of its own, fresh. Bars of --check: counts as they are, times with room for a machine
that does other things too (see ROOM)."""

import argparse
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "e2e"), os.path.join(TESTS, "api", "rig")]
import clusterfile  # noqa: E402
import paced  # noqa: E402
from behaviours import REFUSED, SERVFAIL  # noqa: E402
from cases import Cases, Failed  # noqa: E402
from nameserver import NameServer, service  # noqa: E402
from upstreams import Upstreams  # noqa: E402

WEB, WEB_ADDRESS = "web.shop.svc.cluster.local", "10.96.0.1"
OLD, NEW = "192.0.2.1", "192.0.2.2"
README = os.path.join(TESTS, "README.md")
MARKS = "<!-- upstream trouble: begin -->\n", "<!-- upstream trouble: end -->\n"
ROOM = 4             # a bar of milliseconds times that, with --check
CACHE_MIN_S = 5      # the least that `cache` makes of a TTL
ONE_BAD = (
    ("SERVFAIL", "rcode", {"rcode": SERVFAIL}),
    ("REFUSED", "rcode", {"rcode": REFUSED}),
    ("garbage behind the right ID", "garbage", {}),
    ("garbage", "garbage", {"ident": False}),
    ("lame", "referral", {}),
    ("half a message without TC", "cut", {}),
    ("TC, TCP right", "truncated", {}),
    ("TC, TCP silent", "truncated_dead", {}),
    ("another question", "wrong_question", {}),
    ("another ID", "wrong_id", {"times": 0}),
    ("another ID, then the right one", "wrong_id", {"times": 1}),
    ("loss of 30 %", "loss", {"share": 0.3}),
)


class Bar:
    """What a figure may be at most; times are in milliseconds and get room."""

    def __init__(self, name, value, most, is_time=False):
        self.name, self.value, self.most, self.is_time = name, value, most, is_time

    def holds(self, room):
        return self.value <= self.most * (room if self.is_time else 1)  # not so for a NaN

    def __str__(self):
        return "%s %s, at most %s" % (self.name, shown(self.value), shown(self.most))


class Row:
    """figures: [(title, text)]; bars: [Bar]."""

    def __init__(self, title, text, bars):
        self.title, self.text, self.bars = title, text, bars


def shown(value):
    return "%d" % value if isinstance(value, int) or value >= 100 else "%.1f" % value


def times(summary):
    return "p50 %s, p99 %s, max %s ms" % tuple(map(shown, (summary.p50, summary.p99, summary.max)))


def names(tag, count):
    return [paced.question("%s-%d.trouble.test" % (tag, i)) for i in range(count)]


class Trouble:
    """One kind of server; scale: 1 for the table, more for fewer questions."""

    def __init__(self, kind, binary, scale):
        self.kind, self.binary, self.scale = kind, binary, scale

    def server(self, upstreams, without=""):
        """without: an option of `forward` that is left out."""
        text = clusterfile.fitted(clusterfile.read(clusterfile.KUBEADM), " ".join(u.address for u in upstreams))
        if without:
            text = "".join(line for line in text.splitlines(True) if without not in line)
        if self.kind == "binnacle":
            text = clusterfile.with_manifests(text)
        else:
            text = clusterfile.with_hosts(text, ["%s %s" % (WEB_ADDRESS, WEB)])
        return NameServer(self.kind, text, {"m/web.yaml": service("web", WEB_ADDRESS)}, self.binary)

    def ready(self, server):
        """The Service is answered, and the upstreams were seen to be well."""
        for name, address in ((WEB, WEB_ADDRESS), ("first.trouble.test", OLD)):
            wire = paced.question(name)
            server.wait_for(name, lambda: has(server.ask_wire(wire, 2), address))
        paced.ask(server.port, names("warm", 40), 200)
        return server

    # -- rows --------------------------------------------------------------------------
    def one_silent(self, ups):
        count = 2000 // min(self.scale, 2)  # fewer, and one in a hundred would be the first few
        with self.server(ups) as server:
            self.ready(server)
            ups[0].behave("silent")
            summary = paced.Summary(paced.ask(server.port, names("silent", count), 200))
        yield Row("one of two silent, %d new names at 200/s" % count,
                  str_of(summary),
                  [Bar("SERVFAIL", summary.servfail, 0), Bar("not right", summary.wrong(), 0),
                   Bar("p99", summary.p99, 20, True), Bar("max", summary.max, 400, True)])

    def one_bad(self, ups):
        count = 1000 // self.scale
        for title, behaviour, options in ONE_BAD:
            ups.behave("good")
            with self.server(ups) as server:
                self.ready(server)
                ups[0].behave(behaviour, **options)
                summary = paced.Summary(paced.ask(server.port, names(behaviour, count), 200))
            yield Row("one of two: %s, %d new names at 200/s" % (title, count), str_of(summary),
                      [Bar("not right", summary.wrong(), 0), Bar("max", summary.max, 400, True)])

    def all_silent(self, ups):
        count, known = 200 // (1 if self.scale == 1 else 2), 0
        ups.behave("good", ttl=1, address=OLD)
        with self.server(ups) as server:
            self.ready(server)
            asked = names("known", count)
            known = paced.Summary(paced.ask(server.port, asked, 200), OLD).right
            time.sleep(CACHE_MIN_S + 1.2)
            ups.behave("silent")
            summary = paced.Summary(paced.ask(server.port, asked, 100, patience_s=8), OLD)
            yield Row("all silent, %d names known but expired, at 100/s" % count, str_of(summary),
                      [Bar("not known before", count - known, 0), Bar("not answered", count - summary.right, 0),
                       Bar("p50", summary.p50, 5, True), Bar("max", summary.max, 2000, True)])
            took_ms = self.back(server, ups, asked[:20])
        yield Row("then back with other addresses: until all of 20 names are right", "%s ms" % shown(took_ms),
                  [Bar("ms", took_ms, 1000, True)])

    @staticmethod
    def back(server, ups, asked):
        """Milliseconds from the upstreams' return to the last name's first right answer."""
        beside = paced.Beside(server.port, asked * 80, 200, patience_s=6)
        time.sleep(0.3)
        returned_at = time.time()
        ups.behave("good", ttl=1, address=NEW)
        first = {}
        for result in beside.results():
            if result.has(NEW):
                first[result.question] = min(result.came_at, first.get(result.question, result.came_at))
        missing = [wire for wire in asked if wire not in first]
        return float("inf") if missing else max(0.0, max(first.values()) - returned_at) * 1000

    def herd(self, ups):
        for used, most in ((ups.all[:1], 1), (ups.all, 2)):
            ups.behave("good")
            with self.server(used) as server:
                self.ready(server)
                ups.behave("slow", delay_s=0.5)
                ups.forget()
                results = paced.ask(server.port, names("herd%d" % len(used), 1) * 1600, 4000, sockets=100)
                seen = sum(ups.questions("trouble.test").values())
            summary = paced.Summary(results)
            yield Row("one cold name asked 1,600 times in 0.4 s, upstream takes 0.5 s, %d upstream%s" % (
                          len(used), "s" * (len(used) > 1)),
                      "%d asked upstream; %s" % (seen, str_of(summary)),
                      [Bar("questions upstream", seen, most), Bar("not right", summary.wrong(), 0)])

    def flood(self, ups):
        for without in ("", "max_concurrent"):
            ups.behave("good")
            with self.server(ups, without) as server, self.server(ups, without) as other:
                self.ready(server)
                self.ready(other)
                yield from self.flooded(server, other, ups, "without max_concurrent" if without else "kubeadm's Corefile")

    def flooded(self, server, other, ups, title):
        """other: a server that is left alone, whose answers are as late as the machine makes them."""
        seconds = 12 // self.scale if self.scale < 3 else 4
        services = [paced.question(WEB)] * (400 * seconds)
        paced.ask(server.port, services[:800], 400, sockets=1)  # threads awake, memory touched
        before = paced.Summary(paced.ask(server.port, services, 400, sockets=1), WEB_ADDRESS)
        ups.behave("deaf")
        server.reset_peak()
        kib, _ = server.memory_kib()
        flood = paced.Beside(server.port, flood_names(4000 * seconds), 4000, sockets=16, patience_s=7)
        others = paced.Beside(other.port, services, 400, sockets=1)
        during = paced.Summary(paced.ask(server.port, services, 400, sockets=1), WEB_ADDRESS)
        alone = paced.Summary(others.results(), WEB_ADDRESS)
        flooded = paced.Summary(flood.results())
        grown = (server.memory_kib()[1] - kib) / 1024
        yield Row("4,000/s random names to silent upstreams for %d s, %s" % (seconds, title),
                  "%.0f + %.1f MiB; the names: %s" % (kib / 1024, grown, flooded.sorts()),
                  [Bar("MiB", grown, 32), Bar("unanswered", flooded.none, 0)])
        yield Row("- answers about a Service before and meanwhile, and of a second server that is left alone, %s" % title,
                  "p99 %.2f, %.2f and %.2f ms; %s" % (before.p99, during.p99, alone.p99, during.sorts()),
                  [Bar("not right", during.wrong(), 0), Bar("p99", during.p99, max(1, 2 * alone.p99), True)])

    def all_strange(self, ups):
        """Both upstreams in the same trouble: what a client sees and when."""
        count = 50
        for title, behaviour, options in (("NXDOMAIN for every name", "nxdomain", {}),
                                          ("TC, and TCP that says nothing", "truncated_dead", {}),
                                          ("5 s late", "slow", {"delay_s": 5}),
                                          ("silent", "silent", {})):
            ups.behave("good")
            with self.server(ups) as server:
                self.ready(server)
                ups.behave(behaviour, **options)
                summary = paced.Summary(paced.ask(server.port, names(behaviour, count), 100, patience_s=12))
            bars = [Bar("unanswered", summary.none, 0), Bar("max", summary.max, 5500)]
            if behaviour == "nxdomain":
                bars.append(Bar("other than NXDOMAIN", count - summary.counts["NXDOMAIN"], 0))
            yield Row("both: %s, %d new names" % (title, count), str_of(summary), bars)


def flood_names(count):
    rng = random.Random(os.urandom(16))
    return [paced.question("%08x.flood.test" % rng.getrandbits(32)) for _ in range(count)]


def has(reply, address):
    result = paced.Result(None)
    result.reply = reply
    return result.has(address)


def str_of(summary):
    return "%s; %s" % (summary.sorts(), times(summary))


ROWS = ("one_silent", "one_bad", "all_silent", "herd", "flood", "all_strange")


def measure(kind, binary, scale, row):
    """[Row]"""
    with Upstreams(2) as ups:
        return list(getattr(Trouble(kind, binary, scale), row)(ups))


# -- the table -----------------------------------------------------------------------------

def table(kinds, found):
    """found: {title: {kind: text}}"""
    lines = ["| trouble | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for title, cells in found.items():
        lines.append("| " + " | ".join([title] + [cells.get(kind, "") for kind in kinds]) + " |")
    return "\n".join(lines) + "\n"


def write(text):
    """Between the two marks in tests/README.md."""
    with open(README) as f:
        page = f.read()
    start, end = (page.index(mark) for mark in MARKS)
    with open(README, "w") as f:
        f.write(page[:start] + MARKS[0] + text + page[end:])


def print_table(options, rows):
    found, kinds, late = {}, options.servers.split(","), []
    for kind in kinds:
        for row in rows:
            for one in measure(kind, options.binary if kind == "binnacle" else None, options.scale, row):
                found.setdefault(one.title, {})[kind] = one.text
                print("%s: %s: %s" % (kind, one.title, one.text), flush=True)
                late += [one.title + ": " + str(bar) for bar in one.bars if kind == "binnacle" and not bar.holds(1)]
    text = table(kinds, found)
    print("\n" + text)
    if options.write:
        write(text)
    if options.json:
        with open(options.json, "w") as f:
            json.dump(found, f, indent=1)
    for line in late:
        print("over the bar: " + line)
    return 1 if late else 0


# -- the bars --------------------------------------------------------------------------------

def check_row(options, row):
    """Every bar of a row that was not held. What only the clock says is measured once more."""
    for last in (False, True):
        late = []
        for one in measure("binnacle", options.binary, options.scale, row):
            print("    %s: %s" % (one.title, one.text), flush=True)
            late += [(bar, "%s: %s (%s)" % (one.title, bar, one.text)) for bar in one.bars if not bar.holds(ROOM)]
        if not late:
            return
        if last or any(not bar.is_time for bar, _ in late):
            raise Failed("\n".join(text for _, text in late))


def check_bars(options, rows):
    cases = Cases()
    for row in rows:
        cases.run(row.replace("_", " "), check_row, options, row)
    cases.finish()


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="binnacle,coredns")
    parser.add_argument("--binary", help="Binnacle's program; otherwise $BINNACLE or build/binnacle")
    parser.add_argument("--scale", type=int, help="so many times fewer questions")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="of: " + ", ".join(ROWS))
    options = parser.parse_args(argv)
    options.scale = options.scale or (5 if options.check else 1)
    for word in options.rows:
        if not any(word in row for row in ROWS):
            parser.error("no row %s; there are: %s" % (word, ", ".join(ROWS)))
    return options


def main(argv):
    options = arguments_of(argv)
    rows = [row for row in ROWS if not options.rows or any(word in row for word in options.rows)]
    if options.check:
        return check_bars(options, rows)
    return print_table(options, rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
