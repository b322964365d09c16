#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Binnacle and CoreDNS side by side: random clusters in a real kube-apiserver,
the same questions to both, every difference explained or shown.

    differential.py [--seeds N] [--first-seed S] [--questions 2000] [--minutes M]
                    [--options all|NAME,...] [--types A,SRV,...] [--json FILE]
    differential.py --check      CoreDNS against CoreDNS: the check of the check
    differential.py --list       the option sets

A seed means the same cluster, changes and questions every time (in the set
"unbound" there is also a Service of the host's addresses). With `--options all`
seed S runs with row S of the table of option sets, counted round. Exit status 1
if a difference is left that explained.py does not explain.
"""

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
import cluster_gen  # noqa: E402
import cluster_put  # noqa: E402
import import_gen  # noqa: E402
import kube  # noqa: E402
import option_sets  # noqa: E402
from facts import Facts, host_addresses  # noqa: E402
from judge import Judge, same_server  # noqa: E402
from message import TYPES  # noqa: E402
from questions import Asker  # noqa: E402
from report import Report  # noqa: E402
from rig import Rig, Skip  # noqa: E402
from server import Server  # noqa: E402

SCALE = 0.7
CHANGES = 25
STARTS = 3        # attempts, if a port is taken
READY_S = 90
SEEDS = 10 ** 9   # of which --first-seed random or commit takes one


class Refused(Exception):
    """A server did not start; the text is its own words."""


class FreeServer(Server):
    """Listens on all addresses where the option set says so."""

    def __init__(self, *args, bound=True, **kwargs):
        self.bound = bound
        super().__init__(*args, **kwargs)

    def write_corefile(self, *args):
        path = super().write_corefile(*args)
        if not self.bound:
            with open(path) as f:
                lines = [line for line in f if line.split()[:1] != ["bind"]]
            with open(path, "w") as f:
                f.writelines(lines)
        return path


def start(kind, options, rig, binary, lines=None):
    """A server that is ready. Its ports were free a moment ago: another program may have taken one."""
    for _ in range(STARTS - 1):
        try:
            return start_once(kind, options, rig, binary, lines)
        except Refused as e:
            if "in use" not in str(e).lower():
                raise
    return start_once(kind, options, rig, binary, lines)


def start_once(kind, options, rig, binary, lines):
    server = FreeServer(kind, ["kubeconfig " + rig.path("dns.kubeconfig")] + (options.lines if lines is None else lines),
                    binary, zones=options.zones, before=options.before, bound=options.bound).start()
    try:
        server.wait_ready(READY_S)
    except RuntimeError as e:
        if server.process.poll() is None:
            server.discard()
            raise
        words = re.sub(r"\S*\.Corefile:", "Corefile:", str(e).strip().splitlines()[-1].strip())
        server.discard()
        raise Refused("%s refuses: %s" % (kind, words))
    return server


class Run:
    """One rig, and pairs of servers that watch it."""

    def __init__(self, rig, arguments, kinds=("coredns", "binnacle"), judge=Judge):
        self.rig, self.arguments, self.kinds, self.judge = rig, arguments, kinds, judge
        self.putter = cluster_put.Putter(rig)
        self.report = Report()

    def seed(self, seed, options, second_lines=None):
        """All of one seed. Each part has a source of chance of its own: fewer questions
        mean the same cluster, and the same ones among them."""
        generator = cluster_gen.Generator(random.Random("cluster %d" % seed), SCALE,
                                          import_gen if options.multicluster else None)
        if options.multicluster:
            self.putter.define_imports()
        self.putter.wipe()
        self.putter.refused = []
        build, servers = generator.build(), []
        if not options.bound and seed % 4:
            generator.own_service(build, list(map(str, host_addresses())))
        watched = seed % 2 == 0  # from the start; otherwise listed when it is all there
        try:
            if watched:
                servers = self.start_both(options, second_lines)
            self.putter.apply(build)
            if not watched:
                servers = self.start_both(options, second_lines)
            markers = cluster_put.Markers(self.putter, options)
            count = self.arguments.questions
            self.ask(seed, options, servers, markers, random.Random("one %d" % seed), count // 2)
            self.putter.apply(generator.change(CHANGES))
            self.ask(seed, options, servers, markers, random.Random("two %d" % seed), count - count // 2)
            self.end(seed, options, servers)
        finally:
            for server in servers:
                server.discard()

    def end(self, seed, options, servers):
        """Both must have lived so long, and have nothing to say of memory."""
        for server in servers:
            early = server.process.poll() is not None
            server.stop()
            complaints = server.complaints()
            if early or complaints and server.kind == "binnacle":
                self.report.trouble(seed, options, "%s ended badly: %s" % (server.kind, complaints))

    def start_both(self, options, second_lines):
        servers = []
        try:
            for kind, lines in zip(self.kinds, (None, second_lines)):
                binary = self.arguments.binary if kind == "binnacle" else None
                servers.append(start(kind, options, self.rig, binary, lines))
        except BaseException:
            for server in servers:
                server.discard()
            raise
        return servers

    def ask(self, seed, options, servers, markers, rng, count):
        late = markers.wait(servers)
        if late:
            self.report.trouble(seed, options, late)
        state = self.putter.state()
        questions = Asker(rng, state, options, self.arguments.types).questions(count)
        judge = self.judge(servers, Facts(options, state, servers[0].port))
        before = self.report.counts()
        for question, ids, found, replies in judge.all(questions):
            self.report.add(seed, options, question, ids, found, replies)
        if self.arguments.hold and self.report.counts()[2] > before[2]:
            input("differences; %s: Enter to go on " % ", ".join("%s on port %d" % (s.kind, s.port) for s in servers))

    def close(self):
        self.putter.close()


def chosen(arguments):
    """[(seed, options)] without end in minutes, or as many as asked for."""
    sets = option_sets.TABLE
    if arguments.options != "all":
        sets = [option_sets.BY_NAME[name] for name in arguments.options.split(",")]
    seed = arguments.first_seed
    end = time.monotonic() + arguments.minutes * 60 if arguments.minutes else None
    left = arguments.seeds if arguments.seeds else (None if end else 1)
    while (left is None or left > 0) and (end is None or time.monotonic() < end):
        yield seed, sets[seed % len(sets)]
        seed += 1
        left = None if left is None else left - 1


def attempt(run, seed, options):
    """What went wrong beside the questions (no API server, nobody ready) is tried once more."""
    for last in (False, True):
        try:
            return run.seed(seed, options)
        except Refused as e:
            return run.report.refusal(seed, options, str(e))
        except (RuntimeError, OSError, kube.ApiError) as e:
            text = "%s: %s" % (type(e).__name__, str(e).strip()[-500:])
            if last:
                return run.report.trouble(seed, options, text)
            print("seed %d %s, once more: %s" % (seed, options.name, text), flush=True)


@contextlib.contextmanager
def api_server():
    """A Rig; again on other ports if another program has taken one of its own meanwhile."""
    with contextlib.ExitStack() as stack:
        for left in reversed(range(STARTS)):
            try:
                rig = stack.enter_context(Rig())
                break
            except RuntimeError as e:
                if not left or "in use" not in str(e).lower():
                    raise
        rig.grant(kube.DNS_RULES + [kube.IMPORT_RULE])
        yield rig


def run_all(rig, arguments):
    run = Run(rig, arguments)
    print("first seed: %d" % arguments.first_seed, flush=True)
    try:
        for seed, options in chosen(arguments):
            began = time.monotonic()
            before = run.report.counts()
            attempt(run, seed, options)
            run.report.line(seed, options, before, time.monotonic() - began, run.putter.refused)
    finally:
        run.close()
    return run.report


def check_of_the_check(rig, arguments):
    """[(what, is it right, detail)]"""
    rows = [("CoreDNS against itself, kubeadm's options", "kubeadm", None, lambda n: n == 0),
            ("CoreDNS against itself, verified pods", "verified-labels", None, lambda n: n == 0),
            ("CoreDNS against itself, imports", "multicluster", None, lambda n: n == 0),
            ("CoreDNS against one with labels, imports", "multicluster", [option_sets.SET, "labels tier=front"],
             lambda n: n > 0),
            ("CoreDNS against one with ttl 7", "default", ["ttl 7"], lambda n: n > 0),
            ("CoreDNS against one with pods insecure", "default", ["pods insecure"], lambda n: n > 0),
            ("CoreDNS against one with labels", "default", ["labels tier=front"], lambda n: n > 0),
            ("CoreDNS against one with endpoint_pod_names", "default", ["endpoint_pod_names"], lambda n: n > 0)]
    for what, name, lines, right in rows:
        run = Run(rig, arguments, ("coredns", "coredns"), same_server)
        try:
            run.seed(arguments.first_seed, option_sets.BY_NAME[name], lines)
        finally:
            run.close()
        asked, _, unexplained = run.report.counts()
        detail = "%d differences in %d questions" % (unexplained, asked)
        yield "%s: %s" % (what, detail), right(unexplained) and not run.report.troubles, run.report


def run_check(rig, arguments):
    passed = failed = 0
    for what, right, report in check_of_the_check(rig, arguments):
        print("%s %s" % ("ok" if right else "not ok", what), flush=True)
        passed, failed = passed + right, failed + (not right)
        if not right:
            report.summary(limit=10)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed


def seed_of(text):
    if text == "commit":
        commit = subprocess.run(["git", "-C", HERE, "rev-parse", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True).stdout.strip()
        text = int(commit, 16) % SEEDS if commit else "random"
    return random.SystemRandom().randrange(SEEDS) if text == "random" else int(text)


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=0, help="how many; 1 unless --minutes is given")
    parser.add_argument("--first-seed", type=seed_of, default=1, help="a number, random, or commit: one that only this commit of the tree has")
    parser.add_argument("--questions", type=int, default=2000, help="of each seed")
    parser.add_argument("--minutes", type=float, default=0, help="no new seed after so long")
    parser.add_argument("--options", default="all")
    parser.add_argument("--types", type=lambda text: text.split(","), help="ask these types only")
    parser.add_argument("--binary", help="the program; otherwise $BINNACLE or build/binnacle")
    parser.add_argument("--json", help="where to write every unexplained difference")
    parser.add_argument("--limit", type=int, default=60, help="groups that are shown")
    parser.add_argument("--hold", action="store_true", help="wait where there are differences, so that dig can be used")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args(argv)
    unknown = [t for t in arguments.types or () if t not in TYPES]
    names = [] if arguments.options == "all" else arguments.options.split(",")
    unknown += [name for name in names if name not in option_sets.BY_NAME]
    if unknown:
        parser.error("unknown: " + ", ".join(unknown))
    return arguments


def main(argv):
    arguments = arguments_of(argv)
    if arguments.list:
        for options in option_sets.TABLE:
            print("%-20s zones %s%s" % (options.name, options.zones, "".join("; " + line for line in options.lines)))
        return 0
    try:
        with api_server() as rig:
            if arguments.check:
                return 1 if run_check(rig, arguments) else 0
            report = run_all(rig, arguments)
    except Skip as e:
        print("differential # SKIP %s\n0 passed, 0 failed, 1 skipped" % e)
        return 0
    more = " --questions %d" % arguments.questions + (" --types " + ",".join(arguments.types) if arguments.types else "")
    report.summary(arguments.limit, more)
    if arguments.json:
        with open(arguments.json, "w") as f:
            json.dump(dict(report.as_json(), command=sys.argv, date=time.strftime("%Y-%m-%d")), f, indent=1)
    print("%d passed, %d failed, 0 skipped" % (report.seeds - len(report.failing), len(report.failing)))
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
