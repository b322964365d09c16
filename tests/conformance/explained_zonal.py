# SPDX-License-Identifier: Apache-2.0
"""The names of `zonal` where an endpoint is in several slices: what explained.py
registers for them."""

import ipaddress

import message
from facts import address_record, ordinary


class Endpoints:
    """Those of a headless Service that are ready and have an address. Which are one: the
    same name and address. places: of each, the pairs (zone, ports of its slice)."""

    def __init__(self, slices, facts):
        self.places, self.twice = {}, False
        for each in slices:
            addresses = []
            for endpoint in each.get("endpoints") or ():
                if each["addressType"] != "FQDN" and endpoint.get("conditions", {}).get("ready") is not False:
                    addresses += [(endpoint, address) for address in endpoint["addresses"]]
            for endpoint, address in addresses:
                key = facts.endpoint_name(endpoint, address).lower(), address
                place = (endpoint.get("zone") or "").lower(), each.get("ports") or [{}]
                self.places.setdefault(key, []).append(place)
            # CoreDNS knows a slice's zones by address.
            self.twice = self.twice or len({address for _, address in addresses}) < len(addresses)
        self.twice = self.twice or any(len(places) > 1 for places in self.places.values())

    def in_zone(self, zone):
        """{endpoint: places}; of several zones the first by name counts."""
        return {key: places for key, places in self.places.items()
                if min((name for name, _ in places if name), default="") == zone}


def of_name(name, facts):
    """(namespace, Service, zone, "pin" or "prefer") of a zonal name, or None."""
    found = facts.service_of(name) if facts.options.zonal else None
    if not found or len(found[2]) < 3 or found[2][-1] != "_zone" or found[2][-2] not in ("pin", "prefer"):
        return None
    return found[0], found[1], ".".join(found[2][:-2]), found[2][-2]


def several_slices(question, reply, facts):
    found = of_name(question.name, facts) if ordinary(question, reply, facts) else None
    if not found or facts.denied(question.name, reply) or question.rdtype not in ("A", "AAAA", "SRV"):
        return None
    ns, service, zone, directive = found
    endpoints = Endpoints(facts.slices.get((ns, service), ()), facts)
    if not endpoints.twice and not facts.has_fqdn_slice(ns, service):
        return None
    chosen = endpoints.in_zone(zone)
    if not chosen and directive == "prefer":
        chosen = endpoints.places
    if question.rdtype == "SRV":
        return leads(question, chosen, facts)
    return addresses(question, chosen, facts)


def addresses(question, chosen, facts):
    records = records_of(question.name, {address for _, address in chosen}, facts)
    answer = [record for record in records if record.rdtype == question.rdtype]
    if not answer:
        return facts.negative(question, "NOERROR")
    return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, answer))


def records_of(owner, texts, facts):
    return [address_record(owner, ipaddress.ip_address(text), facts.options.ttl) for text in sorted(texts)]


def leads(question, chosen, facts):
    """SRV with all ports of each endpoint; glue is what the zone has of a target."""
    base = question.name.lower().partition("._zone.")[2]
    count = sum(len(ports) for places in chosen.values() for _, ports in places)
    wanted, additional = [], []
    for (label, address), places in chosen.items():
        target = "%s.%s" % (label, base)
        numbers = [port["port"] for _, ports in places for port in ports if port.get("port")]
        wanted += [(number, target) for number in numbers]
        if numbers:
            additional += records_of(target, {address}, facts)
    if not wanted:
        return facts.negative(question, "NOERROR")
    answer = [message.Record(question.name, "SRV", 1, facts.options.ttl, (0, max(1, 100 // count), number, target))
              for number, target in dict.fromkeys(wanted)]
    return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, answer, additional=additional))
