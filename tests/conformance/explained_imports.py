# SPDX-License-Identifier: Apache-2.0
"""What is meant to differ in the zones of `multicluster`: functions that explained.py
registers, each with its row."""

import ipaddress
import re

import message
from facts import address_record, ordinary
from implied import cluster_of

HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z", re.I)


def is_port_form(left):
    """_port._protocol; one underscore is enough there, as in CoreDNS."""
    return len(left) == 2 and any(label.startswith("_") for label in left)


def found_import(question, reply, facts):
    """(spec, slices, labels left of it) of the import that is asked about, or None."""
    found = facts.import_of(question.name) if reply is None or ordinary(question, reply, facts) else None
    if not found or found[:2] not in facts.imports:
        return None
    return facts.imports[found[:2]], facts.import_slices.get(found[:2], ()), found[2]


def says_something(question, reply, left, facts):
    """Not denied; or no reply at all, because the target of an SRV would have an empty label."""
    if reply is None:
        return len(left) == 1 and (question.rdtype, question.rdclass, question.opcode) == ("SRV", "IN", 0)
    return not facts.denied(question.name, reply)


def names_of_clusters(question, reply, facts):
    """An import with an address of its own has no names of endpoints."""
    found = found_import(question, reply, facts)
    if not found or found[0]["type"] != "ClusterSetIP" or not says_something(question, reply, found[2], facts):
        return None
    if len(found[2]) == 1 or len(found[2]) == 2 and not is_port_form(found[2]):
        return facts.negative(question, "NXDOMAIN")


def names_of_no_cluster(question, reply, facts):
    """ENDPOINT.IMPORT, where the id is none, and ENDPOINT.ID.IMPORT, where it is no label."""
    found = found_import(question, reply, facts)
    if not found or found[0]["type"] != "Headless" or not says_something(question, reply, found[2], facts):
        return None
    left = found[2]
    if len(left) == 1 or len(left) == 2 and not is_port_form(left) and not HOST_LABEL.match(left[1]):
        return facts.negative(question, "NXDOMAIN")


def srv_of_clusters(question, reply, facts):
    """SRV lead to names, and so to none of a cluster whose id is no label. CoreDNS does
    not reply where an empty id made an empty label."""
    if question.rdtype != "SRV" or question.rdclass != "IN" or question.opcode:
        return None
    found = found_import(question, reply, facts)
    if not found or found[0]["type"] != "Headless" or found[2] and not is_port_form(found[2]):
        return None
    if all(HOST_LABEL.match(cluster_of(each)) for each in found[1]) or reply is not None and not reply.answer:
        return None
    count, leads = srv_leads(found, question, facts)
    if not count:
        return None
    if not leads:
        return facts.negative(question, "NOERROR")
    answer = [message.Record(question.name, "SRV", 1, facts.options.ttl, (0, max(1, 100 // count), port, target))
              for port, target in leads]
    return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, answer))


def srv_leads(found, question, facts):
    """(how many candidates, [(port, target)] of those with a name)"""
    _, slices, left = found
    port, protocol = [label.removeprefix("_") for label in left] or ("", "")
    base = question.name.lower().split(".", len(left))[-1]
    count, leads = 0, []
    for each in slices:
        ports = [p for p in each.get("ports") or [{}] if port in ("", (p.get("name") or "").lower())
                 and protocol in ("", (p.get("protocol") or "TCP").lower())]
        for name, _ in ready_endpoints(each, facts):
            count += len(ports)
            if HOST_LABEL.match(cluster_of(each)):
                leads += [(p["port"], "%s.%s.%s" % (name.lower(), cluster_of(each).lower(), base)) for p in ports
                          if p.get("port")]
    return count, list(dict.fromkeys(leads))


def ready_endpoints(each, facts):
    """[(name, address)]"""
    return [(facts.endpoint_name(endpoint, address), address) for endpoint in each.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready") is not False for address in endpoint["addresses"]]


def without_ports(question, reply, facts):
    """CoreDNS makes a record for each port, and so none."""
    found = found_import(question, reply, facts)
    if reply is None or not found or not facts.denied(question.name, reply):
        return None
    spec, slices, left = found
    if left or spec["type"] != "ClusterSetIP" or spec.get("ports"):
        return None
    if facts.options.ignore_empty and not any(ready_endpoints(each, facts) for each in slices):
        return None
    records = [address_record(question.name, ipaddress.ip_address(each), facts.options.ttl) for each in spec["ips"]]
    answer = [record for record in records if record.rdtype == question.rdtype]
    if not answer:
        return facts.negative(question, "NOERROR")
    return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, answer))


def is_empty_non_terminal(name, found, facts):
    """_proto.IMPORT where a named port is below, and CLUSTER.IMPORT where an endpoint is."""
    spec, slices = facts.imports.get(found[:2]), facts.import_slices.get(found[:2], [])
    if spec is None or len(found[2]) != 1:
        return False
    bare = found[2][0].removeprefix("_")
    for port in [p for each in [spec, *slices] for p in each.get("ports") or () if p.get("name")]:
        below = "_%s.%s" % (port["name"], name)
        if (port.get("protocol") or "TCP").lower() == bare and message.fits(below) and facts.exists(below):
            return True
    return any(facts.exists("%s.%s" % (endpoint, name)) for each in slices
               if cluster_of(each).lower() == found[2][0] for endpoint, _ in ready_endpoints(each, facts))
