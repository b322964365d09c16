# SPDX-License-Identifier: Apache-2.0
"""Binnacle or CoreDNS as a process that serves a Corefile written for ports of its own.

In the Corefile PORT, HEALTH, READY, METRICS are free ports, DIR its folder."""

import os
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api", "rig")]
import exposition  # noqa: E402
import server  # noqa: E402
from process import scratch_folder, spawn, stop, tail  # noqa: E402

WORDS = ("PORT", "HEALTH", "READY", "METRICS")
COMPLAINTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")
START_S = 30
HTTP_S = 5
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {clusterIP: %s, ports: [{port: 80}]}\n---\n"


def service(name, address, namespace="shop"):
    return SERVICE % (name, namespace, address)


def free_ports(count):
    """Free for UDP and TCP."""
    held, ports = [], []
    try:
        while len(ports) < count:
            tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            held += [tcp, udp]
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
    finally:
        for sock in held:
            sock.close()
    return ports


class NameServer:
    """files: {path below its folder: text}, written before it starts, with the same words."""

    def __init__(self, kind, corefile, files=None, binary=None, flags=(), wrapper=()):
        self.kind = kind
        self.dir = scratch_folder("binnacle-nameserver-")
        self.ports = dict(zip(WORDS, free_ports(len(WORDS))))
        self.port = self.ports["PORT"]
        self.log_path = os.path.join(self.dir, kind + ".log")
        for path, text in (files or {}).items():
            self.file(path, self.filled(text))
        program = server.program(kind, binary)
        self.corefile = self.file("Corefile", self.filled(corefile))
        self.argv = [*wrapper, program, "-conf", self.corefile, *flags]
        self.process = None

    def filled(self, text):
        """With ports and the folder in the places of their words."""
        text = re.sub(r"\b(%s)\b" % "|".join(WORDS), lambda match: str(self.ports[match.group(1)]), text)
        return re.sub(r"\bDIR\b", self.dir, text)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def start(self):
        self.process = spawn(self.argv, self.log_path, cwd=self.dir)
        return self

    def __enter__(self):
        return self.start().wait_answers()

    def __exit__(self, *_):
        self.discard()

    def stop(self):
        stop(self.process)

    def discard(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def complaints(self):
        """What sanitizers had to say."""
        text = self.log()
        start = min((text.find(word) for word in COMPLAINTS if word in text), default=-1)
        return text[max(0, start - 50):start + 3000] if start >= 0 else ""

    def wait_for(self, what, condition, timeout_s=START_S):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended with %s:\n%s" % (self.kind, self.process.returncode, tail(self.log_path)))
            if condition():
                return
            time.sleep(0.02)
        raise RuntimeError("%s: %s did not come in %d s:\n%s" % (self.kind, what, timeout_s, tail(self.log_path)))

    def wait_answers(self):
        """A message without a question is refused by both, and asked of no upstream."""
        self.wait_for("a reply", lambda: self.ask_wire(bytes(12), 0.2) is not None)
        return self

    # -- asking -------------------------------------------------------------------------
    def ask_wire(self, wire, timeout_s=HTTP_S, tcp=False):
        """The reply's bytes or None."""
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        ident = os.urandom(2)
        wire = ident + wire[2:]
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(timeout_s)
            try:
                sock.connect(("127.0.0.1", self.port))
                if not tcp:
                    sock.send(wire)
                    reply = sock.recv(65535)
                else:
                    sock.sendall(len(wire).to_bytes(2, "big") + wire)
                    reply = self.read_tcp(sock)
            except OSError:
                return None
        return reply if reply[:2] == ident else None

    @staticmethod
    def read_tcp(sock):
        buffer = b""
        while len(buffer) < 2 or len(buffer) < 2 + int.from_bytes(buffer[:2], "big"):
            part = sock.recv(65536)
            if not part:
                raise ConnectionError("closed")
            buffer += part
        return buffer[2:]

    def get(self, port_word, path):
        """(status, body); (0, why) if nobody is there."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.ports[port_word], path), timeout=HTTP_S) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError as e:
            return 0, str(e)

    def metric(self, name, **labels):
        """The sum over all series with these labels."""
        status, text = self.get("METRICS", "/metrics")
        if status != 200:
            raise RuntimeError("/metrics: %d %s" % (status, text))
        ours = re.sub(r"(?m)^(# \w+ )?go_.*\n", "", text)  # a Go program's have kinds that Binnacle has not
        return exposition.total(exposition.parse(ours), name, **labels)

    # -- what it costs --------------------------------------------------------------------
    def reset_peak(self):
        with open("/proc/%d/clear_refs" % self.process.pid, "w") as f:
            f.write("5")

    def memory_kib(self):
        """(resident now, its peak since reset_peak())"""
        found = {}
        with open("/proc/%d/status" % self.process.pid) as f:
            for line in f:
                key, _, rest = line.partition(":")
                if key in ("VmRSS", "VmHWM"):
                    found[key] = int(rest.split()[0])
        return found["VmRSS"], found["VmHWM"]
