#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Forwarding over TLS to unbound, with certificates that are right and wrong.

    test_dot.py --binary PATH [WORD...]     only the cases with WORD in their name

Between the two is a wire that remembers every byte, and beside unbound's port whoever would
hear a question in plain text. Everything is on loopback and ends with the test.
"""

import argparse
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_program  # noqa: E402
from test_program import Program, dig, free_port, short, wait_for  # noqa: E402
from cases import Cases, Skipped, check, check_equal  # noqa: E402

UPSTREAM = "127.0.7.1"
NAME = "secret-name.upstream.example"  # looked for in what goes over the wire
UNBOUND = """
server:
    directory: ""
    chroot: ""
    username: ""
    pidfile: ""
    do-daemonize: no
    use-syslog: no
    verbosity: 1
    num-threads: 1
    interface: %(host)s@%(port)d
    tls-port: %(port)d
    tls-service-key: "%(key)s"
    tls-service-pem: "%(pem)s"
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: yes
    module-config: "iterator"
    local-zone: "." static
    local-zone: "upstream.example." redirect
    local-data: "upstream.example. 1 IN A %(answer)s"
remote-control:
    control-enable: no
"""
CA_CONFIG = """
[ca]
default_ca = here
[here]
dir = %(dir)s
database = $dir/index
serial = $dir/serial
new_certs_dir = $dir
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


# -- certificates --------------------------------------------------------------------

def openssl(*words):
    done = subprocess.run(("openssl",) + words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, lambda: "openssl %s: %s" % (" ".join(words), done.stderr))


class Authority:
    """A CA in a folder of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="binnacle-ca-")
        self.pem = self.path("ca.pem")
        self.count = 0
        for name, text in (("index", ""), ("serial", "1000\n"), ("conf", CA_CONFIG % {"dir": self.dir})):
            with open(self.path(name), "w") as f:
                f.write(text)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=CA of a test", "-keyout", self.path("ca.key"), "-out", self.pem)

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, names, end="21000101000000Z"):
        """(certificate, key) for `names`: "DNS:ns.example,IP:127.0.0.1"."""
        self.count += 1
        key, request, pem = (self.path("%d.%s" % (self.count, suffix)) for suffix in ("key", "csr", "pem"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=leaf %d" % self.count, "-addext", "subjectAltName=" + names, "-keyout", key, "-out", request)
        openssl("ca", "-batch", "-notext", "-config", self.path("conf"), "-cert", self.pem, "-keyfile",
                self.path("ca.key"), "-startdate", "20000101000000Z", "-enddate", end, "-in", request, "-out", pem)
        return pem, key

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


# -- servers -----------------------------------------------------------------------

def tool(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Skipped("no %s on this machine" % name)
    return path


class Unbound:
    """DNS over TLS at host:port; every name below upstream.example has one address."""

    def __init__(self, certificate, host=UPSTREAM, port=None, answer="192.0.2.53"):
        self.dir = tempfile.mkdtemp(prefix="binnacle-unbound-")
        self.host, self.port, self.answer = host, port or free_port(), answer
        self.process = None
        self.use(certificate)

    def use(self, certificate):
        """Its certificate from the next start on."""
        with open(os.path.join(self.dir, "conf"), "w") as f:
            f.write(UNBOUND % {"host": self.host, "port": self.port, "pem": certificate[0], "key": certificate[1],
                               "answer": self.answer})

    def said(self):
        with open(os.path.join(self.dir, "log")) as f:
            return f.read()

    def start(self):
        self.process = subprocess.Popen(
            [tool("unbound"), "-d", "-c", os.path.join(self.dir, "conf")], cwd=self.dir, stdin=subprocess.DEVNULL,
            stdout=open(os.path.join(self.dir, "log"), "a"), stderr=subprocess.STDOUT)

        def listens():
            check(self.process.poll() is None, lambda: "unbound ended:\n" + self.said())
            with socket.socket() as probe:
                return probe.connect_ex((self.host, self.port)) == 0
        wait_for("unbound", listens)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Wire:
    """Carries TCP connections on to `to`, and remembers what the client sent. At the same port over UDP, and at
    port 53 if that may be bound, somebody listens who is never to hear anything."""

    def __init__(self, to):
        self.to = to
        self.listener = socket.create_server((UPSTREAM, 0))
        self.port = self.listener.getsockname()[1]
        self.plain = []
        for kind, port in ((socket.SOCK_DGRAM, self.port), (socket.SOCK_DGRAM, 53), (socket.SOCK_STREAM, 53)):
            self.plain_listen(kind, port)
        self.sent = []  # of each connection, what came from the client
        self.heard = []  # in plain text
        self.sockets = []
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def plain_listen(self, kind, port):
        plain = socket.socket(socket.AF_INET, kind)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            plain.bind((UPSTREAM, port))
            if kind == socket.SOCK_STREAM:
                plain.listen()
            self.plain.append(plain)
        except PermissionError:
            plain.close()

    def accept(self, pairs):
        client, _ = self.listener.accept()
        server = socket.socket()
        self.sockets += [client, server]
        if server.connect_ex(self.to):
            client.close()
            return
        pairs[client] = (server, len(self.sent))
        pairs[server] = (client, None)
        self.sent.append(b"")

    def pass_on(self, pairs, ready):
        other, number = pairs[ready]
        try:
            data = ready.recv(65536)
            if number is not None:
                self.sent[number] += data
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for gone in (ready, other):
                pairs.pop(gone, None)
                gone.close()

    def carry(self):
        pairs = {}
        while not self.end.is_set():
            for ready in select.select([self.listener] + self.plain + list(pairs), [], [], 0.05)[0]:
                if ready is self.listener:
                    self.accept(pairs)
                elif ready in self.plain:
                    self.heard.append(ready.getsockname())
                    if ready.type == socket.SOCK_STREAM:
                        ready.accept()[0].close()
                    else:
                        ready.recv(65536)
                elif ready in pairs:
                    self.pass_on(pairs, ready)

    def check_secret(self, connections):
        """That many connections or more, all of them TLS, and nothing in plain text anywhere."""
        check(len(self.sent) >= connections, "there were only %d connections" % len(self.sent))
        check_equal(self.heard, [], "what was asked in plain text")
        for sent in self.sent:
            check_equal(sent[:2], b"\x16\x03", "the first bytes of a connection")
            check(b"secret-name" not in sent, "a question in plain text: %r" % sent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
        for opened in [self.listener] + self.plain + self.sockets:
            opened.close()


def forwarding(port, to, *options):
    """Binnacle on 127.0.0.1, which asks `to` for everything."""
    lines = "".join("        %s\n" % option for option in options)
    return Program(".:%d {\n    bind 127.0.0.1\n    errors\n    forward . %s {\n%s    }\n}\n"
                   % (port, to, lines)).start()


def status(port, name, *words):
    out = dig(port, name, "A", *words)
    return out.split("status: ")[1].split(",")[0] if "status: " in out else out


def answers(port, expected, name=NAME):
    wait_for("an answer", lambda: "status" in dig(port, name, "A"))
    check_equal(short(port, name, "A"), [expected], "the answer for " + name)


# -- cases --------------------------------------------------------------------------

def right_name():
    port = free_port()
    with Authority() as ca, Unbound(ca.issue("DNS:ns.example")) as unbound, \
            Wire((unbound.host, unbound.port)) as wire, \
            forwarding(port, "tls://%s:%d" % (UPSTREAM, wire.port), "tls " + ca.pem, "tls_servername ns.example"):
        answers(port, unbound.answer)
        for i in range(50):
            check_equal(short(port, "n%d.%s" % (i, NAME), "A"), [unbound.answer], "an answer")
        check_equal(short(port, "+tcp", "tcp." + NAME, "A"), [unbound.answer], "an answer over TCP")
        check_equal(status(port, "nowhere.example"), "NXDOMAIN", "a name that does not exist")
        wire.check_secret(1)
        check(len(wire.sent) < 10, "%d connections for 50 questions" % len(wire.sent))


def right_address():
    """No name is given: the certificate must be for the address."""
    port = free_port()
    with Authority() as ca, Unbound(ca.issue("IP:%s" % UPSTREAM)) as unbound, \
            forwarding(port, "tls://%s:%d" % (UPSTREAM, unbound.port), "tls " + ca.pem):
        answers(port, unbound.answer)


def refused(certificate, ca, why, *options):
    port = free_port()
    with Unbound(certificate) as unbound, Wire((unbound.host, unbound.port)) as wire, \
            forwarding(port, "tls://%s:%d" % (UPSTREAM, wire.port), "tls " + ca.pem, *options) as program:
        wait_for("a reply", lambda: "status" in dig(port, NAME, "A"))
        for words in ((), ("+tcp",), ("+dnssec",)):
            check_equal(status(port, NAME, *words), "SERVFAIL", "the status")
        program.says("certificate verify failed: " + why)
        check("tls://%s:%d" % (UPSTREAM, wire.port) in program.log(), program.log())
        wire.check_secret(1)


def expired():
    with Authority() as ca:
        refused(ca.issue("DNS:ns.example", "20200101000000Z"), ca, "certificate has expired",
                "tls_servername ns.example")


def wrong_name():
    with Authority() as ca:
        refused(ca.issue("DNS:ns.example"), ca, "hostname mismatch", "tls_servername other.example")


def wrong_address():
    with Authority() as ca:
        refused(ca.issue("DNS:ns.example"), ca, "IP address mismatch")


def wrong_authority():
    with Authority() as ca, Authority() as other:
        refused(other.issue("DNS:ns.example"), ca, "", "tls_servername ns.example")


def nobody_who_speaks_tls():
    """What answers is a server of DNS in plain text."""
    port = free_port()
    with socket.create_server((UPSTREAM, 0)) as listener, Authority() as ca:
        first = []

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    first.append(client.recv(65536))
                    client.sendall(b"\0\x0c\0\0\x80\0\0\0\0\0\0\0\0\0")
        threading.Thread(target=serve, daemon=True).start()
        with forwarding(port, "tls://%s:%d" % listener.getsockname(), "tls " + ca.pem,
                        "tls_servername ns.example") as program:
            wait_for("a reply", lambda: "status" in dig(port, NAME, "A"))
            check_equal(status(port, NAME), "SERVFAIL", "the status")
            program.says("the server does not speak TLS")
        check(first, "nobody came")
        for data in first:
            check_equal(data[:2], b"\x16\x03", "the first bytes")
            check(b"secret-name" not in data, "a question in plain text: %r" % data)
        listener.shutdown(socket.SHUT_RDWR)


def names_of_their_own():
    port = free_port()
    with Authority() as ca, Unbound(ca.issue("DNS:one.example"), answer="192.0.2.1") as one, \
            Unbound(ca.issue("DNS:two.example"), answer="192.0.2.2") as two:
        to = "tls://%s%%%s:%d"
        right = "%s %s" % (to % (UPSTREAM, "one.example", one.port), to % (UPSTREAM, "two.example", two.port))
        wrong = "%s %s" % (to % (UPSTREAM, "two.example", one.port), to % (UPSTREAM, "one.example", two.port))
        with forwarding(port, right, "tls " + ca.pem, "policy round_robin"):
            answers_seen = set()
            wait_for("a reply", lambda: "status" in dig(port, NAME, "A"))
            for i in range(20):
                answers_seen.update(short(port, "n%d.%s" % (i, NAME), "A"))
            check_equal(answers_seen, {"192.0.2.1", "192.0.2.2"}, "what both answered")
        port = free_port()
        with forwarding(port, wrong, "tls " + ca.pem) as program:
            wait_for("a reply", lambda: "status" in dig(port, NAME, "A"))
            check_equal(status(port, NAME), "SERVFAIL", "the status with the names exchanged")
            program.says("hostname mismatch")


def a_new_certificate_and_a_restart():
    """Refused while it is expired, and no restart of Binnacle when it is not any more; nor when unbound has closed
    the connections that were kept."""
    port = free_port()
    with Authority() as ca, Unbound(ca.issue("DNS:ns.example", "20200101000000Z")) as unbound, \
            forwarding(port, "tls://%s:%d" % (UPSTREAM, unbound.port), "tls " + ca.pem,
                       "tls_servername ns.example") as program:
        wait_for("a reply", lambda: "status" in dig(port, NAME, "A"))
        check_equal(status(port, NAME), "SERVFAIL", "the status")
        program.says("certificate has expired")
        unbound.stop()
        unbound.use(ca.issue("DNS:ns.example"))
        unbound.start()
        wait_for("an answer", lambda: short(port, NAME, "A") == [unbound.answer])
        for i in range(3):
            unbound.stop()
            unbound.start()
            start = time.monotonic()
            check_equal(short(port, "after%d.%s" % (i, NAME), "A"), [unbound.answer], "the answer after a restart")
            check(time.monotonic() - start < 2, "the answer took %.1f s" % (time.monotonic() - start))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    test_program.binary = os.path.abspath(args.binary)
    cases = Cases(args.words)
    for case in (right_name, right_address, expired, wrong_name, wrong_address, wrong_authority, nobody_who_speaks_tls,
                 names_of_their_own, a_new_certificate_and_a_restart):
        cases.run(case.__name__.replace("_", " "), case)
    cases.finish()


if __name__ == "__main__":
    main()
