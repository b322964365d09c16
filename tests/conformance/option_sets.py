# SPDX-License-Identifier: Apache-2.0
"""The option sets that both servers run with: what a Corefile may say in the
`kubernetes` directive, one name each. Another set is another row."""

import ipaddress

MARKERS = ["marker-%d" % i for i in range(1, 5)]
REVERSE = ("in-addr.arpa", "ip6.arpa")


class Options:
    """lines: those inside `kubernetes { }`; what follows from them is read here, so
    that explanations need not parse a Corefile. bound: to 127.0.0.1 alone; CoreDNS
    knows its own addresses only where it is not."""

    def __init__(self, name, lines=(), zones="cluster.local in-addr.arpa ip6.arpa", before=(), bound=True):
        self.name, self.lines, self.zones, self.before = name, list(lines), zones, list(before)
        self.bound = bound
        words = [line.split() for line in lines]
        value = {word[0]: word[1:] for word in words}
        self.ttl = int(value.get("ttl", ["5"])[0])
        self.pods = value.get("pods", ["disabled"])[0]
        self.noendpoints = "noendpoints" in value
        self.endpoint_pod_names = "endpoint_pod_names" in value
        self.namespaces = value.get("namespaces", [])
        self.namespace_labels = " ".join(value.get("namespace_labels", []))
        self.labels = " ".join(value.get("labels", []))
        self.zonal = "zonal" in value
        self.multicluster = value.get("multicluster", [])
        self.ignore_empty = value.get("ignore") == ["empty_service"]
        self.fallthrough = None if "fallthrough" not in value else value["fallthrough"] or ["."]
        self.zone_list = expand_zones(zones.split())
        self.forward_zones = [zone for zone in self.zone_list if not zone.endswith(REVERSE)]
        self.service_zones = [zone for zone in self.forward_zones if zone not in self.multicluster]
        self.reverse_zones = [zone for zone in self.zone_list if zone.endswith(REVERSE)]

    def falls_through(self, name):
        """Whether what does not exist of it goes to the next plugin."""
        return any(under(name, zone) for zone in self.fallthrough or ())

    def zone_of(self, name):
        """The longest of the directive's zones that name lies in, or None."""
        return max((zone for zone in self.zone_list if under(name, zone)), key=len, default=None)

    def kubernetes_lines(self, kubeconfig):
        return ["kubeconfig " + kubeconfig] + self.lines


def under(name, zone):
    name = name.lower().rstrip(".")
    return zone in ("", ".") or name == zone or name.endswith("." + zone)


def expand_zones(zones):
    """CIDRs on byte and nibble borders become reverse zones."""
    out = []
    for zone in zones:
        address, _, bits = zone.partition("/")
        if not bits:
            out.append(zone.lower().rstrip("."))
        elif ":" in address:
            nibbles = ipaddress.ip_address(address).exploded.replace(":", "")[:int(bits) // 4]
            out.append(".".join(reversed(nibbles)) + ".ip6.arpa")
        else:
            out.append(".".join(reversed(address.split(".")[:int(bits) // 8])) + ".in-addr.arpa")
    return out


NAMES = "namespaces a b default " + " ".join(MARKERS)

SET_ZONES = "cluster.local clusterset.local in-addr.arpa ip6.arpa"
SET = "multicluster clusterset.local"

TABLE = [
    Options("default"),
    Options("ttl-30", ["ttl 30"]),
    Options("ttl-0", ["ttl 0"]),
    Options("ttl-3600", ["ttl 3600"]),
    Options("namespaces", [NAMES]),
    Options("labels", ["labels tier in (front, back)"]),
    Options("labels-not", ["labels tier notin (back)"]),
    Options("zones", zones="cluster.local Example.org 10.96.0.0/16 10.244.0.0/16 fd00:10:96::/112"),
    Options("no-reverse", zones="cluster.local"),
    Options("fallthrough-reverse", ["fallthrough in-addr.arpa ip6.arpa"]),
    Options("fallthrough-all", ["fallthrough"]),
    Options("pods-insecure", ["pods insecure"]),
    Options("kubeadm", ["pods insecure", "fallthrough in-addr.arpa ip6.arpa", "ttl 30"]),
    Options("pods-verified", ["pods verified"]),
    Options("pods-disabled", ["pods disabled"]),
    Options("namespace-labels", ["namespace_labels team=red"]),
    Options("endpoint-pod-names", ["endpoint_pod_names"]),
    Options("noendpoints", ["noendpoints"]),
    Options("ignore-empty", ["ignore empty_service"]),
    Options("zonal", ["zonal"]),
    Options("limits", ["apiserver_qps 50", "apiserver_burst 100", "apiserver_max_inflight 10", "startup_timeout 7s"]),
    Options("verified-labels", ["pods verified", "labels tier=front", "endpoint_pod_names", "ttl 17"]),
    Options("unbound", bound=False),
    Options("multicluster", [SET], SET_ZONES),
    Options("multicluster-more", [SET, "ttl 30", "endpoint_pod_names", "ignore empty_service", "pods insecure"], SET_ZONES),
    Options("multicluster-noendpoints", [SET, "noendpoints"], SET_ZONES),
    Options("multicluster-unbound", [SET], SET_ZONES, bound=False),
    Options("reverse-first", zones="in-addr.arpa ip6.arpa cluster.local"),
]
BY_NAME = {options.name: options for options in TABLE}
