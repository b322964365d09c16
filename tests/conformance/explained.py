# SPDX-License-Identifier: Apache-2.0
"""The differences from CoreDNS that are meant. Each is a function that makes of
CoreDNS's reply the right one where it deviates, and returns None where it does
not: so an explanation says exactly what is expected instead, and a Binnacle that
behaves as CoreDNS does there is found as well.

Each has an id and the row of differences.md ("what" in its table) it stands for;
test_compare.py keeps both in step.
"""

import ipaddress
from functools import lru_cache

import explained_imports as imports
import explained_zonal as zonal
import message
from compare import differences
from facts import (
    NEGATIVE_TTL_MAX, OWN_SIZE, address_record, host_addresses, ordinary, own_opt, reverse_address)

LINKS_MAX = 16
EXPLAINED = []
# Rows of differences.md that no reply after quiescence to these questions can show.
NOT_SEEN = {
    "before the first lists are complete": "everything is asked after quiescence",
    "start": "the same",
    "a Service whose Namespace object has not been seen yet": "the same",
    "classes other than IN": "these Corefiles have neither forward nor chaos: both refuse",
    "TCP questions on one connection": "replies are compared, not their order in time",
    "API server away": "the API server stays",
    "AXFR before the first lists are complete": "there are no transfers in it",
    "AXFR of a name below a zone": "the same",
    "AXFR of a reverse zone": "the same",
    "IXFR over UDP": "the same",
    "what is transferred": "the same",
    "`dnssec`, `rewrite`, `template` and other plugins": "a Corefile that has them is refused",
    "`multicluster` where the CRD of ServiceImports is not there": "CoreDNS is never ready there",
    "letters of a cluster id in the targets of SRV": "capitals in rdata are not compared",
    "`namespace_labels` and ServiceImports": "no option set has both: CoreDNS has nothing to compare the imports with",
    "a zone below one of `multicluster` that is not named there": "the same for the Services of such a zone",
    "ExternalName that is an IP address": "the replies are the same",
    "addresses that today's API server refuses (loopback, link-local, multicast, unspecified, broadcast, v4-mapped)":
        "a real API server refuses them",
    "`upstream`, `resyncperiod`, `transfer` inside `kubernetes`": "CoreDNS does not start",
    "`noendpoints` with `ignore empty_service`": "Binnacle does not start",
}
# How rows begin that are about plugins no option set has.
OTHER_PLUGINS = ("`acl`", "`autopath", "`bufsize`", "`cache`", "`forward`", "`hosts`", "`k8s_external`", "`loadbalance", "`loop`",
                 "`prometheus`", "`reload`")

# Those that are no function of a reply: id to row. judge.py looks at cut replies.
WITHOUT_FUNCTION = {"tc-of-glue": "TC"}


def explains(ident, row):
    def register(function):
        EXPLAINED.append((ident, row, function))
        return function
    return register


def explain(question, reply, facts):
    """(the right reply, ids of the explanations that changed it)"""
    ids = []
    for ident, _, function in EXPLAINED:
        changed = function(question, reply, facts)
        if changed is not None and (reply is None or differences(question, reply, changed)):
            reply = changed
            ids.append(ident)
    return reply, ids


# -- the frame: header and OPT --------------------------------------------------
@explains("notify", "opcode NOTIFY")
def notify(question, reply, facts):
    if question.opcode == 4:
        return refusal(question, "NOTIMP")


@explains("two-opts", "two OPT records")
def two_opts(question, reply, facts):
    if question.opts > 1 and question.edns and question.opcode == 0:
        return refusal(question, "FORMERR")


def refusal(question, rcode):
    """As both write it: nothing but the header."""
    return message.Reply(rcode, {"rd", "cd"} & set(question.flags), opcode=question.opcode)


@explains("ad-of-question", "AD bit of a question that is refused")
def ad_of_question(question, reply, facts):
    if reply is not None and reply.rcode in ("NOTIMP", "FORMERR") and "ad" in reply.flags:
        return reply.changed(flags=reply.flags - {"ad"})


@explains("long-question", "UDP questions over 512 bytes")
def long_question(question, reply, facts):
    if reply is None or question.tcp or len(question.wire()) <= 512 or reply.rcode != "FORMERR" or question.opts > 1:
        return None
    return facts.ask_over_tcp(question) or ptr_without_forward(question, None, facts)


@explains("badvers", "EDNS versions other than 0")
def badvers(question, reply, facts):
    """Where the class is refused too, CoreDNS says REFUSED."""
    if reply is not None and reply.opt and question.edns.get("version", 0) and reply.rcode in ("BADVERS", "REFUSED"):
        return reply.changed(rcode="BADVERS", opt=dict(own_opt(question), rcode=1))


@explains("opt-size", "size in the reply's OPT")
def opt_size(question, reply, facts):
    if reply is not None and reply.opt:
        return reply.changed(opt=dict(reply.opt, size=OWN_SIZE))


@explains("opt-options", "EDNS options of the client")
def opt_options(question, reply, facts):
    if reply is not None and reply.opt:
        return reply.changed(opt=dict(reply.opt, options=[]))


@explains("opt-flags", "unknown EDNS flags")
def opt_flags(question, reply, facts):
    if reply is not None and reply.opt:
        return reply.changed(opt=dict(reply.opt, flags=reply.opt["flags"] & 0x8000))


# -- what exists ----------------------------------------------------------------
@explains("fqdn-slices", "slices of host names (`addressType: FQDN`)")
def fqdn_slices(question, reply, facts):
    """CoreDNS makes CNAMEs of them, beside other records and several at a name."""
    found = facts.service_of(question.name) if ordinary(question, reply, facts) else None
    if not found or reply.rcode != "NOERROR" or facts.is_external_name(*found[:2]):
        return None
    if not facts.has_fqdn_slice(*found[:2]):
        return None
    if facts.is_empty_without_fqdn(*found[:2]):
        return facts.negative(question, "NXDOMAIN")
    answer = [record for record in reply.answer if record.rdtype != "CNAME"]
    if answer:
        return reply.changed(answer=answer)
    return facts.negative(question, "NOERROR" if facts.exists_without_fqdn(*found) else "NXDOMAIN")


explains("import-names-of-clusters", "endpoints of an import of type ClusterSetIP, per cluster")(imports.names_of_clusters)
explains("import-of-no-cluster", "a cluster id that is no label (or none)")(imports.names_of_no_cluster)
explains("import-srv", "a cluster id that is no label (or none)")(imports.srv_of_clusters)
explains("import-without-ports", "an import of type ClusterSetIP without ports")(imports.without_ports)


@explains("txt-and-ptr", "TXT and PTR at names that exist without")
def txt_and_ptr(question, reply, facts):
    if question.rdtype not in ("TXT", "PTR") or not ordinary(question, reply, facts):
        return None
    zone = facts.zone_of(question.name)
    if question.rdtype == "PTR" and zone in facts.options.reverse_zones and question.name.lower() != "ns.dns.%s." % zone:
        return None
    if facts.denied(question.name, reply) and facts.exists(question.name):
        return facts.negative(question, "NOERROR")


@explains("soa-at-absent", "SOA at names that do not exist")
def soa_at_absent(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if question.rdtype != "SOA" or not zone or question.name.lower() == zone + "." or reply.rcode != "NOERROR":
        return None
    if not facts.exists(question.name):
        return facts.negative(question, "NXDOMAIN")


@explains("dns-version", "types other than TXT at `dns-version`")
def dns_version(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if zone not in facts.options.forward_zones or question.rdtype == "TXT":
        return None
    if question.name.lower() != "dns-version.%s." % zone:
        return None
    return facts.negative(question, "NOERROR")


@explains("ns-capitals", "NS with capital letters, `ns.dns` with capitals in the zone")
def ns_capitals(question, reply, facts):
    zone = ordinary(question, reply, facts)
    small = question.name.lower()
    if not zone or small == question.name:
        return None
    if small == zone + "." and question.rdtype == "NS" or small == "ns.dns.%s." % zone:
        return facts.reply_to(question, facts.ask_right(small, question.rdtype))


@explains("ns-dns-in-front", "names that begin with `ns.dns.<zone>`")
def ns_dns_in_front(question, reply, facts):
    """Such as a search list makes of it: CoreDNS looks at the beginning only."""
    zone = ordinary(question, reply, facts)
    small = question.name.lower()
    if not zone or reply.rcode != "NOERROR" or question.rdtype == "SOA":
        return None
    if small.startswith("ns.dns.%s." % zone) and small != "ns.dns.%s." % zone:
        return facts.negative(question, "NXDOMAIN")


@explains("empty-non-terminal", "empty non-terminals")
def empty_non_terminal(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if zone and facts.denied(question.name, reply) and is_empty_non_terminal(question.name.lower(), zone, facts):
        return facts.negative(question, "NOERROR")


def is_empty_non_terminal(name, zone, facts):
    """dns.<zone>, _proto.<service> and proto.<service> where a named port is below, and
    the stem of zonal names."""
    if name == "dns.%s." % zone:
        return True
    found = facts.import_of(name)
    if found:
        return imports.is_empty_non_terminal(name, found, facts)
    found = facts.service_of(name)
    if found and found[2] in (["_zone"], ["pin", "_zone"], ["prefer", "_zone"]):
        return facts.options.zonal and facts.exists("x.pin._zone.%s" % name.partition("_zone.")[2])
    bare = found[2][0].removeprefix("_") if found and len(found[2]) == 1 else None
    if bare not in ("tcp", "udp", "sctp"):
        return False
    return any(protocol == bare and message.fits("_%s.%s" % (port, name))
               and facts.exists("_%s.%s" % (port, name)) for port, protocol in facts.ports_of(*found[:2]))


@explains("srv-glue", "glue of SRV")
def srv_glue(question, reply, facts):
    """CoreDNS leaves out a target's addresses that do not have the port asked for."""
    found = facts.below(question.name, facts.options.forward_zones) if ordinary(question, reply, facts) else None
    if not found or question.rdtype != "SRV" or not reply.answer or reply.answer[0].rdtype != "SRV":
        return None
    if zonal.of_name(question.name, facts):
        return None  # there it is what the zone has, in both
    zone = facts.zone_of(question.name)
    spelled_zone = question.name.rstrip(".")[-len(zone):]
    additional = []
    for target in dict.fromkeys(record.rdata[3] for record in reply.answer):
        owner = target[:-len(zone) - 1] + spelled_zone + "."
        for rdtype in ("A", "AAAA"):
            there = facts.ask(target, rdtype)
            additional += [record.changed(owner=owner) for record in there.answer] if there else []
    return reply.changed(additional=additional)


@explains("srv-of-fqdn", "slices of host names (`addressType: FQDN`)")
def srv_of_fqdn(question, reply, facts):
    """CoreDNS counts them where it weighs."""
    found = facts.service_of(question.name) if ordinary(question, reply, facts) else None
    if not found or question.rdtype != "SRV" or not reply.answer or not facts.has_fqdn_slice(*found[:2]):
        return None
    if zonal.of_name(question.name, facts):
        return None  # the next one's
    candidates = facts.candidates(*found)
    weight = max(1, 100 // candidates) if candidates else None
    answer = [record.changed(rdata=(record.rdata[0], weight) + tuple(record.rdata[2:])) for record in reply.answer]
    return reply.changed(answer=answer) if weight else None


explains("zonal-several-slices", "`zonal`, an endpoint that several slices have")(zonal.several_slices)


@explains("port-of-any-name", "`_` as the name of a port or protocol")
def port_of_any_name(question, reply, facts):
    found = facts.below(question.name, facts.options.forward_zones) if ordinary(question, reply, facts) else None
    if found and len(found[2]) == 2 and "_" in found[2] and not facts.denied(question.name, reply):
        return facts.negative(question, "NXDOMAIN")


@explains("pod-labels", "labels in front of a pod's name")
def pod_labels(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if not zone or zone not in facts.options.forward_zones or reply.rcode != "NOERROR":
        return None
    labels = question.name.lower()[:-len(zone) - 2].split(".")
    if len(labels) > 3 and labels[-1] == "pod":
        return facts.negative(question, "NXDOMAIN")


def is_pod_name(question, zone):
    labels = question.name.lower()[:-len(zone) - 2].split(".")
    return len(labels) == 3 and labels[-1] == "pod"


@explains("pod-srv", "SRV at a pod name")
def pod_srv(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if zone in facts.options.forward_zones and question.rdtype == "SRV" and reply.answer and is_pod_name(question, zone):
        return facts.negative(question, "NOERROR")


@explains("pod-addresses", "`pods verified`, the further addresses of a Pod, and `...--0` for one that ends in `::`")
def pod_addresses(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if zone not in facts.options.forward_zones or not is_pod_name(question, zone) or not facts.denied(question.name, reply):
        return None
    label, ns = question.name.lower().split(".")[:2]
    address = facts.further_pod_address(ns, label)
    if not address:
        return None
    if question.rdtype != ("AAAA" if address.version == 6 else "A"):
        return facts.negative(question, "NOERROR")
    record = address_record(question.name, address, facts.options.ttl)
    return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, [record]))


# -- reverse names -----------------------------------------------------------------
def no_address(question, reply, facts):
    """The labels in front of a reverse zone, where they are no address and the reply
    says that there is something."""
    zone = ordinary(question, reply, facts)
    small = question.name.lower()
    if zone not in facts.options.reverse_zones or reverse_address(small) or small == zone + ".":
        return None
    labels = small[:-len(zone) - 2].split(".")
    return None if labels in (["dns"], ["ns", "dns"]) or facts.denied(small, reply) else labels


@explains("reverse-in-front", "labels in front of an IPv6 address's reverse name")
def reverse_in_front(question, reply, facts):
    if reply is None:  # it leads to a slice without the label of its Service
        front = reverse_address(question.name.partition(".")[2])
        return facts.negative(question, "NXDOMAIN") if front and facts.zone_of(question.name) else None
    labels = no_address(question, reply, facts)
    if labels and question.name.count(".") > 34 and reply.answer:
        return facts.negative(question, "NXDOMAIN")


@explains("forward-below-reverse",
          "forward names below a reverse zone (`svc.in-addr.arpa`, `web.shop.svc.10.in-addr.arpa`)")
def forward_below_reverse(question, reply, facts):
    labels = no_address(question, reply, facts)
    if labels and labels[-1] in ("svc", "pod", "dns-version"):
        return facts.negative(question, "NXDOMAIN")


@explains("ptr-without-forward", "PTR whose name does not yield the address")
def ptr_without_forward(question, reply, facts):
    """Slices without a Service or without its label, hidden namespaces, Services
    that make no endpoint names."""
    address = reverse_address(question.name)
    if question.rdtype != "PTR" or question.rdclass != "IN" or question.opcode or not address:
        return None
    if not facts.zone_of(question.name):
        return None
    if reply is not None and not (reply.answer and any(not facts.yields(r.rdata[0], address) for r in reply.answer)):
        return None
    for names in facts.pointers(address):
        right = [name for name in names if facts.yields(name, address)]
        if right:
            answer = [message.Record(question.name, "PTR", 1, facts.options.ttl, (name,)) for name in right]
            return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, answer))
    return facts.negative(question, "NXDOMAIN")


@explains("reverse-nodata", "types other than PTR at a reverse name that exists")
def reverse_nodata(question, reply, facts):
    zone = ordinary(question, reply, facts)
    if not zone or question.rdtype == "PTR" or not reverse_address(question.name):
        return None
    if facts.denied(question.name, reply) and facts.ask_right(question.name.lower(), "PTR").rcode == "NOERROR":
        return facts.negative(question, "NOERROR")


# -- ExternalName --------------------------------------------------------------------
@explains("externalname", "ExternalName: the reply's rcode, and types other than A and AAAA")
def external_name(question, reply, facts):
    zone = ordinary(question, reply, facts)
    found = facts.service_of(question.name) if zone else None
    if not found or found[2] or question.rdtype == "CNAME" or not facts.is_external_name(*found[:2]):
        return None
    first = facts.ask(question.name, "CNAME")
    if first is None or not first.answer:
        return None
    chain, last = chase(question, facts)
    last = facts.reply_to(question, last)
    return last.changed(answer=spelled(question, chain) + last.answer, flags=last.flags | {"aa"})


def chase(question, facts):
    """(CNAMEs, the reply to the last name)"""
    chain, name = [], question.name
    while True:
        link = facts.ask(name, "CNAME") if is_alias(name, facts) else None
        record = link.answer[0] if link is not None and link.answer else None
        if record is None and chain:
            if not facts.zone_of(name):
                return chain, message.Reply("NOERROR")  # nobody here resolves what is outside
            last = facts.ask_right(name, question.rdtype)
            if last.rcode == "SERVFAIL" and facts.options.falls_through(name):
                return chain, message.Reply("NOERROR")  # the same
            return chain, facts.ask_right(name, question.rdtype)
        chain.append(record)
        name = record.rdata[0]
        if question.rdtype == "ANY":
            return chain, message.Reply("NOERROR")
        if len(chain) > LINKS_MAX or name in [each.owner.lower() for each in chain]:
            return chain, message.Reply("SERVFAIL")


def is_alias(name, facts):
    """Not a headless Service that slices of host names make CNAMEs of."""
    found = facts.service_of(name)
    return bool(found) and not found[2] and facts.is_external_name(*found[:2])


def spelled(question, chain):
    return [chain[0].changed(owner=question.name)] + chain[1:]


# -- NS ------------------------------------------------------------------------------------
@explains("ns-of-host", "NS, and `ns.dns`, where CoreDNS finds no address of its own")
def ns_of_host(question, reply, facts):
    """It takes bound addresses for CIDRs, and stops at a slice of its own address
    though the Service is gone, whatever other slices have it. Ours are the host's
    addresses."""
    zone = ordinary(question, reply, facts)
    if not zone or reply.rcode != "NOERROR" or reply.answer:
        return None
    own = own_addresses()
    if facts.options.bound or facts.only_without_service(own) or facts.only_of_external_names(own):
        return host_is_name_server(question, zone, facts)


@explains("ns-of-external-name", "NS, and `ns.dns`, where the Service of CoreDNS's own slice is of type ExternalName")
def ns_of_external_name(question, reply, facts):
    """It takes the cluster IP that there is not for an address: `CNAME <nil>.`, and SERVFAIL for NS."""
    zone = ordinary(question, reply, facts)
    if not zone or facts.options.bound or not facts.only_of_external_names(own_addresses()):
        return None
    if reply.rcode == "SERVFAIL" or any(record.rdtype == "CNAME" for record in reply.answer):
        return host_is_name_server(question, zone, facts)


def host_is_name_server(question, zone, facts):
    """Or None, if the question is about something else."""
    small = question.name.lower()
    server = "ns.dns.%s." % zone
    glue = [address_record(server, address, facts.options.ttl) for address in own_addresses()]
    if small == zone + "." and question.rdtype == "NS":
        record = message.Record(question.name, "NS", 1, facts.options.ttl, (server,))
        return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, [record], additional=glue))
    answer = [record for record in glue if record.rdtype == question.rdtype]
    if small == server and answer:
        return facts.reply_to(question, message.Reply("NOERROR", {"aa"}, answer))


@explains("ns-glue-twice", "glue of NS where two slices have the host's addresses")
def ns_glue_twice(question, reply, facts):
    if ordinary(question, reply, facts) and question.rdtype == "NS":
        return reply.changed(additional=list({record.key(): record for record in reply.additional}.values()))


@explains("link-local-ns", "link-local addresses of the host at `ns.dns`")
def link_local_ns(question, reply, facts):
    zone = ordinary(question, reply, facts)
    small = question.name.lower()
    if not zone or small not in (zone + ".", "ns.dns.%s." % zone) or not (reply.answer or reply.additional):
        return None
    answer, additional = ([record for record in section if not is_link_local(record)]
                          for section in (reply.answer, reply.additional))
    return reply.changed(answer=answer, additional=additional) if answer else facts.negative(question, "NOERROR")


def is_link_local(record):
    return record.rdtype in ("A", "AAAA") and ipaddress.ip_address(record.rdata).is_link_local


@lru_cache(maxsize=None)
def own_addresses():
    return tuple(host_addresses())


# -- negative answers, last: everything above may have made one ------------------------------
@explains("negative-ttl", "TTL of negative answers")
def negative_ttl(question, reply, facts):
    if reply is None or reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return None
    most = min(facts.options.ttl, NEGATIVE_TTL_MAX)
    authority = [record.changed(ttl=most, rdata=record.rdata[:6] + (most,)) if record.rdtype == "SOA" else record
                 for record in reply.authority]
    return reply.changed(authority=authority)


def ns_of_primary(question, reply, facts, zones):
    """The name server of the first zone, wherever CoreDNS puts its Service below one of these zones."""
    zone = ordinary(question, reply, facts)
    if zone not in zones or question.name.lower() != zone + "." or question.rdtype != "NS":
        return None
    if not reply.answer or reply.answer[0].rdata[0].lower() == "ns.dns.%s." % zone:
        return None
    primary = facts.ask_right(facts.options.service_zones[0] + ".", "NS")
    answer = [record.changed(owner=question.name) for record in primary.answer]
    return reply.changed(answer=answer, additional=primary.additional)


@explains("ns-of-reverse", "NS of a reverse zone where a Service is the name server")
def ns_of_reverse(question, reply, facts):
    return ns_of_primary(question, reply, facts, facts.options.reverse_zones)


@explains("ns-of-imports", "NS of a zone of `multicluster`")
def ns_of_imports(question, reply, facts):
    return ns_of_primary(question, reply, facts, facts.options.multicluster)
