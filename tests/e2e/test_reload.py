#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reloads of the configuration: under load, good and bad ones by turns, and one thing at a time.

    test_reload.py --binary PATH [--reloads N] [WORD...]     only the cases with WORD in their name

The API server is the fake one of tests/api/fake, which counts what it is asked. Everything runs
on loopback and ends with the test.
"""

import argparse
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "api", "fake"))
from server import NAMESPACES, SERVICES, SLICES, FakeServer, endpoint_slice, namespace, service  # noqa: E402
import exposition  # noqa: E402
import test_program  # noqa: E402
from test_program import Program, free_port, wait_for  # noqa: E402
from cases import Cases, check, check_equal  # noqa: E402

COMPLETE, FAILED = "[INFO] Reloading complete", "[ERROR] Restart failed: "
QUERIES_PER_SECOND = 5000
RSS_SLACK_KB = 2048
OUTSIDE = 10  # names that are forwarded


# ---- the world ----

@contextlib.contextmanager
def api_server():
    server = FakeServer()
    server.put(NAMESPACES, namespace("shop"))
    for i in range(50):
        server.put(SERVICES, service("shop", "web%d" % i, "10.96.1.%d" % i))
        server.put(SLICES, endpoint_slice("shop", "web%d-1" % i, "web%d" % i, ["10.1.0.%d" % i]))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def stopping(thread):
    try:
        yield thread
    finally:
        thread.stop()


class World:
    """Ports, and the Corefile that is made of them."""

    def __init__(self, server, upstream=None):
        self.server, self.upstream = server, upstream
        self.dns, self.other, self.ready, self.health, self.metrics = (free_port() for _ in range(5))

    def corefile(self, in_first="", in_second="", more="", kubernetes="ttl 5", ready=None, health=None, metrics=None):
        if self.upstream:
            in_first += "\nforward . 127.0.0.1:%d\ncache 300\nloop" % self.upstream.port
        return (".:%d {\nerrors\nready 127.0.0.1:%d\nhealth 127.0.0.1:%d\nprometheus 127.0.0.1:%d\n"
                "kubernetes cluster.local in-addr.arpa {\nendpoint %s\n%s\n}\n%s\n}\n"
                "example.org:%d {\nhosts {\n10.9.9.9 www.example.org\n}\n%s\n}\n%s\n" % (
                    self.dns, ready or self.ready, health or self.health, metrics or self.metrics, self.server.url,
                    kubernetes, in_first, self.dns, in_second, more))

    def program(self, text=None):
        return Checked(text or self.corefile())


class Checked(Program):
    """Ends well, too: with nothing lost, raced for or freed twice, where a sanitizer looks."""

    def __exit__(self, kind, *rest):
        try:
            if kind is None and self.process.poll() is None:
                self.process.terminate()
                self.process.wait(test_program.DEADLINE_S)
                check("Sanitizer" not in self.log(), self.log())
                self.ends(0)
        finally:
            super().__exit__(kind, *rest)


def ask(port, name="web1.shop.svc.cluster.local.", kind="A", tcp=False, address="127.0.0.1", timeout=5):
    query = dns.message.make_query(name, kind)
    reply = (dns.query.tcp if tcp else dns.query.udp)(query, address, port=port, timeout=timeout)
    return reply.rcode(), sorted(rdata.to_text() for rrset in reply.answer for rdata in rrset)


def answers(port, name="web1.shop.svc.cluster.local.", address="127.0.0.1", timeout=5):
    try:
        return ask(port, name, address=address, timeout=timeout)[0] == dns.rcode.NOERROR
    except (OSError, dns.exception.Timeout):
        return False


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def open_port(port):
    with socket.socket() as tcp:
        return tcp.connect_ex(("127.0.0.1", port)) == 0


def metric(world, name, port=None):
    values = exposition.parse(get(port or world.metrics, "/metrics")[1])
    return sum(value for (at, _), value in values.items() if at == name)


def started(world, text=None):
    program = world.program(text).start()
    program.says("endpointslices: the first list is complete")
    wait_for("readiness", lambda: get(world.ready, "/ready")[0] == 200)
    return program


def outcome(program, before):
    """How many reloads were done and failed since the log was so long."""
    log = program.log()[before:]
    return log.count(COMPLETE), log.count(FAILED)


def reload(program, text, number=signal.SIGUSR1, good=True):
    program.file("Corefile", text)
    before = len(program.log())
    os.kill(program.process.pid, number)
    wait_for("the end of the reload", lambda: sum(outcome(program, before)) > 0 or program.process.poll() is not None)
    check_equal(outcome(program, before), (1, 0) if good else (0, 1), "reloads done and failed: %s" % program.log()[before:])
    return program.log()[before:]


# ---- under load ----

class Load:
    """dnsperf over UDP and TCP, until told to end."""

    def __init__(self, port, folder):
        names = ["web%d.shop.svc.cluster.local A" % i for i in range(50)] + ["www.example.org A"] * 5
        names += ["www%d.example.com A" % i for i in range(OUTSIDE)]
        path = os.path.join(folder, "questions")
        with open(path, "w") as f:
            f.write("\n".join(names) + "\n")
        common = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", path, "-l", "3600", "-t", "5"]
        self.runs = [
            subprocess.Popen(common + ["-m", mode, "-Q", str(rate), "-c", str(clients), "-q", "2000"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for mode, rate, clients in (("udp", QUERIES_PER_SECOND, 8), ("tcp", QUERIES_PER_SECOND // 10, 4))]

    def end(self):
        """(sent, answered with NOERROR) of each; what is under way at the end does not count."""
        counts = []
        for run in self.runs:
            run.send_signal(signal.SIGINT)
        for run in self.runs:
            text = run.communicate(timeout=30)[0]
            sent = re.search(r"Queries sent:\s+(\d+)", text)
            cut = re.search(r"Queries interrupted:\s+(\d+)", text)
            good = re.search(r"NOERROR (\d+)", text)
            check(sent and good and "Queries lost:         0 " in text, text)
            counts.append((int(sent.group(1)) - int(cut.group(1) if cut else 0), int(good.group(1)), text))
        return counts

    def kill(self):
        for run in self.runs:
            if run.poll() is None:
                run.kill()
                run.wait()


class Watcher(threading.Thread):
    """Looks again and again, and keeps what was wrong."""

    def __init__(self, every_s, look):
        super().__init__(daemon=True)
        self.every_s, self.look = every_s, look
        self.looks, self.wrong, self.over = 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(self.every_s):
            self.looks += 1
            try:
                wrong = self.look()
            except Exception as error:  # whatever it is, it is wrong
                wrong = repr(error)
            if wrong:
                self.wrong.append(wrong)

    def end(self):
        self.over.set()
        self.join(20)
        return self.wrong[:5]


class Counters:
    """Says which counters have gone back."""

    def __init__(self, port):
        self.port, self.last = port, {}

    def __call__(self):
        now = exposition.parse(get(self.port, "/metrics")[1])
        back = [(key, self.last[key], value) for key, value in now.items()
                if key[0].endswith(("_total", "_count", "_sum", "_bucket")) and value < self.last.get(key, 0)]
        gone = [key for key in self.last if key[0] == "coredns_dns_requests_total" and key not in now]
        self.last = now
        return (back + gone) or None


def resident_kb(program):
    with open("/proc/%d/status" % program.process.pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def turns(world, taken_port):
    """What the Corefile says next, and whether it can be used."""
    good = [
        world.corefile(in_first="loadbalance"),
        world.corefile(in_first="loadbalance", in_second="log"),
        world.corefile(more=".:%d {\nbind 127.0.0.1\nhosts {\n10.8.8.8 a.example\n}\n}\n" % world.other),
        world.corefile(in_first="bufsize 1200", in_second="loadbalance"),
        world.corefile(more="example.net:%d {\nhosts {\n10.8.8.8 a.example.net\n}\n}\n" % world.dns),
    ]
    bad = [
        world.corefile() + "oops {",
        world.corefile(in_first="kubernets"),
        world.corefile(in_first="bufsize many"),
        world.corefile(ready=taken_port),
        world.corefile(more="example.org:%d {\nerrors\n}\n" % world.dns),
        world.corefile(more=".:%d {\nbind 192.0.2.1\nerrors\n}\n" % world.other),
    ]
    number = 0
    while True:
        yield good[number % len(good)], True
        yield bad[number % len(bad)], False
        number += 1


def reloads_under_load():
    with api_server() as server, stopping(Upstream()) as upstream, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world = World(server, upstream)
        with started(world) as program:
            load = Load(world.dns, program.dir)
            watchers = [Watcher(0.02, lambda: get(world.ready, "/ready") != (200, "OK") and "not ready"),
                        Watcher(0.1, lambda: get(world.health, "/health") != (200, "OK") and "not healthy"),
                        Watcher(0.2, Counters(world.metrics))]
            try:
                asked = (server.count("list"), server.count("watch"))
                turn = turns(world, taken.getsockname()[1])
                resident, failures = [], 0
                for _ in range(arguments.reloads):
                    text, good = next(turn)
                    reload(program, text, good=good)
                    failures += not good
                    resident.append(resident_kb(program))
                    time.sleep(0.1)
                check_equal((server.count("list"), server.count("watch")), asked, "lists and watches")
                wrong = [watcher.end() for watcher in watchers]
                for sent, good, text in load.end():
                    check_equal(good, sent, "questions answered\n" + text)
                check(sent > 20 * arguments.reloads, "too few questions: %d" % sent)
                check_equal(wrong, [[], [], []], "readiness, health, counters")
                asked = [upstream.asked.get("www%d.example.com." % i, 0) for i in range(OUTSIDE)]
                # Once, and again where the upstream was slow.
                check(all(0 < n < 4 for n in asked), "each name was asked upstream so often: %s" % asked)
                check(watchers[0].looks > arguments.reloads, "too few looks at /ready")
                check_equal(metric(world, "coredns_reload_failed_total"), failures, "failures counted")
                if not arguments.sanitized:
                    settled = resident[len(resident) // 3]
                    check(resident[-1] - settled < RSS_SLACK_KB, "memory grows: %s" % resident)
                check_equal(len(os.listdir("/proc/%d/task" % program.process.pid)) < 64, True, "threads")
            finally:
                load.kill()
                for watcher in watchers:
                    watcher.end()


# ---- one thing at a time ----

def files_are_looked_at():
    """`reload`: a changed Corefile, and one that it imports, without any signal."""
    with api_server() as server:
        world = World(server)
        text = world.corefile(in_first="reload 2s 1s", more="import DIR/zones/*.conf")
        with world.program(text) as program:
            os.mkdir(os.path.join(program.dir, "zones"))
            program.start().says("endpointslices: the first list is complete")
            program.says("[INFO] plugin/reload: Running configuration SHA512 = ")
            check_equal(ask(world.dns, "a.example.net.")[0], dns.rcode.SERVFAIL, "before")
            before = len(program.log())
            block = "example.net:%d {\nhosts {\n10.8.8.8 a.example.net\n}\n%%s\n}\n" % world.dns
            program.file("zones/net.conf", block % "")
            wait_for("the imported block", lambda: answers(world.dns, "a.example.net."))
            program.says(COMPLETE)
            log = program.log()[before:]
            for line in ("[INFO] Reloading\n", "[INFO] plugin/reload: Running configuration SHA512 = ", COMPLETE):
                check(line in log, log)
            digest = re.search(r"SHA512 = ([0-9a-f]{128})\n", log).group(1)
            check('coredns_reload_version_info{hash="sha512",value="%s"} 1\n' % digest in get(world.metrics, "/metrics")[1],
                  "the version is not in the metrics")
            # Comments and blanks are not the configuration.
            before = len(program.log())
            program.file("zones/net.conf", "# nothing new\n" + block % "")
            time.sleep(3)
            check_equal(program.log()[before:], "", "the log after a comment")
            # The same mistake is told once, whatever sort it is.
            for text, says in ((block % "nonsense", FAILED), (block % "{", "[WARNING] plugin/reload: Corefile parse failed: ")):
                before, failed = len(program.log()), metric(world, "coredns_reload_failed_total")
                program.file("zones/net.conf", text)
                wait_for(says, lambda: says in program.log()[before:])
                time.sleep(3.5)
                check_equal(program.log()[before:].count(says), 1, says + "\n" + program.log()[before:])
                check_equal(metric(world, "coredns_reload_failed_total"), failed + 1, "failures")
                check(answers(world.dns, "a.example.net."), "the old configuration")
            # Off, by a reload.
            program.file("zones/net.conf", block % "")
            before = len(program.log())
            reload(program, world.corefile(in_first="reload off", more="import %s/zones/*.conf" % program.dir))
            check("SHA512" not in program.log()[before:], program.log()[before:])


def without_the_directive_only_signals():
    with api_server() as server:
        world = World(server)
        with started(world) as program:
            before = len(program.log())
            program.file("Corefile", world.corefile(more="example.net:%d {\nerrors\n}\n" % world.dns))
            time.sleep(1)
            check_equal(program.log()[before:], "", "the log without a signal")
            for number in (signal.SIGHUP, signal.SIGUSR1):
                reload(program, world.corefile(), number)


def kept_and_not_kept():
    with api_server() as server:
        world = World(server)
        with started(world) as program:
            lists = server.count("list", SERVICES)
            reads = program.log().count("is read")
            reload(program, world.corefile(in_first="loadbalance"))
            check_equal((server.count("list", SERVICES), program.log().count("is read")), (lists, reads), "kept")
            reload(program, world.corefile(kubernetes="ttl 9"))
            check_equal(server.count("list", SERVICES), lists + 1, "lists of another kubernetes")
            reply = dns.query.udp(dns.message.make_query("web1.shop.svc.cluster.local.", "A"), "127.0.0.1",
                                  port=world.dns, timeout=5)
            check_equal(reply.answer[0].ttl, 9, "the TTL")
            wait_for("the old watch's end", lambda: metric(world, "binnacle_kubernetes_watches_total") <= 6)
            server.put(SERVICES, service("shop", "late", "10.96.9.9"))
            wait_for("the watch", lambda: answers(world.dns, "late.shop.svc.cluster.local."))


class Upstream(threading.Thread):
    """Answers every A question with one address, some late, and counts names."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.asked, self.late_s = {}, 0
        self.start()

    def answer(self, data, peer):
        query = dns.message.from_wire(data)
        question = query.question[0]
        reply = dns.message.make_response(query)
        if question.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", "A", "10.7.7.7"))
        with contextlib.suppress(OSError):  # it may have ended
            self.socket.sendto(reply.to_wire(), peer)

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            if not data:
                return
            name = dns.message.from_wire(data).question[0].name.to_text().lower()
            self.asked[name] = self.asked.get(name, 0) + 1
            if name.startswith("late"):
                threading.Timer(self.late_s, self.answer, (data, peer)).start()
            else:
                self.answer(data, peer)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self.join(5)
        self.socket.close()


def cache_stays_warm_and_waiting_questions_are_answered():
    with api_server() as server, stopping(Upstream()) as upstream:
        world = World(server)

        def text(more="", cache="cache 300", forward="max_fails 0"):
            return world.corefile(in_first="%s\nforward . 127.0.0.1:%d {\n%s\n}\nloop\n%s" % (
                cache, upstream.port, forward, more))
        with started(world, text()) as program:
            check_equal(ask(world.dns, "www.example.com."), (dns.rcode.NOERROR, ["10.7.7.7"]), "forwarded")
            for more in ("loadbalance", "", "log"):
                reload(program, text(more))
                check_equal(ask(world.dns, "www.example.com."), (dns.rcode.NOERROR, ["10.7.7.7"]), "cached")
            check_equal(upstream.asked["www.example.com."], 1, "questions to the upstream")
            # Other upstreams' options, the same cache.
            reload(program, text(forward="max_fails 1"))
            check_equal(ask(world.dns, "www.example.com.")[0], dns.rcode.NOERROR, "cached")
            check_equal(upstream.asked["www.example.com."], 1, "questions to the upstream")
            # Questions that wait while everything they wait for is exchanged.
            upstream.late_s = 1.0
            for number, other in enumerate((text("loadbalance", forward="max_fails 1"), text(), text(cache="cache 200"), text(cache=""))):
                waiting = []
                for tcp in (False, True):
                    waiting.append(Waiting(world.dns, "late%d-%d.example.com." % (number, tcp), tcp))
                time.sleep(0.3)
                reload(program, other)
                for one in waiting:
                    check_equal(one.end(), (dns.rcode.NOERROR, ["10.7.7.7"]), "one that waited, " + one.name)
            # A listener that goes while a question waits there.
            reload(program, text() + ".:%d {\nforward . 127.0.0.1:%d\n}\n" % (world.other, upstream.port))
            waiting = Waiting(world.other, "late-there.example.com.", False)
            time.sleep(0.3)
            reload(program, text())
            check_equal(waiting.end(), (dns.rcode.NOERROR, ["10.7.7.7"]), "one whose listener is gone")
            wait_for("the end of the port", lambda: not answers(world.other, "www.example.com.", timeout=0.2))


class Waiting(threading.Thread):
    def __init__(self, port, name, tcp):
        super().__init__(daemon=True)
        self.port, self.name_asked, self.tcp, self.result = port, name, tcp, None
        self.start()

    def run(self):
        try:
            self.result = ask(self.port, self.name_asked, tcp=self.tcp, timeout=8)
        except Exception as error:
            self.result = error

    def end(self):
        self.join(10)
        return self.result


def no_gap_while_a_new_watch_lists():
    """Another `kubernetes` takes over when it has its lists, and not before."""
    with api_server() as server:
        world = World(server)
        with started(world) as program:
            go_on = threading.Event()

            def slowly(_request, _conn):
                go_on.wait(20)
                return False
            server.on("list", SERVICES, slowly)
            before = len(program.log())
            program.file("Corefile", world.corefile(kubernetes="ttl 9"))
            program.process.send_signal(signal.SIGHUP)
            wait_for("Reloading", lambda: "[INFO] Reloading\n" in program.log()[before:])
            for _ in range(30):
                check_equal(ask(world.dns)[0], dns.rcode.NOERROR, "while it lists")
                check_equal(get(world.ready, "/ready")[0], 200, "/ready while it lists")
                exposition.parse(get(world.metrics, "/metrics")[1])
                time.sleep(0.05)
            check(COMPLETE not in program.log()[before:], program.log()[before:])
            # What comes meanwhile is remembered.
            program.process.send_signal(signal.SIGHUP)
            go_on.set()
            wait_for("both reloads", lambda: program.log()[before:].count(COMPLETE) == 2)
            check_equal(ask(world.dns)[0], dns.rcode.NOERROR, "afterwards")
            server.off()


def ends_while_it_reloads():
    for number in (signal.SIGTERM, signal.SIGINT):
        with api_server() as server:
            world = World(server)
            with started(world) as program:
                server.on("list", SERVICES, lambda _request, conn: conn.stall(20))
                before = len(program.log())
                program.file("Corefile", world.corefile(kubernetes="ttl 9"))
                program.process.send_signal(signal.SIGHUP)
                wait_for("Reloading", lambda: "[INFO] Reloading\n" in program.log()[before:])
                program.process.send_signal(number)
                program.ends(0)


def listeners_come_and_go():
    with api_server() as server:
        world = World(server)
        more = ".:%d {\nbind %%s\nhosts {\n10.8.8.8 a.example\n}\n}\n" % world.other
        with started(world) as program:
            for _ in range(3):
                check(not answers(world.other, "a.example.", timeout=0.2), "a port that nobody has")
                reload(program, world.corefile(more=more % "127.0.0.1"))
                check(answers(world.other, "a.example."), "one that came")
                check_equal(ask(world.other, "a.example.", tcp=True)[0], dns.rcode.NOERROR, "over TCP")
                with socket.create_connection(("127.0.0.1", world.other), 5) as held:
                    reload(program, world.corefile(more=more % "127.0.0.1 127.0.0.2"))
                    check_equal(dns.query.tcp(dns.message.make_query("a.example.", "A"), "127.0.0.1", timeout=5,
                                              sock=held).rcode(), dns.rcode.NOERROR, "a connection that stays")
                    check(answers(world.other, "a.example.", "127.0.0.2"), "another address")
                    reload(program, world.corefile())
                    held.settimeout(5)
                    check_equal(held.recv(1), b"", "its end")
                check(answers(world.dns), "the one that stays")


def http_addresses_change():
    with api_server() as server:
        world = World(server)
        ready, health, metrics = (free_port() for _ in range(3))
        with started(world) as program:
            before = metric(world, "coredns_dns_requests_total")
            ask(world.dns)
            reload(program, world.corefile(ready=ready, health=health, metrics=metrics))
            check_equal(get(ready, "/ready"), (200, "OK"), "/ready")
            check_equal(get(health, "/health"), (200, "OK"), "/health")
            check(metric(world, "coredns_dns_requests_total", metrics) > before, "the counters")
            check_equal([open_port(port) for port in (world.ready, world.health, world.metrics)], [False] * 3, "the old ones")
            # All on one address, then none at all.
            reload(program, world.corefile(ready=health, health=health, metrics=health))
            check_equal([get(health, path)[0] for path in ("/ready", "/health", "/metrics")], [200] * 3, "one address")
            reload(program, ".:%d {\nhosts {\n10.8.8.8 a.example\n}\n}\n" % world.dns)
            check_equal(open_port(health), False, "the address")
            check(answers(world.dns, "a.example."), "another block")
            time.sleep(1.5)
            check("does not answer this server itself" not in program.log(), program.log())


def refused_with_a_reason():
    with api_server() as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world = World(server)
        with started(world) as program:
            for text, says in (
                    (world.corefile() + "oops {", "Corefile:"),
                    (world.corefile(in_first="kubernets"), "did you mean 'kubernetes'?"),
                    (world.corefile(ready=taken.getsockname()[1]), "the port is in use"),
                    (world.corefile(more=".:%d {\nbind 192.0.2.1\n}\n" % world.other), "no such address"),
                    (world.corefile(kubernetes="kubeconfig /nowhere/config"), "/nowhere/config")):
                log = reload(program, text, good=False)
                check(says in log, log)
                check(answers(world.dns) and get(world.ready, "/ready")[0] == 200, "the old configuration")
            os.unlink(os.path.join(program.dir, "Corefile"))
            before = len(program.log())
            program.process.send_signal(signal.SIGHUP)
            wait_for("the reason", lambda: FAILED in program.log()[before:])
            reload(program, world.corefile(in_first="loadbalance"))
            check_equal(metric(world, "coredns_reload_failed_total"), 6, "failures")
            check(answers(world.dns), "the new configuration")


def standard_input_cannot_be_read_again():
    port = free_port()
    with Program(".:%d {\nhosts {\n10.8.8.8 a.example\n}\nreload 2s\n}\n" % port, stdin=True) as program:
        program.start().says("Binnacle-")
        wait_for("answers", lambda: answers(port, "a.example."))
        program.process.send_signal(signal.SIGHUP)
        program.says("standard input")
        check(answers(port, "a.example."), "answers")


def main():
    global arguments
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--sanitized", action="store_true", help="memory is not what it would be")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    test_program.binary = os.path.abspath(arguments.binary)
    os.environ["TSAN_OPTIONS"] = "%s:suppressions=%s" % (os.environ.get("TSAN_OPTIONS", ""), os.path.join(HERE, "tsan.supp"))
    cases = Cases(arguments.words)
    for case in (reloads_under_load, files_are_looked_at, without_the_directive_only_signals, kept_and_not_kept,
                 cache_stays_warm_and_waiting_questions_are_answered,
                 no_gap_while_a_new_watch_lists, ends_while_it_reloads, listeners_come_and_go, http_addresses_change,
                 refused_with_a_reason, standard_input_cannot_be_read_again):
        cases.run(case.__name__.replace("_", " "), case)
    cases.finish()


if __name__ == "__main__":
    main()
