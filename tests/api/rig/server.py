# SPDX-License-Identifier: Apache-2.0
"""Binnacle, or CoreDNS with the same Corefile, as a process under test."""

import os
import shutil
import time
import urllib.error
import urllib.request

from dnsclient import DnsClient
from process import free_port, scratch_folder, spawn, stop, tail
from rig import build

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def program(kind, binary=None):
    """The path of "binnacle" (BINNACLE, or build/ of the tree) or "coredns"."""
    if binary:
        return binary
    if kind == "coredns":
        return os.path.join(build("coredns"), "bin", "coredns")
    path = os.environ.get("BINNACLE") or os.path.join(TREE, "build", "binnacle")
    return path if os.path.exists(path) else os.path.join(TREE, "build", "dns", "binnacle")


class Server:
    """options: lines inside `kubernetes { }`, among them where the objects come from."""

    def __init__(self, kind, options, binary=None, environment=None, wrapper=(), folder=None,
                 zones="cluster.local in-addr.arpa ip6.arpa", before=()):
        self.kind = kind
        self.dir = folder or scratch_folder("binnacle-server-")
        self.port, self.ready_port, self.health_port = free_port(), free_port(), free_port()
        self.log_path = os.path.join(self.dir, kind + ".log")
        self.argv = list(wrapper) + [program(kind, binary), "-conf", self.write_corefile(zones, options, before)]
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.started_s = 0

    def write_corefile(self, zones, options, before):
        lines = [".:%d {" % self.port, "    bind 127.0.0.1", "    errors",
                 "    ready 127.0.0.1:%d" % self.ready_port, "    health 127.0.0.1:%d" % self.health_port]
        lines += ["    " + line for line in before]
        lines += ["    kubernetes %s {" % zones] + ["        " + line for line in options] + ["    }", "}", ""]
        path = os.path.join(self.dir, self.kind + ".Corefile")
        with open(path, "w") as f:
            f.write("\n".join(lines))
        return path

    def start(self, **kwargs):
        self.started_s = time.monotonic()
        self.process = spawn(self.argv, self.log_path, env=self.environment, cwd=self.dir, **kwargs)
        return self

    def stop(self):
        stop(self.process)

    def discard(self):
        """Stop it and remove its folder, the log too."""
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.discard()

    def client(self):
        return DnsClient(self.port)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def http_status(self, port, path):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=1) as answer:
                return answer.status
        except urllib.error.HTTPError as e:
            return e.code
        except OSError:
            return 0

    def http_text(self, port, path):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=5) as answer:
            return answer.read().decode()

    def ready_status(self):
        return self.http_status(self.ready_port, "/ready")

    def wait_ready(self, timeout_s=30, pause_s=0.01):
        """Seconds from the start of the process to the first 200 of /ready. CoreDNS
        says so before it listens: comes back when questions are answered too."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended with %s:\n%s" % (self.kind, self.process.returncode, tail(self.log_path)))
            if self.ready_status() == 200:
                ready_s = time.monotonic() - self.started_s
                client = self.client()
                client.wait("cluster.local.", "SOA", lambda answer: True, 5)
                client.close()
                return ready_s
            time.sleep(pause_s)
        raise RuntimeError("%s was not ready in %d s:\n%s" % (self.kind, timeout_s, tail(self.log_path)))

    def complaints(self):
        """What sanitizers had to say, and an exit that was not clean; after stop()."""
        words = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")
        text = self.log()
        start = min((text.find(w) for w in words if w in text), default=-1)
        if start >= 0:
            return text[max(0, start - 50):start + 3000]
        if self.process.returncode:
            return "it ended with status %d:\n%s" % (self.process.returncode, tail(self.log_path))
        return ""

    def wait_log(self, *words, timeout_s=10, since=0):
        """True once one line of the log, from offset since, holds all words."""
        end = time.monotonic() + timeout_s
        while True:
            if any(all(w in line for w in words) for line in self.log()[since:].splitlines()):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.02)

    # -- what it costs ---------------------------------------------------
    def cpu_s(self):
        """User and system time of all its threads, ended ones too (10 ms steps)."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def cpu_ns(self):
        """By the scheduler's own count, of the threads that there are."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.process.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.process.pid, task)) as f:
                total += int(f.read().split()[0])
        return total

    def memory_kib(self):
        """VmRSS, VmHWM (peak), RssAnon, RssFile of status and Pss of smaps_rollup."""
        out = {}
        for name in ("status", "smaps_rollup"):
            with open("/proc/%d/%s" % (self.process.pid, name)) as f:
                for line in f:
                    key, _, rest = line.partition(":")
                    if key in ("VmRSS", "VmHWM", "RssAnon", "RssFile", "Pss", "Pss_Anon"):
                        out[key] = int(rest.split()[0])
        return out


def kubeconfig_options(path, *more):
    return ["kubeconfig " + path, "ttl 5"] + list(more)


def endpoint_options(rig):
    """The API server without a kubeconfig: with one CoreDNS speaks JSON, in a cluster protobuf, and so it does here."""
    return ["endpoint https://127.0.0.1:%d" % rig.port,
            "tls %s %s %s" % tuple(rig.path(name) for name in ("dns.crt", "dns.key", "ca.crt"))]

