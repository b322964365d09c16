# SPDX-License-Identifier: Apache-2.0
"""Questions from a seed: the names that objects imply, and mutations of them, in
all types, over UDP and TCP, with and without EDNS."""

from implied import Names
from message import Question, fits

USUAL = ("A", "A", "A", "AAAA", "AAAA", "SRV", "SRV", "HTTPS")
OTHERS = ("CNAME", "TXT", "MX", "NS", "SOA", "PTR", "SVCB", "ANY", "CAA", "DS", "NAPTR", "HINFO", "DNSKEY", "SPF",
          "TYPE65280")
PREFERRED = {  # by how the kind of name begins: what is asked most
    "port of": ("SRV", "SRV", "SRV", "A", "AAAA"),
    "reverse": ("PTR", "PTR", "PTR", "PTR", "A", "SOA", "NS"),
    "apex": ("SOA", "SOA", "NS", "A", "TXT"),
    "dns-version": ("TXT", "TXT", "A"),
    "ExternalName": ("A", "AAAA", "CNAME", "SRV", "TXT"),
    "ns.dns": ("A", "AAAA", "NS"),
}
STRANGE_LABELS = ("*", "any", "_zone", "nothing", "_", "-", "xn--a", "a" * 63, "0", "web", "_tcp", "\xe9", "a b")


def weight_of(kind):
    """Kinds share the questions; those with little in them get fewer."""
    few = ("apex", "svc and pod", "dns", "dns-version", "ns.dns", "reverse zone", "pod namespace", "namespace",
           "zonal name of ClusterIP", "zonal name of ExternalName", "stem of zonal names of headless",
           "stem of zonal names of ClusterIP", "stem of zonal names of ExternalName", "zone's own names under a reverse zone")
    return 1 if kind.split(",")[0] in few else 4


class Asker:
    """Makes questions over a state. types: ask these only."""

    def __init__(self, rng, state, options, types=None):
        self.rng, self.types, self.options = rng, types, options
        zones = options.forward_zones
        self.names = Names(state, zones, options.multicluster).entries
        self.by_kind = {}
        for name, kind in self.names:
            self.by_kind.setdefault(kind, []).append(name)
        self.kinds = sorted(self.by_kind)
        self.weights = [weight_of(kind) for kind in self.kinds]

    def questions(self, count):
        out = []
        while len(out) < count:
            question = self.question()
            if fits(question.name) or question.name == ".":
                out.append(question)
        return out

    def question(self):
        kind = self.rng.choices(self.kinds, self.weights)[0]
        name = self.rng.choice(self.by_kind[kind])
        rdtype = self.rdtype(kind)
        if self.rng.random() < 0.35:
            name, what = self.mutate(name, kind)
            kind = "%s; %s" % (kind, what)
        return self.dress(Question(name + ".", rdtype, kind))

    def rdtype(self, kind):
        if self.types:
            return self.rng.choice(self.types)
        choice = self.rng.random()
        preferred = next((types for start, types in PREFERRED.items() if kind.startswith(start)), USUAL)
        if choice < 0.6:
            return self.rng.choice(preferred)
        return self.rng.choice(USUAL if choice < 0.75 else OTHERS)

    # -- how it is asked -----------------------------------------------------
    def dress(self, question):
        chance = self.rng.random
        if chance() < 0.08:
            question.tcp = True
        if chance() < 0.6:
            question.edns = {"size": self.rng.choice((512, 1232, 1232, 4096))}
            if chance() < 0.2:
                question.edns["flags"] = 0x8000
            self.odd_edns(question)
        question.flags = tuple(flag for flag, p in (("rd", 0.8), ("cd", 0.1), ("ad", 0.1)) if chance() < p)
        if chance() < 0.01:
            question.flags += ("z",)
        if chance() < 0.015:
            question.rdclass = self.rng.choice(("CH", "HS", "ANY", "NONE"))
        if chance() < 0.005:
            question.opcode = self.rng.choice((1, 2, 4, 5))
        return question

    def odd_edns(self, question):
        choice = self.rng.random()
        edns = question.edns
        if choice < 0.02:
            edns["options"] = [self.rng.choice(((10, b"\1" * 8), (3, b""), (8, b"\0\1\x18\0\xcb\0\x71"), (12, b"\0" * 30),
                                                (65001, b"abc"), (11, b"")))]
        elif choice < 0.03:
            edns["version"] = 1
        elif choice < 0.04:
            edns["flags"] = self.rng.choice((0x4000, 0x0001, 0xffff))
        elif choice < 0.045:
            question.opts = 2
        elif choice < 0.055:
            edns["options"] = [(12, b"\0" * self.rng.choice((420, 600)))]
        elif choice < 0.06:
            edns["size"] = self.rng.choice((0, 100, 513, 65535))

    # -- another name ------------------------------------------------------------
    def mutate(self, name, kind):
        choices = [self.capitals, self.capitals, self.extra_label, self.extra_label, self.missing_label,
                   self.other_label, self.other_zone, self.twice]
        if name.endswith(".arpa"):
            choices += [self.neighbour, self.partial, self.partial]
        else:
            choices += [self.underscores, self.underscores, self.other_namespace, self.dashes, self.port]
        return self.rng.choice(choices)(name)

    def capitals(self, name):
        return "".join(c.upper() if self.rng.random() < 0.4 else c for c in name), "capitals"

    def extra_label(self, name):
        if name.endswith(".arpa"):
            return "%d.%s" % (self.rng.randint(0, 15), name), "a number in front"
        return "%s.%s" % (self.rng.choice(STRANGE_LABELS), name), "a label in front"

    def missing_label(self, name):
        labels = name.split(".")
        at = self.rng.randrange(max(1, len(labels) - 2))
        return ".".join(labels[:at] + labels[at + 1:]) or ".", "a label left out"

    def other_label(self, name):
        labels = name.split(".")
        at = self.rng.randrange(max(1, len(labels) - 2))
        labels[at] = self.rng.choice(STRANGE_LABELS)
        return ".".join(labels), "another label"

    def other_namespace(self, name):
        return name.replace(".svc.", ".nowhere.svc.", 1), "an unknown namespace between"

    def other_zone(self, name):
        zone = self.rng.choice(("example.com", "cluster.local.example.com", "local", "clusterset.local", "xcluster.local"))
        return name.replace("cluster.local", zone) if "cluster.local" in name else name + "." + zone, "another zone"

    def twice(self, name):
        if name.endswith(".arpa"):
            return self.neighbour(name)
        return name + ".default.svc.cluster.local", "the search list added"

    def underscores(self, name):
        labels = name.split(".")
        at = self.rng.randrange(min(2, len(labels)))
        for i in {at, self.rng.randrange(min(2, len(labels)))}:
            labels[i] = labels[i][1:] if labels[i].startswith("_") else "_" + labels[i]
        return ".".join(labels), "underscores"

    def dashes(self, name):
        first, _, rest = name.partition(".")
        changed = self.rng.choice((first.replace("-", "--"), first.replace("-", "."), first + "-0", first.replace("--", "-")))
        return "%s.%s" % (changed.strip(".") or "x", rest), "dashes"

    def port(self, name):
        prefix = "%s.%s" % (self.rng.choice(("_http", "http", "_nothing", "_", "_80")),
                            self.rng.choice(("_tcp", "_udp", "tcp", "_sctp", "_xyz", "_")))
        return "%s.%s" % (prefix, name), "a port in front"

    def neighbour(self, name):
        labels = name.split(".")
        at = self.rng.randrange(min(2, len(labels)))
        base = 16 if name.endswith("ip6.arpa") else 10
        try:
            labels[at] = format((int(labels[at], base) + 1) % (16 if base == 16 else 256), "x" if base == 16 else "d")
        except ValueError:
            labels[at] = "0"
        return ".".join(labels), "a neighbour"

    def partial(self, name):
        labels = name.split(".")
        return ".".join(labels[self.rng.randint(1, max(1, len(labels) - 2)):]), "a part of it"
