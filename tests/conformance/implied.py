# SPDX-License-Identifier: Apache-2.0
"""The names that objects imply, with what sort of name each is.

Whether an option hides them does not matter here: hidden names are worth asking
for too. Nothing here says what the answer is."""

import ipaddress

from cluster_gen import SERVICE_NAME
from import_gen import CLUSTER_ID, IMPORT_NAME


def reverse_name(address):
    """Of an address as text; None if it is none (FQDN slices)."""
    try:
        return ipaddress.ip_address(address).reverse_pointer
    except ValueError:
        return None


def dashed(address):
    """CoreDNS's endpoint name of an address without hostname."""
    out = address.replace(".", "-").replace(":", "-")
    return out + "0" if out.endswith("-") and ":" in address else out


def dash_forms(address):
    """Ways to write an address in a pod's name."""
    forms = [dashed(address), address.replace(":", "-").replace(".", "-")]
    if ":" in address:
        forms.append(ipaddress.ip_address(address).exploded.replace(":", "-"))
        forms.append(address.replace(":", "-").upper())
    return forms


class Names:
    """entries: [(name, kind)] over one state and a list of forward zones; kind
    is a few words, the same for all names of one sort."""

    def __init__(self, state, zones, set_zones=()):
        self.state, self.zones, self.set_zones = state, zones, set_zones
        self.seen, self.entries = set(), []
        self.slices, self.imported = {}, {}
        for (kind, ns, _), thing in state.items():
            if kind == "EndpointSlice":
                of = (thing["metadata"].get("labels") or {}).get(SERVICE_NAME)
                self.slices.setdefault((ns, of), []).append(thing)
                self.imported.setdefault((ns, imported_name(thing)), []).append(thing)
        self.collect()

    def add(self, name, kind):
        if name and (name, kind) not in self.seen:
            self.seen.add((name, kind))
            self.entries.append((name, kind))

    def collect(self):
        for zone in self.zones:
            self.zone_names(zone)
            for (kind, ns, name), thing in self.state.items():
                if kind == "Namespace":
                    self.add("%s.svc.%s" % (name, zone), "namespace")
                    self.add("%s.pod.%s" % (name, zone), "pod namespace")
                elif kind == "Service":
                    self.service(ns, name, thing, zone)
                elif kind == "ServiceImport" and zone in self.set_zones:
                    self.service_import(ns, name, thing, zone)
                elif kind == "Pod":
                    self.pod(ns, thing, zone)
        for (kind, ns, _), thing in self.state.items():
            if kind == "EndpointSlice":
                self.addresses_of(ns, thing)
        for zone in ("in-addr.arpa", "ip6.arpa"):
            self.add(zone, "reverse zone")
            for label in ("svc", "pod", "dns-version", "ns.dns", "dns"):
                self.add("%s.%s" % (label, zone), "zone's own names under a reverse zone")

    def zone_names(self, zone):
        self.add(zone, "apex")
        self.add("dns-version." + zone, "dns-version")
        self.add("ns.dns." + zone, "ns.dns")
        self.add("dns." + zone, "dns")
        for part in ("svc", "pod"):
            self.add("%s.%s" % (part, zone), "svc and pod")

    def service(self, ns, name, thing, zone):
        spec = thing["spec"]
        kind = sort_of(spec)
        base = "%s.%s.svc.%s" % (name, ns, zone)
        self.add(base, kind)
        slices = self.slices.get((ns, name), ())
        ports = {(p.get("name") or "", p.get("protocol") or "TCP") for p in spec.get("ports") or ()}
        own = set(ports)
        for each in slices:
            ports |= {(p.get("name") or "", p.get("protocol") or "TCP") for p in each.get("ports") or ()}
        for port, protocol in sorted(ports):
            whose = "" if (port, protocol) in own else ", slices only"
            self.add("_%s.%s" % (protocol.lower(), base), "protocol of " + kind)
            if port and len(port) < 63:
                self.add("_%s._%s.%s" % (port, protocol.lower(), base), "port of " + kind + whose)
        for address in cluster_ips(spec):
            self.add(reverse_name(address), "reverse of cluster IP")
            self.add("%s.%s" % (dashed(address), base), "endpoint name of a cluster IP")
        for each in slices:
            self.endpoints(each, base, kind)

    def service_import(self, ns, name, thing, zone):
        spec, slices = thing["spec"], self.imported.get((ns, name), ())
        kind = "import, " + spec["type"]
        base = "%s.%s.svc.%s" % (name, ns, zone)
        self.add(base, kind)
        ports = {(p.get("name") or "", p.get("protocol") or "TCP") for each in [spec, *slices]
                 for p in each.get("ports") or ()}
        for port, protocol in sorted(ports):
            self.add("_%s.%s" % (protocol.lower(), base), "protocol of " + kind)
            if port:
                self.add("_%s._%s.%s" % (port, protocol.lower(), base), "port of " + kind)
        for address in spec.get("ips") or ():
            self.add(reverse_name(address), "reverse of import")
        for each in slices:
            cluster = cluster_of(each).lower()
            self.add("%s.%s" % (cluster or "x", base), "cluster of " + kind)
            self.endpoints(each, ("%s.%s" % (cluster, base)).lstrip("."), kind)

    def endpoints(self, thing, base, kind):
        for endpoint in thing.get("endpoints") or ():
            names = []
            for way in ("pin", "prefer"):
                self.add("%s.%s._zone.%s" % (endpoint.get("zone", "eu-1c").lower(), way, base), "zonal name of " + kind)
                self.add("%s._zone.%s" % (way, base), "stem of zonal names of " + kind)
            if endpoint.get("hostname"):
                names.append((endpoint["hostname"], "hostname of endpoint, "))
            target = (endpoint.get("targetRef") or {}).get("name")
            if target and len(target) <= 63:
                names.append((target, "pod name of endpoint, "))
            if thing["addressType"] != "FQDN":
                names += [(dashed(address), "dashed address of endpoint, ") for address in endpoint["addresses"]]
            for label, what in names:
                self.add("%s.%s" % (label, base), what + kind)

    def addresses_of(self, ns, thing):
        of = (thing["metadata"].get("labels") or {}).get(SERVICE_NAME)
        service = self.state.get(("Service", ns, of))
        kind = "no label" if not of else "no Service" if service is None else sort_of(service["spec"])
        for endpoint in thing.get("endpoints") or ():
            for address in endpoint["addresses"]:
                self.add(reverse_name(address), "reverse of endpoint, " + kind)

    def pod(self, ns, thing, zone):
        for ip in (thing.get("status") or {}).get("podIPs") or ():
            family = "IPv6" if ":" in ip["ip"] else "IPv4"
            self.add("%s.%s.pod.%s" % (dashed(ip["ip"]), ns, zone), "pod, " + family)
            if family == "IPv6":
                for form in dash_forms(ip["ip"])[1:]:
                    self.add("%s.%s.pod.%s" % (form, ns, zone), "pod, other form of IPv6")
            self.add(reverse_name(ip["ip"]), "reverse of pod")


def sort_of(spec):
    if spec.get("type") == "ExternalName":
        return "ExternalName"
    return "headless" if spec.get("clusterIP") == "None" else "ClusterIP"


def cluster_ips(spec):
    return [ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP")] if ip and ip != "None"]


def cluster_of(thing):
    """The id of the cluster an imported slice comes from; "" if it does not say."""
    return (thing["metadata"].get("labels") or {}).get(CLUSTER_ID) or ""


def imported_name(thing):
    """Of the import that a slice is of, or None."""
    return (thing["metadata"].get("labels") or {}).get(IMPORT_NAME)
