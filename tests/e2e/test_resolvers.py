#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""glibc, musl, Go and c-ares resolve every kind of name in what a pod has: its
resolv.conf with ndots:5 and a search list, in a network namespace.

    test_resolvers.py --binary PATH [--work DIR] [WORD...]

Only the cases with WORD in their name, `RESOLVER: KIND`. The lookup programs of
resolvers/ are built in DIR and kept. A resolver whose compiler or headers are
not installed is skipped; where they are, it must build and find everything.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "resolvers")
sys.path[:0] = [SOURCES, os.path.join(HERE, "..", "api", "rig")]
import kinds  # noqa: E402
from cases import Cases, Failed, Skipped, check  # noqa: E402
from pod import DNS4, DNS6, Pod, way_in  # noqa: E402

SLOW_MS = 2000  # all of them wait longer than that before they ask again
NEW_S = 6
DEADLINE_S = 30
CC_FLAGS = ["-std=gnu17", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes",
            "-Wconversion", "-Werror", "-o", "PROGRAM", "lines.c"]

# resolver: (what must be there, its Debian package, how its program is built)
RESOLVERS = {
    "glibc": ("gcc", "gcc", ["gcc", *CC_FLAGS, "lookup.c", "-lresolv"]),
    "musl": ("musl-gcc", "musl-tools", ["musl-gcc", "-static", *CC_FLAGS, "lookup.c"]),
    "Go": ("go", "golang-go", ["go", "build", "-o", "PROGRAM", "lookup.go"]),
    "c-ares": ("/usr/include/ares.h", "libc-ares-dev",
               ["gcc", *CC_FLAGS, "-Wno-deprecated-declarations", "lookup_cares.c", "-lcares"]),
}


# -- building -------------------------------------------------------------------------

def is_there(tool):
    return os.path.exists(tool) if tool.startswith("/") else shutil.which(tool)


def build(resolver, program):
    """Go builds from its standard library alone, so that there is nothing to fetch."""
    tool, package, command = RESOLVERS[resolver]
    if not is_there(tool):
        raise Skipped("no %s here (package %s)" % (tool, package))
    environment = dict(os.environ, CGO_ENABLED="0", GO111MODULE="off", GOFLAGS="-buildvcs=false", GOTOOLCHAIN="local")
    if "HOME" not in environment:
        environment.setdefault("GOCACHE", program + ".cache")
    command = [program if word == "PROGRAM" else word for word in command]
    done = subprocess.run(command, cwd=SOURCES, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    check(done.returncode == 0, "%s\n%s" % (" ".join(command), done.stdout))


# -- asking ---------------------------------------------------------------------------

class Found:
    def __init__(self, line):
        words = line.split()
        self.took_ms, self.status = int(words[0]), words[1]
        self.items = sorted(word.lower() for word in words[2:])

    def is_right(self, expected):
        if expected == kinds.NONE:
            return self.status == "none"
        if self.status != "ok":
            return False
        if isinstance(expected, kinds.Some):
            return len(self.items) >= expected.least and not Counter(self.items) - Counter(expected.of)
        return self.items == sorted(expected)

    def __str__(self):
        return "%s %s (%d ms)" % (self.status, self.items if self.status == "ok" else "", self.took_ms)


def ask(program, questions):
    """Found for each. An environment of its own: RES_OPTIONS and the like change resolvers."""
    text = "".join(question + "\n" for question in questions)
    try:
        done = subprocess.run([program], input=text, capture_output=True, text=True, env={"GODEBUG": "netdns=go"},
                              timeout=DEADLINE_S)
    except subprocess.TimeoutExpired as e:
        got = (e.stdout or b"").count(b"\n")
        raise Failed("%s was not answered in %d s" % (questions[min(got, len(questions) - 1)], DEADLINE_S)) from None
    lines = done.stdout.splitlines()
    check(done.returncode == 0 and len(lines) == len(questions),
          "%s ended with status %d after %d of %d answers: %s" % (program, done.returncode, len(lines), len(questions),
                                                                 done.stderr))
    return [Found(line) for line in lines]


def choices_of(resolver, question, expected):
    """The expectations one of which must be met; none: it is not asked."""
    for exemption in kinds.EXEMPTIONS.get(resolver, ()):
        if exemption.applies(question):
            instead = exemption.expect(question, expected)
            return [expected, instead] if instead else []
    return [expected]


def look_up(resolver, program, rows):
    rows = [(question, choices_of(resolver, question, expected)) for question, expected in rows]
    rows = [(question, choices) for question, choices in rows if choices]
    wrong = []
    for (question, choices), found in zip(rows, ask(program, [q for q, _ in rows])):
        if not any(found.is_right(expected) for expected in choices):
            wrong.append("%s: %s, not %s" % (question, found, " or ".join(map(str, choices))))
        elif found.took_ms > SLOW_MS:
            wrong.append("%s: took %d ms" % (question, found.took_ms))
    check(not wrong, "%d of %d questions:\n%s" % (len(wrong), len(rows), "\n".join(wrong)))


# -- cases ------------------------------------------------------------------------------

def new_service(pod, resolver, program):
    """Asked for before it is there: that must not delay it by more than a negative TTL."""
    name = "new-" + resolver.lower()
    questions = ["host " + form for form in kinds.forms(name)]
    before = ask(program, questions)
    check(all(found.is_right(kinds.NONE) for found in before), "before: " + ", ".join(map(str, before)))
    pod.write("cluster/%s.yaml" % name, kinds.service("shop", name, "clusterIP: 10.96.2.2, ports: [{port: 80}]"))
    end = time.monotonic() + NEW_S
    while True:
        after = ask(program, questions)
        if all(found.is_right(["10.96.2.2"]) for found in after):
            break
        check(time.monotonic() < end, "after %d s: %s" % (NEW_S, ", ".join(map(str, after))))
        time.sleep(0.05)
    os.unlink(os.path.join(pod.folder, "cluster", name + ".yaml"))


def name_server_over_ipv6(pod, resolver, program):
    if not pod.has_ipv6:
        raise Skipped("this host has no IPv6")
    pod.use_nameserver(DNS6)
    try:
        for kind in ("ClusterIP", "dual stack", "large answers", "no such name"):
            look_up(resolver, program, kinds.KINDS[kind])
    finally:
        pod.use_nameserver(DNS4)


def builds(cases, resolver, program):
    """Built whatever the cases are; only the outcome is one."""
    failure = None
    try:
        build(resolver, program)
    except (Failed, Skipped) as e:
        failure = e
    cases.run(resolver + ": builds", raise_if, failure)
    return failure is None


def raise_if(failure):
    if failure:
        raise failure


def resolver_cases(cases, pod, resolver, program):
    for exemption in kinds.EXEMPTIONS.get(resolver, ()):
        print("# " + exemption.why, flush=True)
    for kind, rows in kinds.KINDS.items():
        name = "%s: %s" % (resolver, kind)
        cases.run(name, look_up, resolver, program, rows, on_failure=pod.log)
    cases.run(resolver + ": a Service made while running", new_service, pod, resolver, program, on_failure=pod.log)
    cases.run(resolver + ": a name server with an IPv6 address", name_server_over_ipv6, pod, resolver, program,
              on_failure=pod.log)


def clean_end(pod):
    status = pod.stop()
    check(status == 0, "it ended with status %s:\n%s" % (status, pod.log()))


def inside(cases, binary, work):
    """In namespaces of our own. Nothing can be fetched there, so what is built needs nothing."""
    with tempfile.TemporaryDirectory(prefix="binnacle-resolvers-") as folder:
        os.chmod(folder, 0o755)
        pod = Pod(folder)
        pod.start(binary, kinds.MANIFESTS)
        try:
            for resolver in RESOLVERS:
                program = os.path.join(work or folder, "lookup-" + resolver.lower())
                if builds(cases, resolver, program):
                    resolver_cases(cases, pod, resolver, program)
        finally:
            cases.run("Binnacle ends cleanly", clean_end, pod)
    cases.finish()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--work")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    cases = Cases(args.words)
    if args.inside:
        inside(cases, os.path.abspath(args.binary), args.work and os.path.abspath(args.work))
    unshare, why = way_in()
    if why:
        cases.skip("resolvers", why)
        cases.finish()
    if args.work:
        os.makedirs(args.work, exist_ok=True)
    os.execvp(unshare[0], unshare + [sys.executable, os.path.abspath(__file__), "--inside"] + sys.argv[1:])


if __name__ == "__main__":
    main()
