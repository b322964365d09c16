# SPDX-License-Identifier: Apache-2.0
"""The files of plugins/: what a directive's documentation promises, as steps.

    plugin: acl
    cases:
    - name: what is said here is the case's name
      block: |                      # inside of a server block `.`; or `corefile`, whole
        acl {
            block net 127.0.0.2
        }
        hosts { ... }
      upstreams: [{behave: good, ttl: 300}, {behave: silent}]     # UP1, UP2 ... in the Corefile; behaviours.py
      files: {hosts: "192.0.2.1 a.test\\n"}                        # below DIR
      steps:
      - ask: a.test                 # type A; `type`, `tcp`, `from`, `edns` (a size, 0 for none), `flags`, `do`, `times`
        answer: [60 A 192.0.2.1]    # the whole section: [OWNER.] [TTL or LEAST-MOST] TYPE RDATA, in any order
        coredns: {row: words of its row in differences.md, rcode: SERVFAIL}      # where it differs: what it does

What a step may expect of every reply: rcode (NOERROR), answer, count, authority (types), flags (`-ra`: not set), ede, size_most,
least_ms, most_ms, `reply: none`; of all together: rcodes ({NOERROR: 1}), firsts (how many records have been in front),
seen (questions that an upstream saw meanwhile: 1, `1+`, or `0` for none), seen_tcp, seen_from (an address).
Other steps: together (names asked at once), upstream, wait_s, write, remove, signal, log, metric, ends, probed."""

import glob
import os
import re

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "plugins")
CASE_KEYS = {"name", "block", "corefile", "upstreams", "files", "steps", "coredns", "start"}
ACTIONS = {"ask", "together", "upstream", "wait_s", "write", "remove", "signal", "log", "metric", "ends", "probed"}
HOW_KEYS = {"type", "tcp", "from", "edns", "flags_asked", "do", "times"}
EXPECTED_KEYS = {"rcode", "answer", "count", "authority", "flags", "ede", "size_most", "least_ms", "most_ms", "reply", "rcodes",
                 "firsts", "seen", "seen_tcp", "seen_from", "least"}
RECORD = re.compile(r"(?:(\S+\.) )?(?:(\d+)(?:-(\d+))? )?([A-Z]+\d*) (\S.*)\Z")


class Wrong(Exception):
    """A file that does not say what it means; the text names the place."""


def only_keys(place, data, allowed):
    unknown = set(data) - allowed
    if unknown:
        raise Wrong("%s: unknown: %s" % (place, ", ".join(sorted(unknown))))


class Expected:
    """A record: owner (None: the question's, in any letters), TTL bounds (None: any), type, rdata as text."""

    def __init__(self, place, text):
        match = RECORD.match(text)
        if not match:
            raise Wrong("%s: '%s' is no record" % (place, text))
        self.owner, least, most, self.type, self.rdata = match.groups()
        self.least = int(least) if least else None
        self.most = int(most) if most else self.least
        self.text = text

    def matches(self, record, shown, asked):
        if self.owner is None and record.owner.lower() != asked.lower():
            return False
        if self.owner is not None and record.owner != self.owner:
            return False
        if self.least is not None and not self.least <= record.ttl <= self.most:
            return False
        return record.rdtype == self.type and shown.lower() == self.rdata.lower()


class Step:
    def __init__(self, place, data):
        self.place = place
        actions = set(data) & ACTIONS
        if len(actions) != 1:
            raise Wrong("%s: a step does one thing, not %s" % (place, sorted(actions) or "none"))
        self.action = actions.pop()
        only_keys(place, data, {self.action, "coredns"} | HOW_KEYS | EXPECTED_KEYS)
        self.what = data[self.action]
        self.how = {key: data[key] for key in HOW_KEYS & set(data)}
        self.right = {key: data[key] for key in EXPECTED_KEYS & set(data)}
        self.instead = data.get("coredns")
        if self.instead is not None:
            only_keys(place, self.instead, {"row", "skip"} | EXPECTED_KEYS)

    def expected(self, kind):
        """What must be so of a server of this kind; None: it is not asked that."""
        if kind == "binnacle" or self.instead is None:
            return self.right
        if self.instead.get("skip"):
            return None
        instead = {key: value for key, value in self.instead.items() if key != "row"}
        kept = {} if {"rcode", "reply", "rcodes"} & set(instead) else self.right
        return {key: value for key, value in {**kept, **instead}.items() if value is not None}


class Case:
    def __init__(self, path, plugin, data):
        self.place = "%s: %s" % (os.path.basename(path), data.get("name", "?"))
        only_keys(self.place, data, CASE_KEYS)
        self.name, self.plugin = data["name"], plugin
        self.block, self.corefile = data.get("block"), data.get("corefile")
        if (self.block is None) == (self.corefile is None):
            raise Wrong("%s: either block or corefile" % self.place)
        self.upstreams, self.files = data.get("upstreams", []), data.get("files", {})
        self.steps = [Step("%s, step %d" % (self.place, i + 1), step) for i, step in enumerate(data["steps"])]
        self.coredns = data.get("coredns")

    def text(self):
        if self.corefile is not None:
            return self.corefile
        body = "".join("    %s\n" % line for line in self.block.splitlines())
        return ".:PORT {\n    bind 127.0.0.1\n    errors\n    prometheus 127.0.0.1:METRICS\n%s}\n" % body

    def rows(self):
        """What differences.md must say."""
        every = [step.instead for step in self.steps] + [self.coredns]
        return [one["row"] for one in every if one and "row" in one]

    def skips(self, kind):
        return kind == "coredns" and bool(self.coredns) and self.coredns.get("skip", False)


def load(words=()):
    """[Case] of all files."""
    cases = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.yaml"))):
        with open(path) as f:
            data = yaml.safe_load(f)
        only_keys(path, data, {"plugin", "reference", "cases"})
        cases += [Case(path, data["plugin"], case) for case in data["cases"]]
    return [case for case in cases if not words or any(word in "%s: %s" % (case.plugin, case.name) for word in words)]
