#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Corefiles that clusters come with load unchanged, and answer.

    test_corefiles.py --binary PATH [WORD...]       only the cases with WORD in their name

corefiles/ and kubeadm's, which is deploy/base/Corefile. Unchanged but for what clusterfile.py says:
ports, upstreams, and that `kubernetes` reads files. Each must also load as it is written: the unit
test conformance/docs_corefiles does that."""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "e2e"), os.path.join(TESTS, "api", "rig")]
import clusterfile  # noqa: E402
import message  # noqa: E402
import paced  # noqa: E402
from cases import Cases, check, check_equal  # noqa: E402
from nameserver import NameServer, service  # noqa: E402
from upstreams import Upstreams  # noqa: E402

FOLDER = os.path.join(HERE, "corefiles")
WEB, WEB_ADDRESS = "web.shop.svc.cluster.local", "10.96.0.1"
OUTSIDE, OUTSIDE_TTL = "192.0.2.1", 3600
CACHE_TTL = 30
NODES = "192.0.2.101 node1\n"


class Cluster(NameServer):
    """files: more that is there before it starts."""

    def __init__(self, path, upstreams, files=None):
        text = clusterfile.fitted(clusterfile.read(path), " ".join(u.address for u in upstreams))
        text = clusterfile.with_manifests(text).replace("/etc/coredns/", "DIR/")
        # An empty folder is there in k3s, too: a volume that is not filled.
        everything = {"m/web.yaml": service("web", WEB_ADDRESS), "custom/README": "", "NodeHosts": NODES}
        super().__init__("binnacle", text, dict(everything, **(files or {})), binary)

    def ask(self, name, type_="A", tcp=False):
        reply = self.ask_wire(paced.question(name, message.TYPES[type_]), 8, tcp)
        check(reply is not None, "%s %s was not answered" % (name, type_))
        return message.parse(reply)

    def only(self, name, type_="A", tcp=False):
        """(rdata, TTL) of an answer that has one record."""
        reply = self.ask(name, type_, tcp)
        check(reply.rcode == "NOERROR" and len(reply.answer) == 1, "%s %s: %r" % (name, type_, reply))
        return reply.answer[0].rdata, reply.answer[0].ttl

    def ends_well(self):
        self.stop()
        check_equal(self.process.returncode, 0, "the exit status")
        check(not self.complaints(), self.complaints())


# -- what every one of them promises ------------------------------------------------------

def cluster_answers(server, ttl):
    server.wait_for("the Service", lambda: server.ask(WEB).answer)
    for tcp in (False, True):
        check_equal(server.only(WEB, "A", tcp), (WEB_ADDRESS, ttl), WEB)
    check_equal(server.only("1.0.96.10.in-addr.arpa", "PTR")[0], ((WEB + "."),), "the Service's PTR")
    check_equal(server.only("10-1-2-3.shop.pod.cluster.local"), ("10.1.2.3", ttl), "a pod's name")
    check_equal(server.only("dns-version.cluster.local", "TXT")[1], CACHE_TTL, "the TTL that cache's maximum leaves")
    check_equal(server.ask("no.shop.svc.cluster.local").rcode, "NXDOMAIN", "no such Service")
    check_equal(server.ask(WEB, "AAAA").rcode, "NOERROR", "a type that the Service has not")


def forwarded_answers(server, ups, names=("www.outside.test", "tcp.outside.test")):
    for name, tcp in zip(names, (False, True)):
        rdata, ttl = server.only(name, "A", tcp)
        check_equal(rdata, OUTSIDE, name)
        check(0 < ttl <= CACHE_TTL, "%s has TTL %d, the cache's maximum is %d" % (name, ttl, CACHE_TTL))
        check_equal(server.only(name)[0], OUTSIDE, name + " again")
        check_equal(ups.questions(name)[name], 1, "how often %s was asked upstream" % name)
    check_equal(server.only("8.8.8.8.in-addr.arpa", "PTR")[0], ("host.example.",), "a public reverse name")
    leaked = [name for name in ups.questions("cluster.local") if not name.split(".")[0].isdigit()]
    check(not leaked, "the cluster's names went upstream: %s" % leaked)


def http_answers(server, ready=True):
    server.wait_for("/health", lambda: server.get("HEALTH", "/health") == (200, "OK"))
    if ready:
        server.wait_for("/ready", lambda: server.get("READY", "/ready") == (200, "OK"))
    check(server.metric("coredns_dns_requests_total") > 0, "no question was counted")
    check_equal(server.metric("coredns_build_info"), 1, "coredns_build_info")


def whole(path, ttl):
    def case():
        with Upstreams(2) as ups:
            ups.behave("good", ttl=OUTSIDE_TTL)
            with Cluster(path, ups) as server:
                cluster_answers(server, ttl)
                forwarded_answers(server, ups)
                http_answers(server)
                server.ends_well()
    return case


# -- what one of them has beside it --------------------------------------------------------

def k3s_nodes():
    with Upstreams(1) as ups, Cluster(os.path.join(FOLDER, "k3s.corefile"), ups) as server:
        check_equal(server.only("node1"), ("192.0.2.101", CACHE_TTL), "a node")  # ttl 60, and cache 30
        check_equal(server.ask("node1", "AAAA").rcode, "NOERROR", "a type that the node has not")
        check_equal(server.only("101.2.0.192.in-addr.arpa", "PTR")[0], ("node1.",), "the node's PTR")


def k3s_additions():
    """A file that adds to the block and one with a block of its own."""
    with Upstreams(2) as ups:
        ups[1].behave("good", address="192.0.2.9")
        files = {"custom/more.override": "bufsize 600\nlog\n",
                 "custom/corp.server": "corp.test:PORT {\n    bind 127.0.0.1\n    errors\n    cache 10\n    forward . %s\n}\n"
                                       % ups[1].address}
        with Cluster(os.path.join(FOLDER, "k3s.corefile"), ups.all[:1], files) as server:
            check_equal(server.only("www.corp.test"), ("192.0.2.9", 10), "a name of the added block")
            check_equal(server.only("www.outside.test")[0], OUTSIDE, "another name")
            check_equal(set(ups[1].questions("test")), {"www.corp.test"}, "what the added block's upstream was asked")
            server.wait_for("a line of log", lambda: '"A IN www.outside.test.' in server.log())


def node_local():
    """Blocks without kubernetes keep the cluster's zone, ask for it over TCP, and for denials not longer than 5 s."""
    with Upstreams(1) as ups, Cluster(os.path.join(FOLDER, "nodelocal.corefile"), ups) as server:
        ups[0].behave("good", ttl=OUTSIDE_TTL, address=WEB_ADDRESS)
        for _ in range(3):
            check_equal(server.only(WEB)[0], WEB_ADDRESS, WEB)
        seen = [s for s in ups[0].log() if s.name == WEB]
        check_equal([s.tcp for s in seen], [True], "the way of the Service's questions")
        left_s = server.only(WEB)[1]
        check(20 <= left_s <= 30, "a TTL of %d where the maximum is 30" % left_s)
        ups[0].behave("nxdomain", zone="cluster.local", ttl=OUTSIDE_TTL)
        reply = server.ask("no.shop.svc.cluster.local")
        check_equal((reply.rcode, [r.ttl for r in reply.authority]), ("NXDOMAIN", [5]), "a denial")
        ups[0].behave("good", address="192.0.2.1")
        check_equal(server.only("www.outside.test")[0], "192.0.2.1", "a name outside")
        check_equal([s.tcp for s in ups[0].log() if s.name == "www.outside.test"], [False], "its way")
        http_answers(server, ready=False)


def asked_too_early():
    """A name that was denied a moment before its Service came, with `cache 30` over every zone."""
    name, gone_s = "new.shop.svc.cluster.local", 2
    path = os.path.join(FOLDER, "kubeadm-plain-cache.corefile")
    with Upstreams(2) as ups, Cluster(path, ups) as server:
        server.wait_for("the Service", lambda: server.ask(WEB).answer)
        for _ in range(5):
            for type_, tcp in (("A", False), ("AAAA", False), ("A", True), ("SRV", False)):
                check_equal(server.ask(name, type_, tcp).rcode, "NXDOMAIN", "the rcode before")
        file = server.file("m/new.yaml", service("new", "10.96.0.2"))
        server.wait_for("the new Service", lambda: server.ask(name).answer, gone_s)
        check_equal(server.only(name, "A", True), ("10.96.0.2", 30), "the answer over TCP")
        check_equal(server.ask(name, "AAAA").rcode, "NOERROR", "the rcode of AAAA")
        check_equal(server.only("2.0.96.10.in-addr.arpa", "PTR")[0], (name + ".",), "PTR")
        os.unlink(file)
        server.wait_for("its end", lambda: server.ask(name).rcode == "NXDOMAIN", gone_s)


def case_table():
    yield "kubeadm", whole(clusterfile.KUBEADM, 30)
    yield "kubeadm with a plain cache", whole(os.path.join(FOLDER, "kubeadm-plain-cache.corefile"), 30)
    yield "helm", whole(os.path.join(FOLDER, "helm.corefile"), 30)
    yield "k3s", whole(os.path.join(FOLDER, "k3s.corefile"), 5)
    yield "k3s: names of the nodes", k3s_nodes
    yield "k3s: what people add", k3s_additions
    yield "node-local", node_local
    yield "a Service asked for too early", asked_too_early


def main():
    global binary
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    binary = os.path.abspath(args.binary)
    cases = Cases(args.words)
    for name, case in case_table():
        cases.run(name, case)
    cases.finish()


binary = None
if __name__ == "__main__":
    main()
