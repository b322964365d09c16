#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The DNS specifications of Kubernetes and of KEP-1645, section by section.

    test_specification.py [--binary PATH] [--source api-server|manifests|all] [WORD...]
    test_specification.py --server coredns [WORD...]      what fails there, too, is probably wrong itself

Applies the objects of specification/*.yaml to a real kube-apiserver that a server watches, lists
them with another server, writes them as files for a third, and puts the questions to each: over
UDP, over TCP, and in other letters. Only the cases with WORD in their name.
"""

import argparse
import os
import sys

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
import cluster_put  # noqa: E402
import expected  # noqa: E402
import kube  # noqa: E402
from cases import Cases, Failed, check, check_equal  # noqa: E402
from option_sets import Options  # noqa: E402
from process import scratch_folder  # noqa: E402
from rig import DNS_TOKEN, Rig, Skip, build  # noqa: E402
from server import Server, kubeconfig_options  # noqa: E402

OPTIONS = Options("specification", ["multicluster clusterset.local"],
                  zones="cluster.local clusterset.local in-addr.arpa ip6.arpa")
EVERY_TYPE = ("A", "AAAA", "SRV", "PTR", "TXT", "CNAME", "MX", "NS", "SOA", "HTTPS")
DEADLINE_S = 5
MARKER = ("marker", "last")  # namespace and name of the import that is made last


# -- asking ----------------------------------------------------------------------------
def ask(port, name, rdtype, over=dns.query.udp):
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=1232)
    return over(query, "127.0.0.1", port=port, timeout=DEADLINE_S, one_rr_per_rrset=True)


def other_letters(name):
    return "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(name))


def replies(port, name, rdtype):
    """(how, reply) of the ways to ask that must make no difference."""
    for how, text, over in (("UDP", name, dns.query.udp), ("TCP", name, dns.query.tcp),
                            ("UDP, other letters", other_letters(name), dns.query.udp)):
        try:
            yield how, ask(port, text, rdtype, over)
        except (dns.exception.DNSException, OSError) as e:
            raise Failed("%s: %s" % (how, e or type(e).__name__)) from None


def wrong_glue(port, reply):
    """Additional addresses that their names do not have when they are asked for."""
    for owner, rdtype, words in expected.served(reply.additional):
        if (owner, rdtype, words) not in expected.served(ask(port, owner, rdtype).answer):
            yield "additional: %s has no %s %s" % (owner, rdtype, " ".join(words))


def filled(name, chosen):
    try:
        return expected.fill(name, chosen)
    except KeyError as e:
        raise Failed("no answer before has said what %s is" % e) from None


def row_case(port, row, chosen):
    """One question; where Binnacle deviates, it must do so in exactly the way that is written down."""
    name = filled(row.name, chosen)
    for how, reply in replies(port, name, row.type):
        wrong = expected.differences(row.instead or row.right, reply, chosen) + list(wrong_glue(port, reply))
        if row.instead and not expected.differences(row.right, reply, chosen):
            wrong = ["it is as specified now: take `deviates` out of the data"]
        check(not wrong, "%s: %s" % (how, "\n".join(wrong)))
    if row.instead:
        print("# deviates: %s" % row.why)


def same_rcode_case(port, name, chosen):
    """Whether a name exists does not hang on the type that is asked for (RFC 8020)."""
    name = filled(name, chosen)
    rcodes = {rdtype: dns.rcode.to_text(ask(port, name, rdtype).rcode()) for rdtype in EVERY_TYPE}
    check(len(set(rcodes.values())) == 1, "%s" % rcodes)


def section_cases(cases, source, section, port):
    chosen = {}
    for row in section.rows:
        cases.run("%s: %s: %s" % (source, section.path, row.title()), row_case, port, row, chosen)
    for name in sorted({row.name.lower() for row in section.rows}):
        cases.run("%s: %s: %s one rcode for all types" % (source, section.path, name), same_rcode_case, port, name,
                  chosen)


def all_cases(cases, source, server, kind):
    for section in expected.sections():
        if section.only and section.only[0] != kind:
            print("# %s: not here, %s" % (section.path, section.only[1]))
        else:
            print("# %s: %s (%s)" % (section.path, section.title, section.reference))
            section_cases(cases, source, section, server.port)
    cases.run(source + ": it ends cleanly", ends, server)


def ends(server):
    check(server.process.poll() is None, lambda: "it ended by itself:\n" + server.log()[-3000:])
    server.stop()
    complaints = server.complaints()
    check(not complaints, complaints)


# -- where the objects are ---------------------------------------------------------------
def objects_for(kind):
    return [thing for section in expected.sections() if not section.only or section.only[0] == kind
            for thing in section.objects]


def from_manifests(cases, binary):
    folder = scratch_folder("binnacle-specification-")
    os.mkdir(os.path.join(folder, "objects"))
    with open(os.path.join(folder, "objects", "all.yaml"), "w") as f:
        yaml.safe_dump_all(objects_for("manifests"), f)
    lines = ["manifests " + os.path.join(folder, "objects")] + OPTIONS.lines
    with Server("binnacle", lines, binary, folder=folder, zones=OPTIONS.zones) as server:
        server.wait_ready()
        all_cases(cases, "manifests", server, "manifests")


def watching(rig, kind, binary):
    return Server(kind, kubeconfig_options(rig.path("dns.kubeconfig"), *OPTIONS.lines), binary,
                  zones=OPTIONS.zones)


def allow_imports(rig, client):
    """The CRD and the permission, before a server looks: after a refusal it looks once a minute."""
    client.create(kube.import_definition())
    rig.grant(kube.DNS_RULES + [kube.IMPORT_RULE])
    account = rig.client(token=DNS_TOKEN)
    account.wait_served(kube.IMPORTS + "/serviceimports")
    account.close()


def seen_all(markers, server):
    """The markers of the differential run, and one for the watches of imports and their slices."""
    late = markers.wait([server])
    check(not late, late)
    ask_it = server.client()
    answer, _ = ask_it.wait("a.east.%s.%s.svc.clusterset.local." % MARKER[::-1], "A", lambda a: bool(a.records), 20)
    ask_it.close()
    check(answer and answer.records, "the import made last is not answered: %s" % answer)


def apply(putter):
    putter.apply([("create", thing) for thing in objects_for("api-server")])
    check_equal(putter.refused, [], "what the API server refused")
    for thing in (kube.namespace(MARKER[0]), kube.service_import(*MARKER),
                  kube.import_slice(*MARKER, MARKER[1], "east", [kube.endpoint("10.247.0.1", hostname="a")])):
        putter.clients[0].create(thing)


def from_api_server(cases, kind, binary):
    """One server sees the objects come, another lists them when they are there."""
    with Rig() as rig:
        putter = cluster_put.Putter(rig)
        markers = cluster_put.Markers(putter, OPTIONS)
        allow_imports(rig, putter.clients[0])
        with watching(rig, kind, binary) as server:
            server.wait_ready()
            apply(putter)  # no case of its own: whatever WORDs name, it must have been done
            seen_all(markers, server)
            all_cases(cases, "watched", server, "api-server")
        with watching(rig, kind, binary) as server:
            server.wait_ready()
            all_cases(cases, "listed", server, "api-server")
        putter.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", choices=("binnacle", "coredns"), default="binnacle")
    parser.add_argument("--binary")
    parser.add_argument("--source", choices=expected.SOURCES + ("all",), default="all")
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    if options.server == "coredns":
        if options.source == "manifests":
            parser.error("CoreDNS reads no manifests")
        options.source = "api-server"
    cases = Cases(options.only)
    binary = options.binary and os.path.abspath(options.binary)
    if options.source != "api-server":
        from_manifests(cases, binary)
    if options.source != "manifests":
        try:
            build("kube")
            if options.server == "coredns":
                build("coredns")
        except Skip as e:
            cases.skip("real API server", str(e))
            cases.finish()
        from_api_server(cases, options.server, binary)
    cases.finish()


if __name__ == "__main__":
    main()
