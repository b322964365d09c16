#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Binnacle against a real kube-apiserver and etcd: objects are written through the
API, the answers are asked for over UDP.

    test_real.py [--server binnacle|coredns] [--binary PATH] [NAME...]

NAME picks the cases whose names contain it. --server coredns puts CoreDNS in
Binnacle's place: what fails there is a mistake in the test (cases about promises
that CoreDNS does not make are skipped).
"""

import argparse
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "rig"))
import dns.reversename  # noqa: E402
import kube  # noqa: E402
from cases import Cases, Skipped, check, check_equal  # noqa: E402
from proxy import Proxy  # noqa: E402
from rig import DNS_TOKEN, Rig, Skip, build  # noqa: E402
from world import (  # noqa: E402
    BACKOFF_S, POLL_S, RETURN_S, World, domain, expect, expect_stays, gone, has, is_rcode, nodata, nothing)


def cluster_ip_service(w):
    server, ns = w.common(), w.namespace()
    made = w.api.create(kube.service(ns, "web"))
    name = domain("web", ns)
    expect(server, name, "A", has(made["spec"]["clusterIP"]), "created")
    expect(server, name, "AAAA", nodata, "single stack")
    expect(server, name.upper(), "A", has(made["spec"]["clusterIP"]), "capital letters")
    w.api.delete(made)
    expect(server, name, "A", gone, "deleted")
    again = w.api.create(kube.service(ns, "web"))
    expect(server, name, "A", has(again["spec"]["clusterIP"]), "created again")


def node_port_and_load_balancer(w):
    server, ns = w.common(), w.namespace()
    for kind in ("NodePort", "LoadBalancer"):
        made = w.api.create(kube.service(ns, kind.lower(), type=kind))
        expect(server, domain(kind.lower(), ns), "A", has(made["spec"]["clusterIP"]), kind)
        w.api.patch(made, {"spec": {"type": "ClusterIP"}})
        expect(server, domain(kind.lower(), ns), "A", has(made["spec"]["clusterIP"]), kind + " to ClusterIP")
        w.api.delete(made)
        expect(server, domain(kind.lower(), ns), "A", gone, kind + " deleted")


def outside_of_the_cluster(w):
    """k8s_external: external addresses, and what a load balancer's controller writes into the status."""
    ns = w.namespace()
    server = w.server(before=["k8s_external example.org 192.0.2.0/24"])
    made = w.api.create(kube.service(ns, "web", type="LoadBalancer", externalIPs=["192.0.2.1"]))
    name = "web.%s.example.org." % ns
    expect(server, name, "A", has("192.0.2.1"), "external address")
    expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "inside")
    expect(server, "_http._tcp." + name, "SRV", lambda answer: answer.rcode == "NOERROR" and len(answer.records) == 1,
           "SRV")
    expect(server, "1.2.0.192.in-addr.arpa.", "PTR", has(name), "PTR")
    w.api.set_status(made, {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}})
    expect(server, name, "A", has("192.0.2.1", "192.0.2.7"), "the load balancer's address")
    expect(server, "7.2.0.192.in-addr.arpa.", "PTR", has(name), "its PTR")
    other = w.api.create(kube.service(ns, "lb", type="LoadBalancer"))
    expect(server, "lb.%s.example.org." % ns, "A", gone, "no load balancer yet")
    if w.options.server == "binnacle":  # CoreDNS adds what the target has to the answer in another way
        w.api.set_status(other, {"loadBalancer": {"ingress": [{"hostname": name.rstrip(".")}]}})
        expect(server, "lb.%s.example.org." % ns, "CNAME", has(name), "the load balancer's name")
    w.api.delete(made)
    expect(server, name, "A", gone, "deleted")
    expect(server, "1.2.0.192.in-addr.arpa.", "PTR", gone, "PTR gone")


def external_name(w):
    server, ns = w.common(), w.namespace()
    made = w.api.create(kube.service(ns, "out", external="one.example.com"))
    name = domain("out", ns)

    def points_to(target):
        return lambda answer: answer.cname == target

    for rdtype in ("A", "AAAA", "CNAME"):
        expect(server, name, rdtype, points_to("one.example.com."), "created")
    w.api.patch(made, {"spec": {"externalName": "two.example.com"}})
    expect(server, name, "CNAME", points_to("two.example.com."), "changed")
    changed = w.api.patch(made, {"spec": {
        "type": "ClusterIP", "externalName": None, "ports": [{"port": 80}]}})
    expect(server, name, "A", has(changed["spec"]["clusterIP"]), "became ClusterIP")
    w.api.delete(made)
    expect(server, name, "A", gone, "deleted")


def dual_stack(w):
    server, ns = w.common(), w.namespace()
    for families in (["IPv4", "IPv6"], ["IPv6", "IPv4"]):
        made = w.api.create(kube.service(ns, "both-" + families[0].lower(), families=families))
        v4 = [a for a in made["spec"]["clusterIPs"] if ":" not in a]
        v6 = [a for a in made["spec"]["clusterIPs"] if ":" in a]
        name = domain(made["metadata"]["name"], ns)
        expect(server, name, "A", has(*v4), "IPv4 of " + str(families))
        expect(server, name, "AAAA", has(*v6), "IPv6 of " + str(families))
    made = w.api.create(kube.service(ns, "six", families=["IPv6"]))
    expect(server, domain("six", ns), "AAAA", has(*made["spec"]["clusterIPs"]), "IPv6 alone")
    expect(server, domain("six", ns), "A", nodata, "IPv6 alone")


def headless(w):
    server, ns = w.common(), w.namespace()
    w.api.create(kube.service(ns, "db", headless=True))
    name = domain("db", ns)
    expect(server, name, "A", nothing, "no endpoints yet")
    part = kube.endpoint_slice(ns, "db-1", "db", [
        kube.endpoint("10.244.0.1", hostname="db-0"), kube.endpoint("10.244.0.2")])
    w.api.create(part)
    expect(server, name, "A", has("10.244.0.1", "10.244.0.2"), "slice created")
    expect(server, "db-0." + name, "A", has("10.244.0.1"), "endpoint with hostname")
    expect(server, "10-244-0-2." + name, "A", has("10.244.0.2"), "endpoint without hostname")
    second = w.api.create(kube.endpoint_slice(ns, "db-2", "db", [kube.endpoint("10.244.0.3")]))
    expect(server, name, "A", has("10.244.0.1", "10.244.0.2", "10.244.0.3"), "second slice")
    w.api.create(kube.endpoint_slice(ns, "db-6", "db", [kube.endpoint("fd00::a", hostname="db-0")], "IPv6"))
    expect(server, name, "AAAA", has("fd00::a"), "IPv6 slice")
    expect(server, "db-0." + name, "AAAA", has("fd00::a"), "IPv6 endpoint with hostname")
    part["endpoints"] = [kube.endpoint("10.244.0.9", hostname="db-0")]
    w.api.replace(part)
    expect(server, name, "A", has("10.244.0.3", "10.244.0.9"), "slice changed")
    expect(server, "db-0." + name, "A", has("10.244.0.9"), "hostname moved")
    expect(server, "10-244-0-2." + name, "A", gone, "endpoint gone")
    w.api.delete(second)
    expect(server, name, "A", has("10.244.0.9"), "slice deleted")
    w.api.delete(part)
    expect(server, name, "A", nothing, "last IPv4 slice deleted")
    expect(server, name, "AAAA", has("fd00::a"), "IPv6 stays")
    w.api.delete(kube.service(ns, "db"))
    expect(server, name, "AAAA", gone, "Service deleted")


def ports_and_addresses(w):
    """SRV and PTR: of the Service, of its endpoints, and gone with them."""
    server, ns = w.common(), w.namespace()
    web = w.api.create(kube.service(ns, "web"))
    name, address = domain("web", ns), web["spec"]["clusterIP"]
    reverse = dns.reversename.from_address(address).to_text()
    expect(server, "_http._tcp." + name, "SRV", has("0 100 80 " + name), "port of a Service")
    expect(server, "_http._tcp." + name, "A", has(address), "address of a port")
    expect(server, "_http._udp." + name, "SRV", gone, "another protocol")
    expect(server, "_tcp." + name, "A", nodata, "a protocol's name")
    expect(server, reverse, "PTR", has(name), "its cluster IP")
    w.api.create(kube.service(ns, "db", headless=True))
    base = domain("db", ns)
    part = w.api.create(kube.endpoint_slice(ns, "db-1", "db", [
        kube.endpoint("10.244.7.1", hostname="db-0"), kube.endpoint("10.244.7.2")]))
    expect(server, "_http._tcp." + base, "SRV",
           has("0 50 8080 10-244-7-2." + base, "0 50 8080 db-0." + base), "port of endpoints")
    expect(server, "1.7.244.10.in-addr.arpa.", "PTR", has("db-0." + base), "an endpoint's address")
    w.api.delete(part)
    expect(server, "1.7.244.10.in-addr.arpa.", "PTR", gone, "the endpoint is gone")
    w.api.delete(kube.service(ns, "web"))
    expect(server, reverse, "PTR", gone, "the Service is gone")


def readiness(w):
    server, ns = w.common(), w.namespace()
    name = domain("ready", ns)
    w.api.create(kube.service(ns, "ready", headless=True))

    def put(*states):
        thing = kube.endpoint_slice(ns, "ready-1", "ready", [
            kube.endpoint("10.244.1.%d" % i, ready, "pod-%d" % i) for i, ready in enumerate(states, 1)])
        w.api.ensure(thing)

    put(True, False)
    expect(server, name, "A", has("10.244.1.1"), "one of two ready")
    put(True, True)
    expect(server, name, "A", has("10.244.1.1", "10.244.1.2"), "both ready")
    expect(server, "pod-2." + name, "A", has("10.244.1.2"), "name of the second")
    put(False, True)
    expect(server, name, "A", has("10.244.1.2"), "the first not ready any more")
    put(False, False)
    expect(server, name, "A", nothing, "none ready")
    put(None, False)
    expect(server, name, "A", has("10.244.1.1"), "readiness unknown counts as ready")


def slice_before_service(w):
    server, ns = w.common(), w.namespace()
    w.api.create(kube.endpoint_slice(ns, "early-1", "early", [kube.endpoint("10.244.2.1", hostname="a")]))
    name = domain("early", ns)
    expect_stays(server, name, "A", gone, "slice without Service", 0.2)
    w.api.create(kube.service(ns, "early", headless=True))
    expect(server, name, "A", has("10.244.2.1"), "Service after its slice")
    expect(server, "a." + name, "A", has("10.244.2.1"), "endpoint's name")


def selectorless_cluster_ip(w):
    server, ns = w.common(), w.namespace()
    w.api.create(kube.endpoint_slice(ns, "manual-1", "manual", [kube.endpoint("10.244.3.1")]))
    made = w.api.create(kube.service(ns, "manual"))
    expect(server, domain("manual", ns), "A", has(made["spec"]["clusterIP"]), "cluster IP, not the endpoints")


def odd_slices(w):
    server, ns = w.common(), w.namespace()
    w.api.create(kube.service(ns, "odd", headless=True))
    nameless = kube.endpoint_slice(ns, "nameless", "odd", [kube.endpoint("10.244.4.1")])
    nameless["metadata"]["labels"] = {}
    w.api.create(nameless)
    w.api.create(kube.endpoint_slice(ns, "fqdn", "odd", [kube.endpoint("host.example.com")], "FQDN"))
    portless = kube.endpoint_slice(ns, "portless", "odd", [kube.endpoint("10.244.4.2")])
    portless["ports"] = [{"port": None}]
    w.api.create(portless)
    twice = kube.endpoint_slice(ns, "twice", "odd", [kube.endpoint("10.244.4.2")])
    w.api.create(twice)
    expect(server, domain("odd", ns), "A", has("10.244.4.2"), "only what is an address of this Service")


def namespace_comes_and_goes(w):
    server, ns = w.common(), w.namespace()
    made = w.api.create(kube.service(ns, "in"))
    expect(server, domain("in", ns), "A", has(made["spec"]["clusterIP"]), "in a new namespace")
    w.api.delete_namespace(ns)
    expect(server, domain("in", ns), "A", gone, "namespace deleted")
    w.api.create(kube.namespace(ns))
    made = w.api.create(kube.service(ns, "in"))
    expect(server, domain("in", ns), "A", has(made["spec"]["clusterIP"]), "namespace created again")


def labels_option(w):
    ns = w.namespace()
    first = w.api.create(kube.service(ns, "early", labels={"dns": "yes"}))
    server = w.server("labels dns=yes")
    expect(server, domain("early", ns), "A", has(first["spec"]["clusterIP"]), "in the selector from the start")
    made = w.api.create(kube.service(ns, "moves"))
    expect_stays(server, domain("moves", ns), "A", gone, "outside the selector", 0.3)
    w.api.patch(made, {"metadata": {"labels": {"dns": "yes"}}})
    expect(server, domain("moves", ns), "A", has(made["spec"]["clusterIP"]), "moved into the selector")
    w.api.patch(made, {"metadata": {"labels": {"dns": "no"}}})
    expect(server, domain("moves", ns), "A", gone, "moved out of the selector")
    w.api.create(kube.service(ns, "db", headless=True, labels={"dns": "yes"}))
    w.api.create(kube.endpoint_slice(ns, "db-1", "db", [kube.endpoint("10.244.5.1")], labels={"dns": "yes"}))
    expect(server, domain("db", ns), "A", has("10.244.5.1"), "headless with labelled slice")


def pod_domain(address, ns):
    return "%s.%s.pod.cluster.local." % (address.replace(".", "-").replace(":", "-"), ns)


def pods_insecure(w):
    ns = w.namespace()
    server = w.server("pods insecure")
    expect(server, pod_domain("10.244.8.1", ns), "A", has("10.244.8.1"), "any address in a namespace")
    expect(server, pod_domain("fd00::8", ns), "AAAA", has("fd00::8"), "any IPv6 address")
    expect(server, pod_domain("10.244.8.1", "no-" + ns), "A", gone, "no such namespace")


def pods_verified(w):
    ns, other = w.namespace(), w.namespace()
    early = w.api.create(kube.pod(ns, "early"))
    w.api.set_status(early, kube.pod_status("10.244.8.1", "fd00::8:1"))
    server = w.server("pods verified")
    expect(server, pod_domain("10.244.8.1", ns), "A", has("10.244.8.1"), "there from the start")
    expect(server, pod_domain("10.244.8.1", ns), "AAAA", nodata, "the other type")
    expect(server, pod_domain("10.244.8.1", other), "A", gone, "another namespace")
    expect(server, pod_domain("10.244.8.2", ns), "A", gone, "no Pod has it")
    if w.options.server == "binnacle":  # CoreDNS knows the primary address alone
        expect(server, pod_domain("fd00::8:1", ns), "AAAA", has("fd00::8:1"), "the second family")
        expect(server, "x." + pod_domain("10.244.8.1", ns), "A", gone, "a label more")
        expect(server, pod_domain("10.244.8.1", ns), "SRV", nodata, "SRV")
    late = w.api.create(kube.pod(ns, "late"))
    expect(server, pod_domain("10.244.8.2", ns), "A", gone, "without a status")
    w.api.set_status(late, kube.pod_status("10.244.8.2"))
    expect(server, pod_domain("10.244.8.2", ns), "A", has("10.244.8.2"), "address given")
    # The node's address: of two Pods in one namespace, and of one in another.
    host = [w.api.create(kube.pod(n, name)) for n, name in ((ns, "agent"), (ns, "proxy"), (other, "proxy"))]
    for one in host:
        w.api.set_status(one, kube.pod_status("192.168.8.1"))
    for n in (ns, other):
        expect(server, pod_domain("192.168.8.1", n), "A", has("192.168.8.1"), "a node's address")
    w.api.delete(host[0])
    expect_stays(server, pod_domain("192.168.8.1", ns), "A", has("192.168.8.1"), "one of two deleted", 0.3)
    w.api.delete(host[1])
    expect(server, pod_domain("192.168.8.1", ns), "A", gone, "both deleted")
    expect(server, pod_domain("192.168.8.1", other), "A", has("192.168.8.1"), "the other namespace's stays")
    # A Pod that is over keeps its address in the status, and has it no more.
    w.api.set_status(late, kube.pod_status("10.244.8.2", phase="Succeeded"))
    expect(server, pod_domain("10.244.8.2", ns), "A", gone, "a Pod that is over")
    w.api.delete(early)
    expect(server, pod_domain("10.244.8.1", ns), "A", gone, "deleted")
    expect(server, pod_domain("fd00::8:1", ns), "AAAA", gone, "deleted, the second family")


def pods_need_a_permission(w):
    """Only names of Pods wait for it, and /ready."""
    w.binnacle_only()
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "web"))
    w.api.set_status(w.api.create(kube.pod(ns, "one")), kube.pod_status("10.244.8.9"))
    rules = [dict(rule, resources=[r for r in rule["resources"] if r != "pods"]) for rule in kube.DNS_RULES]
    try:
        w.rig.grant(rules)
        time.sleep(0.5)  # the API server's own caches of RBAC
        server = w.server("pods verified", ready=False)
        expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "a Service needs no Pods", 5)
        expect(server, pod_domain("10.244.8.9", ns), "A", is_rcode("SERVFAIL"), "a Pod's name does")
        expect(server, pod_domain("10.244.8.9", "no-" + ns), "A", gone, "no such namespace, whatever Pods there are")
        check_equal(server.ready_status(), 503, "/ready")
        check(any(server.wait_log(verb, "pods", "names of pods", timeout_s=1) for verb in ("list ", "watch ")),
              "no message names verb and resource:\n" + server.log())
    finally:
        w.rig.grant()
    expect(server, pod_domain("10.244.8.9", ns), "A", has("10.244.8.9"), "permission granted", BACKOFF_S)
    server.wait_ready(5)


def namespaces_option(w):
    inside, outside = w.namespace(), w.namespace()
    server = w.server("namespaces " + inside)
    made = w.api.create(kube.service(inside, "web"))
    w.api.create(kube.service(outside, "web"))
    expect(server, domain("web", inside), "A", has(made["spec"]["clusterIP"]), "exposed namespace")
    expect_stays(server, domain("web", outside), "A", gone, "other namespace", 0.3)


def kubectl_and_dig(w):
    server, ns = w.common(), w.namespace()
    w.rig.kubectl("-n", ns, "create", "service", "clusterip", "shop", "--tcp=80:8080")
    address = w.rig.kubectl("-n", ns, "get", "service", "shop", "-o", "jsonpath={.spec.clusterIP}")
    name = domain("shop", ns)

    def dig(*args):
        done = subprocess.run(("dig", "@127.0.0.1", "-p", str(server.port), "+short", "+time=2") + args,
                              stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.split()

    expect(server, name, "A", has(address), "made by kubectl")
    check_equal(dig(name, "A"), [address], "dig over UDP")
    check_equal(dig("+tcp", name, "A"), [address], "dig over TCP")
    check_equal(dig("+noedns", name, "A"), [address], "dig without EDNS")
    w.rig.kubectl("-n", ns, "delete", "service", "shop")
    expect(server, name, "A", gone, "deleted by kubectl")
    check_equal(dig(name, "A"), [], "dig after the end")


def many_at_once(w):
    server, ns = w.common(), w.namespace()
    made = [w.api.create(kube.service(ns, "burst-%d" % i)) for i in range(100)]
    for one in made:
        expect(server, domain(one["metadata"]["name"], ns), "A", has(one["spec"]["clusterIP"]), "burst")
    for one in made:
        w.api.delete(one)
    for one in made:
        expect(server, domain(one["metadata"]["name"], ns), "A", gone, "burst deleted")


# -- sets of clusters -------------------------------------------------------
SET_ZONES = "cluster.local clusterset.local in-addr.arpa ip6.arpa"


def imported(name, ns):
    return "%s.%s.svc.clusterset.local." % (name, ns)


def multicluster(w):
    """The CRD is not there, comes, is used, and goes."""
    w.binnacle_only()
    ns = w.namespace()
    definition = kube.import_definition()
    made = w.api.create(kube.service(ns, "web"))
    w.rig.grant(kube.DNS_RULES + [kube.IMPORT_RULE])
    time.sleep(0.5)  # the API server's own caches of RBAC
    try:
        server = w.server("multicluster clusterset.local", zones=SET_ZONES)
        expect(server, imported("web", ns), "A", gone, "no CRD")
        expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "the cluster's own Service")
        check(" WARNING " not in server.log() and "ERROR" not in server.log(), "noise:\n" + server.log())
        w.api.create(definition)
        w.api.wait_served(kube.IMPORTS + "/serviceimports")
        first = w.api.create(kube.service_import(ns, "web", "10.42.0.1", "fd00:42::1"))
        took = expect(server, imported("web", ns), "A", has("10.42.0.1"), "the CRD has come", POLL_S)
        print("    first import answered %.0f s after it was made" % took)
        expect(server, imported("web", ns), "AAAA", has("fd00:42::1"), "IPv6 of it")
        expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "the cluster's own Service")
        w.api.create(kube.service_import(ns, "db"))
        expect(server, imported("db", ns), "A", gone, "headless without endpoints")
        w.api.create(kube.import_slice(ns, "db-east", "db", "east", [kube.endpoint("10.244.7.1", hostname="a")]))
        west = w.api.create(kube.import_slice(ns, "db-west", "db", "west", [
            kube.endpoint("10.244.7.1", hostname="a"), kube.endpoint("10.244.7.2")]))
        expect(server, imported("db", ns), "A", has("10.244.7.1", "10.244.7.2"), "of both clusters")
        expect(server, "a.west." + imported("db", ns), "A", has("10.244.7.1"), "endpoint of a cluster")
        expect(server, "10-244-7-2.west." + imported("db", ns), "A", has("10.244.7.2"), "endpoint without hostname")
        expect(server, "a." + domain("db", ns), "A", gone, "not of the cluster itself")
        w.api.delete(west)
        expect(server, imported("db", ns), "A", has("10.244.7.1"), "slice deleted")
        w.api.patch(first, {"spec": {"ips": ["10.42.0.2"]}})
        expect(server, imported("web", ns), "A", has("10.42.0.2"), "import changed")
        late = w.server("multicluster clusterset.local", "labels nobody=has", zones=SET_ZONES)
        expect(late, imported("web", ns), "A", has("10.42.0.2"), "the CRD is there from the start")
        expect(late, imported("db", ns), "A", gone, "slices are selected by labels")
        w.api.delete(definition)
        expect(server, imported("web", ns), "A", gone, "the CRD is gone", 10)
        expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "the cluster's own Service")
    finally:
        w.api.raw("DELETE", kube.object_path(definition))
        w.rig.grant()


# -- access ----------------------------------------------------------------
def client_certificate(w):
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "web"))
    server = w.server(kubeconfig="dns-cert.kubeconfig")
    expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "kubeconfig with certificate")
    endpoint = w.server_with(["endpoint https://127.0.0.1:%d" % w.rig.port, "tls %s %s %s" % tuple(
        w.rig.path(f) for f in ("dns.crt", "dns.key", "ca.crt"))])
    expect(endpoint, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "endpoint and tls")


def inside_a_pod(w):
    """The in-cluster form needs the ServiceAccount's files at their fixed place."""
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("mount namespaces are not allowed here")
    script = ("mount -t tmpfs tmpfs /run && d=/run/secrets/kubernetes.io/serviceaccount && mkdir -p $d && "
              "mount --bind %s $d && exec \"$@\"" % w.rig.path("serviceaccount"))
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "web"))
    server = w.server_with(["ttl 5"], wrapper=("unshare", "-m", "sh", "-c", script, "sh"),
                           environment=w.rig.in_cluster_environment())
    expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "in-cluster configuration")


def wrong_authority(w):
    w.binnacle_only()
    w.rig.write("wrong-ca.kubeconfig", w.rig.kubeconfig("token: " + DNS_TOKEN, ca="other-ca.crt"))
    server = w.server(kubeconfig="wrong-ca.kubeconfig", ready=False)
    check(server.wait_log("TLS", "CA"), "no message about TLS and the CA:\n" + server.log())
    check_equal(server.ready_status(), 503, "/ready")
    expect(server, domain("any", "default"), "A", is_rcode("SERVFAIL"), "nothing is known")
    expect(server, "cluster.local.", "SOA", lambda a: len(a.records) == 1, "the apex needs no object")


def refused_token(w):
    w.binnacle_only()
    w.rig.write("bad-token.kubeconfig", w.rig.kubeconfig("token: no-such-token"))
    server = w.server(kubeconfig="bad-token.kubeconfig", ready=False)
    check(server.wait_log("401"), "no message about the refused credentials:\n" + server.log())
    check_equal(server.ready_status(), 503, "/ready")
    expect(server, domain("any", "default"), "A", is_rcode("SERVFAIL"), "nothing is known")


def api_server_away_at_the_start(w):
    w.binnacle_only()
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "late"))
    proxy = Proxy(w.rig.port)
    try:
        proxy.cut()
        w.rig.write("proxy.kubeconfig", w.rig.kubeconfig("token: " + DNS_TOKEN, proxy.port))
        server = w.server(kubeconfig="proxy.kubeconfig", ready=False)
        check(server.wait_log("cannot reach the API server"), "no message:\n" + server.log())
        expect(server, domain("late", ns), "A", is_rcode("SERVFAIL"), "nothing is known")
        check_equal(server.ready_status(), 503, "/ready")
        time.sleep(2)
        proxy.mend()
        took = expect(server, domain("late", ns), "A", has(made["spec"]["clusterIP"]), "the API server is back",
                      RETURN_S + 1)
        print("    first answer %.2f s after the API server could be reached" % took)
    finally:
        w.end_case()
        proxy.close()


def missing_permission(w):
    w.binnacle_only()
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "web"))
    w.api.create(kube.service(ns, "db", headless=True))
    w.api.create(kube.endpoint_slice(ns, "db-1", "db", [kube.endpoint("10.244.6.1", hostname="a")]))
    try:
        w.rig.grant(kube.DNS_RULES[:1])
        time.sleep(0.5)  # the API server's own caches of RBAC
        server = w.server(ready=False)
        expect(server, domain("web", ns), "A", has(made["spec"]["clusterIP"]), "ClusterIP needs no slices", 5)
        expect(server, domain("db", ns), "A", is_rcode("SERVFAIL"), "headless needs slices")
        expect(server, "a." + domain("db", ns), "A", is_rcode("SERVFAIL"), "endpoint needs slices")
        check_equal(server.ready_status(), 503, "/ready")
        check(any(server.wait_log(verb, "endpointslices", "discovery.k8s.io", timeout_s=1)
                  for verb in ("list ", "watch ")), "no message names verb and resource:\n" + server.log())
    finally:
        w.rig.grant()
    took = expect(server, domain("db", ns), "A", has("10.244.6.1"), "permission granted", BACKOFF_S)
    print("    headless names answered %.1f s after the permission was granted" % took)
    expect(server, "a." + domain("db", ns), "A", has("10.244.6.1"), "endpoint's name")
    server.wait_ready(5)


# -- faults ----------------------------------------------------------------
def lists_per_kind(rig, mark):
    counts = {}
    for resource, verb, status in rig.requests(mark):
        if verb in ("list", "stream-list") and status in (0, 200):
            counts[resource] = counts.get(resource, 0) + 1
    return counts


def api_server_killed(w):
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "stays"))
    server = w.server()
    name = domain("stays", ns)
    expect(server, name, "A", has(made["spec"]["clusterIP"]), "before")
    mark = w.rig.audit_mark()
    w.rig.kill_api()
    expect_stays(server, name, "A", has(made["spec"]["clusterIP"]), "API server killed", 3)
    expect_stays(server, domain("no", ns), "A", gone, "a name that does not exist", 0.2)
    w.rig.start_api()
    fresh = w.api.create(kube.service(ns, "fresh"))
    took = expect(server, domain("fresh", ns), "A", has(fresh["spec"]["clusterIP"]), "new object after the return",
                  RETURN_S if w.options.server == "binnacle" else BACKOFF_S)
    print("    new object answered %.2f s after it was written" % took)
    expect_stays(server, name, "A", has(made["spec"]["clusterIP"]), "after the return", 0.5)
    if w.options.server == "binnacle":
        lists = lists_per_kind(w.rig, mark)
        check(all(n <= len(w.servers) for n in lists.values()),
              "more than one LIST of a kind by each of %d servers: %s" % (len(w.servers), lists))


def api_server_stopped(w):
    """It does not die, it only says nothing any more."""
    ns = w.namespace()
    made = w.api.create(kube.service(ns, "stays"))
    server = w.server()
    name = domain("stays", ns)
    expect(server, name, "A", has(made["spec"]["clusterIP"]), "before")
    w.rig.api.send_signal(signal.SIGSTOP)
    try:
        expect_stays(server, name, "A", has(made["spec"]["clusterIP"]), "API server stopped", 3)
    finally:
        w.rig.api.send_signal(signal.SIGCONT)
    fresh = w.api.create(kube.service(ns, "fresh"))
    expect(server, domain("fresh", ns), "A", has(fresh["spec"]["clusterIP"]), "API server goes on")


def connection_cut_and_history_gone(w):
    """Objects are created, changed and deleted while the network is away, and etcd
    forgets the history: the watches get 410, a new list must show it all."""
    ns = w.namespace()
    deleted = w.api.create(kube.service(ns, "deleted"))
    stays = w.api.create(kube.service(ns, "stays"))
    w.api.create(kube.service(ns, "db", headless=True))
    part = kube.endpoint_slice(ns, "db-1", "db", [kube.endpoint("10.244.7.1"), kube.endpoint("10.244.7.2")])
    w.api.create(part)
    proxy = Proxy(w.rig.port)
    try:
        w.rig.write("proxy.kubeconfig", w.rig.kubeconfig("token: " + DNS_TOKEN, proxy.port))
        server = w.server(kubeconfig="proxy.kubeconfig")
        expect(server, domain("db", ns), "A", has("10.244.7.1", "10.244.7.2"), "before")
        proxy.cut()
        w.api.delete(deleted)
        part["endpoints"] = [kube.endpoint("10.244.7.2"), kube.endpoint("10.244.7.3")]
        w.api.replace(part)
        fresh = w.api.create(kube.service(ns, "fresh"))
        w.rig.compact()
        w.rig.restart_api()  # its watch cache remembers what etcd has forgotten
        w.api = w.rig.client()
        expect_stays(server, domain("deleted", ns), "A", has(deleted["spec"]["clusterIP"]), "cut off", 1)
        mark = w.rig.audit_mark()
        proxy.mend()
        expect(server, domain("fresh", ns), "A", has(fresh["spec"]["clusterIP"]), "created meanwhile", 10)
        expect(server, domain("deleted", ns), "A", gone, "deleted meanwhile", 5)
        expect(server, domain("db", ns), "A", has("10.244.7.2", "10.244.7.3"), "changed meanwhile", 5)
        expect(server, domain("stays", ns), "A", has(stays["spec"]["clusterIP"]), "unchanged")
        lists = lists_per_kind(w.rig, mark)
        check("services" in lists and "endpointslices" in lists,
              "the history was not gone, nothing was listed again: %s" % w.rig.requests(mark))
        w.api.delete(stays)
        expect(server, domain("stays", ns), "A", gone, "the new watch works")
    finally:
        w.end_case()
        proxy.close()


def connection_cut_shortly(w):
    """History is there: the watch goes on from its last version, without a list."""
    ns = w.namespace()
    deleted = w.api.create(kube.service(ns, "deleted"))
    proxy = Proxy(w.rig.port)
    try:
        w.rig.write("proxy.kubeconfig", w.rig.kubeconfig("token: " + DNS_TOKEN, proxy.port))
        server = w.server(kubeconfig="proxy.kubeconfig")
        expect(server, domain("deleted", ns), "A", has(deleted["spec"]["clusterIP"]), "before")
        mark = w.rig.audit_mark()
        proxy.cut()
        w.api.delete(deleted)
        fresh = w.api.create(kube.service(ns, "fresh"))
        proxy.mend()
        expect(server, domain("fresh", ns), "A", has(fresh["spec"]["clusterIP"]), "created meanwhile", 10)
        expect(server, domain("deleted", ns), "A", gone, "deleted meanwhile", 5)
        if w.options.server == "binnacle":
            check_equal(lists_per_kind(w.rig, mark), {}, "lists after a short cut")
    finally:
        w.end_case()
        proxy.close()


def revoked_token(w):
    """The ServiceAccount is deleted and made again: its old tokens are worth nothing."""
    ns = w.namespace()
    old = w.api.create(kube.service(ns, "old"))
    w.rig.write("bound.token", w.rig.account_token())
    w.rig.write("bound.kubeconfig", w.rig.kubeconfig("tokenFile: " + w.rig.path("bound.token")))
    server = w.server(kubeconfig="bound.kubeconfig")
    expect(server, domain("old", ns), "A", has(old["spec"]["clusterIP"]), "before")
    w.api.delete(kube.dns_account())
    w.api.create(kube.dns_account())
    w.rig.restart_api()
    w.api = w.rig.client()
    new = w.api.create(kube.service(ns, "new"))
    expect_stays(server, domain("old", ns), "A", has(old["spec"]["clusterIP"]), "token revoked", 3)
    if w.options.server == "binnacle":
        check(server.wait_log("401", timeout_s=15), "no message about the revoked token:\n" + server.log())
        check_equal(server.client().ask(domain("new", ns)).rcode, "NXDOMAIN", "the new object, still unknown,")
    w.rig.write("bound.token", w.rig.account_token())
    took = expect(server, domain("new", ns), "A", has(new["spec"]["clusterIP"]), "new token in the file", BACKOFF_S)
    print("    new object answered %.1f s after the token file was replaced" % took)


# -- variants of the API server ---------------------------------------------
def stream_lists_are_used(w):
    w.binnacle_only()
    mark = w.rig.audit_mark()
    w.server()
    seen = {(resource, verb) for resource, verb, _ in w.rig.requests(mark)}
    for resource in ("services", "endpointslices", "namespaces"):
        check((resource, "stream-list") in seen, "no WatchList of %s: %s" % (resource, sorted(seen)))
        check((resource, "list") not in seen, "a LIST of %s beside the WatchList" % resource)
    check(("pods", "list") not in seen and ("pods", "stream-list") not in seen, "pods are read without need")


def plain_lists_instead(w):
    w.binnacle_only()
    mark = w.rig.audit_mark()
    w.server()
    counts = {}
    for resource, verb, status in w.rig.requests(mark):
        if verb == "list" and status == 200:
            counts[resource] = counts.get(resource, 0) + 1
    check_equal(counts, {"services": 1, "endpointslices": 1, "namespaces": 1}, "LISTs at the start")


def lists_of_several_pages(w):
    ns = w.namespace()
    made = [w.api.create(kube.service(ns, "page-%d" % i)) for i in range(1100)]
    server = w.server()
    for one in (made[0], made[499], made[500], made[999], made[1000], made[-1]):
        expect(server, domain(one["metadata"]["name"], ns), "A", has(one["spec"]["clusterIP"]), "on its page")
    w.api.delete(made[700])
    expect(server, domain("page-700", ns), "A", gone, "the watch after the pages")


OBJECTS = [cluster_ip_service, node_port_and_load_balancer, outside_of_the_cluster, external_name, dual_stack, headless,
           ports_and_addresses, readiness, slice_before_service, selectorless_cluster_ip, odd_slices,
           namespace_comes_and_goes, labels_option, namespaces_option, pods_insecure, pods_verified, pods_need_a_permission, kubectl_and_dig, many_at_once,
           multicluster]
ACCESS = [client_certificate, inside_a_pod, wrong_authority, refused_token, api_server_away_at_the_start,
          missing_permission]
FAULTS = [stream_lists_are_used, connection_cut_shortly, api_server_stopped, api_server_killed, revoked_token]
VARIANT = [cluster_ip_service, headless, connection_cut_shortly, api_server_killed]

GROUPS = [
    ("", (), OBJECTS + ACCESS + FAULTS),
    ("without WatchList: ", ("--feature-gates=WatchList=false",), [plain_lists_instead] + VARIANT + [lists_of_several_pages]),
    ("without watch cache: ", ("--watch-cache=false", "--feature-gates=WatchList=false"),
     [connection_cut_and_history_gone]),
    ("with watch cache: ", (), [connection_cut_and_history_gone]),
]


def run_group(cases, options, prefix, flags, functions):
    chosen = [(prefix + f.__name__.replace("_", " "), f) for f in functions]
    if cases.only:
        chosen = [(n, f) for n, f in chosen if any(word in n for word in cases.only)]
    if not chosen:
        return
    with Rig(api_flags=flags) as rig:
        world = World(rig, options)
        try:
            for name, function in chosen:
                def case(f=function):
                    f(world)
                    world.end_case()
                cases.run(name, case, on_failure=world.logs)
                recover(world)
            if world.shared:
                cases.run(prefix + "clean end", world.end_shared, on_failure=world.logs)
        finally:
            world.close()


def recover(world):
    """After a case that failed half-way the next one finds everything in order."""
    for server in world.servers:
        if server is not world.shared:
            server.discard()
    world.servers = [s for s in world.servers if s is world.shared and s.process.poll() is None]
    if world.rig.api.poll() is not None:
        world.rig.start_api()
    world.api.close()
    world.api = world.rig.client()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", choices=("binnacle", "coredns"), default="binnacle")
    parser.add_argument("--binary")
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    cases = Cases(options.only)
    try:
        build("kube")
        if options.server == "coredns":
            build("coredns")
    except Skip as e:
        cases.skip("real API server", str(e))
        cases.finish()
    for group in GROUPS:
        run_group(cases, options, *group)
    cases.finish()


if __name__ == "__main__":
    main()
