#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Questions over TCP whose answers dnsperf cannot take in: it stops at 16 KiB.

    tcpload.py PORT FILE SECONDS [CONNECTIONS [WINDOW]]

FILE is dnsperf's binary form. Each connection has WINDOW questions out at any
time. Prints JSON: answered, lost (asked and not answered in the end), seconds,
bytes, rcodes, and the times of all answers in ms."""

import collections
import itertools
import json
import selectors
import socket
import struct
import sys
import time

END_S = 2  # for what is still on its way


def messages(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        length = struct.unpack_from(">H", data, at)[0]
        yield data[at + 2:at + 2 + length]
        at += 2 + length


class Connection:
    """asked: {ID: when}"""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.asked, self.next_id = bytearray(), {}, 0

    def ask(self, message):
        self.next_id = (self.next_id + 1) & 0xffff
        self.asked[self.next_id] = time.perf_counter()
        self.socket.sendall(struct.pack(">HH", len(message), self.next_id) + message[2:])

    def replies(self):
        """[(seconds, rcode, bytes)] of what has come."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed a connection")
        self.buffer += part
        found, at = [], 0
        while len(self.buffer) - at >= 2:
            length = struct.unpack_from(">H", self.buffer, at)[0]
            if len(self.buffer) - at < 2 + length:
                break
            ident, flags = struct.unpack_from(">HH", self.buffer, at + 2)
            found.append((time.perf_counter() - self.asked.pop(ident), flags & 15, length))
            at += 2 + length
        del self.buffer[:at]
        return found


def run(port, path, seconds, connections=8, window=4):
    asks = itertools.cycle(list(messages(path)))
    selector, all_of_them = selectors.DefaultSelector(), [Connection(port) for _ in range(connections)]
    times, rcodes, size = [], collections.Counter(), 0
    began = time.perf_counter()
    for connection in all_of_them:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        for _ in range(window):
            connection.ask(next(asks))
    while any(connection.asked for connection in all_of_them) and time.perf_counter() < began + seconds + END_S:
        for key, _ in selector.select(0.1):
            for took, rcode, length in key.data.replies():
                times.append(took * 1000)
                rcodes[rcode] += 1
                size += length
                if time.perf_counter() < began + seconds:
                    key.data.ask(next(asks))
    return {"answered": len(times), "lost": sum(len(each.asked) for each in all_of_them), "seconds": time.perf_counter() - began,
            "bytes": size, "rcodes": dict(rcodes), "times": times}


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), *map(int, sys.argv[4:]))))
