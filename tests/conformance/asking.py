# SPDX-License-Identifier: Apache-2.0
"""Many questions to one server at once: UDP with a window, TCP pipelined."""

import select
import socket
import struct
import time

WINDOW = 48          # questions in flight
UDP_TIMEOUTS_S = (0.7, 1.5)  # asked twice
TCP_TIMEOUT_S = 2.0
TCP_BATCH = 40       # questions on one connection
PATIENCE = 4         # times the usual timeouts, where something is asked again


def ask_all(port, questions, patience=1):
    """The reply's bytes to each question, None where there was none. patience: how many
    times the usual timeouts."""
    replies = [None] * len(questions)
    udp = [i for i, question in enumerate(questions) if not question.tcp]
    tcp = [i for i, question in enumerate(questions) if question.tcp]
    for timeout_s in UDP_TIMEOUTS_S:
        udp = UdpRound(port, questions, replies, timeout_s * patience).run(udp)
    for start in range(0, len(tcp), TCP_BATCH):
        ask_tcp(port, questions, replies, tcp[start:start + TCP_BATCH], TCP_TIMEOUT_S * patience)
    return replies


def ask_one(port, question):
    """Once more, with patience, where there is no reply."""
    return ask_all(port, [question])[0] or ask_all(port, [question], PATIENCE)[0]


class UdpRound:
    """One pass over some of the questions; IDs are their indices, so late replies
    to an earlier pass fit as well."""

    def __init__(self, port, questions, replies, timeout_s):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.questions, self.replies, self.timeout_s = questions, replies, timeout_s

    def run(self, indices):
        """The indices that got no reply."""
        waiting, lost = {}, []
        queue = iter(indices)
        done = False
        while not done or waiting:
            while not done and len(waiting) < WINDOW:
                index = next(queue, None)
                done = index is None
                if not done:
                    self.send(index)
                    waiting[index] = time.monotonic() + self.timeout_s
            if waiting:
                self.receive(waiting)
                now = time.monotonic()
                for index in [i for i, end in waiting.items() if end < now]:
                    del waiting[index]
                    lost.append(index)
        self.socket.close()
        return lost

    def send(self, index):
        try:
            self.socket.send(self.questions[index].wire(index & 0xffff))
        except (BlockingIOError, ConnectionError):
            pass  # counted as lost

    def receive(self, waiting):
        if not select.select([self.socket], [], [], 0.05)[0]:
            return
        while True:
            try:
                wire = self.socket.recv(65535)
            except (BlockingIOError, ConnectionError):
                return
            index = struct.unpack_from(">H", wire)[0] if len(wire) >= 12 else None
            if waiting.pop(index, None) is not None:
                self.replies[index] = wire


def ask_tcp(port, questions, replies, indices, timeout_s):
    """All on one connection; what a closed connection left over, each on its own."""
    left = tcp_connection(port, questions, replies, indices, timeout_s)
    if len(indices) > 1:
        for index in left:
            tcp_connection(port, questions, replies, [index], timeout_s)


def tcp_connection(port, questions, replies, indices, timeout_s):
    left = set(indices)
    end = time.monotonic() + timeout_s
    buffer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            wires = [questions[i].wire(i & 0xffff) for i in indices]
            connection.sendall(b"".join(struct.pack(">H", len(wire)) + wire for wire in wires))
            while left and time.monotonic() < end:
                part = connection.recv(65536)
                if not part:
                    break
                buffer = take_replies(buffer + part, replies, left)
    except OSError:
        pass
    return sorted(left)


def take_replies(buffer, replies, left):
    """Whole messages out of the stream; what is not whole yet comes back."""
    while len(buffer) >= 2:
        length = struct.unpack_from(">H", buffer)[0]
        if len(buffer) < 2 + length:
            break
        wire, buffer = buffer[2:2 + length], buffer[2 + length:]
        index = struct.unpack_from(">H", wire)[0]
        if index in left:
            left.discard(index)
            replies[index] = wire
    return buffer
