# SPDX-License-Identifier: Apache-2.0
"""What explanations may know: the options, the objects, and what CoreDNS says to
further questions. So an explanation need not model what CoreDNS does right."""

import ipaddress
import json
import subprocess

import asking
import message
from cluster_gen import SERVICE_NAME
from implied import cluster_ips, dashed, imported_name

OWN_SIZE = 1232
NEGATIVE_TTL_MAX = 5


class Facts:
    """port: CoreDNS's. right(question, reply): what makes the right reply of its."""

    def __init__(self, options, state, port, right=None):
        self.options, self.state, self.port, self.right = options, state, port, right
        self.asked = {}
        self.slices, self.unlabelled = {}, set()
        self.import_slices = {}
        self.imports = {key[1:]: thing["spec"] for key, thing in state.items() if key[0] == "ServiceImport"}
        for (kind, ns, _), thing in state.items():
            if kind == "EndpointSlice":
                of = (thing["metadata"].get("labels") or {}).get(SERVICE_NAME)
                self.slices.setdefault((ns, of), []).append(thing)
                if imported_name(thing):
                    self.import_slices.setdefault((ns, imported_name(thing)), []).append(thing)
                if not of:
                    self.unlabelled |= {a for e in thing.get("endpoints") or () for a in e["addresses"]}

    # -- further questions ---------------------------------------------------
    def ask(self, name, rdtype):
        """CoreDNS's own reply over TCP, without EDNS, RD set; None if it gives none.
        (It gives none to a PTR question whose answer would hold an empty label; that
        is known beforehand, and not waited for.)"""
        key = (name.lower(), rdtype)
        if rdtype == "PTR" and reverse_address(name) in self.unlabelled:
            return None
        if key not in self.asked:
            wire = asking.ask_one(self.port, message.Question(name, rdtype, tcp=True))
            self.asked[key] = message.parse(wire) if wire else None
        return self.asked[key]

    def forget(self):
        """What was asked so far: it is asked again."""
        self.asked = {}

    def ask_over_tcp(self, question):
        """The same in everything else."""
        wire = asking.ask_one(self.port, question.with_(tcp=True))
        return message.parse(wire) if wire else None

    def ask_right(self, name, rdtype):
        """The same with everything explained."""
        return self.right(message.Question(name, rdtype, tcp=True), self.ask(name, rdtype))[0]

    def exists(self, name):
        """An A question there is not denied, with everything explained."""
        reply = self.ask_right(name.lower(), "A")
        return reply is not None and (reply.rcode == "NOERROR" or bool(reply.answer))

    def zone_of(self, name):
        return self.options.zone_of(name)

    def denied(self, name, reply):
        """NXDOMAIN, or what became of it because it falls through: these Corefiles
        have no plugin behind `kubernetes`."""
        if reply.rcode == "NXDOMAIN":
            return True
        return reply.rcode == "SERVFAIL" and self.options.falls_through(name)

    # -- replies -----------------------------------------------------------------
    def reply_to(self, question, reply):
        """reply in the frame of this question: flags, spelling, OPT."""
        flags = {flag for flag in reply.flags if flag not in ("rd", "cd", "tc")} | (
            {"rd", "cd"} & set(question.flags))
        answer = [record.changed(owner=question.name) if record.owner.lower() == question.name.lower() else record
                  for record in reply.answer]
        return reply.changed(flags=frozenset(flags), answer=answer, question=question.question(),
                             opt=own_opt(question), opcode=question.opcode)

    def negative(self, question, rcode):
        """NXDOMAIN or NODATA with the SOA that belongs to it; an NXDOMAIN may fall through."""
        name = question.name
        if rcode == "NXDOMAIN" and self.options.falls_through(name):
            return self.reply_to(question, message.Reply("SERVFAIL"))
        zone = self.zone_of(name)
        soa = self.ask(zone + ".", "SOA")
        if soa is None:
            raise RuntimeError("CoreDNS does not answer SOA at %s" % zone)
        return self.reply_to(question, message.Reply(rcode, {"aa"}, authority=[soa.answer[0]]))

    # -- objects -------------------------------------------------------------------
    def service_of(self, name):
        """(namespace, service, labels left of them) of a name below svc.<zone>, or None."""
        return self.below(name, self.options.service_zones)

    def import_of(self, name):
        """The same of a ServiceImport."""
        return self.below(name, self.options.multicluster)

    def below(self, name, zones):
        zone = self.zone_of(name)
        if zone is None or zone not in zones:
            return None
        labels = name.lower().rstrip(".")[:-len(zone) - 1].split(".")
        if len(labels) < 3 or labels[-1] != "svc":
            return None
        return labels[-2], labels[-3], labels[:-3]

    def ports_of(self, ns, service):
        """{(name, protocol in small letters)} of a Service and its slices."""
        things = [self.state.get(("Service", ns, service), {}).get("spec", {})] + self.slices.get((ns, service), [])
        return {(port["name"], (port.get("protocol") or "TCP").lower())
                for thing in things for port in thing.get("ports") or () if port.get("name")}

    def is_external_name(self, ns, service):
        thing = self.state.get(("Service", ns, service))
        return thing is not None and thing["spec"].get("type") == "ExternalName"

    def has_fqdn_slice(self, ns, service):
        return any(each["addressType"] == "FQDN" for each in self.slices.get((ns, service), ()))

    def is_empty_without_fqdn(self, ns, service):
        """A Service with addresses of its own, ignored when empty, whose endpoints are
        host names alone."""
        spec = self.state.get(("Service", ns, service), {}).get("spec", {})
        if not self.options.ignore_empty or spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
            return False
        return not any(each["addressType"] != "FQDN" and e.get("conditions", {}).get("ready") is not False
                       for each in self.slices.get((ns, service), ()) for e in each.get("endpoints") or ())

    def exists_without_fqdn(self, ns, service, left):
        """Whether addresses, not host names, make a name below a Service."""
        spec = self.state[("Service", ns, service)]["spec"]
        if len(left) > 2 or spec.get("clusterIP") != "None" and len(left) != 1:
            return True  # zonal names; its own ports and addresses decide
        port, protocol = [label[1:] if label.startswith("_") else label for label in left] if len(left) == 2 else ("", "")
        for each in self.slices.get((ns, service), ()):
            ports = each.get("ports") or [{}]
            fits = any(port in ("", p.get("name") or "") and protocol in ("", (p.get("protocol") or "").lower())
                       for p in ports)
            names = {self.endpoint_name(e, a).lower() for e in each.get("endpoints") or () for a in e["addresses"]
                     if each["addressType"] != "FQDN" and e.get("conditions", {}).get("ready") is not False}
            if fits and names and (len(left) != 1 or left[0] in names):
                return True
        return False

    def candidates(self, ns, service, left):
        """Pairs of an address and a port among the slices of a headless Service that a
        name stands for, those of host names left out; 0 for other Services."""
        if self.state.get(("Service", ns, service), {}).get("spec", {}).get("clusterIP") != "None" and len(left) != 1:
            return 0
        port, protocol = [label.removeprefix("_") for label in left] if len(left) == 2 else ("", "")
        count = 0
        for each in self.slices.get((ns, service), ()):
            ports = [p for p in each.get("ports") or [{}] if port in ("", (p.get("name") or "").lower())
                     and protocol in ("", (p.get("protocol") or "TCP").lower())]
            for endpoint in each.get("endpoints") or ():
                if each["addressType"] == "FQDN" or endpoint.get("conditions", {}).get("ready") is False:
                    continue
                names = [a for a in endpoint["addresses"]
                         if len(left) != 1 or self.endpoint_name(endpoint, a).lower() == left[0]]
                count += len(names) * len(ports)
        return count

    def pointers(self, address):
        """(names of Services with that cluster IP, endpoint names of slices with that address)"""
        zone = self.options.forward_zones[0]
        services, endpoints = [], []
        for (kind, ns, name), thing in self.state.items():
            if kind == "Service" and address in cluster_ips(thing["spec"]):
                services.append("%s.%s.svc.%s." % (name, ns, zone))
        for (ns, of), slices in self.slices.items():
            for endpoint in (e for s in slices for e in s.get("endpoints") or () if of and address in e["addresses"]):
                endpoints.append("%s.%s.%s.svc.%s." % (self.endpoint_name(endpoint, address), of, ns, zone))
        return services, sorted(set(endpoints))

    def services_at(self, addresses):
        """{(namespace, name)} of the Services, there or not, whose ready endpoints have one of these addresses."""
        wanted = set(map(str, addresses))
        return {key for key, slices in self.slices.items() for each in slices for e in each.get("endpoints") or ()
                if wanted & set(e["addresses"]) and e.get("conditions", {}).get("ready") is not False}

    def only_without_service(self, addresses):
        """Slices have one of these addresses, and none of them has a Service."""
        services = self.services_at(addresses)
        return bool(services) and not any(("Service",) + key in self.state for key in services)

    def only_of_external_names(self, addresses):
        """The same, but for Services of type ExternalName, of which there is one."""
        there = [key for key in self.services_at(addresses) if ("Service",) + key in self.state]
        return bool(there) and all(self.is_external_name(*key) for key in there)

    def further_pod_address(self, ns, label):
        """The address that a label spells, if a Pod that CoreDNS knows by its primary
        address has it; None."""
        for (kind, where, _), thing in self.state.items():
            addresses = [each["ip"] for each in (thing.get("status") or {}).get("podIPs") or ()]
            wanted = [each for each in addresses if label in (dashed(each), plain(each))]
            if kind != "Pod" or where != ns or not wanted or thing["status"].get("phase") in ("Succeeded", "Failed"):
                continue  # one that is over is not watched
            primary = self.ask("%s.%s.pod.%s." % (plain(addresses[0]), ns, self.options.forward_zones[0]), "A")
            if primary is not None and primary.rcode == "NOERROR":
                return ipaddress.ip_address(wanted[0])
        return None

    def endpoint_name(self, endpoint, address):
        if endpoint.get("hostname"):
            return endpoint["hostname"]
        target = (endpoint.get("targetRef") or {}).get("name", "")
        return target if self.options.endpoint_pod_names and 0 < len(target) < 64 else dashed(address)

    def yields(self, name, address):
        """Whether the forward name has that address, with everything explained."""
        reply = self.ask_right(name, "AAAA" if ":" in address else "A")
        wanted = ipaddress.ip_address(address).packed
        return reply is not None and any(ipaddress.ip_address(record.rdata).packed == wanted for record in reply.answer
                                         if record.rdtype in ("A", "AAAA"))


def ordinary(question, reply, facts):
    """A question that is looked up in one of the zones: its zone, or None."""
    if reply is None or question.rdclass != "IN" or question.opcode or reply.rcode in ("BADVERS", "FORMERR", "REFUSED"):
        return None
    return facts.zone_of(question.name)


def address_record(owner, address, ttl):
    if address.version == 4:
        return message.Record(owner, "A", 1, ttl, str(address))
    return message.Record(owner, "AAAA", 1, ttl, ipaddress.ip_address(address).exploded)


def plain(address):
    return address.replace(".", "-").replace(":", "-")


def own_opt(question):
    if not question.edns:
        return None
    return {"size": OWN_SIZE, "rcode": 0, "version": 0, "flags": question.edns.get("flags", 0) & 0x8000, "options": []}


def reverse_address(name):
    """The address of a full reverse name, as the API writes it, or None."""
    labels = name.lower().rstrip(".").split(".")
    try:
        if labels[-2:] == ["in-addr", "arpa"] and len(labels) == 6:
            return str(ipaddress.IPv4Address(".".join(reversed(labels[:4]))))
        if labels[-2:] == ["ip6", "arpa"] and len(labels) == 34 and all(len(label) == 1 for label in labels[:32]):
            digits = "".join(reversed(labels[:32]))
            return str(ipaddress.IPv6Address(":".join(digits[i:i + 4] for i in range(0, 32, 4))))
    except ValueError:
        pass
    return None


def host_addresses():
    """This host's own addresses without loopback and link-local ones."""
    links = json.loads(subprocess.run(["ip", "-j", "addr"], stdout=subprocess.PIPE, check=True).stdout)
    found = [ipaddress.ip_address(info["local"]) for link in links if "UP" in link.get("flags", ())
             for info in link.get("addr_info", ()) if "local" in info]
    return [address for address in found if not address.is_loopback and not address.is_link_local]
