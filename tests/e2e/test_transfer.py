#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Zone transfers as others see them: dig, and NSD and Knot as secondaries.

    test_transfer.py --binary PATH [WORD...]     only the cases with WORD in their name

Everything runs on loopback, in the foreground, in folders of its own, and ends with the test.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_program  # noqa: E402
from test_program import Program, dig, free_port, wait_for  # noqa: E402
from cases import Cases, Skipped, check, check_equal  # noqa: E402

ZONE = dns.name.from_text("cluster.local.")
TYPES = ("A", "AAAA", "SRV", "TXT", "CNAME", "NS", "SOA", "MX", "HTTPS")
FOLLOW_S = 5  # a change is told at once; NSD and Knot gather for a second

SERVICES = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIPs: [10.96.0.1, "fd00:10:96::1"], ports: [{port: 80, name: http}, {port: 9090}]}
---
apiVersion: v1
kind: Service
metadata: {name: dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, ports: [{port: 53, name: dns, protocol: UDP}, {port: 53, name: dns-tcp}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: pg, port: 5432, protocol: TCP}]
endpoints:
- {addresses: [10.1.0.1], hostname: db-0}
- {addresses: [10.1.0.2], hostname: db-1}
- {addresses: [10.1.0.3]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-2, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv6
ports: [{name: pg6, port: 5433, protocol: TCP}]
endpoints:
- {addresses: ["fd00:1::1"], hostname: db-0}
---
apiVersion: v1
kind: Service
metadata: {name: cdn, namespace: shop}
spec: {type: ExternalName, externalName: cdn.example.org}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {clusterIP: None}
---
apiVersion: v1
kind: Namespace
metadata: {name: nothing-in-it}
---
"""
NEW = """apiVersion: v1
kind: Service
metadata: {name: new, namespace: shop}
spec: {clusterIP: %s, ports: [{port: 80, name: http}]}
"""


def large(endpoints):
    """A headless Service with more addresses than a message of 16 KiB holds."""
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: large, namespace: shop}\nspec: {clusterIP: None}\n---\n"
    text += ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: large, namespace: shop, labels: "
             "{kubernetes.io/service-name: large}}\naddressType: IPv4\nports: [{name: http, port: 80, protocol: TCP}]\n"
             "endpoints:\n")
    return text + "".join("- addresses: [10.2.%d.%d]\n" % (i // 250, i % 250 + 1) for i in range(endpoints)) + "---\n"


def primary(port, to, text=SERVICES):
    """Binnacle on 127.0.0.1, with its manifests in m/a.yaml."""
    program = Program(".:%d {\nbind 127.0.0.1\nerrors\ntransfer {\nto %s\n}\n"
                      "kubernetes cluster.local in-addr.arpa {\nmanifests DIR/m\nttl 30\n}\n}\n" % (port, to))
    os.mkdir(os.path.join(program.dir, "m"))
    program.file("m/a.yaml", text)
    return program


def started(program):
    program.start().says("endpointslices: the first list is complete")
    return program


def ask(port, name, kind, tcp=None):
    query = dns.message.make_query(name, kind, use_edns=True)
    query.flags = 0
    return dns.query.tcp(query, "127.0.0.1", port=port, sock=tcp, timeout=10)


def connected(port):
    tcp = socket.create_connection(("127.0.0.1", port), 10)
    tcp.setblocking(False)
    return tcp


def serial(port):
    try:
        answer = ask(port, ZONE, "SOA").answer
    except OSError:
        return None
    return answer[0][0].serial if answer else None


def transferred(port, kind="AXFR", **how):
    """Owner to a set of (type, TTL, rdata), and the number of messages."""
    zone, messages, soas = {}, 0, 0
    for message in dns.query.xfr("127.0.0.1", ZONE, kind, port=port, relativize=False, lifetime=30, **how):
        messages += 1
        for rrset in message.answer:
            for rdata in rrset:
                soas += rdata.rdtype == dns.rdatatype.SOA
                zone.setdefault(rrset.name, set()).add((rrset.rdtype, rrset.ttl, rdata.to_text()))
    check_equal(soas, 2, "the number of SOA records")
    return zone, messages


def said(message, owner):
    """What an answer says about its own name. Behind an alias each server goes its own way."""
    return {(r.rdtype, r.ttl, rdata.to_text()) for r in message.answer if r.name == owner for rdata in r}


def compare(zone, port, other):
    """Ask both servers for every owner and type; returns how many questions that were."""
    tcp, other_tcp, count = connected(port), connected(other), 0
    with tcp, other_tcp:
        for owner, records in zone.items():
            for kind in TYPES:
                here, there = ask(port, owner, kind, tcp), ask(other, owner, kind, other_tcp)
                what = "%s %s" % (owner, kind)
                check_equal(dns.rcode.to_text(there.rcode()), dns.rcode.to_text(here.rcode()), what + ": the rcode")
                check_equal(said(there, owner), said(here, owner), what + ": the answer")
                check(there.flags & dns.flags.AA and here.flags & dns.flags.AA, what + ": no AA")
                count += 1
            answered = said(ask(port, owner, "A", tcp), owner)
            check(answered <= records, "%s A: %r was not transferred" % (owner, answered - records))
    return count


# -- dig ---------------------------------------------------------------------------

def dig_transfers():
    port = free_port()
    with started(primary(port, "127.0.0.1", SERVICES + large(1500))):
        out = dig(port, "cluster.local", "AXFR")
        lines = [line for line in out.splitlines() if line and not line.startswith(";")]
        check(" SOA " in lines[0].replace("\t", " ") and lines[0] == lines[-1], out[:2000])
        check("XFR size: %d records" % len(lines) in out, out[-500:])
        check("large.shop.svc.cluster.local" in out, "the large Service is not in it")
        for name in ("10.in-addr.arpa", "PTR"):
            check(name not in out, "%s is in the transfer" % name)
        zone, messages = transferred(port)
        check(messages > 5, "%d messages for %d names" % (messages, len(zone)))
        large_name = dns.name.from_text("large.shop.svc", ZONE)
        check_equal(len([r for r in zone[large_name] if r[0] == dns.rdatatype.A]), 1500, "the addresses")
        # an older serial gets the whole zone, the current one the SOA, UDP the SOA
        current = serial(port)
        check("XFR size: %d records" % len(lines) in dig(port, "cluster.local", "IXFR=%d" % (current - 1)), "IXFR")
        check("XFR size: 1 records" in dig(port, "cluster.local", "IXFR=%d" % current), "IXFR of the current serial")
        query = dns.message.make_query(ZONE, "IXFR")
        query.authority = [dns.rrset.from_text(ZONE, 0, "IN", "SOA", ". . %d 0 0 0 0" % (current - 1))]
        answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=5)
        check_equal([rrset.rdtype for rrset in answer.answer], [dns.rdatatype.SOA], "IXFR over UDP")
        # questions go on after a transfer, on the same connection too
        out = dig(port, "+keepopen", "+tcp", "+short", "web.shop.svc.cluster.local", "A")
        check_equal(out.split(), ["10.96.0.1"], "an answer")


def what_is_refused():
    port = free_port()
    with started(primary(port, "127.0.0.2 127.0.1.0/24")):
        def status(*words):
            out = dig(port, "+tcp", *words)
            return "refused" if "Transfer failed" in out else "transferred" if "XFR size" in out else out
        check_equal(status("cluster.local", "AXFR"), "refused", "an AXFR from 127.0.0.1")
        check_equal(status("-b", "127.0.0.2", "cluster.local", "AXFR"), "transferred", "an AXFR from 127.0.0.2")
        check_equal(status("-b", "127.0.1.77", "cluster.local", "AXFR"), "transferred", "an AXFR from 127.0.1.77")
        for name, rcode in (("cluster.local.", "NOTAUTH"), ("shop.svc.cluster.local.", "NOTAUTH"),
                            ("in-addr.arpa.", "REFUSED"), ("example.org.", "NOTAUTH")):
            query = dns.message.make_query(name, "AXFR")
            answer = dns.query.tcp(query, "127.0.0.1", port=port, source="127.0.0.1", timeout=5)
            check_equal(dns.rcode.to_text(answer.rcode()), "REFUSED", "AXFR of %s from a stranger" % name)
            if name != "cluster.local.":
                answer = dns.query.tcp(query, "127.0.0.1", port=port, source="127.0.0.2", timeout=5)
                check_equal(dns.rcode.to_text(answer.rcode()), rcode, "AXFR of %s" % name)
        answer = dns.query.udp(dns.message.make_query("cluster.local.", "AXFR"), "127.0.0.1", port=port,
                               source="127.0.0.2", timeout=5)
        check_equal(dns.rcode.to_text(answer.rcode()), "REFUSED", "AXFR over UDP")


def nothing_before_it_is_complete():
    """An API server that does not answer: SERVFAIL, never an empty zone."""
    port = free_port()
    with Program(".:%d {\nbind 127.0.0.1\nerrors\ntransfer {\nto *\n}\nkubernetes cluster.local {\n"
                 "endpoint http://127.0.0.1:%d\n}\n}\n" % (port, free_port())) as program:
        program.start().says("Binnacle-")
        wait_for("an answer", lambda: "status" in dig(port, "+tcp", "cluster.local", "SOA"))
        query = dns.message.make_query(ZONE, "AXFR")
        answer = dns.query.tcp(query, "127.0.0.1", port=port, timeout=5)
        check_equal(dns.rcode.to_text(answer.rcode()), "SERVFAIL", "AXFR before the lists are complete")
        program.says("the zone is not complete yet")


# -- secondaries --------------------------------------------------------------------

class Secondary:
    """NSD or Knot in the foreground, in a folder of its own."""

    def __init__(self, argv, config):
        self.dir = tempfile.mkdtemp(prefix="binnacle-secondary-")
        with open(os.path.join(self.dir, "conf"), "w") as f:
            f.write(config.replace("DIR", self.dir))
        self.log = open(os.path.join(self.dir, "log"), "w+")
        self.process = subprocess.Popen([word.replace("DIR", self.dir) for word in argv], cwd=self.dir,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                                        start_new_session=True)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def tool(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Skipped("no %s on this machine" % name)
    return path


def nsd(port, of):
    return Secondary([tool("nsd"), "-d", "-c", "DIR/conf"], """
server:
    ip-address: 127.0.0.1@%d
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "DIR"
    xfrdir: "DIR"
    database: ""
    zonelistfile: "DIR/zone.list"
    xfrdfile: "DIR/xfrd.state"
    pidfile: "DIR/nsd.pid"
    verbosity: 2
    xfrd-reload-timeout: 0
remote-control:
    control-enable: no
zone:
    name: cluster.local
    zonefile: "zone"
    request-xfr: 127.0.0.1@%d NOKEY
    allow-notify: 127.0.0.1 NOKEY
""" % (port, of))


def knot(port, of):
    return Secondary([tool("knotd"), "-c", "DIR/conf"], """
server:
    rundir: DIR
    listen: 127.0.0.1@%d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: DIR/knot.sock
log:
  - target: stderr
    any: info
database:
    storage: DIR
remote:
  - id: primary
    address: 127.0.0.1@%d
acl:
  - id: notify
    address: 127.0.0.1
    action: notify
zone:
  - domain: cluster.local
    storage: DIR
    file: zone
    master: primary
    acl: notify
    zonefile-sync: -1
""" % (port, of))


def follows(make):
    port, other = free_port(), free_port()
    with started(primary(port, "127.0.0.1:%d" % other, SERVICES + large(200))) as program, make(other, port) as second:
        def has(name, wanted):
            answer = ask(other, dns.name.from_text(name, ZONE), "A")
            return [r.to_text() for rrset in answer.answer for r in rrset] == wanted

        def caught_up():
            check(second.process.poll() is None, lambda: "it ended:\n" + second.said())
            return serial(other) is not None and serial(other) == serial(port)

        wait_for("the first transfer", caught_up)
        zone, _ = transferred(port)
        check(len(zone) > 200, "only %d names" % len(zone))
        compare(zone, port, other)
        # changes are followed by NOTIFY: the refresh is two hours
        for address in ("10.96.0.77", "10.96.0.78"):
            start = time.monotonic()
            program.file("m/b.yaml", NEW % address)
            wait_for("the new Service on the secondary", lambda: has("new.shop.svc", [address]))
            took = time.monotonic() - start
            check(took < FOLLOW_S, "the change took %.1f s" % took)
        os.unlink(os.path.join(program.dir, "m", "b.yaml"))
        wait_for("its end", lambda: has("new.shop.svc", []))
        wait_for("the same serial", caught_up)
        zone, _ = transferred(port)
        small = {name: zone[name] for name in zone if not dns.name.from_text("large.shop.svc", ZONE) > name > ZONE}
        compare(small, port, other)
        check("does not answer to NOTIFY" not in program.log(), program.log())


def nsd_follows():
    follows(nsd)


def knot_follows():
    follows(knot)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    test_program.binary = os.path.abspath(args.binary)
    cases = Cases(args.words)
    for case in (dig_transfers, what_is_refused, nothing_before_it_is_complete, nsd_follows, knot_follows):
        cases.run(case.__name__.replace("_", " "), case)
    cases.finish()


if __name__ == "__main__":
    main()
