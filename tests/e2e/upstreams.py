#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scripted upstreams: name servers that behave as badly as a test wants.

    with Upstreams(2) as ups:                      # UDP and TCP on 127.0.0.2 and 127.0.0.3, free ports
        ups[0].behave("silent")
        ups[1].behave("good", ttl=1, address="192.0.2.7")
        corefile = "forward . %s %s" % (ups[0].address, ups[1].address)
        ups[1].questions()                         # {name: how often asked}
        ups[1].log()                               # [Seen(name, type, ident, port, tcp, at, host)]

All of them are one process of their own (this file, run), one thread, so that their work is
not in the way of whoever measures; it ends with its parent. behaviours.py has the behaviours,
and there is one more: `deaf` does not even read, which costs nothing in a flood."""

import collections
import heapq
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
import behaviours  # noqa: E402
from process import die_with_parent  # noqa: E402

FIRST_HOST = 2       # 127.0.0.2 on
STRANGER = "127.0.0.250"
LOG_MAX = 200000     # questions that are kept
RECEIVE_BYTES = 4 << 20
Seen = collections.namedtuple("Seen", "name type ident port tcp at host")


# -- the process that serves ------------------------------------------------------------

class Connection:
    """A TCP connection: bytes of questions that are not whole yet."""

    def __init__(self, upstream, sock):
        self.upstream, self.socket, self.buffer = upstream, sock, b""

    def readable(self):
        try:
            part = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self.upstream.service.close(self.socket)
            return
        self.buffer += part
        while len(self.buffer) >= 2:
            length = struct.unpack_from(">H", self.buffer)[0]
            if len(self.buffer) < 2 + length:
                break
            wire, self.buffer = self.buffer[2:2 + length], self.buffer[2 + length:]
            self.upstream.question(wire, True, self.socket.getpeername(), self.send)

    def send(self, reply):
        try:
            self.socket.sendall(struct.pack(">H", len(reply)) + reply)
        except OSError:
            pass  # who asked has gone


def bound_pair(host):
    """A TCP and a UDP socket at one free port."""
    while True:
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.bind((host, 0))
        try:
            udp.bind(tcp.getsockname())
            return tcp, udp
        except OSError:
            tcp.close()
            udp.close()


class Upstream:
    def __init__(self, service, host):
        self.service = service
        self.behaviour, self.options, self.reading = behaviours.good, {}, True
        self.rng = behaviours.chance()
        self.forget()
        self.tcp, self.udp = bound_pair(host)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.tcp.listen(256)
        for sock, function in ((self.udp, self.readable), (self.tcp, self.acceptable)):
            sock.setblocking(False)
            service.selector.register(sock, selectors.EVENT_READ, function)

    def forget(self):
        self.log = []
        self.connections = 0

    def behave(self, name, options):
        """What is in the socket's buffer when it stops being deaf is thrown away."""
        if not self.reading:
            self.drain()
            self.service.selector.register(self.udp, selectors.EVENT_READ, self.readable)
        self.reading = name != "deaf"
        if not self.reading:
            self.service.selector.unregister(self.udp)
        self.behaviour, self.options = behaviours.TABLE.get(name, behaviours.silent), options

    def drain(self):
        while True:
            try:
                self.udp.recv(1)
            except BlockingIOError:
                return

    def readable(self):
        for _ in range(64):
            try:
                wire, source = self.udp.recvfrom(4096)
            except BlockingIOError:
                return
            self.question(wire, False, source, lambda reply, source=source: self.udp.sendto(reply, source))

    def acceptable(self):
        try:
            sock, _ = self.tcp.accept()
        except OSError:
            return
        sock.setblocking(False)
        self.connections += 1
        connection = Connection(self, sock)
        self.service.selector.register(sock, selectors.EVENT_READ, connection.readable)

    def question(self, wire, tcp, source, send):
        try:
            query = behaviours.Query(wire, tcp, source)
        except (IndexError, struct.error):
            return
        if len(self.log) < LOG_MAX:
            self.log.append((query.name, query.type, query.ident, source[1], tcp, time.time(), source[0]))
        for delay_s, reply, *elsewhere in self.behaviour(query, self.options, self.rng):
            way = self.service.from_elsewhere(source) if elsewhere else send
            if delay_s:
                self.service.later(delay_s, way, reply)
            else:
                way(reply)


class Service:
    """The loop: sockets, replies that wait, and one JSON command a line."""

    def __init__(self):
        self.selector = selectors.EpollSelector()
        self.upstreams, self.waiting, self.count = [], [], 0
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self.command)
        self.input = b""
        self.stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.stranger.bind((STRANGER, 0))

    def later(self, delay_s, send, reply):
        self.count += 1
        heapq.heappush(self.waiting, (time.monotonic() + delay_s, self.count, send, reply))

    def from_elsewhere(self, to):
        return lambda reply: self.stranger.sendto(reply, to)

    def close(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def command(self):
        part = os.read(sys.stdin.fileno(), 65536)
        if not part:
            sys.exit(0)
        self.input += part
        while b"\n" in self.input:
            line, self.input = self.input.split(b"\n", 1)
            verb, *words = json.loads(line)
            print(json.dumps(getattr(self, "do_" + verb)(*words)), flush=True)

    def do_open(self, host):
        self.upstreams.append(Upstream(self, host))
        return "%s:%d" % self.upstreams[-1].udp.getsockname()

    def do_behave(self, index, name, options):
        self.upstreams[index].behave(name, options)

    def do_log(self, index):
        return self.upstreams[index].log

    def do_connections(self, index):
        return self.upstreams[index].connections

    def do_forget(self, index):
        self.upstreams[index].forget()

    def run(self):
        while True:
            wait_s = max(0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            for key, _ in self.selector.select(wait_s):
                key.data()
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                _, _, send, reply = heapq.heappop(self.waiting)
                try:
                    send(reply)
                except OSError:
                    pass  # nobody listens there any more


# -- what a test holds ---------------------------------------------------------------------

class Handle:
    """One upstream, from the test's side. address: IP:port, as in a Corefile."""

    def __init__(self, owner, index, address):
        self.owner, self.index, self.address = owner, index, address
        self.host, port = address.split(":")
        self.port = int(port)

    def behave(self, name, **options):
        """In force when this returns."""
        if name != "deaf" and name not in behaviours.TABLE:
            raise ValueError("no behaviour " + name)
        self.owner.tell("behave", self.index, name, options)

    def log(self):
        """What was asked since forget(), in order."""
        return [Seen(*row) for row in self.owner.tell("log", self.index)]

    def questions(self, under=""):
        """{name: how often}, of names that end with `under`."""
        return collections.Counter(seen.name for seen in self.log() if seen.name.endswith(under))

    def connections(self):
        return self.owner.tell("connections", self.index)

    def forget(self):
        self.owner.tell("forget", self.index)


class Upstreams:
    def __init__(self, count, first_host=FIRST_HOST):
        self.count, self.first_host = count, first_host

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.all = [Handle(self, i, self.tell("open", "127.0.0.%d" % (self.first_host + i))) for i in range(self.count)]
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def __getitem__(self, index):
        return self.all[index]

    def __iter__(self):
        return iter(self.all)

    def tell(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            raise RuntimeError("the scripted upstreams have ended; their last words are above")
        return json.loads(reply)

    def behave(self, name, **options):
        """All of them."""
        for upstream in self:
            upstream.behave(name, **options)

    def forget(self):
        for upstream in self:
            upstream.forget()

    def questions(self, under=""):
        return sum((upstream.questions(under) for upstream in self), collections.Counter())


if __name__ == "__main__":
    Service().run()
