# SPDX-License-Identifier: Apache-2.0
"""Counts and groups of what was found, for people and as JSON."""

from collections import Counter


class Group:
    """Differences of one sort: kind of name, type, what differs."""

    def __init__(self, question, found, seed, options, replies):
        self.question, self.found, self.seed, self.options, self.replies = question, found, seed, options, replies
        self.count = 0
        self.sets = set()


class Report:
    def __init__(self):
        self.asked = self.explained = self.seeds = 0
        self.ids = Counter()
        self.groups = {}
        self.troubles = []
        self.failing = {}

    def add(self, seed, options, question, ids, found, replies):
        self.asked += 1
        self.ids.update(ids)
        if not found:
            self.explained += bool(ids)
            return
        key = (question.kind, question.rdtype, tuple(found))
        group = self.groups.setdefault(key, Group(question, found, seed, options.name, replies))
        group.count += 1
        group.sets.add(options.name)
        self.failing.setdefault(seed, options.name)

    def trouble(self, seed, options, text):
        self.troubles.append((seed, options.name, text))
        self.failing.setdefault(seed, options.name)
        print("seed %d %s: %s" % (seed, options.name, text), flush=True)

    def refusal(self, seed, options, text):
        self.troubles.append((seed, options.name, text))
        self.failing.setdefault(seed, options.name)

    def counts(self):
        return self.asked, self.explained, sum(group.count for group in self.groups.values())

    def failed(self):
        return bool(self.groups or self.troubles)

    def line(self, seed, options, before, seconds, refused):
        self.seeds += 1
        asked, explained, unexplained = (b - a for a, b in zip(before, self.counts()))
        text = "seed %d %s: %d asked, %d explained, %d unexplained, %.1f s" % (
            seed, options.name, asked, explained, unexplained, seconds)
        if self.troubles and self.troubles[-1][:2] == (seed, options.name):
            text += "; " + self.troubles[-1][2]
        if refused:
            text += "; the API server refused %d writes, such as %s" % (len(refused), refused[0][:300])
        print(text, flush=True)

    def summary(self, limit=60, more=""):
        """more: further arguments that the failing seeds were run with."""
        print()
        for text, count in Counter("%s: %s" % t[1:] for t in self.troubles).most_common():
            print("%d x %s" % (count, text))
        if self.failed():
            print("not ok what differs - the most frequent first")
        groups = sorted(self.groups.items(), key=lambda item: -item[1].count)
        for (kind, rdtype, found), group in groups[:limit]:
            self.show(kind, rdtype, found, group)
        if len(groups) > limit:
            print("... and %d groups more (--limit)" % (len(groups) - limit))
        coarse = list(self.coarse())
        if coarse:
            print("\nby kind of name and difference:")
        for text, count in coarse[:limit or 60]:
            print("%6d  %s" % (count, text))
        if self.ids:
            print("explained: " + ", ".join("%s %d" % pair for pair in self.ids.most_common()))
        asked, explained, unexplained = self.counts()
        print("%d asked, %d explained, %d unexplained in %d groups, %d troubles"
              % (asked, explained, unexplained, len(self.groups), len(self.troubles)))
        for seed, options in sorted(self.failing.items()):
            print("not ok seed %d, %s - again: tests/conformance/differential.py --first-seed %d --options %s%s"
                  % (seed, options, seed, options, more))

    def coarse(self):
        """[(text, count)], the most first, without types and mutations: to see what is missing."""
        counts, types = Counter(), {}
        for (kind, rdtype, found), group in self.groups.items():
            key = (kind.split(";")[0].split(",")[0], "; ".join(found))
            counts[key] += group.count
            types.setdefault(key, Counter())[rdtype] += group.count
        for key, count in counts.most_common():
            shown = [rdtype for rdtype, _ in types[key].most_common(6)]
            more = " ..." if len(types[key]) > len(shown) else ""
            yield "%s | %s | %s%s" % (key[0], key[1], " ".join(shown), more), count

    @staticmethod
    def show(kind, rdtype, found, group):
        print("%d x [%s] %s: %s" % (group.count, kind, rdtype, "; ".join(found)))
        print("    seed %d, %s" % (group.seed, group.options))
        print("    " + group.question.dig())
        for name, reply in group.replies:
            if reply is not None or name != "right":
                print("    %-8s %s" % (name, reply))

    def as_json(self):
        return {"asked": self.asked, "explained": dict(self.ids), "troubles": self.troubles, "failing": self.failing,
                "groups": [{"kind": kind, "type": rdtype, "differences": list(found), "count": group.count,
                            "seed": group.seed, "options": sorted(group.sets), "dig": group.question.dig(),
                            "replies": {name: str(reply) for name, reply in group.replies}}
                           for (kind, rdtype, found), group in self.groups.items()]}
