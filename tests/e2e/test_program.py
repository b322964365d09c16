#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The program as a person meets it: flags, the mistakes made first, real dig.

    test_program.py --binary PATH [WORD...]     only the cases with WORD in their name
"""

import argparse
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api", "rig"))
import exposition  # noqa: E402
from cases import Cases, Skipped, check, check_equal  # noqa: E402

SERVICE = """apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop}
spec: {clusterIP: %s, ports: [{port: 80}]}
---
"""
DEADLINE_S = 20


def free_port():
    """A port that is free for UDP and TCP on all addresses."""
    while True:
        with socket.socket(socket.AF_INET6) as tcp, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            tcp.bind(("::", 0))
            try:
                udp.bind(("::", tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    check(False, "%s did not come in %d s" % (what, DEADLINE_S))


class Program:
    """A running server over a folder of its own."""

    def __init__(self, corefile, flags=(), stdin=False, wrapper=()):
        self.dir = tempfile.mkdtemp(prefix="binnacle-e2e-")
        os.chmod(self.dir, 0o755)
        self.corefile = corefile
        self.log_path = os.path.join(self.dir, "log")
        self.flags, self.stdin, self.wrapper = list(flags), stdin, list(wrapper)
        self.process = None

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def start(self):
        conf = "stdin" if self.stdin else self.file("Corefile", self.corefile.replace("DIR", self.dir))
        argv = self.wrapper + [binary, "-conf", conf] + self.flags
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=open(self.log_path, "w"),
                                        stderr=subprocess.STDOUT, cwd=self.dir)
        if self.stdin:
            self.process.stdin.write(self.corefile.replace("DIR", self.dir).encode())
        self.process.stdin.close()
        return self

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def says(self, text):
        try:
            wait_for("'%s' in the log" % text, lambda: text in self.log() or self.process.poll() is not None)
        finally:
            check(text in self.log(), lambda: "the log does not say '%s':\n%s" % (text, self.log()))

    def ends(self, status):
        check_equal(self.process.wait(DEADLINE_S), status, "the exit status")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def run(*flags, cwd="/", stdin=""):
    return subprocess.run([binary, *flags], cwd=cwd, input=stdin, capture_output=True, text=True,
                          timeout=DEADLINE_S)


def dig(port, *words, server="127.0.0.1"):
    out = subprocess.run(["dig", "-p", str(port), "@" + server, "+tries=1", "+time=5", *words],
                         capture_output=True, text=True, timeout=DEADLINE_S)
    return out.stdout


def short(port, *words, **kwargs):
    return sorted(dig(port, "+short", *words, **kwargs).split())


def manifests_corefile(port, more="bind 127.0.0.1"):
    return ".:%d {\n%s\nerrors\nkubernetes cluster.local {\nmanifests DIR/m\n}\n}\n" % (port, more)


def manifests_program(port, text, **kwargs):
    program = Program(manifests_corefile(port, **kwargs))
    os.mkdir(os.path.join(program.dir, "m"))
    program.file("m/a.yaml", text)
    return program


# -- flags --------------------------------------------------------------------------

def version():
    out = run("-version")
    check_equal(out.returncode, 0, "the exit status")
    check(out.stdout.startswith("Binnacle-"), out.stdout)
    check_equal(run("--version").stdout, out.stdout, "--version")


def plugins():
    names = run("-plugins").stdout.split()
    for name in ("bind", "errors", "health", "kubernetes", "log", "ready"):
        check("dns." + name in names, "no %s in %s" % (name, names))


def bad_flag():
    out = run("-config", "x")
    check_equal(out.returncode, 2, "the exit status")
    check("did you mean -conf?" in out.stderr, out.stderr)


def corefile_on_stdin():
    port = free_port()
    with Program(".:%d {\nbind 127.0.0.1\nerrors\n}\n" % port, stdin=True) as program:
        program.start().says("Binnacle-")
        check("SERVFAIL" in dig(port, "example.org"), "no SERVFAIL from a block that answers nothing")
        program.says("no next plugin found")


def port_flag_and_quiet():
    port = free_port()
    flags = ["-dns.port", str(port), "-quiet", "-pidfile", "pid"]
    with Program("example.org {\nbind 127.0.0.1\nerrors\n}\n", flags) as program:
        program.start()
        wait_for("an answer", lambda: "REFUSED" in dig(port, "example.net"))
        with open(os.path.join(program.dir, "pid")) as f:
            check_equal(int(f.read()), program.process.pid, "the pidfile")
        check_equal(program.log(), "", "what -quiet says")
        program.process.terminate()
        program.ends(0)


# -- the mistakes made first ---------------------------------------------------------

def no_corefile():
    with tempfile.TemporaryDirectory() as empty:
        out = run(cwd=empty)
        check_equal(out.returncode, 1, "the exit status")
        check("no ./Corefile" in out.stderr and "-conf FILE" in out.stderr, out.stderr)
        check("kubernetes cluster.local" in out.stderr, "it shows no example: " + out.stderr)
        out = run("-conf", "nowhere/Corefile", cwd=empty)
        check_equal(out.returncode, 1, "the exit status")
        check("nowhere/Corefile" in out.stderr, out.stderr)


def unknown_directive():
    with Program(".:1053 {\n    errors\n    kubernets cluster.local\n}\n") as program:
        program.start().ends(1)
        program.says("Corefile:3:5:")
        program.says("did you mean 'kubernetes'?")


def directive_not_there_yet():
    with Program(".:1053 {\n    errors\n    dnssec example.org\n}\n") as program:
        program.start().ends(1)
        program.says("Corefile:3:5: 'dnssec' is a CoreDNS plugin that Binnacle does not have yet")


def port_in_use():
    port = free_port()
    text = ".:%d {\nbind 127.0.0.1\nerrors\n}\n" % port
    with Program(text) as first, Program(text) as second:
        first.start().says("Binnacle-")
        second.start().ends(1)
        second.says("127.0.0.1:%d (UDP): the port is in use" % port)
    # and for TCP alone
    with socket.socket() as taken, Program(text) as third:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        third.start().ends(1)
        third.says("127.0.0.1:%d (TCP): the port is in use" % port)


def no_permission():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skipped("needs root and setpriv, to start the program without capabilities")
    unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                    "--bounding-set=-all"]
    # Some hosts let everybody bind low ports; port 1 is the same to those that do not.
    probe = subprocess.run(unprivileged + ["/usr/bin/python3", "-c",
                           "import socket; socket.socket().bind(('127.0.0.1', 1))"], capture_output=True)
    if probe.returncode == 0:
        raise Skipped("this host lets everybody bind low ports (net.ipv4.ip_unprivileged_port_start)")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(binary, folder)
        corefile = os.path.join(folder, "Corefile")
        with open(corefile, "w") as f:
            f.write(".:1 {\nbind 127.0.0.1\nerrors\n}\n")
        out = subprocess.run(unprivileged + [copy, "-conf", corefile], capture_output=True, text=True,
                             timeout=DEADLINE_S)
    check_equal(out.returncode, 1, "the exit status")
    check("no permission" in out.stderr and "cap_net_bind_service" in out.stderr, out.stderr)


def address_of_another_host():
    with Program(".:%d {\nbind 203.0.113.77\nerrors\n}\n" % free_port()) as program:
        program.start().ends(1)
        program.says("203.0.113.77")
        program.says("no such address")


def kubeconfig(program, server, ca=None):
    lines = ["apiVersion: v1", "kind: Config", "current-context: c",
             "clusters: [{name: c, cluster: {server: '%s'%s}}]" % (
                 server, ", certificate-authority: '%s'" % ca if ca else ""),
             "contexts: [{name: c, context: {cluster: c, user: u}}]", "users: [{name: u, user: {token: t}}]", ""]
    return program.file("kubeconfig", "\n".join(lines))


def api_corefile(port, ready):
    return (".:%d {\nbind 127.0.0.1\nerrors\nready 127.0.0.1:%d\n"
            "kubernetes cluster.local {\nkubeconfig DIR/kubeconfig\n}\n}\n" % (port, ready))


def ready_status(port):
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/ready" % port, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def api_server_refuses():
    port, ready, away = free_port(), free_port(), free_port()
    with Program(api_corefile(port, ready)) as program:
        kubeconfig(program, "https://127.0.0.1:%d" % away)
        program.start().says("cannot reach the API server at https://127.0.0.1:%d" % away)
        check("SERVFAIL" in dig(port, "web.shop.svc.cluster.local"), "no SERVFAIL before the first list")
        check("SOA" in dig(port, "cluster.local", "SOA"), "the zone's own SOA is not answered")
        check_equal(ready_status(ready), (503, "kubernetes"), "/ready")
        program.process.terminate()
        program.ends(0)


def certificate(folder, name):
    key, cert = (os.path.join(folder, name + end) for end in (".key", ".crt"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
                    "-out", cert, "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return key, cert


def wrong_ca():
    with Program("") as program, socket.socket() as listener:
        key, cert = certificate(program.dir, "server")
        _, other = certificate(program.dir, "other")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(DEADLINE_S)
        url = "https://127.0.0.1:%d" % listener.getsockname()[1]
        program.corefile = api_corefile(free_port(), free_port())
        kubeconfig(program, url, ca=other)
        program.start()
        end = time.monotonic() + DEADLINE_S
        while "no TLS with" not in program.log() and time.monotonic() < end:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except (ssl.SSLError, OSError):
                connection.close()
        program.says("no TLS with the API server at " + url)
        program.says("CA")


def kubeconfig_without_that_context():
    with Program(".:%d {\nbind 127.0.0.1\nkubernetes a {\nkubeconfig DIR/kubeconfig prod\n}\n}\n" %
                 free_port()) as program:
        kubeconfig(program, "https://127.0.0.1:1")
        program.start().ends(1)
        program.says("prod")


def outside_of_a_cluster():
    with Program(".:%d {\nbind 127.0.0.1\nkubernetes cluster.local\n}\n" % free_port(),
                 wrapper=["env", "-u", "KUBERNETES_SERVICE_HOST"]) as program:
        program.start().ends(1)
        program.says("KUBERNETES_SERVICE_HOST")
        program.says("manifests")


# -- answers -------------------------------------------------------------------------

def both_families_and_both_transports():
    port = free_port()
    with manifests_program(port, SERVICE % ("web", "10.96.0.1"), more="") as program:
        program.start().says("services: the first list is complete")
        name = "web.shop.svc.cluster.local"
        check_equal(short(port, name), ["10.96.0.1"], "over IPv4")
        check_equal(short(port, name, server="127.0.0.5"), ["10.96.0.1"], "at another local address")
        check_equal(short(port, name, "+tcp"), ["10.96.0.1"], "over TCP")
        if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
            check_equal(short(port, name, server="::1"), ["10.96.0.1"], "over IPv6")
            check_equal(short(port, name, "+tcp", server="::1"), ["10.96.0.1"], "over IPv6 and TCP")


def rcodes_in_and_out_of_blocks():
    port = free_port()
    with manifests_program(port, SERVICE % ("web", "10.96.0.1")) as program:
        program.corefile = program.corefile.replace(".:", "cluster.local example.org:", 1)
        program.corefile = program.corefile.replace("cluster.local example.org:%d" % port,
                                                    "cluster.local:%d example.org:%d" % (port, port), 1)
        program.start().says("services: the first list is complete")
        check("status: REFUSED" in dig(port, "example.net"), "no REFUSED where no block matches")
        check("status: SERVFAIL" in dig(port, "www.example.org"), "no SERVFAIL inside a block")
        check("status: REFUSED" in dig(port, "version.bind", "TXT", "CH"), "no REFUSED for class CH")
        check("status: NOTIMP" in dig(port, "+opcode=notify", "web.shop.svc.cluster.local", "SOA"), "no NOTIMP")
        check("status: BADVERS" in dig(port, "+edns=1", "+noednsneg", "web.shop.svc.cluster.local"), "no BADVERS")


def large_answers():
    port = free_port()
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: big, namespace: shop}\nspec: {clusterIP: None}\n---\n"
    slices = ""
    for part in range(10):
        endpoints = "".join("- addresses: [10.1.%d.%d]\n" % (part, i) for i in range(100))
        slices += ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: big-%d, namespace: shop, "
                   "labels: {kubernetes.io/service-name: big}}\naddressType: IPv4\nendpoints:\n%s---\n"
                   % (part, endpoints))
    with manifests_program(port, service + slices) as program:
        program.start().says("endpointslices: the first list is complete")
        name = "big.shop.svc.cluster.local"
        out = dig(port, name, "+ignore", "+noedns")
        check(" tc" in out and "ANSWER: 29," in out, out)
        out = dig(port, name, "+ignore", "+bufsize=1232")
        check(" tc" in out and "ANSWER: 73," in out, out)
        check_equal(len(short(port, name)), 1000, "the number of addresses after dig's retry over TCP")


def largest_reply_over_udp():
    port = free_port()
    name = "big.shop.svc.cluster.local"
    slices = ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: big-1, namespace: shop, "
              "labels: {kubernetes.io/service-name: big}}\naddressType: IPv4\nports: [{port: 80}]\nendpoints:\n" +
              "".join("- addresses: [10.1.0.%d]\n" % i for i in range(1, 201)))
    with manifests_program(port, SERVICE % ("big", "None") + slices, more="bind 127.0.0.1\nbufsize 700") as program:
        program.start().says("services: the first list is complete")
        out = dig(port, name, "+ignore", "+bufsize=4096")
        size = int(out.split("MSG SIZE  rcvd: ")[1].split()[0])
        check(" tc" in out and 684 < size <= 700, out)
        check_equal(len(short(port, name, "+bufsize=4096")), 200, "the addresses over TCP")


def who_may_ask():
    port = free_port()
    name = "web.shop.svc.cluster.local"
    rules = ("bind 127.0.0.1\nacl {\nfilter type TXT\nallow net 127.0.0.1/32\nblock net 127.0.0.2\n"
             "drop net 127.0.0.0/8\n}")
    with manifests_program(port, SERVICE % ("web", "10.96.0.1"), more=rules) as program:
        program.start().says("services: the first list is complete")
        check_equal(short(port, name), ["10.96.0.1"], "who is allowed")
        out = dig(port, name, "TXT")
        check("NOERROR" in out and "EDE: 17" in out, out)
        out = dig(port, name, "-b", "127.0.0.2")
        check("REFUSED" in out and "EDE: 15" in out, out)
        check("EDE" not in dig(port, name, "-b", "127.0.0.2", "+noedns"), "an extended error without EDNS")
        check("REFUSED" in dig(port, name, "-b", "127.0.0.2", "+tcp"), "TCP")
        out = dig(port, name, "-b", "127.0.0.3", "+time=1")
        check("timed out" in out or "no servers could be reached" in out, out)


def ttls_are_capped():
    """cache: nothing in its zones lives longer than its maximum, and nothing is raised."""
    port = free_port()
    text = (".:%d {\nbind 127.0.0.1\ncache 20 cluster.local example.org {\ndenial 9984 4\n}\n"
            "hosts {\n192.0.2.1 www.example.org\n192.0.2.2 www.example.net\nfallthrough\n}\n"
            "kubernetes cluster.local {\nmanifests DIR/services.yaml\nttl 60\n}\n}\n" % port)
    with Program(text) as program:
        program.file("services.yaml", SERVICE % ("web", "10.96.0.1") +
                     "---\napiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n"
                     "spec: {type: ExternalName, externalName: www.example.net}\n")
        program.start().says("services: the first list is complete")

        def ttls(*words):
            lines = [line.split() for line in dig(port, "+noall", "+answer", "+authority", *words).splitlines()]
            return [int(line[1]) for line in lines if line and line[0] != ";;"]
        check_equal(ttls("web.shop.svc.cluster.local"), [20], "a Service")
        check_equal(ttls("no.shop.svc.cluster.local"), [4], "a denial")
        check_equal(ttls("dns-version.cluster.local", "TXT"), [20], "the version")
        check_equal(ttls("out.shop.svc.cluster.local"), [20, 20], "an alias and what it leads to")
        check_equal(ttls("www.example.org"), [20], "a name of hosts")
        check_equal(ttls("www.example.net"), [3600], "a name in no zone of the cache")


def order_of_addresses():
    """loadbalance: a network that goes first, then weights, with a change while it runs."""
    port, other = free_port(), free_port()
    name = "two.shop.svc.cluster.local"
    text = "".join(".:%d {\nbind 127.0.0.1\nloadbalance %s\nkubernetes cluster.local {\nmanifests DIR/two.yaml\n}\n}\n" % row
                   for row in ((port, "{\nprefer 10.1.0.2/32\n}"), (other, "weighted DIR/weights {\nreload 100ms\n}")))
    slices = ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: two-1, namespace: shop, "
              "labels: {kubernetes.io/service-name: two}}\naddressType: IPv4\nports: [{port: 80}]\nendpoints:\n"
              "- addresses: [10.1.0.1]\n- addresses: [10.1.0.2]\n")
    with Program(text) as program:
        program.file("two.yaml", SERVICE % ("two", "None") + slices)
        program.file("weights", name + "\n10.1.0.1 255\n")
        program.start().says("services: the first list is complete")

        def first(at):
            return dig(at, "+short", name).split()[0]
        wait_for("the Service", lambda: len(short(other, name)) == 2)
        for _ in range(10):
            check_equal(first(port), "10.1.0.2", "the network that is preferred")
        check(sum(first(other) == "10.1.0.1" for _ in range(20)) >= 18, "the weights do not count")
        program.file("weights", name + "\n10.1.0.2 255\n")
        program.says("read again")
        check(sum(first(other) == "10.1.0.2" for _ in range(20)) >= 18, "the new weights do not count")


def search_lists_and_other_blocks():
    """A Pod that has this test's address: its search list is gone through, over two server blocks."""
    port = free_port()
    pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nstatus: {podIP: 127.0.0.1}\n"
    alias = ("---\napiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: shop}\n"
             "spec: {type: ExternalName, externalName: %s}\n")
    text = (".:%d {\nbind 127.0.0.1\nautopath @kubernetes\nkubernetes cluster.local {\npods verified\n"
            "manifests DIR/services.yaml\n}\n}\nother.test:%d {\nbind 127.0.0.1\nkubernetes other.test {\n"
            "manifests DIR/services.yaml\n}\n}\n" % (port, port))
    with Program(text) as program:
        program.file("services.yaml", SERVICE % ("web", "10.96.0.1") + alias % "web.shop.svc.other.test" + pod)
        program.start().says("pods: the first list is complete")
        check_equal(short(port, "web.shop.svc.other.test.shop.svc.cluster.local"),
                    ["10.96.0.1", "web.shop.svc.other.test."], "the name alone, in another block")
        check_equal(short(port, "web.shop.shop.svc.cluster.local"), ["10.96.0.1", "web.shop.svc.cluster.local."],
                    "the second name")
        check_equal(short(port, "web.shop.svc.cluster.local"), ["10.96.0.1"], "the first one")
        check_equal("NXDOMAIN" in dig(port, "no.shop.svc.cluster.local"), True, "none")
        check_equal(short(port, "far.shop.svc.cluster.local"), ["10.96.0.1", "web.shop.svc.other.test."],
                    "an alias into another block")


def names_outside():
    """k8s_external: addresses, a load balancer's name that is followed, PTR; a zone of kubernetes below it."""
    port = free_port()
    text = (".:%d {\nbind 127.0.0.1\nk8s_external example.org 192.0.2.0/24\n"
            "kubernetes cluster.example.org {\nmanifests DIR/services.yaml\n}\ntransfer {\nto *\n}\n}\n" % port)
    service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: shop}\nspec: {clusterIP: %s%s}\n%s\n"
    objects = (service % ("web", "10.96.0.1", ", externalIPs: [192.0.2.1, '2001:db8::1']", "") +
               service % ("lb", "10.96.0.2", "", "status: {loadBalancer: {ingress: [{hostname: web.shop.example.org}]}}"))
    with Program(text) as program:
        program.file("services.yaml", objects)
        program.start().says("services: the first list is complete")
        check_equal(short(port, "web.shop.example.org"), ["192.0.2.1"], "A")
        check_equal(short(port, "web.shop.example.org", "AAAA"), ["2001:db8::1"], "AAAA")
        check_equal(short(port, "lb.shop.example.org"), ["192.0.2.1", "web.shop.example.org."], "followed")
        check_equal(short(port, "-x", "192.0.2.1"), ["web.shop.example.org."], "PTR")
        check_equal(short(port, "web.shop.svc.cluster.example.org"), ["10.96.0.1"], "the longer zone")
        check_equal(short(port, "ns1.dns.example.org") != [], True, "the name server")
        check_equal("Transfer failed" in dig(port, "example.org", "AXFR"), True, "AXFR")
        check_equal("SOA" in dig(port, "cluster.example.org", "AXFR"), True, "AXFR of the other zone")


def hosts_file_is_followed():
    """The lines of k3s, and a file that comes, changes, breaks and goes."""
    port = free_port()
    text = (".:%d {\nbind 127.0.0.1\nhosts DIR/NodeHosts {\nttl 60\nreload 50ms\n192.0.2.9 inline.test\n"
            "fallthrough\n}\nkubernetes cluster.local 192.0.2.0/24 {\nmanifests DIR/services.yaml\n}\n}\n" % port)
    with Program(text) as program:
        program.file("services.yaml", SERVICE % ("web", "192.0.2.77"))
        program.start().says("services: the first list is complete")
        program.says("cannot read '%s/NodeHosts'" % program.dir)
        check_equal(short(port, "inline.test"), ["192.0.2.9"], "the Corefile's line")
        check_equal(short(port, "web.shop.svc.cluster.local"), ["192.0.2.77"], "the next plugin's name")
        path = program.file("NodeHosts", "192.0.2.1 node1 Node1.test\n2001:db8::1 node1\n")
        wait_for("the file", lambda: short(port, "node1") == ["192.0.2.1"])
        check_equal(short(port, "node1", "AAAA"), ["2001:db8::1"], "AAAA")
        check_equal(short(port, "-x", "192.0.2.1"), ["node1.", "node1.test."], "PTR")
        check_equal(short(port, "-x", "192.0.2.77"), ["web.shop.svc.cluster.local."], "the next plugin's PTR")
        answer = dig(port, "NODE1", "MX")
        check("status: NOERROR" in answer and "flags: qr aa" in answer and "ANSWER: 0, AUTHORITY: 0" in answer,
              "no NODATA: " + answer)
        check("NODE1.\t\t\t60\tIN\tA\t192.0.2.1" in dig(port, "NODE1"), "the owner's letters and the TTL")
        program.file("NodeHosts", "192.0.2.2 node1\nnode2 192.0.2.3\n")
        wait_for("the change", lambda: short(port, "node1") == ["192.0.2.2"])
        program.says("%s:2: 'node2' is no address" % path)
        os.unlink(path)
        program.says("what was last read of it is served on")
        check_equal(short(port, "node1"), ["192.0.2.2"], "what was last read")


def scrape(port):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=DEADLINE_S) as reply:
        check_equal(reply.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "the content type")
        return exposition.parse(reply.read().decode())


def metrics_add_up():
    """Questions are asked from several threads while somebody scrapes; then everything is there once."""
    port, web, each, askers = free_port(), free_port(), 50, 4
    text = ("example.org:%d cluster.local:%d {\nbind 127.0.0.1\nerrors\nprometheus 127.0.0.1:%d\n"
            "kubernetes cluster.local {\nmanifests DIR/services.yaml\n}\n}\n"
            "example.com:%d {\nbind 127.0.0.1\nprometheus 127.0.0.1:%d\n}\nexample.edu:%d {\nbind 127.0.0.1\n}\n"
            % (port, port, web, port, web, port))
    header = b"\x12\x34\x01\x00\x00\x01" + bytes(6)

    def packet(name, type_, class_=1, opt=b""):
        wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        return (header[:11] + bytes([bool(opt)]) + wire + type_.to_bytes(2, "big") + class_.to_bytes(2, "big") + opt)

    do = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"
    questions = [packet("web.shop.svc.cluster.local", 1), packet("web.shop.svc.cluster.local", 28, opt=do),
                 packet("no.shop.svc.cluster.local", 1), packet("a.example.org", 33), packet("example.com", 65280),
                 packet("example.edu", 1), packet("example.net", 1), packet("cluster.local", 16, class_=3)]
    replied = [0] * askers

    def ask(number):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect(("127.0.0.1", port))
            for question in questions * each:
                sock.send(question)
                replied[number] += len(sock.recv(65535))

    with Program(text) as program:
        program.file("services.yaml", SERVICE % ("web", "10.96.0.1"))
        program.start().says("endpointslices: the first list is complete")
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(askers)]
        for thread in threads:
            thread.start()
        seen = []
        while any(thread.is_alive() for thread in threads):
            seen.append(exposition.total(scrape(web), "coredns_dns_requests_total"))
        check_equal(seen, sorted(seen), "what was seen while it rose")
        for thread in threads:
            thread.join()
        dig(port, "+tcp", "web.shop.svc.cluster.local")
        samples, n = scrape(web), each * askers

        def got(metric, /, **labels):
            return exposition.total(samples, metric, **labels)

        counted = 7 * n + 1  # example.edu has no prometheus
        check_equal(got("coredns_dns_requests_total"), counted, "questions")
        check_equal(got("coredns_dns_requests_total", zone="cluster.local.", type="AAAA", family="1"), n, "AAAA")
        check_equal(got("coredns_dns_requests_total", zone="example.com.", type="other"), n, "other types")
        check_equal(got("coredns_dns_requests_total", zone="dropped"), 2 * n, "refused questions")
        check_equal(got("coredns_dns_requests_total", proto="tcp", server="dns://127.0.0.1:%d" % port), 1, "over TCP")
        check_equal(got("coredns_dns_responses_total", rcode="NXDOMAIN", plugin="kubernetes"), n, "NXDOMAIN")
        check_equal(got("coredns_dns_responses_total", rcode="NOERROR", plugin="kubernetes"), 2 * n + 1, "NOERROR")
        check_equal(got("coredns_dns_responses_total", rcode="SERVFAIL", plugin=""), 2 * n, "SERVFAIL")
        check_equal(got("coredns_dns_responses_total", rcode="REFUSED", plugin=""), 2 * n, "REFUSED")
        check_equal(got("coredns_dns_do_requests_total"), n, "DO")
        check_equal(got("coredns_dns_request_duration_seconds_count"), counted, "durations")
        check_equal(got("coredns_dns_request_size_bytes_count"), counted, "sizes of questions")
        check_equal(got("coredns_dns_request_size_bytes_sum", proto="udp"),
                    n * sum(len(q) for q in questions if b"\3edu" not in q), "bytes of questions")
        edu = n * len(questions[5])  # its reply is the question with an rcode
        check_equal(got("coredns_dns_response_size_bytes_sum", proto="udp"), sum(replied) - edu, "bytes of replies")
        check_equal(got("coredns_plugin_enabled", name="kubernetes"), 2, "zones with kubernetes")
        check_equal(got("coredns_plugin_enabled", zone="example.edu."), 0, "a block without prometheus")
        check_equal(got("coredns_build_info"), 1, "build info")
        check_equal(got("binnacle_kubernetes_synced", zones="cluster.local."), 3, "kinds that are synced")
        check_equal(got("binnacle_kubernetes_objects", kind="services"), 1, "Services")
        check(got("process_resident_memory_bytes") > 1e6, "no memory in use")


def manifests_are_followed():
    port = free_port()
    name = "new.shop.svc.cluster.local"
    with manifests_program(port, SERVICE % ("web", "10.96.0.1")) as program:
        program.start().says("services: the first list is complete")
        check("NXDOMAIN" in dig(port, name), "a Service that is not there has an answer")
        program.file("m/b.yaml", SERVICE % ("new", "10.96.0.2"))
        wait_for("the new Service", lambda: short(port, name) == ["10.96.0.2"])
        path = program.file("m/b.yaml", "a: b\n\tc: d\n")
        program.says(path + ":2")
        check_equal(short(port, name), ["10.96.0.2"], "the answer while a file is broken")
        check_equal(short(port, "web.shop.svc.cluster.local"), ["10.96.0.1"], "the other answer")
        program.file("m/b.yaml", SERVICE % ("new", "10.96.0.3"))
        wait_for("the mended Service", lambda: short(port, name) == ["10.96.0.3"])
        os.unlink(path)
        wait_for("its end", lambda: "NXDOMAIN" in dig(port, name))


def main():
    global binary
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    binary = os.path.abspath(args.binary)
    cases = Cases(args.words)
    for case in (version, plugins, bad_flag, corefile_on_stdin, port_flag_and_quiet, no_corefile, unknown_directive,
                 directive_not_there_yet, port_in_use, no_permission, address_of_another_host, api_server_refuses,
                 wrong_ca, kubeconfig_without_that_context, outside_of_a_cluster, both_families_and_both_transports,
                 rcodes_in_and_out_of_blocks, large_answers, largest_reply_over_udp, who_may_ask,
                 ttls_are_capped, order_of_addresses, search_lists_and_other_blocks, names_outside, hosts_file_is_followed,
                 metrics_add_up, manifests_are_followed):
        cases.run(case.__name__.replace("_", " "), case)
    cases.finish()


binary = None
if __name__ == "__main__":
    main()
