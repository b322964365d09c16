# SPDX-License-Identifier: Apache-2.0
"""Questions over UDP, made once and compared cheaply: for polling and for load."""

import os
import socket
import struct
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype


def question(name, rdtype="A", edns=True):
    return dns.message.make_query(name, rdtype, use_edns=0 if edns else -1, payload=1232).to_wire()


class Answer:
    """What a test looks at: rcode as text, the records of the question's type as a
    sorted list of text, and the CNAME's target if there is one."""

    def __init__(self, wire):
        message = dns.message.from_wire(wire)
        self.message = message
        self.rcode = dns.rcode.to_text(message.rcode())
        wanted = message.question[0].rdtype
        self.records = sorted(r.to_text() for s in message.answer if s.rdtype == wanted for r in s)
        self.cname = next((r.target.to_text() for s in message.answer
                           if s.rdtype == dns.rdatatype.CNAME for r in s), None)
        self.authoritative = bool(message.flags & dns.flags.AA)

    def __repr__(self):
        return "%s %s%s" % (self.rcode, self.records, " CNAME " + self.cname if self.cname else "")


class DnsClient:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))

    def close(self):
        self.socket.close()

    def ask_wire(self, wire, timeout_s=1.0):
        """The reply with the question's own ID, or None."""
        ident = os.urandom(2)
        self.socket.settimeout(timeout_s)
        end = time.monotonic() + timeout_s
        try:
            self.socket.send(ident + wire[2:])
            while time.monotonic() < end:
                reply = self.socket.recv(65535)
                if reply[:2] == ident:
                    return reply
        except (socket.timeout, ConnectionError):
            pass
        return None

    def ask(self, name, rdtype="A", timeout_s=1.0):
        reply = self.ask_wire(question(name, rdtype), timeout_s)
        return Answer(reply) if reply else None

    def wait(self, name, rdtype, is_right, timeout_s=5.0):
        """Ask until is_right(Answer). The last answer, right or not, and the seconds it took."""
        start = time.monotonic()
        wire = question(name, rdtype)
        last = None
        while True:
            reply = self.ask_wire(wire, 0.5)
            last = Answer(reply) if reply else None
            took = time.monotonic() - start
            if last is not None and is_right(last):
                return last, took
            if took > timeout_s:
                return last, took
            time.sleep(0.002)


def rcode_of(reply):
    return reply[3] & 15


def answer_count(reply):
    return struct.unpack_from(">H", reply, 6)[0]
