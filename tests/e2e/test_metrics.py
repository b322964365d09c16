#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every metric of CoreDNS that has a meaning here, of a server with a kubeadm cluster's Corefile
and the plugins beside it that count: its name, labels and buckets, and that it counts once.

    test_metrics.py --binary PATH [WORD...]     only the cases with WORD in their name

The API server is the fake one of tests/api/fake, the upstream a scripted one.
"""

import argparse
import datetime
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "api", "fake"))
from server import NAMESPACES, SERVICES, SLICES, FakeServer, endpoint_slice, namespace, service  # noqa: E402
import exposition  # noqa: E402
import test_program  # noqa: E402
from test_program import Program, dig, free_port, scrape, wait_for  # noqa: E402
from cases import Cases, check, check_equal  # noqa: E402
from upstreams import Upstreams  # noqa: E402

TIME = [0.00025 * 2 ** n for n in range(16)]
SIZE = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000]
HEALTH = [0.00025, 0.0025, 0.025, 0.25, 2.5]
PROGRAMMING = [0.001 * 2 ** n for n in range(20)]
REST = [.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10]

# CoreDNS's families behind coredns_: labels, and the buckets of those that are histograms.
FAMILIES = {
    "build_info": ("version revision goversion", None),
    "panics_total": ("", None),
    "plugin_enabled": ("server zone view name", None),
    "dns_requests_total": ("server zone view proto family type", None),
    "dns_request_duration_seconds": ("server zone view", TIME),
    "dns_request_size_bytes": ("server zone view proto", SIZE),
    "dns_do_requests_total": ("server zone view", None),
    "dns_response_size_bytes": ("server zone view proto", SIZE),
    "dns_responses_total": ("server zone view rcode plugin", None),
    "cache_entries": ("server type zones view", None),
    "cache_requests_total": ("server zones view", None),
    "cache_hits_total": ("server type zones view", None),
    "cache_misses_total": ("server zones view", None),
    "cache_prefetch_total": ("server zones view", None),
    "cache_drops_total": ("server zones view", None),
    "cache_served_stale_total": ("server zones view", None),
    "cache_evictions_total": ("server type zones view", None),
    "forward_healthcheck_broken_total": ("", None),
    "forward_max_concurrent_rejects_total": ("", None),
    "proxy_request_duration_seconds": ("proxy_name to rcode", TIME),
    "proxy_healthcheck_failures_total": ("proxy_name to", None),
    "proxy_conn_cache_hits_total": ("proxy_name to proto", None),
    "proxy_conn_cache_misses_total": ("proxy_name to proto", None),
    "health_request_duration_seconds": ("", HEALTH),
    "health_request_failures_total": ("", None),
    "kubernetes_dns_programming_duration_seconds": ("service_kind", PROGRAMMING),
    "kubernetes_rest_client_request_duration_seconds": ("verb host", REST),
    "kubernetes_rest_client_requests_total": ("code method host", None),
    "reload_failed_total": ("", None),
    "reload_version_info": ("hash value", None),
    "hosts_entries": ("hostsfile", None),
    "hosts_reload_timestamp_seconds": ("", None),
    "autopath_success_total": ("server", None),
    "acl_blocked_requests_total": ("server zone view", None),
    "acl_filtered_requests_total": ("server zone view", None),
    "acl_dropped_requests_total": ("server zone view", None),
    "acl_allowed_requests_total": ("server view", None),
}
# Those of plugins and transports that are not there, and of what does not exist here.
ABSENT = {
    "dns_https_responses_total", "dns_https3_responses_total", "dns_quic_responses_total", "template_matches_total",
    "template_template_failures_total", "template_rr_failures_total", "dns64_requests_translated_total",
    "local_localhost_requests_total", "shed_dropped_total", "kubernetes_rest_client_rate_limiter_duration_seconds",
}
# Shown from the first count on, for which an upstream would have to be ill or a name popular.
QUIET = {"cache_prefetch_total", "cache_drops_total", "cache_served_stale_total", "proxy_healthcheck_failures_total",
         "proxy_conn_cache_hits_total"}

ACL = """
    acl blocked.test {
        block
    }
    acl filtered.test {
        filter
    }
    acl test dropped.test {
        drop net 127.0.0.0/8
    }
    autopath DIR/resolv.conf
    hosts DIR/hosts {
        fallthrough
    }
"""


def corefile(ports, server, upstream):
    with open(os.path.join(TREE, "deploy", "base", "Corefile")) as f:
        text = f.read()
    for old, new in ((".:53", ".:%d" % ports["dns"]), ("    ready\n", "    ready 127.0.0.1:%d\n" % ports["ready"]),
                     ("health {", "health 127.0.0.1:%d {" % ports["health"]), ("lameduck 5s", "lameduck 0s"),
                     ("pods insecure", "pods insecure\n       endpoint %s" % server.url),
                     (":9153", "127.0.0.1:%d" % ports["metrics"]), ("/etc/resolv.conf", upstream.address),
                     ("    loop\n", ACL)):
        check(old in text, "deploy/base/Corefile has no '%s'" % old)
        text = text.replace(old, new)
    return text


def changed_slice(name, of, address, seconds_ago):
    made = endpoint_slice("shop", name, of, [address])
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    made["metadata"]["annotations"] = {
        "endpoints.kubernetes.io/last-change-trigger-time": when.isoformat().replace("+00:00", "Z")}
    return made


class World:
    def __init__(self):
        self.ports = {name: free_port() for name in ("dns", "ready", "health", "metrics")}
        self.server = FakeServer()
        self.server.put(NAMESPACES, namespace("shop"))
        self.server.put(SERVICES, service("shop", "web", "10.96.1.1"))
        self.server.put(SERVICES, service("shop", "db", "None"))
        self.server.put(SLICES, changed_slice("web-1", "web", "10.1.0.1", 3600))

    def __enter__(self):
        self.server.start()
        self.upstreams = Upstreams(1).__enter__()
        self.upstreams[0].behave("good", address="192.0.2.7")
        self.program = Program(corefile(self.ports, self.server, self.upstreams[0]))
        self.hosts = self.program.file("hosts", "192.0.2.1 node1\n")
        self.program.file("resolv.conf", "search shop.svc.cluster.local\n")
        self.program.start().says("endpointslices: the first list is complete")
        return self

    def __exit__(self, *rest):
        self.program.__exit__(*rest)
        self.upstreams.__exit__(*rest)
        self.server.stop()

    def dig(self, *words):
        return dig(self.ports["dns"], *words)

    def scrape(self):
        return scrape(self.ports["metrics"])

    def total(self, name, **labels):
        return exposition.total(self.scrape(), "coredns_" + name, **labels)


def labels_of(samples, name):
    """The label names, and the buckets' bounds, of a family's samples."""
    labels, bounds = set(), set()
    for (at, pairs), _ in samples.items():
        if at in (name, name + "_bucket"):
            labels.add(frozenset(label for label, _ in pairs if label != "le"))
            bounds |= {float(value) for label, value in pairs if label == "le"}
    return labels, sorted(bounds - {float("inf")})


def rows():
    """{name: labels} of metrics.def"""
    with open(os.path.join(TREE, "dns", "observe", "metrics.def")) as f:
        text = f.read()
    return dict(re.findall(r'METRIC\(\w+,\s*"(\w+)",\s*\w+,\s*"([^"]*)"', text))


def every_family_of_coredns():
    with World() as world:
        world.dig("www.example.org")
        world.dig("www.example.org", "+dnssec")
        world.dig("node1")
        for name in ("www.blocked.test", "www.filtered.test"):
            world.dig(name)
        world.dig("www.dropped.test", "+time=1")
        world.dig("www.example.org.shop.svc.cluster.local")
        world.server.put(SLICES, changed_slice("web-1", "web", "10.1.0.2", 1))
        wait_for("a latency", lambda: world.total("kubernetes_dns_programming_duration_seconds_count"))
        with open(os.path.join(world.program.dir, "Corefile"), "a") as f:
            f.write("# changed\n")
        os.kill(world.program.process.pid, signal.SIGUSR1)
        world.program.says("Reloading complete")
        world.dig("www.example.org")
        samples, table = world.scrape(), rows()
    for short_name, (labels, buckets) in FAMILIES.items():
        name = "coredns_" + short_name
        check_equal(table.get(name), labels, "labels of %s in metrics.def" % name)
        seen, bounds = labels_of(samples, name)
        if short_name in QUIET and not seen:
            continue
        check_equal(seen, {frozenset(labels.split())}, "labels of " + name)
        check_equal(bounds, buckets or [], "buckets of " + name)
    for short_name in ABSENT:
        check("coredns_" + short_name not in table, "%s is there: say so" % short_name)
    known = set(FAMILIES) | {"forward_requests_total", "forward_responses_total", "forward_request_duration_seconds",
                             "forward_healthcheck_failures_total"}  # of an older CoreDNS
    check_equal({name[8:] for name in table if name.startswith("coredns_")} - known, set(), "names that CoreDNS has not")


def questions_count_once():
    """A question that waits for an upstream is run again from its start, and counted once."""
    with World() as world:
        server = "dns://:%d" % world.ports["dns"]
        for i in range(10):
            check("192.0.2.7" in world.dig("n%d.example.org" % i), "no answer of the upstream")
        check("192.0.2.1" in world.dig("node1"), "no answer of the hosts file")
        check_equal(world.total("acl_allowed_requests_total", server=server, view=""), 11, "allowed")
        check("REFUSED" in world.dig("www.blocked.test"), "not blocked")
        check("NOERROR" in world.dig("www.filtered.test"), "not filtered")
        check("no servers could be reached" in world.dig("www.dropped.test", "+time=1"), "not dropped")
        for name, zone in (("blocked", "blocked.test."), ("filtered", "filtered.test."), ("dropped", "dropped.test.")):
            check_equal(world.total("acl_%s_requests_total" % name), 1, name)
            check_equal(world.total("acl_%s_requests_total" % name, server=server, zone=zone), 1, name + " of the zone")
        check_equal(world.total("acl_allowed_requests_total"), 11, "allowed")
        check_equal(world.total("dns_requests_total"), 13, "questions with a reply")


def search_lists():
    """The first name does not exist in the cluster, the name alone does: it is waited for, and one success."""
    with World() as world:
        check("192.0.2.7" in world.dig("www.example.org.shop.svc.cluster.local"), "not found along the search list")
        check_equal(world.total("autopath_success_total"), 1, "successes")
        check("10.96.1.1" in world.dig("web.shop.svc.cluster.local"), "the first name of the list")
        check("192.0.2.7" in world.dig("www.example.org"), "a name below none of the list")
        check_equal(world.total("autopath_success_total"), 1, "successes")
        check_equal(world.total("acl_allowed_requests_total"), 3, "questions allowed")


def hosts_files():
    with World() as world:
        check_equal(world.total("hosts_entries", hostsfile=world.hosts), 2, "records")
        world.program.file("hosts", "192.0.2.1 node1\n192.0.2.2 node2 node3\n")
        os.utime(world.hosts, (1700000000, 1700000000.5))
        wait_for("the change", lambda: world.total("hosts_entries") == 6)
        check_equal(world.total("hosts_reload_timestamp_seconds"), 1700000000.5, "the file's time")


def programming_latency():
    """Of what a watch tells; not of lists, of labels that say no time, of what was deleted."""
    name = "kubernetes_dns_programming_duration_seconds"
    with World() as world:
        check_equal(world.total(name + "_count"), 0, "of a list")
        world.server.put(SLICES, changed_slice("web-1", "web", "10.1.0.9", 100))
        wait_for("a ClusterIP Service", lambda: world.total(name + "_count", service_kind="cluster_ip") == 1)
        check(100 <= world.total(name + "_sum", service_kind="cluster_ip") < 130, "how long that was")
        world.server.put(SLICES, endpoint_slice("shop", "web-1", "web", ["10.1.0.8"]))
        world.server.put(SLICES, changed_slice("none-1", "none", "10.1.0.7", 5))
        world.server.put(SLICES, changed_slice("db-1", "db", "10.1.0.3", 5))
        wait_for("a headless one", lambda: world.total(name + "_count", service_kind="headless_with_selector") == 1)
        check("10.1.0.3" in world.dig("db.shop.svc.cluster.local"), "not published")
        world.server.delete(SLICES, "shop", "db-1")
        wait_for("the end of it", lambda: "10.1.0.3" not in world.dig("db.shop.svc.cluster.local"))
        check_equal(world.total(name + "_count"), 2, "observations")


def requests_to_the_api_server():
    name = "kubernetes_rest_client_request"
    with World() as world:
        host = "127.0.0.1:%d" % world.server.port
        wait_for("three watches", lambda: sum(world.server.count("watch", path) for path in (NAMESPACES, SERVICES, SLICES)) >= 3)

        def answered():
            return world.total(name + "s_total", host=host, method="GET")

        wait_for("their answers", lambda: answered() == len(world.server.requests))
        check(world.total(name + "s_total", code="200") >= 6, "lists and watches")
        check_equal(world.total(name + "_duration_seconds_count", verb="GET", host=host), answered(), "durations")
        world.server.stop()
        wait_for("no answer", lambda: world.total(name + "s_total", code="<error>") >= 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    test_program.binary = os.path.abspath(args.binary)
    cases = Cases(args.words)
    for case in (every_family_of_coredns, questions_count_once, search_lists, hosts_files, programming_latency,
                 requests_to_the_api_server):
        cases.run(case.__name__.replace("_", " "), case)
    cases.finish()


if __name__ == "__main__":
    main()
