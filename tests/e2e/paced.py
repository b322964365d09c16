# SPDX-License-Identifier: Apache-2.0
"""Questions at a steady rate whatever becomes of them, and when each was answered.

    results = paced.ask(port, [question, ...], per_second=200, sockets=4, patience_s=6)
    beside = paced.Beside(port, questions, per_second=4000); ...; results = beside.results()

Open loop: a late answer does not hold the next question back. When a reply came is the
kernel's word (SO_TIMESTAMPNS), so that a busy machine does not make answers later than they are."""

import collections
import multiprocessing
import os
import select
import socket
import struct
import time

import behaviours

SO_TIMESTAMPNS = 35
CONTROL_BYTES = 64
RECEIVE_BYTES = 8 << 20
BEHIND_S = 0.05  # a sender later than this was not on the processor: it goes on from there


def question(name, type_=behaviours.A, edns=True):
    """A whole message with ID 0."""
    opt = b"\0" + struct.pack(">HHIH", behaviours.OPT, 1232, 0, 0) if edns else b""
    return (struct.pack(">6H", 0, behaviours.RD, 1, 0, 0, bool(opt)) + behaviours.name_wire(name) +
            struct.pack(">HH", type_, 1) + opt)


class Result:
    """reply: bytes, None if none came. Times are of CLOCK_REALTIME, in seconds."""

    __slots__ = ("question", "sent_at", "came_at", "reply")

    def __init__(self, question_):
        self.question, self.sent_at, self.came_at, self.reply = question_, None, None, None

    def rcode(self):
        return None if self.reply is None else self.reply[3] & 15

    def ms(self):
        return None if self.reply is None else max(0.0, (self.came_at - self.sent_at) * 1000)

    def has(self, address):
        """Whether it is a whole answer with this IPv4 address in it."""
        return self.rcode() == 0 and not self.reply[2] & 2 and socket.inet_aton(address) in self.reply


class Sender:
    def __init__(self, port, questions, per_second, sockets, patience_s, start_at=None, host="127.0.0.1"):
        self.results = [Result(wire) for wire in questions]
        self.per_second, self.patience_s, self.start_at = per_second, patience_s, start_at
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(sockets)]
        self.waiting = [{} for _ in self.sockets]  # of each socket, by ID
        self.poll = select.epoll()
        self.by_fd = {}
        self.left = 0
        for number, sock in enumerate(self.sockets):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            sock.connect((host, port))
            sock.setblocking(False)
            self.by_fd[sock.fileno()] = number
            self.poll.register(sock, select.EPOLLIN)

    def send(self, index):
        result, number = self.results[index], index % len(self.sockets)
        ident = (index // len(self.sockets)) & 0xffff
        if self.waiting[number].get(ident) is None:
            self.left += 1
        self.waiting[number][ident] = result
        result.sent_at = time.time()
        try:
            self.sockets[number].send(ident.to_bytes(2, "big") + result.question[2:])
        except OSError:
            pass  # counted as not answered

    def receive(self, number):
        sock, waiting = self.sockets[number], self.waiting[number]
        for _ in range(64):
            try:
                reply, control, _, _ = sock.recvmsg(65535, CONTROL_BYTES)
            except OSError:
                return
            result = waiting.pop(int.from_bytes(reply[:2], "big"), None) if len(reply) >= 12 else None
            if result is not None:
                seconds, ns = struct.unpack("qq", control[0][2])
                result.came_at, result.reply = seconds + ns / 1e9, reply
                self.left -= 1

    def wait(self, until):
        """Take what comes; back at `until`, of the monotonic clock."""
        while True:
            now = time.monotonic()
            for fd, _ in self.poll.poll(max(0.0, until - now)):
                self.receive(self.by_fd[fd])
            if time.monotonic() >= until:
                return

    def run(self):
        if self.start_at:
            time.sleep(max(0, self.start_at - time.monotonic()))
        due = time.monotonic()
        for index in range(len(self.results)):
            now = time.monotonic()
            if now < due:
                self.wait(due)
            elif now > due + BEHIND_S:
                due = now
            self.send(index)
            due += 1 / self.per_second
        end = time.monotonic() + self.patience_s
        while self.left and time.monotonic() < end:
            self.wait(min(end, time.monotonic() + 0.02))
        self.close()
        return self.results

    def close(self):
        self.poll.close()
        for sock in self.sockets:
            sock.close()


def ask(port, questions, per_second, sockets=4, patience_s=6, **more):
    return Sender(port, questions, per_second, sockets, patience_s, **more).run()


def _child(pipe, args, kwargs):
    rows = [(r.sent_at, r.came_at, r.reply) for r in ask(*args, **kwargs)]
    pipe.send(rows)
    pipe.close()
    os._exit(0)


class Beside:
    """The same in a process of its own."""

    def __init__(self, port, questions, per_second, **kwargs):
        self.questions = questions
        self.pipe, theirs = multiprocessing.Pipe(False)
        self.process = multiprocessing.get_context("fork").Process(
            target=_child, args=(theirs, (port, questions, per_second), kwargs), daemon=True)
        self.process.start()
        theirs.close()

    def results(self):
        out = []
        for wire, (sent_at, came_at, reply) in zip(self.questions, self.pipe.recv()):
            result = Result(wire)
            result.sent_at, result.came_at, result.reply = sent_at, came_at, reply
            out.append(result)
        self.process.join()
        return out


# -- figures ------------------------------------------------------------------------------

def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, max(0, -(-len(values) * p // 100) - 1))] if values else float("nan")


class Summary:
    """Of results: how many replies of each sort, milliseconds. address: what right answers hold."""

    def __init__(self, results, address="192.0.2.1"):
        self.asked = len(results)
        self.counts = collections.Counter(self.sort_of(result, address) for result in results)
        self.right, self.none, self.servfail = (self.counts[sort] for sort in ("right", "unanswered", "SERVFAIL"))
        times = [r.ms() for r in results if r.reply is not None]
        self.p50, self.p99, self.max = (percentile(times, p) for p in (50, 99, 100))

    @staticmethod
    def sort_of(result, address):
        if result.reply is None:
            return "unanswered"
        if result.rcode():
            return behaviours.RCODES.get(result.rcode(), "rcode %d" % result.rcode())
        return "right" if result.has(address) else "TC" if result.reply[2] & 2 else "without the answer"

    def wrong(self):
        return self.asked - self.right

    def sorts(self):
        return ", ".join("%d %s" % (count, sort) for sort, count in self.counts.most_common()) or "nothing asked"

    def __str__(self):
        return "%s; p50 %.1f, p99 %.1f, max %.1f ms" % (self.sorts(), self.p50, self.p99, self.max)
