# SPDX-License-Identifier: Apache-2.0
"""What the resolvers are asked, and what each must find: one table for all.

A kind of name is a list of rows, question and expectation. A question is a line
for the lookup programs (lines.h). An expectation is a list (these items, in any
order), NONE (the resolver must say that there is nothing, at once) or Some.
"""

NONE = "none"
ZONE = "cluster.local"


class Some:
    """At least so many of these."""

    def __init__(self, least, of):
        self.least, self.of = least, sorted(of)

    def __repr__(self):
        return "at least %d of %s" % (self.least, self.of)


# -- the objects ------------------------------------------------------------------

def service(namespace, name, spec):
    return "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {%s}\n---\n" % (
        name, namespace, spec)


def endpoint_slice(owner, family, endpoints, ports="[]"):
    """endpoints: addresses, or pairs of address and hostname."""
    text = ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s-%s, namespace: shop, "
            "labels: {kubernetes.io/service-name: %s}}\naddressType: %s\nports: %s\nendpoints:\n"
            % (owner, family.lower(), owner, family, ports))
    for endpoint in endpoints:
        address, host = endpoint if isinstance(endpoint, tuple) else (endpoint, None)
        text += '- addresses: ["%s"]\n' % address + ("  hostname: %s\n" % host if host else "")
    return text + "---\n"


WEB_PORTS = "ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]"
DB_PORT = "[{name: pg, port: 5432, protocol: TCP}]"
FEW = ["10.244.0.%d" % i for i in range(1, 4)]
MANY4 = ["10.244.1.%d" % i for i in range(1, 31)]
MANY6 = ["fd00:10:244:1::%x" % i for i in range(1, 31)]
CROWD = ["10.244.2.%d" % i for i in range(1, 101)]

MANIFESTS = "".join((
    service("default", "web", "clusterIP: 10.96.1.1, ports: [{port: 80}]"),
    service("shop", "web", "clusterIP: 10.96.1.2, " + WEB_PORTS),
    service("shop", "both", "clusterIPs: [10.96.1.3, 'fd00:10:96::3'], ports: [{name: http, port: 80}]"),
    service("shop", "six", "clusterIPs: ['fd00:10:96::6'], ports: [{port: 80}]"),
    service("shop", "db", "clusterIP: None, ports: [{name: pg, port: 5432}]"),
    endpoint_slice("db", "IPv4", [("10.244.3.10", "db-0"), ("10.244.3.11", "db-1"), "10.244.3.12"], DB_PORT),
    endpoint_slice("db", "IPv6", [("fd00:10:244:3::10", "db-0"), "fd00:10:244:3::12"], DB_PORT),
    service("shop", "few", "clusterIP: None"),
    endpoint_slice("few", "IPv4", FEW),
    service("shop", "many", "clusterIP: None, ports: [{name: pg, port: 5432}]"),
    endpoint_slice("many", "IPv4", MANY4, DB_PORT),
    endpoint_slice("many", "IPv6", MANY6, DB_PORT),
    service("shop", "crowd", "clusterIP: None"),
    endpoint_slice("crowd", "IPv4", CROWD),
    service("shop", "empty", "clusterIP: None"),
    service("shop", "alias", "type: ExternalName, externalName: web.shop.svc.cluster.local"),
    service("shop", "chain", "type: ExternalName, externalName: alias.shop.svc.cluster.local"),
    service("shop", "dual", "type: ExternalName, externalName: both.shop.svc.cluster.local"),
    service("shop", "away", "type: ExternalName, externalName: www.outside.example"),
))


# -- the table --------------------------------------------------------------------

def forms(name, namespace="shop"):
    """Every way a pod of namespace default writes the name of a Service."""
    full = "%s.%s.svc.%s" % (name, namespace, ZONE)
    out = ["%s.%s" % (name, namespace), "%s.%s.svc" % (name, namespace), full, full + "."]
    return [name] + out if namespace == "default" else out


def rows(operation, names, expected):
    return [("%s %s" % (operation, name), expected) for name in names]


def full(name):
    return "%s.shop.svc.%s" % (name, ZONE)


def srv_of(names, weight, port=5432):
    return ["0,%d,%d,%s" % (weight, port, full(name)) for name in names]


def dashed(addresses, owner):
    return ["%s.%s" % (a.replace(".", "-").replace(":", "-"), owner) for a in addresses]


CLUSTER_IP = [row for operation in ("host4", "host") for row in
              rows(operation, forms("web", "default"), ["10.96.1.1"]) + rows(operation, forms("web"), ["10.96.1.2"])]
CLUSTER_IP += rows("canon", forms("web", "default"), ["web.default.svc." + ZONE])
CLUSTER_IP += rows("canon", forms("web"), [full("web")])

DUAL_STACK = rows("host4", forms("both"), ["10.96.1.3"]) + rows("host6", forms("both"), ["fd00:10:96::3"])
DUAL_STACK += rows("host", forms("both"), ["10.96.1.3", "fd00:10:96::3"]) + rows("canon", ["both.shop"], [full("both")])

# No records of one family must neither hide the other nor end the search as a failure.
OTHER_FAMILY = rows("host6", forms("web") + ["web"], NONE) + rows("host", forms("web"), ["10.96.1.2"])
OTHER_FAMILY += rows("host4", forms("six"), NONE) + rows("host", forms("six"), ["fd00:10:96::6"])
OTHER_FAMILY += rows("host6", forms("six"), ["fd00:10:96::6"]) + rows("host6", forms("few"), NONE)

# Names that exist, by themselves or for what is below them, and hold nothing.
NO_RECORDS = [row for operation in ("host4", "host6", "host") for row in
              rows(operation, forms("empty") + ["shop", "shop.svc.cluster.local.", "svc.cluster.local."], NONE)]
NO_RECORDS += rows("txt", [full("web") + "."], NONE) + rows("srv", [full("empty") + "."], NONE)

DB4, DB6 = ["10.244.3.10", "10.244.3.11", "10.244.3.12"], ["fd00:10:244:3::10", "fd00:10:244:3::12"]
HEADLESS = rows("host4", forms("few"), FEW) + rows("host", forms("few"), FEW)
HEADLESS += rows("host4", forms("db"), DB4) + rows("host6", forms("db"), DB6) + rows("host", forms("db"), DB4 + DB6)

# 30 addresses are more than 512 bytes, the limit of questions without EDNS; 100 are more than 1232, Go's.
LARGE = rows("host4", forms("many"), MANY4) + rows("host6", forms("many"), MANY6)
LARGE += rows("host", forms("many"), MANY4 + MANY6)
LARGE += rows("host4", forms("crowd"), CROWD) + rows("host", forms("crowd"), CROWD)

# By hostname, or by address with dashes.
ENDPOINTS = rows("host", forms("db-0.db"), ["10.244.3.10", "fd00:10:244:3::10"])
ENDPOINTS += rows("host", forms("db-1.db"), ["10.244.3.11"]) + rows("host6", forms("db-1.db"), NONE)
ENDPOINTS += rows("host4", forms("10-244-3-12.db"), ["10.244.3.12"])
ENDPOINTS += rows("host6", forms("fd00-10-244-3--12.db"), ["fd00:10:244:3::12"])
ENDPOINTS += rows("host", forms("10-244-0-2.few"), ["10.244.0.2"]) + rows("host", forms("10-244-0-99.few"), NONE)

# pods insecure
PODS = rows("host", ["10-1-2-3.shop.pod", "10-1-2-3.shop.pod.cluster.local", "10-1-2-3.shop.pod.cluster.local."],
            ["10.1.2.3"])
PODS += rows("host6", ["fd00--7.shop.pod.cluster.local."], ["fd00::7"])

CNAMES = rows("cname", forms("alias"), [full("web")]) + rows("cname", forms("away"), ["www.outside.example"])
CNAMES += rows("host", forms("away"), NONE)

# An endpoint counts for the weight once a family: 100 / 5.
SRV = rows("srv", forms("_http._tcp.web"), srv_of(["web"], 100, 80))
SRV += rows("srv", [full("_dns._udp.web")], srv_of(["web"], 100, 53))
SRV += rows("srv", [full("_http._udp.web"), full("_nosuch._tcp.web"), full("_http._tcp.nosuch")], NONE)
SRV += rows("srv", forms("_pg._tcp.db"),
            srv_of(["db-0.db", "db-1.db", "10-244-3-12.db", "fd00-10-244-3--12.db"], 20))
SRV += rows("srv", [full("_pg._tcp.many") + "."], srv_of(dashed(MANY4 + MANY6, "many"), 1))

PTR = [
    ("addr 10.96.1.1", ["web.default.svc." + ZONE]), ("addr 10.96.1.2", [full("web")]),
    ("addr 10.96.1.3", [full("both")]), ("addr fd00:10:96::3", [full("both")]),
    ("addr fd00:10:96::6", [full("six")]), ("addr 10.244.3.10", [full("db-0.db")]),
    ("addr 10.244.3.12", [full("10-244-3-12.db")]), ("addr fd00:10:244:3::10", [full("db-0.db")]),
    ("addr fd00:10:244:3::12", [full("fd00-10-244-3--12.db")]), ("addr 10.244.1.30", [full("10-244-1-30.many")]),
    ("addr 10.96.77.77", NONE), ("addr fd00:10:96::77", NONE), ("addr 192.0.2.1", NONE),
]

VERSION = rows("txt", ["dns-version.cluster.local", "dns-version.cluster.local.", "dns-version"], ["1.1.0"])

# Completed by each part of the search list, tried as they are first (five dots and more), and with a final dot.
ABSENT_NAMES = ["nosuch", "nosuch.shop", "nosuch.shop.svc", full("nosuch"), full("nosuch") + ".", "web.nowhere",
                "web.nowhere.svc.cluster.local.", full("a.b.nosuch"), full("nosuch.web") + ".", "nosuch.cluster.local.",
                "www.outside.example", "www.outside.example."]
ABSENT = [row for operation in ("host4", "host6", "host", "srv", "txt") for row in rows(operation, ABSENT_NAMES, NONE)]

UPPER_CASE = rows("host4", [n.upper() for n in forms("web")] + ["wEB.Shop"], ["10.96.1.2"])
UPPER_CASE += rows("host", [n.upper() for n in forms("db-0.db")], ["10.244.3.10", "fd00:10:244:3::10"])
UPPER_CASE += rows("host", [n.upper() for n in forms("nosuch")], NONE)
UPPER_CASE += rows("host6", [n.upper() for n in forms("fd00-10-244-3--12.db")], ["fd00:10:244:3::12"])
UPPER_CASE += rows("srv", [full("_http._tcp.web").upper() + "."], srv_of(["web"], 100, 80))
UPPER_CASE += rows("txt", ["DNS-Version.Cluster.Local."], ["1.1.0"])

FOLLOWED = [row for operation in ("host4", "host") for row in
            rows(operation, forms("alias") + forms("chain"), ["10.96.1.2"])]
FOLLOWED += rows("host", forms("dual"), ["10.96.1.3", "fd00:10:96::3"])
FOLLOWED += rows("host6", forms("dual"), ["fd00:10:96::3"])
FOLLOWED += rows("host6", forms("alias"), NONE) + rows("canon", forms("alias") + forms("chain"), [full("web")])

KINDS = {
    "ClusterIP": CLUSTER_IP,
    "dual stack": DUAL_STACK,
    "the other family": OTHER_FAMILY,
    "names without records": NO_RECORDS,
    "headless": HEADLESS,
    "large answers": LARGE,
    "endpoints": ENDPOINTS,
    "pods": PODS,
    "SRV": SRV,
    "PTR": PTR,
    "dns-version": VERSION,
    "no such name": ABSENT,
    "upper case": UPPER_CASE,
    "ExternalName": CNAMES,
    "ExternalName followed": FOLLOWED,
}


# -- what a resolver cannot do ------------------------------------------------------

class Exemption:
    """expect(question, expected): what may be found instead, None: it is not asked.
    The ordinary expectation stays right too: a newer version may have learnt it."""

    def __init__(self, why, applies, expect=lambda question, expected: None):
        self.why, self.applies, self.expect = why, applies, expect


def operation_of(question):
    return question.split()[0]


def is_partial(question):
    """A name that the search list completes."""
    return not question.endswith((ZONE, ZONE + "."))


def is_large(question):
    return any(name in question for name in ("many.shop", "crowd.shop"))


def what_fits(question, expected):
    """Into 512 bytes. A server that sends less than it could is wrong as well."""
    return Some({"host4": 29, "host6": 16, "host": 29, "srv": 7}[operation_of(question)], expected)


EXEMPTIONS = {
    "musl": [
        Exemption("musl's res_search knows no search list: partial names are not asked for SRV, TXT and CNAME",
                  lambda q: operation_of(q) in ("srv", "txt", "cname") and is_partial(q)),
        Exemption("musl before 1.2.4 does not turn to TCP: of large answers it finds what fits into 512 bytes",
                  is_large, what_fits),
    ],
    "Go": [
        Exemption("Go has no call for a CNAME record alone: not asked", lambda q: operation_of(q) == "cname"),
        Exemption("Go takes the canonical name from the first reply to A, AAAA and CNAME: in a chain maybe the next",
                  lambda q: q.startswith("canon chain."), lambda question, expected: [full("alias")]),
    ],
}
